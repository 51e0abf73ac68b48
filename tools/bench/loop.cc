#include "tools/bench/loop.h"

namespace pawl::bench {

std::string_view name(Verb verb) {
  switch (verb) {
    case Verb::submit:
      return "submit";
    case Verb::acquire:
      return "acquire";
    case Verb::renew:
      return "renew";
    case Verb::transition:
      return "transition";
    case Verb::release:
      return "release";
    case Verb::claim:
      return "claim";
    case Verb::exited:
      return "exited";
    case Verb::cancel:
      return "cancel";
    case Verb::note:
      return "note";
    case Verb::task:
      return "task";
    case Verb::queue:
      return "queue";
  }
  return "";
}

std::string_view name(ActorLoop loop) {
  switch (loop) {
    case ActorLoop::guarded:
      return "guarded";
    case ActorLoop::contended:
      return "contended";
    case ActorLoop::lease:
      return "lease";
    case ActorLoop::submit:
      return "submit";
    case ActorLoop::job:
      return "job";
    case ActorLoop::note:
      return "note";
    case ActorLoop::task:
      return "task";
    case ActorLoop::queue:
      return "queue";
  }
  return "";
}

std::optional<ActorLoop> loop_named(std::string_view wanted) {
  for (const ActorLoop loop : loops) {
    if (name(loop) == wanted) return loop;
  }
  return std::nullopt;
}

std::string stage_name(std::uint64_t number) {
  return number > stages ? "done" : "s" + std::to_string(number);
}

std::string repo_name(std::size_t actor) {
  return std::string(repo_prefix) + std::to_string(actor + 1);
}

bool is_lost_race(std::string_view code) {
  // `terminal`: a faster actor has moved the task to done.
  return code == "lease_held" || code == "version_conflict" || code == "terminal";
}

}  // namespace pawl::bench
