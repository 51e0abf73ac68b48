// A crash at every point of a run that includes every event, and what recovery finds.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <utility>

#include "tests/crashpoints/recovery.h"
#include "tests/unit/store/log_kit.h"

namespace pawl::crash {
namespace {

bool nightly() {
  const char* value = std::getenv("PAWL_TEST_NIGHTLY");
  return value && *value;
}

void print(const char* what, const Tally& tally) {
  std::printf("%s: %zu crash points, %zu images (%zu distinct), %zu kills, %zu recoveries\n", what, tally.cuts,
              tally.images, tally.distinct, tally.kills, tally.recoveries);
  std::printf("  found %zu intact, %zu torn, %zu refused (%zu of them for names out of order)\n", tally.intact,
              tally.torn, tally.refused, tally.refused_disordered);
}

void expect_no_faults(const Tally& tally) {
  for (const std::string& fault : tally.faults) ADD_FAILURE() << fault;
}

class CrashPoints : public testing::Test {
 protected:
  static void SetUpTestSuite() { story_ = new Story(load_story()); }
  static void TearDownTestSuite() {
    delete story_;
    story_ = nullptr;
  }

  CrashPoints() { std::filesystem::create_directory(data()); }
  /// Here in memory; only the lock is on disk.
  std::string data() const { return dir_.path("data"); }
  Tree bare() const {
    Tree tree;
    tree.make_dirs(dir_.path());
    return tree;
  }
  History whole() const {
    CrashFiles files(bare());
    return run(files, data(), *story_, whole_run);
  }

  static Story* story_;
  TempDir dir_;
};

Story* CrashPoints::story_ = nullptr;

TEST_F(CrashPoints, story_has_every_event_accepted) {
  EXPECT_EQ(story_->kinds_accepted, std::size(fb::EnumValuesEvent()) - 1);  // without NONE
}

TEST_F(CrashPoints, power_cut_at_every_step_loses_nothing_that_was_acknowledged) {
  const History history = whole();
  ASSERT_TRUE(history.troubles.empty()) << history.troubles.front();
  std::map<std::string, std::size_t> kinds;
  for (const Step& step : history.trace) ++kinds[name(step.kind)];
  std::printf("%zu steps:", history.trace.size());
  for (const auto& [kind, count] : kinds) std::printf(" %zu %s", count, kind.c_str());
  std::printf("\n%zu records in %zu batches, acknowledged up to %llu\n", story_->proofs.size() - 1,
              story_->batches.size(), static_cast<unsigned long long>(raw(history.promises.back().acknowledged)));

  Explorer explorer(*story_, data(), nightly() ? 20 : 500);
  const Thoroughness usual;
  const Thoroughness by_night{.all_subsets_up_to = 6, .torn_positions = 32};
  explorer.explore(history, nightly() ? by_night : usual);
  print("power cuts and kills", explorer.tally);
  EXPECT_GT(explorer.tally.torn, 50U);
  EXPECT_GT(explorer.tally.intact, 1000U);
  expect_no_faults(explorer.tally);

  explorer.tally = {};
  const Thoroughness quick{.each_alone = false, .torn_positions = 1, .kills = false};
  explorer.explore_recoveries(nightly() ? usual : quick);
  print("and again during the recovery", explorer.tally);
  expect_no_faults(explorer.tally);

  explorer.tally = {};
  explorer.explore_lies(history);
  print("a disk that lies about its syncs", explorer.tally);
  EXPECT_GT(explorer.tally.refused, 0U);
  expect_no_faults(explorer.tally);
}

TEST_F(CrashPoints, step_that_fails_ends_the_process_or_is_told_and_loses_nothing) {
  const std::size_t steps = whole().trace.size();
  Explorer explorer(*story_, data(), steps + 1);
  const Thoroughness quick{.each_alone = false, .torn_positions = 0};
  std::size_t runs = 0;
  std::size_t told = 0;
  std::size_t first = 0;  // by day the two faults alternate: no step gets both
  for (const CrashFiles::Trouble trouble : {CrashFiles::Trouble::io_error, CrashFiles::Trouble::no_space}) {
    for (std::size_t nth = nightly() ? 0 : std::exchange(first, first + 5); nth < steps; nth += nightly() ? 1U : 10U) {
      CrashFiles files(bare());
      files.fail_step(nth, trouble);
      const History history = run(files, data(), *story_, whole_run);
      ++runs;
      if (!history.troubles.empty()) ++told;
      explorer.explore(history, quick, history.trace.size());
    }
  }
  print("steps that fail", explorer.tally);
  std::printf("  of %zu steps that failed %zu were told\n", runs, told);
  EXPECT_GT(told, runs / 2);
  expect_no_faults(explorer.tally);
}

}  // namespace
}  // namespace pawl::crash
