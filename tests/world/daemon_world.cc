#include "tests/world/daemon_world.h"

#include <algorithm>

namespace pawl::hostile {
namespace {

constexpr Us look_again = 250 * ms;

StepKey key_of(const StepPlace& place) {
  return {place.task, place.version, place.step};
}
StepKey key_of(const CommandContext& context) {
  return {context.task, context.version, context.step};
}

}  // namespace

bool DataFolder::is_locked(const StepKey& place) const {
  const auto found = places.find(place);
  if (found == places.end()) return false;
  const auto lives = [](const ProcessPtr& process) { return process->alive; };
  return found->second.held || std::any_of(found->second.processes.begin(), found->second.processes.end(), lives);
}

std::string Daemon::new_run(const ProcessPtr& process, std::optional<JobId> job) {
  const std::string run = story_.fresh_id("run");
  story_.folder.runs[run] = {.processes = {process}, .job = job};
  return run;
}

CommandExit Daemon::go(const ProcessPtr& process, const std::string& run, const Fate& fate, std::int64_t timeout_s,
                       const CallOff& off, bool& gone) {
  Machines& machines = story_.machines;
  scheduler_.at(scheduler_.now() + fate.work, [&machines, process, exit = fate.exit] { machines.end(*process, exit); });
  if (story_.strikes(Hostility::stubborn, 2)) {
    process->stubborn_until = scheduler_.now() + story_.dice.between(1, 3600) * second;
  }
  process->waiter = scheduler_.self();
  const Us deadline = scheduler_.now() + timeout_s * second;
  while (process->alive && !off.called && scheduler_.now() < deadline) scheduler_.wait_until(deadline);
  const bool over_time = process->alive && !off.called;
  const bool called_off = process->alive && off.called;
  while (process->alive) {
    machines.kill(process);
    scheduler_.wait_until(scheduler_.now() + minute);
  }
  if (story_.strikes(Hostility::stubborn, 1)) {
    // It left something behind that is in no hurry.
    const ProcessPtr child = machines.start(daemon_machine);
    child->stubborn_until = scheduler_.now() + story_.dice.between(1, 600) * second;
    if (const auto noted = story_.folder.runs.find(run); noted != story_.folder.runs.end()) {
      noted->second.processes.push_back(child);
    } else {
      machines.end(*child, {});
    }
  }
  gone = end_run(run, std::max(kill_after(), second));
  CommandExit exit = *process->exit;
  if (over_time) exit.how = CommandExit::How::timed_out;
  if (called_off) exit.how = CommandExit::How::lost;
  return exit;
}

bool Daemon::end_run(const std::string& run, Us within) {
  const auto deadline = scheduler_.now() + within;
  for (;;) {
    const auto noted = story_.folder.runs.find(run);
    if (noted == story_.folder.runs.end()) return true;
    bool any = false;
    for (const ProcessPtr& process : noted->second.processes) {
      if (!process->alive) continue;
      any = true;
      story_.machines.kill(process);
    }
    if (!any) {
      story_.folder.runs.erase(noted);
      return true;
    }
    if (scheduler_.now() >= deadline) return false;
    scheduler_.sleep(look_again);
  }
}

/// The lock of a place, as long as it lives.
class Daemon::Sight::Lock final : public StepLock {
 public:
  Lock(Story& story, StepKey place) : story_(story), place_(std::move(place)) {}
  ~Lock() override { story_.folder.places[place_].held = false; }

 private:
  Story& story_;
  StepKey place_;
};

/// What a process that runs for a task is called off by.
class Daemon::Sight::Listed {
 public:
  using List = std::map<std::uint64_t, std::pair<TaskId, CallOff*>>;
  Listed(Daemon& daemon, List& list, TaskId task) : list_(list), id_(daemon.next_listed_++) {
    off_.waiter = daemon.scheduler_.self();
    list_[id_] = {task, &off_};
  }
  Listed(const Listed&) = delete;
  Listed& operator=(const Listed&) = delete;
  ~Listed() { list_.erase(id_); }
  const CallOff& off() const { return off_; }

