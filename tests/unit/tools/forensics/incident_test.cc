// `pawl incident`: the cause of what ended badly, what would have prevented it, and what it is asked around.
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "schema/json/read_json.h"
#include "tests/unit/tools/sample_log.h"

namespace pawl {
namespace {

namespace json = boost::json;

const std::string founding_log = std::string(PAWL_INCIDENTS) + "/reap_during_finalization_defences_off.jsonl";
const std::string healthy_log = std::string(PAWL_INCIDENTS) + "/reap_during_finalization_defences_on.jsonl";

/// A slot for one job, held by one whose process is gone, with the reaper off: two tasks stand still.
const std::string reaper_off = R"({"at": 0, "set": {"reaper.enabled": false}}
{"at": 1, "do": {"type": "TaskCreated", "work_item": "W-1", "repo": "shop"}}
{"at": 2, "do": {"type": "TaskCreated", "work_item": "W-2", "repo": "till"}}
{"at": 3, "do": {"type": "JobClaimed", "job": 1}, "actor": "executor"}
{"at": 4, "do": {"type": "RunStarted", "job": 1, "attempt": 1, "pid": 4242}, "actor": "executor"}
{"at": 9000, "do": {"type": "TaskNote", "task": 1, "text": "the end"}}
)";

/// Its own agent fails twice.
const std::string own_failure = R"({"at": 1, "do": {"type": "TaskCreated", "work_item": "W-1", "repo": "shop"}}
{"at": 2, "do": {"type": "JobClaimed", "job": 1}, "actor": "executor"}
{"at": 3, "do": {"type": "RunExited", "job": 1, "attempt": 1, "exit_code": 1}, "actor": "monitor"}
{"at": 3, "do": {"type": "JobFinished", "job": 1, "attempt": 1, "result": "retry"}, "actor": "monitor"}
{"at": 99, "do": {"type": "JobClaimed", "job": 1}, "actor": "executor"}
{"at": 100, "do": {"type": "RunExited", "job": 1, "attempt": 2, "exit_code": 1}, "actor": "monitor"}
{"at": 100, "do": {"type": "JobFinished", "job": 1, "attempt": 2, "result": "retry"}, "actor": "monitor"}
)";

class IncidentCommand : public testing::Test {
 protected:
  std::string played(const std::string& script) const {
    const Ran ran = run_pawl({"simulate", "-"}, script);
    EXPECT_EQ(ran.exit, 0) << ran.err;
    return folder.file("log.jsonl", ran.out);
  }
  static json::value asked(std::vector<std::string> words, int exit = 1) {
    words.insert(words.begin(), "incident");
    words.emplace_back("--json");
    const Ran ran = run_pawl(words);
    EXPECT_EQ(ran.exit, exit) << ran.err;
    auto read = parse_json(ran.out);
    EXPECT_TRUE(read) << ran.out;
    return read ? *read : json::value();
  }

  const TestFolder folder;
};

TEST_F(IncidentCommand, names_the_cause_its_victims_and_what_would_have_prevented_it) {
  const json::value report = asked({played(reaper_off)});
  const json::value& incident = report.at("incident");
  EXPECT_EQ(incident.at("seq").as_int64(), 3) << report;
  ASSERT_EQ(report.at("ended").as_array().size(), 2U) << "also the task that waits for the slot: " << report;
  for (const json::value& end : report.at("ended").as_array()) EXPECT_EQ(end.at("cause").as_int64(), 3) << end;
  const json::value& defence = report.at("defences").at(0);
  EXPECT_EQ(defence.at("change").as_string(), "reaper.enabled=true");
  EXPECT_EQ(defence.at("undoes").as_int64(), 3);
  EXPECT_EQ(defence.at("verdict").as_string(), "prevented") << defence;
  EXPECT_EQ(report.at("trace").at(0).at("says").as_string(), "sets reaper.enabled to false") << report.at("trace");
  EXPECT_EQ(report.at("stories").as_array().size(), 2U);
}

