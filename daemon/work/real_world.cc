#include "daemon/work/real_world.h"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <thread>
#include <utility>

#include "daemon/work/process_table.h"

namespace pawl {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr milliseconds lock_again{20};
constexpr std::streamoff last_words_bytes_max = 240;

class PlaceLock final : public StepLock {
 public:
  explicit PlaceLock(Descriptor lock) : lock_(std::move(lock)) {}

 private:
  Descriptor lock_;
};

std::string step_key_of(const CommandContext& context) {
  return std::to_string(raw(context.task)) + "-" + std::to_string(raw(context.version)) + "-" + context.step;
}

WorkOrder work_order_of(const CommandContext& context) {
  return {context.task, context.repo, context.branch};
}

/// Whether the lock of its place shows that the process of a start is gone: only if it was forked from this data
/// folder, on this host, and so held that lock. Nothing outlives a kernel.
bool is_shown_gone(const PlaceNote& note, const std::string& run, const Boot* starter) {
  if (!run.empty() && note.run == run) return note.host == this_host() || kernel_has_ended(note.host);
  return starter && kernel_has_ended(starter->host);
}

/// The last line that a command wrote, from `from` on in its log: what it has to say for itself.
std::string last_words(const std::string& path, std::streamoff from) {
  std::ifstream log(path, std::ios::binary);
  log.seekg(0, std::ios::end);
  log.seekg(std::max<std::streamoff>(from, log.tellg() - last_words_bytes_max));
  std::string last;
  for (std::string line; std::getline(log, line);) {
    while (!line.empty() && (line.back() == ' ' || line.back() == '\r')) line.pop_back();
    if (!line.empty()) last = line;
  }
  // Reasons are shown everywhere: only plain text gets into one.
  for (char& c : last) {
    if (c < ' ' || c > '~') c = '?';
  }
  return last;
}

std::string describe(const CommandExit& exit) {
  switch (exit.how) {
    case CommandExit::How::exited:
      return "exit code " + std::to_string(exit.code);
    case CommandExit::How::signalled:
      return "signal " + std::to_string(exit.code);
    case CommandExit::How::timed_out:
      return "timed out";
    case CommandExit::How::lost:
      return "called off";
  }
  return "?";
}

}  // namespace

/// The entry of what runs, for as long as it does.
class RealWorld::Listed {
 public:
  Listed(RealWorld& world, TaskId task, Kind kind) : world_(world) {
    const std::lock_guard lock(world.mutex_);
    id_ = world.next_running_++;
    Running& running = world.running_[id_];
    running.task = task;
    running.kind = kind;
    if (world.phase_ == Phase::stopping || (world.phase_ == Phase::draining && kind == Kind::gate)) running.off.call();
    off_ = &running.off;
  }
  Listed(const Listed&) = delete;
  Listed& operator=(const Listed&) = delete;
  ~Listed() {
    const std::lock_guard lock(world_.mutex_);
    world_.running_.erase(id_);
    world_.ended_.notify_all();
  }
  const CallOff* off() const { return off_; }

 private:
  RealWorld& world_;
  std::uint64_t id_ = 0;
  const CallOff* off_ = nullptr;  // in the world's list, whose nodes stay where they are
};

class RealWorld::RealHeldStep final : public HeldStep {
 public:
  RealHeldStep(RealWorld& world, TaskId task, std::int64_t timeout_s, HeldRun run, Descriptor place)
      : world_(world), task_(task), timeout_s_(timeout_s), place_(std::move(place)), run_(std::move(run)) {}

  const std::string& run() const override { return run_.run(); }

  CommandExit go() override {
    const Listed listed(world_, task_, Kind::step);
    return run_.go({timeout_s_, world_.kill_after_s()}, listed.off());
  }

 private:
  RealWorld& world_;
  TaskId task_;
  std::int64_t timeout_s_;
  Descriptor place_;  // given back after the run below has been ended
  HeldRun run_;
};

RealWorld::RealWorld(std::string data_folder, Worktrees& worktrees, std::string boot_id)
    : data_folder_(std::move(data_folder)),
      worktrees_(worktrees),
      boot_id_(std::move(boot_id)),
      kill_after_s_(Settings{}.stop.kill_after_s) {}

