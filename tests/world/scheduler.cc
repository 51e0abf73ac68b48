#include "tests/world/scheduler.h"

#include <algorithm>

#include "schema/result.h"

namespace pawl::hostile {

ActorId Scheduler::spawn(Party party, std::function<void()> body) {
  const ActorId id = next_actor_++;
  Actor& actor = actors_[id];
  actor.party = party;
  actor.fiber = std::make_unique<Fiber>(std::move(body));
  ready_.push_back(id);
  return id;
}

void Scheduler::at(Us time, std::function<void()> event) {
  timers_[{std::max(time, now_), next_timer_++}] = {.event = std::move(event)};
}

void Scheduler::make_ready(ActorId id, Actor& actor) {
  if (actor.ready) return;
  actor.ready = true;
  actor.may_be_woken = false;
  ++actor.sleep;
  ready_.push_back(id);
}

void Scheduler::pause() {
  Actor& actor = actors_.at(current_);
  actor.ready = true;
  ready_.push_back(current_);
  actor.fiber->suspend();
}

void Scheduler::wait() {
  wait_until(std::nullopt, Wake::allowed);
}

void Scheduler::wait_until(std::optional<Us> time, Wake wake) {
  Actor& actor = actors_.at(current_);
  actor.may_be_woken = wake == Wake::allowed;
  if (time) timers_[{std::max(*time, now_), next_timer_++}] = {.actor = current_, .sleep = actor.sleep, .event = {}};
  actor.fiber->suspend();
}

void Scheduler::wake(ActorId id) {
  const auto found = actors_.find(id);
  if (found != actors_.end() && found->second.may_be_woken) make_ready(id, found->second);
}

void Scheduler::kill(Party party) {
  PAWL_ASSERT(current_ == 0);
  // Out of the table first: what unwinds may look for other actors.
  std::vector<std::unique_ptr<Fiber>> dying;
  for (auto at = actors_.begin(); at != actors_.end();) {
    if (at->second.party == party) {
      dying.push_back(std::move(at->second.fiber));
      at = actors_.erase(at);
    } else {
      ++at;
    }
  }
  std::erase_if(ready_, [this](ActorId id) { return !actors_.contains(id); });
}

void Scheduler::resume(std::size_t nth) {
  const ActorId id = ready_[nth];
  ready_[nth] = ready_.back();
  ready_.pop_back();
  Actor& actor = actors_.at(id);
  actor.ready = false;
  current_ = id;
  actor.fiber->resume();
  current_ = 0;
  if (actor.fiber->has_ended()) actors_.erase(id);
}

void Scheduler::fire_first() {
  now_ = std::max(now_, timers_.begin()->first.first);
  Timer timer = std::move(timers_.begin()->second);
  timers_.erase(timers_.begin());
  if (timer.actor == 0) return timer.event();
  const auto found = actors_.find(timer.actor);
  if (found != actors_.end() && found->second.sleep == timer.sleep) make_ready(timer.actor, found->second);
}

void Scheduler::advance_time(Us by) {
  const Us until = now_ + by;
  while (!timers_.empty() && timers_.begin()->first.first <= until) fire_first();
  now_ = until;
}

bool Scheduler::next_timer() {
  if (timers_.empty()) return false;
  fire_first();
  return true;
}

}  // namespace pawl::hostile
