// A function on its own stack, which can stop midway and go on later. So straight-line code that blocks (advance,
// reap_job, reconcile) can be interleaved at every place where it blocks, on one thread, in an order that a seed
// decides.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

namespace pawl::hostile {

class Fiber {
 public:
  /// The body begins with the first resume().
  explicit Fiber(std::function<void()> body);
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;
  /// Unwinds a body that has not ended: the place where it stopped throws, and its destructors run. They must not
  /// suspend. Call from outside the body.
  ~Fiber();

  /// Lets the body run until it suspends or ends.
  void resume();
  bool has_ended() const;

  /// Goes back to the caller of resume(), and returns with the next resume(). Call from within the body.
  void suspend();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pawl::hostile
