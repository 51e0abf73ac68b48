// Command output on its way into files: the pump by itself, and in the keepers of real processes.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <thread>

#include "daemon/work/log_name.h"
#include "daemon/work/output_log.h"
#include "daemon/work/output_pump.h"
#include "daemon/work/process_run.h"
#include "daemon/work/process_table.h"
#include "daemon/work/real_system.h"
#include "daemon/work/run_lock.h"
#include "daemon/work/stored_output.h"
#include "tests/unit/daemon/comes_true.h"

namespace pawl {
namespace {

namespace fs = std::filesystem;

std::string text_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

/// Numbered lines of 16 bytes, so that each byte of a long text shows its position.
std::string numbered(std::size_t lines, std::size_t from = 0) {
  std::string text;
  for (std::size_t i = from; i < from + lines; ++i) {
    std::string line = std::to_string(i);
    line.insert(0, 15 - line.size(), '.');
    text += line + "\n";
  }
  return text;
}

class OutputTest : public testing::Test {
 protected:
  static constexpr std::int64_t bound = 65536;

  void SetUp() override {
    std::string name = testing::TempDir() + "/pawl-output-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
    fs::create_directory(folder_ / "work");
    system_.emplace(RealSystem::Options{.data_folder = folder_.string()});
  }
  void TearDown() override {
    for (const RunNote& note : noted_runs(folder_.string())) {
      end_run(*system_, note.run, {Stop::kill, std::chrono::seconds(60)});
    }
    fs::remove_all(folder_);
  }

  fs::path log() const { return folder_ / "log"; }
  StoredOutput stored() const { return StoredOutput::look_at(log()).value(); }
  std::string whole() const {
    const StoredOutput output = stored();
    return output.read(0, static_cast<std::size_t>(output.produced()) + 1).bytes;
  }
  /// All files, as a reader of the folder sees them.
  std::string as_it_lies() const {
    std::string text = text_of(log());
    std::vector<fs::path> parts;
    if (fs::exists(parts_of(log()))) {
      for (const auto& part : fs::directory_iterator(parts_of(log()))) parts.push_back(part.path());
    }
    std::sort(parts.begin(), parts.end());
    for (const fs::path& part : parts) text += text_of(part);
    return text;
  }

  PreparedProcess held(const std::string& script, std::int64_t bytes_max = bound, const std::string& secret = {}) {
    RunRequest request;
    if (!secret.empty()) request.secrets = {"TOKEN"};
    request.command = {"/bin/sh", "-c", script};
    request.folder = (folder_ / "work").string();
    request.environment = {"PATH=/usr/bin:/bin"};
    if (!secret.empty()) request.environment.insert(request.environment.begin(), "TOKEN=" + secret);
    request.purpose = "test";
    request.output_bytes_max = bytes_max;
    output_ = open_log(log().string()).value();
    Result<PreparedProcess> run = PreparedProcess::prepare(*system_, request, output_);
    EXPECT_TRUE(run) << run.error().message;
    return std::move(*run);
  }

