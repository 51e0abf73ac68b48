#include "daemon/work/real_world.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include "schema/printable.h"

namespace pawl {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds lock_again{20};

class PlaceLock final : public StepLock {
 public:
  explicit PlaceLock(std::unique_ptr<Handle> lock) : lock_(std::move(lock)) {}

 private:
  std::unique_ptr<Handle> lock_;
};

std::string key_of(const StepKey& place) {
  return std::to_string(raw(place.task)) + "-" + std::to_string(raw(place.version)) + "-" + place.step;
}

std::string step_key_of(const CommandContext& context) {
  const std::string key = key_of({context.task, context.version, context.step});
  // Keys from a part of the log that was since lost belong to other crossings, even with the same numbers.
  return context.restores == 0 ? key : key + "-r" + std::to_string(context.restores);
}

constexpr std::string_view purpose_of_step = "step ";

/// Whether a run was started for exactly that step.
bool is_of(const RunNote& note, const StepKey& place) {
  const std::string purpose = std::string(purpose_of_step) + key_of(place);
  return note.purpose == purpose || note.purpose.starts_with(purpose + "-r");
}

/// How long a path waits for a silent origin: when it can go on without it, and when it cannot.
constexpr seconds origin_within{10};
constexpr seconds origin_within_by_all_means{30};

TreeAnswer answer_of(const Result<Worktree>& tree) {
  if (!tree) return {.state = TreeAnswer::State::failed, .reason = tree.error().message};
  if (!tree->barred.empty()) return {.state = TreeAnswer::State::barred, .reason = tree->barred};
  return {.state = TreeAnswer::State::ready, .reason = {}, .head = tree->head, .origin_head = tree->origin_head};
}

/// Whether the lock of a place shows that a start's process is gone: only if it was forked from this data folder, on
/// this host, and so held that lock. No process outlives its kernel.
bool is_shown_gone(System& system, const PlaceNote& note, const std::string& run, const Boot* starter) {
  if (note.is_foreign || (starter && system.is_foreign(starter->member))) return false;
  const bool held_it = !run.empty() && (note.run == run || note.gone == run);
  if (held_it) return note.host == system.own_host() || system.kernel_has_ended(note.host);
  return starter && system.kernel_has_ended(starter->host);
}

/// The last line a command wrote: its own reason. Reasons are shown everywhere, so they contain only printable text.
std::string last_words(const OutputLog& log) {
  return printable(log.last_line());
}

std::string reason_of_missing(const Error& error) {
  return std::string(stuck_reason::variable_missing) + ": " + error.message;
}

std::string describe(const CommandExit& exit, bool is_called_off) {
  switch (exit.how) {
    case CommandExit::How::exited:
      return "exit code " + std::to_string(exit.code);
    case CommandExit::How::signalled:
      return "signal " + std::to_string(exit.code);
    case CommandExit::How::timed_out:
      return "timed out";
    case CommandExit::How::lost:
      return is_called_off ? "called off" : "its keeper was killed";
  }
  return "?";
}

/// Why it failed. If it was ended, that is the reason, whatever it had just printed.
std::string reason_of(const CommandExit& exit, const OutputLog& log, const CancelToken& off) {
  const bool is_ended = exit.how == CommandExit::How::timed_out || exit.how == CommandExit::How::lost;
  std::string words = is_ended ? std::string() : last_words(log);
  return words.empty() ? describe(exit, off.called()) : words;
}

}  // namespace

/// The list entry of something that runs, as long as it runs.
class RealWorld::Listed {
 public:
  Listed(RealWorld& world, TaskId task, Kind kind) : world_(world) {
    const MutexLock lock(world.mutex_);
    id_ = world.next_running_++;
    Running& running = world.running_[id_];
    running.task = task;
    running.kind = kind;
    running.off = world.system_.make_cancel_token();
    if (world.phase_ == Phase::stopping || (world.phase_ == Phase::draining && kind == Kind::gate)) running.off->call();
    off_ = running.off.get();
  }
  Listed(const Listed&) = delete;
  Listed& operator=(const Listed&) = delete;
  ~Listed() {
    const MutexLock lock(world_.mutex_);
    world_.running_.erase(id_);
    world_.ended_->notify();
  }
  const CancelToken* off() const { return off_; }

