// Real, short processes. Nothing here depends on their speed: each wait ends with an event; its bound only makes a
// faulty test fail instead of hang.
#include "daemon/work/process_run.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <thread>

#include "daemon/work/output_log.h"
#include "daemon/work/process_table.h"
#include "daemon/work/real_system.h"
#include "daemon/work/run_lock.h"
#include "store/os/file_mask.h"
#include "store/os/process_identity.h"
#include "tests/unit/daemon/comes_true.h"

namespace pawl {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

std::string contents(const fs::path& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

RunBounds minutes() {
  return {600, 10};
}

/// A waiter for a run, on its own thread, that finally calls it off.
class Waiting {
 public:
  explicit Waiting(PreparedProcess& run) : thread_([this, &run] { run.start_and_wait(minutes(), &call_); }) {}
  ~Waiting() {
    call_.call();
    thread_.join();
  }

 private:
  EventCancelToken call_;
  std::thread thread_;
};

class ProcessRun : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "/pawl-run-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
    fs::create_directory(folder_ / "work");
  }
  void TearDown() override {
    for (const RunNote& note : noted_runs(data())) {
      end_run(system(), note.run, {Stop::kill, seconds(60)});
    }
    fs::remove_all(folder_);
  }

  std::string data() const { return folder_.string(); }
  RealSystem& system() {
    if (!system_) system_.emplace(RealSystem::Options{.data_folder = data()});
    return *system_;
  }
  fs::path work(const std::string& name) const { return folder_ / "work" / name; }
  std::string log() const { return contents(folder_ / "log"); }

  Result<PreparedProcess> hold(const CommandLine& command) {
    RunRequest request;
    request.command = command;
    request.folder = (folder_ / "work").string();
    request.environment = {"PATH=/usr/bin:/bin", "COLOUR=red"};
    request.purpose = "test";
    return PreparedProcess::prepare(system(), request, open_log((folder_ / "log").string()).value());
  }
  PreparedProcess held(const std::string& script) {
    Result<PreparedProcess> run = hold({"/bin/sh", "-c", script});
    EXPECT_TRUE(run) << run.error().message;
    return std::move(*run);
  }
  /// Waits for a script to write its pid to a file; returns it.
  pid_t pid_in(const std::string& name) {
    EXPECT_TRUE(comes_true([&] { return contents(work(name)).ends_with("\n"); }));
    return static_cast<pid_t>(std::stol(contents(work(name))));
  }
  static bool lives(pid_t pid) { return pid_start_of(pid).has_value(); }

  fs::path folder_;
  std::optional<RealSystem> system_;
};

TEST_F(ProcessRun, exit_code_and_output_are_those_of_the_command) {
  PreparedProcess run = held("echo out; echo err >&2; exit 7");
  const CommandExit exit = run.start_and_wait(minutes(), nullptr);
  EXPECT_EQ(exit.how, CommandExit::How::exited);
  EXPECT_EQ(exit.code, 7);
  EXPECT_EQ(log(), "out\nerr\n");
  EXPECT_TRUE(run.gone());
  EXPECT_TRUE(noted_runs(data()).empty());
}

TEST_F(ProcessRun, log_that_is_a_link_or_no_file_is_not_written) {
  std::ofstream(folder_ / "precious") << "kept";
  fs::create_symlink(folder_ / "precious", folder_ / "linked");
  fs::create_symlink(folder_ / "nowhere", folder_ / "dangling");
  ASSERT_EQ(::mkfifo((folder_ / "pipe").c_str(), 0600), 0);
  for (const char* name : {"linked", "dangling", "pipe"}) {
    // In another process: opening a pipe may block forever, waiting for a reader.
    EXPECT_EXIT(
        {
          ::alarm(20);
          const auto log = open_log((folder_ / name).string());
          ::_exit(!log && log.error().message.find(name) != std::string::npos ? 0 : 1);
        },
        testing::ExitedWithCode(0), "")
        << name;
  }
  EXPECT_EQ(contents(folder_ / "precious"), "kept");
  EXPECT_FALSE(fs::exists(folder_ / "nowhere"));
}

TEST_F(ProcessRun, log_with_a_second_name_is_begun_afresh) {
  std::ofstream(folder_ / "precious") << "kept";
  fs::create_hard_link(folder_ / "precious", folder_ / "log");
  EXPECT_EQ(held("echo said").start_and_wait(minutes(), nullptr).code, 0);
  EXPECT_EQ(log(), "said\n");
  EXPECT_EQ(contents(folder_ / "precious"), "kept");
}

