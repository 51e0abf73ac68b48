// Keepers, with real processes: a process that leaves its session, clears its environment and closes all inherited
// descriptors is still found, ended and reaped.
#include "daemon/work/keeper.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <thread>

#include "daemon/work/output_log.h"
#include "daemon/work/process.h"
#include "daemon/work/process_run.h"
#include "daemon/work/process_table.h"
#include "daemon/work/real_system.h"
#include "daemon/work/run_lock.h"
#include "tests/unit/daemon/comes_true.h"

namespace pawl {
namespace {

namespace fs = std::filesystem;

/// Starts a process without any sign of its run, and writes its pid to the file `escaped`: in its own session,
/// orphaned, with an empty environment and without inherited descriptors.
constexpr const char* escape =
    "(setsid env -i /bin/bash -c 'for fd in /proc/$$/fd/*; do fd=${fd##*/}; "
    "if [ $fd -gt 2 ]; then eval \"exec $fd>&-\"; fi; done; exec > /dev/null 2>&1; echo $$ > escaped; "
    "exec sleep 1000' &) ; until [ -s escaped ]; do sleep 0.01; done; ";

class KeeperTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "/pawl-keeper-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
    fs::create_directory(folder_ / "work");
    system_.emplace(RealSystem::Options{.data_folder = folder_.string()});
  }
  void TearDown() override {
    if (escaped_ > 0) ::kill(escaped_, SIGKILL);
    fs::remove_all(folder_);
  }

  PreparedProcess held(const std::string& script) {
    RunRequest options;
    options.command = {"/bin/sh", "-c", script};
    options.folder = (folder_ / "work").string();
    options.environment = {"PATH=/usr/bin:/bin"};
    options.purpose = "test";
    Result<PreparedProcess> run =
        PreparedProcess::prepare(*system_, options, open_log((folder_ / "log").string()).value());
    EXPECT_TRUE(run) << run.error().message;
    return std::move(*run);
  }
  RunNote note() const { return noted_runs(folder_.string()).at(0); }
  pid_t escaped() {
    const fs::path path = folder_ / "work" / "escaped";
    EXPECT_TRUE(comes_true([&] { return fs::exists(path) && fs::file_size(path) > 0; }));
    std::ifstream(path) >> escaped_;
    return escaped_;
  }
  static bool lives(pid_t pid) { return process_stat(pid) && !process_stat(pid)->ended(); }
  static bool is_there(pid_t pid) { return process_stat(pid).has_value(); }

  fs::path folder_;
  std::optional<RealSystem> system_;
  pid_t escaped_ = 0;
};

TEST_F(KeeperTest, what_escapes_is_ended_and_reaped_when_the_command_ends) {
  PreparedProcess run = held(std::string(escape) + "exit 3");
  const pid_t keeper = note().keeper;
  EXPECT_TRUE(is_there(keeper));
  const CommandExit exit = run.start_and_wait({600, 0}, nullptr);
  EXPECT_EQ(exit.how, CommandExit::How::exited);
  EXPECT_EQ(exit.code, 3);
  EXPECT_TRUE(run.gone());
  EXPECT_FALSE(is_there(escaped()));
  EXPECT_FALSE(is_there(keeper));
}

TEST_F(KeeperTest, what_escapes_is_ended_with_a_command_that_is_over_its_time) {
  PreparedProcess run = held(std::string(escape) + "exec sleep 1000");
  EXPECT_EQ(run.start_and_wait({1, 0}, nullptr).how, CommandExit::How::timed_out);
  EXPECT_TRUE(run.gone());
  EXPECT_FALSE(is_there(escaped()));
}

TEST_F(KeeperTest, what_escapes_is_ended_with_a_command_that_is_called_off) {
  PreparedProcess run = held(std::string(escape) + "exec sleep 1000");
  EventCancelToken call;
  std::thread waiting([&] { EXPECT_EQ(run.start_and_wait({600, 0}, &call).how, CommandExit::How::lost); });
  EXPECT_TRUE(lives(escaped()));
  call.call();
  waiting.join();
  EXPECT_TRUE(run.gone());
  EXPECT_FALSE(is_there(escaped_));
}

TEST_F(KeeperTest, what_escapes_is_found_by_the_next_start_when_the_daemon_was_killed) {
  const pid_t daemon = ::fork();
  if (daemon == 0) {
    PreparedProcess run = held(std::string(escape) + "exec sleep 1000");
    run.start_and_wait({600, 0}, nullptr);
    ::_exit(0);
  }
  EXPECT_TRUE(lives(escaped()));
  const RunNote left = note();
  EXPECT_TRUE(lives(left.keeper));
  ::kill(daemon, SIGKILL);
  ::waitpid(daemon, nullptr, 0);
  EXPECT_TRUE(lives(escaped_)) << "it keeps running";
  EXPECT_TRUE(lives(left.keeper)) << "so does its keeper";
  EXPECT_EQ(end_run(*system_, left.run, {Stop::terminate, std::chrono::seconds(20)}), RunEnd::gone);
  EXPECT_FALSE(lives(escaped_));
  EXPECT_FALSE(lives(left.keeper)) << "it has nothing left to keep";
}

