// Jobs: claims them, runs them, and deals with their exit (SPEC §7, the monitor).
#include "daemon/work/executor_impl.h"
#include "engine/policies/reaper.h"
#include "engine/policies/reconciler.h"
#include "engine/rules/claim.h"
#include "engine/rules/proposals.h"

namespace pawl {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::int64_t exit_code_not_started = 127;  // as in shells
constexpr std::int64_t exit_code_timed_out = 124;    // as in timeout(1)
constexpr std::int64_t exit_code_signal_base = 128;

std::int64_t exit_code_of(const CommandExit& exit, const CommandExit& of_process) {
  if (exit.how == CommandExit::How::timed_out) return exit_code_timed_out;
  const bool exited = of_process.how == CommandExit::How::exited;
  return exited ? of_process.code : exit_code_signal_base + of_process.code;
}

}  // namespace

std::vector<std::string> agents_with_commands(const State& state) {
  std::set<std::string> agents;
  for (const auto& [seq, row] : state.pipelines.rows()) {
    for (const Agent& agent : row.definition->agents) {
      if (!agent.run.empty()) agents.insert(agent.name);
    }
  }
  return {agents.begin(), agents.end()};
}

bool Executor::is_skipped(JobId job) const {
  const MutexLock lock(impl_->mutex);
  return impl_->running.contains(job) || impl_->orphans.contains(job);
}

std::vector<JobId> Executor::skipped() const {
  const MutexLock lock(impl_->mutex);
  std::vector<JobId> jobs;
  for (const auto& [job, runs] : impl_->orphans) jobs.push_back(job);
  return jobs;
}

std::size_t Executor::jobs_at_work() const {
  const MutexLock lock(impl_->mutex);
  return impl_->running.size();
}

std::vector<JobId> Executor::waiting_for_lease() const {
  const MutexLock lock(impl_->mutex);
  std::set<JobId> jobs;
  for (const auto& [job, of_job] : impl_->running) {
    if (of_job.waits) jobs.insert(job);
  }
  for (const auto& [job, attempt] : impl_->exits_waiting_for_lease) jobs.insert(job);
  return {jobs.begin(), jobs.end()};
}

std::set<TaskId> Executor::driven() const {
  return impl_->world.driven();
}

std::optional<Executor::Impl::Claimable> Executor::Impl::claimable(std::set<JobId> skipped) {
  {
    const MutexLock lock(mutex);
    if (is_ending() || running.size() >= options.jobs_at_once) return std::nullopt;
    for (const auto& [job, of_job] : running) skipped.insert(job);
    for (const auto& [job, runs] : orphans) skipped.insert(job);
  }
  const TimeUs now = desk.now();
  std::optional<Claimable> found;
  std::optional<ClaimTurn> from = ClaimTurn{};
  while (!found && from) {
    // A bounded number of rows at a time: everything waits for the sequencer's thread.
    from = desk.ask([&](const State& state) {
      std::size_t rows = 0;
      std::optional<ClaimTurn> next;
      const JobId job = first_claimable(state, agents_with_commands(state), *from, now, [&](JobId id) {
        if (rows == options.rows_per_look) {
          next = turn_of(state, *state.jobs.find(id));
          return ClaimableJobs::Look::stop;
        }
        ++rows;
        const bool is_for_us = !skipped.contains(id) && is_for_this_daemon(state, id);
        return is_for_us ? ClaimableJobs::Look::take : ClaimableJobs::Look::pass_over;
      });
      if (job != JobId{0}) found = claimable_of(state, job);
      return next;
    });
  }
  return found;
}

bool Executor::Impl::is_for_this_daemon(const State& state, JobId id) const {
  const Job& job = *state.jobs.find(id);
  const Task& task = *state.tasks.find(job.task);
  if (waits_behind_crossing(job, task)) return false;
  // The task moved while an agent of ours was working on it; a worktree takes one agent at a time.
  if (is_worked_on_by(state, job.task, options.boot_id)) return false;
  const Agent* agent = state.pipeline_of(task).agent(job.agent);
  return agent && !agent->run.empty();
}

