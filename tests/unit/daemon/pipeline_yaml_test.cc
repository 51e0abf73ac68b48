#include "daemon/pipeline_yaml.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

namespace pawl {
namespace {

constexpr const char* sound = R"(name: delivery
agents:
  developer: {run: [./bin/develop, --fast], timeout_s: 100}
  tester: {run: make test}
  outsider:
stages:
  - name: development
    agent: developer
    gate: {run: [../tools/check], timeout_s: 20}
    to: testing
  - name: testing
    agent: tester
    to: deploy
    guarded: true
    steps:
      - {name: retest, run: [make, test], timeout_s: 90}
      - name: merge
        run: [./bin/merge]
        probe: ./bin/merged
        timeout_s: 60
        irreversible: true
        exclusive: repo
        not_done_exit_codes: [3, 4]
        settle_s: 2
    rollback: development
  - {name: deploy, to: done}
)";

Result<Pipeline> parse(const std::string& text) {
  return parse_pipeline(text, "p.yaml", "/srv/shop/pipelines");
}

TEST(PipelineYaml, sound_definition_is_read_whole) {
  const Result<Pipeline> read = parse(sound);
  ASSERT_TRUE(read) << read.error().message;
  const Pipeline& pipeline = *read;
  EXPECT_EQ(pipeline.name, "delivery");
  ASSERT_EQ(pipeline.agents.size(), 3u);
  EXPECT_EQ(pipeline.agents[0].run, (CommandLine{"/srv/shop/pipelines/bin/develop", "--fast"}));
  EXPECT_EQ(pipeline.agents[0].timeout_s, 100);
  EXPECT_EQ(pipeline.agents[1].run, (CommandLine{"/bin/sh", "-c", "make test"}));
  EXPECT_EQ(pipeline.agents[1].timeout_s, agent_timeout_default_s);
  EXPECT_TRUE(pipeline.agents[2].run.empty());

  ASSERT_EQ(pipeline.stages.size(), 3u);
  const Stage& development = pipeline.stages[0];
  EXPECT_EQ(development.agent, "developer");
  ASSERT_TRUE(development.gate);
  EXPECT_EQ(development.gate->run, CommandLine{"/srv/shop/tools/check"});
  EXPECT_EQ(development.gate->timeout_s, 20);
  EXPECT_FALSE(development.guarded());

  const Stage& testing = pipeline.stages[1];
  EXPECT_FALSE(testing.gate);
  EXPECT_EQ(testing.rollback, "development");
  ASSERT_EQ(testing.steps.size(), 2u);
  EXPECT_EQ(testing.steps[0].run, (CommandLine{"make", "test"}));
  EXPECT_FALSE(testing.steps[0].irreversible);
  const PipelineStep& merge = testing.steps[1];
  EXPECT_EQ(merge.probe, (CommandLine{"/bin/sh", "-c", "./bin/merged"}));
  EXPECT_TRUE(merge.irreversible);
  EXPECT_TRUE(merge.exclusive);
  EXPECT_EQ(merge.not_done_exit_codes, (std::vector<int>{3, 4}));
  EXPECT_EQ(merge.timeout_s, 60);
  EXPECT_EQ(merge.settle_s, 2);
  EXPECT_TRUE(pipeline.stages[2].agent.empty());
}

struct Bad {
  const char* situation;
  const char* text;
  const char* message;  // a part of it that has to be there
};

class PipelineYamlErrors : public testing::TestWithParam<Bad> {};

TEST_P(PipelineYamlErrors, names_line_and_reason) {
  const Result<Pipeline> read = parse(GetParam().text);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, ErrorCode::malformed);
  EXPECT_NE(read.error().message.find(GetParam().message), std::string::npos) << read.error().message;
}