TEST_F(ProcessRun, run_that_is_noted_by_a_link_is_none_and_what_it_leads_to_stays) {
  const std::string run(32, '0');
  fs::create_directory(folder_ / "runs");
  std::ofstream(folder_ / "precious") << "for a job\nhost " << this_host() << "\npid 1\nstart 1\n";
  fs::create_symlink(folder_ / "precious", path_of_run(data(), run));
  fs::create_symlink(folder_ / "precious", folder_ / "runs" / (run + ".kept"));
  EXPECT_TRUE(noted_runs(data()).empty());
  EXPECT_FALSE(is_run_unlocked(data(), run)) << "an unreadable lock is not evidence";
  EXPECT_TRUE(is_run_kept(data(), run));
  forget_run(data(), run);
  EXPECT_TRUE(fs::is_empty(folder_ / "runs"));
  EXPECT_TRUE(contents(folder_ / "precious").starts_with("for a job\n"));
  ASSERT_EQ(::mkfifo(path_of_run(data(), run).c_str(), 0600), 0);
  EXPECT_TRUE(noted_runs(data()).empty()) << "reading must not block on a pipe";
}

TEST_F(ProcessRun, step_whose_lock_is_a_link_is_not_locked) {
  fs::create_directory(folder_ / "steps");
  fs::create_symlink(folder_ / "precious", folder_ / "steps/1-2-merge.lock");
  const auto locked = lock_step(data(), {TaskId{1}, Version{2}, "merge"});
  ASSERT_FALSE(locked);
  EXPECT_NE(locked.error().message.find("is a link"), std::string::npos);
  EXPECT_FALSE(fs::exists(folder_ / "precious"));
}

TEST_F(ProcessRun, files_of_a_command_are_as_it_would_make_them_and_pawls_own_are_closed) {
  const mode_t before = ::umask(0002);
  keep_files_private();
  PreparedProcess run = held("echo x > made; umask");
  EXPECT_EQ(run.start_and_wait(minutes(), nullptr).code, 0);
  RunRequest request;
  request.command = {"/bin/sh", "-c", "echo x > closed"};
  request.folder = (folder_ / "work").string();
  request.environment = {"PATH=/usr/bin:/bin"};
  request.purpose = "test";
  request.makes_pawls_files = true;
  Result<PreparedProcess> closed =
      PreparedProcess::prepare(system(), request, open_log((folder_ / "other").string()).value());
  ASSERT_TRUE(closed);
  EXPECT_EQ(closed->start_and_wait(minutes(), nullptr).code, 0);
  EXPECT_EQ(fs::status(work("made")).permissions(), fs::perms{0664});
  EXPECT_EQ(fs::status(work("closed")).permissions(), fs::perms{0640});
  EXPECT_EQ(log(), "0002\n");
  ::umask(before);
  keep_files_private();  // as if it had been started like this
  ::umask(before);
}

TEST_F(ProcessRun, signal_is_told_from_an_exit_code) {
  const CommandExit exit = held("kill -USR1 $$").start_and_wait(minutes(), nullptr);
  EXPECT_EQ(exit.how, CommandExit::How::signalled);
  EXPECT_EQ(exit.code, SIGUSR1);
}

TEST_F(ProcessRun, environment_is_what_was_given_and_stdin_is_empty) {
  ::setenv("PAWL_TEST_LEAK", "1", 1);
  PreparedProcess run = held("env > env; cat; pwd > pwd; readlink /proc/self/fd/0 > stdin");
  const std::string name = run.run();
  EXPECT_EQ(run.start_and_wait(minutes(), nullptr).code, 0);
  ::unsetenv("PAWL_TEST_LEAK");
  const std::string environment = contents(work("env"));
  EXPECT_NE(environment.find("COLOUR=red\n"), std::string::npos);
  EXPECT_NE(environment.find("PAWL_RUN=" + name + "\n"), std::string::npos);
  EXPECT_EQ(environment.find("PAWL_TEST_LEAK"), std::string::npos);
  EXPECT_EQ(contents(work("stdin")), "/dev/null\n");
  EXPECT_EQ(contents(work("pwd")), fs::canonical(folder_ / "work").string() + "\n");
}