Executor::Impl::Claimable Executor::Impl::claimable_of(const State& state, JobId id) {
  const Job& job = *state.jobs.find(id);
  const Task& task = *state.tasks.find(job.task);
  const Pipeline& pipeline = state.pipeline_of(task);
  const auto& queue = state.settings().queue;
  const auto most = static_cast<std::size_t>(queue.max_concurrency);
  const std::size_t runs = state.indexes.running.size();
  Claimable found{.job = id,
                  .task = job.task,
                  .attempts = job.attempts,
                  .repo = task.repo,
                  .branch = task.branch,
                  .version = job.version,
                  .begins_branch = pipeline.begins_branches(),
                  .is_serial = queue.serial_per_repo,
                  .room = most > runs ? most - runs : 0,
                  .env = pipeline.agent(job.agent)->env};
  found.context.task = job.task;
  found.context.version = job.version;
  found.context.of_pipeline = pipeline.env;
  found.context.of_stage = pipeline.stage(job.stage)->env;
  return found;
}

std::optional<Executor::Impl::Claim> Executor::Impl::claim(JobId job) {
  fb::JobClaimedT event;
  event.job = raw(job);
  event.owner = owner_event({.boot_id = options.boot_id, .pid = system.own_pid(), .actor = "executor"});
  if (machine.propose(propose_group(requester("executor"), event)).outcome != Outcome::accepted) return std::nullopt;
  return desk.ask([&](const State& state) -> std::optional<Claim> {
    const Job* row = state.jobs.find(job);
    if (!row || row->status != JobStatus::running || row->run->owner.boot_id != options.boot_id) return std::nullopt;
    const Task& task = *state.tasks.find(row->task);
    const Pipeline& pipeline = state.pipeline_of(task);
    const Stage* stage = pipeline.stage(row->stage);
    Claim claim{.job = job,
                .attempt = row->attempts,
                .task = task.id,
                .version = row->version,
                .agent = *pipeline.agent(row->agent),
                .context = {}};
    claim.context.task = task.id;
    claim.context.work_item = task.work_item;
    claim.context.repo = task.repo;
    claim.context.branch = task.branch;
    claim.context.stage = row->stage;
    claim.context.version = row->version;
    claim.context.edge = row->stage + "->" + stage->to;
    return claim;
  });
}

void Executor::Impl::claim_jobs() {
  // A claim refused because a worker was faster says nothing about the jobs behind it.
  std::set<JobId> refused;
  while (const std::optional<Claimable> next = claimable(refused)) {
    // Before preparing or claiming anything: a job that cannot begin stays queued, and uses up no attempt.
    Result<CommandEnv> env = world.read_variables(next->env, next->context);
    if (!env) variables_again = system.now() + variable_again;
    if (!env || !is_prepared(*next)) {
      refused.insert(next->job);
      continue;
    }
    // No agent begins while a gate or step is running; a later path finds the job running.
    std::unique_ptr<PathHold> hold = world.enter_path(next->task);
    if (!hold) {
      wait_for_path(*next);
      refused.insert(next->job);
      continue;
    }
    Running* entry = nullptr;
    {
      // Listed before the claim: a cancel right after the claim must find a run to call off.
      const MutexLock lock(mutex);
      if (is_ending()) return;
      entry = &running[next->job];
      entry->task = next->task;
      entry->off = system.make_cancel_token();
    }
    std::optional<Claim> claimed = claim(next->job);
    hold.reset();
    const MutexLock lock(mutex);
    if (claimed) take_tree(next->job, *claimed);
    if (claimed) claimed->env = *std::move(env);
    if (!claimed || stopping) {
      running.erase(next->job);
      if (is_ending()) return;  // The next start recovers what was claimed.
      refused.insert(next->job);
      continue;
    }
    entry->attempt = claimed->attempt;
    auto end = std::make_shared<EndOfThread>(*this, *entry);
    entry->thread = system.start_thread([this, entry, claim = std::move(*claimed), end = std::move(end)]() mutable {
      const auto at_the_end = std::move(end);
      run_job(*entry, claim);
    });
  }
}

void Executor::Impl::note_missing(TaskId task, const std::string& words) {
  fb::TaskNoteT note;
  note.task = raw(task);
  note.text = "its command waits for the variable " + words;
  machine.propose(propose_group(requester("executor"), note));
  if (options.variable_alert) options.variable_alert(task, words);
}

void Executor::Impl::note_end(Running& entry) {
  const MutexLock lock(mutex);
  entry.ended = true;
  jobs_changed = true;
  wake->notify();
}

void Executor::Impl::join_ended() {
  std::vector<std::unique_ptr<RunningThread>> threads;
  {
    const MutexLock lock(mutex);
    drop_preparations(threads);
    for (auto entry = running.begin(); entry != running.end();) {
      if (entry->second.ended) {
        threads.push_back(std::move(entry->second.thread));
        entry = running.erase(entry);
      } else {
        ++entry;
      }
    }
  }
  for (const auto& ended : threads) ended->join();
}

