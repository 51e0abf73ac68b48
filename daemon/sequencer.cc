#include "daemon/sequencer.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include "daemon/folding.h"
#include "store/chain.h"
#include "store/checkpoint.h"
#include "store/open.h"

namespace pawl {
namespace {

using std::chrono::milliseconds;
using SteadyClock = std::chrono::steady_clock;

/// How often folded refusals are looked after while there are any.
constexpr milliseconds folding_interval{100};

/// The decision, once that is known how it was found.
struct Answer {
  Decision decision;
  std::function<void(std::optional<Decision>)> done;
};

/// What is decided and not yet durable. It holds the answers too: of its own groups, and of reads and replays that
/// saw them.
struct Pending {
  std::vector<std::function<void()>> early_reads;  // saw nothing of this batch: due as soon as the one before is done
  std::vector<Decided> groups;
  std::vector<Answer> answers;
  std::vector<std::function<void()>> others;  // reads, and writes that came to nothing
  std::size_t records = 0;
  std::size_t bytes = 0;

  bool empty() const { return early_reads.empty() && groups.empty() && answers.empty() && others.empty(); }
};

struct Read {
  std::function<void(const State&)> look;
  std::function<void()> done;
};

/// A request as it waits: one of both.
struct Item {
  std::optional<Sequencer::Write> write;
  std::optional<Read> read;
};

Decision decision_of(const Decided& decided) {
  const fb::Record& deciding = decided.records[decided.deciding].record();
  Decision decision{.outcome = decided.outcome,
                    .seq = Seq{deciding.stamp()->seq()},
                    .unchecked = deciding.stamp()->unchecked(),
                    .effects = {},
                    .detail = decided.applied[decided.deciding].detail};
  for (const Applied& applied : decided.applied) {
    decision.effects.insert(decision.effects.end(), applied.effects.begin(), applied.effects.end());
  }
  return decision;
}

[[noreturn]] void die_of(const Error& error) {
  std::fprintf(stderr, "pawld: the log cannot be written, ending at once: %s\n", error.message.c_str());
  std::abort();
}

}  // namespace

struct Sequencer::Impl {
  Impl(Log& log_, State state_, Chain chain_, Options options_)
      : log(log_),
        options(std::move(options_)),
        state(std::move(state_)),
        chain(chain_),
        durable(raw(state.last_seq)),
        decided_until_us(state.last_time.us) {}

  // Any thread.
  void submit(Item item);
  std::uint64_t subscribe(std::function<void(std::span<const Published>)> listener);
  void unsubscribe(std::uint64_t id);
  void start();
  void stop();

  // The sequencer's thread.
  void run();
  void handle(Item item);
  void handle(Write write);
  void handle(Read read);
  void decide_and_keep(Write write);
  bool folded(const Decided& decided, Decision& decision);
  void tell_folded(std::vector<Folding::Folded> folded);
  void idle();
  bool building_is_full() const {
    return building.records >= options.batch_records_max || building.bytes >= options.batch_bytes_max;
  }
  TimeUs now() const { return std::max(options.now(), TimeUs{decided_until_us.load()}); }

  // One thread at a time: the sequencer's, or the syncing one while `syncing`.
  void make_durable(Pending pending);
  void publish(const std::vector<Decided>& groups);

  void run_syncing();
  void run_checkpoints();

  Log& log;
  const Options options;

  // The sequencer's thread alone.
  State state;
  Folding folding;
  std::deque<Item> taken;
  Pending building;
  bool written_since_idle = false;

  // Whoever appends.
  Chain chain;
  std::atomic<std::uint64_t> durable;
  std::atomic<std::int64_t> decided_until_us;  // state.last_time, for other threads

  std::mutex mutex;
  std::condition_variable wake_sequencer;
  std::condition_variable wake_syncing;
  std::vector<Item> inbox;
  bool started = false;
  bool stopping = false;
  bool syncing = false;  // `to_sync` belongs to the syncing thread
  bool syncing_ends = false;
  std::optional<Pending> to_sync;

  std::recursive_mutex subscribers_mutex;  // recursive: a listener may unsubscribe from within its call
  std::map<std::uint64_t, std::shared_ptr<std::function<void(std::span<const Published>)>>> subscribers;
  std::uint64_t next_subscriber = 1;

  std::mutex checkpoint_mutex;
  std::condition_variable wake_checkpoints;
  bool checkpoints_end = false;

