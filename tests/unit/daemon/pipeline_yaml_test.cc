#include "daemon/pipeline_yaml.h"

#include <gtest/gtest.h>
#include <stdlib.h>

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
        output_max_bytes: 70000
    rollback: development
  - {name: deploy, to: done}
)";

Result<PipelineText> parse(const std::string& text) {
  return parse_pipeline(text, "p.yaml", "/srv/shop/pipelines");
}

TEST(PipelineYaml, sound_definition_is_read_whole) {
  const Result<PipelineText> read = parse(sound);
  ASSERT_TRUE(read) << read.error().message;
  const Pipeline& pipeline = read->pipeline;
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
  EXPECT_EQ(merge.output_max_bytes, 70'000);
  EXPECT_FALSE(testing.steps[0].output_max_bytes);
  EXPECT_TRUE(pipeline.stages[2].agent.empty());
}

TEST(PipelineYaml, approvals_name_who_may_and_what_silence_does) {
  const Result<PipelineText> read = parse(R"(name: x
stages:
  - name: one
    gate: {approve: {by: ann}}
    to: two
  - name: two
    gate:
      run: make
      approve: {by: [ann, "user:bob", "group:release"], need: 2, not_submitter: yes, timeout_s: 60, on_timeout: roll_back}
    to: done
    rollback: one
)");
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(*read->pipeline.stages[0].gate->approve, (Approval{.by = {"token:ann"}}));
  EXPECT_EQ(*read->pipeline.stages[1].gate->approve, (Approval{.by = {"token:ann", "user:bob", "group:release"},
                                                               .need = 2,
                                                               .not_submitter = true,
                                                               .timeout_s = 60,
                                                               .on_timeout = ApprovalTimeout::roll_back}));
}

struct Bad {
  const char* situation;
  const char* text;
  const char* message;  // a part that it must contain
};

class PipelineYamlErrors : public testing::TestWithParam<Bad> {};

TEST_P(PipelineYamlErrors, names_line_and_reason) {
  const Result<PipelineText> read = parse(GetParam().text);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, ErrorCode::malformed);
  EXPECT_NE(read.error().message.find(GetParam().message), std::string::npos) << read.error().message;
}

#define PAWL_CALENDAR "name: x\nstages:\n  - {name: work, to: done}\n"

