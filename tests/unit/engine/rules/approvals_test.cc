// Approvals: who may say what to which question, when an answer counts, and what waits for it.
#include "engine/state/approvals.h"

#include "tests/unit/engine/rules.h"

namespace pawl {
namespace {

const Who ann{.boot = "daemon-1", .actor = "operator", .principal = "token:ann"};
const Who bob{.boot = "daemon-1", .actor = "operator", .principal = "token:bob"};
const Who eve{.boot = "daemon-1", .actor = "operator", .principal = "token:eve"};

fb::ApprovalAskedT approval_asked(TaskId task, std::uint64_t version, const std::string& head = "c1") {
  fb::ApprovalAskedT event;
  event.task = raw(task);
  event.version = version;
  event.head = head;
  event.origin_head = head;
  return event;
}

fb::ApprovalGivenT approval_given(TaskId task, std::uint64_t version, bool approved = true,
                                  const std::string& head = "c1") {
  fb::ApprovalGivenT event;
  event.task = raw(task);
  event.version = version;
  event.head = head;
  event.approved = approved;
  event.reason = approved ? "fine" : "not like this";
  return event;
}

/// The stages `testing` (unguarded) and `deploy-staging` (guarded) need the approval of ann or of the group `release`.
class Approvals : public Rules {
 protected:
  Approvals() { define({.by = {"token:ann", "group:release"}, .timeout_s = 3600}); }