bool Executor::Impl::is_ours(JobId job, std::uint64_t attempt) {
  return desk.ask([&](const State& state) {
    const Job* row = state.jobs.find(job);
    return row && row->status == JobStatus::running && row->attempts == attempt;
  });
}

void Executor::Impl::run_job(Running& entry, const Claim& claim) {
  // Before its exit is recorded; otherwise a reaper pass in between would find no one finishing the job.
  const RealWorld::InHand in_hand(world, claim.job);
  if (!run_agent(entry, claim)) return;
  MutexLock lock(mutex);
  while (!is_ending()) {
    const std::uint64_t freed = leases_freed;
    lock.unlock();
    if (monitor(claim.job, claim.attempt) == Monitored::finished) return;
    lock.lock();
    entry.waits = true;
    lease_freed->await(lock, system.now() + std::max(reconciler_interval, seconds(1)),
                       [&]() PAWL_REQUIRES(mutex) { return is_ending() || leases_freed != freed; });
    entry.waits = false;
  }
}

/// With the finalizer's mark in the same group, where marks count; otherwise a reaper pass in between would find no one
/// finishing the job.
bool Executor::Impl::record_exit(const Claim& claim, std::int64_t code) {
  fb::RunExitedT exit;
  exit.job = raw(claim.job);
  exit.attempt = claim.attempt;
  exit.exit_code = code;
  Group group = propose_group(requester("monitor"), exit);
  if (marks_count_on(claim.context.stage)) {
    fb::FinalizerMarkedT marked;
    marked.job = raw(claim.job);
    group.push_back(propose(requester("monitor"), marked));
  }
  return machine.propose(std::move(group)).outcome == Outcome::accepted;
}

bool Executor::Impl::run_agent(Running& entry, const Claim& claim) {
  const Result<std::shared_ptr<OutputLog>> log =
      system.open_log(path_of_job_log(claim.job, claim.attempt), LogAge::any);
  if (!log) {
    warn(log.error().message, {.job = claim.job});
    return record_exit(claim, exit_code_not_started);
  }
  const auto not_started = [&](const Error& error) {
    if (entry.off->called() && !is_ours(claim.job, claim.attempt)) return false;
    (*log)->say(error.message);
    return record_exit(claim, exit_code_not_started);
  };
  if (!claim.no_tree.empty()) return not_started({ErrorCode::io, claim.no_tree});
  const Result<Worktree> worktree =
      claim.tree ? Result<Worktree>(*claim.tree)
                 : system.prepare_worktree({claim.task, claim.context.repo, claim.context.branch, options.boot_id});
  if (!worktree) {
    const MutexLock lock(mutex);
    if (stopping) return false;
  }
  if (!worktree) return not_started(worktree.error());
  if (!worktree->remark.empty()) (*log)->say(worktree->remark);

  RunRequest request{.command = claim.agent.run,
                     .folder = worktree->folder,
                     .environment = world.environment_of(claim.context, claim.env),
                     .purpose = "job " + std::to_string(raw(claim.job)) + " attempt " + std::to_string(claim.attempt),
                     .inherited = {},
                     .output_bytes_max = world.output_bytes_max(claim.agent.output_max_bytes),
                     .secrets = claim.env.secrets};
  request.environment.push_back("PAWL_JOB=" + std::to_string(raw(claim.job)));
  request.environment.push_back("PAWL_ATTEMPT=" + std::to_string(claim.attempt));
  Result<PreparedProcess> run = PreparedProcess::prepare(system, request, *log);
  if (!run) return not_started(run.error());
  fb::RunStartedT event;
  event.job = raw(claim.job);
  event.attempt = claim.attempt;
  event.pid = run->pid();
  event.pid_start = run->pid_start();
  // If refused, the job is no longer ours; destroying the child ends it before it executes.
  if (machine.propose(propose_group(requester("monitor"), event)).outcome != Outcome::accepted) return false;

  const RealWorld::OwnAgent agent(world, run->pid());
  const CommandExit exit = run->start_and_wait(world.bounds_of(claim.agent.timeout_s), entry.off.get());
  {
    const MutexLock lock(mutex);
    if (!run->gone()) orphans[claim.job].push_back(run->run());
    // A run that we cut off has not failed. One that still exited by itself with 0 is finished work.
    const bool is_cut_off = stopping && exit.how == CommandExit::How::lost;
    const CommandExit& own = run->process_exit();
    if (is_cut_off && !(own.how == CommandExit::How::exited && own.code == 0)) return false;
  }
  return record_exit(claim, exit_code_of(exit, run->process_exit()));
}

