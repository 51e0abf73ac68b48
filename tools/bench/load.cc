#include "tools/bench/load.h"

#include <ctime>
#include <span>
#include <utility>

namespace pawl::bench {
namespace {

constexpr std::int64_t ns_per_s = 1'000'000'000;
constexpr std::int64_t warm_up_ns_max = ns_per_s / 2;
constexpr std::int64_t show_every_ns = ns_per_s / 5;
constexpr std::uint64_t failures_max = 1000;

std::span<const Verb> steps_of(ActorLoop loop) {
  static constexpr std::array crossing{Verb::acquire, Verb::transition, Verb::release};
  static constexpr std::array lease{Verb::acquire, Verb::renew, Verb::release};
  static constexpr std::array submit{Verb::submit, Verb::cancel};
  static constexpr std::array job{Verb::submit, Verb::claim, Verb::exited, Verb::cancel};
  static constexpr std::array note{Verb::note};
  static constexpr std::array task{Verb::task};
  static constexpr std::array queue{Verb::queue};
  switch (loop) {
    case ActorLoop::guarded:
    case ActorLoop::contended:
      return crossing;
    case ActorLoop::lease:
      return lease;
    case ActorLoop::submit:
      return submit;
    case ActorLoop::job:
      return job;
    case ActorLoop::note:
      return note;
    case ActorLoop::task:
      return task;
    case ActorLoop::queue:
      return queue;
  }
  return {};
}

bool crosses(ActorLoop loop) {
  return loop == ActorLoop::guarded || loop == ActorLoop::contended;
}

}  // namespace

std::int64_t clock_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::int64_t>(now.tv_sec) * ns_per_s + now.tv_nsec;
}

Load::Load(Wish wish)
    : wish_(std::move(wish)),
      began_ns_(clock_ns()),
      measured_from_ns_(wish_.count > 0 ? began_ns_ : began_ns_ + std::min(wish_.for_ns / 10, warm_up_ns_max)),
      actors_(wish_.actors) {
  common_.task = wish_.task;
}

bool Load::is_measured(std::int64_t ns) const {
  return ns >= measured_from_ns_;
}

bool Load::is_over(std::int64_t now_ns) const {
  if (wish_.is_interrupted && wish_.is_interrupted->load()) return true;
  if (failures_in_a_row_ >= failures_max) return true;
  return wish_.count > 0 ? rounds_ >= wish_.count : now_ns - began_ns_ >= wish_.for_ns;
}

std::int64_t Load::due_ns(std::size_t actor) const {
  const MutexLock lock(mutex_);
  return actors_[actor].due_ns;
}

Verb Load::verb_of(const Actor& actor) const {
  // A task that reached its last stage is replaced. Those who lost a race go on asking for the old one until then.
  const bool needs_task = crosses(wish_.loop) && actor.step == 0 && actor.version > stages;
  if (needs_task || (wish_.loop == ActorLoop::guarded && actor.task == 0)) return Verb::submit;
  return steps_of(wish_.loop)[actor.step];
}

std::optional<Op> Load::next(std::size_t index) {
  const MutexLock lock(mutex_);
  Actor& actor = actors_[index];
  if (actor.step == 0 && is_over(clock_ns())) return std::nullopt;
  Op op{.verb = verb_of(actor), .actor = index};
  if (op.verb == Verb::submit) op.number = ++*wish_.submissions;
  const bool shares =
      wish_.loop == ActorLoop::contended || wish_.loop == ActorLoop::note || wish_.loop == ActorLoop::task;
  // A holder stays with the task that it holds.
  if (shares && actor.step == 0) actor.task = common_.task;
  op.task = actor.task;
  op.version = wish_.loop == ActorLoop::contended ? common_.version : actor.version;
  op.token = actor.token;
  op.job = actor.job;
  op.attempt = actor.attempt;
  return op;
}