 private:
  RealWorld& world_;
  std::uint64_t id_ = 0;
  const CancelToken* off_ = nullptr;  // in the world's list, whose nodes stay where they are
};

/// Listed from before the fork until its end is recorded. A drain that missed it in the moments before it executes, or
/// after it ends, would not give it time to end, or would refuse to record how it ended.
class RealWorld::RealHeldStep final : public PreparedStep {
 public:
  RealHeldStep(RealWorld& world, std::unique_ptr<Listed> listed, std::int64_t timeout_s, PreparedProcess run,
               std::unique_ptr<Handle> place, std::shared_ptr<OutputLog> log)
      : world_(world),
        listed_(std::move(listed)),
        timeout_s_(timeout_s),
        place_(std::move(place)),
        log_(std::move(log)),
        run_(std::move(run)) {}

  const std::string& run() const override { return run_.run(); }
  CommandExit start_and_wait() override {
    const CommandExit exit = run_.start_and_wait(world_.bounds_of(timeout_s_), listed_->off());
    reason_ = reason_of(exit, *log_, *listed_->off());
    return exit;
  }
  std::string reason() const override { return reason_; }

 private:
  RealWorld& world_;
  std::unique_ptr<Listed> listed_;
  std::int64_t timeout_s_;
  std::string reason_;
  std::unique_ptr<Handle> place_;  // released after the run below has ended
  std::shared_ptr<OutputLog> log_;
  PreparedProcess run_;
};

class RealWorld::RealPath final : public PathHold {
 public:
  RealPath(RealWorld& world, TaskId task) : world_(world), task_(task) {}
  ~RealPath() override {
    bool was_wanted = false;
    {
      const MutexLock lock(world_.mutex_);
      const auto path = world_.paths_.find(task_);
      was_wanted = path->second;
      world_.paths_.erase(path);
      world_.ended_->notify();
    }
    if (was_wanted && world_.on_path_end_) world_.on_path_end_();
  }

 private:
  RealWorld& world_;
  TaskId task_;
};

std::unique_ptr<PathHold> RealWorld::enter_path(TaskId task) {
  const MutexLock lock(mutex_);
  const auto [path, is_free] = paths_.emplace(task, false);
  if (is_free) return std::make_unique<RealPath>(*this, task);
  path->second = true;
  return nullptr;
}

bool RealWorld::has_in_hand(JobId job) {
  const MutexLock lock(mutex_);
  return in_hand_.contains(job);
}

std::set<TaskId> RealWorld::driven() {
  const MutexLock lock(mutex_);
  std::set<TaskId> tasks;
  for (const auto& [task, is_wanted] : paths_) tasks.insert(task);
  return tasks;
}

void RealWorld::take_in_hand(JobId job) {
  const MutexLock lock(mutex_);
  in_hand_.insert(job);
}

void RealWorld::let_go(JobId job) {
  const MutexLock lock(mutex_);
  in_hand_.erase(job);
}

RealWorld::RealWorld(System& system, OriginWeather& weather, std::string boot_id)
    : system_(system),
      weather_(weather),
      boot_id_(std::move(boot_id)),
      kill_after_s_(Settings{}.stop.kill_after_s),
      ended_(system.make_signal()),
      hurry_(system.make_cancel_token()) {}

bool RealWorld::is_alive(const Owner& owner, const Boot& boot) {
  if (boot.stale) return false;
  if (owner.boot_id == boot_id_) return true;
  const auto lives = [&](std::int64_t pid, std::optional<std::int64_t> start) {
    return system_.liveness_of(boot.host, pid, start) != Liveness::dead;
  };
  if (boot.pid > 0 && !lives(boot.pid, boot.pid_start)) return false;
  // The owner may be a process other than the one that registered the boot; then only its pid is known.
  return owner.pid <= 0 || owner.pid == boot.pid || lives(owner.pid, std::nullopt);
}

