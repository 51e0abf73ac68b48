// Where the daemon's own threads bring what they want of the log: a machine that can also be looked at, asked on
// condition, and listened to. The sequencer is one; the hostile world of the tests has one without threads.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <utility>

#include "store/commit/batch.h"

namespace pawl {

/// Threads: any; what blocks never from a callback.
class Desk : public Machine {
 public:
  /// Runs `look` on the state, and blocks until what it saw is durable. At most limits::rows_per_read_max rows a call.
  virtual void look(const std::function<void(const State&)>& look) = 0;
  /// The same, for what `look` answers.
  template <class Look>
  auto ask(Look see) -> decltype(see(std::declval<const State&>())) {
    std::optional<decltype(see(std::declval<const State&>()))> answer;
    look([&](const State& state) { answer.emplace(see(state)); });
    return std::move(*answer);
  }

  /// As propose(), if `holds` says so of the state right before the decision; none if it does not.
  virtual std::optional<Decision> propose_if(Group group, std::function<bool(const State&)> holds) = 0;

  /// Calls `listener` with the records of each durable batch, in order, live ones only. It must not block. From the
  /// next batch on; returns an id for unsubscribe().
  virtual std::uint64_t subscribe(std::function<void(std::span<const Published>)> listener) = 0;
  virtual void unsubscribe(std::uint64_t id) = 0;
};

}  // namespace pawl
