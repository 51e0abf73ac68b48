#include "daemon/preflight.h"

#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <latch>
#include <string>
#include <system_error>
#include <vector>

#include "schema/limits.h"

namespace pawl {
namespace {

/// For the log's files, the daemon's own, and a process or two.
constexpr std::size_t descriptors_of_the_log = 96;
constexpr std::size_t connections_min = 16;

constexpr const char* thread_limits =
    "; see `ulimit -u` (RLIMIT_NPROC) of this user, and pids.max of its container or service (TasksMax=)";

[[noreturn]] void end_with_a_sentence() {
  if (const std::exception_ptr thrown = std::current_exception()) {
    try {
      std::rethrow_exception(thrown);
    } catch (const std::system_error& error) {
      if (error.code() != std::errc::resource_unavailable_try_again) throw;
      const std::string text = std::string("pawld: exiting: cannot start a thread") + thread_limits + "\n";
      const ssize_t ignored = ::write(STDERR_FILENO, text.data(), text.size());
      static_cast<void>(ignored);
      std::_Exit(EXIT_FAILURE);
    }
  }
  std::abort();
}

}  // namespace

Result<std::size_t> connections_for(std::size_t descriptors) {
  if (descriptors < descriptors_of_the_log + 2 * connections_min) {
    return Error{ErrorCode::io, "only " + std::to_string(descriptors) +
                                    " descriptors may be open (ulimit -n, LimitNOFILE=); at least " +
                                    std::to_string(descriptors_of_the_log + 2 * connections_min) + " are needed, and " +
                                    std::to_string(limits::descriptors_wanted) + " are recommended"};
  }
  return std::min(limits::connections_max, (descriptors - descriptors_of_the_log) / 2);
}

Result<void> check_threads(std::size_t count) {
  struct Barrier {
    std::latch opens{1};
    static void* wait(void* barrier) {
      static_cast<Barrier*>(barrier)->opens.wait();
      return nullptr;
    }
  } barrier;
  std::vector<pthread_t> threads;
  int failure = 0;
  while (threads.size() < count) {
    pthread_t thread{};
    failure = ::pthread_create(&thread, nullptr, Barrier::wait, &barrier);
    if (failure != 0) break;
    threads.push_back(thread);
  }
  barrier.opens.count_down();
  for (const pthread_t thread : threads) ::pthread_join(thread, nullptr);
  if (failure == 0) return {};
  return Error{ErrorCode::io, "only " + std::to_string(threads.size()) + " more threads can be started, and " +
                                  std::to_string(count) + " are needed: " + std::strerror(failure) + thread_limits};
}

void explain_missing_threads() {
  std::set_terminate(end_with_a_sentence);
}

}  // namespace pawl