INSTANTIATE_TEST_SUITE_P(
    All, PipelineYamlErrors,
    testing::Values(
        Bad{"empty", "", "p.yaml:1: there is no pipeline"},  //
        Bad{"comment_only", "# nothing\n", "p.yaml:1: there is no pipeline"},
        Bad{"not_yaml", "name: x\nstages: [\n", "p.yaml:3: "},  //
        Bad{"tab", "name: x\nstages:\n\t- name: a\n", "p.yaml:3: "},
        Bad{"a_list", "- a\n", "p.yaml:1: a pipeline is not a map"},
        Bad{"two_documents", "name: x\n---\nname: y\n", "p.yaml:2: a second document"},
        Bad{"unknown_key", "name: x\ncolour: red\n", "p.yaml:2: unknown key 'colour' in a pipeline"},
        Bad{"duplicate_key", "name: x\nname: y\n", "p.yaml:2: duplicate key 'name'"},
        Bad{"name_is_a_map", "name: {a: b}\nstages: []\n", "p.yaml:1: 'name' of a pipeline is not text"},
        Bad{"no_name", "stages:\n  - {name: a, to: done}\n", "p.yaml:1: pipeline '' has no name"},
        Bad{"no_stages", "name: x\n", "p.yaml:1: pipeline 'x' has no stages"},
        Bad{"agents_is_a_list", "name: x\nagents: [a]\n", "p.yaml:2: 'agents' is not a map"},
        Bad{"duplicate_agent", "name: x\nagents:\n  a:\n  a:\n", "p.yaml:4: duplicate agent 'a'"},
        Bad{"agent_unknown_key", "name: x\nagents:\n  a:\n    cmd: [b]\n", "p.yaml:4: unknown key 'cmd' in agent 'a'"},
        Bad{"run_is_a_map", "name: x\nagents:\n  a: {run: {b: c}}\n", "p.yaml:3: 'run' of agent 'a' is neither"},
        Bad{"run_is_empty", "name: x\nagents:\n  a: {run: []}\n", "p.yaml:3: 'run' of agent 'a' is an empty list"},
        Bad{"run_has_empty_program", "name: x\nagents:\n  a: {run: ['']}\n", "begins with an empty word"},
        Bad{"run_with_a_list_in_it", "name: x\nagents:\n  a: {run: [b, [c]]}\n", "has a word that is not text"},
        Bad{"run_with_nul", "name: x\nagents:\n  a: {run: [\"b\\0c\"]}\n", "p.yaml:3: 'run' of agent 'a' has a NUL"},
        Bad{"rest_of_a_flow_alone", ", timeout_s: 120}\n", "p.yaml:1: a second document"},
        Bad{"run_in_latin_1",
            "name: x\nagents:\n  a: {run: [pr\xFC"
            "fe]}\n",
            "p.yaml:3: 'run' of agent 'a' is not UTF-8"},
        Bad{"agent_in_latin_1",
            "name: x\nagents:\n  pr\xFC"
            "fer:\n",
            "p.yaml:3: the name of an agent is not UTF-8"},
        Bad{"timeout_is_text", "name: x\nagents:\n  a:\n    timeout_s: soon\n",
            "p.yaml:4: 'timeout_s' of agent 'a' is not a whole number"},
        Bad{"timeout_is_quoted", "name: x\nagents:\n  a: {timeout_s: '10'}\n", "is not a whole number"},
        Bad{"timeout_is_no_integer", "name: x\nagents:\n  a: {timeout_s: 1.5}\n", "is not a whole number"},
        Bad{"timeout_overflows", "name: x\nagents:\n  a: {timeout_s: 99999999999999999999}\n", "not a whole number"},
        Bad{"timeout_out_of_range", "name: x\nagents:\n  b:\n  a: {timeout_s: 0}\nstages:\n  - {name: s, to: done}\n",
            "p.yaml:4: agent 2 'a'"},
        Bad{"stages_is_a_map", "name: x\nstages: {a: b}\n", "p.yaml:2: 'stages' is not a list"},
        Bad{"stage_is_text", "name: x\nstages:\n  - a\n", "p.yaml:3: a stage is not a map"},
        Bad{"stage_without_name", "name: x\nstages:\n  - to: done\n", "p.yaml:3: a stage has no name"},
        Bad{"duplicate_stage", "name: x\nstages:\n  - {name: a, to: done}\n  - {name: a, to: done}\n",
            "p.yaml:4: stage"},
        Bad{"missing_edge", "name: x\nstages:\n  - name: a\n", "p.yaml:3: stage 1 'a' has no `to`"},
        Bad{"edge_to_nowhere", "name: x\nstages:\n  - {name: a, to: b}\n", "p.yaml:3: stage 1 'a' leads to 'b'"},
        Bad{"unreachable_stage", "name: x\nstages:\n  - {name: a, to: done}\n  - {name: b, to: done}\n",
            "p.yaml:4: stage 2 'b' is unreachable"},
        Bad{"cycle", "name: x\nstages:\n  - {name: a, to: b}\n  - {name: b, to: a}\n",
            "p.yaml:4: stage 2 'b' leads back to 'a': a cycle that is not a rollback"},
        Bad{"unknown_agent", "name: x\nstages:\n  - name: a\n    agent: nobody\n    to: done\n",
            "p.yaml:3: stage 1 'a' has the agent 'nobody', which is unknown"},
        Bad{"rollback_to_nowhere", "name: x\nstages:\n  - {name: a, to: done, rollback: z}\n",
            "p.yaml:3: stage 1 'a' rolls"},
        Bad{"guarded_without_steps", "name: x\nstages:\n  - name: a\n    to: done\n    guarded: true\n",
            "p.yaml:5: the edge of stage 'a' is guarded, but it has no steps"},
        Bad{"steps_but_not_guarded",
            "name: x\nstages:\n  - name: a\n    to: done\n    guarded: false\n"
            "    steps: [{name: s, run: [b]}]\n",
            "p.yaml:5: the edge of stage 'a' has steps"},
        Bad{"guarded_is_a_word", "name: x\nstages:\n  - {name: a, to: done, guarded: yes}\n",
            "is neither true nor false"},
        Bad{"steps_is_a_map", "name: x\nstages:\n  - {name: a, to: done, steps: {b: c}}\n",
            "p.yaml:3: 'steps' of stage"},
        Bad{"step_without_name", "name: x\nstages:\n  - name: a\n    to: done\n    steps:\n      - run: [b]\n",
            "p.yaml:6: a step of stage 'a' has no name"},
        Bad{"step_unknown_key",
            "name: x\nstages:\n  - name: a\n    to: done\n    steps:\n      - {name: s, retry: 3}\n",
            "p.yaml:6: unknown key 'retry' in a step of stage 'a'"},
        Bad{"exclusive_is_true", "name: x\nstages:\n  - {name: a, to: done, steps: [{name: s, exclusive: true}]}\n",
            "p.yaml:3: 'exclusive' of step 's' of stage 'a' is not 'repo'"},
        Bad{"exit_code_zero",
            "name: x\nstages:\n  - {name: a, to: done, steps: [{name: s, not_done_exit_codes: [0]}]}\n",
            "names 0; an exit code there is from 1 to 255"},
        Bad{"exit_code_is_text",
            "name: x\nstages:\n  - {name: a, to: done, steps: [{name: s, not_done_exit_codes: [x]}]}\n",
            "is not a whole number"},
        Bad{"budget_of_the_stage",
            "name: x\nagents:\n  w: {timeout_s: 6000}\nstages:\n  - {name: a, agent: w, to: done}\n",
            "p.yaml:5: stage 1 'a'"},
        Bad{"gate_is_text", "name: x\nstages:\n  - {name: a, to: done, gate: make}\n",
            "p.yaml:3: the gate of stage 'a'"}),
    [](const testing::TestParamInfo<Bad>& bad) { return bad.param.situation; });

