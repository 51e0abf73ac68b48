#include "engine/state/state.h"

#include <xxhash.h>

#include <algorithm>
#include <utility>

#include "schema/limits.h"
#include "schema/nearest.h"

namespace pawl {
std::uint64_t name_hash(std::string_view name) {
  return XXH3_64bits(name.data(), name.size());
}

const KeyRow* KeyMemory::find(const std::string& principal, const std::string& key) const {
  auto order = order_of_.find({principal, key});
  if (order == order_of_.end()) order = order_of_.find({std::string(), key});
  return order == order_of_.end() ? nullptr : &by_order_.at(order->second);
}

void KeyMemory::remember(KeyRow row) {
  const auto whose = [](const KeyRow& of) { return std::pair(of.principal, of.key); };
  if (const auto old = order_of_.find(whose(row)); old != order_of_.end()) by_order_.erase(old->second);
  order_of_[whose(row)] = next_order_;
  by_order_.emplace(next_order_++, std::move(row));
  if (by_order_.size() > limits::keyed_records_max) {
    order_of_.erase(whose(by_order_.begin()->second));
    by_order_.erase(by_order_.begin());
  }
}

State::State() {
  ids.load(0, Ids{});
  loaded(0, 0, 0);
}

bool State::given_out(TaskId task) const {
  const Ids& given = *ids.find(0);
  const auto is_left_out = [&](const Gap& gap) { return task >= gap.first_task && task < gap.next_task; };
  if (given.restored && std::any_of(given.restored->gaps.begin(), given.restored->gaps.end(), is_left_out))
    return false;
  return task > TaskId{0} && task < given.next_task;
}

bool State::given_out(JobId job) const {
  const Ids& given = *ids.find(0);
  const auto is_left_out = [&](const Gap& gap) { return job >= gap.first_job && job < gap.next_job; };
  if (given.restored && std::any_of(given.restored->gaps.begin(), given.restored->gaps.end(), is_left_out))
    return false;
  return job > JobId{0} && job < given.next_job;
}

std::uint64_t State::restores() const {
  const Ids& given = *ids.find(0);
  return given.restored ? given.restored->gaps.size() : 0;
}

const Boot* State::boot_named(std::string_view name) const {
  const auto found = indexes.boot_in_force.find(name);
  return found == indexes.boot_in_force.end() ? nullptr : boots.find(found->second);
}

bool State::is_known_repo(const std::string& repo) const {
  const RepoRow* known = repos.find(repo);
  if (known && known->declared) return true;
  const auto& rows = repos.rows();
  return std::none_of(rows.begin(), rows.end(), [](const auto& entry) { return entry.second.declared; });
}

const PipelineRow* State::pipeline_in_force(std::string_view name) const {
  for (const auto& [seq, row] : pipelines.rows()) {
    if (row.in_force && row.definition->name == name) return &row;
  }
  return nullptr;
}

std::vector<TaskId> State::live_tasks_of(std::string_view work_item) const {
  std::vector<TaskId> found;
  const std::uint64_t hash = name_hash(work_item);
  const auto& of_hash = indexes.tasks_by_work_item;
  for (auto at = of_hash.lower_bound({hash, TaskId{0}}); at != of_hash.end() && at->first == hash; ++at) {
    const Task& task = *tasks.find(at->second);
    if (task.work_item == work_item && !is_terminal(task.stage)) found.push_back(task.id);
  }
  return found;
}

bool State::is_live(const Lease& lease, TimeUs now) const {
  const Boot* boot = boots.find(lease.owner.boot_id);
  if (!boot || boot->stale) return false;
  return !lease.ttl_s || now < plus_s(lease.renewed, *lease.ttl_s);
}

const Job* State::open_job(const Task& task) const {
  for (auto at = indexes.open_jobs.lower_bound({task.id, JobId{0}});
       at != indexes.open_jobs.end() && at->first == task.id; ++at) {
    const Job* job = jobs.find(at->second);
    // The index follows at the end of a record.
    const bool is_open = job->status == JobStatus::queued || job->status == JobStatus::running;
    if (is_open && job->version == task.version) return job;
  }
  return nullptr;
}

const Job* State::running_job(TaskId task) const {
  for (auto at = indexes.open_jobs.lower_bound({task, JobId{0}}); at != indexes.open_jobs.end() && at->first == task;
       ++at) {
    const Job* job = jobs.find(at->second);
    if (job->status == JobStatus::running) return job;
  }
  return nullptr;
}

template <class Row>
void State::settle_row(RowKind kind, const Row* before, Row* after) {
  if (before) digest_ -= before->hash;
  if (after) {
    after->hash = row_hash(kind, *after);
    digest_ += after->hash;
  }
  index(before, after);
}

void State::settle() {
  freed_ = {};
  const bool was_full = is_full();
  ids.settle([&](const Ids* before, Ids* after) { settle_row(RowKind::ids, before, after); });
  tasks.settle([&](const Task* before, Task* after) { settle_row(RowKind::task, before, after); });
  jobs.settle([&](const Job* before, Job* after) { settle_row(RowKind::job, before, after); });
  leases.settle([&](const Lease* before, Lease* after) { settle_row(RowKind::lease, before, after); });
  boots.settle([&](const Boot* before, Boot* after) { settle_row(RowKind::boot, before, after); });
  pipelines.settle(
      [&](const PipelineRow* before, PipelineRow* after) { settle_row(RowKind::pipeline, before, after); });
  repos.settle([&](const RepoRow* before, RepoRow* after) { settle_row(RowKind::repo, before, after); });
  holds.settle([&](const HoldRow* before, HoldRow* after) { settle_row(RowKind::hold, before, after); });
  freezes.settle([&](const FreezeRow* before, FreezeRow* after) { settle_row(RowKind::freeze, before, after); });
  bool settings_touched = false;
  settings_changed.settle([&](const SettingRow* before, SettingRow* after) {
    settle_row(RowKind::setting, before, after);
    settings_touched = true;
  });
  if (settings_touched) follow_settings();
  follow_claimable();
  freed_.all = settings_touched || std::exchange(holds_touched_, false) || (was_full && !is_full());
  freed_.agents = indexes.claimable.take_freed();
}

template <class Key, class Row>
void State::undo_table(Table<Key, Row>& table) {
  table.undo([&](const Row* after, const Row* before) {
    if (after) digest_ -= after->hash;
    if (before) digest_ += before->hash;
    index(after, before);
  });
}

void State::undo_group() {
  // Jobs before tasks: a job's index entry reads its task, which the group may have created.
  undo_table(jobs);
  undo_table(tasks);
  undo_table(leases);
  undo_table(boots);
  undo_table(pipelines);
  undo_table(repos);
  undo_table(holds);
  undo_table(freezes);
  holds_touched_ = false;
  const bool settings_touched = settings_changed.is_touched();
  undo_table(settings_changed);
  undo_table(ids);
  if (settings_touched) follow_settings();
  follow_claimable();
  indexes.claimable.take_freed();
  touched_.clear();
}

void State::keep_group() {
  tasks.keep();
  jobs.keep();
  leases.keep();
  boots.keep();
  pipelines.keep();
  repos.keep();
  holds.keep();
  freezes.keep();
  settings_changed.keep();
  ids.keep();
}

std::vector<ArchivedTask> State::archive_finished() {
  std::vector<ArchivedTask> finished;
  std::sort(touched_.begin(), touched_.end());
  const auto end = std::unique(touched_.begin(), touched_.end());
  // By index: removing a task touches it again.
  for (std::size_t i = 0, count = static_cast<std::size_t>(end - touched_.begin()); i < count; ++i) {
    const TaskId id = touched_[i];
    const Task* task = tasks.find(id);
    if (!task || !is_terminal(task->stage) || leases.find(task_key(id))) continue;
    const auto open = indexes.open_jobs.lower_bound({id, JobId{0}});
    if (open != indexes.open_jobs.end() && open->first == id) continue;
    std::vector<JobId> its_jobs;
    for (auto at = indexes.jobs_of_task.lower_bound({id, JobId{0}});
         at != indexes.jobs_of_task.end() && at->first == id; ++at) {
      its_jobs.push_back(at->second);
    }

    ArchivedTask archived;
    for (const JobId job : its_jobs) {
      archived.jobs.push_back(jobs.detach(job));
      archived_digest_ += archived.jobs.back().hash;
      index(&archived.jobs.back(), nullptr);
    }
    archived.task = tasks.detach(id);
    archived_digest_ += archived.task.hash;
    index(&archived.task, nullptr);
    ++(archived.task.stage == stage_done ? indexes.archived_done : indexes.archived_cancelled);
    finished.push_back(std::move(archived));
  }
  touched_.clear();
  return finished;
}

template <class Key, class Row>
void State::load_table(RowKind kind, Table<Key, Row>& table) {
  for (auto& [key, row] : table.loaded_rows()) settle_row(kind, static_cast<const Row*>(nullptr), &row);
}

void State::loaded(std::uint64_t archived_digest, std::uint64_t archived_done, std::uint64_t archived_cancelled) {
  digest_ = archived_digest;
  archived_digest_ = archived_digest;
  indexes = {};
  indexes.archived_done = archived_done;
  indexes.archived_cancelled = archived_cancelled;
  load_table(RowKind::ids, ids);
  load_table(RowKind::task, tasks);
  load_table(RowKind::job, jobs);
  load_table(RowKind::lease, leases);
  load_table(RowKind::boot, boots);
  load_table(RowKind::pipeline, pipelines);
  load_table(RowKind::repo, repos);
  load_table(RowKind::hold, holds);
  load_table(RowKind::freeze, freezes);
  holds_touched_ = false;
  load_table(RowKind::setting, settings_changed);
  follow_settings();
  follow_claimable();
  indexes.claimable.take_freed();
  touched_.clear();
}

void State::follow_settings() {
  const Settings::Queue were = settings_.queue;
  settings_ = Settings{};
  for (const auto& [key, row] : settings_changed.rows()) {
    const SettingKey* setting = setting_named(key);
    PAWL_ASSERT(setting && setting->set(settings_, row.value));  // apply() accepts no other value
  }
  if (settings_.queue.serial_per_repo != were.serial_per_repo) {
    std::set<std::string> closed;
    if (settings_.queue.serial_per_repo) {
      for (const auto& [repo, count] : indexes.running_by_repo) closed.insert(repo);
    }
    indexes.claimable.close_only(closed);
  }
  if (settings_.queue.cancelled_dependency != were.cancelled_dependency ||
      settings_.queue.priority_s != were.priority_s) {
    for (const JobId id : indexes.queued) claims_moved_.push_back(jobs.find(id)->task);
  }
}

namespace {

/// "; did you mean 'shop'?", or ";" if no name is close.
std::string meant_by(std::string_view name, std::span<const std::string_view> names) {
  const auto meant = nearest_of(name, names);
  return meant ? "; did you mean '" + std::string(*meant) + "'?" : ";";
}

}  // namespace

std::string no_repo_named(const State& state, const std::string& name,
                          const std::function<bool(const std::string&)>& is_shown) {
  std::vector<std::string_view> names;
  for (const auto& [repo, row] : state.repos.rows()) {
    if (row.declared && (!is_shown || is_shown(repo))) names.emplace_back(repo);
  }
  return "'" + name + "' is not a declared repository" + meant_by(name, names) + " `pawl repos` lists them all";
}

std::string no_pipeline_named(const State& state, const std::string& name) {
  std::vector<std::string_view> names;
  for (const auto& [seq, row] : state.pipelines.rows()) {
    if (row.in_force) names.emplace_back(row.definition->name);
  }
  return "'" + name + "' is not a pipeline" + meant_by(name, names) + " `pawl pipelines` lists them all";
}

std::string no_stage_named(const Pipeline& pipeline, std::string_view name) {
  std::vector<std::string_view> names;
  for (const Stage& stage : pipeline.stages) names.emplace_back(stage.name);
  return "'" + std::string(name) + "' is not a stage of '" + pipeline.name + "'" + meant_by(name, names) +
         " `pawl pipelines show " + pipeline.name + "` shows it";
}

bool belongs_to(const Boot& boot, std::string_view principal) {
  if (principal.empty()) return true;
  return boot.name != daemon_name && (!boot.principal || *boot.principal == principal);
}

bool is_key_checked(const State& state, const std::string& key) {
  if (key.starts_with(repo_prefix)) {
    return state.settings().ownership_checked(std::string_view(key).substr(repo_prefix.size()));
  }
  const std::optional<TaskId> id = task_of_key(key);
  const Task* task = id ? state.tasks.find(*id) : nullptr;
  return !task || state.settings().ownership_checked(task->repo);
}

bool is_restored(const Task& task) {
  return task.blocked == blocked_as_restored || task.blocked.starts_with(std::string(blocked_as_restored) + " (was: ");
}

namespace {

/// Whether an irreversible step of the current crossing is started or done.
bool stands(const Task& task, const StepRow& step) {
  const bool begun = step.state == StepState::started || step.state == StepState::done;
  return step.irreversible && begun && step.version == task.version;
}

}  // namespace

bool runs_an_agent_of(const Job& job, std::string_view boot) {
  return job.status == JobStatus::running && !job.run->exit_code && job.run->owner.boot_id == boot;
}

bool waits_for_dependency(const State& state, const Task& task) {
  if (task.lost_dependency && state.settings().queue.cancelled_dependency == "hold") return true;
  return std::any_of(task.depends_on.begin(), task.depends_on.end(), [&](TaskId dependency) {
    const Task* row = state.tasks.find(dependency);
    return row && !is_terminal(row->stage);
  });
}

bool is_barred(const State& state, TaskId task) {
  const auto first = state.indexes.barred.lower_bound({task, JobId{0}});
  return first != state.indexes.barred.end() && first->first == task;
}

Outcome claim_obstacle(const State& state, const Job& job) {
  if (job.status != JobStatus::queued) return Outcome::not_queued;
  const Task& task = *state.tasks.find(job.task);
  if (job.version < task.version) return Outcome::superseded;
  if (is_terminal(task.stage)) return Outcome::terminal;
  if (!task.blocked.empty()) return Outcome::blocked;
  if (!task.cancel_requested.empty()) return Outcome::cancel_requested;
  if (waits_for_dependency(state, task)) return Outcome::dependency;
  if (is_barred(state, task.id)) return Outcome::previous_alive;
  return Outcome::accepted;
}

bool is_worked_on_by(const State& state, TaskId task, std::string_view boot) {
  const auto& open = state.indexes.open_jobs;
  for (auto at = open.lower_bound({task, JobId{0}}); at != open.end() && at->first == task; ++at) {
    if (runs_an_agent_of(*state.jobs.find(at->second), boot)) return true;
  }
  return false;
}

bool is_committed(const Task& task) {
  return !committed_to(task).empty();
}

bool is_committed_beyond_doubt(const Task& task) {
  return std::any_of(task.steps.begin(), task.steps.end(), [&](const StepRow& step) { return stands(task, step); });
}

std::string_view committed_to(const Task& task) {
  for (const StepRow& step : task.steps) {
    if (stands(task, step) || (step.is_in_doubt() && step.version == task.version)) return step.to;
  }
  return {};
}

const StepRow* doubtful_step(const Task& task) {
  for (const StepRow& step : task.steps) {
    if (step.is_in_doubt() && step.state != StepState::started && step.version == task.version) return &step;
  }
  return nullptr;
}

const StepRow* open_step(const Task& task) {
  for (const StepRow& step : task.steps) {
    if (step.state == StepState::started) return &step;
  }
  return nullptr;
}

}  // namespace pawl
