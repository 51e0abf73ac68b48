// `pawl incident`, on logs of scripts.
#include <gtest/gtest.h>

#include "tests/unit/tools/sample_log.h"

namespace pawl {
namespace {

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