TEST_F(IncidentCommand, what_a_task_brings_on_itself_is_listed_and_is_no_incident) {
  const std::string log = played(own_failure);
  const json::value report = asked({log}, 0);
  EXPECT_TRUE(report.at("incident").is_null());
  EXPECT_EQ(report.at("by_itself").at(0).at("by_itself").as_string(), "its own 2 attempts failed");
  const Ran check = run_pawl({"check", log});
  EXPECT_EQ(check.exit, 0);
  EXPECT_NE(
      check.out.find("nothing found, but 1 task did not end well\n\nhow it ended\n  task 1 (W-1) was blocked: "
                     "job_failed, its agent ended with exit code 1 (record 9), by itself: its own 2 attempts failed\n"),
      std::string::npos)
      << check.out;
}

TEST_F(IncidentCommand, is_about_the_record_the_time_the_task_or_the_work_item_that_is_asked_for) {
  const std::string log = played(reaper_off);
  for (const char* around : {"6", "2026-01-01T01:00:00Z", "task:2", "W-2", "item:W-1"}) {
    EXPECT_EQ(asked({log, around}).at("incident").at("seq").as_int64(), 3) << around;
  }
  const std::map<std::string, std::string> unknown = {
      {"W-3", "work item 'W-3'"}, {"task:7", "task 7"}, {"99", "record 99: it has those from 1 to 8"}};
  for (const auto& [around, named] : unknown) {
    const Ran ran = run_pawl({"incident", log, around});
    EXPECT_EQ(ran.exit, 2) << around;
    EXPECT_NE(ran.err.find("the log has no " + named), std::string::npos) << ran.err;
  }
}

TEST_F(IncidentCommand, a_log_without_one_says_so) {
  const Ran ran = run_pawl({"incident", healthy_log});
  EXPECT_EQ(ran.exit, 0);
  EXPECT_NE(ran.out.find("\nno incident, and nothing ended badly\n"), std::string::npos) << ran.out;
  EXPECT_EQ(run_pawl({"incident", healthy_log, "--html", folder.path("page.html")}).exit, 1);
  EXPECT_FALSE(std::filesystem::exists(folder.path("page.html")));
}

TEST_F(IncidentCommand, tells_it_to_people_and_draws_it) {
  const Ran ran = run_pawl({"incident", founding_log, "--html", folder.path("page.html")});
  EXPECT_EQ(ran.exit, 1);
  for (const char* part :
       {"\nthe cause: record 3\n", "\nwhat ended badly\n",
        "\nhow it came about\n>  3  2026-01-01T00:00:00Z  operator  sets ownership.enabled to false\n",
        "  ownership.enabled=true (undoes record 3)  prevented      record 13 does not happen\n"}) {
    EXPECT_NE(ran.out.find(part), std::string::npos) << part << " in:\n" << ran.out;
  }
  EXPECT_TRUE(std::filesystem::exists(folder.path("page.html")));
}

TEST_F(IncidentCommand, input_that_cannot_be_read_is_named) {
  EXPECT_EQ(run_pawl({"incident", folder.path("nothing")}).exit, 2);
  EXPECT_EQ(run_pawl({"incident", folder.file("bad.jsonl", "{}\n")}).exit, 2);
  EXPECT_EQ(run_pawl({"incident", founding_log, "--json", "--html", folder.path("page.html")}).err,
            "pawl: incident: give --html or --json, not both\n");
}

// What real daemons left.

class Incident : public testing::Test {
 protected:
  /// The path of the log that a script makes, as exported lines.
  std::string log_of(const std::string& script) {
    const Ran ran = run_pawl({"simulate", folder.file("script.jsonl", script)});
    EXPECT_EQ(ran.exit, 0) << ran.err;
    return folder.file("log.jsonl", ran.out);
  }
  static std::string created(int task, const std::string& stage) {
    const std::string number = std::to_string(task);
    return R"({"at": 1, "do": {"type": "TaskCreated", "work_item": "W-)" + number +
           R"(", "repo": "shop", "branch": "w-)" + number + R"(", "stage": ")" + stage +
           "\"}, \"actor\": \"webhook\"}\n";
  }
  /// A job that each of six restarts interrupts.
  static std::string crash_loop() {
    std::string script = created(1, "development");
    for (int at = 2; at < 14; at += 2) {
      script += R"({"at": )" + std::to_string(at) +
                R"(, "do": {"type": "JobClaimed", "job": 1}, "actor": "executor"})" +
                "\n{\"at\": " + std::to_string(at + 1) + ", \"restart\": true}\n";
    }
    return script;
  }
  static bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

  TestFolder folder;
};

