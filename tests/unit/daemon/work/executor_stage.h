// A stage for executor tests: the real sequencer over a log in memory, with real, short processes. Each wait is for an
// entry in the log; its bound only makes a faulty test fail instead of hang.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <map>
#include <mutex>
#include <sstream>
#include <thread>

#include "daemon/pipeline_yaml.h"
#include "daemon/work/executor.h"
#include "daemon/work/log_name.h"
#include "daemon/work/output_log.h"
#include "daemon/work/process_run.h"
#include "daemon/work/process_table.h"
#include "daemon/work/real_system.h"
#include "daemon/work/run_lock.h"
#include "schema/limits.h"
#include "store/commit/clock.h"
#include "store/commit/sequencer.h"
#include "store/commit/start.h"
#include "store/memory_log.h"
#include "store/open.h"
#include "store/os/random.h"
#include "tests/unit/daemon/comes_true.h"
#include "tests/unit/daemon/work/origins_of.h"

namespace pawl {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

inline std::string contents(const fs::path& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

class ExecutorTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "/pawl-exec-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
    fs::create_directory(folder_ / "data");
    disk_ = MemoryLog().disk();
    boot();
    set("stop.kill_after_s", 1);
  }
  void TearDown() override {
    shut_down();
    RealSystem system({.data_folder = data()});
    for (const RunNote& note : noted_runs(data())) end_run(system, note.run, {Stop::kill, seconds(60)});
    fs::remove_all(folder_);
  }

  std::string data() const { return (folder_ / "data").string(); }
  fs::path at(const std::string& name) const { return folder_ / name; }
  fs::path worktree(std::uint64_t task) const { return at("data/work") / ("task-" + std::to_string(task)); }
  Requester requester(const std::string& actor) const {
    return {.boot = boot_id_, .actor = actor, .key = {}, .request = {}};
  }

  /// Starts from the log, as the daemon does, but without the executor.
  void boot() {
    log_ = std::move(MemoryLog::open(disk_)).value();
    Opened opened = open_state(*log_).value();
    clock_ = std::make_unique<Clock>(TimeBefore{.last_record = opened.state.last_time}, Clock::system_sources());
    Sequencer::Options options{.batch_records_max = limits::batch_records_max,
                               .batch_bytes_max = limits::batch_bytes_max,
                               .now = [this] { return plus_s(clock_->now(), ahead_s_); },
                               .superseded = [](const Error&) {}};
    sequencer_ = std::make_unique<Sequencer>(*log_, std::move(opened.state), opened.chain, std::move(options));
    sequencer_->start();
    boot_id_ = random_uuid();
    ASSERT_TRUE(start_boot(*sequencer_, boot_id_, "test"));
  }
  void execute() {
    const auto origins = origins_of(origins_);
    system_ = make_system({.data_folder = data(), .origins = origins});
    executor_ = std::make_unique<Executor>(desk_ ? *desk_ : *sequencer_, *system_,
                                           Executor::Options{.boot_id = boot_id_,
                                                             .origins = origins,
                                                             .archive = *log_,
                                                             .warn =
                                                                 [this](const std::string& text) {
                                                                   const std::lock_guard lock(warnings_mutex_);
                                                                   warnings_.push_back(text);
                                                                 },
                                                             .variable_alert =
                                                                 [this](TaskId, const std::string& words) {
                                                                   const std::lock_guard lock(warnings_mutex_);
                                                                   variable_alerts_.push_back(words);
                                                                 },
                                                             .has_room =
                                                                 [this] {
                                                                   ++room_asked_;
                                                                   return has_room_.load();
                                                                 },
                                                             .jobs_at_once = jobs_at_once_});
    executor_->start();
  }
  /// The system that execute() uses, if a test needs to intervene.
  virtual std::unique_ptr<RealSystem> make_system(const RealSystem::Options& options) {
    return std::make_unique<RealSystem>(options);
  }
  void shut_down() {
    executor_.reset();
    if (sequencer_) sequencer_->stop();
    sequencer_.reset();
  }