bool RealWorld::is_alive(const Owner& owner, const Boot& boot) {
  if (boot.stale) return false;
  if (owner.boot_id == boot_id_) return true;
  const auto lives = [&](std::int64_t pid, std::optional<std::int64_t> start) {
    const Liveness liveness = liveness_of(boot.host, pid, start);
    return liveness == Liveness::alive || liveness == Liveness::invisible;
  };
  if (boot.pid > 0 && !lives(boot.pid, boot.pid_start)) return false;
  // An owner may be another process than the one that registered its boot; of that only the number is known.
  return owner.pid <= 0 || owner.pid == boot.pid || lives(owner.pid, std::nullopt);
}

Life RealWorld::life_of(const Run& run, const Boot& boot) {
  if (!run.pid) return Life::unknown;
  if (run.owner.boot_id == boot_id_) {
    const std::lock_guard lock(mutex_);
    if (children_.contains(*run.pid)) return Life::alive;
  }
  switch (liveness_of(boot.host, *run.pid, run.pid_start)) {
    case Liveness::alive:
    case Liveness::invisible:
    case Liveness::unknown:  // of a process, doubt counts as life: its job is ended by the ceiling at the latest
      return Life::alive;
    case Liveness::dead:
      return Life::dead;
  }
  return Life::unknown;
}

RealWorld::Child::Child(RealWorld& world, std::int64_t pid) : world_(world), pid_(pid) {
  const std::lock_guard lock(world_.mutex_);
  world_.children_.insert(pid_);
}

RealWorld::Child::~Child() {
  const std::lock_guard lock(world_.mutex_);
  world_.children_.erase(pid_);
}