INSTANTIATE_TEST_SUITE_P(
    All, PipelineYamlErrors,
    testing::Values(
        Bad{"empty", "", "p.yaml:1: the file has no pipeline"},  //
        Bad{"comment_only", "# nothing\n", "p.yaml:1: the file has no pipeline"},
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
        Bad{"approve_is_text", "name: x\nstages:\n  - name: s\n    gate: {approve: ann}\n    to: done\n",
            "p.yaml:4: 'approve' of the gate of stage 's' is not a map"},
        Bad{"approve_unknown_key", "name: x\nstages:\n  - name: s\n    gate: {approve: {who: ann}}\n    to: done\n",
            "p.yaml:4: unknown key 'who' in 'approve' of the gate of stage 's'"},
        Bad{"approve_by_none", "name: x\nstages:\n  - name: s\n    gate: {approve: {need: 1}}\n    to: done\n",
            "names none who may give it"},
        Bad{"approve_by_a_kind_that_is_none",
            "name: x\nstages:\n  - name: s\n    gate: {approve: {by: [\"team:a\"]}}\n    to: done\n",
            "names 'team:a' as one who may approve; it must be token:NAME, uid:NUMBER, user:NAME or group:NAME"},
        Bad{"approve_end_of_no_time",
            "name: x\nstages:\n  - name: s\n    gate:\n      approve: {by: a, on_timeout: block}\n    to: done\n",
            "p.yaml:5: 'approve' of the gate of stage 's' has an 'on_timeout', but no 'timeout_s'"},
        Bad{"approve_end_is_none",
            "name: x\nstages:\n  - name: s\n    gate:\n      approve: {by: a, timeout_s: 9, on_timeout: approve}\n    "
            "to: done\n",
            "is 'approve'; use block or roll_back"},
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
            "p.yaml:3: stage 1 'a' has the agent 'nobody', which is not defined"},
        Bad{"rollback_to_nowhere", "name: x\nstages:\n  - {name: a, to: done, rollback: z}\n",
            "p.yaml:3: stage 1 'a' rolls"},
        Bad{"guarded_without_steps", "name: x\nstages:\n  - name: a\n    to: done\n    guarded: true\n",
            "p.yaml:5: the edge of stage 'a' is guarded, but it has no steps"},
        Bad{"steps_but_not_guarded",
            "name: x\nstages:\n  - name: a\n    to: done\n    guarded: false\n"
            "    steps: [{name: s, run: [b]}]\n",
            "p.yaml:5: the edge of stage 'a' has steps"},
        Bad{"guarded_is_yes", "name: x\nstages:\n  - {name: a, to: done, guarded: yes}\n",
            "p.yaml:3: the edge of stage 'a' is guarded, but it has no steps"},
        Bad{"guarded_is_a_word", "name: x\nstages:\n  - {name: a, to: done, guarded: maybe}\n",
            "is neither true nor false"},
        Bad{"guarded_is_quoted", "name: x\nstages:\n  - {name: a, to: done, guarded: 'yes'}\n",
            "is neither true nor false"},
        Bad{"env_is_a_list", "name: x\nenv: [A]\n", "p.yaml:2: 'env' of a pipeline is not a map"},
        Bad{"env_without_a_value", "name: x\nenv:\n  A:\n", "p.yaml:3: variable 'A' of a pipeline is neither"},
        Bad{"env_of_two", "name: x\nenv:\n  A: {file: a, from_daemon: B}\n",
            "must have either `file` or `from_daemon`"},
        Bad{"env_of_something_else", "name: x\nenv:\n  A: {vault: a}\n", "p.yaml:3: unknown key 'vault'"},
        Bad{"env_twice", "name: x\nenv:\n  A: 1\n  B: 2\n  A: 3\n",
            "p.yaml:5: a pipeline has an `env` in which A is defined twice"},
        Bad{"env_of_pawl", "name: x\nenv:\n  PAWL_RUN: 1\n",
            "p.yaml:3: a pipeline has an `env` in which PAWL_RUN begins with"},
        Bad{"env_with_a_bad_name", "name: x\nagents:\n  a:\n    env:\n      A-B: 1\n",
            "p.yaml:5: agent 'a' has an `env`"},
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
            "names 0; an exit code here must be from 1 to 255"},
        Bad{"exit_code_is_text",
            "name: x\nstages:\n  - {name: a, to: done, steps: [{name: s, not_done_exit_codes: [x]}]}\n",
            "is not a whole number"},
        Bad{"budget_of_the_stage",
            "name: x\nagents:\n  w: {timeout_s: 6000}\nstages:\n  - {name: a, agent: w, to: done}\n",
            "p.yaml:5: stage 1 'a'"},
        Bad{"gate_is_text", "name: x\nstages:\n  - {name: a, to: done, gate: make}\n",
            "p.yaml:3: the gate of stage 'a'"},
        Bad{"calendar_is_a_list", PAWL_CALENDAR "calendar: [a]\n", "p.yaml:4: the calendar is not a map"},
        Bad{"calendar_unknown_key", PAWL_CALENDAR "calendar:\n  zone: UTC\n  windows: []\n",
            "p.yaml:6: unknown key 'windows' in the calendar; it has zone, closed, open, freezes"},
        Bad{"calendar_without_a_zone", PAWL_CALENDAR "calendar:\n  closed: []\n",
            "p.yaml:5: the calendar has no 'zone': name the one that its times are in, such as Europe/Berlin"},
        Bad{"calendar_of_nothing", PAWL_CALENDAR "calendar:\n  zone: UTC\n",
            "p.yaml:5: the calendar has none of `closed`, `open` and `freezes`"},
        Bad{"calendar_in_an_unknown_zone",
            PAWL_CALENDAR "calendar:\n  closed: [{from: '22:00', until: '06:00'}]\n  zone: Europe/Berln\n",
            "p.yaml:6: 'Europe/Berln' is not a zone of this machine's time zone database; did you mean "
            "'Europe/Berlin'?"},
        Bad{"calendar_of_an_unknown_stage",
            PAWL_CALENDAR
            "calendar:\n  zone: UTC\n  closed:\n    - from: 22:00\n      until: 06:00\n      stages: wrok\n",
            "p.yaml:7: the calendar has the span 'every day 22:00 to 06:00', which names 'wrok', which is not a stage; "
            "did you mean 'work'?"},
        Bad{"calendar_that_never_opens",
            PAWL_CALENDAR "calendar:\n  zone: UTC\n  closed: [{from: '00:00', until: '24:00'}]\n",
            "p.yaml:5: the calendar never opens for stage 'work'"},
        Bad{"freeze_that_ends_before_it_begins",
            PAWL_CALENDAR "calendar:\n  zone: UTC\n  freezes:\n    - {from: 2026-12-24, until: 2026-12-01}\n",
            "p.yaml:7: the calendar has the span '2026-12-24 to 2026-12-01', which ends before it begins"},
        Bad{"freeze_with_days",
            PAWL_CALENDAR
            "calendar:\n  zone: UTC\n  freezes:\n    - {days: mon, from: 2026-12-24, until: 2026-12-26}\n",
            "p.yaml:7: unknown key 'days' in a span in 'freezes' of the calendar; it has from, until, stages, reason"},
        Bad{"span_without_an_end", PAWL_CALENDAR "calendar:\n  zone: UTC\n  open:\n    - from: mon 08:00\n",
            "p.yaml:7: a span in 'open' of the calendar has no 'until'"},
        Bad{"stages_of_a_span_are_empty",
            PAWL_CALENDAR "calendar:\n  zone: UTC\n  open:\n    - {from: mon 08:00, until: fri 16:00, stages: []}\n",
            "p.yaml:7: 'stages' of a span in 'open' of the calendar is an empty list: leave it out for all"}),
    [](const testing::TestParamInfo<Bad>& bad) { return bad.param.situation; });

