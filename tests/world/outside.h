// All that is not pawl: machines and their processes, and the targets on which steps have their effects. What happens
// out here nobody takes back, and the targets remember it: that is the ledger which decides whether pawl kept its word.
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
  bool is_kept = false;     // once it is dead its number stays taken: a parent has not reaped it yet
  Us stubborn_until = 0;    // no signal ends it before: it hangs in the kernel
  std::string run;          // that it belongs to, if to one
  bool has_hidden = false;  // behind the eyes of a look at it
  std::vector<std::shared_ptr<Process>> group;  // that it leads, itself aside
  bool leads_group = true;
  bool leads = false;       // it is the run's first
  std::int64_t worker = 0;  // the start of the worker's process whose agent it is; 0: of none
  JobId job{};              // that it works on as such
  std::uint64_t attempt = 0;
  bool may_be_ended = false;                  // by a daemon: it is of a run, or reported as an agent
  bool shows_run = false;                     // by its environment or its session
  bool holds_lock = false;                    // of its run, and of its step's place
  std::vector<std::function<void()>> at_end;  // called when it has ended
  std::optional<CommandExit> exit;            // once it is dead
  ActorId waiter = 0;                         // who waits for its end
};
using ProcessPtr = std::shared_ptr<Process>;

/// Machines with few pids, so that one that is free is soon another's.
class Machines {
 public:
  Machines(Scheduler& scheduler, Dice& dice) : scheduler_(scheduler), dice_(dice) {}

  /// As `this_host()`: the name of a machine, its kernel's boot, a namespace.
  std::string host(const std::string& name) const;
  ProcessPtr start(const std::string& name);
  /// It has come to its end by itself.
  void end(Process& process, CommandExit exit);
  /// SIGKILL, which takes a moment, and longer while it is stubborn.
  void kill(const ProcessPtr& process);
  /// SIGTERM: it ends by that, or sees to something first, or does not care.
  void terminate(const ProcessPtr& process);
  /// Its parent knows of its end, or is gone itself.
  void reap(Process& process);
  /// Everything on that machine is gone, and its kernel is another.
  void reboot(const std::string& name);
  bool exists(const std::string& host, std::int64_t pid, std::optional<std::int64_t> start) const;
  ProcessPtr find(const std::string& host, std::int64_t pid) const;
  /// All live ones on a machine.
  std::vector<ProcessPtr> all(const std::string& host) const;
  /// The live ones of a run on a machine.
  std::vector<ProcessPtr> of_run(const std::string& host, const std::string& run) const;
  /// That machine under an earlier kernel.
  bool kernel_has_ended(const std::string& host) const;
  /// Nothing is stubborn any more.
  void soften();

 private:
  Scheduler& scheduler_;
  Dice& dice_;
  std::map<std::string, std::uint64_t> kernels_;
  std::map<std::pair<std::string, std::int64_t>, ProcessPtr> table_;
  std::int64_t ticks_ = 100;
};

/// One crossing's step, as the target is told of it by PAWL_STEP_KEY.
struct StepKey {
  TaskId task{};
  Version version{};
  std::string step;
  friend auto operator<=>(const StepKey&, const StepKey&) = default;
};

class Targets {
 public:
  explicit Targets(Scheduler& scheduler) : scheduler_(scheduler) {}

  /// Called with each effect when it happens.
  std::function<void(const StepKey&)> on_effect;
  /// Called with each request that has none, since another one of its key had.
  std::function<void(const StepKey&)> on_repeat;

  /// A request that nothing stops any more: it takes effect after `latency`.
  void request(const StepKey& key, Us latency);
  /// One to a target that knows keys: of a second one with the same key it has no effect. It takes effect after
  /// `latency`, and so long after the end of its sender at the latest.
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
