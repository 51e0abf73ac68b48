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

#include "store/open.h"
#include "store/os/mutex.h"
#include "store/take_checkpoint.h"

namespace pawl {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

/// How often folded refusals are checked while there are any.
constexpr milliseconds folding_interval{100};

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
        options(std::move(options_)),
        decided_until_us(state_.last_time.us),
        decider(std::move(state_), options.now),
        chain(chain_),
        durable(raw(decider.state().last_seq)) {}

  // Any thread.
  void submit(Item item);
  std::uint64_t subscribe(std::function<void(std::span<const Published>)> listener);
  void unsubscribe(std::uint64_t id);
  void start();
  void stop();

  // The sequencer's thread.
  void run();
  void handle(Item item);
  void idle();
  bool building_is_full() const {
    const DecidedBatch& building = decider.batch();
    return building.records >= options.batch_records_max || building.bytes >= options.batch_bytes_max;
  }
  void note_decided();
  void step_down(DecidedBatch lost_batch);
  TimeUs now() const { return std::max(options.now().time, TimeUs{decided_until_us.load()}); }

  // One thread at a time: the sequencer's or, while `syncing`, the syncing thread.
  void append(DecidedBatch batch);
  [[noreturn]] void die_of(const Error& error) const;
  void publish(const std::vector<Decided>& groups);

  void run_syncing();
  void run_checkpoints();

  Journal& journal;
  CheckpointStore& checkpoints;
  const Options options;

  std::atomic<std::int64_t> decided_until_us;  // the last record's time, for other threads

  // The sequencer's thread only.
  Decider decider;
  std::deque<Item> taken;
  bool written_since_idle = false;

  // The appending thread.
  Chain chain;
  std::atomic<std::uint64_t> durable;
  std::atomic<std::uint64_t> checkpoint_due{0};  // the durable seq from which on a checkpoint is to be taken
  std::atomic<std::int64_t> asleep_told_us{0};   // durably
  std::atomic<bool> superseded{false};

  Mutex mutex;
  std::condition_variable wake_sequencer;
  std::condition_variable wake_syncing;
  std::vector<Item> inbox PAWL_GUARDED_BY(mutex);
  bool is_asleep PAWL_GUARDED_BY(mutex) = false;  // the sequencer's thread waits, and no request has woken it yet
  bool started PAWL_GUARDED_BY(mutex) = false;
  bool stopping PAWL_GUARDED_BY(mutex) = false;
  bool ended PAWL_GUARDED_BY(mutex) = false;    // nothing is left, and no more requests are answered
  bool syncing PAWL_GUARDED_BY(mutex) = false;  // `to_sync` belongs to the syncing thread
  bool syncing_ends PAWL_GUARDED_BY(mutex) = false;
  std::optional<DecidedBatch> to_sync PAWL_GUARDED_BY(mutex);
  std::optional<DecidedBatch> lost PAWL_GUARDED_BY(mutex);  // a batch that lost to another writer

  std::recursive_mutex subscribers_mutex;  // recursive: a listener may unsubscribe during its call
  std::map<std::uint64_t, std::shared_ptr<std::function<void(std::span<const Published>)>>> subscribers;
  std::uint64_t next_subscriber = 1;

  Mutex checkpoint_mutex;
  std::condition_variable wake_checkpoints;
  bool checkpoints_end PAWL_GUARDED_BY(checkpoint_mutex) = false;

  std::thread sequencing_thread;
  std::thread syncing_thread;
  std::thread checkpoint_thread;
};

// --- Any thread ---

void Sequencer::Impl::submit(Item item) {
  {
    const MutexLock lock(mutex);
    PAWL_ASSERT(!ended);
    inbox.push_back(std::move(item));
    if (!std::exchange(is_asleep, false)) return;  // It looks at the inbox before it sleeps.
  }
  wake_sequencer.notify_one();
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
  checkpoint_thread = std::thread([this] { run_checkpoints(); });
  sequencing_thread = std::thread([this] { run(); });
}

void Sequencer::Impl::stop() {
  {
    const MutexLock lock(mutex);
    if (!started || stopping) return;
    stopping = true;
    wake_sequencer.notify_one();
  }
  sequencing_thread.join();
  {
    const MutexLock lock(mutex);
    syncing_ends = true;
    wake_syncing.notify_one();
  }
  syncing_thread.join();
  {
    const MutexLock lock(checkpoint_mutex);
    checkpoints_end = true;
    wake_checkpoints.notify_one();
  }
  checkpoint_thread.join();
}

// --- The sequencer's thread ---

