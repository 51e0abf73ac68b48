// Someone who cannot wait, or wants others to: changes priorities, puts tasks off, and says how much a level is worth.
#include "tests/world/daemon.h"

namespace pawl::hostile {
namespace {

class Impatient {
 public:
  explicit Impatient(Story& story) : story_(story) {}

  [[noreturn]] void live() {
    for (;;) {
      story_.scheduler.sleep(story_.dice.between(10, 300) * second);
      if (!story_.is_hostile()) {
        put_nothing_off();
        continue;
      }
      if (!story_.allows(Hostility::turn)) continue;
      if (story_.dice.one_in(12)) {
        revalue();
      } else {
        change();
      }
    }
  }

 private:
  /// Waits for a daemon: what was seen of the state before is gone.
  const State& look() { return story_.daemon_that_serves().decided(); }

  template <class Event>
  void say(const Event& event) {
    story_.ask(propose_group({.boot = story_.daemon_that_serves().boot_id(),
                              .actor = "impatient",
                              .key = {},
                              .request = {},
                              .principal = operators},
                             event));
  }

  /// Sometimes too high a priority, a task that is not there, or two times that contradict each other.
  void change() {
    const State& state = look();
    const auto& tasks = state.tasks.rows();
    if (tasks.empty()) return;
    auto at = tasks.begin();
    std::advance(at, static_cast<std::ptrdiff_t>(story_.dice.roll(tasks.size())));
    fb::TaskPrioritizedT turn;
    turn.task = raw(at->first) + (story_.dice.one_in(12) ? 1000 : 0);
    turn.reason = "now";
    if (!story_.dice.one_in(3)) turn.priority = static_cast<std::int64_t>(story_.dice.roll(206)) - 103;
    if (story_.dice.one_in(2)) {
      turn.not_before = state.last_time.us + static_cast<std::int64_t>(story_.dice.roll(300)) * us_per_s;
    }
    turn.clear_not_before = story_.dice.one_in(6);
    say(turn);
  }

  void revalue() {
    fb::SettingChangedT set;
    set.key = "queue.priority_s";
    set.value = std::make_unique<fb::SettingValueT>();
    set.value->number = static_cast<std::int64_t>(story_.dice.roll(4)) * 200;
    say(set);
  }

  void put_nothing_off() {
    std::vector<TaskId> put_off;
    for (const auto& [time, task] : look().indexes.not_before) put_off.push_back(task);
    for (const TaskId task : put_off) {
      fb::TaskPrioritizedT turn;
      turn.task = raw(task);
      turn.clear_not_before = true;
      say(turn);
    }
  }

  Story& story_;
};

}  // namespace

void send_impatient(Story& story) {
  story.send([impatient = std::make_shared<Impatient>(story)] { impatient->live(); });
}

}  // namespace pawl::hostile