Liveness RealWorld::life_of(const Run& run, const Boot& boot) {
  if (!run.pid) return Liveness::unknown;
  if (run.owner.boot_id == boot_id_) {
    const MutexLock lock(mutex_);
    if (agents_.contains(*run.pid)) return Liveness::alive;
  }
  switch (system_.liveness_of(boot.host, *run.pid, run.pid_start)) {
    case Liveness::alive:
    case Liveness::invisible:
    case Liveness::unknown:  // in doubt a process counts as alive: the ceiling ends its job at the latest
      return Liveness::alive;
    case Liveness::dead:
      return Liveness::dead;
  }
  return Liveness::unknown;
}

RealWorld::OwnAgent::OwnAgent(RealWorld& world, std::int64_t pid) : world_(world), pid_(pid) {
  const MutexLock lock(world_.mutex_);
  world_.agents_.insert(pid_);
}

RealWorld::OwnAgent::~OwnAgent() {
  const MutexLock lock(world_.mutex_);
  world_.agents_.erase(pid_);
}

RealWorld::Fetching::Fetching(RealWorld& world, TaskId task) : world_(world), task_(task) {
  const TimeUs now = world_.system_.wall_time();
  const MutexLock lock(world_.mutex_);
  world_.fetches_.emplace(task_, now);
}

RealWorld::Fetching::~Fetching() {
  const MutexLock lock(world_.mutex_);
  world_.fetches_.erase(world_.fetches_.find(task_));
}

std::optional<TimeUs> RealWorld::fetching_since(TaskId task) {
  const MutexLock lock(mutex_);
  const auto found = fetches_.find(task);
  return found == fetches_.end() ? std::nullopt : std::optional(found->second);
}

Result<CommandEnv> RealWorld::read_variables(const Variables& own, const CommandContext& context) {
  const std::array<const Variables*, 3> layers = {&context.of_pipeline, &context.of_stage, &own};
  Result<CommandEnv> env = read_env(system_, layers);
  const std::pair<TaskId, std::string> place(context.task, context.step);
  {
    const MutexLock lock(mutex_);
    if (env) {
      missing_.erase(place);
      return env;
    }
    MissingVariable& missing = missing_[place];
    if (missing.version == context.version && missing.words == env.error().message) return env;
    missing = {.version = context.version, .since = system_.wall_time(), .words = env.error().message};
  }
  if (on_missing_) on_missing_(context.task, env.error().message);
  return env;
}

std::optional<MissingVariable> RealWorld::missing_variable(TaskId task) const {
  const MutexLock lock(mutex_);
  const auto found = missing_.lower_bound({task, {}});
  const bool is_of_task = found != missing_.end() && found->first.first == task;
  return is_of_task ? std::optional(found->second) : std::nullopt;
}

void RealWorld::forget_missing(TaskId task) {
  const MutexLock lock(mutex_);
  std::erase_if(missing_, [task](const auto& entry) { return entry.first.first == task; });
}

std::optional<std::string> RealWorld::missing_variable(const Variables& own, const CommandContext& context) {
  const Result<CommandEnv> env = read_variables(own, context);
  if (env) return std::nullopt;
  return reason_of_missing(env.error());
}

std::vector<std::string> RealWorld::environment_of(const CommandContext& context, const CommandEnv& env) const {
  std::vector<std::string> environment = system_.clean_environment();
  put_into(environment, env);
  const auto add = [&](const std::string& name, const std::string& value) {
    environment.push_back("PAWL_" + name + "=" + value);
  };
  add("TASK", std::to_string(raw(context.task)));
  add("WORK_ITEM", context.work_item);
  add("REPO", context.repo);
  add("BRANCH", context.branch);
  add("STAGE", context.stage);
  add("VERSION", std::to_string(raw(context.version)));
  add("EDGE", context.edge);
  if (context.token) add("TOKEN", std::to_string(raw(*context.token)));
  if (context.step.empty()) return environment;
  add("STEP", context.step);
  add("STEP_KEY", step_key_of(context));
  return environment;
}

