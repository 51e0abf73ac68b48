// A command's process, from fork to exec. Linked into the daemon and into the keeper's program, so it uses only the C
// library. It neither allocates nor locks, since it may run in the forked child of a multi-threaded process.
#pragma once

#include <sys/types.h>

#include <cstddef>

namespace pawl {

/// Where the command's process failed before its program began; sent to pawld with errno.
enum class Progress : int { ready, descriptors, folder, exec, keeper };

struct Report {
  Progress progress = Progress::ready;
  int error = 0;
};

/// Everything that the command's process needs, prepared before the fork.
struct Plan {
  const char* program;
  const char* folder;
  char* const* arguments;
  char* const* environment;
  int output;
  int control;
  const int* kept;  // `output`, `control` and the inherited descriptors, ascending
  std::size_t kept_count;
};

/// Reports that it is ready, waits for a message on `control`, then executes. If none comes, it exits.
[[noreturn]] void run_command(const Plan& plan);

/// Reports errno, and exits.
[[noreturn]] void give_up(const Plan& plan, Progress progress);

/// Closes all descriptors except those listed, in ascending order, and 0 to 2.
void close_all_but(const int* kept, std::size_t count);

/// What a keeper sends to pawld on its report socket.
struct KeeperWord {
  enum class What : int { begun, ended };
  What what = What::begun;
  pid_t pid = 0;  // of the command
  int code = 0;   // ended: CLD_EXITED and the like
  int status = 0;
};
/// pawld sends this once, when the command's pid may be reused. Closing the report socket means the same.
constexpr char may_reap = '!';

}  // namespace pawl
