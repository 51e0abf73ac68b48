// Nothing in a task begins before its dependencies are finished.
#include "engine/policies/machine.h"
#include "engine/rules/claim.h"
#include "tests/unit/engine/rules.h"

namespace pawl {
namespace {

class Dependents : public Rules {
 protected:
  /// A task that depends on `on`.
  TaskId dependent(TaskId on, const std::string& stage = "analysis") {
    fb::TaskCreatedT event = task_created("W-dependent", stage);
    event.depends_on = {raw(on)};
    return TaskId{effects_of(must(event)).front().id};
  }
  void cancel(TaskId id) {
    must(lease_released(task_key(id), lease(id)));
    request_cancel(id);
    EXPECT_EQ(state.tasks.find(id), nullptr) << "it is archived";
  }
};

TEST_F(Dependents, nothing_of_one_begins) {
  const TaskId first = create();
  const TaskId id = dependent(first, "deploy-staging");
  refuses(Outcome::dependency, job_claimed(job_of(id), worker));
  refuses(Outcome::dependency, lease_acquired(task_key(id)));
  set("ownership.enabled", false);
  refuses(Outcome::dependency, step_started(id, 1, "deploy", "retest", std::nullopt));
  set("ownership.enabled", true);
}

TEST_F(Dependents, one_is_not_moved_on_but_falls_back) {
  const TaskId id = dependent(create(), "review");
  refuses(Outcome::dependency, transition(id, "testing", version(id)));
  must(transition(id, "development", version(id)));
  EXPECT_EQ(task(id).stage, "development");
}

TEST_F(Dependents, a_crossing_that_had_begun_under_the_rules_of_before_is_finished) {
  const TaskId first = create();
  const TaskId id = dependent(first, "deploy-staging");
  rules_in_force = 1;
  const Token token = lease(id);
  const Token repo = lease("repo:shop");
  do_step(id, "retest", token);
  const Seq started = start_step(id, "merge", token, repo);
  rules_in_force = rules_version;
  must(lease_acquired(task_key(id), {}, token));
  finish_step(id, "merge", started);
  must(lease_released(task_key(id), token));
  const Token again = lease(id);
  must(transition(id, "deploy", version(id), again));
}

TEST_F(Dependents, one_goes_on_once_the_other_is_cancelled) {
  const TaskId first = create();
  const TaskId id = dependent(first);
  cancel(first);
  EXPECT_EQ(task(id).lost_dependency, first);
  must(job_claimed(job_of(id), worker));
}

TEST_F(Dependents, one_waits_for_a_word_if_that_is_wanted) {
  set("queue.cancelled_dependency", std::string("hold"));
  const TaskId first = create();
  const TaskId id = dependent(first);
  cancel(first);
  refuses(Outcome::dependency, job_claimed(job_of(id), worker));
  refuses(Outcome::dependency, lease_acquired(task_key(id)));
  must(task_unblocked(id));
  must(job_claimed(job_of(id), worker));
  refuses(Outcome::not_blocked, task_unblocked(id));
}

TEST_F(Dependents, the_setting_is_judged_when_a_job_is_claimed) {
  const TaskId first = create();
  const TaskId id = dependent(first);
  cancel(first);
  set("queue.cancelled_dependency", std::string("hold"));
  refuses(Outcome::dependency, job_claimed(job_of(id), worker));
  set("queue.cancelled_dependency", std::string("release"));
  must(job_claimed(job_of(id), worker));
}

TEST_F(Dependents, one_that_was_delivered_holds_nobody) {
  set("queue.cancelled_dependency", std::string("hold"));
  const TaskId first = create("deploy");
  const TaskId id = dependent(first);
  const Token token = lease(first);
  do_step(first, "deploy", token);
  must(transition(first, "done", version(first), token));
  EXPECT_FALSE(task(id).lost_dependency);
  must(job_claimed(job_of(id), worker));
}

}  // namespace
}  // namespace pawl