TEST_F(KeeperTest, what_is_left_is_known_by_the_keepers_lock_also_to_a_daemon_that_cannot_see_it) {
  const pid_t daemon = ::fork();
  if (daemon == 0) {
    PreparedProcess run = held(std::string(escape) + "exec sleep 1000");
    run.start_and_wait({600, 0}, nullptr);
    ::_exit(0);
  }
  EXPECT_TRUE(lives(escaped()));
  const RunNote left = note();
  ::kill(daemon, SIGKILL);
  ::waitpid(daemon, nullptr, 0);
  EXPECT_TRUE(system_->is_run_kept(left.run));
  // As on another machine: only the lock is left as evidence.
  const fs::path path = path_of_run(folder_.string(), left.run);
  std::stringstream lines;
  lines << std::ifstream(path).rdbuf();
  std::string text = lines.str();
  text.replace(text.find(this_host()), this_host().size(), "elsewhere unknown unknown");
  std::ofstream(path, std::ios::in | std::ios::out) << text;
  EXPECT_EQ(end_run(*system_, left.run, {Stop::terminate, std::chrono::milliseconds(0)}), RunEnd::alive);
  EXPECT_TRUE(lives(left.keeper)) << "this daemon may not end it";
  ::kill(-left.pid, SIGKILL);
  ::kill(escaped_, SIGKILL);
  EXPECT_TRUE(comes_true([&] { return !system_->is_run_kept(left.run); }));
  EXPECT_EQ(end_run(*system_, left.run, {Stop::terminate, std::chrono::seconds(20)}), RunEnd::gone);
}

TEST_F(KeeperTest, run_of_the_folder_that_this_one_is_a_copy_of_is_left_alone) {
  system_.emplace(RealSystem::Options{.data_folder = folder_.string(), .member = "origin"});
  PreparedProcess run = held("sleep 1000");
  RealSystem copy({.data_folder = folder_.string(), .member = "copy"});
  EXPECT_TRUE(copy.noted_run(run.run())->is_foreign);
  EXPECT_EQ(end_run(copy, run.run(), {Stop::kill, std::chrono::seconds(20)}), RunEnd::alive);
  EXPECT_TRUE(lives(run.pid()));
  EXPECT_FALSE(system_->noted_run(run.run())->is_foreign);
}

TEST_F(KeeperTest, command_of_a_daemon_that_is_killed_before_it_lets_it_go_never_executes) {
  const pid_t daemon = ::fork();
  if (daemon == 0) {
    PreparedProcess run = held("echo yes > executed");
    std::ofstream(folder_ / "ready") << "yes";
    ::pause();
  }
  ASSERT_TRUE(comes_true([&] { return fs::exists(folder_ / "ready"); }));
  const RunNote left = note();
  ::kill(daemon, SIGKILL);
  ::waitpid(daemon, nullptr, 0);
  EXPECT_TRUE(comes_true([&] { return !lives(left.pid) && !lives(left.keeper); }));
  EXPECT_FALSE(fs::exists(folder_ / "work" / "executed"));
}

TEST_F(KeeperTest, command_whose_keeper_is_killed_is_ended_and_its_exit_is_lost) {
  PreparedProcess run = held("echo $$ > escaped; exec sleep 1000");
  const pid_t keeper = note().keeper;
  std::thread killer([&] {
    escaped();
    ::kill(keeper, SIGKILL);
  });
  EXPECT_EQ(run.start_and_wait({600, 0}, nullptr).how, CommandExit::How::lost);
  killer.join();
  EXPECT_FALSE(lives(escaped_));
  EXPECT_FALSE(is_there(keeper));
}

TEST_F(KeeperTest, keeper_is_deaf_to_sigterm_and_bears_no_sign_of_the_run) {
  PreparedProcess run = held("sleep 1000");
  const RunNote kept = note();
  ::kill(kept.keeper, SIGTERM);
  const std::string of_keeper = "/proc/" + std::to_string(kept.keeper);
  EXPECT_EQ(proc_file(of_keeper + "/environ").value_or("").find("PAWL_RUN"), std::string::npos);
  EXPECT_EQ(proc_file(of_keeper + "/cmdline").value_or("").find("sleep"), std::string::npos);
  EXPECT_TRUE(lives(kept.keeper));
  EXPECT_EQ(
      processes_of({.run = kept.run, .leader = 0, .leader_start = 0}, path_of_run(folder_.string(), kept.run)).size(),
      1U)
      << "only the command";
}

TEST_F(KeeperTest, strangers_are_reaped_and_nobody_is_robbed_of_an_exit_code) {
  ASSERT_EQ(::prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
  PreparedProcess run = held("exit 7");
  const pid_t stranger = ::fork();
  if (stranger == 0) ::_exit(0);
  EventCancelToken never;
  std::thread waiting([&] { EXPECT_EQ(run.start_and_wait({600, 0}, &never).code, 7); });
  EXPECT_TRUE(comes_true([&] {
    reap_strangers();
    return !is_there(stranger);
  }));
  waiting.join();
  ::prctl(PR_SET_CHILD_SUBREAPER, 0);
}

TEST_F(KeeperTest, exit_code_of_a_child_without_a_keeper_is_left_to_whoever_waits_for_it) {
  const auto log = open_log((folder_ / "log").string()).value();
  const Launch launch{.command = {"/bin/sh", "-c", "exit 7"},
                      .folder = folder_.string(),
                      .environment = clean_environment(),
                      .output = log.get(),
                      .inherited = {}};
  const Result<std::unique_ptr<Child>> child = ForkedChild::fork_stopped(launch);
  ASSERT_TRUE(child) << child.error().message;
  (*child)->release();
  ASSERT_EQ((*child)->wait(no_deadline, nullptr), Child::Wake::ended);
  reap_strangers();
  EXPECT_EQ((*child)->reap().code, 7);
}

}  // namespace
}  // namespace pawl
