// From records to alerts, with the real engine.
#include "daemon/outside/alert.h"

#include <gtest/gtest.h>

#include <memory>

#include "tools/simulation/direct_machine.h"

namespace pawl {
namespace {

class AlertOf : public testing::Test {
 protected:
  void SetUp() override {
    machine.set_now(TimeUs{1'767'225'600 * us_per_s});
    fb::BootStartedT boot;
    boot.name = "pawld";
    boot.boot_id = "boot-1";
    boot.host = "host";
    boot.version = "test";
    propose(boot);
    propose(pipeline_event(default_pipeline()));
    fb::TaskCreatedT task;
    task.work_item = "W-1";
    task.repo = "shop";
    task.branch = "w-1";
    propose(task);
  }

  template <class Event>
  void propose(const Event& event) {
    const Requester requester{.boot = "boot-1", .actor = "tester", .key = {}, .request = {}};
    ASSERT_EQ(machine.propose(propose_group(requester, event)).outcome, Outcome::accepted);
  }

  static std::unique_ptr<fb::OwnerT> owner() {
    auto owner = std::make_unique<fb::OwnerT>();
    owner->boot_id = "boot-1";
    owner->actor = "tester";
    return owner;
  }

  /// The one alert of the last record, looked up.
  Alert last_alert() {
    const DirectMachine::Line& line = machine.lines().back();
    std::vector<Alert> alerts = alerts_of({line.record.record(), line.applied});
    EXPECT_EQ(alerts.size(), 1U);
    if (alerts.empty()) return {};
    look_up(machine.state(), alerts.front());
    return alerts.front();
  }

  DirectMachine machine;
};

TEST_F(AlertOf, a_blocked_task_names_it) {
  fb::TaskBlockedT event;
  event.task = 1;
  event.version = 1;
  event.reason = "outcome_unknown";
  propose(event);
  const Alert alert = last_alert();
  EXPECT_EQ(alert.reason, "outcome_unknown");
  EXPECT_EQ(alert.type, "TaskBlocked");
  EXPECT_EQ(alert.seq, Seq{4});
  EXPECT_EQ(alert.time, machine.now());
  EXPECT_EQ(alert.boot, "boot-1");
  EXPECT_EQ(alert.actor, "tester");
  EXPECT_EQ(alert.task, TaskId{1});
  EXPECT_EQ(alert.work_item, "W-1");
  EXPECT_EQ(alert.repo, "shop");
  EXPECT_EQ(alert.branch, "w-1");
  EXPECT_EQ(alert.stage, "analysis");
}

TEST_F(AlertOf, a_failed_job_names_job_and_task) {
  fb::JobClaimedT claim;
  claim.job = 1;
  claim.owner = owner();
  propose(claim);
  fb::JobReapedT reap;
  reap.job = 1;
  reap.attempt = 1;
  reap.outcome = fb::JobResult::failed;
  propose(reap);
  const Alert alert = last_alert();
  EXPECT_EQ(alert.reason, "job_failed");
  EXPECT_EQ(alert.type, "JobReaped");
  EXPECT_EQ(alert.job, JobId{1});
  EXPECT_EQ(alert.task, TaskId{1});
  EXPECT_EQ(alert.work_item, "W-1");
}

TEST_F(AlertOf, a_reclaimed_lease_names_its_key_and_the_task_in_it) {
  for (const char* key : {"repo:shop", "task:1"}) {
    fb::LeaseAcquiredT lease;
    lease.key = key;
    lease.owner = owner();
    propose(lease);
    fb::LeaseReclaimedT reclaim;
    reclaim.key = key;
    reclaim.token = machine.lines().size();
    reclaim.reason = fb::ReclaimReason::forced;
    propose(reclaim);
    const Alert alert = last_alert();
    EXPECT_EQ(alert.reason, "lease_reclaimed:forced");
    EXPECT_EQ(alert.lease, key);
    const bool of_task = std::string_view(key) == "task:1";
    EXPECT_EQ(alert.task, of_task ? std::optional(TaskId{1}) : std::nullopt);
    EXPECT_EQ(alert.work_item, of_task ? "W-1" : "");
  }
}

TEST_F(AlertOf, a_block_is_summed_up_with_what_led_to_it) {
  fb::GateEvaluatedT gate;
  gate.task = 1;
  gate.version = 1;
  gate.gate = "analysis";
  gate.passed = false;
  gate.reason = "f\u00FCnf Fehler";
  propose(gate);
  fb::TaskBlockedT event;
  event.task = 1;
  event.version = 1;
  event.reason = "gate_red";
  propose(event);
  const Alert alert = last_alert();
  EXPECT_EQ(alert.reason, "gate_red") << "the code that programs know";
  EXPECT_TRUE(facts_of(alert).front().value.starts_with(
      "gate_red: the gate of analysis is red: f\u00FCnf Fehler: W-1 of shop (task 1, analysis), by tester, record "))
      << facts_of(alert).front().value;
}

TEST_F(AlertOf, what_is_as_it_should_be_alerts_nobody) {
  for (const DirectMachine::Line& line : machine.lines()) {
    EXPECT_TRUE(alerts_of({line.record.record(), line.applied}).empty());
  }
}

TEST_F(AlertOf, a_task_that_left_memory_stays_without_a_name) {
  Alert alert{.reason = "job_failed", .task = TaskId{99}};
  look_up(machine.state(), alert);
  EXPECT_EQ(alert.work_item, "");
  EXPECT_EQ(facts_of(alert).front().value, "job_failed: task 99, by , no record");
}

std::string incident_in(const Alert& alert) {
  for (const AlertFact& fact : facts_of(alert)) {
    if (fact.name == "incident") return fact.value;
  }
  return "no such fact";
}

TEST(AlertFacts, of_a_record_name_the_command_that_reports_on_it) {
  Alert alert{.reason = "job_failed", .type = "JobReaped", .seq = Seq{31}};
  EXPECT_EQ(incident_in(alert), "pawl incident 31");
  EXPECT_EQ(incident_command_in_full(alert), "pawl incident 31");
  alert.data = "/var/lib/pawl";
  EXPECT_EQ(incident_in(alert), "pawl incident 31") << "the folder's path stays on the machine";
  EXPECT_EQ(incident_command_in_full(alert), "pawl incident /var/lib/pawl 31");
  alert.data = "/srv/o'neill & co";
  EXPECT_EQ(incident_command_in_full(alert), "pawl incident '/srv/o'\\''neill & co' 31");
}

TEST(AlertFacts, of_what_is_about_no_record_name_no_command) {
  EXPECT_EQ(incident_in({.reason = "webhook_refused:malformed"}), "");
  EXPECT_EQ(incident_in({.reason = "origin_unreachable: no route", .seq = Seq{31}}), "")
      << "its seq is that of the last record";
}

TEST(AlertFacts, of_what_has_no_record_are_a_sentence_and_no_seq) {
  const auto facts = facts_of({.reason = "webhook_refused:malformed", .what = "a delivery of plane was refused"});
  EXPECT_EQ(facts.front().value, "webhook_refused:malformed: a delivery of plane was refused, no record");
  for (const AlertFact& fact : facts) EXPECT_FALSE(fact.name == "seq" && !fact.value.empty()) << fact.value;
}

}  // namespace
}  // namespace pawl