void Load::keep(Actor& actor, const Op& op, const Reply& reply) {
  switch (op.verb) {
    case Verb::submit:
      actor.task = reply.id;
      actor.version = 1;
      actor.job = 0;  // of the round before; this one may find none
      if (wish_.loop == ActorLoop::contended) {
        common_.task = actor.task;
        common_.version = 1;
      }
      break;
    case Verb::acquire:
      actor.token = reply.token;
      break;
    case Verb::transition:
      actor.version = op.version + 1;
      common_.version = actor.version;
      break;
    case Verb::claim:
      actor.job = reply.id;
      actor.attempt = reply.attempt;
      break;
    case Verb::renew:
    case Verb::release:
    case Verb::exited:
    case Verb::cancel:
    case Verb::note:
    case Verb::task:
    case Verb::queue:
      break;
  }
}

void Load::end_round(Actor& actor, std::int64_t now_ns) {
  actor.step = 0;
  actor.due_ns = now_ns + wish_.think_ns;
  ++rounds_;
  if (is_measured(now_ns)) ++figures_.rounds;
}

void Load::advance(Actor& actor, const Op& op, const Reply& reply, std::int64_t now_ns) {
  if (reply.kind != Reply::Kind::done) {
    const auto steps = steps_of(wish_.loop);
    // What was begun has to be given back: the lease, the submitted task. The last step does so.
    const bool gives_back = actor.step > 0 && actor.step + 1 < steps.size();
    actor.step = gives_back ? static_cast<unsigned>(steps.size()) - 1 : 0;
    return;
  }
  keep(actor, op, reply);
  const bool is_upkeep = crosses(wish_.loop) && op.verb == Verb::submit;
  if (is_upkeep) return;
  if (++actor.step == steps_of(wish_.loop).size()) end_round(actor, now_ns);
}

void Load::took(const Op& op, const Reply& reply, std::int64_t sent_ns, std::int64_t taken_ns) {
  const MutexLock lock(mutex_);
  last_ns_ = std::max(last_ns_, taken_ns);
  if (is_measured(sent_ns)) {
    VerbFigures& figures = figures_.of_verb[static_cast<std::size_t>(op.verb)];
    switch (reply.kind) {
      case Reply::Kind::done:
        figures.done.add(taken_ns - sent_ns);
        break;
      case Reply::Kind::lost:
        ++figures.lost;
        break;
      case Reply::Kind::empty:
        ++figures.empty;
        break;
      case Reply::Kind::failed:
        break;
    }
  }
  // Counted at any time: an error explains the figures, also one of the warm-up.
  if (reply.kind == Reply::Kind::failed) ++figures_.errors[std::string(name(op.verb)) + ": " + reply.code];
  failures_in_a_row_ = reply.kind == Reply::Kind::failed ? failures_in_a_row_ + 1 : 0;
  advance(actors_[op.actor], op, reply, taken_ns);
}

void Load::tick() {
  const std::int64_t now_ns = clock_ns();
  if (!wish_.progress || now_ns - shown_ns_ < show_every_ns) return;
  shown_ns_ = now_ns;
  std::uint64_t rounds = 0;
  {
    const MutexLock lock(mutex_);
    rounds = rounds_;
  }
  wish_.progress(rounds, now_ns - began_ns_);
}

std::vector<std::uint64_t> Load::tasks() const {
  const MutexLock lock(mutex_);
  std::vector<std::uint64_t> out;
  if (common_.task != 0) out.push_back(common_.task);
  for (const Actor& actor : actors_) {
    if (actor.task != 0 && actor.task != common_.task) out.push_back(actor.task);
  }
  return out;
}

Figures Load::figures() const {
  const MutexLock lock(mutex_);
  Figures out = figures_;
  out.wall_ns = std::max<std::int64_t>(last_ns_ - measured_from_ns_, 0);
  out.all_rounds = rounds_;
  return out;
}

}  // namespace pawl::bench
