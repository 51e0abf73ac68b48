// Cleans up after finished tasks: removes the folder and, for a cancelled task, also the branch at origin (SPEC §9).
//
// A cancelled task's folder is emptied first and removed last: while it exists, the branch has yet to be deleted. So if
// the daemon dies in between, or origin fails, the next start finds the folder and tries again; errors go to the
// daemon's messages. Nothing waits for this: the task has already ended, and its work item may be created again. If a
// live task works on the same branch by then, the branch stays. A task created between that check and the deletion can
// lose the branch at origin, but never a commit: pawl deletes the branch only at the commit where it last saw it, and
// keeps that commit.
#include <utility>

#include "daemon/work/executor_impl.h"
#include "store/checkpoint.h"

namespace pawl {

Result<Task> Executor::Impl::finished_task(TaskId task) {
  // Memory before the archive: a task that moves in between is then found in the archive.
  std::optional<Task> row = desk.ask([task](const State& state) {
    const Task* found = state.tasks.find(task);
    return found ? std::optional(*found) : std::nullopt;
  });
  if (row) return *std::move(row);
  const std::vector<std::uint8_t> bytes = PAWL_TRY(options.archive.find(task));
  Unarchived archived = PAWL_TRY(unpack_archived(bytes));
  return std::move(archived.rows.task);
}

bool Executor::Impl::is_finished(TaskId task) {
  return desk.ask([task](const State& state) {
    const Task* row = state.tasks.find(task);
    return state.given_out(task) && (!row || is_terminal(row->stage));
  });
}

void Executor::Impl::remove_folder(TaskId task) {
  const Result<void> removed = system.remove_worktree(task);
  if (!removed) warn(removed.error().message, {.task = task});
  system.forget_places(task);
}

void Executor::Impl::clean_up(TaskId task) {
  world.forget_missing(task);
  const Result<Task> row = finished_task(task);
  if (!row) {
    return warn("task " + std::to_string(raw(task)) + " was not cleaned up: " + row.error().message, {.task = task});
  }
  if (row->stage != stage_cancelled) return remove_folder(task);
  {
    const MutexLock lock(mutex);
    if (!stop_enabled) return;
  }
  if (row->branch.empty() || !options.origins->has(row->repo)) return remove_folder(task);
  if (const std::string why = why_kept(*row); !why.empty()) {
    if (row->branch_head) note_on_branch(*row, "branch '" + row->branch + "' stays at origin: " + why);
    return remove_folder(task);
  }
  const Result<void> emptied = system.empty_worktree(task);
  if (!emptied) warn(emptied.error().message, {.task = task});
  branch_deletions->post([this, cancelled = *row] { delete_branch(cancelled); });
}

/// Why a cancel leaves the branch at origin; empty: delete it.
std::string Executor::Impl::why_kept(const Task& cancelled) {
  if (cancelled.keep_branch.value_or(false)) return "the cancel asked for it";
  const std::string which = desk.ask([](const State& state) { return state.settings().stop.delete_branch; });
  if (which == "never") return "stop.delete_branch is never";
  if (which == "created" && !cancelled.branch_begun.value_or(false)) return "it was there before the task";
  return {};
}

void Executor::Impl::note_on_branch(const Task& cancelled, const std::string& text) {
  fb::TaskNoteT note;
  note.task = raw(cancelled.id);
  note.text = text;
  machine.propose(propose_group(requester("stop"), note));
}

void Executor::Impl::delete_branch(const Task& cancelled) {
  const auto is_stopping = [this] {
    const MutexLock lock(mutex);
    return stopping;
  };
  if (is_stopping()) return;
  const Result<BranchDeletion> deletion = system.delete_branch(
      {cancelled.id, cancelled.repo, cancelled.branch}, [&] { return is_worked_on(cancelled.repo, cancelled.branch); });
  const std::string branch = "branch '" + cancelled.branch + "'";
  if (!deletion) {
    if (is_stopping()) return;
    return warn("task " + std::to_string(raw(cancelled.id)) + " is cancelled, but its " + branch +
                    " could not be deleted at origin; the next start tries again. " + deletion.error().message,
                {.task = cancelled.id});
  }
  if (deletion->end == BranchEnd::deleted) {
    note_on_branch(cancelled, branch + " was deleted at origin, at " + deletion->head +
                                  "; this brings it back: " + deletion->brings_back);
  }
  if (deletion->end == BranchEnd::is_default) {
    note_on_branch(cancelled, branch + " stays at origin: its name is that of the default branch");
  }
  if (deletion->end == BranchEnd::in_use) {
    note_on_branch(cancelled, branch + " stays at origin: another task works on it");
  }
  if (deletion->end == BranchEnd::moved) {
    note_on_branch(cancelled,
                   branch + " stays at origin: it stands at " + deletion->head + ", where pawl has not seen it");
  }
  remove_folder(cancelled.id);
}

/// Whether a live task works on the branch. The same repository may have several names.
bool Executor::Impl::is_worked_on(const std::string& repo, const std::string& branch) {
  const auto origin = options.origins->of(repo);
  if (!origin) return true;  // its URL is no longer known, so neither are its other names
  TaskId from{0};
  bool found = false;
  while (!found && from != TaskId{UINT64_MAX}) {
    from = desk.ask([&](const State& state) {
      std::size_t rows = 0;
      for (auto at = state.tasks.rows().lower_bound(from); at != state.tasks.rows().end(); ++at) {
        if (++rows > options.rows_per_look) return at->first;
        const Task& task = at->second;
        if (is_terminal(task.stage) || task.branch != branch) continue;
        const auto known = options.origins->of(task.repo);
        if (known && known->plain == origin->plain) found = true;
      }
      return TaskId{UINT64_MAX};
    });
  }
  return found;
}

}  // namespace pawl
