#include "daemon/end_signals.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>

#include "tests/unit/daemon/comes_true.h"

namespace pawl {
namespace {

/// Runs `body` in a child, and returns the number that it ends with: signal tests must not receive signals meant for
/// others.
int in_a_child(const std::function<int()>& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::setsid();  // no terminal
    ::alarm(60);
    ::_exit(body());
  }
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

void send(int number) {
  ::kill(::getpid(), number);
}

TEST(EndSignals, signal_while_the_daemon_starts_ends_it_at_once) {
  for (const int number : {SIGTERM, SIGINT}) {
    const int left = in_a_child([number] {
      block_end_signals();
      EndSignals signals({.hung_up = [] {}, .leave = [](int by) { ::_exit(by == SIGTERM ? 41 : 42); }});
      send(number);
      while (true) ::pause();  // an endless replay
      return 1;
    });
    ASSERT_EQ(left, number == SIGTERM ? 41 : 42);
  }
}

TEST(EndSignals, signal_of_a_daemon_that_has_started_is_waited_for) {
  const int waited = in_a_child([] {
    block_end_signals();
    EndSignals signals({.hung_up = [] {}, .leave = [](int) { ::_exit(1); }});
    signals.started();
    send(SIGTERM);
    return signals.wait() == SIGTERM ? 43 : 2;
  });
  EXPECT_EQ(waited, 43);
}

TEST(EndSignals, further_signal_is_told_of_until_nobody_wants_to_know) {
  const int told = in_a_child([] {
    block_end_signals();
    EndSignals signals({.hung_up = [] {}, .leave = [](int) { ::_exit(1); }});
    signals.started();
    send(SIGTERM);
    signals.wait();
    std::atomic<int> times{0};
    signals.set_again([&times] { ++times; });
    for (int i = 1; i <= 2; ++i) {
      send(SIGTERM);
      if (!comes_true([&] { return times == i; })) return 2;
    }
    signals.set_again(nullptr);
    send(SIGTERM);
    return 44;
  });
  EXPECT_EQ(told, 44);
}

TEST(EndSignals, hangup_without_tokens_and_terminal_is_ignored) {
  const int survived = in_a_child([] {
    ::signal(SIGHUP, SIG_DFL);  // under nohup it would be ignored for another reason
    if (hangup_of(false) != Hangup::ignore || hangup_of(true) != Hangup::read_tokens) return 1;
    block_end_signals();
    std::atomic<int> hung_up = 0;
    EndSignals signals({.hung_up = [&] { ++hung_up; }, .leave = [](int) { ::_exit(2); }});
    send(SIGHUP);
    if (!comes_true([&] { return hung_up == 1; })) return 3;
    signals.started();
    send(SIGHUP);
    if (!comes_true([&] { return hung_up == 2; })) return 4;
    send(SIGTERM);
    return signals.wait() == SIGTERM ? 44 : 5;
  });
  EXPECT_EQ(survived, 44);
}

TEST(EndSignals, hangup_of_a_terminal_ends_as_the_others_do) {
  const int ended = in_a_child([] {
    block_end_signals();
    EndSignals signals({.hangup_ends = true, .hung_up = [] { ::_exit(1); }, .leave = [](int) { ::_exit(2); }});
    signals.started();
    send(SIGHUP);
    return signals.wait() == SIGHUP ? 45 : 3;
  });
  EXPECT_EQ(ended, 45);
}

TEST(EndSignals, long_start_is_told_of_and_a_start_that_is_over_is_not) {
  const int told = in_a_child([] {
    block_end_signals();
    std::atomic<int> told_of = 0;
    EndSignals signals({.hung_up = [] {},
                        .leave = [](int) { ::_exit(1); },
                        .still_starting = [&] { ++told_of; },
                        .start_patience = std::chrono::milliseconds(1)});
    if (!comes_true([&] { return told_of >= 2; })) return 2;
    signals.started();
    const int until_then = told_of;
    send(SIGTERM);
    signals.wait();
    return told_of == until_then ? 46 : 3;
  });
  EXPECT_EQ(told, 46);
}

}  // namespace
}  // namespace pawl
