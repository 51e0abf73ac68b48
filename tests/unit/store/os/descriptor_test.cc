#include "store/os/descriptor.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

namespace pawl {
namespace {

TEST(StandardDescriptors, that_are_closed_are_given_to_no_file) {
  const pid_t child = ::fork();
  if (child == 0) {
    for (const int fd : {0, 2}) ::close(fd);
    occupy_standard_descriptors();
    const int file = ::open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
    char byte = 'x';
    const bool nothing_is_read = ::read(0, &byte, 1) < 0 && errno == EBADF;
    const bool nothing_is_written = ::write(2, &byte, 1) < 0 && errno == EBADF;
    const bool commands_find_it_closed = (::fcntl(2, F_GETFD) & FD_CLOEXEC) != 0;
    const bool others_are_as_they_were = (::fcntl(1, F_GETFD) & FD_CLOEXEC) == 0;
    ::_exit(file > 2 && nothing_is_read && nothing_is_written && commands_find_it_closed && others_are_as_they_were
                ? 41
                : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 41);
}

}  // namespace
}  // namespace pawl
