#include "engine/state/pipeline.h"

#include <gtest/gtest.h>

#include <functional>

#include "schema/limits.h"
#include "schema/proposal.h"

namespace pawl {
namespace {

std::string problem(const Pipeline& pipeline, const Settings& settings = {}) {
  const auto found = problem_of(pipeline, settings, rules_version);
  return found ? found->what : "";
}

Pipeline changed(const std::function<void(Pipeline&)>& change) {
  Pipeline pipeline = default_pipeline();
  change(pipeline);
  return pipeline;
}

Stage& stage(Pipeline& pipeline, const std::string& name) {
  return const_cast<Stage&>(*pipeline.stage(name));
}

TEST(Pipelines, the_default_is_sound_and_as_documented) {
  const Pipeline pipeline = default_pipeline();
  EXPECT_EQ(problem(pipeline), "");
  EXPECT_EQ(pipeline.name, "delivery");
  std::string way;
  for (const Stage& each : pipeline.stages) {
    way += each.name + "(" + each.agent + (each.gate ? "?" : "") + (each.rollback.empty() ? "" : "<" + each.rollback) +
           ")" + (each.guarded() ? "=>" : "->") + each.to + " ";
  }
  EXPECT_EQ(way,
            "analysis(analyst?)->development development(developer?)->review review(reviewer?<development)->testing "
            "testing(deployer?<development)->deploy-staging deploy-staging(deployer?<development)=>deploy "
            "deploy(?<development)=>done ");
  const PipelineStep& retest = *pipeline.step("deploy", "retest");
  EXPECT_EQ(retest.timeout_s, 900);
  EXPECT_FALSE(retest.irreversible);
  const PipelineStep& merge = *pipeline.step("deploy", "merge");
  EXPECT_EQ(merge.timeout_s, 120);
  EXPECT_TRUE(merge.irreversible);
  EXPECT_TRUE(merge.exclusive);
  EXPECT_TRUE(pipeline.step("done", "deploy")->irreversible);
  EXPECT_EQ(pipeline.step("done", "merge"), nullptr);
  EXPECT_EQ(pipeline.step("review", "merge"), nullptr);
  EXPECT_EQ(pipeline.stage("done"), nullptr);
  for (const Stage& each : pipeline.stages) {
    EXPECT_TRUE(each.gate->run.empty());
    for (const PipelineStep& step : each.steps) EXPECT_TRUE(step.run.empty() && step.probe.empty());
  }
}

TEST(Pipelines, survive_the_way_through_an_event) {
  const Pipeline pipeline = changed([](Pipeline& each) {
    each.agents[0].run = {"./analyse", "--fast"};
    stage(each, "review").gate->run = {"make", "check"};
    stage(each, "testing").gate.reset();
    PipelineStep& merge = stage(each, "deploy-staging").steps[1];
    merge.run = {"merge"};
    merge.probe = {"is-merged"};
    merge.not_done_exit_codes = {3, 4};
    merge.settle_s = 5;
    each.agents[0].output_max_bytes = 65'536;
    stage(each, "review").gate->output_max_bytes = 65'537;
    merge.output_max_bytes = 65'538;
    each.calendar = Calendar{.zone = "Europe/Berlin",
                             .closed = {{.days = "mon-thu", .from = "22:00", .until = "06:00", .reason = "night"}},
                             .open = {{.from = "mon 08:00", .until = "fri 16:00", .stages = {"deploy"}}},
                             .freezes = {{.from = "2026-12-24", .until = "2027-01-02"}}};
  });
  const Proposal record = propose({.boot = "b", .actor = "a", .key = {}, .request = {}}, pipeline_event(pipeline));
  EXPECT_TRUE(pipeline_from(*record.record().event_as_PipelineDefined()) == pipeline);
}

TEST(Pipelines, differ_by_every_field) {
  const std::vector<std::function<void(Pipeline&)>> changes = {
      [](Pipeline& each) { each.name = "other"; },
      [](Pipeline& each) { each.agents[0].name = "other"; },
      [](Pipeline& each) { each.agents[0].run = {"x"}; },
      [](Pipeline& each) { each.agents[0].timeout_s = 1; },
      [](Pipeline& each) { each.agents[0].output_max_bytes = 65'536; },
      [](Pipeline& each) { each.agents.pop_back(); },
      [](Pipeline& each) { each.stages[0].name = "other"; },
      [](Pipeline& each) { each.stages[0].agent = "other"; },
      [](Pipeline& each) { each.stages[0].gate.reset(); },
      [](Pipeline& each) { each.stages[0].gate->run = {"x"}; },
      [](Pipeline& each) { each.stages[0].gate->timeout_s = 1; },
      [](Pipeline& each) { each.stages[0].gate->output_max_bytes = 65'536; },
      [](Pipeline& each) { each.stages[0].to = "other"; },
      [](Pipeline& each) { each.stages[2].rollback = "other"; },
      [](Pipeline& each) { each.stages[4].steps.pop_back(); },
      [](Pipeline& each) { each.stages[4].steps[0].name = "other"; },
      [](Pipeline& each) { each.stages[4].steps[0].run = {"x"}; },
      [](Pipeline& each) { each.stages[4].steps[0].probe = {"x"}; },
      [](Pipeline& each) { each.stages[4].steps[0].timeout_s = 1; },
      [](Pipeline& each) { each.stages[4].steps[0].irreversible = true; },
      [](Pipeline& each) { each.stages[4].steps[0].exclusive = true; },
      [](Pipeline& each) { each.stages[4].steps[0].not_done_exit_codes = {3}; },
      [](Pipeline& each) { each.stages[4].steps[0].settle_s = 1; },
      [](Pipeline& each) { each.stages[4].steps[0].output_max_bytes = 65'536; },
      [](Pipeline& each) { each.calendar = Calendar{.zone = "UTC"}; },
  };
  EXPECT_TRUE(default_pipeline() == default_pipeline());
  for (std::size_t i = 0; i < changes.size(); ++i) {
    EXPECT_FALSE(changed(changes[i]) == default_pipeline()) << i;
  }
}

/// What is wrong, and the message for it.
struct Wrong {
  std::function<void(Pipeline&)> change;
  std::string what;
};

TEST(Pipelines, edges_that_are_refused) {
  const std::vector<Wrong> wrongs = {
      {[](Pipeline& each) { stage(each, "review").to = ""; },
       "stage 3 'review' has no `to`: its forward edge is missing"},
      {[](Pipeline& each) { stage(each, "review").to = "qa"; }, "stage 3 'review' leads to 'qa', which is not a stage"},
      {[](Pipeline& each) { stage(each, "review").to = "review"; }, "stage 3 'review' leads to itself"},
      {[](Pipeline& each) { stage(each, "review").to = "cancelled"; },
       "stage 3 'review' leads to 'cancelled', which only a cancellation reaches"},
      {[](Pipeline& each) { stage(each, "review").to = "deploy-staging"; },
       "stage 4 'testing' is unreachable: no path leads to it from 'analysis'"},
      {[](Pipeline& each) { stage(each, "review").to = "done"; },
       "stage 4 'testing' is unreachable: no path leads to it from 'analysis'"},
      {[](Pipeline& each) { stage(each, "testing").to = "development"; },
       "stage 4 'testing' leads back to 'development': a cycle that is not a rollback"},
      {[](Pipeline& each) { stage(each, "testing").to = "analysis"; },
       "stage 4 'testing' leads back to 'analysis': a cycle that is not a rollback"},
      {[](Pipeline& each) { stage(each, "review").rollback = "qa"; },
       "stage 3 'review' rolls back to 'qa', which is not a stage"},
      {[](Pipeline& each) { stage(each, "review").rollback = "cancelled"; },
       "stage 3 'review' rolls back to 'cancelled', which is not a stage"},
      {[](Pipeline& each) { stage(each, "review").rollback = "review"; }, "stage 3 'review' rolls back to itself"},
      {[](Pipeline& each) { stage(each, "review").rollback = "deploy"; },
       "stage 3 'review' rolls back to 'deploy', which comes after it"},
      {[](Pipeline& each) { stage(each, "review").agent = "auditor"; },
       "stage 3 'review' has the agent 'auditor', which is not defined"},
  };
  for (const Wrong& wrong : wrongs) EXPECT_EQ(problem(changed(wrong.change)), wrong.what);
}

TEST(Pipelines, later_is_meant_along_the_way_and_not_in_the_text) {
  Pipeline pipeline = default_pipeline();
  std::swap(pipeline.stages[1], pipeline.stages[4]);
  EXPECT_EQ(problem(pipeline), "");
}

TEST(Pipelines, names_that_are_refused) {
  const std::string long_name(limits::name_bytes_max + 1, 'a');
  const std::vector<Wrong> wrongs = {
      {[](Pipeline& each) { each.name = ""; }, "pipeline '' has no name"},
      {[&](Pipeline& each) { each.name = long_name; },
       "pipeline '" + long_name + "' has a name of 65 bytes; the limit is 64"},
      {[](Pipeline& each) { stage(each, "review").name = "Review"; },
       "stage 3 'Review' has an invalid name: use a-z, 0-9, '.', '_' and '-', and begin with a letter or a digit"},
      {[](Pipeline& each) { each.agents[1].name = "-dev"; },
       "agent 2 '-dev' has an invalid name: use a-z, 0-9, '.', '_' and '-', and begin with a letter or a digit"},
      {[](Pipeline& each) { each.agents[1].name = "analyst"; }, "agent 2 'analyst' has a name that is already used"},
      {[](Pipeline& each) { stage(each, "review").name = "analysis"; },
       "stage 3 'analysis' has a name that is already used"},
      {[](Pipeline& each) { stage(each, "review").name = "done"; },
       "stage 3 'done' has a reserved name: the terminal stages are implicit"},
      {[](Pipeline& each) { stage(each, "review").name = "cancelled"; },
       "stage 3 'cancelled' has a reserved name: the terminal stages are implicit"},
      {[](Pipeline& each) { stage(each, "deploy-staging").steps[1].name = "retest"; },
       "stage 5 'deploy-staging' has a problem on its edge: step 2 'retest' has a name that is already used"},
      {[](Pipeline& each) { stage(each, "review").name = "re.vi_e-W"; },
       "stage 3 're.vi_e-W' has an invalid name: use a-z, 0-9, '.', '_' and '-', and begin with a letter or a digit"},
      {[](Pipeline& each) { stage(each, "review").name = "{review"; },
       "stage 3 '{review' has an invalid name: use a-z, 0-9, '.', '_' and '-', and begin with a letter or a digit"},
      {[](Pipeline& each) { stage(each, "deploy-staging").steps[1].name = "re test"; },
       "stage 5 'deploy-staging' has a problem on its edge: step 2 're test' has an invalid name: use a-z, 0-9, '.', "
       "'_' and '-', and "
       "begin with a letter or a digit"},
  };
  for (const Wrong& wrong : wrongs) EXPECT_EQ(problem(changed(wrong.change)), wrong.what);
}

TEST(Pipelines, bounds_that_are_refused) {
  const auto on_merge = [](auto change) {
    return [change](Pipeline& each) { change(stage(each, "deploy-staging").steps[1]); };
  };
  const std::string merge = "stage 5 'deploy-staging' has a problem on its edge: step 2 'merge' has ";
  const std::vector<Wrong> wrongs = {
      {[](Pipeline& each) { each.stages.clear(); }, "pipeline 'delivery' has no stages"},
      {[](Pipeline& each) { each.stages.resize(33, each.stages[0]); },
       "pipeline 'delivery' has 33 stages; the limit is 32"},
      {[](Pipeline& each) { each.agents.resize(65, each.agents[0]); },
       "pipeline 'delivery' has 65 agents; the limit is 64"},
      {[](Pipeline& each) { each.agents[0].timeout_s = 0; },
       "agent 1 'analyst' has a timeout_s of 0; the range is 1 to 604800"},
      {[](Pipeline& each) { each.stages[0].gate->timeout_s = 604'801; },
       "stage 1 'analysis' has a gate that has a timeout_s of 604801; the range is 1 to 604800"},
      {[](Pipeline& each) {
         each.agents[0].run = {"", "x"};
       },
       "agent 1 'analyst' has a `run` whose first word, the program, is empty"},
      {[](Pipeline& each) {
         each.agents[0].run = {"x", std::string("a\0b", 3)};
       },
       "agent 1 'analyst' has a `run` with a NUL byte in it"},
      {[](Pipeline& each) { each.agents[0].run.assign(257, "x"); },
       "agent 1 'analyst' has a `run` of 257 words and 514 bytes; the limit is 256 words and 65536 bytes"},
      {[](Pipeline& each) {
         each.agents[0].run = {"x", std::string(65'536, 'x')};
       },
       "agent 1 'analyst' has a `run` of 2 words and 65539 bytes; the limit is 256 words and 65536 bytes"},
      {[](Pipeline& each) { each.stages[0].gate->run = {""}; },
       "stage 1 'analysis' has a gate that has a `run` whose first word, the program, is empty"},
      {on_merge([](PipelineStep& step) { step.run = {""}; }),
       merge + "a `run` whose first word, the program, is empty"},
      {on_merge([](PipelineStep& step) { step.settle_s = 604'801; }),
       merge + "a settle_s of 604801; the range is 0 to 604800"},
      {on_merge([](PipelineStep& step) { step.not_done_exit_codes.assign(256, 3); }),
       merge.substr(0, merge.size() - 4) + "has more than 255 not_done_exit_codes"},
      {on_merge([](PipelineStep& step) { step.probe = {""}; }),
       merge + "a `probe` whose first word, the program, is empty"},
      {on_merge([](PipelineStep& step) { step.timeout_s = -1; }),
       merge + "a timeout_s of -1; the range is 1 to 604800"},
      {on_merge([](PipelineStep& step) { step.output_max_bytes = 65'535; }),
       merge + "an output_max_bytes of 65535; the range is 65536 to 1125899906842624"},
      {[](Pipeline& each) { each.stages[0].gate->output_max_bytes = (1LL << 50) + 1; },
       "stage 1 'analysis' has a gate that has an output_max_bytes of 1125899906842625; the range is 65536 to "
       "1125899906842624"},
      {[](Pipeline& each) { each.agents[0].output_max_bytes = 0; },
       "agent 1 'analyst' has an output_max_bytes of 0; the range is 65536 to 1125899906842624"},
      {on_merge([](PipelineStep& step) { step.settle_s = -1; }), merge + "a settle_s of -1; the range is 0 to 604800"},
      {on_merge([](PipelineStep& step) {
         step.not_done_exit_codes = {3, 0};
       }),
       merge + "0 among its not_done_exit_codes; the range is 1 to 255"},
      {on_merge([](PipelineStep& step) { step.not_done_exit_codes = {256}; }),
       merge + "256 among its not_done_exit_codes; the range is 1 to 255"},
      {[](Pipeline& each) { stage(each, "deploy").steps.resize(17, stage(each, "deploy").steps[0]); },
       "stage 6 'deploy' has a problem on its edge: has 17 steps; the limit is 16"},
  };
  for (const Wrong& wrong : wrongs) EXPECT_EQ(problem(changed(wrong.change)), wrong.what);
}

TEST(Pipelines, budgets_leave_room_below_the_ceiling) {
  Settings settings;
  settings.reaper.max_running_s = 3'421;  // 1800 + 300 + 900 + 120 + 300 are 3420
  EXPECT_EQ(problem(default_pipeline(), settings), "");
  settings.reaper.max_running_s = 3'420;
  EXPECT_EQ(problem(default_pipeline(), settings),
            "stage 5 'deploy-staging' may take 3420 s (agent, gate, steps, probes and reaper.finalize_grace_s), "
            "which must be less than reaper.max_running_s, now 3420; lower their timeout_s, or raise that setting");
}

TEST(Pipelines, budgets_count_probes_with_their_wait) {
  const Pipeline pipeline = changed([](Pipeline& each) {
    PipelineStep& merge = stage(each, "deploy-staging").steps[1];
    merge.settle_s = 7;  // Counts only with a probe.
    stage(each, "deploy").steps[0].settle_s = 7;
    merge.probe = {"probe"};
  });
  Settings settings;
  // The probe runs once, or, for an irreversible step, twice with the wait in between.
  for (const std::uint32_t rules : {1U, 2U}) {
    settings.reaper.max_running_s = 3'420 + (rules == 1 ? 120 : 240) + 7 + 1;
    EXPECT_EQ(budget_problem_of(pipeline, settings, rules).has_value(), false) << rules;
    --settings.reaper.max_running_s;
    EXPECT_EQ(budget_problem_of(pipeline, settings, rules)->index, 4u) << rules;
  }
}

TEST(Pipelines, budgets_of_exclusive_steps_leave_room_below_the_ttl) {
  Settings settings;
  settings.lease.merge_ttl_s = 1'321;  // 300 + 900 + 120 are 1320
  EXPECT_EQ(problem(default_pipeline(), settings), "");
  settings.lease.merge_ttl_s = 1'320;
  EXPECT_EQ(problem(default_pipeline(), settings),
            "stage 5 'deploy-staging' has an exclusive step, and its edge may take 1320 s (gate, steps and probes), "
            "which must be less than lease.merge_ttl_s, now 1320; lower their timeout_s, or raise that setting");
  const Pipeline shared = changed([](Pipeline& each) { stage(each, "deploy-staging").steps[1].exclusive = false; });
  EXPECT_EQ(problem(shared, settings), "");
}

TEST(Pipelines, problems_say_where) {
  const auto where = [](const std::function<void(Pipeline&)>& change) {
    return *problem_of(changed(change), {}, rules_version);
  };
  EXPECT_EQ(where([](Pipeline& each) { each.name = ""; }).where, PipelineProblem::Where::pipeline);
  const PipelineProblem agent = where([](Pipeline& each) { each.agents[3].timeout_s = 0; });
  EXPECT_EQ(agent.where, PipelineProblem::Where::agent);
  EXPECT_EQ(agent.index, 3u);
  const PipelineProblem at_stage = where([](Pipeline& each) { stage(each, "testing").rollback = "x"; });
  EXPECT_EQ(at_stage.where, PipelineProblem::Where::stage);
  EXPECT_EQ(at_stage.index, 3u);
}

TEST(Pipelines, a_single_stage_will_do) {
  Pipeline pipeline;
  pipeline.name = "one";
  pipeline.stages = {{.name = "work", .to = "done"}};
  EXPECT_EQ(problem(pipeline), "");
}

}  // namespace
}  // namespace pawl