TEST_F(ProcessRun, child_inherits_locks_and_nothing_else) {
  const int other = ::open("/dev/zero", O_RDONLY);  // not even close-on-exec, as a careless library might open it
  PreparedProcess run = held("ls -l /proc/self/fd > fds");
  EXPECT_EQ(run.start_and_wait(minutes(), nullptr).code, 0);
  ::close(other);
  const std::string descriptors = contents(work("fds"));
  EXPECT_NE(descriptors.find(run.run() + ".lock"), std::string::npos) << descriptors;
  EXPECT_EQ(descriptors.find("/dev/zero"), std::string::npos) << descriptors;
  EXPECT_EQ(descriptors.find("socket"), std::string::npos) << descriptors;
}

TEST_F(ProcessRun, held_child_has_not_run_and_dropped_never_does) {
  pid_t pid = 0;
  {
    PreparedProcess run = held("echo ran > ran");
    pid = run.pid();
    EXPECT_TRUE(lives(pid));
    EXPECT_EQ(pid_start_of(pid), run.pid_start());
    EXPECT_EQ(noted_runs(data()).size(), 1u);
  }
  EXPECT_FALSE(lives(pid));
  EXPECT_FALSE(fs::exists(work("ran")));
  EXPECT_TRUE(noted_runs(data()).empty());
}

TEST_F(ProcessRun, held_child_goes_without_running_when_its_parent_dies) {
  // The parent is a separate process that holds two children at once and is then killed as by kill -9.
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe(ends.data()), 0);
  const pid_t parent = ::fork();
  if (parent == 0) {
    PreparedProcess first = held("echo ran > ran");
    PreparedProcess second = held("echo ran > ran");
    const std::array<pid_t, 2> pids{first.pid(), second.pid()};
    if (::write(ends[1], pids.data(), sizeof pids) != sizeof pids) ::_exit(1);
    ::pause();
    ::_exit(0);
  }
  std::array<pid_t, 2> pids{};
  ASSERT_EQ(::read(ends[0], pids.data(), sizeof pids), static_cast<ssize_t>(sizeof pids));
  EXPECT_TRUE(lives(pids[0]) && lives(pids[1]));
  ::kill(parent, SIGKILL);
  ::waitpid(parent, nullptr, 0);
  EXPECT_TRUE(comes_true([&] { return !lives(pids[0]) && !lives(pids[1]); }));
  EXPECT_FALSE(fs::exists(work("ran")));
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST_F(ProcessRun, time_out_ends_the_group_and_what_left_it) {
  PreparedProcess run = held(
      "sleep 1000 & echo $! > member\n"
      "setsid sleep 1000 & wait_for=$!; echo $wait_for > leaver\n"
      "wait");
  const CommandExit exit = run.start_and_wait({2, 10}, nullptr);
  EXPECT_EQ(exit.how, CommandExit::How::timed_out);
  EXPECT_TRUE(run.gone());
  EXPECT_FALSE(lives(pid_in("member")));
  EXPECT_FALSE(lives(pid_in("leaver")));
  EXPECT_NE(log().find("pawl: ended: exceeded its time limit of 2 s"), std::string::npos);
}

TEST_F(ProcessRun, one_that_ignores_sigterm_is_killed) {
  PreparedProcess run = held("trap '' TERM; echo $$ > pid; while :; do sleep 1000; done");
  const CommandExit exit = run.start_and_wait({2, 1}, nullptr);
  EXPECT_EQ(exit.how, CommandExit::How::timed_out);
  EXPECT_EQ(exit.code, SIGKILL);
}

TEST_F(ProcessRun, call_ends_it_before_its_time) {
  EventCancelToken call;
  PreparedProcess run = held("echo $$ > pid; exec sleep 1000");
  std::thread caller([&] {
    pid_in("pid");
    call.call();
  });
  const CommandExit exit = run.start_and_wait(minutes(), &call);
  caller.join();
  EXPECT_EQ(exit.how, CommandExit::How::lost);
  EXPECT_TRUE(call.called());
  EXPECT_FALSE(lives(pid_in("pid")));
}

TEST_F(ProcessRun, called_off_before_it_began_it_never_executes) {
  EventCancelToken call;
  call.call();
  PreparedProcess run = held("echo ran > ran");
  const pid_t pid = run.pid();
  const CommandExit exit = run.start_and_wait(minutes(), &call);
  EXPECT_EQ(exit.how, CommandExit::How::lost);
  EXPECT_EQ(run.process_exit().how, CommandExit::How::signalled) << "its exit code means nothing";
  EXPECT_FALSE(lives(pid));
  EXPECT_FALSE(fs::exists(work("ran")));
  EXPECT_EQ(log(), "pawl: called off before it began\n") << "by its own check, not because the signal was quicker";
  EXPECT_TRUE(run.gone());
  EXPECT_TRUE(noted_runs(data()).empty());
}