  std::thread sequencing_thread;
  std::thread syncing_thread;
  std::thread checkpoint_thread;
};

// --- Any thread ---

void Sequencer::Impl::submit(Item item) {
  const std::lock_guard lock(mutex);
  PAWL_ASSERT(!stopping);
  inbox.push_back(std::move(item));
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
  PAWL_ASSERT(!started);
  started = true;
  syncing_thread = std::thread([this] { run_syncing(); });
  checkpoint_thread = std::thread([this] { run_checkpoints(); });
  sequencing_thread = std::thread([this] { run(); });
}

void Sequencer::Impl::stop() {
  {
    const std::lock_guard lock(mutex);
    if (!started || stopping) return;
    stopping = true;
    wake_sequencer.notify_one();
  }
  sequencing_thread.join();
  {
    const std::lock_guard lock(mutex);
    syncing_ends = true;
    wake_syncing.notify_one();
  }
  syncing_thread.join();
  {
    const std::lock_guard lock(checkpoint_mutex);
    checkpoints_end = true;
    wake_checkpoints.notify_one();
  }
  checkpoint_thread.join();
}

// --- The sequencer's thread ---

void Sequencer::Impl::run() {
  std::unique_lock lock(mutex);
  while (true) {
    const auto has_work = [&] {
      if (!inbox.empty() && !building_is_full()) return true;
      if (!building.empty() && !syncing) return true;
      return stopping && !syncing;
    };
    if (!taken.empty() && !building_is_full()) {
      // Decided below, without a wait.
    } else if (folding.any_folded()) {
      wake_sequencer.wait_for(lock, folding_interval, has_work);
    } else if (written_since_idle) {
      if (!wake_sequencer.wait_for(lock, milliseconds(options.idle_after_ms), has_work) && !syncing) {
        lock.unlock();
        idle();
        lock.lock();
        continue;
      }
    } else {
      wake_sequencer.wait(lock, has_work);
    }

    for (Item& item : inbox) taken.push_back(std::move(item));
    inbox.clear();
    lock.unlock();
    while (!taken.empty() && !building_is_full()) {
      Item item = std::move(taken.front());
      taken.pop_front();
      handle(std::move(item));
    }
    if (folding.any_folded()) tell_folded(folding.due(now()));
    lock.lock();

    if (syncing) continue;  // The batch grows meanwhile.
    if (!building.empty()) {
      Pending batch = std::exchange(building, Pending{});
      if (taken.empty() && inbox.empty()) {
        // Nothing else to decide meanwhile: a hand-over would cost more than it hides.
        lock.unlock();
        make_durable(std::move(batch));
        lock.lock();
      } else {
        to_sync = std::move(batch);
        syncing = true;
        wake_syncing.notify_one();
      }
      continue;
    }
    if (stopping && taken.empty() && inbox.empty()) {
      if (!folding.any_folded()) break;
      lock.unlock();
      tell_folded(folding.all());
      lock.lock();
    }
  }
  lock.unlock();
  idle();
}

void Sequencer::Impl::handle(Item item) {
  if (item.write) {
    handle(std::move(*item.write));
  } else {
    handle(std::move(*item.read));
  }
}

void Sequencer::Impl::handle(Read read) {
  read.look(state);
  (building.groups.empty() ? building.early_reads : building.others).push_back(std::move(read.done));
}

void Sequencer::Impl::handle(Write write) {
  // A known key before all else: not even what the request would resolve to is looked at again.
  if (!write.group.empty() && write.group.front().record().key()) {
    const fb::Record& record = write.group.front().record();
    if (const KeyRow* first = state.keys.find(record.key()->str())) {
      Decision decision{.outcome = first->outcome, .seq = first->seq, .effects = {}, .detail = {}};
      const bool same = record.request().has_value() && *record.request() == first->request;
      decision.way = same ? Decision::Way::replayed : Decision::Way::mismatched;
      decision.first = *first;
      if (write.look) write.look({.state = state, .decision = decision, .archived = {}});
      building.answers.push_back({std::move(decision), std::move(write.done)});
      return;
    }
  }
  if (write.resolve && !write.resolve(state, write.group)) {
    building.others.push_back([done = std::move(write.done)] { done(std::nullopt); });
    return;
  }
  decide_and_keep(std::move(write));
}

void Sequencer::Impl::decide_and_keep(Write write) {
  PAWL_ASSERT(!write.group.empty());
  const Seq seq_before = state.last_seq;
  const TimeUs time_before = state.last_time;
  Decided decided = decide(state, std::move(write.group), now());
  Decision decision = decision_of(decided);
  if (folded(decided, decision)) {
    // A refusal changed nothing but these two, so taking them back takes the record back.
    state.last_seq = seq_before;
    state.last_time = time_before;
    if (write.look) write.look({.state = state, .decision = decision, .archived = {}});
    building.answers.push_back({std::move(decision), std::move(write.done)});
    return;
  }
  if (write.look) write.look({.state = state, .decision = decision, .archived = decided.archived});
  decided_until_us.store(state.last_time.us);
  written_since_idle = true;
  building.records += decided.records.size();
  for (const Proposal& record : decided.records) building.bytes += record.size();
  building.groups.push_back(std::move(decided));
  building.answers.push_back({std::move(decision), std::move(write.done)});
}

bool Sequencer::Impl::folded(const Decided& decided, Decision& decision) {
  if (decided.outcome == Outcome::accepted || decided.records.size() != 1 || !state.boot_named(daemon_name))
    return false;
  const fb::Record& record = decided.records.front().record();
  if (record.key()) return false;
  const TimeUs time{record.stamp()->time_us()};
  const RefusalKey key = refusal_key(record, decided.outcome);
  if (const std::optional<Seq> first = folding.fold(key, time)) {
    decision.way = Decision::Way::folded;
    decision.seq = *first;
    return true;
  }
  folding.recorded(key, decision.seq, time);
  return false;
}

void Sequencer::Impl::tell_folded(std::vector<Folding::Folded> told) {
  const Boot* boot = state.boot_named(daemon_name);
  for (const Folding::Folded& each : told) {
    fb::RefusalsFoldedT event;
    event.seq = raw(each.seq);
    event.count = each.count;
    const Asker asker{.boot = boot->boot_id, .actor = "sequencer", .key = {}, .request = std::nullopt};
    decide_and_keep({.group = propose_group(asker, event), .done = [](std::optional<Decision>) {}});
  }
}

void Sequencer::Impl::idle() {
  if (!written_since_idle) return;
  written_since_idle = false;
  if (options.idle) options.idle();
}

// --- Whoever appends ---

void Sequencer::Impl::make_durable(Pending pending) {
  for (const auto& done : pending.early_reads) done();
  if (!pending.groups.empty()) {
    Batch batch;
    batch.records.reserve(pending.records);
    for (Decided& group : pending.groups) {
      for (Proposal& record : group.records) {
        chain = stamp_chain(chain, record);
        batch.records.emplace_back(record.data(), record.size());
      }
      const Seq last{group.records.back().record().stamp()->seq()};
      for (const ArchivedTask& archived : group.archived) batch.archived.push_back(pack_archived(archived, last));
    }
    const Seq first{pending.groups.front().records.front().record().stamp()->seq()};
    if (const Result<void> appended = log.append(batch, first); !appended) {
      if (options.failed) options.failed(appended.error());
      die_of(appended.error());
    }
    durable.store(raw(first) + pending.records - 1, std::memory_order_release);
    publish(pending.groups);
    if (options.checkpoint_every > 0) wake_checkpoints.notify_one();
  }
  for (Answer& answer : pending.answers) answer.done(std::move(answer.decision));
  for (const auto& done : pending.others) done();
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
    const auto listener = found->second;  // kept: it may unsubscribe itself
    (*listener)(published);
  }
}

