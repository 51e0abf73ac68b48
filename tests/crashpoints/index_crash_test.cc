// The making of an index that is cut short at any step: the log is as it was, and the index goes on or is made again.
#include <gtest/gtest.h>

#include "store/rocks_log.h"
#include "tests/crashpoints/crash_files.h"
#include "tests/unit/store/index_oracle.h"
#include "tests/unit/store/log_kit.h"

namespace pawl::crash {
namespace {

class IndexCrash : public testing::Test {
 protected:
  IndexCrash() {
    std::filesystem::create_directory(data());  // here in memory; only the locks are on disk
    Tree bare;
    bare.make_dirs(dir_.path());
    CrashFiles files(std::move(bare));
    {
      const auto log = RocksLog::open(data(), RocksLog::Mode::write, files);
      PAWL_ASSERT(log.has_value());
      Writer writer(**log);
      writer.boot();
      for (int i = 0; i < 20; ++i) writer.create_task("W-" + std::to_string(i));
      for (const std::uint64_t task : {2U, 3U, 11U}) writer.cancel_task(TaskId{task});
      last_ = (*log)->last_seq();
    }
    files.wait_for_quiet();
    start_ = files.tree();
  }
  std::string data() const { return dir_.path("data"); }

  /// Two daemons, one after the other: each makes a part of the index. Whether all succeeded.
  bool run(CrashFiles& files) const {
    for (int daemon = 0; daemon < 2; ++daemon) {
      const auto log = RocksLog::open(data(), RocksLog::Mode::write, files);
      if (!log) return false;
      LogIndex index(**log, **log, **log);
      bool succeeds = index.begin().has_value();
      for (int chunk = 0; chunk < 2; ++chunk) succeeds = succeeds && index.extend(7).has_value();
      if (daemon == 1) succeeds = succeeds && index.clear().has_value() && index.extend(12).has_value();
      if (!succeeds) return false;
      files.wait_for_quiet();
    }
    return true;
  }

  void expect_way_out(const Tree& tree, const std::string& where) {
    CrashFiles files(tree);
    const auto log = RocksLog::open(data(), RocksLog::Mode::write, files);
    ASSERT_TRUE(log.has_value()) << where << ": " << log.error().message;
    EXPECT_EQ((*log)->last_seq(), last_) << where;
    LogIndex index(**log, **log, **log);
    const auto removed = index.begin();
    ASSERT_TRUE(removed.has_value()) << where << ": " << removed.error().message;
    ++(index.reach() == Seq{} ? from_the_first_ : gone_on_);
    ASSERT_EQ(difference_of(**log, index), std::nullopt) << where;
    ASSERT_TRUE(index.extend(1000).has_value()) << where;
    EXPECT_EQ(index.reach(), last_) << where;
    ASSERT_EQ(difference_of(**log, index), std::nullopt) << where;
  }

  TempDir dir_;
  Tree start_;
  Seq last_{};
  std::size_t from_the_first_ = 0;
  std::size_t gone_on_ = 0;
};

TEST_F(IndexCrash, power_cut_at_every_step_leaves_an_earlier_index_or_none) {
  CrashFiles files(start_);
  ASSERT_TRUE(run(files));
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
  EXPECT_GT(from_the_first_, 20U);
  EXPECT_GT(gone_on_, 20U);
}

TEST_F(IndexCrash, step_that_fails_costs_no_record) {
  CrashFiles sound(start_);
  ASSERT_TRUE(run(sound));
  std::size_t told = 0;
  for (std::size_t nth = 0; nth < sound.trace().size() && !HasFatalFailure(); ++nth) {
    CrashFiles files(start_);
    files.fail_step(nth, nth % 2 == 0 ? CrashFiles::Trouble::io_error : CrashFiles::Trouble::no_space);
    if (!run(files)) ++told;
    files.wait_for_quiet();
    expect_way_out(files.tree(), "step " + std::to_string(nth) + " failed");
  }
  EXPECT_GT(told, 20U);
}

}  // namespace
}  // namespace pawl::crash
