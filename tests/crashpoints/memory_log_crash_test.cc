// The same story on the in-memory log: cut at every byte of every batch.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>

#include "store/memory_log.h"
#include "store/open.h"
#include "store/take_checkpoint.h"
#include "tests/crashpoints/recovery.h"

namespace pawl::crash {
namespace {

/// Opens what a crash left, compares it with the story, appends a batch, cuts the power, and looks again.
void expect_recovers(const Story& story, const MemoryDisk& left, Seq last, std::optional<Seq> torn_at) {
  const auto disk = std::make_shared<MemoryDisk>(left);
  for (const bool again : {false, true}) {
    const auto log = MemoryLog::open(disk);
    ASSERT_TRUE(log.has_value()) << log.error().message;
    ASSERT_EQ((*log)->last_seq(), last);
    ASSERT_EQ((*log)->torn_at(), again ? std::nullopt : torn_at);
    const auto faults = faults_of(**log, story, last);
    ASSERT_TRUE(faults.has_value()) << faults.error().message;
    ASSERT_EQ(*faults, std::vector<std::string>());
    if (again) break;
    const StoryBatch* more = story.batch_from(next(last));
    ASSERT_NE(more, nullptr);
    ASSERT_TRUE((*log)->append(more->batch(), more->first).has_value());
    last = more->last;
    disk->lose_unsynced();
  }
}

TEST(MemoryLogCrash, every_cut_of_every_batch_leaves_whole_batches) {
  const Story story = load_story();
  const char* night = std::getenv("PAWL_TEST_NIGHTLY");
  const std::size_t stride = night && *night ? 1 : 61;
  MemoryLog log;
  std::size_t images = 0;
  Seq before{};
  for (std::size_t i = 0; i + 1 < story.batches.size(); ++i) {
    const StoryBatch& batch = story.batches[i];
    const MemoryDisk old = *log.disk();
    ASSERT_TRUE(log.append(batch.batch(), batch.first).has_value());
    const MemoryDisk whole = *log.disk();
    const std::size_t bytes = whole.blocks.size() - old.blocks.size();
    for (std::size_t kept = 0; kept < bytes;
         kept += kept < 8 || kept + 8 >= bytes ? 1 : std::min(stride, bytes - 8 - kept)) {
      MemoryDisk cut = old;
      cut.blocks.append(whole.blocks, old.blocks.size(), kept);
      ++images;
      ASSERT_NO_FATAL_FAILURE(
          expect_recovers(story, cut, before, kept == 0 ? std::nullopt : std::optional(batch.first)))
          << "batch " << i << ", " << kept << " of " << bytes << " bytes";
    }
    ++images;
    ASSERT_NO_FATAL_FAILURE(expect_recovers(story, whole, batch.last, std::nullopt)) << "batch " << i;

    // What an honest crash never leaves: a checkpoint, or a seal, for records that are gone.
    if (i % 4 == 3) {
      ASSERT_TRUE(take_checkpoint(log).has_value());
      MemoryDisk lost = *log.disk();
      lost.blocks = old.blocks;
      const auto opened = MemoryLog::open(std::make_shared<MemoryDisk>(lost));
      ASSERT_TRUE(opened.has_value());
      const auto faults = faults_of(**opened, story, before);
      ASSERT_FALSE(faults.has_value()) << "a checkpoint shows that there was more";
      ASSERT_EQ(faults.error().code, ErrorCode::damaged);
    }
    if (i % 4 == 1) {
      ASSERT_TRUE(log.seal().has_value());
      MemoryDisk lost = *log.disk();
      lost.blocks = old.blocks;
      const auto opened = MemoryLog::open(std::make_shared<MemoryDisk>(lost));
      ASSERT_FALSE(opened.has_value());
      ASSERT_EQ(opened.error().code, ErrorCode::damaged);
    }
    before = batch.last;
  }
  std::printf("%zu images of the log in memory\n", images);
}

TEST(MemoryLogCrash, append_that_fails_is_the_last_and_loses_nothing) {
  const Story story = load_story();
  using Failure = MemoryLog::Failure;
  for (std::size_t nth = 1; nth < story.batches.size(); ++nth) {
    for (const Failure failure : {Failure::nothing_written, Failure::half_written, Failure::not_synced}) {
      for (const bool power_cut : {false, true}) {
        MemoryLog log;
        log.fail_append(nth, failure);
        Seq acknowledged{};
        std::size_t tried = 0;
        for (const StoryBatch& batch : story.batches) {
          ++tried;
          if (!log.append(batch.batch(), batch.first)) break;
          acknowledged = batch.last;
        }
        ASSERT_EQ(tried, nth);
        const StoryBatch& failed = story.batches[nth - 1];
        ASSERT_FALSE(log.append(failed.batch(), failed.first).has_value());
        MemoryDisk left = *log.disk();
        if (power_cut) left.lose_unsynced();
        const bool survives = failure == Failure::not_synced && !power_cut;
        const bool torn = failure == Failure::half_written && !power_cut;
        if (survives && nth + 1 == story.batches.size()) continue;  // nothing to append
        ASSERT_NO_FATAL_FAILURE(expect_recovers(story, left, survives ? failed.last : acknowledged,
                                                torn ? std::optional(failed.first) : std::nullopt))
            << "append " << nth;
      }
    }
  }
}

}  // namespace
}  // namespace pawl::crash