Executor::Impl::Monitored Executor::Impl::monitor(JobId job, std::uint64_t attempt) {
  struct Seen {
    std::int64_t exit_code = 0;
    TaskId task{};
    Version version{};
    std::string stage;
    bool cancelled = false;
    bool to_be_marked = false;
  };
  const auto seen = desk.ask([&](const State& state) -> std::optional<Seen> {
    const Job* row = state.jobs.find(job);
    if (!row || row->status != JobStatus::running || row->attempts != attempt || !row->run->exit_code) {
      return std::nullopt;
    }
    const Task* task = state.tasks.find(row->task);
    return Seen{.exit_code = *row->run->exit_code,
                .task = row->task,
                .version = row->version,
                .stage = task ? task->stage : std::string(),
                .cancelled = task && !task->cancel_requested.empty() && !is_committed(*task),
                .to_be_marked = task && marks_count_on(task->stage) && !row->run->marked};
  });
  if (!seen) return Monitored::finished;
  // A worker's run has just exited; we only saw the report.
  if (seen->to_be_marked) mark<fb::FinalizerMarkedT>(job);
  if (seen->cancelled) {
    finish_job(job, attempt, fb::JobResult::cancelled);
    return Monitored::finished;
  }
  if (seen->exit_code != 0) {
    finish_job(job, attempt, fb::JobResult::retry);
    return Monitored::finished;
  }
  const AdvanceAnswer answer = pawl::advance(machine, world,
                                             {.task = seen->task,
                                              .version = seen->version,
                                              .requester = requester("monitor"),
                                              .pid = system.own_pid(),
                                              .on_red = AdvanceRequest::OnRed::roll_back_or_retry});
  const bool waits = answer.result == AdvanceResult::deferred || answer.result == AdvanceResult::committed ||
                     answer.awaited == Awaited::lease || answer.awaited == Awaited::agent ||
                     answer.awaited == Awaited::dependency || answer.awaited == Awaited::previous;
  if (!is_ours(job, attempt)) return Monitored::finished;
  if (waits) return Monitored::waiting;
  // The daemon is shutting down; the next one continues.
  if (answer.outcome == Outcome::stale_boot) return Monitored::finished;
  // A hold, the time of its task or a person's word may be days away: the job is done, and gives its slot back. The
  // reconciler crosses the edge afterwards.
  if (answer.awaited == Awaited::hold || answer.awaited == Awaited::approval) {
    finish_job(job, attempt, fb::JobResult::done);
    wait_until(seen->task, answer.until);
    return Monitored::finished;
  }
  // Its edge has steps that only an external driver can start: it must find the job running, and ends it.
  if (answer.awaited == Awaited::command) {
    if (marks_count_on(seen->stage)) mark<fb::FinalizerClearedT>(job);
    return Monitored::finished;
  }
  // Another actor moved or blocked the task meanwhile; the retry rule decides what that means for this job.
  finish_job(job, attempt, fb::JobResult::retry);
  return Monitored::finished;
}

void Executor::Impl::monitor_once(JobId job, std::uint64_t attempt) {
  std::uint64_t freed = 0;
  {
    const MutexLock lock(mutex);
    freed = leases_freed;
  }
  if (monitor(job, attempt) == Monitored::finished) return world.let_go(job);
  const MutexLock lock(mutex);
  (freed == leases_freed ? exits_waiting_for_lease : exited)[job] = attempt;
  wake->notify();
}

void Executor::Impl::finish_job(JobId job, std::uint64_t attempt, fb::JobResult result) {
  fb::JobFinishedT event;
  event.job = raw(job);
  event.attempt = attempt;
  event.result = result;
  machine.propose(propose_group(requester("monitor"), event));
}

void Executor::Impl::retry_orphans() {
  std::vector<std::pair<JobId, std::string>> runs;
  {
    const MutexLock lock(mutex);
    for (const auto& [job, of_job] : orphans) {
      for (const std::string& run : of_job) runs.emplace_back(job, run);
    }
  }
  for (const auto& [job, run] : runs) {
    if (end_run(system, run, {Stop::kill, milliseconds(0)}) == RunEnd::alive) continue;
    const MutexLock lock(mutex);
    const auto of_job = orphans.find(job);
    std::erase(of_job->second, run);
    if (of_job->second.empty()) orphans.erase(of_job);
    jobs_changed = true;
    wake->notify();  // the next one may take a while
  }
  const MutexLock lock(mutex);
  retrying_orphans = false;
  wake->notify();
}

}  // namespace pawl
