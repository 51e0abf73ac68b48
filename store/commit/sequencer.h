// The sequencer: the one owner of the state, and the only thread that touches it.
//
// It takes all that waits, up to a bound; decides each group; and hands the batch to the log. While one batch syncs,
// the next is already being decided: two in flight. Only when a batch is durable are its askers answered, its records
// published and its effects started, so nobody ever sees what a crash could take back. A failed append ends the
// process; one that another writer was faster than ends the deciding (Options::superseded). At low load it appends by
// itself: a hand-over to another thread costs more than it hides.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "schema/limits.h"
#include "store/commit/clock.h"
#include "store/commit/desk.h"
#include "store/log.h"

namespace pawl {

class Sequencer final : public Desk {
 public:
  struct Options {
    std::size_t batch_records_max = limits::batch_records_max;
    std::size_t batch_bytes_max = limits::batch_bytes_max;
    /// What records are stamped with; never going back (store/commit/clock.h: Clock::read). From any thread.
    std::function<LogTime()> now;
    /// Called when a batch could not be appended; must not return. Empty: says why on stderr and aborts.
    std::function<void(const Error&)> failed = {};
    /// Called once, when another writer has taken the log: this one can write nothing any more, and its owner should
    /// come to an end. All who wait or come later are answered until stop(): proposals with superseded_decision(),
    /// reads from the state after the last record that was made durable here. Nothing more is published. From one of
    /// the sequencer's threads; must not block. Empty: as `failed`.
    std::function<void(const Error&)> superseded = {};
    /// Called when nothing has been written for a while, and at stop(), if anything was written since the last call:
    /// seals the log. From the sequencer's thread. May be empty.
    std::function<void()> idle = {};
    std::int64_t idle_after_ms = 200;
    /// A checkpoint every so many records; 0: none.
    std::uint64_t checkpoint_every = 0;
    /// Called with each checkpoint that could not be stored; the log stands without it. From a thread of its own.
    std::function<void(const Error&)> checkpoint_failed = {};
  };

  /// Owns neither `journal` nor `checkpoints`, which outlive it. `state` and `chain`: after the journal's last record.
  Sequencer(Journal& journal, CheckpointStore& checkpoints, State state, Chain chain, Options options);
  Sequencer(Log& log, State state, Chain chain, Options options)
      : Sequencer(log, log, std::move(state), chain, std::move(options)) {}
  ~Sequencer() override;

  /// Threads: any.
  void submit(WriteRequest write);
  /// As ReadRequest. At most limits::rows_per_read_max rows a call.
  void read(std::function<void(const State&)> look, std::function<void()> done);

  /// The blocking forms, for threads of their own (executor, tests). Never from a callback of the sequencer.
  Decision propose(Group group) override;
  std::optional<TaskView> view(TaskId task) override;
  void look(const std::function<void(const State&)>& look) override;
  std::optional<Decision> propose_if(Group group, std::function<bool(const State&)> holds) override;
  /// Any thread.
  TimeUs now() const override;
  /// The time up to which the records tell of all that the machine slept; none if the next read or write has more to
  /// tell. Any thread.
  std::optional<TimeUs> told_until() const;

  std::uint64_t subscribe(std::function<void(std::span<const Published>)> listener) override;
  void unsubscribe(std::uint64_t id) override;

  void start();
  /// Answers what was submitted, and what those who are answered submit then; seals the log, and ends the threads.
  /// Nothing may be submitted afterwards.
  void stop();

  /// The last seq that was made durable here. Any thread.
  Seq durable_seq() const;
  /// Whether another writer has taken the log. Any thread.
  bool is_superseded() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pawl
