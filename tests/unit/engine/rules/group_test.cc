// Groups: all or nothing, what they remember, what they archive, and that a replay finds any difference.
#include "engine/rules/group.h"

#include "schema/limits.h"
#include "tests/unit/engine/rules.h"

namespace pawl {
namespace {

using Groups = Rules;

std::vector<Outcome> outcomes_of(const Decided& decided) {
  std::vector<Outcome> outcomes;
  for (const Applied& applied : decided.applied) outcomes.push_back(applied.outcome);
  return outcomes;
}

TEST_F(Groups, are_stamped_in_order_under_one_number_and_one_time) {
  const TaskId id = create();
  const std::uint64_t first = raw(state.last_seq) + 1;
  pass_s(3);
  const Decided& decided = ask(propose_group(requester({}), transition(id, "development", 1), task_note(id)));
  ASSERT_EQ(decided.records.size(), 2u);
  for (std::size_t i = 0; i < 2; ++i) {
    const fb::Stamp& stamp = *decided.records[i].record().stamp();
    EXPECT_EQ(stamp.seq(), first + i);
    EXPECT_EQ(stamp.group(), first);
    EXPECT_EQ(stamp.time_us(), now.us);
    EXPECT_EQ(stamp.rules(), rules_version);
    EXPECT_EQ(stamp.outcome(), 0u);
  }
  EXPECT_EQ(decided.records[1].record().stamp()->digest(), state.digest());
  EXPECT_EQ(raw(state.last_seq), first + 1);
  EXPECT_EQ(state.last_time, now);
  EXPECT_EQ(decided.first_proposed, 0u);
  EXPECT_EQ(decided.deciding, 1u);
}

TEST_F(Groups, are_all_or_nothing) {
  const TaskId id = create();
  const std::uint64_t digest = state.digest();
  const Seq last = state.last_seq;
  const Decided& decided = ask(propose_group(requester({}), transition(id, "development", 1), lease_acquired("any"),
                                             transition(id, "development", 1), task_note(id)));
  EXPECT_EQ(decided.outcome, Outcome::version_conflict);
  EXPECT_EQ(decided.deciding, 2u);
  EXPECT_EQ(outcomes_of(decided),
            (std::vector<Outcome>{Outcome::skipped, Outcome::skipped, Outcome::version_conflict, Outcome::skipped}));
  EXPECT_TRUE(effects_of(decided).empty());
  EXPECT_EQ(state.digest(), digest);
  EXPECT_EQ(task(id).stage, "analysis");
  EXPECT_EQ(job(job_of(id)).status, JobStatus::queued);
  EXPECT_EQ(state.lease("any"), nullptr);
  for (const Proposal& record : decided.records) EXPECT_EQ(record.record().stamp()->digest(), digest);
  EXPECT_EQ(raw(state.last_seq), raw(last) + 4);  // The lost race is in the log.
}

TEST_F(Groups, refused_leave_no_ids_behind) {
  fb::TaskCreatedT wrong = task_created("W-2");
  wrong.pipeline = "express";
  EXPECT_EQ(ask(propose_group(requester({}), task_created("W-1"), wrong)).outcome, Outcome::unknown_pipeline);
  EXPECT_EQ(create(), TaskId{1});
  EXPECT_EQ(job_of(TaskId{1}), JobId{1});
}

TEST_F(Groups, take_both_leases_of_a_crossing_or_none) {
  const TaskId id = create("deploy-staging");
  const Token held = lease("repo:shop", worker);
  const auto both = [&] {
    return propose_group(requester({}), lease_acquired(task_key(id)), lease_acquired("repo:shop"));
  };
  EXPECT_EQ(ask(both()).outcome, Outcome::lease_held);
  EXPECT_EQ(state.lease(task_key(id)), nullptr);
  release("repo:shop", held);
  EXPECT_EQ(ask(both()).outcome, Outcome::accepted);
}

TEST_F(Groups, end_a_crossing_in_one) {
  const TaskId id = create("deploy-staging");
  const JobId running = claim(id);
  const Token token = lease(id);
  const Token repo_token = lease("repo:shop");
  do_step(id, "retest", token);
  do_step(id, "merge", token, repo_token);
  const Decided& decided = ask(
      propose_group(requester({}), transition(id, "deploy", 1, token), job_finished(running, 1, fb::JobResult::done),
                    lease_released(task_key(id), token), lease_released("repo:shop", repo_token)));
  EXPECT_EQ(decided.outcome, Outcome::accepted);
  EXPECT_EQ(task(id).stage, "deploy");
  EXPECT_EQ(job(running).status, JobStatus::done);
  EXPECT_TRUE(state.leases.rows().empty());
}

TEST_F(Groups, cancel_only_at_their_end) {
  // An operator settles the step and unblocks in one group: the resulting cancellation comes after both.
  const Crossing crossing = create_committed();
  request_cancel(crossing.task);
  must(task_blocked(crossing.task, 1, crossing.token));
  release(task_key(crossing.task), crossing.token);
  const Decided& decided = ask(propose_group(
      requester({}), step_finished(crossing.task, 1, "merge", crossing.started, fb::StepOutcome::did_not_happen),
      task_unblocked(crossing.task)));
  EXPECT_EQ(types_of(decided), (std::vector<std::string>{"StepFinished", "TaskUnblocked", "TaskCancelled"}));
  EXPECT_EQ(decided.outcome, Outcome::accepted);
  EXPECT_EQ(decided.deciding, 1u);
  EXPECT_EQ(decided.records[2].record().actor()->str(), "sequencer");
}

// What a finished task leaves.

// A group looks only at the tasks that it touched.
TEST_F(Groups, carry_out_a_request_that_was_left_standing_when_a_daemon_starts) {
  const TaskId id = create();
  tamper([&](State& rows) {
    rows.tasks.edit(id).cancel_requested = "stop";
    rows.settle();
    rows.keep_group();
    rows.archive_finished();
  });
  EXPECT_EQ(types_of(must(task_note(create()))), std::vector<std::string>{"TaskNote"});
  EXPECT_EQ(task(id).stage, "analysis");
  const std::vector<std::string> types = types_of(must(boot_started("daemon-2", "pawld"), {.boot = "daemon-2"}));
  EXPECT_EQ(types.back(), "TaskCancelled");
  EXPECT_EQ(state.tasks.find(id), nullptr);
}

TEST_F(Groups, archive_a_finished_task_with_its_jobs_and_keep_the_digest) {
  const TaskId id = create("deploy");
  const Token token = lease(id);
  do_step(id, "deploy", token);
  move(id, "done", token);
  ASSERT_NE(state.tasks.find(id), nullptr);
  const Decided& decided = must(lease_released(task_key(id), token));
  ASSERT_EQ(decided.archived.size(), 1u);
  EXPECT_EQ(decided.archived[0].task.stage, "done");
  EXPECT_EQ(state.tasks.find(id), nullptr);
  EXPECT_EQ(state.indexes.archived_done, 1u);
  EXPECT_NE(state.archived_digest(), 0u);
  EXPECT_EQ(decided.records.back().record().stamp()->digest(), state.digest());
  EXPECT_TRUE(state.given_out(id));
  refuses(Outcome::terminal, transition(id, "development", 2));
}

TEST_F(Groups, archive_nothing_while_a_job_runs) {
  const TaskId id = create();
  const JobId running = claim(id);
  EXPECT_TRUE(must(task_cancelled(id)).archived.empty());
  ASSERT_NE(state.tasks.find(id), nullptr);
  const Decided& decided = must(job_finished(running, 1, fb::JobResult::cancelled));
  ASSERT_EQ(decided.archived.size(), 1u);
  EXPECT_EQ(decided.archived[0].jobs.size(), 1u);
  EXPECT_EQ(state.jobs.find(running), nullptr);
  EXPECT_TRUE(state.given_out(running));
  EXPECT_EQ(state.indexes.archived_cancelled, 1u);
}

// What is remembered about keys.

Requester with_key(const std::string& key, std::uint64_t request) {
  return {.boot = "daemon-1", .actor = "operator", .key = key, .request = request};
}

TEST_F(Groups, remember_what_their_key_was_answered_with) {
  ask(propose_group(with_key("k-task", 7), task_created("W")));
  const KeyRow* row = state.keys.find("", "k-task");
  ASSERT_NE(row, nullptr);
  EXPECT_EQ(row->request, 7u);
  EXPECT_EQ(row->seq, state.last_seq);
  EXPECT_EQ(row->outcome, Outcome::accepted);
  EXPECT_EQ(row->task, TaskId{1});
  EXPECT_EQ(row->job, JobId{1});

  ask(propose_group(with_key("k-claim", 8), job_claimed(JobId{1}, worker)));
  EXPECT_EQ(state.keys.find("", "k-claim")->job, JobId{1});
  ask(propose_group(with_key("k-lease", 9), lease_acquired("any")));
  EXPECT_EQ(state.keys.find("", "k-lease")->token, state.lease("any")->token);
  ask(propose_group(with_key("k-refused", 10), lease_acquired("any")));
  EXPECT_EQ(state.keys.find("", "k-refused")->outcome, Outcome::lease_held);
  EXPECT_EQ(state.keys.find("", "k-refused")->seq, state.last_seq);
  EXPECT_EQ(state.keys.find("", "k-other"), nullptr);
}

TEST_F(Groups, remember_keys_outside_of_the_digest) {
  const std::uint64_t digest = state.digest();
  ask(propose_group(with_key("k", 1), task_note(TaskId{99})));
  EXPECT_EQ(state.digest(), digest);
  EXPECT_EQ(state.keys.rows().size(), 1u);
}

TEST(KeyMemoryBound, forgets_the_oldest_beyond_the_most) {
  KeyMemory memory;
  const auto row = [](std::size_t i) {
    KeyRow each;
    each.key = "k" + std::to_string(i);
    each.seq = Seq{i + 1};
    return each;
  };
  for (std::size_t i = 0; i < limits::keyed_records_max; ++i) memory.remember(row(i));
  EXPECT_NE(memory.find("", "k0"), nullptr);
  memory.remember(row(0));  // Stored again, it is the youngest.
  memory.remember(row(limits::keyed_records_max));
  EXPECT_EQ(memory.rows().size(), limits::keyed_records_max);
  EXPECT_NE(memory.find("", "k0"), nullptr);
  EXPECT_EQ(memory.find("", "k1"), nullptr);
  EXPECT_NE(memory.find("", "k2"), nullptr);
}

// Replay.

/// A log with one boot, one group of two records and one refusal, for damage tests.
class Replays : public testing::Test {
 protected:
  Replays() {
    State state;
    const Requester requester{.boot = "daemon-1", .actor = "test", .key = {}, .request = {}};
    TimeUs now{1'000'000};
    groups.push_back(decide(state, propose_group(requester, boot_started("daemon-1", "pawld")), now));
    groups.push_back(
        decide(state, propose_group(requester, pipeline_event(default_pipeline()), task_created("W")), now));
    groups.push_back(decide(state, propose_group(requester, task_created("W")), now));
  }

