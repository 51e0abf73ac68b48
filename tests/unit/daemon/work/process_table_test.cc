// Which processes count as dead: real ones, and host texts as other machines would report them.
#include "daemon/work/process_table.h"

#include <gtest/gtest.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <functional>

namespace pawl {
namespace {

/// A child that obeys commands until it is killed.
class Forked {
 public:
  explicit Forked(const std::function<void()>& body = [] {}) {
    std::array<int, 2> ready{};
    EXPECT_EQ(::pipe(ready.data()), 0);
    pid_ = ::fork();
    if (pid_ == 0) {
      body();
      const char ok = 1;
      (void)!::write(ready[1], &ok, 1);
      for (;;) ::pause();
    }
    char ok = 0;
    EXPECT_EQ(::read(ready[0], &ok, 1), 1);
    ::close(ready[0]);
    ::close(ready[1]);
  }
  ~Forked() {
    kill();
    ::waitpid(pid_, nullptr, 0);
  }
  void kill() const { ::kill(pid_, SIGKILL); }
  /// Ended, but not reaped.
  void become_zombie() const {
    kill();
    siginfo_t info{};
    ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOWAIT);
  }
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = 0;
};

Liveness seen(pid_t pid, std::optional<std::int64_t> start = std::nullopt) {
  return liveness_of(this_host(), pid, start, {});
}

TEST(LivenessOf, a_process_lives_until_it_has_ended) {
  Forked process;
  const std::int64_t start = pid_start_of(process.pid()).value();
  EXPECT_EQ(seen(process.pid(), start), Liveness::alive);
  EXPECT_EQ(seen(process.pid()), Liveness::alive);
  process.become_zombie();
  EXPECT_EQ(seen(process.pid(), start), Liveness::dead) << "ended, though not yet reaped";
}

TEST(LivenessOf, a_number_that_no_process_has_is_dead) {
  pid_t pid = 0;
  {
    const Forked process;
    pid = process.pid();
  }
  EXPECT_EQ(seen(pid), Liveness::dead);
  EXPECT_EQ(liveness_of(this_host(), 0, std::nullopt, {}), Liveness::dead);
  EXPECT_EQ(liveness_of(this_host(), std::int64_t{1} << 40, std::nullopt, {}), Liveness::dead);
}

TEST(LivenessOf, one_that_started_at_another_time_is_dead) {
  const Forked process;
  EXPECT_EQ(seen(process.pid(), pid_start_of(process.pid()).value() + 1), Liveness::dead);
}

void* go_on(void*) {
  for (;;) ::pause();
}

void end_the_leader_alone() {
  pthread_t thread{};
  pthread_create(&thread, nullptr, go_on, nullptr);
}

TEST(LivenessOf, a_leader_that_ended_before_its_threads_lives) {
  std::array<int, 2> ready{};
  ASSERT_EQ(::pipe(ready.data()), 0);
  const pid_t pid = ::fork();
  if (pid == 0) {
    end_the_leader_alone();
    const char ok = 1;
    (void)!::write(ready[1], &ok, 1);
    ::syscall(SYS_exit, 0);  // this thread only
  }
  char ok = 0;
  ASSERT_EQ(::read(ready[0], &ok, 1), 1);
  // /proc shows a zombie, sooner or later; its threads run on all the while.
  while (process_stat(pid)->state != 'Z') ::sched_yield();
  EXPECT_EQ(seen(pid, process_stat(pid)->start), Liveness::alive);
  EXPECT_FALSE(process_stat(pid)->ended());
  ::kill(pid, SIGKILL);
  ::waitpid(pid, nullptr, 0);
  ::close(ready[0]);
  ::close(ready[1]);
}

/// A host text built from parts of this host's.
std::string host(const std::string& kernel_boot, const std::string& pid_namespace, const std::string& name = {}) {
  const std::string here = this_host();
  return (name.empty() ? std::string(host_parts(here).name) : name) + " " + kernel_boot + " " + pid_namespace;
}

TEST(LivenessOf, nothing_can_be_seen_of_another_machine) {
  const std::string here = this_host();
  const HostParts ours = host_parts(here);
  const std::string kernel(ours.kernel_boot);
  const std::string space(ours.pid_namespace);
  for (const std::string& other : {host("another-boot", space), host(kernel, "another-space"),
                                   host(kernel, space, "another-name"), std::string("another"), std::string()}) {
    EXPECT_EQ(liveness_of(other, ::getpid(), std::nullopt, {}), Liveness::invisible) << other;
    EXPECT_EQ(liveness_of(other, 1 << 30, std::nullopt, {}), Liveness::invisible) << other;
  }
}

TEST(LivenessOf, what_is_not_known_equals_nothing) {
  EXPECT_EQ(liveness_of(host("unknown", "unknown"), 1 << 30, std::nullopt, {host("unknown", "unknown")}),
            Liveness::invisible);
  EXPECT_FALSE(kernel_has_ended(host("unknown", "1"), {host("unknown", "1")}));
  EXPECT_FALSE(kernel_has_ended(host("earlier", "unknown"), {host("earlier", "unknown")}));
  EXPECT_FALSE(kernel_has_ended("", {""}));
}

TEST(IsOfWorker, what_descends_from_it_is) {
  const auto start = pid_start_of(::getpid()).value();
  const Forked child([] { ::setsid(); });
  EXPECT_TRUE(is_of_worker(child.pid(), ::getpid(), start));
  EXPECT_TRUE(is_of_worker(child.pid(), ::getpid(), 0)) << "when it began is not known";
  EXPECT_FALSE(is_of_worker(child.pid(), ::getpid(), start + 1)) << "that pid belongs to another process by now";
}

TEST(IsOfWorker, what_shares_session_and_user_is) {
  const Forked worker;
  const Forked agent;
  const auto start = pid_start_of(worker.pid()).value();
  EXPECT_TRUE(is_of_worker(agent.pid(), worker.pid(), start)) << "related although neither descends from the other";
  const Forked elsewhere([] { ::setsid(); });
  EXPECT_FALSE(is_of_worker(elsewhere.pid(), worker.pid(), start));
  const Forked other_session([] { ::setsid(); });
  EXPECT_FALSE(is_of_worker(agent.pid(), other_session.pid(), 0));
}

TEST(IsOfWorker, nothing_is_of_everybodys_ancestor_or_of_a_child) {
  const Forked agent([] { ::setsid(); });
  EXPECT_FALSE(is_of_worker(agent.pid(), 1, 0)) << "all descend from the first process";
  EXPECT_FALSE(is_of_worker(agent.pid(), 0, 0));
  EXPECT_FALSE(is_of_worker(agent.pid(), INT64_MAX, 0));
  EXPECT_FALSE(is_of_worker(::getpid(), agent.pid(), 0));
}

TEST(KernelHasEnded, only_where_a_daemon_of_this_member_ran_under_it) {
  const std::string earlier = host("earlier-boot", "1");
  EXPECT_FALSE(kernel_has_ended(earlier, {})) << "another machine may have the same name";
  EXPECT_FALSE(kernel_has_ended(earlier, {host("other-boot", "1")}));
  EXPECT_TRUE(kernel_has_ended(earlier, {host("other-boot", "1"), earlier}));
  EXPECT_TRUE(kernel_has_ended(host("earlier-boot", "2"), {earlier})) << "a worker in another pid namespace of it";
  EXPECT_FALSE(kernel_has_ended(host("earlier-boot", "1", "another-name"), {earlier}));
  EXPECT_FALSE(kernel_has_ended(this_host(), {this_host()}));
  EXPECT_EQ(liveness_of(earlier, ::getpid(), std::nullopt, {earlier}), Liveness::dead);
}

}  // namespace
}  // namespace pawl
