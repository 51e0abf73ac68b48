#include "daemon/work/freeze_planner.h"

#include <chrono>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "daemon/pipeline_plan.h"

namespace pawl {
namespace {

/// How often it looks at the time: the wall clock may be set, and the machine may sleep.
constexpr std::chrono::minutes look_again{1};

/// A pipeline in force that has a calendar, and what is planned of it.
struct CalendarInForce {
  Seq defined{};
  std::shared_ptr<const Pipeline> definition;
  std::optional<FreezeRow> row;
};

std::vector<CalendarInForce> with_calendars(const State& state) {
  std::vector<CalendarInForce> found;
  for (const auto& [seq, row] : state.pipelines.rows()) {
    if (!row.in_force || !row.definition->calendar) continue;
    const FreezeRow* freeze = state.freezes.find(row.definition->name);
    found.push_back({seq, row.definition, freeze ? std::optional(*freeze) : std::nullopt});
  }
  return found;
}

fb::FreezePlannedT event_of(const std::string& pipeline, const CalendarPlan& plan) {
  fb::FreezePlannedT event;
  event.pipeline = pipeline;
  event.planned_until = plan.planned_until.us;
  for (const FreezeWindow& window : plan.windows) {
    fb::FreezeWindowT& planned = *event.windows.emplace_back(std::make_unique<fb::FreezeWindowT>());
    planned.from = window.from.us;
    planned.until = window.until.us;
    planned.reason = window.reason;
    planned.stages = window.stages;
  }
  return event;
}

}  // namespace

struct FreezePlanner::Impl {
  Impl(Desk& desk_, System& system_, Options options_)
      : desk(desk_), system(system_), options(std::move(options_)), wake(system_.make_signal()) {}

  Result<void> plan();
  Result<void> plan(const CalendarInForce& planned);
  void run();
  void listen(std::span<const Published> batch);

  Desk& desk;
  System& system;
  const Options options;
  std::uint64_t subscription = 0;

  // Only for the thread that plans.
  std::string last_warning;
  bool has_calendars = false;  // otherwise there is nothing to wake up for

  Mutex mutex;
  const std::unique_ptr<Signal> wake;
  bool stopping PAWL_GUARDED_BY(mutex) = false;
  bool is_defined PAWL_GUARDED_BY(mutex) = false;  // a definition came into force
  std::unique_ptr<RunningThread> thread;
};

FreezePlanner::FreezePlanner(Desk& desk, System& system, Options options)
    : impl_(std::make_unique<Impl>(desk, system, std::move(options))) {}

FreezePlanner::~FreezePlanner() {
  stop();
}

Result<void> FreezePlanner::plan() {
  return impl_->plan();
}

void FreezePlanner::start() {
  Impl& impl = *impl_;
  impl.subscription = impl.desk.subscribe([&impl](std::span<const Published> batch) { impl.listen(batch); });
  impl.thread = impl.system.start_thread([&impl] { impl.run(); });
}

void FreezePlanner::stop() {
  Impl& impl = *impl_;
  {
    const MutexLock lock(impl.mutex);
    if (std::exchange(impl.stopping, true)) return;
    impl.wake->notify();
  }
  if (impl.subscription != 0) impl.desk.unsubscribe(impl.subscription);
  if (impl.thread) impl.thread->join();
}

void FreezePlanner::Impl::listen(std::span<const Published> batch) {
  for (const Published& published : batch) {
    const auto* defined = published.record.event_as_PipelineDefined();
    if (!defined || !defined->calendar() || published.applied.outcome != Outcome::accepted) continue;
    const MutexLock lock(mutex);
    is_defined = true;
    wake->notify();
  }
}

void FreezePlanner::Impl::run() {
  MutexLock lock(mutex);
  while (!stopping) {
    is_defined = false;
    lock.unlock();
    const Result<void> done = plan();
    const std::string warning = done ? std::string() : done.error().message;
    // Once, and not every minute.
    if (std::exchange(last_warning, warning) != warning && !warning.empty() && options.warn) options.warn(warning);
    lock.lock();
    const Deadline next = has_calendars ? system.now() + look_again : no_deadline;
    wake->await(lock, next, [&]() PAWL_REQUIRES(mutex) { return stopping || is_defined; });
  }
}

Result<void> FreezePlanner::Impl::plan() {
  Result<void> done;
  const std::vector<CalendarInForce> all = desk.ask(with_calendars);
  has_calendars = !all.empty();
  for (const CalendarInForce& each : all) {
    if (Result<void> planned = plan(each); !planned && done) done = std::move(planned);
  }
  return done;
}

Result<void> FreezePlanner::Impl::plan(const CalendarInForce& planned) {
  const Pipeline& pipeline = *planned.definition;
  const auto failed = [&](const std::string& why) {
    return Error{ErrorCode::malformed, "the calendar of pipeline '" + pipeline.name + "' cannot be planned: " + why};
  };
  const auto zone = Zone::named(pipeline.calendar->zone);
  if (!zone) return failed(zone.error().message);
  const TimeUs now = desk.now();
  const CalendarPlan plan = plan_of(pipeline, *zone, now);
  if (!is_news(plan, planned.row ? &*planned.row : nullptr, now)) return {};
  const Requester requester{
      .boot = options.boot_id, .actor = std::string(daemon_name), .key = {}, .request = std::nullopt};
  const auto is_in_force = [defined = planned.defined, name = pipeline.name](const State& state) {
    const PipelineRow* row = state.pipeline_in_force(name);
    return row && row->seq == defined;
  };
  const auto decision = desk.propose_if(propose_group(requester, event_of(pipeline.name, plan)), is_in_force);
  // Another definition came meanwhile: its own record wakes the planner. Or another writer has the log.
  if (!decision || decision->outcome == Outcome::accepted) return {};
  if (decision->source == Decision::AnswerSource::superseded) return {};
  return failed("the record is refused: " + std::string(name(decision->outcome)));
}

}  // namespace pawl
