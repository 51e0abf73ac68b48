// A restore that is cut short at any step: DATA is as before, or complete, and the next restore succeeds.
#include <gtest/gtest.h>

#include "store/open.h"
#include "store/restore.h"
#include "store/rocks_log.h"
#include "tests/crashpoints/crash_files.h"
#include "tests/unit/store/log_kit.h"

namespace pawl::crash {
namespace {

class RestoreCrash : public testing::Test {
 protected:
  RestoreCrash() {
    // Here in memory; only the locks are on disk.
    for (const std::string& folder : {backup(), data() + ".new", data()}) std::filesystem::create_directory(folder);
    Tree bare;
    bare.make_dirs(dir_.path());
    CrashFiles files(std::move(bare));
    {
      auto log = RocksLog::open(backup(), RocksLog::Mode::write, files);
      PAWL_ASSERT(log.has_value());
      Writer writer(**log);
      writer.boot();
      for (const char* item : {"W-1", "W-2", "W-3"}) writer.create_task(item);
      writer.cancel_task(TaskId{2});
      PAWL_ASSERT((*log)->seal().has_value());
      last_ = (*log)->last_seq();
    }
    files.wait_for_quiet();
    start_ = files.tree();
  }
  std::string backup() const { return dir_.path("backup"); }
  std::string data() const { return dir_.path("data"); }
  RestoreRequest order() const { return {.backup = backup(), .data = data(), .bump = 1000, .now = TimeUs{1'000'000}}; }

  /// What is there, and what happens to it.
  void expect_way_out(const Tree& tree, const std::string& where) {
    CrashFiles files(tree);
    const bool is_there = files.exists(data()).value();
    if (!is_there) {
      ++absent_;
      const auto restored = restore_log(order(), files);
      ASSERT_TRUE(restored.has_value()) << where << ": " << restored.error().message;
    } else {
      ++whole_;
    }
    const auto log = RocksLog::open(data(), RocksLog::Mode::write, files);
    ASSERT_TRUE(log.has_value()) << where << ": " << log.error().message;
    const auto opened = open_state(**log);
    ASSERT_TRUE(opened.has_value()) << where << ": " << opened.error().message;
    EXPECT_EQ(raw(opened->state.last_seq), raw(last_) + 1001) << where;
    EXPECT_EQ(opened->state.restores(), 1U) << where;
    EXPECT_TRUE((*log)->find(TaskId{2}).has_value()) << where;
  }

  TempDir dir_;
  Tree start_;
  Seq last_{};
  std::size_t absent_ = 0;
  std::size_t whole_ = 0;
};

TEST_F(RestoreCrash, power_cut_at_every_step_leaves_all_of_it_or_nothing) {
  CrashFiles files(start_);
  ASSERT_TRUE(restore_log(order(), files).has_value());
  files.wait_for_quiet();
  const std::vector<Step> trace = files.trace();
  Durability durability(start_);
  for (std::size_t steps = 0; steps <= trace.size() && !HasFatalFailure(); ++steps) {
    const std::size_t pending = durability.pending().size();
    for (const auto fate : {Durability::Fate::lost, Durability::Fate::kept}) {
      const std::vector<Durability::Fate> fates(pending, fate);
      expect_way_out(durability.after_cut(fates), "cut after " + std::to_string(steps) + " steps");
    }
    if (steps < trace.size()) durability.take(trace[steps]);
  }
  EXPECT_GT(absent_, 50U);
  EXPECT_GT(whole_, 0U);
}

TEST_F(RestoreCrash, step_that_fails_is_told_and_leaves_what_was_there) {
  CrashFiles sound(start_);
  ASSERT_TRUE(restore_log(order(), sound).has_value());
  std::size_t told = 0;
  for (std::size_t nth = 0; nth < sound.trace().size() && !HasFatalFailure(); ++nth) {
    CrashFiles files(start_);
    files.fail_step(nth, nth % 2 == 0 ? CrashFiles::Trouble::io_error : CrashFiles::Trouble::no_space);
    if (!restore_log(order(), files)) ++told;
    files.wait_for_quiet();
    expect_way_out(files.tree(), "step " + std::to_string(nth) + " failed");
  }
  EXPECT_GT(told, 50U);
}

}  // namespace
}  // namespace pawl::crash