TEST(PipelineYaml, aliases_cannot_make_a_short_file_long) {
  std::string text = "name: x\nagents:\n  a: {run: [&w '" + std::string(1000, 'w') + "'";
  for (int i = 0; i < 300; ++i) text += ", *w";
  text += "]}\n";
  const Result<Pipeline> read = parse(text);
  ASSERT_FALSE(read);
  EXPECT_NE(read.error().message.find("has 301 entries; 256 are the most"), std::string::npos) << read.error().message;
}

TEST(PipelineYaml, deep_nesting_is_an_error_and_no_crash) {
  EXPECT_FALSE(parse(std::string(100'000, '[')));
  EXPECT_FALSE(parse("name: " + std::string(100'000, '{')));
}

TEST(PipelineYaml, every_cut_of_a_file_is_read_or_refused) {
  const std::string text = sound;
  for (std::size_t length = 0; length < text.size(); ++length) {
    const Result<Pipeline> read = parse(text.substr(0, length));
    EXPECT_TRUE(read || read.error().message.starts_with("p.yaml:")) << read.error().message;
  }
}

TEST(PipelineYaml, file_is_read_and_a_missing_one_is_missing) {
  const std::filesystem::path folder = std::filesystem::path(testing::TempDir()) / "pipeline_yaml_test";
  std::filesystem::create_directories(folder);
  const std::string path = (folder / "delivery.yaml").string();
  std::ofstream(path) << sound;
  const Result<Pipeline> read = read_pipeline(path);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->agents[0].run[0], (folder / "bin/develop").string());

  const Result<Pipeline> missing = read_pipeline((folder / "none.yaml").string());
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::missing);
  EXPECT_FALSE(read_pipeline(folder.string()));
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace pawl