Result<std::shared_ptr<OutputLog>> RealWorld::new_log(LogOf what, const CommandContext& context) {
  LogName name{.what = what,
               .task = context.task,
               .version = context.version,
               .stage = context.stage,
               .step = context.step,
               .began_at = system_.wall_time()};
  for (;; ++name.began_at.us) {
    auto log = system_.open_log(path_of(name), LogAge::is_new);
    if (log || log.error().code != ErrorCode::busy) return log;
  }
}

RealWorld::Ran RealWorld::run_check(const Check& check, const CommandContext& context) {
  const Kind kind = check.kind;
  const Result<CommandEnv> env = read_variables(check.env, context);
  if (!env) return {.exit = {}, .why = reason_of_missing(env.error()), .words = {}, .head = {}, .lacks_variable = true};
  const Result<std::shared_ptr<OutputLog>> log = new_log(kind == Kind::gate ? LogOf::gate : LogOf::probe, context);
  if (!log) return {.exit = {}, .why = log.error().message, .words = {}, .head = {}};
  const Result<Worktree> worktree = system_.existing_worktree(work_request_of(context));
  if (!worktree) {
    (*log)->say(worktree.error().message);
    return {.exit = {}, .why = worktree.error().message, .words = {}, .head = {}};
  }
  if (!worktree->barred.empty()) return {.exit = {}, .why = worktree->barred, .words = {}, .head = {}};
  const std::string remark = kind == Kind::gate ? take_remark(context.task) : std::string();
  if (!remark.empty()) (*log)->say(remark);
  const RunRequest request{.command = check.command,
                           .folder = worktree->folder,
                           .environment = environment_of(context, *env),
                           .purpose = (kind == Kind::gate ? "gate of task " : "probe of task ") +
                                      std::to_string(raw(context.task)) + " " +
                                      (kind == Kind::gate ? "gate" : context.step),
                           .inherited = {},
                           .output_bytes_max = output_bytes_max(check.output_max_bytes),
                           .secrets = env->secrets};
  // Listed before the fork, so that nothing starts unseen by stop().
  const Listed listed(*this, context.task, kind);
  Result<PreparedProcess> run = PreparedProcess::prepare(system_, request, *log);
  if (!run) return {.exit = {}, .why = run.error().message, .words = {}, .head = {}};
  Ran ran;
  ran.exit = run->start_and_wait(bounds_of(check.timeout_s), listed.off());
  if (run->exec_failure()) ran.why = *run->exec_failure();
  ran.words = reason_of(ran.exit, **log, *listed.off());
  ran.head = worktree->head;
  return ran;
}

bool RealWorld::is_at_hand(const CommandContext& context, TreeNeed need) {
  const Result<Worktree> tree = system_.existing_worktree(work_request_of(context));
  return tree && tree->barred.empty() && (need == TreeNeed::any || tree->is_of_boot);
}

TreeAnswer RealWorld::ask_origin(const CommandContext& context, TreeNeed need) {
  const bool is_compared = need == TreeNeed::compared || need == TreeNeed::compared_by_all_means;
  if (!is_compared && is_at_hand(context, need)) return {};
  const Listed listed(*this, context.task, Kind::gate);
  const Fetching fetching(*this, context.task);
  const bool can_go_on = need == TreeNeed::compared && is_at_hand(context, TreeNeed::of_today);
  const Fetched fetched =
      weather_.fetch(context.repo, can_go_on ? origin_within : origin_within_by_all_means, listed.off());
  switch (fetched.end) {
    case FetchEnd::fetched:
      return {};
    case FetchEnd::called_off:
      return {.state = TreeAnswer::State::waits, .reason = "called_off"};
    case FetchEnd::unreachable:
    case FetchEnd::refused:
      break;
  }
  if (can_go_on) return {};
  const OriginTrouble trouble{.is_refused = fetched.end == FetchEnd::refused, .since = {}, .words = {}};
  return {.state = TreeAnswer::State::waits, .reason = std::string(trouble.reason())};
}

TreeAnswer RealWorld::ready_tree(const CommandContext& context, TreeNeed need) {
  const WorkRequest request = work_request_of(context);
  if (need == TreeNeed::any || need == TreeNeed::of_today) {
    const Result<Worktree> tree = system_.existing_worktree(request);
    if (tree && (!tree->barred.empty() || need == TreeNeed::any || tree->is_of_boot)) return answer_of(tree);
  }
  const Result<Worktree> tree = system_.prepare_worktree(request);
  if (tree && !tree->remark.empty()) {
    const MutexLock lock(mutex_);
    remarks_[context.task] = tree->remark;
  }
  return answer_of(tree);
}

