#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>

#include "schema/json/read_json.h"
#include "tests/unit/tools/sample_log.h"
#include "tools/forensics/recorded_log.h"
#include "tools/forensics/recorded_world.h"

namespace pawl {
namespace {

namespace json = boost::json;

std::string log_of_incident(const std::string& name) {
  return std::string(PAWL_INCIDENTS) + "/" + name + ".jsonl";
}
const std::string founding = "reap_during_finalization_defences_off";

json::value told(const std::string& log, std::vector<std::string> changes) {
  changes.insert(changes.begin(), {"replay", "--what-if"});
  changes.insert(changes.end(), {"--json", log});
  const Ran ran = run_pawl(changes);
  EXPECT_EQ(ran.exit, 0) << ran.err;
  auto read = parse_json(ran.out);
  EXPECT_TRUE(read) << ran.out;
  return read ? *read : json::value();
}

std::string text(const json::value& value) {
  return value.is_string() ? std::string(value.get_string()) : "";
}

/// By change: "prevented", "not prevented", "not known".
std::map<std::string, std::string> verdicts(const std::string& name) {
  const Ran ran = run_pawl({"replay", "--each-defence", "--json", log_of_incident(name)});
  EXPECT_EQ(ran.exit, 0) << ran.err;
  const auto read = parse_json(ran.out);
  EXPECT_TRUE(read) << ran.out;
  std::map<std::string, std::string> all;
  for (const json::value& tried : read->at("defences").as_array()) {
    all[text(tried.at("what_if").at(0))] = text(tried.at("target").at("verdict"));
  }
  return all;
}

/// Plays a script; returns its log.
std::string played(const TestFolder& folder, const std::string& script) {
  const Ran ran = run_pawl({"simulate", "-"}, script);
  EXPECT_EQ(ran.exit, 0) << ran.err;
  return folder.file("log.jsonl", ran.out);
}

TEST(WhatIf, checkpoint_that_is_not_what_its_line_says_is_damaged) {
  const TestFolder folder;
  { const SampleLog sample(folder.path("data")); }
  std::string lines = run_pawl({"export", "log", "--data", folder.path("data"), "--from", "9"}).out;
  const std::size_t at = lines.find(R"("digest":")") + 10;
  lines[at] = lines[at] == '0' ? '1' : '0';
  const Ran ran = run_pawl({"replay", "--what-if", "job.max_attempts=2", folder.file("log.jsonl", lines)});
  EXPECT_EQ(ran.exit, 2);
  EXPECT_NE(ran.err.find("line 1: checkpoint: its digest or chain does not match its data"), std::string::npos)
      << ran.err;
}

TEST(WhatIf, the_log_may_stand_before_the_changes_or_behind_them_and_its_name_is_never_looked_for) {
  const std::string log = log_of_incident(founding);
  const Ran behind = run_pawl({"replay", "--what-if", "reaper.enabled=false", "reaper.dead_ticks=7", log});
  EXPECT_NE(behind.out, "");
  EXPECT_EQ(run_pawl({"replay", log, "--what-if", "reaper.enabled=false", "reaper.dead_ticks=7"}).out, behind.out);
  EXPECT_EQ(run_pawl({"replay", "--what-if", "reaper.enabled=false", "--what-if", "reaper.dead_ticks=7", log}).out,
            behind.out);
  EXPECT_EQ(
      run_pawl({"replay", "--what-if", "reaper.enabled=false", "reaper.dead_ticks=7"}, "", {"PAWL_DATA=" + log}).out,
      behind.out);
  // A file whose name has the form of a change.
  const TestFolder folder;
  std::filesystem::copy(log, folder.path("a=b.jsonl"));
  EXPECT_EQ(
      run_pawl({"replay", "--what-if", "reaper.enabled=false", "reaper.dead_ticks=7", folder.path("a=b.jsonl")}).out,
      behind.out);
}

TEST(WhatIf, without_a_real_change_every_recorded_decision_is_made_again) {
  std::size_t logs = 0;
  for (const auto& entry : std::filesystem::directory_iterator(PAWL_INCIDENTS)) {
    if (entry.path().extension() != ".jsonl") continue;
    const json::value story = told(entry.path().string(), {"job.max_attempts=2"});
    EXPECT_TRUE(story.at("turns").as_array().empty()) << entry.path() << '\n' << story.at("turns");
    EXPECT_TRUE(story.at("horizon").is_null()) << entry.path();
    ++logs;
  }
  EXPECT_GE(logs, 14U);
}

TEST(WhatIf, ownership_would_have_prevented_the_founding_incident) {
  const json::value story = told(log_of_incident(founding), {"ownership.enabled=true"});
  const json::value& turn = story.at("turns").at(0);
  EXPECT_EQ(turn.at("seq").as_int64(), 11);
  EXPECT_EQ(text(turn.at("recorded")),
            "JobReaped by reaper, job 1 is reaped to done, tier 2 (finalizer_dead): exit 360 s ago; no lease seen; not "
            "marked");
  EXPECT_EQ(text(turn.at("changed")),
            "reaper defers job 1 of task 1: exit code 0, 360 s ago (grace 300 s); lease task:1 is held by monitor, "
            "alive");
  EXPECT_TRUE(story.at("horizon").is_null());
  EXPECT_TRUE(story.at("findings").as_array().empty());
  EXPECT_EQ(text(story.at("target").at("kind")), "incident");
  EXPECT_EQ(story.at("target").at("seq").as_int64(), 3);
  EXPECT_EQ(text(story.at("target").at("verdict")), "prevented");
}

TEST(WhatIf, each_defence_is_tried_by_itself) {
  const std::map<std::string, std::string> expected = {{"ownership.enabled=true", "prevented"},
                                                       {"reaper.finalizer_liveness=true", "prevented"}};
  EXPECT_EQ(verdicts(founding), expected);
  EXPECT_EQ(verdicts("advance_before_claim_defences_off").at("ownership.enabled=true"), "prevented");
  EXPECT_EQ(verdicts("double_entry_at_deploy_defences_off").at("ownership.enabled=true"), "prevented");
  EXPECT_EQ(verdicts("stuck_merge_lease_defences_off").at("lease.reclaim_enabled=true"), "prevented");
  EXPECT_EQ(verdicts("zombie_job_defences_off").at("reaper.enabled=true"), "prevented");
}

TEST(WhatIf, a_defence_taken_away_lets_the_incident_happen) {
  // With the lease, the reaper defers. Without lease and marks, it takes the monitor for dead: nothing prevents the
  // reap any more.
  const json::value story = told(log_of_incident("reap_during_finalization_defences_on"), {"ownership.enabled=false"});
  EXPECT_EQ(story.at("turns").at(0).at("seq").as_int64(), 9);
  bool is_there = false;
  for (const json::value& finding : story.at("findings").as_array()) {
    is_there = is_there || text(finding.at("kind")) == "contradiction";
  }
  EXPECT_TRUE(is_there) << story.at("findings");
}

TEST(WhatIf, passes_are_at_boot_start_and_every_interval_after) {
  const TestFolder folder;
  // Its owner dies at 100 s; the log shows this only through the reap at 130 s.
  const std::string log = played(folder,
                                 R"({"at": 1, "do": {"type": "TaskCreated", "work_item": "W-1", "repo": "shop"}}
{"at": 2, "do": {"type": "JobClaimed", "job": 1}, "actor": "executor"}
{"at": 3, "do": {"type": "RunStarted", "job": 1, "attempt": 1, "pid": 4242}, "actor": "executor"}
{"at": 100, "world": {"pid": 4242, "alive": false}}
{"at": 130, "tick": "reaper"}
{"at": 190, "tick": "reaper"}
{"at": 400, "do": {"type": "TaskNote", "task": 1, "text": "the end"}}
)");
  const json::value sooner = told(log, {"reaper.dead_ticks=1", "reaper.interval_s=50"});
  const json::value& turn = sooner.at("turns").at(0);
  EXPECT_EQ(text(turn.at("time")), "2026-01-01T00:02:30.000000Z");
  EXPECT_TRUE(turn.at("seq").is_null());
  EXPECT_EQ(text(turn.at("changed")),
            "reaper reaps job 1 of task 1, tier 1: running for 148 s (ceiling 5400 s); its process is dead, passes in "
            "a row: 1 (of 1); no lease");
  EXPECT_EQ(sooner.at("waits").as_array().size(), 1U);

  const json::value later = told(log, {"reaper.dead_ticks=9"});
  EXPECT_EQ(later.at("turns").at(0).at("seq").as_int64(), 6);
  EXPECT_TRUE(text(later.at("turns").at(0).at("changed")).starts_with("reaper leaves job 1 of task 1")) << later;
}

/// The daemon asked for the lease of the repository with the ttl that the setting had.
TEST(WhatIf, a_merge_ttl_holds_for_the_daemons_own_leases) {
  const TestFolder folder;
  const std::string log = played(folder, R"({"at": 0, "set": {"lease.merge_ttl_s": 1330}}
{"at": 1, "do": {"type": "TaskCreated", "work_item": "W-1", "repo": "shop", "branch": "b", "stage": "deploy-staging"}}
{"at": 2, "do": {"type": "JobClaimed", "job": 1}, "actor": "executor"}
{"at": 3, "do": {"type": "RunExited", "job": 1, "attempt": 1, "exit_code": 0}, "actor": "monitor"}
{"at": 3, "group": [{"type": "LeaseAcquired", "key": "task:1"}, {"type": "LeaseAcquired", "key": "repo:shop", "ttl": 1330}], "actor": "monitor"}
{"at": 4, "do": {"type": "StepStarted", "task": 1, "version": 1, "to": "deploy", "step": "retest", "token": "@task:1"}, "actor": "monitor"}
{"at": 1340, "tick": "reaper"}
{"at": 1350, "do": {"type": "TaskNote", "task": 1, "text": "the end"}}
)");
  const json::value longer = told(log, {"lease.merge_ttl_s=1800"});
  ASSERT_EQ(longer.at("turns").as_array().size(), 1U) << longer;
  EXPECT_EQ(longer.at("turns").at(0).at("seq").as_int64(), 10);
  EXPECT_EQ(text(longer.at("turns").at(0).at("changed")), "the lease stays with monitor");
  EXPECT_TRUE(told(log, {"lease.merge_ttl_s=1330"}).at("turns").as_array().empty());
}

TEST(WhatIf, a_live_owners_job_that_another_rule_reaps_is_not_saved) {
  const TestFolder folder;
  const std::string log =
      played(folder, R"({"at": 0, "do": {"type": "BootStarted", "name": "b3", "boot_id": "wx3", "pid": 9003}}
{"at": 1, "do": {"type": "TaskCreated", "work_item": "W-1", "repo": "lab", "branch": "b", "stage": "deploy-staging"}}
{"at": 2, "do": {"type": "JobClaimed", "job": 1}, "actor": "worker", "boot": "wx3"}
{"at": 3, "do": {"type": "RunExited", "job": 1, "attempt": 1, "exit_code": 0}, "actor": "worker", "boot": "wx3"}
{"at": 3, "do": {"type": "LeaseAcquired", "key": "task:1"}, "actor": "worker", "boot": "wx3"}
{"at": 4, "do": {"type": "StepStarted", "task": 1, "version": 1, "to": "deploy", "step": "retest", "token": "@task:1"}, "actor": "worker", "boot": "wx3"}
{"at": 5460, "tick": "reaper"}
{"at": 5470, "do": {"type": "StepFinished", "task": 1, "version": 1, "step": "retest", "started": "@step:1:retest", "outcome": "done"}, "actor": "worker", "boot": "wx3"}
)");
  const json::value off = told(log, {"ownership.enabled=false"});
  EXPECT_EQ(text(off.at("target").at("kind")), "incident") << off;
  EXPECT_EQ(off.at("target").at("seq").as_int64(), 8) << "the step that did not end";
  EXPECT_EQ(text(off.at("target").at("verdict")), "not prevented") << off;
  EXPECT_EQ(text(off.at("target").at("why")),
            "the job is reaped from its live owner all the same, at 2026-01-01T01:31:00.000000Z, tier 1");
  EXPECT_EQ(text(told(log, {"reaper.enabled=false"}).at("target").at("verdict")), "prevented");
}

TEST(WhatIf, an_effect_that_the_change_prevents_is_the_horizon) {
  const TestFolder folder;
  const std::string log = played(folder, R"({"at": 0, "set": {"ownership.enabled": false}}
{"at": 1, "do": {"type": "TaskCreated", "work_item": "W-1", "repo": "shop", "stage": "deploy"}}
{"at": 2, "do": {"type": "LeaseAcquired", "key": "task:1", "edge": "deploy->done"}, "actor": "operator"}
{"at": 3, "do": {"type": "LeaseAcquired", "key": "task:1", "edge": "deploy->done"}, "actor": "finalizer"}
{"at": 4, "do": {"type": "StepStarted", "task": 1, "version": 1, "to": "done", "step": "deploy"}, "actor": "finalizer"}
{"at": 5, "do": {"type": "StepFinished", "task": 1, "version": 1, "step": "deploy", "started": "@step:1:deploy", "outcome": "done"}, "actor": "finalizer"}
)");
  const json::value story = told(log, {"ownership.enabled=true"});
  ASSERT_TRUE(story.at("horizon").is_object()) << story;
  EXPECT_EQ(story.at("horizon").at("seq").as_int64(), 7);
  EXPECT_EQ(text(story.at("horizon").at("why")),
            "a call to the outside that the change prevents: StepStarted by finalizer, task 1, to done, step deploy");
}

TEST(WhatIf, a_gate_that_the_log_never_asked_is_the_horizon) {
  const TestFolder folder;
  const std::string log = played(folder, R"({"at": 0, "set": {"reaper.enabled": false}}
{"at": 1, "do": {"type": "TaskCreated", "work_item": "W-1", "repo": "shop", "branch": "w-1"}}
{"at": 2, "do": {"type": "JobClaimed", "job": 1}, "actor": "executor"}
{"at": 3, "do": {"type": "RunExited", "job": 1, "attempt": 1, "exit_code": 0}, "actor": "executor"}
{"at": 900, "do": {"type": "TaskNote", "task": 1, "text": "still there"}}
)");
  const json::value story = told(log, {"reaper.enabled=true"});
  EXPECT_EQ(text(story.at("horizon").at("why")),
            "the log does not say what the gate of analysis says of task 1 at version 1");
  EXPECT_EQ(text(story.at("horizon").at("time")), "2026-01-01T00:06:00.000000Z");
}

/// A gate result from a requester that does not hold the task's lease has no effect, in the log or here. From the
/// holder it counts.
TEST(WhatIf, a_gates_result_counts_only_of_who_had_the_task_in_hand) {
  for (const bool holds_the_lease : {false, true}) {
    const TestFolder folder;
    {
      SampleLog sample(folder.path("data"));
      const Requester through_pawld{
          .boot = "boot-1", .actor = "worker", .key = {}, .request = {}, .principal = "token:w"};
      const Requester worker{.boot = "boot-w", .actor = "worker", .key = {}, .request = {}, .principal = "token:w"};
      fb::BootStartedT boot;
      boot.name = "worker";
      boot.boot_id = "boot-w";
      boot.host = "elsewhere";
      boot.version = "1";
      sample.propose(propose_group(through_pawld, boot));
      fb::TaskCreatedT created;
      created.work_item = "W-9";
      created.repo = "till";
      sample.propose(propose_group(through_pawld, created));
      fb::LeaseAcquiredT lease;
      lease.key = "task:4";
      lease.owner = std::make_unique<fb::OwnerT>();
      lease.owner->boot_id = "boot-w";
      if (holds_the_lease) sample.propose(propose_group(worker, lease));
      fb::GateEvaluatedT gate;
      gate.task = 4;
      gate.version = 1;
      gate.gate = "analysis";
      gate.passed = true;
      sample.propose(propose_group(worker, gate));
    }
    const auto log = RecordedLog::read(folder.path("data"));
    ASSERT_TRUE(log) << log.error().message;
    const auto last = log->audit().heading(log->last());
    ASSERT_TRUE(last && last->outcome == Outcome::accepted);
    RecordedWorld world(log->facts());
    CommandContext context;
    context.task = TaskId{4};
    context.version = Version{1};
    context.stage = "analysis";
    EXPECT_EQ(world.run_gate({}, context).passed, holds_the_lease ? std::optional(true) : std::nullopt);
    EXPECT_EQ(world.unanswered.has_value(), !holds_the_lease);
  }
}

TEST(WhatIf, a_restart_that_gives_up_instead_is_a_decision_too) {
  const TestFolder folder;
  const std::string log = played(folder, R"({"at": 1, "do": {"type": "TaskCreated", "work_item": "W-1", "repo": "shop"}}
{"at": 2, "do": {"type": "JobClaimed", "job": 1}, "actor": "executor"}
{"at": 3, "restart": true}
)");
  const json::value story = told(log, {"recovery.max_interruptions=0"});
  ASSERT_EQ(story.at("turns").as_array().size(), 1U) << story;
  EXPECT_NE(text(story.at("turns").at(0).at("changed")).find("task 1 is blocked"), std::string::npos) << story;
}

TEST(WhatIf, what_was_recorded_can_be_told_otherwise_too) {
  const TestFolder folder;
  const SampleLog sample(folder.path("data"));
  const Ran recorded = run_pawl({"record", "9", "--data", folder.path("data")});
  const json::value story = told(folder.file("tail.jsonl", recorded.out), {"queue.max_concurrency=4"});
  EXPECT_TRUE(story.at("turns").as_array().empty()) << story;
  EXPECT_TRUE(told(folder.path("data"), {"reaper.enabled=false"}).at("turns").as_array().empty());
}

TEST(WhatIf, what_cannot_be_asked_is_named) {
  const auto refused = [](std::vector<std::string> words) {
    words.insert(words.begin(), "replay");
    const Ran ran = run_pawl(words);
    EXPECT_EQ(ran.exit, 2) << ran.out;
    EXPECT_EQ(ran.out, "");
    return ran.err;
  };
  const std::string log = log_of_incident(founding);
  EXPECT_EQ(refused({"--what-if", "reaper.colour=red", log}),
            "pawl: --what-if: 'reaper.colour' is not a setting; `pawl settings` lists them all\n");
  EXPECT_EQ(refused({"--what-if", "reaper.enabeld=true", log}),
            "pawl: --what-if: 'reaper.enabeld' is not a setting; did you mean 'reaper.enabled'? `pawl settings` lists "
            "them all\n");
  EXPECT_EQ(refused({"--what-if", "reaper.enabled=maybe", log}),
            "pawl: --what-if: reaper.enabled cannot be 'maybe': it must be true or false\n");
  EXPECT_EQ(refused({"--what-if", "reaper.dead_ticks=0", log}),
            "pawl: --what-if: reaper.dead_ticks cannot be '0': it must be a whole number from 1 to 1000\n");
  EXPECT_EQ(refused({"--what-if", "reaper.enabled", log}), "pawl: --what-if: 'reaper.enabled' is not KEY=VALUE\n");
  EXPECT_EQ(refused({"--what-if", "reaper.enabled=true", "stop.enabled=true"}),
            "pawl: replay: which log? Name a data folder or a file, or set PAWL_DATA\n");
  EXPECT_EQ(refused({"--what-if", "reaper.enabled=true", "reaper.enabled=false", log}),
            "pawl: --what-if: reaper.enabled is given twice\n");
  EXPECT_EQ(refused({"--each-defence", "reaper.enabled=true", log}),
            "pawl: --each-defence takes no KEY=VALUE: it makes its own changes\n");
  EXPECT_NE(refused({"--what-if", "reaper.max_running_s=1", log}).find("could not have defined its pipeline"),
            std::string::npos);
  EXPECT_EQ(refused({"--what-if", "reaper.enabled=true", "--until", "9", log}),
            "pawl: --until does not apply to a what-if\n");
  EXPECT_EQ(refused({"--what-if", "reaper.enabled=true", log, log}), "pawl: --what-if needs KEY=VALUE, and one LOG\n");
  EXPECT_EQ(refused({"--what-if", "reaper.enabled=true", log, "--data", log}),
            "pawl: replay: '" + log + "' or --data: which log?\n");
  EXPECT_EQ(refused({log, log}), "pawl: too many arguments: '" + log + "'\n");
}

/// A job that waits for a hold's end at 150 s and is claimed at 200 s; seconds are after 2026-01-01T00:00:00Z.
constexpr const char* held_and_claimed = R"({"at":10,"do":{"type":"TaskCreated","work_item":"W","repo":"shop"}}
{"at":50,"do":{"type":"HoldPlaced","place":"repo:shop","until":"2026-01-01T00:02:30Z"}}
{"at":100,"do":{"type":"TaskNote","task":1,"text":"it waits"}}
{"at":200,"do":{"type":"JobClaimed","job":1},"actor":"executor"}
{"at":300,"do":{"type":"RunExited","job":1,"attempt":1,"exit_code":0},"actor":"monitor"}
)";

TEST(WhatIf, freeze_that_covers_a_claim_prevents_it) {
  const TestFolder folder;
  const std::string log = played(folder, held_and_claimed);
  const json::value story = told(log, {"freeze:delivery=2026-01-01T00:03:00Z/2026-01-01T00:04:00Z"});
  const json::value& turn = story.at("turns").at(0);
  EXPECT_NE(
      text(turn.at("changed")).find("held: pipeline:delivery is frozen until 2026-01-01T00:04:00.000000Z: what if"),
      std::string::npos)
      << json::serialize(turn);
  EXPECT_TRUE(story.at("horizon").is_object());
  const json::value elsewhere = told(log, {"freeze:delivery=2026-01-01T00:04:00Z/2026-01-01T00:05:00Z"});
  EXPECT_TRUE(elsewhere.at("turns").as_array().empty()) << "it begins after the claim";
}

TEST(WhatIf, hold_is_moved_or_taken_away) {
  const TestFolder folder;
  const std::string log = played(folder, held_and_claimed);
  for (const char* change : {"hold:repo:shop=", "hold:repo:shop=2026-01-01T00:00:20Z/2026-01-01T00:03:20Z"}) {
    EXPECT_TRUE(told(log, {change}).at("turns").as_array().empty()) << change;
  }
  const json::value later = told(log, {"hold:repo:shop=2026-01-01T00:01:50Z/2026-01-01T00:03:21Z"});
  EXPECT_EQ(later.at("turns").as_array().size(), 1u) << "it lasts until after the claim";
  const json::value for_good = told(log, {"hold:task:1=2026-01-01T00:00:00Z/"});
  EXPECT_EQ(for_good.at("turns").as_array().size(), 1u) << "it is placed as soon as there is the task";
}

TEST(WhatIf, holds_that_cannot_be_are_refused) {
  const TestFolder folder;
  const std::string log = played(folder, held_and_claimed);
  const auto refused = [&](const std::string& change) {
    const Ran ran = run_pawl({"replay", "--what-if", change, log});
    EXPECT_EQ(ran.exit, 2) << change;
    return ran.err;
  };
  const std::string hour = "=2026-01-01T00:00:00Z/2026-01-01T01:00:00Z";
  EXPECT_NE(refused("freeze:dlivery" + hour).find("pipeline:dlivery cannot be held in this log"), std::string::npos);
  EXPECT_NE(refused("hold:stage:nope" + hour).find("stage:nope cannot be held in this log: unknown_place"),
            std::string::npos);
  EXPECT_NE(refused("hold:shop" + hour).find("'hold:shop' is not freeze:PIPELINE"), std::string::npos);
  EXPECT_NE(refused("freeze:delivery=soon").find("'soon' is not FROM/UNTIL"), std::string::npos);
  EXPECT_NE(refused("freeze:delivery=2026-01-02T00:00:00Z/2026-01-01T00:00:00Z").find("ends before it begins"),
            std::string::npos);
}

}  // namespace
}  // namespace pawl