TEST(PipelineYaml, calendar_is_read_wherever_it_is_in_the_file) {
  const Result<PipelineText> read = parse(R"(name: x
calendar:
  zone: Europe/Berlin
  closed:
    - {from: fri 16:00, until: mon 08:00, reason: the weekend}
    - {days: [mon, tue-thu], from: 22:00, until: 06:00, stages: deploy}
  open:
    - {days: mon-fri, from: 9:00, until: 17:00, stages: [deploy]}
  freezes:
    - from: 2026-12-24
      until: 2027-01-02
      reason: holidays
stages:
  - {name: work, to: deploy}
  - {name: deploy, to: done}
)");
  ASSERT_TRUE(read) << read.error().message;
  const Calendar expected{.zone = "Europe/Berlin",
                          .closed = {{.from = "fri 16:00", .until = "mon 08:00", .reason = "the weekend"},
                                     {.days = "mon, tue-thu", .from = "22:00", .until = "06:00", .stages = {"deploy"}}},
                          .open = {{.days = "mon-fri", .from = "9:00", .until = "17:00", .stages = {"deploy"}}},
                          .freezes = {{.from = "2026-12-24", .until = "2027-01-02", .reason = "holidays"}}};
  EXPECT_EQ(read->pipeline.calendar, expected);
  EXPECT_EQ(read->freeze_lines, std::vector<int>{10});
}

TEST(PipelineYaml, aliases_cannot_make_a_short_file_long) {
  std::string text = "name: x\nagents:\n  a: {run: [&w '" + std::string(1000, 'w') + "'";
  for (int i = 0; i < 300; ++i) text += ", *w";
  text += "]}\n";
  const Result<PipelineText> read = parse(text);
  ASSERT_FALSE(read);
  EXPECT_NE(read.error().message.find("has 301 entries; the maximum is 256"), std::string::npos)
      << read.error().message;
}