  fs::path folder_;
  std::optional<RealSystem> system_;
  std::shared_ptr<OutputLog> output_;
};

/// A pump with both ends of its pipe.
class Pumped {
 public:
  Pumped(const fs::path& folder, std::int64_t bytes_max, std::uint64_t free_bytes_min = 0, OutputMask* mask = nullptr) {
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    write_ = Descriptor(ends[1]);
    folder_ = Descriptor(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    log_ = open_log((folder / "log").string()).value();
    pump_.emplace(PumpOptions{.pipe = ends[0],
                              .log = log_->descriptor(),
                              .folder = folder_.get(),
                              .name = "log",
                              .bytes_max = bytes_max,
                              .free_bytes_min = free_bytes_min,
                              .mask = mask});
  }
  void put(std::string_view text) {
    while (!text.empty()) {
      const std::size_t count = std::min<std::size_t>(text.size(), 4096);
      ASSERT_EQ(::write(write_.get(), text.data(), count), static_cast<ssize_t>(count));
      pump_->drain();
      text.remove_prefix(count);
    }
  }
  OutputPump& pump() { return *pump_; }
  OutputLog& log() { return *log_; }
  int write_end() const { return write_.get(); }

 private:
  Descriptor write_;
  Descriptor folder_;
  std::shared_ptr<OutputLog> log_;
  std::optional<OutputPump> pump_;
};

TEST_F(OutputTest, what_fits_is_kept_whole_in_one_file) {
  Pumped pumped(folder_, bound);
  pumped.put(numbered(2048));
  EXPECT_EQ(text_of(log()), numbered(2048));
  EXPECT_FALSE(fs::exists(parts_of(log())));
  EXPECT_TRUE(stored().gaps().empty());
}

TEST_F(OutputTest, of_more_than_the_bound_head_and_tail_are_kept_and_the_range_between_is_named) {
  Pumped pumped(folder_, bound);
  const std::string all = numbered(20'000);
  pumped.put(all);
  const StoredOutput output = stored();
  EXPECT_EQ(output.produced(), std::ssize(all));
  EXPECT_LE(output.kept(), bound);
  EXPECT_GE(output.kept(), bound / 2 + bound / 2 / 8 * 7);
  ASSERT_EQ(output.gaps().size(), 1u);
  const OutputRange gap = output.gaps()[0];
  EXPECT_EQ(gap.from, bound / 2);
  EXPECT_EQ(output.kept(), output.produced() - gap.bytes());
  const StoredOutput::Piece head = output.read(0, all.size());
  EXPECT_EQ(head.bytes, all.substr(0, bound / 2));
  const StoredOutput::Piece tail = output.read(head.range.to, all.size());
  EXPECT_EQ(tail.range.from, gap.to);
  EXPECT_EQ(tail.bytes, all.substr(static_cast<std::size_t>(gap.to)));
  EXPECT_EQ(output.read(gap.to - 5, 10).bytes, all.substr(static_cast<std::size_t>(gap.to), 10));
}

TEST_F(OutputTest, files_as_they_lie_never_take_more_than_the_bound_and_say_what_is_missing) {
  Pumped pumped(folder_, bound);
  for (std::size_t line = 0; line < 20'000; line += 256) {
    pumped.put(numbered(256, line));
    ASSERT_LE(stored().kept(), bound);
  }
  const std::string text = as_it_lies();
  const std::string said = "\npawl: " + std::to_string(stored().gaps()[0].bytes()) + " bytes are not kept\n";
  EXPECT_NE(text.find(said), std::string::npos) << text.substr(bound / 2, 100);
  EXPECT_TRUE(text.ends_with(numbered(1, 19'967 + 256)));
}

TEST_F(OutputTest, lines_of_the_daemons_own_stand_behind_what_was_printed_before_and_count) {
  Pumped pumped(folder_, bound);
  const std::string all = numbered(5'000);
  pumped.put(all);
  pumped.log().say("ended: called off");
  const std::string line = "pawl: ended: called off\n";
  EXPECT_EQ(stored().produced(), std::ssize(all + line));
  EXPECT_EQ(stored().end(line.size()), line);
  pumped.put(all);
  const StoredOutput output = stored();
  EXPECT_EQ(output.produced(), std::ssize(all + line + all));
  EXPECT_EQ(output.read(std::ssize(all + line + all) - 16, 100).bytes, all.substr(all.size() - 16));
}

TEST_F(OutputTest, where_there_is_too_little_room_nothing_is_written_and_all_is_counted) {
  Pumped pumped(folder_, bound, UINT64_MAX / 2);
  pumped.put(numbered(1000));
  EXPECT_EQ(fs::file_size(log()), 0u);
  pumped.pump().finish();
  EXPECT_EQ(stored().produced(), 16'000);
  EXPECT_EQ(stored().kept(), 0);
  EXPECT_EQ(stored().gaps(), (std::vector<OutputRange>{{0, 16'000}}));
}

TEST_F(OutputTest, drain_takes_what_is_there_and_a_pump_sees_the_end) {
  Pumped pumped(folder_, bound);
  pumped.pump().drain();
  EXPECT_GE(pumped.pump().pipe(), 0);
  ASSERT_EQ(::write(pumped.write_end(), "x\n", 2), 2);
  pumped.pump().drain();
  EXPECT_EQ(text_of(log()), "x\n");
  ::close(::dup(pumped.write_end()));
  EXPECT_GE(pumped.pump().pipe(), 0);
}

TEST_F(OutputTest, links_that_a_command_put_in_the_place_of_parts_are_not_followed) {
  fs::create_directory(folder_ / "elsewhere");
  fs::create_symlink(folder_ / "elsewhere", parts_of(log()));
  Pumped pumped(folder_, bound);
  pumped.put(numbered(20'000));
  EXPECT_TRUE(fs::is_empty(folder_ / "elsewhere"));
  EXPECT_EQ(fs::file_size(log()), static_cast<std::uintmax_t>(bound / 2));
}

TEST_F(OutputTest, bytes_that_are_no_character_are_replaced_and_a_cut_one_is_waited_for) {
  EXPECT_EQ(as_utf8("aä€😀z"), "aä€😀z");
  EXPECT_EQ(as_utf8("a\xFFz"), "a\xEF\xBF\xBDz");
  EXPECT_EQ(as_utf8("\xC0\x80"), "\xEF\xBF\xBD\xEF\xBF\xBD") << "overlong";
  EXPECT_EQ(as_utf8("\xED\xA0\x80").size(), 9u) << "a surrogate";
  EXPECT_EQ(as_utf8("a\xE2\x82"), "a\xEF\xBF\xBD\xEF\xBF\xBD");
  EXPECT_EQ(incomplete_at_end("a\xE2\x82"), 2u);
  EXPECT_EQ(incomplete_at_end("a\xF0\x9F\x98"), 3u);
  EXPECT_EQ(incomplete_at_end("aä"), 0u);
  EXPECT_EQ(incomplete_at_end("\xFF"), 0u);
  EXPECT_EQ(incomplete_at_end("\x80\x80"), 0u);
}

TEST_F(OutputTest, names_tell_what_ran_and_are_read_back) {
  const LogName gate{.what = LogOf::gate,
                     .task = TaskId{7},
                     .version = Version{5},
                     .stage = "deploy-staging",
                     .step = {},
                     .began_at = {1'767'225'600'123'456}};
  EXPECT_EQ(path_of(gate), "task-7/v5~deploy-staging~gate~20260101T000000.123456Z.log");
  LogName step = gate;
  step.what = LogOf::step;
  step.step = "merge.1";
  for (const LogName& name : {gate, step}) {
    const std::string path = path_of(name);
    EXPECT_EQ(read_log_name(TaskId{7}, path.substr(path.find('/') + 1)), name);
  }
  EXPECT_FALSE(read_log_name(TaskId{7}, "v5~a~gate.log"));
  EXPECT_FALSE(read_log_name(TaskId{7}, "v5~a\r\nPawl: b~gate~20260101T000000.123456Z.log"));
  EXPECT_FALSE(read_log_name(TaskId{7}, "v5~a~gate~now.log"));
  EXPECT_FALSE(read_log_name(TaskId{7}, "v5~a~dance~20260101T000000.123456Z.log"));
  EXPECT_EQ(owner_of_log("job-12-3.log").job, JobId{12});
  EXPECT_EQ(owner_of_log("job-12-3.log.parts").job, JobId{12});
  EXPECT_EQ(owner_of_log("task-7").task, TaskId{7});
  EXPECT_EQ(owner_of_log("task-7-v1-gate.log").task, TaskId{7}) << "the name format of an earlier version";
  EXPECT_FALSE(owner_of_log("task-7x").task);
  EXPECT_FALSE(owner_of_log("alert-command.log").job);
}

// ---- with keepers

TEST_F(OutputTest, what_a_command_said_last_is_there_when_its_end_is_told) {
  for (int round = 0; round < 20; ++round) {
    fs::remove(log());
    PreparedProcess run = held("head -c 200000 /dev/zero | tr '\\0' 'x'; echo; echo 'last words'", 64 * bound);
    EXPECT_EQ(run.start_and_wait({600, 10}, nullptr).code, 0);
    ASSERT_EQ(output_->last_line(), "last words");
    ASSERT_EQ(stored().produced(), 200'012);
  }
}

TEST_F(OutputTest, advice_of_git_is_not_what_a_command_said_last) {
  const std::string advice = "for n in 1 2 3 4 5; do echo \"hint: $(head -c 60 /dev/zero | tr '\\0' x)\"; done";
  PreparedProcess run = held("echo 'error: failed to push some refs'; " + advice, 64 * bound);
  EXPECT_EQ(run.start_and_wait({600, 10}, nullptr).code, 0);
  EXPECT_EQ(output_->last_line(), "error: failed to push some refs");
  fs::remove(log());
  PreparedProcess alone = held("echo 'hint: only that'", 64 * bound);
  EXPECT_EQ(alone.start_and_wait({600, 10}, nullptr).code, 0);
  EXPECT_EQ(output_->last_line(), "hint: only that");
}

TEST_F(OutputTest, a_long_last_line_is_cut_between_characters) {
  PreparedProcess run = held("printf '%0.s\\303\\274' $(seq 200); echo x", 64 * bound);
  EXPECT_EQ(run.start_and_wait({600, 10}, nullptr).code, 0);
  const std::string last = output_->last_line();
  EXPECT_EQ(last.size(), 239U);
  EXPECT_TRUE(last.starts_with("\u00FC"));
}

TEST_F(OutputTest, a_command_that_prints_without_end_is_bounded_and_can_be_ended) {
  PreparedProcess run = held("exec yes");
  EventCancelToken call;
  std::thread waiting([&] { EXPECT_EQ(run.start_and_wait({600, 10}, &call).how, CommandExit::How::lost); });
  EXPECT_TRUE(comes_true([&] { return stored().produced() > 50 * bound; }));
  call.call();
  waiting.join();
  EXPECT_TRUE(run.gone());
  EXPECT_LE(stored().kept(), bound) << "while it prints, a part may be seen beside the one whose place it takes";
  EXPECT_EQ(stored().gaps().size(), 1u);
}

TEST_F(OutputTest, what_is_left_of_a_run_goes_on_printing_until_it_is_ended) {
  PreparedProcess run = held("(trap '' TERM; sleep 0.05; echo later; touch said; exec sleep 1000) & echo now");
  EXPECT_EQ(run.start_and_wait({600, 1}, nullptr).code, 0);
  EXPECT_TRUE(run.gone());
  EXPECT_TRUE(whole().starts_with("now\n"));
}

TEST_F(OutputTest, somebody_may_still_write_for_as_long_as_its_keeper_lives) {
  PreparedProcess run = held("until [ -e go ]; do sleep 0.01; done; echo done");
  EventCancelToken never;
  std::thread waiting([&] { run.start_and_wait({600, 10}, &never); });
  output_.reset();
  EXPECT_TRUE(stored().is_live());
  std::ofstream(folder_ / "work" / "go") << "yes";
  waiting.join();
  EXPECT_TRUE(stored().is_live()) << "the run is still writing it";
  { const PreparedProcess over = std::move(run); }
  EXPECT_FALSE(stored().is_live());
  EXPECT_EQ(whole(), "done\n");
}

TEST_F(OutputTest, output_goes_on_when_the_daemon_was_killed_and_is_whole) {
  const pid_t daemon = ::fork();
  if (daemon == 0) {
    PreparedProcess run = held(
        "echo begun; until [ -e go ]; do sleep 0.01; done; "
        "head -c 3000000 /dev/zero | tr '\\0' 'x'; echo; echo 'the end'; touch over",
        512 * bound);
    run.start_and_wait({600, 0}, nullptr);
    ::_exit(0);
  }
  EXPECT_TRUE(comes_true([&] { return text_of(log()) == "begun\n"; }));
  ::kill(daemon, SIGKILL);
  ::waitpid(daemon, nullptr, 0);
  std::ofstream(folder_ / "work" / "go") << "yes";
  EXPECT_TRUE(comes_true([&] { return fs::exists(folder_ / "work" / "over"); }))
      << "the keeper keeps reading, so no pipe fills up";
  EXPECT_TRUE(comes_true([&] { return !stored().is_live(); })) << "its keeper exits by itself";
  const std::string text = whole();
  EXPECT_EQ(text.size(), 6u + 3'000'000u + 9u);
  EXPECT_TRUE(text.ends_with("x\nthe end\n"));
}

TEST_F(OutputTest, log_of_a_keeper_that_was_killed_can_be_read) {
  PreparedProcess run = held("exec yes");
  const pid_t keeper = noted_runs(folder_.string()).at(0).keeper;
  std::thread killer([&] {
    EXPECT_TRUE(comes_true([&] { return stored().produced() > 10 * bound; }));
    ::kill(keeper, SIGKILL);
  });
  EXPECT_EQ(run.start_and_wait({600, 0}, nullptr).how, CommandExit::How::lost);
  killer.join();
  output_.reset();
  { const PreparedProcess over = std::move(run); }
  const StoredOutput output = stored();
  EXPECT_FALSE(output.is_live());
  EXPECT_GT(output.produced(), 10 * bound);
  EXPECT_LE(output.kept(), bound);
  EXPECT_FALSE(output.read(output.gaps().at(0).from, 100).bytes.empty());
}

TEST_F(OutputTest, what_passes_a_runs_output_on_to_somebody_else_does_not_keep_the_keeper) {
  // As if a service had inherited the descriptor: it holds the pipe, and is not a descendant of the run.
  PreparedProcess run = held("echo yes; echo $$ > pid; until [ -e go ]; do sleep 0.01; done");
  std::thread waiting([&] { EXPECT_EQ(run.start_and_wait({600, 10}, nullptr).code, 0); });
  EXPECT_TRUE(comes_true([&] { return text_of(folder_ / "work" / "pid").ends_with("\n"); }));
  const std::string pid = std::to_string(std::stol(text_of(folder_ / "work" / "pid")));
  const Descriptor passed(::open(("/proc/" + pid + "/fd/1").c_str(), O_WRONLY | O_CLOEXEC));
  EXPECT_TRUE(passed);
  std::ofstream(folder_ / "work" / "go") << "yes";
  waiting.join();
  EXPECT_TRUE(run.gone());
  EXPECT_TRUE(noted_runs(folder_.string()).empty());
}

TEST_F(OutputTest, a_secret_is_masked_before_it_is_counted_or_kept) {
  OutputMask mask;
  const char* const secret = "correct-horse-battery";
  ASSERT_TRUE(mask.learn(&secret, 1));
  Pumped pumped(folder_, bound, 0, &mask);
  pumped.put("token: correct-hor");
  EXPECT_EQ(text_of(log()), "token: ") << "a possible beginning of the secret is held back";
  pumped.put("se-battery\nthe end\ncorrect");
  EXPECT_EQ(text_of(log()), "token: ***\nthe end\n");
  EXPECT_EQ(stored().produced(), std::ssize(std::string("token: ***\nthe end\n")));
  pumped.pump().finish();
  EXPECT_EQ(text_of(log()), "token: ***\nthe end\ncorrect");
}

TEST_F(OutputTest, a_masked_text_keeps_head_and_tail_as_any_other) {
  OutputMask mask;
  const char* const secret = "correct-horse-battery";
  ASSERT_TRUE(mask.learn(&secret, 1));
  Pumped pumped(folder_, bound, 0, &mask);
  std::string shown;
  for (int i = 0; i < 20'000; ++i) {
    pumped.put(std::to_string(i) + " correct-horse-battery\n");
    shown += std::to_string(i) + " ***\n";
  }
  const StoredOutput output = stored();
  EXPECT_EQ(output.produced(), std::ssize(shown));
  ASSERT_EQ(output.gaps().size(), 1u);
  EXPECT_EQ(output.read(0, shown.size()).bytes, shown.substr(0, bound / 2));
  const OutputRange gap = output.gaps()[0];
  EXPECT_EQ(output.read(gap.to, shown.size()).bytes, shown.substr(static_cast<std::size_t>(gap.to)));
}

TEST_F(OutputTest, a_command_gets_its_secret_and_nobody_sees_it) {
  PreparedProcess run =
      held("echo \"$TOKEN\"; printf %s \"$TOKEN\" | wc -c; until [ -e go ]; do sleep 0.01; done; printf \"by $TOKEN\"",
           bound, "correct-horse-battery");
  const RunNote note = noted_runs(folder_.string()).at(0);
  std::thread looking([&] {
    EXPECT_TRUE(comes_true([&] { return text_of(log()).ends_with("21\n"); }));
    for (const std::string file : {"cmdline", "environ"}) {
      EXPECT_EQ(text_of("/proc/" + std::to_string(note.keeper) + "/" + file).find("correct"), std::string::npos)
          << file;
    }
    EXPECT_EQ(text_of("/proc/" + std::to_string(note.pid) + "/cmdline").find("correct"), std::string::npos);
    std::ofstream(folder_ / "work" / "go") << "yes";
  });
  EXPECT_EQ(run.start_and_wait({600, 10}, nullptr).code, 0);
  looking.join();
  EXPECT_EQ(whole(), "***\n21\nby ***");
  EXPECT_EQ(output_->last_line(), "by ***");
}

TEST_F(OutputTest, a_secret_is_masked_after_the_daemon_was_killed_too) {
  const pid_t daemon = ::fork();
  if (daemon == 0) {
    PreparedProcess run = held("echo begun; until [ -e go ]; do sleep 0.01; done; echo \"$TOKEN\"; touch over", bound,
                               "correct-horse-battery");
    run.start_and_wait({600, 0}, nullptr);
    ::_exit(0);
  }
  EXPECT_TRUE(comes_true([&] { return text_of(log()) == "begun\n"; }));
  ::kill(daemon, SIGKILL);
  ::waitpid(daemon, nullptr, 0);
  std::ofstream(folder_ / "work" / "go") << "yes";
  EXPECT_TRUE(comes_true([&] { return fs::exists(log()) && !stored().is_live(); }));
  EXPECT_EQ(whole(), "begun\n***\n");
}

/// A log that accepts at most a page until the test reads from it.
class SlowLog : public OutputLog {
 public:
  explicit SlowLog(const fs::path& path) : path_(path) {
    EXPECT_EQ(::mkfifo(path.c_str(), 0600), 0);
    read_ = Descriptor(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    write_ = Descriptor(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    EXPECT_EQ(::fcntl(read_.get(), F_SETPIPE_SZ, page), page);
    ::fcntl(read_.get(), F_SETFL, 0);
  }
  int descriptor() const override { return write_.get(); }
  std::string path() const override { return path_.string(); }
  void say(const std::string&) override {}
  std::string last_line() const override { return {}; }

  int there() const {
    int bytes = 0;
    EXPECT_EQ(::ioctl(read_.get(), FIONREAD, &bytes), 0);
    return bytes;
  }
  /// Waits for that many bytes.
  std::string read(std::size_t count) const {
    std::string text(count, ' ');
    for (std::size_t at = 0; at < count;) {
      const ssize_t got = ::read(read_.get(), text.data() + at, count - at);
      if (got <= 0) return text.substr(0, at);
      at += static_cast<std::size_t>(got);
    }
    return text;
  }

  static constexpr int page = 4096;

 private:
  const fs::path path_;
  Descriptor read_;
  Descriptor write_;
};

TEST_F(OutputTest, end_of_a_command_is_told_after_its_last_line_was_written) {
  const std::size_t half = 2 * SlowLog::page;
  const SlowLog slow(folder_ / "slow");
  Launch launch;
  launch.command = {"/bin/sh", "-c",
                    "head -c 8192 /dev/zero; until [ -e go ]; do sleep 0.01; done; head -c 8192 /dev/zero; echo last"};
  launch.folder = (folder_ / "work").string();
  launch.environment = {"PATH=/usr/bin:/bin"};
  launch.output = &slow;
  launch.output_bytes_max = bound;
  launch.is_kept = true;
  const std::unique_ptr<Child> child = system_->fork_stopped(launch).value();
  child->release();
  // The keeper is busy with the first half while the command prints the second and ends.
  ASSERT_TRUE(comes_true([&] { return slow.there() == SlowLog::page; }));
  std::ofstream(folder_ / "work/go") << "";
  ASSERT_TRUE(comes_true([&] { return process_stat(child->pid())->ended(); }));
  EXPECT_EQ(slow.read(half + 1).size(), half + 1)
      << "the keeper has seen the end, and writes what it had not read before";
  EXPECT_EQ(child->wait(system_->now(), nullptr), Child::Wake::deadline) << "the reported end includes its last line";
  EXPECT_TRUE(slow.read(half - 1 + 5).ends_with("last\n"));
  EXPECT_EQ(child->wait(no_deadline, nullptr), Child::Wake::ended);
  child->reap();
}

}  // namespace
}  // namespace pawl