std::vector<std::string> RealWorld::environment_of(const CommandContext& context) const {
  std::vector<std::string> environment = clean_environment();
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

std::string RealWorld::log_path_of(JobId job, std::uint64_t attempt) const {
  return data_folder_ + "/logs/job-" + std::to_string(raw(job)) + "-" + std::to_string(attempt) + ".log";
}

std::string RealWorld::log_path_of(const CommandContext& context, const std::string& name) const {
  return data_folder_ + "/logs/task-" + std::to_string(raw(context.task)) + "-v" +
         std::to_string(raw(context.version)) + "-" + path_component_of(name) + ".log";
}

RealWorld::Ran RealWorld::run_check(Kind kind, const CommandLine& command, std::int64_t timeout_s,
                                    const CommandContext& context, const std::string& log_name) {
  Result<Descriptor> log = open_log(log_path_of(context, log_name));
  if (!log) return {.exit = {}, .why = log.error().message, .words = {}};
  const Result<Worktree> worktree = worktrees_.existing(work_order_of(context));
  if (!worktree) {
    say_to_log(*log, worktree.error().message);
    return {.exit = {}, .why = worktree.error().message, .words = {}};
  }
  const RunOrder order{.command = command,
                       .folder = worktree->folder,
                       .environment = environment_of(context),
                       .purpose = (kind == Kind::gate ? "gate of task " : "probe of task ") +
                                  std::to_string(raw(context.task)) + " " + log_name,
                       .inherited = {}};
  const std::streamoff log_begin = ::lseek(log->get(), 0, SEEK_END);
  // Listed before it is forked, so that nothing starts behind the back of stop().
  const Listed listed(*this, context.task, kind);
  Result<HeldRun> run = HeldRun::hold(data_folder_, order, std::move(*log));
  if (!run) return {.exit = {}, .why = run.error().message, .words = {}};
  Ran ran;
  ran.exit = run->go({timeout_s, kill_after_s()}, listed.off());
  if (run->exec_failure()) ran.why = *run->exec_failure();
  ran.words = last_words(log_path_of(context, log_name), log_begin);
  return ran;
}

GateAnswer RealWorld::run_gate(const Gate& gate, const CommandContext& context) {
  if (gate.run.empty()) return {.passed = true, .reason = {}};
  const Ran ran = run_check(Kind::gate, gate.run, gate.timeout_s, context, "gate");
  if (!ran.why.empty()) return {.passed = std::nullopt, .reason = ran.why};
  const std::string how = describe(ran.exit);
  if (ran.exit.how == CommandExit::How::timed_out || ran.exit.how == CommandExit::How::lost) {
    return {.passed = std::nullopt, .reason = how};
  }
  const bool green = ran.exit.how == CommandExit::How::exited && ran.exit.code == 0;
  return {.passed = green, .reason = ran.words.empty() ? how : ran.words};
}

/// The lock of a place, as soon as it can be had. For a moment it may be held by nobody's wish: whoever has just given
/// it back shared it with each child that another thread was forking, until that child has closed what is not its own.
Result<Descriptor> RealWorld::lock_place_until(const StepPlace& place, steady_clock::time_point deadline) const {
  for (;;) {
    Result<Descriptor> lock = lock_place(data_folder_, place);
    if (lock || lock.error().code != ErrorCode::busy || steady_clock::now() >= deadline) return lock;
    std::this_thread::sleep_for(lock_again);
  }
}

EndedStart RealWorld::end_and_lock(const StepPlace& place, const std::string& run, const Boot* starter) {
  const auto within = std::max<milliseconds>(seconds(kill_after_s()), seconds(1));
  const steady_clock::time_point deadline = steady_clock::now() + within;
  if (!run.empty() && end_run(data_folder_, run, {EndOrder::First::terminate, within}) == RunEnd::alive) return {};
  Result<Descriptor> lock = lock_place_until(place, deadline);
  if (!lock) return {};
  const bool gone = is_shown_gone(place_note(*lock), run, starter);
  return {.lock = std::make_unique<PlaceLock>(std::move(*lock)), .gone = gone};
}

Held RealWorld::hold_step(const PipelineStep& step, const CommandContext& context, const std::string& previous_run) {
  const auto cannot = [](const Error& error) {
    return Held{.status = Held::Status::cannot_start, .step = nullptr, .why = error.message};
  };
  const auto alive = [](const std::string& why) {
    return Held{.status = Held::Status::previous_alive, .step = nullptr, .why = why};
  };
  if (!previous_run.empty() &&
      end_run(data_folder_, previous_run, {EndOrder::First::terminate, seconds(kill_after_s())}) == RunEnd::alive) {
    return alive("run " + previous_run + " is alive");
  }
  Result<Descriptor> place =
      lock_place_until({context.task, context.version, context.step}, steady_clock::now() + seconds(kill_after_s()));
  if (!place) return place.error().code == ErrorCode::busy ? alive(place.error().message) : cannot(place.error());
  const Result<Worktree> worktree = worktrees_.existing(work_order_of(context));
  if (!worktree) return cannot(worktree.error());
  Result<Descriptor> log = open_log(log_path_of(context, step.name));
  if (!log) return cannot(log.error());
  const RunOrder order{.command = step.run,
                       .folder = worktree->folder,
                       .environment = environment_of(context),
                       .purpose = "step " + step_key_of(context),
                       .inherited = {place->get()}};
  Result<HeldRun> run = HeldRun::hold(data_folder_, order, std::move(*log));
  if (!run) return cannot(run.error());
  if (const auto noted = note_place(*place, run->run()); !noted) return cannot(noted.error());
  return {
      .status = Held::Status::held,
      .step = std::make_unique<RealHeldStep>(*this, context.task, step.timeout_s, std::move(*run), std::move(*place)),
      .why = {}};
}

Verdict RealWorld::probe(const PipelineStep& step, const CommandContext& context) {
  if (step.settle_s > 0) {
    const Listed listed(*this, context.task, Kind::probe);
    const steady_clock::time_point until = steady_clock::now() + seconds(step.settle_s);
    while (steady_clock::now() < until) {
      if (listed.off()->called()) return Verdict::unknown;
      std::this_thread::sleep_for(std::min<steady_clock::duration>(until - steady_clock::now(), lock_again));
    }
  }
  const Ran ran = run_check(Kind::probe, step.probe, step.timeout_s, context, step.name);
  if (!ran.why.empty() || ran.exit.how != CommandExit::How::exited) return Verdict::unknown;
  if (ran.exit.code == 0) return Verdict::yes;
  return ran.exit.code == 1 ? Verdict::no : Verdict::unknown;
}

void RealWorld::call_off(TaskId task, Which which) {
  const std::lock_guard lock(mutex_);
  for (auto& [id, running] : running_) {
    if (running.task == task && (which == Which::all || running.kind == Kind::gate)) running.off.call();
  }
}

void RealWorld::drain() {
  std::unique_lock lock(mutex_);
  phase_ = Phase::draining;
  for (auto& [id, running] : running_) {
    if (running.kind == Kind::gate) running.off.call();
  }
  ended_.wait_for(lock, seconds(kill_after_s()), [&] { return running_.empty(); });
}

void RealWorld::stop() {
  std::unique_lock lock(mutex_);
  phase_ = Phase::stopping;
  for (auto& [id, running] : running_) running.off.call();
  ended_.wait(lock, [&] { return running_.empty(); });
}

}  // namespace pawl
