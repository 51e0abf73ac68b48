#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <gtest/gtest.h>

#include "schema/json/read_json.h"
#include "tests/unit/tools/sample_log.h"

namespace pawl {
namespace {

class Simulate : public testing::Test {
 protected:
  Ran simulated(const std::string& script, const std::vector<std::string>& options = {}) {
    std::vector<std::string> words = {"simulate", folder.file("script.jsonl", script)};
    words.insert(words.end(), options.begin(), options.end());
    return run_pawl(words);
  }
  /// "Type by actor: outcome" of each record that a script makes, except the two that begin every run.
  std::vector<std::string> records(const std::string& script) {
    const Ran ran = simulated(script);
    EXPECT_EQ(ran.exit, 0) << ran.err;
    std::vector<std::string> names;
    for (const std::string& line : lines_of(ran.out)) {
      const auto record = parse_json(line);
      EXPECT_TRUE(record.has_value()) << line;
      if (!record || !record->get_object().contains("seq")) continue;
      names.push_back(std::string(record->at("type").as_string()) + " by " +
                      std::string(record->at("actor").as_string()) + ": " +
                      std::string(record->at("outcome").as_string()));
    }
    EXPECT_GE(names.size(), 2u);
    if (names.size() >= 2) names.erase(names.begin(), names.begin() + 2);
    return names;
  }
  /// The error for a script, without the file's name.
  std::string complaint(const std::string& script, int exit = 2) {
    const Ran ran = simulated(script);
    EXPECT_EQ(ran.exit, exit) << ran.out << ran.err;
    const std::string head = "pawl: " + folder.path("script.jsonl") + ", ";
    EXPECT_TRUE(ran.err.starts_with(head)) << ran.err;
    EXPECT_EQ(ran.out.empty(), exit == 2) << "an invalid script is not played at all";
    return ran.err.size() > head.size() ? ran.err.substr(head.size(), ran.err.size() - head.size() - 1) : ran.err;
  }

