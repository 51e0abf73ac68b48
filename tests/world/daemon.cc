#include "tests/world/daemon.h"

#include "store/chain.h"
#include "store/checkpoint.h"
#include "store/commit/start.h"
#include "store/take_checkpoint.h"
#include "tests/world/pipelines.h"

namespace pawl::hostile {
namespace {

constexpr std::size_t batch_records_max = 64;
// A restart replays half of them, and restarts are frequent.
constexpr std::uint64_t records_per_checkpoint = 100;
constexpr std::uint64_t checkpoints_per_replay = 8;
// So small that every look at the state takes many pages; but with many boots a start must still end.
constexpr std::size_t rows_per_look_min = 3;
constexpr std::size_t boots_per_row = 100;

constexpr const char* only_time_namespace = "time:[1]";

TimeBefore time_before_start(Story& story, const State& state, const std::string& host) {
  TimeBefore before{.last_sign = story.folder.sign};
  if (raw(state.last_seq) == 0) return before;
  before.last_record = state.last_time;
  const Boot* last = state.boot_named(daemon_name);
  if (last && last->host == host && last->started_at) {
    before.base = {.time = *last->started_at, .boottime_us = last->boottime_us.value_or(0)};
  } else {
    story.mark(Mark::wall_believed);
  }
  return before;
}

}  // namespace

Daemon::Daemon(Story& story, std::unique_ptr<MemoryLog> log, Opened opened, std::string boot_id)
    : story_(story),
      scheduler_(story.scheduler),
      boot_id_(std::move(boot_id)),
      process_(story.machines.start(daemon_machine)),
      log_(std::move(log)),
      chain_(opened.chain),
      clock_(time_before_start(story, opened.state, process_->host),
             {.wall = [&story] { return story.wall_us(); },
              .boottime = [&story] { return story.boottime_us(); },
              .monotonic = [&story] { return story.monotonic_us(); }}),
      torn_at_(opened.report.torn_at),
      decider_(std::move(opened.state), [this] { return clock_.read(); }),
      records_since_checkpoint_(opened.report.replayed),
      system_(story, process_) {}

Daemon::~Daemon() {
  // Outside parties that wait see their connection close.
  in_flight_.reset();
  inbox_.clear();
  story_.machines.end(*process_, {.how = CommandExit::How::signalled, .code = 9});
}

void Daemon::begin() {
  scheduler_.spawn(Party::daemon, [this] { start_up(); });
}

/// As in main().
void Daemon::start_up() {
  const Requester requester{.boot = boot_id_, .actor = std::string(daemon_name), .key = {}, .request = {}};
  fb::BootStartedT event;
  event.name = daemon_name;
  event.boot_id = boot_id_;
  event.pid = process_->pid;
  event.pid_start = process_->start;
  event.host = process_->host;
  event.version = torn_at_ ? "world+torn." + std::to_string(raw(*torn_at_)) : "world";
  event.time_ns = only_time_namespace;
  event.boottime_us = clock_.base().boottime_us;
  Group group = propose_group(requester, event);
  if (clock_.gap_us() > 0) {
    fb::TimeGapT gap;
    gap.us = clock_.gap_us();
    group.push_back(pawl::propose(requester, gap));
  }
  const Decision decision = propose(std::move(group));
  if (decision.outcome != Outcome::accepted) {
    return story_.broken("the daemon's boot is refused: " + std::string(name(decision.outcome)));
  }
  for (const Pipeline& pipeline : story_.script() ? story_.script()->pipelines() : pipelines()) {
    const bool is_known = ask([&](const State& state) {
      const PipelineRow* row = state.pipeline_in_force(pipeline.name);
      return row && (!story_.script() || *row->definition == pipeline);
    });
    if (!is_known) propose(propose_group(requester, pipeline_event(pipeline)));
  }
  const std::size_t rows_per_look = rows_per_look_min + decided().boots.size() / boots_per_row;
  // As its options name them, at each start: a restored log may lack them.
  std::map<std::string, std::string> given = story_.origins;
  for (const std::string& repo : story_.repos) given.try_emplace(repo);
  const auto known = ask([](const State& state) { return repos_known(state); });
  if (const auto declared = declare_repos(*this, known, given, requester); !declared) {
    return story_.broken("its repositories are refused: " + declared.error().message);
  }
  planner_ = std::make_unique<FreezePlanner>(*this, system_, FreezePlanner::Options{.boot_id = boot_id_});
  if (const auto planned = planner_->plan(); !planned) return story_.broken(planned.error().message);
  planner_->start();
  const auto origins = std::make_shared<Origins>(story_.origins);
  executor_ = std::make_unique<Executor>(*this, system_,
                                         Executor::Options{.boot_id = boot_id_,
                                                           .origins = origins,
                                                           .archive = *log_,
                                                           .rows_per_look = rows_per_look,
                                                           .jobs_at_once = jobs_at_once});
  executor_->start();
  reaper_ = std::make_unique<ReaperLoop>(*this, system_, executor_->machine(), executor_->world(),
                                         ReaperLoop::Options{.boot_id = boot_id_, .rows_per_look = rows_per_look});
  reaper_->start();
  serves_ = true;
  story_.daemon_has_changed();
}

/// As in main(), from the outside in.
void Daemon::begin_end() {
  serves_ = false;
  if (story_.dice.one_in(3)) scheduler_.spawn(Party::daemon, [this] { hurry(); });
  scheduler_.spawn(Party::daemon, [this] {
    if (story_.dice.one_in(3)) {
      is_finishing_ = true;
      executor_->drain(std::chrono::seconds(story_.dice.between(1, 900)));
      is_finishing_ = false;
      story_.mark(Mark::drained);
    }
    system_.begin_end();
    planner_->stop();
    is_draining_ = true;
    executor_->stop();
    reaper_->stop();
    has_ended_ = true;
  });
}

/// Another signal, and perhaps one more.
void Daemon::hurry() {
  do {
    scheduler_.sleep(story_.dice.between(1, 20) * second);
    if (has_ended_) return;
    system_.note_hurry();
    executor_->hurry();
    story_.mark(Mark::hurried);
  } while (story_.dice.one_in(2));
}

std::optional<Decision> Daemon::decide(WriteRequest write) {
  // Only facts and releases.
  const fb::Event what = write.group.front().record().event_type();
  const bool is_fact = what == fb::Event::StepFinished || what == fb::Event::RunExited;
  if (is_draining_ && what == fb::Event::RunExited) story_.mark(Mark::exit_in_stop);
  if (is_finishing_ &&
      (what == fb::Event::JobClaimed || what == fb::Event::LeaseAcquired || what == fb::Event::StepStarted)) {
    story_.broken("the daemon is about to end, but begins something: " + std::string(fb::EnumNameEvent(what)));
  }
  if (is_draining_ && !is_fact && what != fb::Event::LeaseReclaimed) {
    story_.broken("the daemon ends, but begins something: " + std::string(fb::EnumNameEvent(what)));
  }
  Slot<Decision> slot;
  slot.actor = scheduler_.self();
  write.done = [this, &slot](std::optional<Decision> decision) {
    slot.answered = true;
    slot.value = std::move(decision);
    if (slot.value) story_.told(*slot.value);
    scheduler_.wake(slot.actor);
  };
  submit(std::move(write));
  while (!slot.answered) scheduler_.wait();
  return std::move(slot.value);
}

Decision Daemon::propose(Group group) {
  return *decide({.group = std::move(group), .done = {}});
}

std::optional<Decision> Daemon::propose_if(Group group, std::function<bool(const State&)> holds) {
  return decide({.group = std::move(group),
                 .resolve = [holds = std::move(holds)](const State& state, Group&) { return holds(state); },
                 .look = {},
                 .done = {}});
}

void Daemon::look(const std::function<void(const State&)>& look) {
  const ActorId actor = scheduler_.self();
  bool answered = false;
  read({.look = [&look](const State& state) { look(state); },
        .done =
            [this, &answered, actor] {
              answered = true;
              scheduler_.wake(actor);
            }});
  while (!answered) scheduler_.wait();
}

std::optional<TaskView> Daemon::view(TaskId task) {
  return ask([task](const State& state) { return view_of(state, task); });
}

TimeUs Daemon::now() const {
  return std::max(clock_.read().time, decider_.state().last_time);
}

std::uint64_t Daemon::subscribe(std::function<void(std::span<const Published>)> listener) {
  listeners_[next_listener_] = std::move(listener);
  return next_listener_++;
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
  const std::int64_t told_us = batch.asleep_told_us;
  PAWL_TRY(make_durable(batch, *log_, chain_, [this](const std::vector<Decided>& groups) {
    story_.see(groups);
    if (listeners_.empty()) return;
    std::vector<Published> records;
    for (const Decided& group : groups) {
      for (std::size_t i = 0; i < group.records.size(); ++i) {
        records.push_back({group.records[i].record(), group.applied[i]});
      }
    }
    for (const auto& [id, listener] : listeners_) listener(records);
  }));
  asleep_told_us_ = told_us;
  return {};
}

/// By replaying, as the daemon does; usually by a shorter way to the same bytes, if everything decided is durable.
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

}  // namespace pawl::hostile
