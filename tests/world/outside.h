// Everything that is not pawl: machines and their processes, and the targets on which steps have their effects. Nothing
// that happens here is taken back, and the targets remember it: they are the ledger that decides whether pawl kept its
// promises.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "engine/policies/world.h"
#include "tests/world/dice.h"
#include "tests/world/scheduler.h"

namespace pawl::hostile {

struct Process {
  std::string host;
  std::int64_t pid = 0;
  std::int64_t start = 0;
  bool alive = true;
  bool is_kept = false;                         // dead, but its pid stays taken: its parent has not reaped it yet
  Us stubborn_until = 0;                        // no signal ends it before then: it hangs in the kernel
  std::string run;                              // the run it belongs to, if any
  bool has_hidden = false;                      // from a look at it
  std::vector<std::shared_ptr<Process>> group;  // the group it leads, without itself
  bool leads_group = true;
  bool leads = false;       // it is the run's first process
  std::int64_t worker = 0;  // its worker's process start, if it is a worker's agent; else 0
  JobId job{};              // the job it works on as an agent
  std::uint64_t attempt = 0;
  bool may_be_ended = false;                  // by a daemon: it belongs to a run, or was reported as an agent
  bool shows_run = false;                     // in its environment or its session
  bool holds_lock = false;                    // its run's, and its step's place's
  std::vector<std::function<void()>> at_end;  // called when it has ended
  std::optional<CommandExit> exit;            // once it is dead
  ActorId waiter = 0;                         // the actor that waits for its end
};
using ProcessPtr = std::shared_ptr<Process>;

/// Machines with few pids, so that a free pid is soon reused.
class Machines {
 public:
  Machines(Scheduler& scheduler, Dice& dice) : scheduler_(scheduler), dice_(dice) {}

  /// As `this_host()`: the name of a machine, its kernel's boot, a namespace.
  std::string host(const std::string& name) const;
  ProcessPtr start(const std::string& name);
  /// It ends by itself.
  void end(Process& process, CommandExit exit);
  /// SIGKILL: takes a moment, longer while the process is stubborn.
  void kill(const ProcessPtr& process);
  /// SIGTERM: the process ends, or finishes something first, or ignores it.
  void terminate(const ProcessPtr& process);
  /// Its parent has reaped it, or is gone itself.
  void reap(Process& process);
  /// Everything on that machine is gone, and it has a new kernel.
  void reboot(const std::string& name);
  bool exists(const std::string& host, std::int64_t pid, std::optional<std::int64_t> start) const;
  ProcessPtr find(const std::string& host, std::int64_t pid) const;
  /// All live processes on a machine.
  std::vector<ProcessPtr> all(const std::string& host) const;
  /// The live processes of a run on a machine.
  std::vector<ProcessPtr> of_run(const std::string& host, const std::string& run) const;
  /// That machine under an earlier kernel.
  bool kernel_has_ended(const std::string& host) const;
  /// From now on no process is stubborn.
  void soften();

 private:
  Scheduler& scheduler_;
  Dice& dice_;
  std::map<std::string, std::uint64_t> kernels_;
  std::map<std::pair<std::string, std::int64_t>, ProcessPtr> table_;
  std::int64_t ticks_ = 100;
};

class Targets {
 public:
  explicit Targets(Scheduler& scheduler) : scheduler_(scheduler) {}

  /// Called with each effect when it happens.
  std::function<void(const StepKey&)> on_effect;
  /// Called with each request that has no effect because an earlier one had the same key.
  std::function<void(const StepKey&)> on_repeat;

  /// A request that can no longer be stopped: it takes effect after `latency`.
  void request(const StepKey& key, Us latency);
  /// A request to a target that knows keys: a second one with the same key has no effect. It takes effect after
  /// `latency`, and at most that long after its sender's end.
  void request(const StepKey& key, Us latency, const ProcessPtr& sender, Us after_its_end);
  /// What a probe can find out: `unknown` while a request is under way.
  Verdict happened(const StepKey& key) const;
  const std::map<StepKey, std::vector<Us>>& ledger() const { return ledger_; }

 private:
  void land(const StepKey& key);

  Scheduler& scheduler_;
  std::map<StepKey, std::vector<Us>> ledger_;
  std::map<StepKey, std::uint64_t> under_way_;
};

}  // namespace pawl::hostile
