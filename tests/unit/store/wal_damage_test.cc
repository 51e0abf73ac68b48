// Every cut and every flipped byte of a small log on disk. Allowed results: the same records; a torn tail, reported
// with its seq, and only where nothing says that it was ever durable; or damage that names a seq. Never silently fewer
// records, never different ones.
#include <gtest/gtest.h>

#include <algorithm>

#include "store/open.h"
#include "store/rocks_log.h"
#include "tests/unit/store/log_kit.h"

namespace pawl {
namespace {

using Mode = RocksLog::Mode;

class WalDamage : public testing::Test {
 protected:
  WalDamage() {
    const auto log = RocksLog::open(dir_.path(), Mode::write);
    PAWL_ASSERT(log.has_value());
    Writer writer(**log);
    note_end(0);
    writer.start();
    writer.write(propose_group(writer.requester(), max_attempts(3)));
    note_end(2);
    writer.write(propose_group(writer.requester(), max_attempts(4)));
    note_end(3);
    writer.write(propose_group(writer.requester(), max_attempts(5)));
    note_end(4);
    records_ = records_in(**log);
    PAWL_ASSERT((*log)->seal().has_value());
    seal_ = content_of(dir_.path("sealed"));
    std::filesystem::remove(dir_.path("sealed"));
  }

  void note_end(std::uint64_t last) {
    wal_ = wal_of(dir_.path());
    bytes_ = content_of(wal_);
    ends_.push_back(bytes_.size());
    lasts_.push_back(Seq{last});
  }

  /// The last seq of the batches that end at or before this offset of the file.
  Seq last_before(std::size_t offset) const {
    Seq last{};
    for (std::size_t i = 0; i < ends_.size(); ++i) {
      if (ends_[i] <= offset) last = lasts_[i];
    }
    return last;
  }

  void seal() { write_file(dir_.path("sealed"), seal_); }

  Result<std::unique_ptr<RocksLog>> opened_with(const std::string& bytes, Mode mode = Mode::read_only) {
    write_file(wal_, bytes);
    return RocksLog::open(dir_.path(), mode);
  }

  void expect_prefix(RocksLog& log, Seq last) {
    const auto read = records_in(log);
    ASSERT_EQ(read.size(), raw(last));
    for (std::size_t i = 0; i < read.size(); ++i) ASSERT_EQ(read[i], records_[i]);
    ASSERT_EQ(log.last_seq(), last);
  }

  std::string flipped(std::size_t at, char mask) const {
    std::string bytes = bytes_;
    bytes[at] = static_cast<char>(bytes[at] ^ mask);
    return bytes;
  }

