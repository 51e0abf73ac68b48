// Advice on valid definitions.
#include "daemon/pipeline_advice.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace pawl {
namespace {

/// All advice on a text, as "LINE: what". The only program it runs is sh.
std::vector<std::string> advice(const std::string& text) {
  const auto read = parse_pipeline(text, "p.yaml", "/srv");
  EXPECT_TRUE(read) << read.error().message;
  std::vector<std::string> said;
  for (const PipelineAdvice& each : advice_on(*read, "/bin", {1'796'083'200 * us_per_s}))
    said.push_back(std::to_string(each.line) + ": " + each.what);
  return said;
}

bool one_begins_with(const std::vector<std::string>& said, const std::string& what) {
  return said.size() == 1 && said[0].starts_with(what);
}

TEST(PipelineAdvice, nothing_is_said_of_a_pipeline_of_reversible_steps) {
  EXPECT_TRUE(advice("name: x\nagents: {a: {run: [sh]}}\nstages:\n  - {name: s, agent: a, to: t}\n"
                     "  - {name: t, to: done, rollback: s, steps: [{name: u, run: [sh]}]}\n")
                  .empty());
}

TEST(PipelineAdvice, a_rollback_behind_an_irreversible_step_is_named_with_its_line) {
  const std::string text =
      "name: x\n"
      "stages:\n"
      "  - {name: development, to: staging}\n"
      "  - name: staging\n"
      "    to: deploy\n"
      "    steps: [{name: merge, run: [sh], probe: [sh], irreversible: true}]\n"
      "    rollback: development\n"
      "  - {name: deploy, to: done, rollback: ";
  const auto said = advice(text + "development}\n");
  EXPECT_TRUE(one_begins_with(said,
                              "8: stage 'deploy' rolls back to 'development', before the irreversible step 'merge' "
                              "of stage 'staging'"))
      << (said.empty() ? "" : said[0]);
  // Also back to the stage itself: its edge is crossed again.
  EXPECT_TRUE(one_begins_with(advice(text + "staging}\n"), "8: stage 'deploy' rolls back to 'staging'"));
}

TEST(PipelineAdvice, a_rollback_to_a_stage_behind_the_irreversible_step_is_fine) {
  EXPECT_TRUE(advice("name: x\nstages:\n"
                     "  - {name: a, to: b, steps: [{name: merge, run: [sh], probe: [sh], irreversible: true}]}\n"
                     "  - {name: b, to: c}\n"
                     "  - {name: c, to: done, rollback: b}\n")
                  .empty());
}

TEST(PipelineAdvice, steps_behind_a_stage_that_asks_people_are_named) {
  const std::string asks = "gate: {approve: {by: [ann]}}";
  const std::string text = "name: x\nstages:\n  - {name: review, to: ship, " + asks + "}\n  - {name: ship, to: done, ";
  const std::string steps = "steps: [{name: u, run: [sh]}]}\n";
  EXPECT_TRUE(one_begins_with(advice(text + steps), "4: stage 'ship' has steps but no `approve`: stage 'review' asks"));
  EXPECT_TRUE(advice(text + asks + ", " + steps).empty());
}

TEST(PipelineAdvice, an_irreversible_step_without_a_probe_is_named_if_it_has_a_command) {
  const std::string begin = "name: x\nagents:\n  a:\nstages:\n  - name: s\n    agent: a\n    to: done\n    steps:\n";
  EXPECT_TRUE(one_begins_with(advice(begin + "      - name: merge\n        run: [sh]\n        irreversible: true\n"),
                              "10: step 'merge' of stage 's' is irreversible and has no probe"));
  EXPECT_TRUE(advice(begin + "      - name: merge\n        irreversible: true\n").empty());
}

TEST(PipelineAdvice, a_file_that_cannot_be_read_is_named) {
  const auto of = [](const std::string& file) {
    return advice("name: x\nenv:\n  A: {file: /proc/self/stat}\n  B: {file: " + file +
                  "}\nstages:\n  - {name: s, to: done}\n");
  };
  EXPECT_TRUE(one_begins_with(of("none"), "4: B: /srv/none: No such file or directory"));
  EXPECT_TRUE(one_begins_with(of("/dev/null"),
                              "4: B: /dev/null: is a device, but must be a regular file; commands that need it"));
}

TEST(PipelineAdvice, a_program_that_is_not_in_path_is_named) {
  const auto said =
      advice("name: x\nagents:\n  a:\n    run: [no-such-program]\nstages:\n  - {name: s, agent: a, to: done}\n");
  EXPECT_TRUE(one_begins_with(said, "4: 'run' of agent 'a': no-such-program: no such program in /bin"))
      << (said.empty() ? "" : said[0]);
}

TEST(PipelineAdvice, a_path_of_its_own_is_where_a_program_is_looked_for) {
  const std::string end = "}}}\nstages:\n  - {name: s, agent: a, to: done}\n";
  const std::string begin = "name: x\nagents: {a: {run: [sh], env: {PATH: ";
  EXPECT_EQ(advice(begin + "/none" + end).size(), 1u);
  EXPECT_TRUE(advice(begin + "'/none:/bin'" + end).empty());
  EXPECT_TRUE(advice(begin + "{from_daemon: OTHER}" + end).empty()) << "its value is unknown before the command starts";
}

const std::string up_to_freezes =
    "name: x\nstages:\n  - {name: s, to: done}\ncalendar:\n  zone: Europe/Berlin\n  freezes:\n";

TEST(PipelineAdvice, a_freeze_that_is_over_is_named) {
  EXPECT_EQ(advice(up_to_freezes +
                   "    - {from: 2026-11-01, until: 2026-11-30}\n    - {from: 2026-11-30, until: 2026-12-01}\n"),
            (std::vector<std::string>{"7: the freeze '2026-11-01 to 2026-11-30' is over"}));
}

TEST(PipelineAdvice, a_local_time_that_comes_twice_or_never_is_told_as_it_is_read) {
  EXPECT_EQ(advice(up_to_freezes + "    - {from: 2027-03-28 02:30, until: 2027-10-31 02:30}\n"),
            (std::vector<std::string>{
                "7: '2027-03-28 02:30' does not exist, as the clocks change; it is read as Sun 2027-03-28 03:00 "
                "(2027-03-28T01:00:00.000000Z)",
                "7: '2027-10-31 02:30' comes twice, as the clocks change; it is read as Sun 2027-10-31 02:30 "
                "(2027-10-31T01:30:00.000000Z)"}));
}

}  // namespace
}  // namespace pawl