TEST(PipelineYaml, deep_nesting_is_an_error_and_no_crash) {
  EXPECT_FALSE(parse(std::string(100'000, '[')));
  EXPECT_FALSE(parse("name: " + std::string(100'000, '{')));
}

TEST(PipelineYaml, every_cut_of_a_file_is_read_or_refused) {
  const std::string text = sound;
  for (std::size_t length = 0; length < text.size(); ++length) {
    const Result<PipelineText> read = parse(text.substr(0, length));
    EXPECT_TRUE(read || read.error().message.starts_with("p.yaml:")) << read.error().message;
  }
}

TEST(PipelineYaml, variables_stand_at_each_place_that_has_commands) {
  const Result<PipelineText> read = parse(R"(name: x
env: {CI: 1, LEVEL: "true"}
agents:
  a: {run: [make], env: {TOKEN: {file: ./token}}}
stages:
  - name: s
    agent: a
    gate: {run: [make], env: {KEY: {from_daemon: AWS_KEY}}}
    to: done
    env: {EMPTY: ''}
    steps:
      - {name: t, run: [make], env: {PEM: {file: /etc/key.pem}}}
)");
  ASSERT_TRUE(read) << read.error().message;
  const Pipeline& pipeline = read->pipeline;
  EXPECT_EQ(pipeline.env, (Variables{{.name = "CI", .value = "1"}, {.name = "LEVEL", .value = "true"}}));
  EXPECT_EQ(pipeline.agents[0].env, (Variables{{.name = "TOKEN", .file = "/srv/shop/pipelines/token"}}));
  const Stage& stage = pipeline.stages[0];
  EXPECT_EQ(stage.env, (Variables{{.name = "EMPTY", .value = ""}}));
  EXPECT_EQ(stage.gate->env, (Variables{{.name = "KEY", .from_daemon = "AWS_KEY"}}));
  EXPECT_EQ(stage.steps[0].env, (Variables{{.name = "PEM", .file = "/etc/key.pem"}}));
}

TEST(PipelineYaml, flags_are_read_as_people_write_them) {
  for (const std::string flag : {"true", "True", "yes", "YES", "on", "On"}) {
    const auto read =
        parse("name: x\nstages:\n  - {name: a, to: done, steps: [{name: s, irreversible: " + flag + "}]}\n");
    EXPECT_TRUE(read && read->pipeline.stages[0].steps[0].irreversible) << flag;
  }
  for (const std::string flag : {"false", "FALSE", "no", "No", "off", "OFF"}) {
    const auto read =
        parse("name: x\nstages:\n  - {name: a, to: done, steps: [{name: s, irreversible: " + flag + "}]}\n");
    EXPECT_TRUE(read && !read->pipeline.stages[0].steps[0].irreversible) << flag;
  }
}

class PipelineFile : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::path(testing::TempDir()) / "pawl-yaml-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder); }
  std::string write(const std::string& name, const std::string& content) {
    const std::filesystem::path path = folder / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << content;
    return path.string();
  }
  void program(const std::string& name) {
    std::filesystem::permissions(write(name, "#!/bin/sh\n"), std::filesystem::perms::owner_all);
  }
  /// The error for a pipeline whose only agent runs this.
  std::string why(const std::string& run) {
    const std::string file =
        write("p.yaml", "name: x\nagents:\n  a:\n    run: " + run + "\nstages:\n  - {name: s, agent: a, to: done}\n");
    const auto read = read_pipeline(file);
    if (!read) return read.error().message;
    const auto there = check_programs(*read, file, (folder / "path").string());
    return there ? "" : there.error().message;
  }

  std::filesystem::path folder;
};

TEST_F(PipelineFile, is_read_and_a_missing_one_is_missing) {
  for (const std::string name : {"pipelines/bin/develop", "pipelines/bin/merge", "tools/check"}) program(name);
  const Result<PipelineText> read = read_pipeline(write("pipelines/delivery.yaml", sound));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->pipeline.agents[0].run[0], (folder / "pipelines/bin/develop").string());

  const Result<PipelineText> missing = read_pipeline((folder / "none.yaml").string());
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::missing);
  EXPECT_FALSE(read_pipeline(folder.string()));
}

TEST_F(PipelineFile, a_program_that_is_not_there_is_refused_with_its_line) {
  const std::string file = (folder / "p.yaml").string();
  EXPECT_EQ(why("[./bin/lnt]"),
            file + ":4: 'run' of agent 'a': " + (folder / "bin/lnt").string() + ": No such file or directory");
  EXPECT_EQ(why("[/none/lint, x]"), file + ":4: 'run' of agent 'a': /none/lint: No such file or directory");
  EXPECT_EQ(why("[lnt]"), file + ":4: 'run' of agent 'a': lnt: no such program in " + (folder / "path").string());
  write("bin/lnt", "no program");
  EXPECT_EQ(why("[./bin/lnt]"),
            file + ":4: 'run' of agent 'a': " + (folder / "bin/lnt").string() + ": is not an executable file");
  program("bin/lint");
  program("path/lint");
  EXPECT_EQ(why("[./bin/lint]"), "");
  EXPECT_EQ(why("[lint]"), "");
  EXPECT_EQ(why("lnt --all"), "") << "shell lines are not inspected";
  EXPECT_EQ(why("[bin/lnt]"), "") << "a program in the worktree is looked up when it starts";
}

TEST_F(PipelineFile, each_command_is_known_by_its_line) {
  const std::string file = write("p.yaml", R"(name: x
agents:
  outside:
  a: {run: [sh]}
stages:
  - {name: r, agent: outside, to: s}
  - name: s
    agent: a
    to: done
    steps:
      - name: t
        run: [sh]
        probe: [./none]
)");
  const auto read = read_pipeline(file);
  ASSERT_FALSE(read);
  EXPECT_TRUE(read.error().message.starts_with(file + ":13: 'probe' of step 't' of stage 's': "))
      << read.error().message;
}

}  // namespace
}  // namespace pawl
