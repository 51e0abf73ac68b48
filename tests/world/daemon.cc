#include "tests/world/daemon.h"

#include "store/chain.h"
#include "store/checkpoint.h"
#include "store/take_checkpoint.h"
#include "tests/world/daemon_world.h"
#include "tests/world/pipelines.h"

namespace pawl::hostile {
namespace {

constexpr std::size_t batch_records_max = 64;
// A restart replays half of them, and there are many restarts.
constexpr std::uint64_t records_per_checkpoint = 100;
constexpr std::uint64_t checkpoints_per_replay = 8;

}  // namespace

Daemon::Daemon(Story& story, std::unique_ptr<MemoryLog> log, Opened opened, std::string boot_id)
    : story_(story),
      scheduler_(story.scheduler),
      boot_id_(std::move(boot_id)),
      process_(story.machines.start(daemon_machine)),
      log_(std::move(log)),
      chain_(opened.chain),
      clock_(opened.state.last_time,
             {.wall = [&story] { return story.wall_us(); }, .monotonic = [&story] { return story.scheduler.now(); }}),
      torn_at_(opened.report.torn_at),
      decider_(std::move(opened.state), [this] { return clock_.now(); }),
      records_since_checkpoint_(opened.report.replayed),
      world_(std::make_unique<Sight>(*this, story)) {}

Daemon::~Daemon() {
  // Those who wait outside see their connection close.
  in_flight_.reset();
  inbox_.clear();
  story_.machines.end(*process_, {.how = CommandExit::How::signalled, .code = 9});
}

void Daemon::begin() {
  scheduler_.spawn(Party::daemon, [this] { start_up(); });
}

Asker Daemon::asker(const std::string& actor) const {
  return {.boot = boot_id_, .actor = actor, .key = {}, .request = {}};
}

void Daemon::post(std::function<void()> work) {
  scheduler_.spawn(Party::daemon, std::move(work));
}

/// As daemon/main.cc: the boot, by which recovery runs, the pipelines, what earlier boots left; then the doors open.
void Daemon::start_up() {
  fb::BootStartedT event;
  event.name = daemon_name;
  event.boot_id = boot_id_;
  event.pid = process_->pid;
  event.pid_start = process_->start;
  event.host = process_->host;
  event.version = torn_at_ ? "world+torn." + std::to_string(raw(*torn_at_)) : "world";
  const Decision decision = propose(propose_group(asker(std::string(daemon_name)), event));
  if (decision.outcome != Outcome::accepted) {
    return story_.broken("the daemon's boot is refused: " + std::string(name(decision.outcome)));
  }
  for (const Pipeline& pipeline : pipelines()) {
    const bool is_known = ask([&](const State& state) { return state.pipeline_in_force(pipeline.name) != nullptr; });
    if (!is_known) propose(propose_group(asker(std::string(daemon_name)), pipeline_event(pipeline)));
  }
  end_what_earlier_boots_left();
  executor_ = scheduler_.spawn(Party::daemon, [this] { run_executor(); });
  reaper_ = scheduler_.spawn(Party::daemon, [this] { run_reaper(); });
  serves_ = true;
  story_.daemon_has_changed();
}

Decision Daemon::propose(Group group) {
  auto slot = std::make_shared<Slot<Decision>>();
  slot->actor = scheduler_.self();
  submit({.group = std::move(group), .done = [this, slot](std::optional<Decision> decision) {
            slot->answered = true;
            slot->value = std::move(decision);
            story_.told(*slot->value);
            scheduler_.wake(slot->actor);
          }});
  while (!slot->answered) scheduler_.wait();
  return std::move(*slot->value);
}

std::optional<TaskView> Daemon::view(TaskId task) {
  return ask([task](const State& state) { return view_of(state, task); });
}

TimeUs Daemon::now() const {
  return std::max(clock_.now(), decider_.state().last_time);
}

void Daemon::decide_some() {
  std::uint64_t some = 1 + story_.dice.roll(inbox_.size());
  while (some-- > 0 && decider_.batch().records < batch_records_max) {
    Item item = std::move(inbox_.front());
    inbox_.pop_front();
    if (item.write) {
      decider_.take(std::move(*item.write));
    } else {
      decider_.take(std::move(*item.read));
    }
  }
  if (decider_.any_folded()) decider_.tell_folded();
}

Result<void> Daemon::sync() {
  DecidedBatch batch = std::move(*in_flight_);
  in_flight_.reset();
  records_since_checkpoint_ += batch.records;
  return make_durable(batch, *log_, chain_, [this](const std::vector<Decided>& groups) {
    story_.see(groups);
    for (const Decided& group : groups) {
      for (std::size_t i = 0; i < group.records.size(); ++i) listen(group.records[i].record(), group.applied[i]);
    }
  });
}

/// By replaying, as the daemon does it; mostly the short way to the same bytes, when nothing is decided that is not
/// durable.
void Daemon::checkpoint() {
  if (records_since_checkpoint_ < records_per_checkpoint) return;
  const State& state = decider_.state();
  const bool by_replay = checkpoints_ % checkpoints_per_replay == 0;
  if (!by_replay && state.last_seq != log_->last_seq()) return;
  records_since_checkpoint_ = 0;
  ++checkpoints_;
  if (!by_replay) {
    [[maybe_unused]] const Result<void> stored = log_->store(pack_checkpoint(state, chain_));
  } else if (const auto taken = take_checkpoint(*log_); !taken) {
    story_.broken("a checkpoint cannot be taken: " + taken.error().message);
  }
}

void Daemon::advance(AdvanceOrder order, std::function<void(AdvanceAnswer)> done) {
  order.asker.boot = boot_id_;
  order.asker.key.clear();
  order.asker.request.reset();
  order.pid = pid();
  post([this, order = std::move(order), done = std::move(done)] { done(pawl::advance(*this, *world_, order)); });
}

void Daemon::lock_step(StepPlace place, std::string run, std::function<void(std::shared_ptr<StepLock>)> done) {
  post([this, place = std::move(place), run = std::move(run), done = std::move(done)] {
    done(world_->end_and_lock(place, run, nullptr).lock);
  });
}

}  // namespace pawl::hostile