void Sequencer::Impl::run_syncing() {
  std::unique_lock lock(mutex);
  while (true) {
    wake_syncing.wait(lock, [this] { return to_sync || syncing_ends; });
    if (!to_sync) return;
    Pending batch = std::move(*to_sync);
    to_sync.reset();
    lock.unlock();
    make_durable(std::move(batch));
    lock.lock();
    syncing = false;
    wake_sequencer.notify_one();
  }
}

void Sequencer::Impl::run_checkpoints() {
  if (options.checkpoint_every == 0) return;
  const std::vector<Seq> stored = log.checkpoints();
  std::uint64_t checkpointed = stored.empty() ? 0 : raw(stored.front());
  std::unique_lock lock(checkpoint_mutex);
  while (true) {
    wake_checkpoints.wait(lock, [&] {
      return checkpoints_end || durable.load(std::memory_order_acquire) - checkpointed >= options.checkpoint_every;
    });
    if (checkpoints_end) return;
    lock.unlock();
    // Made from the log, so that the one thread that owns the state is not held up by it.
    const Result<Seq> taken_at = take_checkpoint(log);
    if (!taken_at && options.checkpoint_failed) options.checkpoint_failed(taken_at.error());
    // After a failure too it is not tried again before as many records have come.
    checkpointed = taken_at ? raw(*taken_at) : durable.load(std::memory_order_acquire);
    lock.lock();
  }
}

// --- The class ---

Sequencer::Sequencer(Log& log, State state, Chain chain, Options options)
    : impl_(std::make_unique<Impl>(log, std::move(state), chain, std::move(options))) {}

Sequencer::~Sequencer() {
  stop();
}

void Sequencer::submit(Write write) {
  impl_->submit({.write = std::move(write), .read = std::nullopt});
}

void Sequencer::read(std::function<void(const State&)> look, std::function<void()> done) {
  impl_->submit({.write = std::nullopt, .read = Read{.look = std::move(look), .done = std::move(done)}});
}

Decision Sequencer::propose(Group group) {
  std::promise<Decision> promise;
  submit({.group = std::move(group),
          .done = [&promise](std::optional<Decision> decision) { promise.set_value(std::move(*decision)); }});
  return promise.get_future().get();
}

std::optional<TaskView> Sequencer::view(TaskId task) {
  return ask([task](const State& state) { return view_of(state, task); });
}

TimeUs Sequencer::now() const {
  return impl_->now();
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

}  // namespace pawl