  void define(const Approval& approval) {
    Pipeline pipeline = default_pipeline();
    for (Stage& stage : pipeline.stages) {
      if (stage.name == "testing" || stage.name == "deploy-staging") stage.gate->approve = approval;
    }
    must(pipeline_event(pipeline));
  }
  TaskId create_asked(const std::string& stage = "testing") {
    const TaskId id = create(stage);
    must(approval_asked(id, version(id)));
    return id;
  }
  /// One that is approved, and whose merge has begun.
  TaskId create_crossing() {
    const TaskId id = create_asked("deploy-staging");
    must(approval_given(id, 1), ann);
    const Token token = lease(id);
    const Token repo_token = lease("repo:shop");
    do_step(id, "retest", token);
    start_step(id, "merge", token, repo_token);
    return id;
  }
  fb::StageTransitionT forward(TaskId id) { return transition(id, state.stage_of(task(id))->to, version(id)); }
  fb::ApprovalGivenT given_as(TaskId id, const std::string& as) {
    fb::ApprovalGivenT event = approval_given(id, version(id));
    event.as = as;
    return event;
  }
};

using ApprovalAsked = Approvals;
using ApprovalGiven = Approvals;

TEST_F(ApprovalAsked, unknown_task) {
  refuses(Outcome::unknown_task, approval_asked(TaskId{99}, 1));
}

TEST_F(ApprovalAsked, not_daemon) {
  const TaskId id = create("testing");
  refuses(Outcome::not_daemon, approval_asked(id, 1), worker);
  must(approval_asked(id, 1), ann);  // by a path of the daemon that she requested
}

TEST_F(ApprovalAsked, terminal) {
  refuses(Outcome::terminal, approval_asked(create_done(), 1));
}

TEST_F(ApprovalAsked, version_conflict) {
  refuses(Outcome::version_conflict, approval_asked(create("testing"), 2));
}

TEST_F(ApprovalAsked, not_asked) {
  refuses(Outcome::not_asked, approval_asked(create("analysis"), 1));
  refuses(Outcome::not_asked, approval_asked(create_crossing(), 1));
}

TEST_F(ApprovalAsked, blocked) {
  const TaskId id = create("testing");
  block(id);
  refuses(Outcome::blocked, approval_asked(id, 1));
}

TEST_F(ApprovalAsked, alerts_and_a_later_question_voids_what_was_said) {
  const TaskId id = create("testing");
  EXPECT_TRUE(has_effect(must(approval_asked(id, 1)), EffectKind::alert));
  must(approval_given(id, 1), ann);
  must(approval_asked(id, 1, "c2"));
  EXPECT_TRUE(question_of(task(id))->said.empty());
  refuses(Outcome::not_approved, forward(id));
  refuses(Outcome::stale_head, approval_given(id, 1), ann);
  must(approval_given(id, 1, true, "c2"), ann);
  must(forward(id));
  EXPECT_FALSE(question_of(task(id)));
}

TEST_F(ApprovalGiven, unknown_task) {
  refuses(Outcome::unknown_task, approval_given(TaskId{99}, 1), ann);
}

TEST_F(ApprovalGiven, terminal) {
  refuses(Outcome::terminal, approval_given(create_done(), 1), ann);
}

TEST_F(ApprovalGiven, version_conflict) {
  const TaskId id = create_asked();
  refuses(Outcome::version_conflict, approval_given(id, 2), ann);
}

TEST_F(ApprovalGiven, not_asked) {
  refuses(Outcome::not_asked, approval_given(create("testing"), 1), ann);
  const TaskId id = create_asked();
  must(approval_given(id, 1), ann);
  const Decided& twice = refuses(Outcome::not_asked, given_as(id, "group:release"), bob);
  EXPECT_EQ(twice.applied[twice.deciding].detail, "it is approved already");
  must(approval_given(id, 1, false), ann);
  const Decided& late = refuses(Outcome::not_asked, given_as(id, "group:release"), bob);
  EXPECT_NE(late.applied[late.deciding].detail.find("it was rejected by token:ann in record "), std::string::npos);
}

TEST_F(ApprovalGiven, no_answer_counts_from_the_end_of_its_time_on) {
  const TaskId id = create_asked();
  pass_s(3600);
  const Decided& late = refuses(Outcome::not_asked, approval_given(id, 1), ann);
  EXPECT_NE(late.applied[late.deciding].detail.find("the time for an answer was over at 2026-"), std::string::npos);
  refuses(Outcome::not_approved, forward(id));
  EXPECT_TRUE(has_lapsed(*question_of(task(id)), now));
}

TEST_F(ApprovalGiven, an_approval_stays_one_when_the_time_for_others_is_over) {
  const TaskId id = create_asked();
  must(approval_given(id, 1), ann);
  pass_s(3600);
  must(forward(id));
}

TEST_F(ApprovalGiven, stale_head) {
  const TaskId id = create_asked();
  const Decided& decided = refuses(Outcome::stale_head, approval_given(id, 1, true, "c0"), ann);
  EXPECT_EQ(decided.applied[decided.deciding].detail, "it is about commit c1");
  refuses(Outcome::stale_head, approval_given(id, 1, true, ""), ann);
}

TEST_F(ApprovalGiven, may_not_approve) {
  const TaskId id = create_asked();
  const Decided& decided = refuses(Outcome::may_not_approve, approval_given(id, 1), eve);
  EXPECT_EQ(decided.applied[decided.deciding].detail,
            "it does not name you: 0 of 1 approval for version 1 at c1; token:ann or group:release may");
  refuses(Outcome::may_not_approve, approval_given(id, 1));  // the daemon itself is no person
  refuses(Outcome::may_not_approve, given_as(id, "group:staff"), eve);
  refuses(Outcome::may_not_approve, approval_given(id, 1, false), eve);
  must(given_as(id, "group:release"), eve);
  EXPECT_EQ(question_of(task(id))->said.front().as, "group:release");
}

TEST_F(ApprovalGiven, already_said) {
  define({.by = {"token:ann", "token:bob"}, .need = 2});
  const TaskId id = create_asked();
  must(approval_given(id, 1), ann);
  refuses(Outcome::already_said, approval_given(id, 1), ann);
  refuses(Outcome::not_approved, forward(id));
  must(approval_given(id, 1), bob);
  must(forward(id));
}

TEST_F(ApprovalGiven, of_who_submitted_counts_unless_the_gate_says_otherwise) {
  for (const bool is_barred : {false, true}) {
    define({.by = {"token:ann", "token:bob"}, .not_submitter = is_barred});
    fb::TaskCreatedT submitted = task_created(is_barred ? "W-a" : "W-b", "testing");
    const TaskId id{effects_of(must(submitted, ann)).front().id};
    must(approval_asked(id, 1));
    if (is_barred) {
      const Decided& decided = refuses(Outcome::may_not_approve, approval_given(id, 1), ann);
      EXPECT_EQ(decided.applied[decided.deciding].detail, "who submitted a task cannot approve it here");
      must(approval_given(id, 1, false), ann);  // but take it back
      continue;
    }
    must(approval_given(id, 1), ann);
    must(forward(id));
  }
}

TEST_F(ApprovalGiven, a_rejection_wins_over_approvals_until_the_crossing_has_begun) {
  define({.by = {"token:ann", "token:bob"}});
  const TaskId id = create_asked();
  must(approval_given(id, 1), ann);
  must(approval_given(id, 1, false), ann);  // she changes her mind
  refuses(Outcome::not_approved, forward(id));
  must(transition(id, "development", 1));  // a rollback needs no word
  EXPECT_FALSE(task(id).approval);

  const TaskId other = create_crossing();
  refuses(Outcome::not_asked, approval_given(other, 1, false), bob);
}

TEST_F(Approvals, no_step_begins_and_nothing_moves_forward_without_them) {
  const TaskId id = create_asked("deploy-staging");
  const Token token = lease(id);  // the gate itself runs under it
  refuses(Outcome::not_approved, step_started(id, 1, "deploy", "retest", token));
  refuses(Outcome::steps_unfinished, forward(id));
  must(approval_given(id, 1), ann);
  do_step(id, "retest", token);
}

TEST_F(Approvals, new_job_at_the_version_makes_the_question_void) {
  const TaskId id = create_asked();
  must(approval_given(id, 1), ann);
  const JobId job = job_of(id);
  claim(id);
  fb::JobFinishedT done;
  done.job = raw(job);
  done.attempt = 1;
  done.result = fb::JobResult::done;
  must(done);
  fb::JobQueuedT again;
  again.task = raw(id);
  must(again);
  EXPECT_FALSE(task(id).approval) << "its agent may change what was approved";
  refuses(Outcome::not_approved, forward(id));
}

TEST_F(Approvals, what_was_rejected_or_not_answered_is_asked_again_after_an_unblock) {
  for (const bool is_rejected : {true, false}) {
    const TaskId id = create_asked();
    if (is_rejected) must(approval_given(id, 1, false), ann);
    block(id);
    must(task_unblocked(id));
    EXPECT_FALSE(task(id).approval);
  }
  const TaskId approved = create_asked();
  must(approval_given(approved, 1), ann);
  block(approved);
  must(task_unblocked(approved));
  must(forward(approved));
}

TEST_F(Approvals, no_time_for_an_answer_passes_while_nobody_could_give_one) {
  const TaskId id = create_asked();
  const TimeUs until = *question_of(task(id))->until;
  pass_s(3000);
  fb::TimeGapT gap;
  gap.us = 2000 * us_per_s;
  must(gap);
  EXPECT_EQ(question_of(task(id))->until->us, until.us + gap.us);
}

TEST_F(Approvals, switched_off_ownership_does_not_replace_them) {
  const TaskId id = create_asked();
  set("ownership.enabled", false);
  refuses(Outcome::not_approved, forward(id));
}

TEST_F(Approvals, definition_names_those_who_may_and_can_be_met) {
  const auto problem = [&](const Approval& approval) {
    Pipeline pipeline = default_pipeline();
    pipeline.stages[0].gate->approve = approval;
    const auto found = problem_of(pipeline, state.settings(), rules_version);
    return found ? found->what : std::string();
  };
  const std::string head = "stage 1 'analysis' has a gate that ";
  EXPECT_EQ(problem({.by = {"token:ann"}}), "");
  EXPECT_EQ(problem({}), head + "needs an approval, but names none who may give it (`by`)");
  EXPECT_EQ(problem({.by = {"ann"}}), head +
                                          "names 'ann' as one who may approve; it must be token:NAME, uid:NUMBER, "
                                          "user:NAME or group:NAME");
  EXPECT_NE(problem({.by = {"uid:ann"}}), "");
  EXPECT_NE(problem({.by = {"token:"}}), "");
  EXPECT_EQ(problem({.by = {"token:ann", "token:ann"}}), head + "names 'token:ann' twice among those who may approve");
  EXPECT_EQ(problem({.by = {"token:ann"}, .need = 2}),
            head + "needs 2 approvals; the range is 1 to 1, which is how many may approve");
  EXPECT_EQ(problem({.by = {"group:all"}, .need = 2}), "");
  EXPECT_NE(problem({.by = {"group:all"}, .need = 0}), "");
  EXPECT_NE(problem({.by = {"group:all"}, .timeout_s = 0}), "");
  EXPECT_EQ(problem({.by = {"group:all"}, .on_timeout = ApprovalTimeout::roll_back}),
            head + "says what happens when the time for an approval is over, but has no timeout_s for it");
  EXPECT_EQ(problem({.by = {"group:all"}, .timeout_s = 60, .on_timeout = ApprovalTimeout::roll_back}),
            head + "rolls back when the time for an approval is over, but its stage has no `rollback`");
}

}  // namespace
}  // namespace pawl