  std::optional<Divergence> first_divergence() {
    State state;
    for (Decided& group : groups) {
      std::vector<const fb::Record*> records;
      for (const Proposal& record : group.records) records.push_back(&record.record());
      Reapplied reapplied = reapply(state, records);
      if (reapplied.divergence) return reapplied.divergence;
    }
    return std::nullopt;
  }

  std::vector<Decided> groups;
};

TEST_F(Replays, agree_with_what_was_decided) {
  EXPECT_FALSE(first_divergence().has_value());
}

TEST_F(Replays, name_the_record_with_another_digest) {
  fb::Stamp& stamp = groups[1].records[1].stamp();
  stamp.mutate_digest(stamp.digest() + 1);
  const auto divergence = first_divergence();
  ASSERT_TRUE(divergence.has_value());
  EXPECT_EQ(divergence->seq, Seq{3});
  EXPECT_EQ(divergence->recorded_digest, divergence->recomputed_digest + 1);
}

TEST_F(Replays, name_the_record_with_another_outcome) {
  groups[2].records[0].stamp().mutate_outcome(static_cast<std::uint16_t>(Outcome::relaunch));
  const auto divergence = first_divergence();
  ASSERT_TRUE(divergence.has_value());
  EXPECT_EQ(divergence->seq, Seq{4});
  EXPECT_EQ(divergence->recorded, Outcome::relaunch);
  EXPECT_EQ(divergence->recomputed, Outcome::duplicate_work_item);
}

TEST_F(Replays, name_the_record_with_another_mark) {
  groups[1].records[0].stamp().mutate_unchecked(true);
  const auto divergence = first_divergence();
  ASSERT_TRUE(divergence.has_value());
  EXPECT_EQ(divergence->seq, Seq{2});
  EXPECT_TRUE(divergence->recorded_unchecked);
  EXPECT_FALSE(divergence->recomputed_unchecked);
}

TEST_F(Replays, name_the_record_that_was_edited) {
  auto& created = *const_cast<fb::TaskCreated*>(groups[1].records[1].record().event_as_TaskCreated());
  created.mutable_work_item()->Mutate(0, 'V');
  EXPECT_EQ(first_divergence()->seq, Seq{3});
}

}  // namespace
}  // namespace pawl