TEST_F(ProcessRun, what_a_command_leaves_behind_is_ended_with_it) {
  // One for each sign: in the session; outside it, but with the environment; with neither, but holding the lock.
  PreparedProcess run = held(
      "sleep 1000 > /dev/null & echo $! > member\n"
      "for fd in /proc/self/fd/1??; do :; done\n"
      "setsid sh -c 'echo $$ > leaver; exec sleep 1000' &\n"
      "setsid env -i sh -c 'echo $$ > holder; exec sleep 1000' &\n"
      "while [ ! -s leaver ] || [ ! -s holder ]; do :; done; exit 3");
  const CommandExit exit = run.start_and_wait(minutes(), nullptr);
  EXPECT_EQ(exit.how, CommandExit::How::exited);
  EXPECT_EQ(exit.code, 3);
  EXPECT_TRUE(run.gone());
  for (const char* name : {"member", "leaver", "holder"}) EXPECT_FALSE(lives(pid_in(name))) << name;
}

TEST_F(ProcessRun, orphan_that_closed_its_descriptors_is_found_by_its_environment) {
  // It has also left its session, and has no waiting parent: only the note remains of its run.
  Result<PreparedProcess> run =
      hold({"/bin/bash", "-c",
            "for fd in /proc/$$/fd/*; do n=${fd##*/}; [ $n -gt 2 ] && eval \"exec $n>&-\"; done\n"
            "setsid sh -c 'ls -l /proc/$$/fd > fds; echo $$ > pid; exec sleep 1000' & wait"});
  ASSERT_TRUE(run);
  const Waiting waiting(*run);
  const pid_t orphan = pid_in("pid");
  EXPECT_EQ(contents(work("fds")).find(".lock"), std::string::npos) << contents(work("fds"));
  EXPECT_TRUE(lives(orphan));
  EXPECT_EQ(end_run(system(), run->run(), {Stop::terminate, seconds(60)}), RunEnd::gone);
  EXPECT_FALSE(lives(orphan));
  EXPECT_TRUE(noted_runs(data()).empty());
}

TEST_F(ProcessRun, processes_of_another_run_are_left_alone) {
  PreparedProcess other = held("echo $$ > pid; exec sleep 1000");
  const Waiting waiting(other);
  const pid_t pid = pid_in("pid");
  PreparedProcess run = held("exit 0");
  EXPECT_EQ(run.start_and_wait(minutes(), nullptr).code, 0);
  EXPECT_TRUE(lives(pid));
}

TEST_F(ProcessRun, unknown_programs_and_folders_are_named) {
  const Result<PreparedProcess> no_program = hold({"no-such-program"});
  ASSERT_FALSE(no_program);
  EXPECT_EQ(no_program.error().code, ErrorCode::missing);
  EXPECT_NE(no_program.error().message.find("no-such-program"), std::string::npos);
  const Result<PreparedProcess> no_file = hold({"./nothing"});
  ASSERT_FALSE(no_file);
  EXPECT_NE(no_file.error().message.find("/work/./nothing: No such file"), std::string::npos)
      << no_file.error().message;
  std::ofstream(work("data")) << "text";
  EXPECT_FALSE(hold({"./data"}));
  fs::remove_all(folder_ / "work");
  EXPECT_FALSE(hold({"/bin/true"}));
  EXPECT_TRUE(noted_runs(data()).empty());
}

TEST_F(ProcessRun, program_that_cannot_be_executed_says_why) {
  std::ofstream(work("broken")) << "#!/no/such/interpreter\n";
  fs::permissions(work("broken"), fs::perms::owner_all);
  Result<PreparedProcess> run = hold({"./broken"});
  ASSERT_TRUE(run);
  EXPECT_EQ(run->start_and_wait(minutes(), nullptr).code, 127);
  ASSERT_TRUE(run->exec_failure());
  EXPECT_NE(run->exec_failure()->find("No such file"), std::string::npos);
}

