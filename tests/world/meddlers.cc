// Actors that come for a task while something is under way for it: a gate, a step, a probe. Each thing they do is
// allowed; what makes it hostile is the moment, and that they do not stop at one.
#include <algorithm>

#include "schema/proposal.h"
#include "tests/world/daemon.h"

namespace pawl::hostile {
namespace {

class Meddler {
 public:
  Meddler(Story& story, TaskId task) : story_(story), task_(task) {}

  void come() {
    // To come for a held lease, they first take it away.
    if (story_.dice.one_in(2)) take_lease_away();
    const std::uint64_t deeds = 1 + story_.dice.roll(3);
    for (std::uint64_t i = 0; i < deeds && story_.is_hostile(); ++i) {
      if (!look()) return;
      meddle();
      story_.scheduler.sleep(story_.dice.between(0, story_.dice.one_in(3) ? 5000 : 5) * ms);
    }
  }

  void take_away() {
    take_lease_away();
    if (look()) advance();
  }

 private:
  bool look() {
    view_ = story_.look_at(task_);
    return view_ && !is_terminal(view_->task.stage);
  }

  Requester requester(const char* actor) {
    return {.boot = story_.daemon_that_serves().boot_id(),
            .actor = actor,
            .key = {},
            .request = {},
            .principal = operators};
  }

  /// Does not wait for the answer.
  template <class Event>
  void say(const Event& event) {
    const Requester by = requester("operator");
    story_.daemon().submit({.group = propose_group(by, event),
                            .resolve = {},
                            .look = {},
                            .done = [&story = story_](std::optional<Decision> given) { story.told(*given); }});
  }

  void meddle() {
    switch (story_.dice.roll(16)) {
      case 0:
      case 1:
        return take_lease_away();
      case 2:
      case 3:
        return move();
      case 4:
        move();
        return advance();
      case 5:
        advance();
        return story_.dice.one_in(2) ? move() : block();
      case 6:
        return advance();
      case 7:
      case 8:
        return story_.call_worker(task_);
      case 9:
        return kill_owner();
      case 10:
        return say_it_is_done();
      case 11:
        return story_.dice.one_in(3) ? block() : give_back_repo();
      case 12:
        return story_.dice.one_in(4) ? cancel() : retry();
      case 13:
        return story_.daemon_that_serves().pass_now();
      case 14:
        if (story_.dice.one_in(8) && story_.allows(Hostility::clean_stop)) story_.tell_to_end();
        return;
      default:
        if (story_.dice.one_in(8)) switch_off();
        if (story_.dice.one_in(8)) story_.strike_down();
    }
  }

  void take_lease_away() {
    if (!look() || !view_->lease) return;
    fb::LeaseReclaimedT event;
    event.key = view_->lease->key;
    event.token = raw(view_->lease->token);
    event.reason = fb::ReclaimReason::forced;
    story_.ask(propose_group(requester("operator"), event));
  }

  void give_back_repo() {
    if (!view_->repo_lease) return;
    fb::LeaseReclaimedT event;
    event.key = view_->repo_lease->key;
    event.token = raw(view_->repo_lease->token);
    event.reason = fb::ReclaimReason::forced;
    say(event);
  }

  /// By hand, and again as long as the task may not move: what is in its way soon ends.
  void move() {
    const Stage& stage = *view_->stage();
    fb::StageTransitionT event;
    event.task = raw(task_);
    event.to = !stage.rollback.empty() && !story_.dice.one_in(4) ? stage.rollback : stage.to;
    event.expected_version = raw(view_->task.version);
    event.reason = "by hand";
    for (std::uint64_t tries = 1 + story_.dice.roll(6); tries > 0; --tries) {
      story_.daemon_that_serves();
      say(event);
      story_.scheduler.sleep(story_.dice.between(0, 2) * ms);
    }
  }

  /// A second path beside the one under way.
  void advance() {
    const Requester by = requester(story_.dice.one_in(2) ? "operator" : "finalizer");
    story_.daemon().advance({.task = task_, .version = view_->task.version, .requester = by},
                            [](const AdvanceAnswer&) {});
  }

  void block() {
    fb::TaskBlockedT event;
    event.task = raw(task_);
    event.version = raw(view_->task.version);
    event.reason = "hold on";
    say(event);
  }

  void cancel() {
    if (!story_.allows(Hostility::cancel)) return;
    fb::CancelRequestedT event;
    event.task = raw(task_);
    say(event);
  }

  void retry() {
    fb::JobQueuedT event;
    event.task = raw(task_);
    event.reason = "retry";
    say(event);
  }

  void kill_owner() {
    if (!view_->lease) return;
    const auto owner = story_.workers.find(view_->lease->owner.boot_id);
    if (owner != story_.workers.end()) return story_.machines.kill(owner->second.process);
    if (story_.dice.one_in(8)) story_.strike_down();
  }

  /// Only the truth; for repeatable steps it does not matter.
  void say_it_is_done() {
    const StepRow* step = open_step(view_->task);
    if (!step) return;
    hang(*step);
    if (step->irreversible && story_.targets.happened({task_, step->version, step->step}) != Verdict::yes) return;
    fb::StepFinishedT event;
    event.task = raw(task_);
    event.version = raw(step->version);
    event.step = step->step;
    event.started = raw(step->started);
    event.outcome = fb::StepOutcome::done;
    event.by = fb::StepBy::operator_;
    say(event);
  }

  /// It does not end, whatever is done about it.
  void hang(const StepRow& step) {
    const std::vector<ProcessPtr> processes = story_.machines.of_run(story_.machines.host(daemon_machine), step.run);
    if (processes.empty() || !story_.strikes(Hostility::stubborn, 30)) return;
    processes.front()->stubborn_until = story_.scheduler.now() + story_.dice.between(1, 600) * second;
  }

  /// Not for long.
  void switch_off() {
    if (!story_.allows(Hostility::kill_switch)) return;
    set_ownership(false);
    if (story_.dice.one_in(2)) advance();
    story_.scheduler.sleep(story_.dice.between(1, 20) * second);
    set_ownership(true);
  }

  void set_ownership(bool enabled) {
    fb::SettingChangedT event;
    event.key = "ownership.enabled";
    event.value = std::make_unique<fb::SettingValueT>(setting_value_event(enabled));
    while (!story_.ask(propose_group(requester("operator"), event))) {
    }
  }

  Story& story_;
  TaskId task_;
  std::optional<TaskView> view_;
};

}  // namespace

Us meddle(Story& story, TaskId task, Us work, Us most) {
  if (!story.strikes(Hostility::meddling, 15)) return work;
  // What is over at once cannot be disturbed.
  if (story.dice.one_in(2)) work = std::clamp<Us>(work, std::min(second, most), most);
  const std::uint64_t when = story.dice.roll(4);
  const Us end = std::max<Us>(0, work + story.dice.between(-3, 3) * ms);
  const Us moment = when == 0 ? 0 : when == 1 ? end : story.dice.between(0, work);
  story.send([&story, task, moment] {
    story.scheduler.sleep(moment);
    Meddler(story, task).come();
  });
  return work;
}

void take_away(Story& story, TaskId task, Us when) {
  story.send([&story, task, when] {
    story.scheduler.sleep(when);
    if (story.is_hostile()) Meddler(story, task).take_away();
  });
}

}  // namespace pawl::hostile
