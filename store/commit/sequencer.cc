#include "store/commit/sequencer.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <future>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include "store/commit/checkpoints.h"
#include "store/open.h"
#include "store/os/mutex.h"

namespace pawl {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

/// How often folded refusals are checked while there are any.
constexpr milliseconds folding_interval{100};

/// Whether this thread calls serve() after what it submits.
thread_local bool serves_soon = false;

/// A waiting request: one or the other.
struct Item {
  std::optional<WriteRequest> write;
  std::optional<ReadRequest> read;
};

}  // namespace

struct Sequencer::Impl {
  Impl(Journal& journal_, CheckpointStore& checkpoints_, State state_, Chain chain_, Options options_)
      : journal(journal_),
        checkpoints(checkpoints_),
        taker(journal_, checkpoints_, options_.checkpoint_every, options_.checkpoint_failed),
        options(std::move(options_)),
        decided_until_us(state_.last_time.us),
        decider(std::move(state_), options.now),
        chain(chain_),
        durable(raw(decider.state().last_seq)) {}

  // Any thread.
  void submit(Item item);
  void serve();
  std::uint64_t subscribe(std::function<void(std::span<const Published>)> listener);
  void unsubscribe(std::uint64_t id);
  void start();
  void stop();

  TimeUs now() const { return std::max(options.now().time, TimeUs{decided_until_us.load()}); }

  // Any thread, with the lock held; those that take it give it back in between.
  bool may_decide() const PAWL_REQUIRES(mutex) {
    return !deciding && !lost && !building_is_full() && !(inbox.empty() && taken.empty());
  }
  bool may_append() const PAWL_REQUIRES(mutex) { return !deciding && !lost && !syncing && !decider.batch().empty(); }
  void decide(MutexLock& lock) PAWL_REQUIRES(mutex) PAWL_UNCHECKED_LOCKS;
  void append_here(MutexLock& lock) PAWL_REQUIRES(mutex) PAWL_UNCHECKED_LOCKS;
  void append_elsewhere() PAWL_REQUIRES(mutex);
  void leave_to_others() PAWL_REQUIRES(mutex);
  void wake() PAWL_REQUIRES(mutex);

  // The thread that decides: the one that set `deciding`.
  void handle(Item item);
  bool building_is_full() const {
    const DecidedBatch& building = decider.batch();
    return building.records >= options.batch_records_max || building.bytes >= options.batch_bytes_max;
  }
  void note_decided();
  /// Requires: !deciding.
  DecidedBatch hand_over();
  void step_down(DecidedBatch lost_batch);

  // The thread that appends: the one that set `syncing`.
  void append(DecidedBatch batch);
  [[noreturn]] void die_of(const Error& error) const;
  void publish(const std::vector<Decided>& groups);

  void run();
  void sleep(MutexLock& lock) PAWL_REQUIRES(mutex) PAWL_UNCHECKED_LOCKS;
  void seal(MutexLock& lock) PAWL_REQUIRES(mutex) PAWL_UNCHECKED_LOCKS;
  void tell_folded(MutexLock& lock, bool all) PAWL_REQUIRES(mutex) PAWL_UNCHECKED_LOCKS;
  void run_syncing();

  Journal& journal;
  CheckpointStore& checkpoints;
  Checkpoints taker;
  const Options options;

  std::atomic<std::int64_t> decided_until_us;  // the last record's time, for other threads

  // The deciding thread's; while none decides, that of the lock's holder.
  Decider decider;
  std::deque<Item> taken;
  std::chrono::nanoseconds decide_time{0};  // since the last batch

  // The appending thread's.
  Chain chain;
  std::atomic<std::uint64_t> durable;
  std::atomic<std::int64_t> asleep_told_us{0};  // durably
  std::atomic<bool> superseded{false};

  Mutex mutex;
  std::condition_variable wake_sequencer;
  std::condition_variable wake_syncing;
  std::vector<Item> inbox PAWL_GUARDED_BY(mutex);
  bool is_asleep PAWL_GUARDED_BY(mutex) = false;  // the sequencer's thread waits, and nothing has woken it yet
  bool has_alarm PAWL_GUARDED_BY(mutex) = false;  // it waits only for a while
  bool started PAWL_GUARDED_BY(mutex) = false;
  bool stopping PAWL_GUARDED_BY(mutex) = false;
  bool ended PAWL_GUARDED_BY(mutex) = false;       // nothing is left, and no more requests are answered
  bool deciding PAWL_GUARDED_BY(mutex) = false;    // a thread has the decider
  bool syncing PAWL_GUARDED_BY(mutex) = false;     // a thread has the log
  std::uint64_t turns PAWL_GUARDED_BY(mutex) = 0;  // counts those in which something was written
  std::uint64_t sealed_turns PAWL_GUARDED_BY(mutex) = 0;
  bool syncing_ends PAWL_GUARDED_BY(mutex) = false;
  std::optional<DecidedBatch> to_sync PAWL_GUARDED_BY(mutex);
  std::optional<DecidedBatch> lost PAWL_GUARDED_BY(mutex);  // a batch that lost to another writer

