// The log's interface for the daemon's own threads: a machine that also allows reads, conditional proposals and
// subscriptions. The sequencer implements it; the tests' hostile world has an implementation without threads.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <utility>

#include "store/commit/batch.h"

namespace pawl {

/// A state that can be looked at.
class StateReader {
 public:
  virtual ~StateReader() = default;

  /// Runs `look` on the state, and blocks until what it saw is durable. At most limits::rows_per_read_max rows per
  /// call.
  virtual void look(const std::function<void(const State&)>& look) = 0;
  /// The same; returns the result of `look`.
  template <class Look>
  auto ask(Look see) -> decltype(see(std::declval<const State&>())) {
    std::optional<decltype(see(std::declval<const State&>()))> answer;
    look([&](const State& state) { answer.emplace(see(state)); });
    return std::move(*answer);
  }
};

/// Threads: any; never call the blocking functions from a callback.
class Desk : public Machine, public StateReader {
 public:
  /// Like propose(), but only if `holds` is true for the state right before the decision; none if it is false.
  virtual std::optional<Decision> propose_if(Group group, std::function<bool(const State&)> holds) = 0;

  /// Calls `listener` with the records of each durable batch from the next one on, in order, live ones only. It must
  /// not block. Returns an id for unsubscribe().
  virtual std::uint64_t subscribe(std::function<void(std::span<const Published>)> listener) = 0;
  virtual void unsubscribe(std::uint64_t id) = 0;
};

}  // namespace pawl
