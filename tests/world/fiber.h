// A function on a stack of its own, which can stop in the midst of itself and go on later: so that straight-line code
// that blocks (advance, reap_job, reconcile) can be interleaved at every place where it does, on one thread and in an
// order that a seed decides.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

namespace pawl::hostile {

class Fiber {
 public:
  /// Begins with the first resume().
  explicit Fiber(std::function<void()> body);
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;
  /// A body that has not ended is unwound: the place where it stopped throws, and its destructors run. They must not
  /// suspend. From outside of the body.
  ~Fiber();

  /// Lets the body go on until it suspends or ends.
  void resume();
  bool has_ended() const;

  /// Back to whoever resumed; returns with the next resume(). From within the body.
  void suspend();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pawl::hostile