  std::recursive_mutex subscribers_mutex;  // recursive: a listener may unsubscribe during its call
  std::map<std::uint64_t, std::shared_ptr<std::function<void(std::span<const Published>)>>> subscribers;
  std::uint64_t next_subscriber = 1;

  std::thread sequencing_thread;
  std::thread syncing_thread;
};

// --- Any thread ---

void Sequencer::Impl::submit(Item item) {
  const MutexLock lock(mutex);
  PAWL_ASSERT(!ended);
  inbox.push_back(std::move(item));
  if (!serves_soon) wake();
}

void Sequencer::Impl::serve() {
  const ServesSoon what_the_answers_submit;
  MutexLock lock(mutex);
  if (may_decide()) decide(lock);
  // If there is more to decide meanwhile, another thread appends.
  if (may_append() && inbox.empty() && taken.empty()) append_here(lock);
  leave_to_others();
}

/// Decides what waits, as far as it fits into a batch. Requires: may_decide().
void Sequencer::Impl::decide(MutexLock& lock) {
  deciding = true;
  // What comes meanwhile is served here too: those who submitted it have seen that a thread decides.
  while (!building_is_full() && !(inbox.empty() && taken.empty())) {
    std::move(inbox.begin(), inbox.end(), std::back_inserter(taken));
    inbox.clear();
    lock.unlock();
    const steady_clock::time_point began = steady_clock::now();
    while (!taken.empty() && !building_is_full()) {
      Item item = std::move(taken.front());
      taken.pop_front();
      handle(std::move(item));
    }
    note_decided();
    decide_time += steady_clock::now() - began;
    lock.lock();
  }
  deciding = false;
  if (!decider.batch().groups.empty()) ++turns;
}

/// Requires: may_append().
void Sequencer::Impl::append_here(MutexLock& lock) {
  syncing = true;
  DecidedBatch batch = hand_over();
  lock.unlock();
  append(std::move(batch));
  lock.lock();
  syncing = false;
}

/// Requires: may_append().
void Sequencer::Impl::append_elsewhere() {
  syncing = true;
  to_sync = hand_over();
  wake_syncing.notify_one();
}

/// Sees to it that nothing is left that no thread will do.
void Sequencer::Impl::leave_to_others() {
  if (may_append()) append_elsewhere();
  const bool needs_alarm = !has_alarm && !deciding && (turns != sealed_turns || decider.any_folded());
  if (may_decide() || needs_alarm || lost || stopping) wake();
}

void Sequencer::Impl::wake() {
  if (std::exchange(is_asleep, false)) wake_sequencer.notify_one();
}

std::uint64_t Sequencer::Impl::subscribe(std::function<void(std::span<const Published>)> listener) {
  const std::lock_guard lock(subscribers_mutex);
  subscribers.emplace(next_subscriber,
                      std::make_shared<std::function<void(std::span<const Published>)>>(std::move(listener)));
  return next_subscriber++;
}

void Sequencer::Impl::unsubscribe(std::uint64_t id) {
  const std::lock_guard lock(subscribers_mutex);
  subscribers.erase(id);
}

void Sequencer::Impl::start() {
  {
    const MutexLock lock(mutex);
    PAWL_ASSERT(!started);
    started = true;
  }
  syncing_thread = std::thread([this] { run_syncing(); });
  taker.start();
  sequencing_thread = std::thread([this] { run(); });
}

void Sequencer::Impl::stop() {
  {
    const MutexLock lock(mutex);
    if (!started || stopping) return;
    stopping = true;
    wake();
  }
  sequencing_thread.join();
  {
    const MutexLock lock(mutex);
    syncing_ends = true;
    wake_syncing.notify_one();
  }
  syncing_thread.join();
  taker.stop();
}

// --- The sequencer's thread ---