std::string RealWorld::take_remark(TaskId task) {
  const MutexLock lock(mutex_);
  const auto remark = remarks_.extract(task);
  return remark ? remark.mapped() : std::string();
}

TreeAnswer RealWorld::look_at_tree(const CommandContext& context) {
  return answer_of(system_.existing_worktree(work_request_of(context)));
}

GateAnswer RealWorld::run_gate(const Gate& gate, const CommandContext& context) {
  if (gate.run.empty()) return {.passed = true, .reason = {}};
  const Ran ran = run_check({Kind::gate, gate.run, gate.env, gate.timeout_s, gate.output_max_bytes}, context);
  if (!ran.why.empty()) return {.passed = std::nullopt, .reason = ran.why, .later = ran.lacks_variable};
  if (ran.exit.how == CommandExit::How::timed_out || ran.exit.how == CommandExit::How::lost) {
    return {.passed = std::nullopt, .reason = ran.words};
  }
  const bool exited = ran.exit.how == CommandExit::How::exited;
  if (exited && ran.exit.code == exit_code_later) return {.passed = std::nullopt, .reason = ran.words, .later = true};
  return {.passed = exited && ran.exit.code == 0, .reason = ran.words, .later = false, .head = ran.head};
}

/// Waits for the lock of a place. It may be held by accident for a moment: a child that another thread is forking
/// inherits the descriptor, and keeps the lock until it closes it.
Result<std::unique_ptr<Handle>> RealWorld::lock_step_until(const StepKey& place, Deadline deadline) const {
  for (;;) {
    Result<std::unique_ptr<Handle>> lock = system_.lock_step(place);
    if (lock || lock.error().code != ErrorCode::busy || system_.now() >= deadline) return lock;
    system_.sleep_for(lock_again);
  }
}

/// Whether a run was started in the folder that this one is a copy of: it goes on there, and is ended there.
bool RealWorld::is_another_members(const std::string& run) {
  {
    const MutexLock lock(mutex_);
    if (foreign_runs_.contains(run)) return true;
  }
  const std::optional<RunNote> note = run.empty() ? std::nullopt : system_.noted_run(run);
  return note && note->is_foreign;
}

/// Ends what is left of an earlier start. The journal names the run, but only on the word of whoever started the step:
/// so a run is ended only if it was started here for exactly this step. A process that merely has the run's name in its
/// environment counts as alive, and is left alone.
RunEnd RealWorld::end_start(const StepKey& place, const std::string& run, milliseconds within) {
  if (run.empty()) return RunEnd::gone;
  const std::optional<RunNote> note = system_.noted_run(run);
  if (note && is_of(*note, place)) return end_run(system_, run, {Stop::terminate, within});
  if (note) return RunEnd::gone;  // the run of something else: it says nothing about this step
  ProcessMarkers signs;
  signs.run = run;
  return system_.processes_of(signs).empty() ? RunEnd::gone : RunEnd::alive;
}

EndedStart RealWorld::end_and_lock(const StepKey& place, const std::string& run, const Boot* starter) {
  const auto within = std::max<milliseconds>(seconds(kill_after_s()), seconds(1));
  const Deadline deadline = system_.now() + within;
  const bool is_foreign = is_another_members(run) || (starter && system_.is_foreign(starter->member));
  if (is_foreign) {
    const MutexLock lock(mutex_);
    foreign_runs_.insert(run);
  }
  if (!is_foreign && end_start(place, run, within) == RunEnd::alive) return {};
  Result<std::unique_ptr<Handle>> lock = lock_step_until(place, deadline);
  if (!lock) return {};
  const bool gone = is_shown_gone(system_, system_.place_note(**lock), run, starter);
  return {.lock = std::make_unique<PlaceLock>(std::move(*lock)), .gone = gone};
}