  using Names = std::vector<std::string>;
  const std::string create =
      R"({"at":1,"do":{"type":"TaskCreated","work_item":"W-1","repo":"shop","branch":"w-1","stage":"deploy-staging"},"actor":"webhook"})"
      "\n";
  const std::string claim = R"({"at":2,"do":{"type":"JobClaimed","job":1},"actor":"executor"})"
                            "\n";
  TestFolder folder;
};

TEST_F(Simulate, a_run_begins_with_a_boot_and_delivery) {
  const std::vector<std::string> lines = lines_of(simulated("").out);
  ASSERT_EQ(lines.size(), 2u);
  const auto boot = parse_json(lines[0]);
  EXPECT_EQ(boot->at("type"), "BootStarted");
  EXPECT_EQ(boot->at("time"), "2026-01-01T00:00:00.000000Z");
  EXPECT_EQ(boot->at("boot"), "00000000-0000-4000-8000-000000000001");
  EXPECT_EQ(boot->at("data").at("name"), "pawld");
  EXPECT_EQ(boot->at("data").at("pid"), 1);
  EXPECT_EQ(parse_json(lines[1])->at("data").at("name"), "delivery");
}

TEST_F(Simulate, records_are_exported_lines_of_their_lines_time) {
  const Ran ran = simulated(R"({"at":1,"at_us":7,"do":{"type":"TaskCreated","work_item":"W","repo":"shop"}})");
  EXPECT_EQ(parse_json(lines_of(ran.out)[2])->at("time"), "2026-01-01T00:00:01.000007Z");
  EXPECT_EQ(run_pawl({"replay", folder.file("log.jsonl", ran.out)}).exit, 0);
}

TEST_F(Simulate, a_refusal_is_a_record_and_no_failure) {
  EXPECT_EQ(records(create + create), (Names{"TaskCreated by webhook: accepted", "TaskCreated by webhook: relaunch"}));
}

TEST_F(Simulate, a_group_is_all_or_nothing) {
  EXPECT_EQ(records(create + R"({"at":2,"group":[{"type":"LeaseAcquired","key":"task:1"},)"
                             R"({"type":"LeaseReleased","key":"repo:shop"}],"actor":"monitor"})"),
            (Names{"TaskCreated by webhook: accepted", "LeaseAcquired by monitor: skipped",
                   "LeaseReleased by monitor: not_held"}));
}

TEST_F(Simulate, references_stand_for_what_is_held_and_open) {
  const Names names =
      records(create +
              R"({"at":2,"group":[{"type":"LeaseAcquired","key":"task:1"},{"type":"LeaseAcquired","key":"repo:shop"}]}
{"at":3,"do":{"type":"StepStarted","task":1,"version":1,"to":"deploy","step":"merge","token":"@task:1","repo_token":"@repo:shop"}}
{"at":4,"do":{"type":"StepFinished","task":1,"version":1,"step":"merge","started":"@step:1:merge","outcome":"done"}}
{"at":5,"do":{"type":"StepFinished","task":1,"version":1,"step":"merge","started":"@step:1:merge","outcome":"done"}}
{"at":6,"do":{"type":"LeaseReleased","key":"any","token":"@any"}})");
  ASSERT_EQ(names.size(), 7u);
  EXPECT_EQ(names[3], "StepStarted by operator: accepted");
  EXPECT_EQ(names[4], "StepFinished by operator: accepted");
  EXPECT_EQ(names[5], "StepFinished by operator: not_started");
  EXPECT_EQ(names[6], "LeaseReleased by operator: not_held");
}

TEST_F(Simulate, settings_are_one_group_checked_at_its_last) {
  EXPECT_EQ(records(R"({"at":0,"set":{"reaper.dead_ticks":3,"reaper.max_running_s":10,"queue.max_concurrency":2}})"),
            (Names{"SettingChanged by operator: skipped", "SettingChanged by operator: skipped",
                   "SettingChanged by operator: bad_value"}));
}

TEST_F(Simulate, a_dead_pid_is_reaped_after_its_streak) {
  const std::string run = R"({"at":3,"do":{"type":"RunStarted","job":1,"attempt":1,"pid":4242,"pid_start":9}})"
                          "\n";
  EXPECT_EQ(records(create + claim + run + R"({"at":4,"world":{"pid":4242,"alive":false}}
{"at":60,"tick":"reaper"}
{"at":60,"expect":{"job":1,"status":"running","pid":4242}}
{"at":120,"tick":"reaper"}
{"at":120,"expect":{"records":[{"type":"JobReaped","data":{"tier":"1","evidence":{"streak":2}}}]}}
{"at":120,"expect":{"job":1,"status":"queued","attempts":1,"pid":null}})")
                .back(),
            "JobReaped by reaper: accepted");
  EXPECT_EQ(records(create + claim + run + R"({"at":4,"world":{"pid":4242,"alive":true,"start":10}}
{"at":60,"tick":"reaper"}
{"at":120,"tick":"reaper"})")
                .back(),
            "JobReaped by reaper: accepted")
      << "another process has the pid";
}

TEST_F(Simulate, a_switched_off_reaper_does_not_pass) {
  EXPECT_EQ(records(create + claim + R"({"at":2,"set":{"reaper.enabled":false}}
{"at":9000,"tick":"reaper"})")
                .size(),
            3u);
}

TEST_F(Simulate, a_restart_recovers_from_the_log) {
  EXPECT_EQ(records(create + claim + R"({"at":2,"do":{"type":"LeaseAcquired","key":"task:1"},"actor":"monitor"}
{"at":9,"restart":true}
{"at":9,"expect":{"job":1,"status":"queued","interruptions":1}}
{"at":9,"expect":{"lease":"task:1","held":false}}
{"at":9,"do":{"type":"TaskNote","task":1,"text":"x"},"boot":"00000000-0000-4000-8000-000000000001"}
{"at":9,"do":{"type":"TaskNote","task":1,"text":"x"},"boot":"00000000-0000-4000-8000-000000000002"})"),
            (Names{"TaskCreated by webhook: accepted", "JobClaimed by executor: accepted",
                   "LeaseAcquired by monitor: accepted", "BootStarted by pawld: accepted",
                   "LeaseReclaimed by recovery: accepted", "JobReaped by recovery: accepted",
                   "TaskNote by operator: stale_boot", "TaskNote by operator: accepted"}));
}

TEST_F(Simulate, shows_state_and_queue_on_one_line) {
  const std::vector<std::string> lines =
      lines_of(simulated(create + claim + "{\"at\":2,\"show\":\"state\"}\n{\"at\":2,\"show\":\"queue\"}\n").out);
  ASSERT_EQ(lines.size(), 6u);
  const auto state = parse_json(lines[4]);
  EXPECT_EQ(state->at("show"), "state");
  EXPECT_EQ(state->at("state").at("tasks").at(0).at("stage"), "deploy-staging");
  EXPECT_EQ(state->at("state").at("jobs").at(0).at("status"), "running");
  const auto queue = parse_json(lines[5]);
  EXPECT_EQ(queue->at("queue").at("jobs").at("running"), 1);
  for (const char* block : {"reaper", "transition_lease", "stop", "reconciler"}) {
    EXPECT_TRUE(queue->at("queue").at(block).is_object()) << block;
  }
}

TEST_F(Simulate, a_finished_task_can_still_be_seen) {
  const Ran ran = simulated(R"({"at":1,"do":{"type":"TaskCreated","work_item":"W-1","repo":"shop","stage":"deploy"}}
{"at":2,"tick":"reconciler"}
{"at":2,"expect":{"task":1,"stage":"done","version":2}}
{"at":2,"expect":{"lease":"task:1","held":false}}
{"at":2,"show":"state"})");
  EXPECT_EQ(ran.exit, 0) << ran.err;
  EXPECT_EQ(parse_json(lines_of(ran.out).back())->at("state").at("tasks").at(0).at("stage"), "done");
}

TEST_F(Simulate, an_expectation_that_is_not_met_names_line_and_both_values) {
  EXPECT_EQ(complaint(create + R"({"at":2,"expect":{"job":1,"status":"running"}})", 1),
            R"(line 2: expected job 1 to have status "running", but it is "queued")");
  EXPECT_EQ(complaint(create + R"({"at":2,"expect":{"task":1,"stage":"deploy-staging","version":3}})", 1),
            "line 2: expected task 1 to have version 3, but it is 1");
  EXPECT_EQ(complaint(create + R"({"at":2,"expect":{"task":2,"stage":"done"}})", 1),
            R"(line 2: expected task 2 to have {"stage":"done"}, but there is none)");
  EXPECT_EQ(complaint(create + R"({"at":2,"expect":{"lease":"task:1","held":true}})", 1),
            "line 2: expected lease 'task:1' to be held, but it is free");
  EXPECT_EQ(complaint(create + R"({"at":2,"expect":{"records":[{"type":"TaskCreated","outcome":"relaunch"}]}})", 1),
            R"(line 2: expected a record {"type":"TaskCreated","outcome":"relaunch"}, but there were: )"
            "TaskCreated accepted");
}

TEST_F(Simulate, expectations_about_records_are_a_subset_in_order) {
  const std::string queued = R"({"at":2,"expect":{"records":[{"effects":[{"effect":"job_queued"}]}]}})";
  EXPECT_EQ(simulated(create + queued).exit, 0);
  const std::string swapped =
      R"({"at":2,"expect":{"records":[{"effects":[{"effect":"job_queued"},{"effect":"task"}]}]}})";
  EXPECT_EQ(simulated(create + swapped).exit, 1);
  EXPECT_EQ(simulated(create + R"({"at":2,"expect":{"records":[{"data":{"depends_on":[]}}]}})").exit, 0);
  EXPECT_EQ(simulated(create + R"({"at":2,"expect":{"records":[{"data":{"depends_on":[1]}}]}})").exit, 1);
}

TEST_F(Simulate, what_does_not_fit_is_named) {
  EXPECT_EQ(complaint(create + R"({"at":0,"tick":"reaper"})"),
            "line 2: time runs backwards: 2026-01-01T00:00:00.000000Z after 2026-01-01T00:00:01.000000Z");
  EXPECT_EQ(complaint(R"({"tick":"reaper"})"), "line 1: 'at' is missing");
  EXPECT_EQ(complaint(R"({"at":1.5,"tick":"reaper"})"), "line 1: 'at' must be a whole number from 0 to 40000000000");
  EXPECT_EQ(complaint(R"({"at":1,"tick":"everything"})"), "line 1: 'tick' must be 'reaper' or 'reconciler'");
  EXPECT_EQ(complaint(R"({"at":1,"tock":"reaper"})"), "line 1: unknown 'tock' in a line");
  EXPECT_EQ(complaint(R"({"at":1,"tick":"reaper","restart":true})"),
            "line 1: a line must have one of do, group, set, world, tick, restart, show and expect");
  EXPECT_EQ(complaint(R"({"at":1,"do":{"type":"Nonsense"}})"), "line 1: unknown event 'Nonsense'");
  EXPECT_EQ(complaint(R"({"at":1,"do":{"type":"RunExited","job":1,"attempt":1}})"),
            "line 1: RunExited: exit_code: is missing");
  EXPECT_EQ(complaint(R"({"at":1,"do":{"type":"TaskCreated","work_item":7,"repo":"shop"}})"),
            "line 1: TaskCreated: work_item: must be a string, but is a number");
  EXPECT_EQ(complaint(R"({"at":1,"set":{"reaper.enabled":null}})").substr(0, 26), "line 1: 'reaper.enabled': ");
  EXPECT_EQ(complaint(R"({"at":1,"world":{"pid":"x","alive":true}})").substr(0, 18), "line 1: 'pid' must");
  EXPECT_EQ(complaint(R"({"at":1,"expect":{"task":1,"lease":"x","held":true}})"),
            "line 1: 'expect' must have one of 'job', 'task', 'lease' and 'records'");
  EXPECT_EQ(complaint("{\"at\":1").substr(0, 6), "line 1");
  EXPECT_EQ(run_pawl({"simulate", folder.path("nowhere")}).exit, 2);
}

TEST_F(Simulate, writes_a_fresh_data_folder) {
  const std::string data = folder.path("data");
  const Ran ran = simulated(create + claim + "{\"at\":9,\"restart\":true}\n", {"--data", data});
  ASSERT_EQ(ran.exit, 0) << ran.err;
  EXPECT_EQ(run_pawl({"export", "log", "--data", data}).out, ran.out);
  EXPECT_EQ(run_pawl({"check", data}).exit, 0);
  const Ran again = simulated(create, {"--data", data});
  EXPECT_EQ(again.exit, 2);
  EXPECT_EQ(again.err, "pawl: " + data + " is not empty: a simulation starts a new log\n");
}

}  // namespace
}  // namespace pawl
