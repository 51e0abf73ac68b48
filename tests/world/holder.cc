// Someone who holds places, plans freezes and lets tasks past, in the midst of everything else.
#include <algorithm>

#include "engine/state/holds.h"
#include "tests/world/daemon.h"

namespace pawl::hostile {
namespace {

class Holder {
 public:
  explicit Holder(Story& story) : story_(story) {}

  [[noreturn]] void live() {
    for (;;) {
      story_.scheduler.sleep(story_.dice.between(10, 300) * second);
      if (!story_.is_hostile()) {
        free_all();
        continue;
      }
      if (!story_.allows(Hostility::hold)) continue;
      switch (story_.dice.roll(9)) {
        case 0:
        case 1:
        case 2:
          place();
          break;
        case 3:
          plan();
          break;
        case 8:
          give_calendar();
          break;
        case 4:
        case 5:
          let_past();
          break;
        default:
          lift();
      }
    }
  }

 private:
  /// Waits for a daemon: what was seen of the state before is gone.
  const State& look() { return story_.daemon_that_serves().decided(); }

  template <class Event>
  void say(const Event& event, const std::string& principal) {
    story_.ask(propose_group({.boot = story_.daemon_that_serves().boot_id(),
                              .actor = "holder",
                              .key = {},
                              .request = {},
                              .principal = principal},
                             event));
  }

  /// Sometimes one that is not there.
  std::string some_place(const State& state) {
    const bool is_wrong = story_.dice.one_in(8);
    const Task* task = some_task(state);
    const std::string tail = is_wrong ? "x" : "";
    switch (story_.dice.roll(task ? 5 : 1)) {
      case 0:
        return repo_key(story_.dice.pick(story_.repos)) + tail;
      case 1:
        return place_of_pipeline(state.pipeline_of(*task).name) + tail;
      case 2:
        return "stage:" + task->stage + tail;
      case 3: {
        const Stage* stage = state.stage_of(*task);
        return "agent:" + (stage && !stage->agent.empty() ? stage->agent : std::string("developer")) + tail;
      }
      default:
        return task_key(is_wrong ? TaskId{raw(task->id) + 1000} : task->id);
    }
  }

  const Task* some_task(const State& state) {
    const auto& tasks = state.tasks.rows();
    if (tasks.empty()) return nullptr;
    auto at = tasks.begin();
    std::advance(at, static_cast<std::ptrdiff_t>(story_.dice.roll(tasks.size())));
    return &at->second;
  }

  void place() {
    const State& state = look();
    fb::HoldPlacedT hold;
    hold.place = some_place(state);
    hold.reason = "not now";
    const std::int64_t from_us = state.last_time.us;
    // Some are forgotten, and some are over before they are decided.
    if (!story_.dice.one_in(4)) hold.until = from_us + static_cast<std::int64_t>(story_.dice.roll(600)) * us_per_s;
    say(hold, operators);
  }

  void lift() {
    const State& state = look();
    fb::HoldLiftedT lifted;
    const auto& holds = state.holds.rows();
    lifted.place = holds.empty() || story_.dice.one_in(6) ? some_place(state) : holds.begin()->first;
    say(lifted, operators);
  }

  void let_past() {
    const Task* task = some_task(look());
    if (!task) return;
    fb::HoldOverriddenT past;
    past.task = raw(task->id);
    if (story_.dice.one_in(2)) past.version = raw(task->version) + (story_.dice.one_in(8) ? 1 : 0);
    past.reason = "now";
    say(past, operators);
  }

  /// The daemon plans; sometimes another says that it does.
  void plan() {
    const State& state = look();
    const Task* task = some_task(state);
    if (!task) return;
    fb::FreezePlannedT planned;
    planned.pipeline = state.pipeline_of(*task).name;
    std::int64_t at_us = state.last_time.us;
    for (std::uint64_t i = story_.dice.roll(3); i > 0; --i) {
      auto window = std::make_unique<fb::FreezeWindowT>();
      window->from = at_us + static_cast<std::int64_t>(story_.dice.roll(200)) * us_per_s;
      window->until = window->from + static_cast<std::int64_t>(story_.dice.roll(300)) * us_per_s;
      if (story_.dice.one_in(3)) window->stages.push_back(task->stage);
      at_us = window->from;
      planned.windows.push_back(std::move(window));
    }
    planned.planned_until = at_us + static_cast<std::int64_t>(story_.dice.roll(900)) * us_per_s;
    say(planned, story_.dice.one_in(6) ? operators : std::string());
  }

  /// A calendar that closes some minutes of each day around now, or none. The daemon has to plan it, whatever becomes
  /// of it meanwhile.
  void give_calendar() {
    const State& state = look();
    const Task* task = some_task(state);
    if (!task) return;
    const PipelineRow* row = state.pipeline_in_force(state.pipeline_of(*task).name);
    Pipeline pipeline = *row->definition;
    pipeline.calendar.reset();
    if (!story_.dice.one_in(3)) {
      const std::int64_t minute = state.last_time.us / us_per_s / 60 % minutes_per_day;
      const auto clock = [&](std::int64_t ahead) {
        const std::int64_t at = (minute + ahead + minutes_per_day) % minutes_per_day;
        const std::string part = std::to_string(at % 60);
        return std::to_string(at / 60) + (part.size() == 1 ? ":0" : ":") + part;
      };
      CalendarSpan span{.from = clock(-static_cast<std::int64_t>(story_.dice.roll(5))),
                        .until = clock(story_.dice.between(1, 10))};
      if (story_.dice.one_in(3)) span.stages.push_back(pipeline.stages.front().name);
      pipeline.calendar = Calendar{.zone = "UTC", .closed = {std::move(span)}};
    }
    say(pipeline_event(pipeline), operators);
  }

  void take_calendars_away() {
    std::vector<Pipeline> without;
    for (const auto& [seq, row] : look().pipelines.rows()) {
      if (!row.in_force || !row.definition->calendar) continue;
      without.push_back(*row.definition);
      without.back().calendar.reset();
    }
    for (const Pipeline& pipeline : without) say(pipeline_event(pipeline), operators);
  }

  void free_all() {
    take_calendars_away();
    std::vector<std::string> places;
    for (const auto& [place, row] : look().holds.rows()) places.push_back(place);
    for (const std::string& place : places) {
      fb::HoldLiftedT lifted;
      lifted.place = place;
      say(lifted, operators);
    }
    const auto& freezes = look().freezes.rows();
    if (freezes.empty()) return;
    fb::FreezePlannedT none;
    none.pipeline = freezes.begin()->first;
    say(none, std::string());
  }

  Story& story_;
};

}  // namespace

void send_holder(Story& story) {
  story.send([holder = std::make_shared<Holder>(story)] { holder->live(); });
}

}  // namespace pawl::hostile
