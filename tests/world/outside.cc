#include "tests/world/outside.h"

#include <algorithm>
#include <utility>

namespace pawl::hostile {
namespace {

constexpr std::uint64_t pids = 50;

std::string name_of(const std::string& host) {
  return host.substr(0, host.find(' '));
}

}  // namespace

std::string Machines::host(const std::string& name) const {
  const auto kernel = kernels_.find(name);
  return name + " kernel-" + std::to_string(kernel == kernels_.end() ? 1 : kernel->second) + " ns-1";
}

ProcessPtr Machines::start(const std::string& name) {
  const std::string on = host(name);
  auto pid = static_cast<std::int64_t>(2 + dice_.roll(pids));
  while (table_.contains({on, pid})) ++pid;
  auto process = std::make_shared<Process>();
  process->host = on;
  process->pid = pid;
  process->start = ++ticks_;
  table_.emplace(std::pair(on, pid), process);
  return process;
}

void Machines::end(Process& process, CommandExit exit) {
  if (!process.alive) return;
  process.alive = false;
  process.exit = exit;
  if (!process.is_kept) table_.erase({process.host, process.pid});
  scheduler_.wake(process.waiter);
  for (const auto& each : std::exchange(process.at_end, {})) each();
}

void Machines::reap(Process& process) {
  process.is_kept = false;
  const auto found = table_.find({process.host, process.pid});
  if (!process.alive && found != table_.end() && found->second.get() == &process) table_.erase(found);
}

void Machines::kill(const ProcessPtr& process) {
  if (!process->alive) return;
  const Us moment = dice_.between(0, 20) * ms;
  scheduler_.at(std::max(scheduler_.now() + moment, process->stubborn_until), [this, process] {
    if (scheduler_.now() < process->stubborn_until) return;
    end(*process, {.how = CommandExit::How::signalled, .code = 9});
  });
}

void Machines::terminate(const ProcessPtr& process) {
  if (!process->alive) return;
  const std::uint64_t how = dice_.roll(20);
  if (how == 0) return;
  const Us moment = how < 4 ? dice_.between(1, 5000) * ms : dice_.between(0, 20) * ms;
  CommandExit exit{.how = CommandExit::How::signalled, .code = 15};
  if (how == 1) exit = {.how = CommandExit::How::exited, .code = 143};
  if (how == 2) exit = {.how = CommandExit::How::exited, .code = 1};
  scheduler_.at(std::max(scheduler_.now() + moment, process->stubborn_until), [this, process, exit] {
    if (scheduler_.now() >= process->stubborn_until) end(*process, exit);
  });
}

void Machines::reboot(const std::string& name) {
  const std::string gone = host(name);
  std::vector<ProcessPtr> dying;
  for (const auto& [at, process] : table_) {
    if (at.first == gone) dying.push_back(process);
  }
  for (const ProcessPtr& process : dying) {
    end(*process, {.how = CommandExit::How::lost, .code = 0});
    reap(*process);
  }
  const auto [kernel, is_first] = kernels_.emplace(name, 1);
  ++kernel->second;
}

bool Machines::exists(const std::string& host, std::int64_t pid, std::optional<std::int64_t> start) const {
  const auto found = table_.find({host, pid});
  return found != table_.end() && found->second->alive && (!start || found->second->start == *start);
}

ProcessPtr Machines::find(const std::string& host, std::int64_t pid) const {
  const auto found = table_.find({host, pid});
  return found != table_.end() ? found->second : nullptr;
}

std::vector<ProcessPtr> Machines::all(const std::string& host) const {
  std::vector<ProcessPtr> found;
  for (auto at = table_.lower_bound({host, 0}); at != table_.end() && at->first.first == host; ++at) {
    if (at->second->alive) found.push_back(at->second);
  }
  return found;
}

std::vector<ProcessPtr> Machines::of_run(const std::string& host, const std::string& run) const {
  std::vector<ProcessPtr> found;
  for (auto at = table_.lower_bound({host, 0}); at != table_.end() && at->first.first == host; ++at) {
    if (at->second->alive && at->second->run == run) found.push_back(at->second);
  }
  return found;
}

bool Machines::kernel_has_ended(const std::string& host) const {
  return host != this->host(name_of(host));
}

void Machines::soften() {
  for (const auto& [at, process] : table_) process->stubborn_until = 0;
}

void Targets::request(const StepKey& key, Us latency) {
  if (latency == 0) return land(key);
  ++under_way_[key];
  scheduler_.at(scheduler_.now() + latency, [this, key] {
    if (--under_way_[key] == 0) under_way_.erase(key);
    land(key);
  });
}

void Targets::request(const StepKey& key, Us latency, const ProcessPtr& sender, Us after_its_end) {
  ++under_way_[key];
  const auto comes = [this, key, is_here = std::make_shared<bool>(false)] {
    if (std::exchange(*is_here, true)) return;
    if (--under_way_[key] == 0) under_way_.erase(key);
    ledger_.contains(key) ? on_repeat(key) : land(key);
  };
  scheduler_.at(scheduler_.now() + latency, comes);
  sender->at_end.emplace_back([this, comes, after_its_end] { scheduler_.at(scheduler_.now() + after_its_end, comes); });
}

void Targets::land(const StepKey& key) {
  ledger_[key].push_back(scheduler_.now());
  on_effect(key);
}

Verdict Targets::happened(const StepKey& key) const {
  if (ledger_.contains(key)) return Verdict::yes;
  return under_way_.contains(key) ? Verdict::unknown : Verdict::no;
}

}  // namespace pawl::hostile
