// The sequencer: the one owner of the state, which one thread at a time touches.
//
// That thread takes all waiting requests, up to a limit, decides each group, and hands the batch to the log. While one
// batch syncs, the next is already being decided: two are in flight. Only when a batch is durable are its requesters
// answered, its records published and its effects started, so no one ever sees what a crash could undo. A failed append
// ends the process; an append that another writer beat ends the deciding (Options::superseded).
//
// Which thread that is: one that submits a request may serve it, and with it all others that wait (serve()). At low
// load a request is then decided, appended and answered without any other thread: each hand-over costs a wake-up, and
// two of them cost more than a sync of the disk. The sequencer's own threads do what is left over: what was submitted
// by threads that do not serve, appends while there is more to decide, and what is due after a time.
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
    /// The time for record stamps; must never go back (store/commit/clock.h: Clock::read). Called from any thread.
    std::function<LogTime()> now;
    /// Called when a batch could not be appended; must not return. Empty: prints the reason on stderr and aborts.
    std::function<void(const Error&)> failed = {};
    /// Called once, when another writer has taken the log: this one can no longer write, and its owner should shut
    /// down. Until stop(), all waiting and later requests are answered: proposals with superseded_decision(), reads
    /// from the state after the last record that was made durable here. Nothing more is published. Called from the
    /// thread that appends; must not block. Empty: as `failed`.
    std::function<void(const Error&)> superseded = {};
    /// Called when nothing has been written for a while, and at stop(), if anything was written since the last call;
    /// use it to seal the log. Called from the sequencer's thread. May be empty.
    std::function<void()> idle = {};
    std::int64_t idle_after_ms = 200;
    /// Takes a checkpoint every this many records; 0: none.
    std::uint64_t checkpoint_every = 0;
    /// Called for each batch of records that was made durable, before anyone is answered: by the thread that appends.
    /// Must not block. May be empty.
    std::function<void(const BatchTimes&)> measured = {};
    /// Called for each checkpoint that could not be stored; the log does not need it. Called from a separate thread.
    std::function<void(const Error&)> checkpoint_failed = {};
  };

  /// Owns neither `journal` nor `checkpoints`, which must outlive it. `state` and `chain` are those after the journal's
  /// last record.
  Sequencer(Journal& journal, CheckpointStore& checkpoints, State state, Chain chain, Options options);
  Sequencer(Log& log, State state, Chain chain, Options options)
      : Sequencer(log, log, std::move(state), chain, std::move(options)) {}
  ~Sequencer() override;

  /// Threads: any.
  void submit(WriteRequest write);
  /// See ReadRequest. At most limits::rows_per_read_max rows per call.
  void read(std::function<void(const State&)> look, std::function<void()> done);

  /// While it lives, this thread promises to call serve() after what it submits: no other thread is woken for it.
  class ServesSoon {
   public:
    ServesSoon();
    ~ServesSoon();
    ServesSoon(const ServesSoon&) = delete;
    ServesSoon& operator=(const ServesSoon&) = delete;

   private:
    bool before_;
  };
  /// Decides what waits, unless another thread is doing so, and makes it durable, unless another batch is being made
  /// so: then the other thread goes on. Callbacks of these requests and of others run on this thread, so it must hold
  /// no lock that they take. Blocks for a sync. Never call it from a callback of the sequencer.
  void serve();

  /// The blocking forms, for other threads (executor, tests). They serve. Never call them from a callback of the
  /// sequencer.
  Decision propose(Group group) override;
  std::optional<TaskView> view(TaskId task) override;
  void look(const std::function<void(const State&)>& look) override;
  std::optional<Decision> propose_if(Group group, std::function<bool(const State&)> holds) override;
  /// Any thread.
  TimeUs now() const override;
  /// The time up to which all of the machine's sleep is recorded; none if the next read or write has more to record.
  /// Any thread.
  std::optional<TimeUs> told_until() const;

  std::uint64_t subscribe(std::function<void(std::span<const Published>)> listener) override;
  void unsubscribe(std::uint64_t id) override;

  void start();
  /// Answers everything submitted, including what those answers cause to be submitted; seals the log, and ends the
  /// threads. Nothing may be submitted afterwards.
  void stop();

  /// The last seq that was made durable here. Any thread.
  Seq durable_seq() const;
  /// The newest checkpoint; 0: none, or none are taken. Any thread.
  Seq checkpoint_seq() const;
  /// Whether another writer has taken the log. Any thread.
  bool is_superseded() const;

 private:
  struct Impl;
  void submit_and_serve(WriteRequest write);
  std::unique_ptr<Impl> impl_;
};

}  // namespace pawl