  TempDir dir_;
  std::string wal_;
  std::string bytes_;  // of the write-ahead file
  std::vector<std::size_t> ends_;
  std::vector<Seq> lasts_;
  std::vector<std::vector<std::uint8_t>> records_;
  std::string seal_;
};

TEST_F(WalDamage, every_cut_leaves_the_whole_batches_and_tells_the_torn_tail) {
  for (std::size_t length = ends_.front(); length <= bytes_.size(); ++length) {
    const auto log = opened_with(bytes_.substr(0, length));
    ASSERT_TRUE(log.has_value()) << length << ": " << log.error().message;
    expect_prefix(**log, last_before(length));
    const bool at_end = std::find(ends_.begin(), ends_.end(), length) != ends_.end();
    ASSERT_EQ((*log)->torn_at(), at_end ? std::nullopt : std::optional(next(last_before(length)))) << length;
  }
}

// What a power cut leaves if it wipes out a batch's first page but not its last. RocksDB alone does not report it.
TEST_F(WalDamage, batch_whose_beginning_never_came_is_a_torn_tail_and_told) {
  const std::size_t batch = ends_[ends_.size() - 2];
  const std::size_t block = bytes_.find("pawlblk\n", batch);  // while this block is intact, losing the batch is damage
  for (std::size_t end = block + 1; end < bytes_.size(); ++end) {
    std::string bytes = bytes_;
    std::fill(bytes.begin() + std::ptrdiff_t(batch), bytes.begin() + std::ptrdiff_t(end), '\0');
    const auto log = opened_with(bytes);
    ASSERT_TRUE(log.has_value()) << end << ": " << log.error().message;
    expect_prefix(**log, Seq{3});
    ASSERT_EQ((*log)->torn_at(), Seq{4}) << end;
  }
}

// The block of a batch that finishes a task once preceded the task's rows: a cut between the two left a whole block
// that RocksDB did not have, and the start was refused for damage that did not exist.
TEST(WalCut, every_cut_of_a_batch_that_archives_a_task_is_a_torn_tail) {
  const TempDir dir;
  std::size_t before = 0;
  {
    const auto log = RocksLog::open(dir.path(), Mode::write);
    ASSERT_TRUE(log.has_value());
    Writer writer(**log);
    writer.boot();
    writer.create_task("W-1");
    before = content_of(wal_of(dir.path())).size();
    writer.cancel_task(TaskId{1});
    ASSERT_EQ((*log)->last_seq(), Seq{5});
  }
  const std::string wal = wal_of(dir.path());
  const std::string bytes = content_of(wal);
  for (std::size_t length = before + 1; length < bytes.size(); ++length) {
    write_file(wal, bytes.substr(0, length));
    const auto log = RocksLog::open(dir.path(), Mode::read_only);
    ASSERT_TRUE(log.has_value()) << length << " of " << bytes.size() << ": " << log.error().message;
    ASSERT_EQ((*log)->last_seq(), Seq{3}) << length;
    ASSERT_EQ((*log)->torn_at(), Seq{4}) << length;
  }
}

TEST_F(WalDamage, every_cut_of_a_sealed_log_is_damage) {
  seal();
  for (std::size_t length = 0; length < bytes_.size(); ++length) {
    const auto log = opened_with(bytes_.substr(0, length));
    ASSERT_FALSE(log.has_value()) << length;
    ASSERT_EQ(log.error().code, ErrorCode::damaged) << length << ": " << log.error().message;
    const std::string named = "record " + std::to_string(raw(last_before(length)) + 1) + " ";
    ASSERT_NE(log.error().message.find(named), std::string::npos) << length << ": " << log.error().message;
  }
}

TEST_F(WalDamage, every_flip_is_damage_or_a_torn_last_batch) {
  std::size_t torn = 0;
  for (std::size_t at = 0; at < bytes_.size(); ++at) {
    for (const char mask : {'\x01', '\x40'}) {
      const auto log = opened_with(flipped(at, mask));
      if (!log) {
        ASSERT_EQ(log.error().code, ErrorCode::damaged) << at << ": " << log.error().message;
        const std::string named = "record " + std::to_string(raw(last_before(at)) + 1) + " ";
        ASSERT_NE(log.error().message.find(named), std::string::npos) << at << ": " << log.error().message;
        continue;
      }
      ++torn;
      ASSERT_EQ(last_before(at), Seq{3}) << at << ": only the last batch can look as if it had been cut";
      ASSERT_EQ((*log)->torn_at(), Seq{4}) << at;
      expect_prefix(**log, Seq{3});
    }
  }
  EXPECT_LE(torn, 4U) << "only by its two length bytes";
}

TEST_F(WalDamage, no_flip_of_a_sealed_log_is_ever_a_torn_tail) {
  seal();
  for (std::size_t at = 0; at < bytes_.size(); ++at) {
    const auto log = opened_with(flipped(at, '\x40'));
    ASSERT_FALSE(log.has_value()) << at;
    ASSERT_EQ(log.error().code, ErrorCode::damaged) << at << ": " << log.error().message;
  }
}

TEST_F(WalDamage, writer_refuses_damage_too_and_overwrites_nothing) {
  for (std::size_t at = 5; at < ends_[2]; at += 37) {
    write_file(wal_, flipped(at, '\x40'));
    const auto before = files_in(dir_.path("log"));
    const auto log = RocksLog::open(dir_.path(), Mode::write);
    ASSERT_FALSE(log.has_value()) << at;
    ASSERT_EQ(log.error().code, ErrorCode::damaged) << log.error().message;
    ASSERT_EQ(files_in(dir_.path("log")), before) << at;
  }
}

TEST_F(WalDamage, length_that_grew_does_not_hide_what_follows) {
  // The head of a piece: checksum (4), length (2), type (1). RocksDB takes a length past the end of the file for a
  // truncated write, and would drop this batch and all after it.
  const std::size_t length_high_byte = ends_[0] + 5;
  const auto log = opened_with(flipped(length_high_byte, '\x40'), Mode::write);
  ASSERT_FALSE(log.has_value());
  EXPECT_EQ(log.error().code, ErrorCode::damaged);
  EXPECT_NE(log.error().message.find("record 1 cannot be read: records up to 4 were written after it"),
            std::string::npos)
      << log.error().message;
}

TEST_F(WalDamage, writer_drops_a_torn_tail_and_goes_on_from_there) {
  const std::string torn = bytes_.substr(0, bytes_.size() - 7);
  {
    const auto log = opened_with(torn, Mode::write);
    ASSERT_TRUE(log.has_value()) << log.error().message;
    EXPECT_EQ((*log)->torn_at(), Seq{4});
    Result<Opened> opened = open_state(**log);
    ASSERT_TRUE(opened.has_value()) << opened.error().message;
    EXPECT_EQ(opened->report.torn_at, Seq{4});
    Writer writer(**log, std::move(opened->state), opened->chain);
    writer.boot("boot-2");
    EXPECT_EQ((*log)->last_seq(), Seq{5});
  }
  const auto log = RocksLog::open(dir_.path(), Mode::write);
  ASSERT_TRUE(log.has_value()) << log.error().message;
  EXPECT_EQ((*log)->torn_at(), std::nullopt);
  EXPECT_EQ((*log)->last_seq(), Seq{5});
  EXPECT_TRUE(open_state(**log).has_value());
}

TEST_F(WalDamage, damaged_seal_stops_the_start_and_is_named) {
  for (std::size_t at = 0; at < seal_.size(); ++at) {
    std::string seal = seal_;
    seal[at] = static_cast<char>(seal[at] ^ 1);
    write_file(dir_.path("sealed"), seal);
    const auto log = RocksLog::open(dir_.path(), Mode::read_only);
    ASSERT_FALSE(log.has_value()) << at;
    ASSERT_NE(log.error().message.find("/sealed"), std::string::npos);
  }
}

TEST_F(WalDamage, write_ahead_file_that_is_gone_is_damage_once_sealed) {
  seal();
  std::filesystem::remove(wal_);
  const auto log = RocksLog::open(dir_.path(), Mode::write);
  ASSERT_FALSE(log.has_value());
  EXPECT_EQ(log.error().code, ErrorCode::damaged);
}

}  // namespace
}  // namespace pawl
