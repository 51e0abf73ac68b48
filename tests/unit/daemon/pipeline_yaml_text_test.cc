// A definition survives being written as YAML and read back.
#include "daemon/pipeline_yaml_text.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <random>

#include "daemon/pipeline_yaml.h"
#include "engine/state/settings.h"
#include "schema/proposal.h"

namespace pawl {
namespace {

std::string round_trip_problem(const Pipeline& pipeline) {
  const Result<std::string> yaml = yaml_of(pipeline);
  if (!yaml) return yaml.error().message;
  const Result<PipelineText> read = parse_pipeline(*yaml, "FILE", "/elsewhere");
  if (!read) return read.error().message + " in\n" + *yaml;
  return read->pipeline == pipeline ? "" : "something else is read from\n" + *yaml;
}

TEST(YamlOfPipeline, the_examples_are_read_again) {
  const std::filesystem::path root = std::filesystem::path(__FILE__).parent_path() / "../../..";
  for (const std::string name : {"delivery", "incident"}) {
    const auto read = read_pipeline((root / "examples" / name / "pipeline.yaml").string());
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(round_trip_problem(read->pipeline), "");
  }
  EXPECT_EQ(round_trip_problem(default_pipeline()), "");
}

TEST(YamlOfPipeline, is_what_people_write) {
  Pipeline pipeline;
  pipeline.name = "shop";
  pipeline.env = {{.name = "CI", .value = "1"}, {.name = "TOKEN", .file = "/srv/token"}};
  pipeline.agents = {{.name = "dev", .run = {"/srv/develop", "--fast"}}};
  pipeline.stages = {{.name = "work",
                      .agent = "dev",
                      .gate = Gate{.run = {"/bin/sh", "-c", "make\nmake test\n"}},
                      .to = "done",
                      .steps = {{.name = "merge",
                                 .run = {"/bin/sh", "-c", "git push"},
                                 .irreversible = true,
                                 .settle_s = settle_default_s}}}};
  EXPECT_EQ(*yaml_of(pipeline), R"(name: shop
env:
  CI: "1"
  TOKEN: {file: /srv/token}
agents:
  dev:
    run: [/srv/develop, "--fast"]
    timeout_s: 1800
stages:
  - name: work
    agent: dev
    gate:
      run: |
        make
        make test
      timeout_s: 300
    to: done
    steps:
      - name: merge
        run: git push
        irreversible: true
)");
}

TEST(YamlOfPipeline, a_program_in_the_worktree_that_reads_as_one_beside_the_file_is_refused) {
  Pipeline pipeline = default_pipeline();
  pipeline.agents[0].run = {"./analyse"};
  const auto yaml = yaml_of(pipeline);
  ASSERT_FALSE(yaml);
  EXPECT_NE(yaml.error().message.find("'./analyse'"), std::string::npos);
}

/// Texts and names that YAML could take for something else.
TEST(YamlOfPipeline, any_sound_definition_is_read_again) {
  std::mt19937 random(20260615);
  const auto number = [&](int least, int most) { return std::uniform_int_distribution<int>(least, most)(random); };
  const std::vector<std::string> pieces = {"a",  " ",  "\n", "\t", "'",    "\"",       "#", ": ",   "- ",
                                           "{",  "}",  "[",  "]",  ",",    "&",        "*", "!",    "|",
                                           ">",  "%",  "@",  "`",  "\\",   "ü",        "😀", "~",    "1",
                                           "0x", "no", "=",  "\r", "\x01", "\xC2\x85", "?", "\x7F", "\xEF\xBB\xBF",
                                           "<<"};
  const auto text = [&](int most) {
    std::string made;
    for (int i = number(0, most); i > 0; --i)
      made += pieces[static_cast<std::size_t>(number(0, static_cast<int>(pieces.size()) - 1))];
    return made;
  };
  const auto command = [&]() -> CommandLine {
    if (number(0, 3) == 0) return {};
    if (number(0, 1) == 0) return {"/bin/sh", "-c", text(8)};
    CommandLine words = {std::vector<std::string>{"make", "/bin/true", "bin/x", "no", "1",
                                                  "null"}[static_cast<std::size_t>(number(0, 5))]};
    for (int i = number(0, 3); i > 0; --i) words.push_back(text(5));
    return words;
  };
  const auto bound = [&] {
    return number(0, 2) == 0 ? std::optional<std::int64_t>(number(65'536, 1 << 30)) : std::nullopt;
  };
  const auto env = [&] {
    Variables variables;
    for (int i = number(0, 2); i > 0; --i) {
      Variable& variable = variables.emplace_back(Variable{.name = "V" + std::to_string(i)});
      const int kind = number(0, 2);
      if (kind == 0) variable.value = text(6);
      if (kind == 1) variable.file = "/srv/" + text(4) + "x";
      if (kind == 2) variable.from_daemon = text(4) + "x";
    }
    return variables;
  };
  const std::vector<std::string> names = {"null", "true", "no", "y", "1", "1.5", "0x1f", "a-b", "x_y", "on"};
  int tried = 0;
  for (int round = 0; round < 2000; ++round) {
    Pipeline pipeline;
    pipeline.name = names[static_cast<std::size_t>(number(0, 9))];
    if (number(0, 1) == 0) pipeline.branch = number(0, 1) == 0 ? "create" : "existing";
    pipeline.env = env();
    for (int i = number(0, 2); i > 0; --i) {
      pipeline.agents.push_back({names[static_cast<std::size_t>(i)], command(), number(1, 1000), env(), bound()});
    }
    if (number(0, 2) == 0) {
      pipeline.calendar = Calendar{.zone = "Europe/Berlin",
                                   .closed = {{.days = number(0, 1) == 0 ? "mon , tue" : "",
                                               .from = "22:00",
                                               .until = "6:00",
                                               .reason = text(9)}},
                                   .open = {{.from = "mon 08:00", .until = "Friday 16:00"}},
                                   .freezes = {{.from = "2026-12-24", .until = "2027-01-02T08:00", .reason = text(3)}}};
    }
    const int stages = number(1, 3);
    for (int i = 0; i < stages; ++i) {
      Stage stage;
      stage.name = names[static_cast<std::size_t>(i + 4)];
      if (!pipeline.agents.empty() && number(0, 1) == 0) stage.agent = pipeline.agents[0].name;
      if (number(0, 1) == 0) stage.gate = Gate{command(), number(1, 300), env(), bound()};
      if (stage.gate && number(0, 1) == 0) {
        stage.gate->approve = Approval{
            .by = {"token:ann", "user:" + text(3) + "x"}, .need = number(1, 2), .not_submitter = number(0, 1) == 0};
        if (number(0, 1) == 0) stage.gate->approve->timeout_s = number(1, 9);
      }
      stage.to = i + 1 == stages ? "done" : names[static_cast<std::size_t>(i + 5)];
      for (int s = number(0, 2); s > 0; --s) {
        PipelineStep step{.name = names[static_cast<std::size_t>(s)], .run = command(), .probe = command()};
        step.timeout_s = number(0, 1) == 0 ? 60 : number(1, 200);
        step.irreversible = number(0, 1) == 0;
        step.exclusive = number(0, 1) == 0;
        if (number(0, 1) == 0) step.not_done_exit_codes = {3, 255};
        step.settle_s = number(0, 1) == 0 ? 0 : settle_default_s;
        step.env = env();
        step.output_max_bytes = bound();
        stage.steps.push_back(step);
      }
      if (i > 0 && number(0, 1) == 0) stage.rollback = pipeline.stages[0].name;
      stage.env = env();
      pipeline.stages.push_back(stage);
    }
    if (problem_of(pipeline, Settings{}, rules_version)) continue;
    ++tried;
    ASSERT_EQ(round_trip_problem(pipeline), "") << "round " << round;
  }
  EXPECT_GT(tried, 500);
}

}  // namespace
}  // namespace pawl