Held RealWorld::hold_step(const PipelineStep& step, const CommandContext& context, const std::string& previous_run) {
  const auto cannot = [](const Error& error) {
    return Held{.status = Held::Status::cannot_start, .step = nullptr, .why = error.message};
  };
  const auto alive = [](const std::string& why) {
    return Held{.status = Held::Status::previous_alive, .step = nullptr, .why = why};
  };
  const StepKey at{context.task, context.version, context.step};
  if (!is_another_members(previous_run) && end_start(at, previous_run, seconds(kill_after_s())) == RunEnd::alive) {
    return alive("run " + previous_run + " is alive");
  }
  Result<std::unique_ptr<Handle>> place = lock_step_until(at, system_.now() + seconds(kill_after_s()));
  if (!place) return place.error().code == ErrorCode::busy ? alive(place.error().message) : cannot(place.error());
  const Result<Worktree> worktree = system_.existing_worktree(work_request_of(context));
  if (!worktree) return cannot(worktree.error());
  if (!worktree->barred.empty()) return cannot({ErrorCode::damaged, worktree->barred});
  const Result<CommandEnv> env = read_variables(step.env, context);
  if (!env) return cannot(env.error());
  const Result<std::shared_ptr<OutputLog>> log = new_log(LogOf::step, context);
  if (!log) return cannot(log.error());
  const RunRequest request{.command = step.run,
                           .folder = worktree->folder,
                           .environment = environment_of(context, *env),
                           .purpose = std::string(purpose_of_step) + step_key_of(context),
                           .inherited = {place->get()},
                           .output_bytes_max = output_bytes_max(step.output_max_bytes),
                           .secrets = env->secrets};
  auto listed = std::make_unique<Listed>(*this, context.task, Kind::step);
  Result<PreparedProcess> run = PreparedProcess::prepare(system_, request, *log);
  if (!run) return cannot(run.error());
  // If this start is refused, or a crash comes first, the recorded one remains the one that is asked about.
  const bool gone = is_shown_gone(system_, system_.place_note(**place), previous_run, nullptr);
  if (const auto noted = system_.note_place(**place, run->run(), gone ? previous_run : ""); !noted) {
    return cannot(noted.error());
  }
  return {.status = Held::Status::held,
          .step = std::make_unique<RealHeldStep>(*this, std::move(listed), step.timeout_s, std::move(*run),
                                                 std::move(*place), *log),
          .why = {}};
}

bool RealWorld::wait(TaskId task, std::int64_t us) {
  const Listed listed(*this, task, Kind::wait);
  const Deadline until = system_.now() + std::chrono::microseconds(us);
  while (system_.now() < until) {
    if (listed.off()->called()) return false;
    system_.sleep_for(std::min<Deadline::duration>(until - system_.now(), lock_again));
  }
  return true;
}

Verdict RealWorld::probe(const PipelineStep& step, const CommandContext& context) {
  const Ran ran = run_check({Kind::probe, step.probe, step.env, step.timeout_s, step.output_max_bytes}, context);
  if (!ran.why.empty() || ran.exit.how != CommandExit::How::exited) return Verdict::unknown;
  if (ran.exit.code == 0) return Verdict::yes;
  return ran.exit.code == 1 ? Verdict::no : Verdict::unknown;
}

void RealWorld::call_off(TaskId task, Which which) {
  const MutexLock lock(mutex_);
  for (auto& [id, running] : running_) {
    if (running.task == task && (which == Which::all || running.kind == Kind::gate)) running.off->call();
  }
}

void RealWorld::drain() {
  const MutexLock lock(mutex_);
  phase_ = Phase::draining;
  for (auto& [id, running] : running_) {
    if (running.kind == Kind::gate || running.kind == Kind::wait) running.off->call();
  }
}

void RealWorld::call_off_all() {
  const MutexLock lock(mutex_);
  phase_ = Phase::stopping;
  for (auto& [id, running] : running_) running.off->call();
}

bool RealWorld::await_idle(Deadline deadline) {
  MutexLock lock(mutex_);
  return ended_->await(lock, deadline, [&]() PAWL_REQUIRES(mutex_) { return running_.empty() && paths_.empty(); });
}

}  // namespace pawl
