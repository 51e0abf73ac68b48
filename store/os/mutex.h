// A mutex whose owner clang can follow: what it guards says so, and a forgotten lock is an error of the clang preset.
//
// libstdc++'s std::mutex bears no such attributes (libc++'s does), hence these two classes around it. g++ sees none of
// the attributes. The analysis: https://clang.llvm.org/docs/ThreadSafetyAnalysis.html
#pragma once

#include <mutex>

#if defined(__clang__)
#define PAWL_THREAD_ANNOTATION(x) __attribute__((x))
#else
#define PAWL_THREAD_ANNOTATION(x)
#endif

/// Of a member: read and written only with the mutex held.
#define PAWL_GUARDED_BY(mutex) PAWL_THREAD_ANNOTATION(guarded_by(mutex))
/// Of a function or a lambda: called only with the mutex held, which it does not give back.
#define PAWL_REQUIRES(...) PAWL_THREAD_ANNOTATION(exclusive_locks_required(__VA_ARGS__))

/// Of a function that the analysis cannot follow: it works on a lock that it is passed.
#define PAWL_UNCHECKED_LOCKS PAWL_THREAD_ANNOTATION(no_thread_safety_analysis)

namespace pawl {

class PAWL_THREAD_ANNOTATION(capability("mutex")) Mutex {
 public:
  Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

 private:
  friend class MutexLock;

  std::mutex mutex_;
};

/// Holds a mutex until the end of its scope, as std::unique_lock does.
class PAWL_THREAD_ANNOTATION(scoped_lockable) MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) PAWL_THREAD_ANNOTATION(acquire_capability(mutex)) : lock_(mutex.mutex_) {}
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;
  ~MutexLock() PAWL_THREAD_ANNOTATION(release_capability()) {}

  void lock() PAWL_THREAD_ANNOTATION(acquire_capability()) { lock_.lock(); }
  void unlock() PAWL_THREAD_ANNOTATION(release_capability()) { lock_.unlock(); }

  /// For std::condition_variable, which gives it back while it waits and holds it again afterwards. The predicate is a
  /// lambda that says PAWL_REQUIRES(the mutex).
  std::unique_lock<std::mutex>& waiting() { return lock_; }

 private:
  std::unique_lock<std::mutex> lock_;
};

}  // namespace pawl