void Sequencer::Impl::run() {
  MutexLock lock(mutex);
  while (true) {
    if (lost) {
      DecidedBatch batch = std::move(*lost);
      lost.reset();
      lock.unlock();
      step_down(std::move(batch));
      lock.lock();
    }
    const auto has_work = [&]() PAWL_REQUIRES(mutex) {
      if (lost) return true;
      if (!inbox.empty() && !building_is_full()) return true;
      if (!decider.batch().empty() && !syncing) return true;
      return stopping && !syncing;
    };
    is_asleep = true;
    if (!taken.empty() && !building_is_full()) {
      // Decided below, without waiting.
    } else if (decider.any_folded()) {
      wake_sequencer.wait_for(lock.waiting(), folding_interval, has_work);
    } else if (written_since_idle) {
      if (!wake_sequencer.wait_for(lock.waiting(), milliseconds(options.idle_after_ms), has_work) && !syncing) {
        is_asleep = false;
        lock.unlock();
        idle();
        lock.lock();
        continue;
      }
    } else {
      wake_sequencer.wait(lock.waiting(), has_work);
    }

    is_asleep = false;
    for (Item& item : inbox) taken.push_back(std::move(item));
    inbox.clear();
    lock.unlock();
    while (!taken.empty() && !building_is_full()) {
      Item item = std::move(taken.front());
      taken.pop_front();
      handle(std::move(item));
    }
    if (decider.any_folded()) decider.tell_folded();
    note_decided();
    lock.lock();

    if (syncing || lost) continue;  // The batch grows meanwhile.
    if (!decider.batch().empty()) {
      DecidedBatch batch = decider.hand_over();
      if (taken.empty() && inbox.empty()) {
        // There is nothing else to decide meanwhile: handing over would cost more than it saves.
        lock.unlock();
        append(std::move(batch));
        lock.lock();
      } else {
        to_sync = std::move(batch);
        syncing = true;
        wake_syncing.notify_one();
      }
      continue;
    }
    if (stopping && taken.empty() && inbox.empty()) {
      if (!decider.any_folded()) {
        ended = true;
        break;
      }
      lock.unlock();
      decider.tell_all_folded();
      note_decided();
      lock.lock();
    }
  }
  lock.unlock();
  idle();
}

void Sequencer::Impl::handle(Item item) {
  if (item.write) {
    decider.take(std::move(*item.write));
  } else {
    decider.take(std::move(*item.read));
  }
}

void Sequencer::Impl::note_decided() {
  const TimeUs last = decider.state().last_time;
  if (!decider.batch().groups.empty()) written_since_idle = true;
  decided_until_us.store(last.us);
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
  written_since_idle = false;  // The new writer is responsible for the seal.
}

void Sequencer::Impl::idle() {
  if (!written_since_idle) return;
  written_since_idle = false;
  if (options.idle) options.idle();
}

// --- The appending thread ---

void Sequencer::Impl::append(DecidedBatch batch) {
  const auto is_durable = [this](const std::vector<Decided>& groups) {
    durable.store(groups.back().records.back().record().stamp()->seq(), std::memory_order_release);
    publish(groups);
    if (options.checkpoint_every > 0 && durable.load() >= checkpoint_due.load()) wake_checkpoints.notify_one();
  };
  const std::int64_t told_us = batch.asleep_told_us;
  const Result<void> appended = make_durable(batch, journal, chain, is_durable);
  if (appended) asleep_told_us.store(told_us);
  if (appended) return;
  if (appended.error().code != ErrorCode::superseded || !options.superseded) die_of(appended.error());
  superseded.store(true);
  {
    const MutexLock lock(mutex);
    lost = std::move(batch);
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
    wake_sequencer.notify_one();
  }
}

void Sequencer::Impl::run_checkpoints() {
  if (options.checkpoint_every == 0) return;
  const std::vector<Seq> stored = checkpoints.list();
  checkpoint_due = (stored.empty() ? 0 : raw(stored.front())) + options.checkpoint_every;
  MutexLock lock(checkpoint_mutex);
  while (true) {
    wake_checkpoints.wait(lock.waiting(), [&]() PAWL_REQUIRES(checkpoint_mutex) {
      return checkpoints_end || durable.load() >= checkpoint_due.load();
    });
    if (checkpoints_end) return;
    lock.unlock();
    // Made from the log, so that the thread that owns the state is not delayed.
    const Result<Seq> taken_at = take_checkpoint(journal, checkpoints);
    if (!taken_at && options.checkpoint_failed) options.checkpoint_failed(taken_at.error());
    // After a failure, too, the next attempt waits for as many records.
    checkpoint_due = (taken_at ? raw(*taken_at) : durable.load()) + options.checkpoint_every;
    lock.lock();
  }
}

// --- The class ---

Sequencer::Sequencer(Journal& journal, CheckpointStore& checkpoints, State state, Chain chain, Options options)
    : impl_(std::make_unique<Impl>(journal, checkpoints, std::move(state), chain, std::move(options))) {}

Sequencer::~Sequencer() {
  stop();
}

void Sequencer::submit(WriteRequest write) {
  impl_->submit({.write = std::move(write), .read = std::nullopt});
}

void Sequencer::read(std::function<void(const State&)> look, std::function<void()> done) {
  impl_->submit({.write = std::nullopt, .read = ReadRequest{.look = std::move(look), .done = std::move(done)}});
}

Decision Sequencer::propose(Group group) {
  std::promise<Decision> promise;
  submit({.group = std::move(group),
          .done = [&promise](std::optional<Decision> decision) { promise.set_value(std::move(*decision)); }});
  return promise.get_future().get();
}

std::optional<Decision> Sequencer::propose_if(Group group, std::function<bool(const State&)> holds) {
  std::promise<std::optional<Decision>> promise;
  submit({.group = std::move(group),
          .resolve = [holds = std::move(holds)](const State& state, Group&) { return holds(state); },
          .look = {},
          .done = [&promise](std::optional<Decision> decision) { promise.set_value(std::move(decision)); }});
  return promise.get_future().get();
}

void Sequencer::look(const std::function<void(const State&)>& look) {
  std::promise<void> seen;
  read([&look](const State& state) { look(state); }, [&seen] { seen.set_value(); });
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

bool Sequencer::is_superseded() const {
  return impl_->superseded.load();
}

}  // namespace pawl
