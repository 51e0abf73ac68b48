// Deliveries for benchmarks: complete ones, decided by the engine and appended in full batches.
//
// A task goes through every stage of `delivery`, with its jobs, leases, gates and steps, in about fifty records. The
// time of the records is made up, so the same deliveries make the same log.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/rules/group.h"
#include "engine/state/state.h"
#include "store/chain.h"
#include "store/log.h"

namespace pawl::bench {

/// Writes to a log that it does not own. Requires: the log is empty. A log that refuses a batch ends the process.
class Deliveries {
 public:
  explicit Deliveries(Log& log);

  std::uint64_t records() const { return raw(state_.last_seq); }
  const State& state() const { return state_; }
  Chain chain() const { return chain_; }

  void deliver();
  /// Appends what is not yet in the log.
  void flush();

 private:
  using Held = std::vector<std::pair<std::string, std::uint64_t>>;  // keys and tokens

  Effects tell(Group group);
  void work(JobId job);
  std::uint64_t lease(const std::string& key, const Stage& stage);
  void evaluate(const Stage& stage);
  void run(const Stage& stage, const PipelineStep& step, const Held& held);
  void advance(const Stage& stage, std::optional<JobId> job, const Held& held);

  Log& log_;
  State state_;
  Chain chain_{};
  TimeUs now_;
  std::uint64_t items_ = 0;
  TaskId task_{};
  std::uint64_t version_ = 1;
  Batch batch_;
  Seq first_{1};
  std::vector<Proposal> kept_;  // what the batch points into
};

}  // namespace pawl::bench
