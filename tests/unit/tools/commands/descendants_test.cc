#include "tools/commands/descendants.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>

#include "store/os/descriptor.h"
#include "store/os/process_identity.h"

namespace pawl {
namespace {

/// A child that has a child in another session. Both end with this object.
class Family {
 public:
  Family() {
    std::array<int, 2> told{};
    EXPECT_EQ(::pipe2(told.data(), O_CLOEXEC), 0);
    const Descriptor read(told[0]);
    Descriptor write(told[1]);
    child_ = ::fork();
    if (child_ == 0) {
      ::setsid();
      const pid_t grandchild = ::fork();
      if (grandchild > 0) [[maybe_unused]]
        const ssize_t written = ::write(told[1], &grandchild, sizeof(grandchild));
      while (true) ::pause();
    }
    EXPECT_EQ(::read(read.get(), &grandchild_, sizeof(grandchild_)), static_cast<ssize_t>(sizeof(grandchild_)));
  }
  ~Family() {
    ::kill(grandchild_, SIGKILL);
    ::kill(child_, SIGKILL);
    ::waitpid(child_, nullptr, 0);
  }

  pid_t child() const { return child_; }
  pid_t grandchild() const { return grandchild_; }

 private:
  pid_t child_ = 0;
  pid_t grandchild_ = 0;
};

bool is_in(const std::vector<ProcessId>& found, pid_t pid) {
  return std::any_of(found.begin(), found.end(), [pid](const ProcessId& each) { return each.pid == pid; });
}

TEST(Descendants, are_found_in_other_sessions_and_without_the_root) {
  const Family family;
  const auto ours = descendants_of(::getpid());
  EXPECT_TRUE(is_in(ours, family.child()));
  EXPECT_TRUE(is_in(ours, family.grandchild()));
  EXPECT_FALSE(is_in(ours, ::getpid()));
  const auto childs = descendants_of(family.child());
  EXPECT_EQ(childs.size(), 1U);
  EXPECT_TRUE(is_in(childs, family.grandchild()));
}

TEST(Descendants, a_later_process_with_the_pid_gets_no_signal) {
  const Family family;
  const std::int64_t start = pid_start_of(family.child()).value();
  signal_process({family.child(), start + 1}, SIGKILL);
  siginfo_t ended{};
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(family.child()), &ended, WEXITED | WNOHANG | WNOWAIT), 0);
  EXPECT_EQ(ended.si_pid, 0);
  signal_process({family.child(), start}, SIGTERM);
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(family.child()), &ended, WEXITED | WNOWAIT), 0);
  EXPECT_EQ(ended.si_status, SIGTERM);
}

}  // namespace
}  // namespace pawl