TEST_F(ProcessRun, bare_names_are_never_taken_from_the_work_folder) {
  std::ofstream(work("true")) << "#!/bin/sh\necho mine\nexit 9\n";
  fs::permissions(work("true"), fs::perms::owner_all);
  RunRequest request;
  request.command = {"true"};
  request.folder = (folder_ / "work").string();
  request.environment = {"PATH=:.:/usr/bin:/bin"};
  Result<PreparedProcess> run =
      PreparedProcess::prepare(system(), request, open_log((folder_ / "log").string()).value());
  ASSERT_TRUE(run);
  EXPECT_EQ(run->start_and_wait(minutes(), nullptr).code, 0);
}

TEST_F(ProcessRun, note_says_what_a_run_is_for_and_who_leads_it) {
  PreparedProcess run = held("exit 0");
  const std::optional<RunNote> note = noted_run(data(), run.run());
  ASSERT_TRUE(note);
  EXPECT_EQ(note->purpose, "test");
  EXPECT_EQ(note->pid, run.pid());
  EXPECT_EQ(note->pid_start, run.pid_start());
  EXPECT_EQ(note->host, this_host());
}

TEST_F(ProcessRun, names_that_others_made_up_are_no_paths) {
  fs::create_directories(folder_ / "runs");
  std::ofstream(folder_ / "victim.lock") << "for somebody\n";
  EXPECT_FALSE(noted_run(data(), "../victim"));
  EXPECT_EQ(end_run(system(), "../victim", {Stop::kill, seconds(60)}), RunEnd::gone);
  EXPECT_TRUE(fs::exists(folder_ / "victim.lock"));
}

TEST_F(ProcessRun, process_of_a_run_that_is_not_noted_is_found_by_its_environment) {
  PreparedProcess run = held("echo $$ > pid; exec sleep 1000");
  const Waiting waiting(run);
  const pid_t pid = pid_in("pid");
  fs::rename(folder_ / "runs" / (run.run() + ".lock"), folder_ / "elsewhere");
  EXPECT_EQ(end_run(system(), run.run(), {Stop::terminate, seconds(60)}), RunEnd::gone);
  EXPECT_FALSE(lives(pid));
}

TEST_F(ProcessRun, place_in_the_journal_is_held_once) {
  const StepKey place{TaskId{3}, Version{4}, "merge"};
  Result<std::unique_ptr<Handle>> first = lock_step(data(), place);
  ASSERT_TRUE(first) << first.error().message;
  const Result<std::unique_ptr<Handle>> second = lock_step(data(), place);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::busy);
  EXPECT_TRUE(lock_step(data(), {TaskId{3}, Version{5}, "merge"}));

  forget_places(data(), TaskId{3});  // removes only the free one
  EXPECT_TRUE(fs::exists(folder_ / "steps/3-4-merge.lock"));
  EXPECT_FALSE(fs::exists(folder_ / "steps/3-5-merge.lock"));
  EXPECT_EQ(placed(data()), std::vector{TaskId{3}});
  first->reset();
  EXPECT_TRUE(lock_step(data(), place));
}

TEST_F(ProcessRun, tasks_with_places_are_told_by_id_and_other_files_are_none) {
  EXPECT_TRUE(placed(data()).empty());
  for (const StepKey& place : {StepKey{TaskId{12}, Version{1}, "merge"}, StepKey{TaskId{3}, Version{4}, "merge"},
                               StepKey{TaskId{3}, Version{4}, "deploy"}}) {
    ASSERT_TRUE(lock_step(data(), place));
  }
  std::ofstream(folder_ / "steps/notes") << "";
  EXPECT_EQ(placed(data()), (std::vector{TaskId{3}, TaskId{12}}));
}

TEST_F(ProcessRun, inherited_place_stays_held_until_the_child_is_gone) {
  const StepKey place{TaskId{3}, Version{4}, "merge"};
  std::unique_ptr<Handle> lock = std::move(lock_step(data(), place).value());
  RunRequest request;
  request.command = {"/bin/sh", "-c", "echo $$ > pid; exec sleep 1000"};
  request.folder = (folder_ / "work").string();
  request.environment = {"PATH=/usr/bin:/bin"};
  request.inherited = {lock.get()};
  Result<PreparedProcess> run =
      PreparedProcess::prepare(system(), request, open_log((folder_ / "log").string()).value());
  ASSERT_TRUE(run);
  lock.reset();
  EXPECT_FALSE(lock_step(data(), place));
  {
    const Waiting waiting(*run);
    pid_in("pid");
    EXPECT_FALSE(lock_step(data(), place));
  }
  EXPECT_TRUE(lock_step(data(), place));
}

}  // namespace
}  // namespace pawl