TEST_F(Incident, the_cause_stands_alone_and_what_blocks_is_told_with_its_record) {
  const Ran ran = run_pawl({"incident", log_of(crash_loop())});
  EXPECT_EQ(ran.exit, 1) << ran.err;
  EXPECT_TRUE(has(ran.out,
                  "the cause: record 5\n  from here on 6 restarts of the daemon interrupted job 1 within 10 s\n\n"
                  "what ended badly\n  task 1 (W-1) was blocked: job_failed (record 21)\n"))
      << ran.out;
  EXPECT_TRUE(has(ran.out, "outcome retry; task 1 is blocked: job_failed\n")) << ran.out;
}

/// Two workers: 'sound' does four jobs well, 'fresh', which started later, fails at the next ones, twice each.
std::string failing_worker(int tasks) {
  const auto boot = [](const std::string& name) {
    return R"({"at": 1, "do": {"type": "BootStarted", "name": ")" + name + R"(", "boot_id": ")" + name + R"(-1"}})" +
           "\n";
  };
  int at = 1;
  std::string script = R"({"at": 0, "set": {"queue.max_concurrency": 20, "queue.serial_per_repo": false}})"
                       "\n" +
                       boot("sound") + boot("fresh");
  const auto attempt = [&](int job, int number, const std::string& worker, bool is_good) {
    const std::string of_job = R"("job": )" + std::to_string(job);
    const std::string by = R"(, "boot": ")" + worker + R"(-1", "actor": ")" + worker + "\"}\n";
    const std::string of_attempt = of_job + R"(, "attempt": )" + std::to_string(number);
    at += 100;
    const std::string begin = R"({"at": )" + std::to_string(at) + R"(, "do": {"type": )";
    script += begin + R"("JobClaimed", )" + of_job + "}" + by;
    script += begin + R"("RunExited", )" + of_attempt + R"(, "exit_code": )" + (is_good ? "0" : "1") + "}" + by;
    script +=
        begin + R"("JobFinished", )" + of_attempt + R"(, "result": ")" + (is_good ? "done" : "retry") + "\"}" + by;
  };
  for (int task = 1; task <= 4 + tasks; ++task) {
    script += R"({"at": )" + std::to_string(at) + R"(, "do": {"type": "TaskCreated", "work_item": "W-)" +
              std::to_string(task) + R"(", "repo": "shop", "branch": "w"}, "actor": "webhook"})" + "\n";
    attempt(task, 1, task <= 4 ? "sound" : "fresh", task <= 4);
    if (task > 4) attempt(task, 2, "fresh", false);
  }
  return script;
}

TEST_F(Incident, a_worker_is_named_for_failing_at_several_tasks_not_at_one) {
  const Ran many = run_pawl({"incident", log_of(failing_worker(2))});
  EXPECT_EQ(many.exit, 1) << many.err << many.out;
  EXPECT_TRUE(has(many.out, "from here on 'fresh' on")) << many.out;
  EXPECT_TRUE(has(many.out, "fails at what it claims: 4 of 4 attempts failed, of others' on the same pipeline 0 of 4"))
      << many.out;
  const Ran one = run_pawl({"incident", log_of(failing_worker(1))});
  EXPECT_EQ(one.exit, 0) << "it may be the task's own fault: " << one.out;
}

TEST_F(Incident, each_reap_and_block_says_by_which_value_and_who_set_it) {
  const std::string set = R"({"at": 0, "set": {"recovery.max_interruptions": 2}})"
                          "\n";
  const std::string log = log_of(set + crash_loop());
  const std::string spent = "3 interruptions > 2 (recovery.max_interruptions, set by 3)";
  const Ran check = run_pawl({"check", log});
  EXPECT_TRUE(has(check.out, "  decided   13: " + spent + "\n")) << check.out;
  EXPECT_TRUE(has(check.out, "    " + spent + "\n")) << "how it ended: " << check.out;
  const Ran explain = run_pawl({"explain", log, "task:1"});
  EXPECT_TRUE(has(explain.out, "1 interruption <= 2 (recovery.max_interruptions, set by 3)\n")) << explain.out;
  EXPECT_TRUE(has(explain.out, ' ' + spent + "\n")) << explain.out;
  EXPECT_TRUE(has(explain.out, "sets recovery.max_interruptions to 2")) << "the record that set it is in the story";
  const Ran incident = run_pawl({"incident", log, "--html", folder.path("page.html")});
  EXPECT_TRUE(has(incident.out, " (record 13)\n    " + spent + "\n")) << incident.out;
  const auto report = parse_json(run_pawl({"incident", log, "--json"}).out);
  ASSERT_TRUE(report);
  EXPECT_EQ(report->at("ended").at(0).at("decided").at(0).as_string(), spent);
  EXPECT_EQ(report->at("trace").as_array().back().at("decided").at(0).as_string(), spent);
  EXPECT_EQ(report->at("incident").at("decided").at(0).as_string(), "13: " + spent);
}