void Sequencer::Impl::run() {
  MutexLock lock(mutex);
  while (true) {
    if (lost && !deciding) {
      deciding = true;
      DecidedBatch batch = std::move(*lost);
      lock.unlock();
      step_down(std::move(batch));
      lock.lock();
      lost.reset();
      deciding = false;
      sealed_turns = turns;  // The new writer is responsible for the seal.
    }
    if (may_decide()) decide(lock);
    if (may_append()) {
      if (inbox.empty() && taken.empty()) {
        // There is nothing else to decide meanwhile: handing over would cost more than it saves.
        append_here(lock);
      } else {
        append_elsewhere();
      }
      continue;
    }
    if (may_decide() || (lost && !deciding)) continue;
    if (stopping && !deciding && !syncing) {
      if (!decider.any_folded()) break;
      tell_folded(lock, true);
      continue;
    }
    sleep(lock);
  }
  ended = true;
  if (turns != sealed_turns) seal(lock);
}

/// Waits for something to do, and does what is due after a while without it.
void Sequencer::Impl::sleep(MutexLock& lock) {
  const auto is_woken = [this]() PAWL_REQUIRES(mutex) { return !is_asleep; };
  const bool is_folding = !deciding && decider.any_folded();
  const std::uint64_t turns_before = turns;
  is_asleep = true;
  has_alarm = is_folding || turns != sealed_turns;
  if (!has_alarm) {
    wake_sequencer.wait(lock.waiting(), is_woken);
    return;
  }
  const milliseconds alarm = is_folding ? folding_interval : milliseconds(options.idle_after_ms);
  const bool woken = wake_sequencer.wait_for(lock.waiting(), alarm, is_woken);
  is_asleep = has_alarm = false;
  if (woken || lost) return;
  if (!deciding && decider.any_folded()) tell_folded(lock, false);
  if (turns == turns_before && turns != sealed_turns && !syncing && !lost) seal(lock);
}

void Sequencer::Impl::seal(MutexLock& lock) {
  syncing = true;
  sealed_turns = turns;
  lock.unlock();
  if (options.idle) options.idle();
  lock.lock();
  syncing = false;
}

/// Requires: !deciding.
void Sequencer::Impl::tell_folded(MutexLock& lock, bool all) {
  deciding = true;
  lock.unlock();
  if (all) {
    decider.tell_all_folded();
  } else {
    decider.tell_folded();
  }
  note_decided();
  lock.lock();
  deciding = false;
  if (!decider.batch().groups.empty()) ++turns;
}

// --- The deciding thread ---

void Sequencer::Impl::handle(Item item) {
  if (item.write) {
    decider.take(std::move(*item.write));
  } else {
    decider.take(std::move(*item.read));
  }
}

void Sequencer::Impl::note_decided() {
  if (decider.any_folded()) decider.tell_folded();
  decided_until_us.store(decider.state().last_time.us);
}

DecidedBatch Sequencer::Impl::hand_over() {
  DecidedBatch batch = decider.hand_over();
  batch.decide_time = std::exchange(decide_time, {});
  return batch;
}

/// Decisions that were not made durable never happened: everyone waiting for them is answered, and all later requests
/// see the durable state. That state is replayed from the log, because decisions cannot be undone.
void Sequencer::Impl::step_down(DecidedBatch lost_batch) {
  Result<Opened> before = open_state_at(journal, checkpoints, Seq{durable.load()});
  if (!before) die_of(before.error());
  DecidedBatch building = decider.hand_over();
  decider.step_down(std::move(before->state));
  withdraw(std::move(lost_batch), decider.state());
  withdraw(std::move(building), decider.state());
}

// --- The appending thread ---

void Sequencer::Impl::append(DecidedBatch batch) {
  BatchTimes times;
  const auto is_durable = [this, &times](const std::vector<Decided>& groups) {
    if (options.measured) options.measured(times);
    durable.store(groups.back().records.back().record().stamp()->seq(), std::memory_order_release);
    publish(groups);
    taker.note_durable(Seq{durable.load()});
  };
  const std::int64_t told_us = batch.asleep_told_us;
  const Result<void> appended = make_durable(batch, journal, chain, is_durable, options.measured ? &times : nullptr);
  if (appended) asleep_told_us.store(told_us);
  if (appended) return;
  if (appended.error().code != ErrorCode::superseded || !options.superseded) die_of(appended.error());
  superseded.store(true);
  {
    const MutexLock lock(mutex);
    lost = std::move(batch);
    wake();
  }
  options.superseded(appended.error());
}

void Sequencer::Impl::die_of(const Error& error) const {
  if (options.failed) options.failed(error);
  std::fprintf(stderr, "pawld: the log cannot be written, ending at once: %s\n", error.message.c_str());
  std::abort();
}