  template <class Event>
  Decision tell(const Event& event, const std::string& actor = "operator") {
    return sequencer_->propose(propose_group(requester(actor), event));
  }
  void set(const std::string& key, const SettingValue& value) {
    fb::SettingChangedT event;
    event.key = key;
    event.value = std::make_unique<fb::SettingValueT>(setting_value_event(value));
    ASSERT_EQ(tell(event).outcome, Outcome::accepted);
  }
  /// `$1` in a command stands for the test's folder.
  void define(std::string yaml) {
    for (std::size_t at = yaml.find("$1"); at != std::string::npos; at = yaml.find("$1", at)) {
      yaml.replace(at, 2, folder_.string());
    }
    const Result<PipelineText> read = parse_pipeline(yaml, "test", "/");
    ASSERT_TRUE(read) << read.error().message;
    ASSERT_EQ(tell(pipeline_event(read->pipeline)).outcome, Outcome::accepted);
  }
  TaskId submit(const std::string& work_item = "W-1", const std::string& branch = "feature",
                const std::string& repo = "shop") {
    fb::TaskCreatedT event;
    event.work_item = work_item;
    event.repo = repo;
    event.branch = branch;
    event.pipeline = "test";
    const Decision decision = tell(event);
    EXPECT_EQ(decision.outcome, Outcome::accepted) << decision.detail;
    for (const Effect& effect : decision.effects) {
      if (effect.kind == EffectKind::task) return TaskId{effect.id};
    }
    return TaskId{0};
  }

  void cancel(TaskId id) {
    fb::CancelRequestedT event;
    event.task = raw(id);
    event.reason = "not wanted";
    ASSERT_EQ(tell(event).outcome, Outcome::accepted);
  }

  std::optional<Task> task(TaskId id) {
    return sequencer_->ask([id](const State& state) {
      const Task* row = state.tasks.find(id);
      return row ? std::optional(*row) : std::nullopt;
    });
  }
  std::optional<Job> job(std::uint64_t id) {
    return sequencer_->ask([id](const State& state) {
      const Job* row = state.jobs.find(JobId{id});
      return row ? std::optional(*row) : std::nullopt;
    });
  }
  bool reaches(TaskId id, const std::string& stage) {
    return comes_true([&] {
      const auto row = task(id);
      return row ? row->stage == stage : is_terminal(stage);
    });
  }
  /// The number of records of that type and outcome in the log.
  std::size_t count(fb::Event type, Outcome outcome = Outcome::accepted) {
    std::size_t found = 0;
    EXPECT_TRUE(log_->read(Seq{1}, [&](RecordBytes bytes) {
      const fb::Record& record = *fb::GetRecord(bytes.data());
      if (record.event_type() == type && record.stamp()->outcome() == static_cast<std::uint16_t>(outcome)) ++found;
      return true;
    }));
    return found;
  }

  std::vector<std::string> variable_alerts() {
    const std::lock_guard lock(warnings_mutex_);
    return variable_alerts_;
  }
  std::vector<std::string> warnings() {
    const std::lock_guard lock(warnings_mutex_);
    return warnings_;
  }

  fs::path folder_;
  std::map<std::string, std::string> origins_;  // before execute()
  std::size_t jobs_at_once_ = 256;              // the same
  std::atomic<bool> has_room_{true};
  std::atomic<int> room_asked_{0};
  std::mutex warnings_mutex_;
  std::vector<std::string> warnings_;
  std::vector<std::string> variable_alerts_;
  std::shared_ptr<MemoryDisk> disk_;
  std::unique_ptr<MemoryLog> log_;
  std::unique_ptr<Clock> clock_;
  std::atomic<std::int64_t> ahead_s_{0};  // added to the clock, so that no test waits for a time-out
  std::unique_ptr<Sequencer> sequencer_;
  std::unique_ptr<RealSystem> system_;
  std::unique_ptr<Desk> desk_;  // in place of the sequencer, if a test needs to intervene; set before execute()
  std::unique_ptr<Executor> executor_;
  std::string boot_id_;
};

}  // namespace pawl
