#include "store/memory_log.h"

#include <gtest/gtest.h>

#include "store/key_format.h"
#include "store/open.h"
#include "tests/unit/store/log_kit.h"

namespace pawl {
namespace {

/// A disk with four batches: records 1–2, 3, 4, 5.
struct Written {
  std::shared_ptr<MemoryDisk> disk;
  std::vector<std::size_t> ends;  // of the batches, in bytes
  std::vector<Seq> lasts;
};

Written four_batches() {
  Written written;
  MemoryLog log;
  Writer writer(log);
  written.disk = log.disk();
  const auto note = [&] {
    written.ends.push_back(written.disk->blocks.size());
    written.lasts.push_back(log.last_seq());
  };
  writer.boot();
  note();
  for (const char* item : {"W-1", "W-2", "W-3"}) {
    writer.create_task(item);
    note();
  }
  return written;
}

std::shared_ptr<MemoryDisk> copy_of(const MemoryDisk& disk) {
  return std::make_shared<MemoryDisk>(disk);
}

TEST(MemoryLog, every_cut_leaves_the_whole_batches_and_tells_the_torn_tail) {
  const Written written = four_batches();
  for (std::size_t length = 0; length <= written.disk->blocks.size(); ++length) {
    const auto disk = copy_of(*written.disk);
    disk->blocks.resize(length);
    const auto log = MemoryLog::open(disk);
    ASSERT_TRUE(log.has_value()) << length << ": " << log.error().message;
    Seq last{};
    bool at_end = length == 0;
    for (std::size_t i = 0; i < written.ends.size(); ++i) {
      if (written.ends[i] <= length) last = written.lasts[i];
      at_end = at_end || written.ends[i] == length;
    }
    ASSERT_EQ((*log)->last_seq(), last) << length;
    ASSERT_EQ((*log)->torn_at(), at_end ? std::nullopt : std::optional(next(last))) << length;
  }
}

TEST(MemoryLog, every_cut_of_a_sealed_log_is_damage) {
  const Written written = four_batches();
  written.disk->seal = encode_seal(Seq{5});
  for (std::size_t length = 0; length < written.disk->blocks.size(); ++length) {
    const auto disk = copy_of(*written.disk);
    disk->blocks.resize(length);
    const auto log = MemoryLog::open(disk);
    ASSERT_FALSE(log.has_value()) << length;
    ASSERT_EQ(log.error().code, ErrorCode::damaged);
    ASSERT_EQ(disk->blocks.size(), length) << "nothing is overwritten";
  }
}

TEST(MemoryLog, every_flip_is_damage_at_its_batch_or_a_torn_last_one) {
  const Written written = four_batches();
  for (std::size_t at = 0; at < written.disk->blocks.size(); ++at) {
    Seq before{};
    for (std::size_t i = 0; i < written.ends.size(); ++i) {
      if (written.ends[i] <= at) before = written.lasts[i];
    }
    for (const char mask : {'\x01', '\x80'}) {
      const auto disk = copy_of(*written.disk);
      disk->blocks[at] = static_cast<char>(disk->blocks[at] ^ mask);
      const auto log = MemoryLog::open(disk);
      if (log) {  // Only a last batch whose length grew can look torn.
        ASSERT_EQ(before, Seq{4}) << at;
        ASSERT_EQ((*log)->torn_at(), Seq{5}) << at;
        continue;
      }
      if (log.error().code == ErrorCode::unsupported) continue;  // the version's own byte
      ASSERT_EQ(log.error().code, ErrorCode::damaged) << at;
      ASSERT_NE(log.error().message.find("record " + std::to_string(raw(before) + 1) + " "), std::string::npos)
          << at << ": " << log.error().message;
    }
  }
}

TEST(MemoryLog, no_flip_of_a_sealed_log_is_ever_a_torn_tail) {
  const Written written = four_batches();
  written.disk->seal = encode_seal(Seq{5});
  for (std::size_t at = 0; at < written.disk->blocks.size(); ++at) {
    for (const char mask : {'\x01', '\x80'}) {
      const auto disk = copy_of(*written.disk);
      disk->blocks[at] = static_cast<char>(disk->blocks[at] ^ mask);
      ASSERT_FALSE(MemoryLog::open(disk).has_value()) << at;
    }
  }
}

TEST(MemoryLog, flip_under_an_open_log_is_damage_to_its_reader) {
  MemoryLog log;
  Writer writer(log);
  writer.boot();
  const std::size_t end = log.disk()->blocks.size();
  writer.create_task("W-1");
  log.disk()->blocks[end + 60] ^= 1;
  int seen = 0;
  const Result<void> read = log.read(Seq{1}, [&](RecordBytes) { return ++seen > 0; });
  ASSERT_FALSE(read.has_value());
  EXPECT_EQ(seen, 2);
  EXPECT_NE(read.error().message.find("record 3 "), std::string::npos) << read.error().message;
}

TEST(MemoryLog, failed_append_is_the_last_and_recovery_finds_what_was_durable) {
  for (const auto failure :
       {MemoryLog::Failure::nothing_written, MemoryLog::Failure::half_written, MemoryLog::Failure::not_synced}) {
    MemoryLog log;
    Writer writer(log);
    writer.boot();
    writer.create_task("W-1");
    log.fail_append(2, failure);
    writer.create_task("W-2");
    writer.decide(propose_group(writer.requester(), task_created("W-3")));
    ASSERT_FALSE(writer.append().has_value());
    writer.decide(propose_group(writer.requester(), task_created("W-4")));
    EXPECT_FALSE(writer.append().has_value()) << "after a failure nothing may be appended";
    EXPECT_EQ(records_in(log).size(), 4U) << "only what is durable is seen";

    const auto disk = log.disk();
    const auto power_cut = copy_of(*disk);
    power_cut->lose_unsynced();
    const auto after_power_cut = MemoryLog::open(power_cut);
    ASSERT_TRUE(after_power_cut.has_value());
    EXPECT_EQ((*after_power_cut)->last_seq(), Seq{4});
    EXPECT_EQ((*after_power_cut)->torn_at(), std::nullopt);

    const auto after_crash = MemoryLog::open(disk);
    ASSERT_TRUE(after_crash.has_value());
    const bool whole = failure == MemoryLog::Failure::not_synced;  // it may survive: no one was told that it did not
    EXPECT_EQ((*after_crash)->last_seq(), whole ? Seq{5} : Seq{4});
    EXPECT_EQ((*after_crash)->torn_at(),
              failure == MemoryLog::Failure::half_written ? std::optional(Seq{5}) : std::nullopt);
    EXPECT_TRUE(open_state(**after_crash).has_value());
  }
}

TEST(MemoryLog, full_disk_fails_the_append_and_keeps_what_was_durable) {
  MemoryLog log;
  Writer writer(log);
  writer.boot();
  log.disk()->room = 1000;
  writer.create_task("W-1");
  EXPECT_LT(*log.disk()->room, 1000U);
  log.disk()->room = 10;
  const std::size_t bytes = log.disk()->blocks.size();
  writer.decide(propose_group(writer.requester(), task_created("W-2")));
  ASSERT_FALSE(writer.append().has_value());
  EXPECT_EQ(log.disk()->blocks.size(), bytes + 10) << "as much as fitted was written";
  log.disk()->room.reset();
  writer.decide(propose_group(writer.requester(), task_created("W-3")));
  EXPECT_FALSE(writer.append().has_value()) << "after a failure nothing may be appended";

  const auto after = MemoryLog::open(log.disk());
  ASSERT_TRUE(after.has_value());
  EXPECT_EQ((*after)->torn_at(), Seq{4});
  EXPECT_EQ((*after)->last_seq(), Seq{3});
  EXPECT_TRUE(open_state(**after).has_value());
}

TEST(MemoryLog, archive_row_is_lost_with_the_record_that_archived_it) {
  MemoryLog log;
  Writer writer(log);
  writer.boot();
  writer.create_task("W-1");
  log.fail_append(1, MemoryLog::Failure::not_synced);
  fb::CancelRequestedT request;
  request.task = 1;
  writer.decide(propose_group(writer.requester(), request));
  ASSERT_FALSE(writer.append().has_value());
  EXPECT_TRUE(log.find(TaskId{1}).has_value());
  log.disk()->lose_unsynced();
  const auto after = MemoryLog::open(log.disk());
  ASSERT_TRUE(after.has_value());
  EXPECT_FALSE((*after)->find(TaskId{1}).has_value());
  EXPECT_NE(open_state(**after)->state.tasks.find(TaskId{1}), nullptr);
}

}  // namespace
}  // namespace pawl
