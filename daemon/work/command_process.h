// The process of a command, from its fork to its program. Linked into the daemon and into the keeper's program, so it
// uses nothing but the C library; and nothing that allocates or locks, since it may be called in a child of a process
// with many threads.
#pragma once

#include <sys/types.h>

#include <cstddef>

namespace pawl {

/// Where in the command's process something went wrong before its program began; sent to pawld with errno.
enum class Progress : int { ready, descriptors, folder, exec, keeper };

struct Report {
  Progress progress = Progress::ready;
  int error = 0;
};

/// All that the command's process needs, made before the fork.
struct Plan {
  const char* program;
  const char* folder;
  char* const* arguments;
  char* const* environment;
  int output;
  int control;
  const int* kept;  // `output`, `control`, and what is inherited, ascending
  std::size_t kept_count;
};

/// Says that it is ready, waits for a word on `control`, and executes. Without a word it ends.
[[noreturn]] void run_command(const Plan& plan);

/// Reports what errno says, and ends.
[[noreturn]] void give_up(const Plan& plan, Progress progress);

/// Closes all but those, which are ascending, and the first three.
void close_all_but(const int* kept, std::size_t count);

/// What a keeper tells pawld over its report.
struct KeeperWord {
  enum class What : int { begun, ended };
  What what = What::begun;
  pid_t pid = 0;  // of the command
  int code = 0;   // ended: CLD_EXITED and the like
  int status = 0;
};
/// What pawld tells it once, when the number of the command may become somebody else's. The end of the report says it
/// too.
constexpr char may_reap = '!';

}  // namespace pawl