 private:
  List& list_;
  std::uint64_t id_;
  CallOff off_;
};

class Daemon::Sight::Step final : public HeldStep {
 public:
  Step(Daemon& daemon, Story& story, const PipelineStep& step, StepKey place, ProcessPtr process, std::string run)
      : daemon_(daemon),
        story_(story),
        step_(step),
        place_(place),
        process_(std::move(process)),
        run_(std::move(run)),
        lock_(story, place) {}
  ~Step() override {
    if (went_) return;
    story_.machines.end(*process_, {.how = CommandExit::How::signalled, .code = 9});
    story_.folder.runs.erase(run_);
  }

  const std::string& run() const override { return run_; }
  CommandExit go() override {
    went_ = true;
    const Listed listed(daemon_, daemon_.steps_, place_.task);
    const Fate fate = story_.fate_of_step(step_);
    meddle(story_, place_.task, fate.work, fate.work);
    if (fate.effect) {
      story_.scheduler.at(story_.scheduler.now() + *fate.effect,
                          [&story = story_, process = process_, key = place_, latency = fate.latency] {
                            if (process->alive) story.targets.request(key, latency);
                          });
    }
    bool gone = true;
    return daemon_.go(process_, run_, fate, step_.timeout_s, listed.off(), gone);
  }

 private:
  Daemon& daemon_;
  Story& story_;
  const PipelineStep& step_;
  StepKey place_;
  ProcessPtr process_;
  std::string run_;
  Lock lock_;
  bool went_ = false;
};

bool Daemon::Sight::lives(const std::string& host, std::int64_t pid, std::optional<std::int64_t> start) const {
  const std::string here = story_.machines.host(daemon_machine);
  if (host == here) return story_.machines.exists(host, pid, start);
  const bool is_earlier_kernel_of_this = host.starts_with(std::string(daemon_machine) + ' ');
  return !is_earlier_kernel_of_this;  // Of others nothing can be seen from here.
}

bool Daemon::Sight::is_alive(const Owner& owner, const Boot& boot) {
  if (boot.stale) return false;
  if (owner.boot_id == daemon_.boot_id_) return true;
  if (boot.pid > 0 && !lives(boot.host, boot.pid, boot.pid_start)) return false;
  return owner.pid <= 0 || owner.pid == boot.pid || lives(boot.host, owner.pid, std::nullopt);
}

Life Daemon::Sight::life_of(const Run& run, const Boot& boot) {
  if (!run.pid) return Life::unknown;
  if (run.owner.boot_id == daemon_.boot_id_ && daemon_.children_.contains(*run.pid)) return Life::alive;
  return lives(boot.host, *run.pid, run.pid_start) ? Life::alive : Life::dead;
}

GateAnswer Daemon::Sight::run_gate(const Gate& gate, const CommandContext& context) {
  if (gate.run.empty()) {
    story_.scheduler.pause();
    return {.passed = true, .reason = {}};
  }
  const Listed listed(daemon_, daemon_.gates_, context.task);
  const ProcessPtr process = story_.machines.start(daemon_machine);
  const std::string run = daemon_.new_run(process, std::nullopt);
  const std::optional<bool> colour = story_.gate_of(context.task);
  const Us work = meddle(story_, context.task, story_.duration(), gate.timeout_s * second / 4);
  const Fate fate{.work = work, .effect = {}, .exit = {}};
  bool gone = true;
  const CommandExit exit = daemon_.go(process, run, fate, gate.timeout_s, listed.off(), gone);
  if (exit.how == CommandExit::How::timed_out) return {.passed = std::nullopt, .reason = "timed out"};
  if (exit.how == CommandExit::How::lost) return {.passed = std::nullopt, .reason = "called off"};
  if (!colour) return {.passed = std::nullopt, .reason = "no worktree"};
  return {.passed = exit.how == CommandExit::How::exited && *colour, .reason = {}};
}

bool Daemon::Sight::lock_until(const StepKey& place, Us deadline) {
  while (story_.folder.is_locked(place)) {
    if (story_.scheduler.now() >= deadline) return false;
    story_.scheduler.sleep(look_again);
  }
  story_.folder.places[place].held = true;
  return true;
}

EndedStart Daemon::Sight::end_and_lock(const StepPlace& place, const std::string& run, const Boot* starter) {
  const Us within = std::max(daemon_.kill_after(), second);
  const Us deadline = story_.scheduler.now() + within;
  story_.scheduler.pause();
  const Task* task = story_.witness().state().tasks.find(place.task);
  const StepRow* step = task ? open_step(*task) : nullptr;
  if (step && step->run == run && story_.witness().is_owners_step(place.task, step->started)) {
    // Of a step from outside nothing is seen but that its owner holds the lease: nobody else has any business with it.
    const auto noted = story_.folder.runs.find(run);
    const bool is_outside = story_.workers.contains(step->boot);
    if (is_outside || (noted != story_.folder.runs.end() && noted->second.processes.front()->alive)) {
      story_.broken("somebody ends step '" + step->step + "' of task " + std::to_string(raw(place.task)) +
                    ", whose owner holds the lease and waits for it");
    }
  }
  if (!run.empty() && !daemon_.end_run(run, within)) return {};
  const StepKey key = key_of(place);
  if (!lock_until(key, deadline)) return {};
  auto lock = std::make_unique<Lock>(story_, key);
  const DataFolder::Place& noted = story_.folder.places[key];
  const auto ended = [&](const std::string& host) {
    return host.starts_with(std::string(daemon_machine) + ' ') && story_.machines.kernel_has_ended(host);
  };
  const bool is_ours = !run.empty() && noted.run == run;
  const bool gone = is_ours ? noted.host == story_.machines.host(daemon_machine) || ended(noted.host)
                            : starter && ended(starter->host);
  return {.lock = std::move(lock), .gone = gone};
}

Held Daemon::Sight::hold_step(const PipelineStep& step, const CommandContext& context,
                              const std::string& previous_run) {
  const auto refused = [](Held::Status status, const char* why) {
    return Held{.status = status, .step = nullptr, .why = why};
  };
  PAWL_ASSERT(can_run(step));
  story_.scheduler.pause();
  if (!previous_run.empty() && !daemon_.end_run(previous_run, daemon_.kill_after())) {
    return refused(Held::Status::previous_alive, "its previous run is alive");
  }
  const StepKey key = key_of(context);
  if (!lock_until(key, story_.scheduler.now() + daemon_.kill_after())) {
    return refused(Held::Status::previous_alive, "its place is locked");
  }
  if (story_.strikes(Hostility::bad_exit, 2)) {
    story_.folder.places[key].held = false;
    return refused(Held::Status::cannot_start, "no such command");
  }
  const ProcessPtr process = story_.machines.start(daemon_machine);
  const std::string run = daemon_.new_run(process, std::nullopt);
  DataFolder::Place& place = story_.folder.places[key];
  place.processes = {process};
  place.run = run;
  place.host = process->host;
  return {.status = Held::Status::held,
          .step = std::make_unique<Step>(daemon_, story_, step, key, process, run),
          .why = {}};
}

Verdict Daemon::Sight::probe(const PipelineStep& step, const CommandContext& context) {
  const Listed listed(daemon_, daemon_.steps_, context.task);
  if (step.settle_s > 0) {
    const Us until = story_.scheduler.now() + step.settle_s * second;
    while (!listed.off().called && story_.scheduler.now() < until) story_.scheduler.wait_until(until);
    if (listed.off().called) return Verdict::unknown;
  }
  const ProcessPtr process = story_.machines.start(daemon_machine);
  const std::string run = daemon_.new_run(process, std::nullopt);
  const Us work = meddle(story_, context.task, story_.duration(), step.timeout_s * second / 4);
  const Fate fate{.work = work, .effect = {}, .exit = {}};
  bool gone = true;
  const CommandExit exit = daemon_.go(process, run, fate, step.timeout_s, listed.off(), gone);
  if (exit.how != CommandExit::How::exited || story_.strikes(Hostility::bad_exit, 10)) return Verdict::unknown;
  // The answer of the moment when it was asked, which is the moment when it ended.
  return story_.targets.happened(key_of(context));
}

}  // namespace pawl::hostile