TEST_F(Incident, the_page_has_the_whole_report) {
  const std::string log = log_of(R"({"at": 0, "set": {"recovery.max_interruptions": 2}})"
                                 "\n" +
                                 crash_loop());
  const Ran ran = run_pawl({"incident", log, "--html", folder.path("page.html")});
  EXPECT_EQ(ran.exit, 1) << ran.err;
  std::ifstream file(folder.path("page.html"));
  std::stringstream text;
  text << file.rdbuf();
  const std::string page = text.str();
  const std::size_t from = page.find("id=\"data\">") + 10;
  const auto data = parse_json(page.substr(from, page.find("</script>", from) - from));
  ASSERT_TRUE(data);
  for (const char* part : {"incident", "ended", "trace", "defences", "unknown", "stories"}) {
    EXPECT_TRUE(data->as_object().contains(part)) << part;
  }
  const std::int64_t cause = data->at("incident").at("seq").as_int64();
  bool is_in_story = false;
  for (const auto& entry : data->at("stories").at(0).at("entries").as_array()) {
    is_in_story = is_in_story || entry.at("seq").as_int64() == cause;
  }
  EXPECT_TRUE(is_in_story) << "the timeline has the cause, which the page marks";
  EXPECT_TRUE(has(page.substr(0, from), "the cause: record " + std::to_string(cause))) << "also without scripts";
}

TEST_F(Incident, what_the_log_does_not_know_is_refused) {
  const std::string log = log_of(crash_loop());
  for (const std::string word : {"22", "0", "task:2", "W-2"}) {
    const Ran ran = run_pawl({"incident", log, word});
    EXPECT_EQ(ran.exit, 2) << word << ran.out;
    EXPECT_TRUE(ran.err.starts_with("pawl: the log has no ")) << word << ran.err;
  }
  EXPECT_EQ(run_pawl({"incident", log, "W-1"}).exit, 1);
  const Ran boot = run_pawl({"incident", log, "1"});
  EXPECT_EQ(boot.exit, 0);
  EXPECT_TRUE(has(boot.out, "no incident about record 1, and nothing ended badly\n")) << boot.out;
}

TEST_F(Incident, a_log_after_a_checkpoint_names_tasks_from_before_it) {
  const std::string data = folder.path("data");
  ASSERT_EQ(run_pawl({"simulate", folder.file("script.jsonl", crash_loop()), "--data", data}).exit, 0);
  const Ran later = run_pawl({"export", "log", "--data", data, "--from", "10"});
  ASSERT_EQ(later.exit, 0) << later.err;
  const Ran ran = run_pawl({"incident", folder.file("log.jsonl", later.out), "W-1"});
  EXPECT_EQ(ran.exit, 1) << ran.err;
  EXPECT_TRUE(has(ran.out, "  task 1 (W-1) was blocked: job_failed (record 21)\n")) << ran.out;
}

TEST_F(Incident, what_has_not_ended_is_named_if_there_is_none) {
  const std::string off = "{\"at\": 0, \"set\": {\"reaper.enabled\": false}}\n";
  const Ran ran = run_pawl({"incident", log_of(off + created(1, "development"))});
  EXPECT_EQ(ran.exit, 0) << ran.err;
  EXPECT_TRUE(has(ran.out, "not ended at the end of the log\n  task 1 (W-1) on development, since 2026-01-01T00:00:01"))
      << ran.out;
  EXPECT_TRUE(has(ran.out, "what is not known\n  reaper.enabled is off: ")) << ran.out;
}