void Sequencer::Impl::publish(const std::vector<Decided>& groups) {
  std::vector<Published> published;
  for (const Decided& group : groups) {
    for (std::size_t i = 0; i < group.records.size(); ++i) {
      published.push_back({.record = group.records[i].record(), .applied = group.applied[i]});
    }
  }
  const std::lock_guard lock(subscribers_mutex);
  std::vector<std::uint64_t> ids;
  for (const auto& [id, listener] : subscribers) ids.push_back(id);
  for (const std::uint64_t id : ids) {
    const auto found = subscribers.find(id);
    if (found == subscribers.end()) continue;
    const auto listener = found->second;  // keeps it alive: it may unsubscribe itself
    (*listener)(published);
  }
}

void Sequencer::Impl::run_syncing() {
  const ServesSoon what_the_answers_submit;
  MutexLock lock(mutex);
  while (true) {
    wake_syncing.wait(lock.waiting(), [this]() PAWL_REQUIRES(mutex) { return to_sync || syncing_ends; });
    if (!to_sync) return;
    DecidedBatch batch = std::move(*to_sync);
    to_sync.reset();
    lock.unlock();
    append(std::move(batch));
    lock.lock();
    syncing = false;
    leave_to_others();  // The next batch comes back to this thread, without a wait.
  }
}

// --- The class ---

Sequencer::Sequencer(Journal& journal, CheckpointStore& checkpoints, State state, Chain chain, Options options)
    : impl_(std::make_unique<Impl>(journal, checkpoints, std::move(state), chain, std::move(options))) {}

Sequencer::~Sequencer() {
  stop();
}

Sequencer::ServesSoon::ServesSoon() : before_(std::exchange(serves_soon, true)) {}

Sequencer::ServesSoon::~ServesSoon() {
  serves_soon = before_;
}

void Sequencer::submit(WriteRequest write) {
  impl_->submit({.write = std::move(write), .read = std::nullopt});
}

void Sequencer::serve() {
  impl_->serve();
}

void Sequencer::read(std::function<void(const State&)> look, std::function<void()> done) {
  impl_->submit({.write = std::nullopt, .read = ReadRequest{.look = std::move(look), .done = std::move(done)}});
}

void Sequencer::submit_and_serve(WriteRequest write) {
  {
    const ServesSoon here;
    submit(std::move(write));
  }
  serve();
}

Decision Sequencer::propose(Group group) {
  std::promise<Decision> promise;
  submit_and_serve({.group = std::move(group),
                    .done = [&promise](std::optional<Decision> decision) { promise.set_value(std::move(*decision)); }});
  return promise.get_future().get();
}

std::optional<Decision> Sequencer::propose_if(Group group, std::function<bool(const State&)> holds) {
  std::promise<std::optional<Decision>> promise;
  submit_and_serve({.group = std::move(group),
                    .resolve = [holds = std::move(holds)](const State& state, Group&) { return holds(state); },
                    .look = {},
                    .done = [&promise](std::optional<Decision> decision) { promise.set_value(std::move(decision)); }});
  return promise.get_future().get();
}

void Sequencer::look(const std::function<void(const State&)>& look) {
  std::promise<void> seen;
  {
    const ServesSoon here;
    read([&look](const State& state) { look(state); }, [&seen] { seen.set_value(); });
  }
  serve();
  seen.get_future().get();
}

std::optional<TaskView> Sequencer::view(TaskId task) {
  return ask([task](const State& state) { return view_of(state, task); });
}

TimeUs Sequencer::now() const {
  return impl_->now();
}

std::optional<TimeUs> Sequencer::told_until() const {
  const LogTime now = impl_->options.now();
  if (now.asleep_us - impl_->asleep_told_us.load() >= shortest_gap_us) return std::nullopt;
  return now.time;
}

std::uint64_t Sequencer::subscribe(std::function<void(std::span<const Published>)> listener) {
  return impl_->subscribe(std::move(listener));
}

void Sequencer::unsubscribe(std::uint64_t id) {
  impl_->unsubscribe(id);
}

void Sequencer::start() {
  impl_->start();
}
void Sequencer::stop() {
  impl_->stop();
}

Seq Sequencer::durable_seq() const {
  return Seq{impl_->durable.load(std::memory_order_acquire)};
}

Seq Sequencer::checkpoint_seq() const {
  return impl_->taker.last();
}

bool Sequencer::is_superseded() const {
  return impl_->superseded.load();
}

}  // namespace pawl
