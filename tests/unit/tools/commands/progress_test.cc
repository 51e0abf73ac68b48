#include "tools/commands/progress.h"

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <gtest/gtest.h>

#include "schema/json/read_json.h"

namespace pawl {
namespace {

class ProgressOfTask : public testing::Test {
 protected:
  /// What progress says of a record of that event, accepted at that second.
  std::string at(int second, const std::string& type, const std::string& data,
                 const std::string& outcome = "accepted") {
    const std::string time = "2026-01-01T00:00:" + std::string(second < 10 ? "0" : "") + std::to_string(second) + "Z";
    const auto record = parse_json(R"({"seq":1,"time":")" + time + R"(","type":")" + type + R"(","data":)" + data +
                                   R"(,"outcome":")" + outcome + R"(","effects":null})");
    EXPECT_TRUE(record) << data;
    const std::string line = progress.add(record->get_object());
    return line.empty() ? line : line.substr(14, line.size() - 15);
  }

  int asked = 0;
  Progress progress{3, "build", [this](std::uint64_t job) -> std::uint64_t {
                      ++asked;
                      return job == 5 ? 3 : 4;
                    }};
};

TEST_F(ProgressOfTask, a_delivery_is_told_stage_by_stage) {
  EXPECT_EQ(at(0, "TaskCreated", R"({"work_item":"W"})"), "created, on build");
  EXPECT_EQ(at(1, "JobClaimed", R"({"job":5})"), "build: agent runs");
  EXPECT_EQ(at(2, "RunExited", R"({"job":5,"attempt":1,"exit_code":0})"), "build: agent ended");
  EXPECT_EQ(at(2, "GateEvaluated", R"({"task":3,"passed":true,"reason":null})"), "build: gate green");
  EXPECT_EQ(at(4, "StageTransition", R"({"task":3,"to":"ship","reason":null})"), "build -> ship");
  EXPECT_EQ(at(5, "StepStarted", R"({"task":3,"step":"merge"})"), "ship: merge runs");
  EXPECT_EQ(at(6, "StepFinished", R"({"task":3,"step":"merge","outcome":"did_not_happen"})"),
            "ship: merge did not happen");
  EXPECT_EQ(progress.state(), Progress::State::moving);
  EXPECT_EQ(progress.lines({progress.begun().us + 7 * us_per_s}),
            (std::vector<std::string>{"  build        4.00 s  passed", "  ship         3.00 s  merge did not happen"}));
  EXPECT_EQ(at(9, "StageTransition", R"({"task":3,"to":"done","reason":null})"), "ship -> done");
  EXPECT_EQ(progress.state(), Progress::State::done);
  EXPECT_EQ(progress.lines({}).back(), "  done");
}

TEST_F(ProgressOfTask, a_red_gate_that_the_daemon_finds_stuck_ends_the_wait) {
  const auto stuck = [&](const std::string& row) {
    const auto read = parse_json(row);
    EXPECT_TRUE(read) << row;
    return progress.see_stuck(read->get_object());
  };
  const std::string red = R"({"task":3,"reason":"gate_red","detail":"the gate of 'build' is red: no"})";
  at(0, "TaskCreated", "{}");
  EXPECT_EQ(stuck(red), "") << "no gate was red yet";
  at(1, "GateEvaluated", R"({"task":3,"passed":null,"reason":"no such program"})");
  EXPECT_EQ(stuck(red), "") << "a gate in error is run again";
  at(2, "GateEvaluated", R"({"task":3,"passed":false,"reason":"no"})");
  EXPECT_EQ(stuck(R"({"task":3,"reason":"lease","detail":"x"})"), "") << "it is being driven";
  EXPECT_EQ(stuck(R"({"task":4,"reason":"gate_red","detail":"x"})"), "") << "another task's";
  EXPECT_EQ(progress.state(), Progress::State::moving);
  EXPECT_TRUE(stuck(red).ends_with("  waits: the gate of 'build' is red: no\n"));
  EXPECT_EQ(progress.state(), Progress::State::gate_red);
  EXPECT_EQ(progress.reason(), "the gate of 'build' is red: no");
}

TEST_F(ProgressOfTask, a_rollback_says_why) {
  at(0, "TaskCreated", "{}");
  at(1, "StageTransition", R"({"task":3,"to":"review"})");
  EXPECT_EQ(at(2, "StageTransition", R"({"task":3,"to":"build","reason":"3 tests failed"})"),
            "review -> build (3 tests failed)");
  EXPECT_EQ(progress.lines({}).at(1), "  review        1.00 s  rolled back to build (3 tests failed)");
}

TEST_F(ProgressOfTask, other_tasks_and_refusals_are_passed_over) {
  at(0, "TaskCreated", "{}");
  EXPECT_EQ(at(1, "TaskCreated", R"({"work_item":"other"})"), "");
  EXPECT_EQ(at(1, "StageTransition", R"({"task":4,"to":"done"})"), "");
  EXPECT_EQ(at(1, "JobClaimed", R"({"job":6})"), "");
  EXPECT_EQ(at(1, "JobClaimed", R"({"job":6})"), "");
  EXPECT_EQ(asked, 1);
  EXPECT_EQ(at(1, "StageTransition", R"({"task":3,"to":"done"})", "version_conflict"), "");
  EXPECT_EQ(progress.state(), Progress::State::moving);
}

TEST_F(ProgressOfTask, a_block_ends_it_by_its_record_or_by_the_row) {
  at(0, "TaskCreated", "{}");
  EXPECT_EQ(at(1, "TaskBlocked", R"({"task":3,"reason":"outcome_unknown"})"), "build: blocked: outcome_unknown");
  EXPECT_EQ(progress.state(), Progress::State::blocked);
  EXPECT_EQ(progress.reason(), "outcome_unknown");
  at(2, "TaskUnblocked", R"({"task":3,"reason":null})");
  EXPECT_EQ(progress.state(), Progress::State::moving);
  EXPECT_EQ(progress.see(parse_json(R"({"id":3,"blocked":null})")->get_object()), "");
  EXPECT_EQ(progress.see(parse_json(R"({"id":3,"blocked":"budget spent"})")->get_object()),
            "      2.00 s  blocked: budget spent\n");
  EXPECT_EQ(progress.state(), Progress::State::blocked);
}

TEST_F(ProgressOfTask, a_cancellation_ends_it) {
  at(0, "TaskCreated", "{}");
  EXPECT_EQ(at(1, "CancelRequested", R"({"task":3,"reason":"no longer wanted"})"),
            "build: cancel requested (no longer wanted)");
  EXPECT_EQ(at(2, "TaskCancelled", R"({"task":3})"), "cancelled");
  EXPECT_EQ(progress.state(), Progress::State::cancelled);
}

TEST_F(ProgressOfTask, what_a_record_says_cannot_move_the_cursor) {
  at(0, "TaskCreated", "{}");
  EXPECT_EQ(at(1, "TaskBlocked", R"({"task":3,"reason":"a\u001b[2Jb"})"), "build: blocked: a\\x1b[2Jb");
}

}  // namespace
}  // namespace pawl
