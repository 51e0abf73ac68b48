// The executor's threads for jobs: how many there are, and who gets one that is free again.
#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "tests/unit/daemon/work/desk_between.h"
#include "tests/unit/daemon/work/executor_stage.h"

namespace pawl {
namespace {

constexpr const char* works_until_told = R"(name: test
agents:
  worker: {run: 'echo >> $1/up-$PAWL_JOB; until [ -e $1/go ]; do sleep 0.02; done', timeout_s: 600}
stages:
  - {name: work, agent: worker, to: done}
)";

TEST_F(ExecutorTest, no_more_jobs_run_at_once_than_there_are_threads_for) {
  define(works_until_told);
  set("queue.max_concurrency", 3);
  set("queue.serial_per_repo", false);
  jobs_at_once_ = 2;
  execute();
  const TaskId first = submit();
  submit("W-2");
  const TaskId last = submit("W-3");
  ASSERT_TRUE(comes_true([&] { return fs::exists(at("up-1")) && fs::exists(at("up-2")); }));
  EXPECT_EQ(executor_->jobs_at_work(), 2u);
  EXPECT_EQ(job(3)->status, JobStatus::queued);
  cancel(first);
  ASSERT_TRUE(comes_true([&] { return fs::exists(at("up-3")); })) << "as soon as a thread is free";
  EXPECT_EQ(executor_->jobs_at_work(), 2u);
  std::ofstream(at("go")) << "";
  EXPECT_TRUE(reaches(last, "done"));
}

/// A desk at which the thread of a job goes on from its last word only after the executor, who claims, has heard of
/// that and looked for a job: it still found the thread taken.
class SlowToLeave final : public DeskBetween {
 public:
  using DeskBetween::DeskBetween;

  Decision propose(Group group) override {
    if (group.front().record().event_as_JobClaimed()) {
      const std::lock_guard lock(mutex_);
      claims_ = std::this_thread::get_id();
    }
    const auto is_end = [](const Proposal& each) { return each.record().event_as_JobFinished() != nullptr; };
    const bool ends = std::any_of(group.begin(), group.end(), is_end);
    Decision decision = DeskBetween::propose(std::move(group));
    std::unique_lock lock(mutex_);
    if (ends) looked_.wait_for(lock, patience, [this] { return has_looked_; });
    return decision;
  }
  /// It asks for the time before it looks.
  TimeUs now() const override {
    const std::lock_guard lock(mutex_);
    begins_ = begins_ || (has_ended_ && std::this_thread::get_id() == claims_);
    return DeskBetween::now();
  }
  void look(const std::function<void(const State&)>& look) override {
    DeskBetween::look(look);
    const std::lock_guard lock(mutex_);
    has_looked_ = has_looked_ || (begins_ && std::this_thread::get_id() == claims_);
    looked_.notify_all();
  }
  std::uint64_t subscribe(std::function<void(std::span<const Published>)> listener) override {
    return DeskBetween::subscribe([this, listener = std::move(listener)](std::span<const Published> records) {
      for (const Published& each : records) {
        const std::lock_guard lock(mutex_);
        has_ended_ = has_ended_ || each.record.event_as_JobFinished();
      }
      listener(records);
    });
  }
  bool has_looked() const {
    const std::lock_guard lock(mutex_);
    return has_looked_;
  }

 private:
  static constexpr std::chrono::seconds patience{60};
  mutable std::mutex mutex_;
  std::condition_variable looked_;
  std::thread::id claims_;
  bool has_ended_ = false;
  mutable bool begins_ = false;
  bool has_looked_ = false;
};

TEST_F(ExecutorTest, end_of_a_jobs_thread_is_heard_by_the_job_that_waits_for_one) {
  define(works_until_told);
  set("reconciler.interval_s", std::int64_t{3600});  // no pass comes by
  set("queue.max_concurrency", std::int64_t{2});
  set("queue.serial_per_repo", false);
  jobs_at_once_ = 1;
  auto desk = std::make_unique<SlowToLeave>(*sequencer_);
  const SlowToLeave& slow = *desk;
  desk_ = std::move(desk);
  execute();
  const TaskId first = submit();
  submit("W-2");
  ASSERT_TRUE(comes_true([&] { return fs::exists(at("up-1")); }));
  cancel(first);
  EXPECT_TRUE(comes_true([&] { return fs::exists(at("up-2")); }));
  EXPECT_TRUE(slow.has_looked());
}

}  // namespace
}  // namespace pawl