TEST_F(Incident, a_block_is_told_with_what_the_agent_or_the_gate_ended_with) {
  const auto failed = [](int attempt, int at, const std::string& exit_code) {
    const std::string time = "{\"at\": " + std::to_string(at) + ", \"do\": ";
    return time + R"({"type": "JobClaimed", "job": 1}, "actor": "executor"})" + "\n" + time +
           R"({"type": "RunExited", "job": 1, "attempt": )" + std::to_string(attempt) +
           ", \"exit_code\": " + exit_code + "}, \"actor\": \"monitor\"}\n" +
           (exit_code == "0" ? time + R"({"type": "GateEvaluated", "task": 1, "version": 1, "gate": "development", )" +
                                   R"("passed": null, "reason": "timed out"}, "actor": "monitor"})" + "\n"
                             : "") +
           time + R"({"type": "JobFinished", "job": 1, "attempt": )" + std::to_string(attempt) +
           ", \"result\": \"retry\"}, \"actor\": \"monitor\"}\n";
  };
  const Ran missing =
      run_pawl({"check", log_of(created(1, "development") + failed(1, 2, "127") + failed(2, 100, "127"))});
  EXPECT_TRUE(has(missing.out, "job_failed, its agent ended with exit code 127 (a command was not found) (record "))
      << missing.out;
  const Ran gate = run_pawl({"check", log_of(created(1, "development") + failed(1, 2, "0") + failed(2, 100, "0"))});
  EXPECT_TRUE(has(gate.out, "job_failed, its gate was in error: timed out (record ")) << gate.out;
}

TEST_F(Incident, findings_that_say_the_same_of_many_tasks_are_not_all_told) {
  std::string script = "{\"at\": 0, \"set\": {\"reconciler.enabled\": false}}\n";
  for (int task = 1; task <= 5; ++task) script += created(task, "deploy");
  const std::string log = log_of(script);
  const Ran ran = run_pawl({"check", log});
  EXPECT_TRUE(has(ran.out, "5 findings")) << ran.out;
  EXPECT_TRUE(has(ran.out, "\nand 2 more like these: records 7, 8\n")) << ran.out;
}

TEST_F(Incident, a_step_that_a_restart_cut_off_overlaps_with_no_later_one) {
  const auto merge = [](int task, int at) {
    const std::string number = std::to_string(task);
    const std::string time = "{\"at\": " + std::to_string(at) + ", ";
    return time + R"("group": [{"type": "LeaseAcquired", "key": "task:)" + number +
           R"(", "edge": "deploy-staging->deploy"}, {"type": "LeaseAcquired", "key": "repo:shop", "ttl": 1800, )" +
           R"("edge": "deploy-staging->deploy"}], "actor": "finalizer"})" + "\n" + time +
           R"("do": {"type": "StepStarted", "task": )" + number +
           R"(, "version": 1, "to": "deploy", "step": "retest", "token": "@task:)" + number +
           "\"}, \"actor\": \"finalizer\"}\n" + time + R"("do": {"type": "StepFinished", "task": )" + number +
           R"(, "version": 1, "step": "retest", "started": "@step:)" + number +
           R"(:retest", "outcome": "done"}, "actor": "finalizer"})" + "\n" + time +
           R"("do": {"type": "StepStarted", "task": )" + number +
           R"(, "version": 1, "to": "deploy", "step": "merge", "token": "@task:)" + number +
           R"(", "repo_token": "@repo:shop"}, "actor": "finalizer"})" + "\n";
  };
  const std::string script =
      created(1, "deploy-staging") + created(2, "deploy-staging") + merge(1, 10) +
      "{\"at\": 20, \"restart\": true}\n{\"at\": 30, \"do\": {\"type\": \"TaskBlocked\", "
      "\"task\": 1, \"version\": 1, \"reason\": \"outcome_unknown\"}, \"actor\": \"finalizer\"}\n" +
      merge(2, 40);
  const Ran ran = run_pawl({"incident", log_of(script)});
  EXPECT_EQ(ran.exit, 1) << ran.err;
  EXPECT_TRUE(has(ran.out, "  the daemon was restarted\n")) << ran.out;
  EXPECT_FALSE(has(ran.out, "at the same time")) << ran.out;
}

}  // namespace
}  // namespace pawl
