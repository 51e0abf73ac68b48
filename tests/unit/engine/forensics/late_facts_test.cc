// Steps that were settled as not happened but are reported as done later.
#include "engine/forensics/late_facts.h"

#include "tests/unit/engine/story.h"

namespace pawl {
namespace {

class LateFactsInAStory : public Story {
 protected:
  LateFactsInAStory() {
    worker = {.boot = "worker-1", .actor = "worker", .key = {}, .request = {}, .principal = "token:ci"};
    fb::BootStartedT event;
    event.name = "worker";
    event.boot_id = worker.boot;
    event.pid = 500;
    event.host = "host";
    event.version = "test";
    tell({.boot = boot_id, .actor = "worker", .key = {}, .request = {}, .principal = worker.principal}, event);
  }

  template <class Event>
  Decision tell(const Requester& who, const Event& event) {
    return machine.propose(propose_group(who, event));
  }

  /// Both leases, for the worker.
  void take() {
    for (const std::string& key : {task_key(task), std::string("repo:shop")}) {
      fb::LeaseAcquiredT event;
      event.key = key;
      event.owner = std::make_unique<fb::OwnerT>();
      event.owner->boot_id = worker.boot;
      event.owner->actor = worker.actor;
      tell(worker, event);
    }
  }

  Seq begin_merge() {
    fb::StepStartedT event;
    event.task = raw(task);
    event.version = raw(version());
    event.to = "deploy";
    event.step = "merge";
    event.token = raw(machine.state().lease(task_key(task))->token);
    event.repo_token = raw(machine.state().lease("repo:shop")->token);
    const Decision decision = tell(worker, event);
    EXPECT_EQ(name(decision.outcome), "accepted");
    return decision.seq;
  }

  fb::StepFinishedT finished(Seq started, fb::StepOutcome outcome) const {
    fb::StepFinishedT event;
    event.task = raw(task);
    event.version = 1;
    event.step = "merge";
    event.started = raw(started);
    event.outcome = outcome;
    return event;
  }

  Names found() const {
    State state;
    LateFacts facts;
    std::vector<const fb::Record*> group;
    for (std::size_t i = 0; i < machine.lines().size(); ++i) {
      const fb::Record& record = machine.lines()[i].record.record();
      facts.see(state, record);
      group.push_back(&record);
      const bool is_last = i + 1 == machine.lines().size() ||
                           machine.lines()[i + 1].record.record().stamp()->group() != record.stamp()->group();
      if (!is_last) continue;
      EXPECT_FALSE(reapply(state, group).divergence);
      group.clear();
    }
    Names names;
    for (const Finding& finding : facts.findings()) {
      EXPECT_EQ(finding.invariant, 6);
      names.push_back(finding.what);
    }
    return names;
  }

  Requester worker;
};

TEST_F(LateFactsInAStory, a_done_that_meets_a_no_is_found) {
  take();
  const Seq started = begin_merge();
  tell(worker, finished(started, fb::StepOutcome::failed));
  EXPECT_EQ(found(), Names{});
  tell(worker, finished(started, fb::StepOutcome::done));
  EXPECT_EQ(found(),
            Names{"task 1: 'merge' of version 1, started by record " + std::to_string(raw(started)) +
                  ", was done, though record " + std::to_string(raw(started) + 1) + " had settled it as not happened"});
  tell(worker, finished(started, fb::StepOutcome::done));
  EXPECT_EQ(found().size(), 1U) << "said once";
}

TEST_F(LateFactsInAStory, a_second_start_does_not_hide_it) {
  take();
  const Seq first = begin_merge();
  tell(worker, finished(first, fb::StepOutcome::did_not_happen));
  tell(worker, finished(begin_merge(), fb::StepOutcome::done));
  EXPECT_EQ(found(), Names{});
  tell(worker, finished(first, fb::StepOutcome::done));
  EXPECT_EQ(found().size(), 1U);
}

TEST_F(LateFactsInAStory, nor_does_the_end_of_the_task) {
  take();
  const Seq started = begin_merge();
  tell(worker, finished(started, fb::StepOutcome::failed));
  exited(0);
  request_cancel();
  for (const std::string& key : {std::string("repo:shop"), task_key(task)}) {
    fb::LeaseReleasedT release;
    release.key = key;
    release.token = raw(machine.state().lease(key)->token);
    tell(worker, release);
  }
  fb::JobFinishedT end;
  end.job = raw(job);
  end.attempt = 1;
  end.result = fb::JobResult::cancelled;
  tell(requester("monitor"), end);
  ASSERT_EQ(stage(), "archived");
  // A report by another party proves nothing.
  Requester stranger = worker;
  stranger.principal = "token:guest";
  stranger.boot = boot_id;
  EXPECT_EQ(tell(stranger, finished(started, fb::StepOutcome::done)).outcome, Outcome::not_started);
  EXPECT_EQ(found(), Names{});
  EXPECT_EQ(tell(worker, finished(started, fb::StepOutcome::done)).outcome, Outcome::not_started);
  EXPECT_EQ(found().size(), 1U);
}

TEST_F(LateFactsInAStory, what_ends_well_is_not) {
  take();
  const Seq started = begin_merge();
  tell(worker, finished(started, fb::StepOutcome::done));
  tell(worker, finished(started, fb::StepOutcome::done));
  EXPECT_EQ(found(), Names{});
}

}  // namespace
}  // namespace pawl
