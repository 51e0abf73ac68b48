// Tasks: drives them when no one else does, and on request (SPEC §7, the reconciler).
#include <algorithm>

#include "daemon/work/executor_impl.h"
#include "engine/policies/reconciler.h"

namespace pawl {

void Executor::advance(AdvanceRequest request, std::function<void(AdvanceAnswer)> done) {
  // The path makes many records, but the requester's idempotency key stands for one, so they do not carry it.
  request.requester.key.clear();
  request.requester.request.reset();
  request.requester.principal.clear();  // the daemon drives the task: the lease and the steps are its own
  request.requester.boot = impl_->options.boot_id;
  request.pid = impl_->system.own_pid();
  Impl& impl = *impl_;
  impl.workers->post([&impl, request = std::move(request), done = std::move(done)] {
    done(pawl::advance(impl.machine, impl.world, request));
  });
}

std::optional<MissingVariable> Executor::missing_variable(TaskId task) const {
  return impl_->world.missing_variable(task);
}

void Executor::lock_step(StepKey place, std::string run, std::function<void(std::shared_ptr<StepLock>)> done) {
  Impl& impl = *impl_;
  impl.workers->post([&impl, place = std::move(place), run = std::move(run), done = std::move(done)] {
    // A step that a path of ours is running was not left behind, so an operator's verdict must not end it.
    const std::unique_ptr<PathHold> hold = impl.world.enter_path(place.task);
    if (!hold && impl.runs_step(place)) return done(nullptr);
    const std::optional<Boot> starter = impl.starter_of(place);
    done(impl.world.end_and_lock(place, run, starter ? &*starter : nullptr).lock);
  });
}

/// Whether the path that drives the task is running this step. If the task is blocked, the path has ended; if the path
/// waits to probe again, the step's process is gone. In both cases an operator's verdict may come first.
bool Executor::Impl::runs_step(const StepKey& place) {
  return desk.ask([&place](const State& state) {
    const Task* task = state.tasks.find(place.task);
    return task && task->blocked.empty() &&
           std::any_of(task->steps.begin(), task->steps.end(), [&](const StepRow& row) {
             return row.version == place.version && row.step == place.step && row.state == StepState::started;
           });
  });
}

std::optional<Boot> Executor::Impl::starter_of(const StepKey& place) {
  return desk.ask([&place](const State& state) -> std::optional<Boot> {
    const Task* task = state.tasks.find(place.task);
    if (!task) return std::nullopt;
    for (const StepRow& row : task->steps) {
      const Boot* boot = state.boots.find(row.boot);
      if (row.version == place.version && row.step == place.step && boot) return *boot;
    }
    return std::nullopt;
  });
}

void Executor::take_side(TaskId task, Side side, std::function<void(Result<Worktree>)> done) {
  Impl& impl = *impl_;
  impl.workers->post([&impl, task, side, done = std::move(done)] {
    const std::optional<TaskView> view = impl.desk.view(task);
    if (!view) return done(Error{ErrorCode::missing, "there is no live task " + std::to_string(raw(task))});
    const std::unique_ptr<PathHold> hold = impl.world.enter_path(task);
    if (!hold) {
      return done(Error{ErrorCode::busy, "task " + std::to_string(raw(task)) + " is being driven; try again"});
    }
    done(impl.system.take_side({task, view->task.repo, view->task.branch, impl.options.boot_id}, side));
  });
}

void Executor::Impl::post_drive(TaskId task, IfDriven if_driven) {
  {
    const MutexLock lock(mutex);
    if (!reconciler_enabled || is_ending()) return;
    if (!driven.insert(task).second) {
      if (if_driven == IfDriven::again) drive_again.insert(task);
      return;
    }
  }
  workers->post([this, task] {
    drive(task);
    const MutexLock lock(mutex);
    driven.erase(task);
    if (drive_again.erase(task) == 0) return;
    flagged.insert(task);
    wake->notify();
  });
}

/// The reconciler tries again then; a pass of it may come before.
void Executor::Impl::wait_until(TaskId task, std::optional<TimeUs> log_time_then) {
  if (!log_time_then) return;
  // A little later than that: what is a moment too early would be tried again and again.
  const auto left = std::chrono::microseconds(log_time_then->us - desk.now().us) + std::chrono::milliseconds(1);
  const MutexLock lock(mutex);
  alarms.set(task, system.now() + std::min<std::chrono::microseconds>(left, alarm_max));
  alarms_changed = true;
  wake->notify();
}

void Executor::Impl::drive(TaskId task) {
  const std::optional<TaskView> view = desk.view(task);
  const Stage* stage = view ? view->stage() : nullptr;
  if (!stage) return;
  const std::string actor = stage->agent.empty() ? "finalizer" : "reconciler";
  std::uint64_t freed = 0;
  {
    const MutexLock lock(mutex);
    if (is_ending()) return;
    freed = leases_freed;
  }
  const Reconciled done = reconcile(machine, world, task, requester(actor), system.own_pid());
  const Awaited awaited = done.answer ? done.answer->awaited : Awaited::nothing;
  const bool waits = done.move == ReconcileMove::defer || awaited == Awaited::lease || awaited == Awaited::agent ||
                     (done.answer && done.answer->result == AdvanceResult::deferred);
  const bool waits_for_origin = awaited == Awaited::origin;
  const bool waits_for_variable = awaited == Awaited::variable;
  const Deadline next_try = waits_for_variable ? system.now() + variable_again : weather.next_try(view->task.repo);
  if (done.answer) wait_until(task, done.answer->until);
  const MutexLock lock(mutex);
  if (waits_for_origin || waits_for_variable) {
    alarms.set(task, next_try);
    alarms_changed = true;
  }
  if (awaited == Awaited::gate) flagged.insert(task);
  if (waits_for_origin || waits_for_variable || !flagged.empty()) wake->notify();
  // This does not miss a lease that was freed during the try. The try has freed leases of its own only if it does not
  // wait.
  if (waits) (freed == leases_freed ? waiting_for_lease : flagged).insert(task);
  if (waits) wake->notify();
  if (done.move == ReconcileMove::defer) ++totals.defers;
  if (done.answer && done.answer->result == AdvanceResult::advanced) ++totals.moves;
}

void Executor::Impl::reconcile_all() {
  TaskId from{0};
  while (from != TaskId{UINT64_MAX}) {
    std::vector<TaskId> tasks;
    from = desk.ask([&](const State& state) {
      std::size_t rows = 0;
      for (auto at = state.tasks.rows().lower_bound(from); at != state.tasks.rows().end(); ++at) {
        if (++rows > options.rows_per_look) return at->first;
        if (is_reconcile_candidate(state, at->second)) tasks.push_back(at->first);
      }
      return TaskId{UINT64_MAX};
    });
    for (const TaskId task : tasks) post_drive(task, IfDriven::enough);
  }
  const MutexLock lock(mutex);
  ++totals.passes;
  totals.last_pass = system.wall_time();
}

}  // namespace pawl
