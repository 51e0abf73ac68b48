// LeaseAcquired, LeaseReleased, LeaseReclaimed: every refusal in the order of SPEC §4, and what follows from each.
#include "tests/unit/engine/rules.h"

namespace pawl {
namespace {

using LeaseAcquired = Rules;

TEST_F(LeaseAcquired, unknown_task) {
  refuses(Outcome::unknown_task, lease_acquired("task:99"));
  refuses(Outcome::unknown_task, lease_acquired("task:W-1"));
}

TEST_F(LeaseAcquired, unknown_boot) {
  refuses(Outcome::unknown_boot, lease_acquired("any", {.boot = "nobody"}));
}

TEST_F(LeaseAcquired, stale_boot) {
  boot("worker-2", "worker");
  refuses(Outcome::stale_boot, lease_acquired("any", worker));
}

TEST_F(LeaseAcquired, lease_held) {
  lease("any", worker);
  refuses(Outcome::lease_held, lease_acquired("any"));
  // Two threads of one process are two owners.
  refuses(Outcome::lease_held, lease_acquired("any", worker), worker);
}

TEST_F(LeaseAcquired, stale_token) {
  const Token old = lease("any");
  release("any", old);
  refuses(Outcome::stale_token, lease_acquired("any", {}, old));
  lease("any");
  refuses(Outcome::stale_token, lease_acquired("any", {}, old));
}

TEST_F(LeaseAcquired, terminal) {
  const TaskId id = create();
  request_cancel(id);
  refuses(Outcome::terminal, lease_acquired(task_key(id)));
}

TEST_F(LeaseAcquired, terminal_also_to_renew) {
  const TaskId id = create_done();
  refuses(Outcome::terminal, lease_acquired(task_key(id), {}, state.lease(task_key(id))->token));
}

TEST_F(LeaseAcquired, blocked) {
  const TaskId id = create();
  block(id);
  refuses(Outcome::blocked, lease_acquired(task_key(id)));
}

TEST_F(LeaseAcquired, cancel_requested) {
  const TaskId id = create();
  claim(id);
  request_cancel(id);
  refuses(Outcome::cancel_requested, lease_acquired(task_key(id)));
}

TEST_F(LeaseAcquired, refusals_come_in_the_order_of_the_contract) {
  const TaskId id = create();
  claim(id);
  const Token token = lease(id);
  request_cancel(id);
  must(task_blocked(id, 1, token));
  refuses(Outcome::lease_held, lease_acquired(task_key(id)));
  release(task_key(id), token);
  refuses(Outcome::blocked, lease_acquired(task_key(id)));
  must(task_unblocked(id));
  refuses(Outcome::cancel_requested, lease_acquired(task_key(id)));
}

TEST_F(LeaseAcquired, refusals_of_a_dependent_come_in_the_order_of_the_contract) {
  const TaskId first = create();
  fb::TaskCreatedT event = task_created("W");
  event.depends_on = {raw(first)};
  const TaskId id{effects_of(must(event)).front().id};
  rules_in_force = 1;  // Earlier rules did not refuse the lease.
  const Token token = lease(id);
  rules_in_force = rules_version;
  must(task_blocked(id, 1, token));
  refuses(Outcome::stale_token, lease_acquired(task_key(id), {}, next(token)));
  refuses(Outcome::lease_held, lease_acquired(task_key(id)));
  release(task_key(id), token);
  refuses(Outcome::blocked, lease_acquired(task_key(id)));
  must(task_unblocked(id));
  refuses(Outcome::dependency, lease_acquired(task_key(id)));
  request_cancel(first);
  lease(id);
}

TEST_F(LeaseAcquired, cancel_requested_comes_before_dependency) {
  const TaskId id = create();
  claim(id);
  request_cancel(id);
  const TaskId other = create();
  tamper([&](State& each) {
    Task row = *each.tasks.find(id);
    row.depends_on = {other};
    each.tasks.load(id, std::move(row));
  });
  refuses(Outcome::cancel_requested, lease_acquired(task_key(id)));
}

TEST_F(LeaseAcquired, accepted_grants_the_seq_as_token) {
  const Decided& decided = must(lease_acquired("any", worker), worker);
  const Token token{raw(state.last_seq)};
  EXPECT_EQ(state.lease("any")->token, token);
  EXPECT_EQ(state.lease("any")->owner, (Owner{.boot_id = "worker-1", .pid = 100, .actor = "worker"}));
  EXPECT_EQ(effects_of(decided), (Effects{{.kind = EffectKind::lease_granted, .text = "any", .token = raw(token)}}));
}

TEST_F(LeaseAcquired, accepted_again_with_the_token_held_is_renewed) {
  const Token token = lease("any", worker, 10);
  pass_s(9);
  fb::LeaseAcquiredT renewal = lease_acquired("any", worker, token);
  must(renewal, worker);
  EXPECT_EQ(state.lease("any")->token, token);
  pass_s(9);
  refuses(Outcome::lease_held, lease_acquired("any"));
  pass_s(1);
  lease("any");
}

TEST_F(LeaseAcquired, accepted_renewal_by_the_holder_whose_ttl_ran_out_while_nobody_asked) {
  const Token token = lease("any", worker, 10);
  pass_s(60);
  EXPECT_EQ(must(lease_acquired("any", worker, token), worker).records.size(), 1u);
  EXPECT_EQ(state.lease("any")->token, token);
  refuses(Outcome::lease_held, lease_acquired("any"));
}

TEST_F(LeaseAcquired, accepted_reclaims_an_expired_holder_first) {
  const Token old = lease("any", worker, 10);
  pass_s(10);
  const Decided& decided = must(lease_acquired("any"));
  EXPECT_EQ(types_of(decided), (std::vector<std::string>{"LeaseReclaimed", "LeaseAcquired"}));
  EXPECT_EQ(decided.first_proposed, 1u);
  EXPECT_EQ(decided.deciding, 1u);
  const fb::LeaseReclaimed& reclaimed = *decided.records[0].record().event_as_LeaseReclaimed();
  EXPECT_EQ(reclaimed.reason(), fb::ReclaimReason::ttl_expired);
  EXPECT_EQ(reclaimed.token(), raw(old));
  EXPECT_EQ(decided.records[0].record().boot()->str(), "daemon-1");
  EXPECT_EQ(state.lease("any")->token, Token{raw(state.last_seq)});
  EXPECT_TRUE(has_effect(decided, EffectKind::lease_freed));
  EXPECT_TRUE(has_effect(decided, EffectKind::alert));
}

TEST_F(LeaseAcquired, refused_keeps_the_expired_holder_that_was_to_be_reclaimed) {
  const TaskId id = create();
  const Token token = lease(task_key(id), worker, 10);
  must(task_blocked(id, 1, token), worker);
  pass_s(10);
  const Decided& decided = refuses(Outcome::blocked, lease_acquired(task_key(id)));
  EXPECT_EQ(types_of(decided), (std::vector<std::string>{"LeaseReclaimed", "LeaseAcquired"}));
  EXPECT_EQ(decided.applied[0].outcome, Outcome::skipped);
  EXPECT_EQ(state.lease(task_key(id))->token, token);
}

TEST_F(LeaseAcquired, refused_for_an_unknown_or_stale_proposer_even_if_the_holder_expired_and_no_daemon_is_there) {
  lease("any", worker, 10);
  boot("idle-1", "idle");
  must(boot_ended("idle-1"));
  must(boot_ended("daemon-1"), worker);
  pass_s(10);
  refuses(Outcome::unknown_boot, lease_acquired("any", {.boot = "nobody"}), {.boot = "nobody"});
  refuses(Outcome::stale_boot, lease_acquired("any", {.boot = "idle-1"}), {.boot = "idle-1"});
  EXPECT_EQ(types_of(must(lease_acquired("any", worker), worker)),
            (std::vector<std::string>{"LeaseReclaimed", "LeaseAcquired"}));
}

TEST_F(LeaseAcquired, accepted_on_a_committed_crossing_though_cancel_is_requested) {
  const Crossing crossing = create_committed();
  request_cancel(crossing.task);
  release(task_key(crossing.task), crossing.token);
  lease(crossing.task);
}

TEST_F(LeaseAcquired, accepted_on_a_repository_whatever_its_tasks_do) {
  const TaskId id = create();
  block(id);
  lease("repo:shop");
}

TEST_F(LeaseAcquired, accepted_unchecked_with_ownership_off_grants_nothing) {
  const TaskId id = create();
  set("ownership.enabled", false);
  const std::uint64_t digest = state.digest();
  for (const std::string& key : {task_key(id), std::string("repo:shop")}) {
    const Decided& decided = must(lease_acquired(key));
    EXPECT_TRUE(decided.applied[0].unchecked);
    EXPECT_EQ(state.lease(key), nullptr);
  }
  EXPECT_EQ(state.digest(), digest);
  const Token while_off{raw(state.last_seq)};
  set("ownership.enabled", true);
  refuses(Outcome::stale_token, transition(id, "development", 1, while_off));
}

TEST_F(LeaseAcquired, accepted_with_ownership_off_leaves_what_is_held_and_it_binds_again) {
  const TaskId id = create();
  const Token token = lease(id, worker);
  set("ownership.enabled", false);
  must(lease_acquired(task_key(id)));
  EXPECT_EQ(state.lease(task_key(id))->token, token);
  set("ownership.enabled", true);
  refuses(Outcome::lease_held, transition(id, "development", 1));
  move(id, "development", token);
}

TEST_F(LeaseAcquired, checked_on_keys_of_other_kinds_with_ownership_off) {
  lease("any", worker);
  set("ownership.enabled", false);
  refuses(Outcome::lease_held, lease_acquired("any"));
}

using LeaseReleased = Rules;

TEST_F(LeaseReleased, not_held) {
  refuses(Outcome::not_held, lease_released("any", Token{1}));
}

TEST_F(LeaseReleased, stale_token) {
  const Token token = lease("any");
  refuses(Outcome::stale_token, lease_released("any", next(token)));
  refuses(Outcome::stale_token, lease_released("any", std::nullopt));
}

TEST_F(LeaseReleased, accepted_frees_it) {
  const Token token = lease("any");
  const Decided& decided = must(lease_released("any", token));
  EXPECT_EQ(state.lease("any"), nullptr);
  EXPECT_EQ(effects_of(decided), (Effects{{.kind = EffectKind::lease_freed, .text = "any", .token = raw(token)}}));
  refuses(Outcome::not_held, lease_released("any", token));
}

using LeaseReclaimed = Rules;

TEST_F(LeaseReclaimed, not_held) {
  refuses(Outcome::not_held, lease_reclaimed("any", Token{1}));
}

TEST_F(LeaseReclaimed, stale_token) {
  const Token token = lease("any");
  refuses(Outcome::stale_token, lease_reclaimed("any", next(token)));
  refuses(Outcome::stale_token, lease_reclaimed("any", std::nullopt));
}

TEST_F(LeaseReclaimed, accepted_frees_it_with_an_alert) {
  const Token token = lease("any", worker);
  const Decided& decided = must(lease_reclaimed("any", token, fb::ReclaimReason::owner_dead));
  EXPECT_EQ(state.lease("any"), nullptr);
  EXPECT_TRUE(has_effect(decided, EffectKind::lease_freed));
  EXPECT_TRUE(has_effect(decided, EffectKind::alert));
}

}  // namespace
}  // namespace pawl
