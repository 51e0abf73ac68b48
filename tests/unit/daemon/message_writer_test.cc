#include "daemon/message_writer.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <string>

#include "tests/unit/daemon/comes_true.h"

namespace pawl {
namespace {

using std::chrono::milliseconds;

/// A pipe that holds one page.
struct Pipe {
  Pipe() {
    ::signal(SIGPIPE, SIG_IGN);
    EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    EXPECT_GE(::fcntl(ends[1], F_SETPIPE_SZ, 4096), 4096);
  }
  ~Pipe() {
    for (const int end : ends) ::close(end);
  }
  void fill() {
    ::fcntl(ends[1], F_SETFL, O_NONBLOCK);
    const std::string page(4096, '.');
    for (std::size_t size : {std::size_t{4096}, std::size_t{1}}) {
      while (::write(ends[1], page.data(), size) > 0) {
      }
    }
    ::fcntl(ends[1], F_SETFL, 0);
  }
  std::string read_some() const {
    std::string some(8192, '\0');
    const ssize_t got = ::read(ends[0], some.data(), some.size());
    some.resize(static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    return some;
  }

  std::array<int, 2> ends{};
};

TEST(MessageWriter, lines_come_out_in_order) {
  const Pipe pipe;
  MessageWriter writer(pipe.ends[1]);
  EXPECT_TRUE(writer.take("one\n"));
  EXPECT_TRUE(writer.take("two\n"));
  EXPECT_TRUE(writer.flush(std::chrono::minutes(2)));
  EXPECT_EQ(pipe.read_some(), "one\ntwo\n");
  EXPECT_EQ(writer.dropped(), 0U);
}

TEST(MessageWriter, who_speaks_into_a_full_pipe_is_not_held_up_and_what_has_no_room_is_counted) {
  Pipe pipe;
  pipe.fill();
  std::uint64_t dropped = 0;
  {
    MessageWriter writer(pipe.ends[1], {.lines_max = 10, .bytes_max = 100});
    for (int i = 0; i < 100; ++i) dropped += writer.take("line\n") ? 0U : 1U;
    EXPECT_GE(dropped, 89U) << "ten are queued, and the writer may hold one";
    EXPECT_EQ(writer.dropped(), dropped);
    EXPECT_FALSE(writer.take(std::string(101, 'x')));
    EXPECT_FALSE(writer.flush(milliseconds(10)));
  }  // Its end is not held up either.
  // Queued messages are still written, so that no thread writes to a descriptor that has been reused by then.
  std::size_t lines = 0;
  while (lines < 100 - dropped) {
    const std::string some = pipe.read_some();
    lines += static_cast<std::size_t>(std::count(some.begin(), some.end(), '\n'));
  }
}

TEST(MessageWriter, goes_on_when_somebody_reads_again) {
  Pipe pipe;
  pipe.fill();
  MessageWriter writer(pipe.ends[1]);
  EXPECT_TRUE(writer.take("at last\n"));
  std::string read;
  while (read.find("at last") == std::string::npos) read += pipe.read_some();
  EXPECT_TRUE(writer.flush(std::chrono::minutes(2)));
  EXPECT_EQ(writer.dropped(), 0U);
}

TEST(MessageWriter, what_cannot_be_written_is_counted) {
  Pipe pipe;
  ::close(std::exchange(pipe.ends[0], -1));
  MessageWriter broken(pipe.ends[1]);
  EXPECT_TRUE(broken.take("to nobody\n"));
  EXPECT_TRUE(comes_true([&] { return broken.dropped() == 1; }));
  MessageWriter closed(-1);
  EXPECT_TRUE(closed.take("to nobody\n"));
  EXPECT_TRUE(comes_true([&] { return closed.dropped() == 1; }));
}

}  // namespace
}  // namespace pawl
