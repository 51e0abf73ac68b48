#include "store/wal_scan.h"

#include <gtest/gtest.h>

#include "store/rocks_log.h"
#include "tests/unit/store/log_kit.h"

namespace pawl {
namespace {

TEST(WalScan, heads_of_pieces_are_left_out) {
  const std::string head = "HEADHEA";
  const std::string piece = head + std::string(32 * 1024 - head.size(), 'a');
  EXPECT_EQ(without_heads(piece + head + "bb"), std::string(32 * 1024 - head.size(), 'a') + "bb");
  EXPECT_EQ(without_heads(""), "");
  EXPECT_EQ(without_heads("abc"), "") << "a truncated head";
}

TEST(WalScan, blocks_are_found_also_where_they_span_pieces) {
  const TempDir dir;
  {
    auto log = RocksLog::open(dir.path("data"), RocksLog::Mode::write);
    ASSERT_TRUE(log.has_value());
    Writer writer(**log);
    writer.boot();
    writer.create_task("W-1");
    // 3 records of 50 KB each: each spans two or three pieces.
    for (int i = 0; i < 3; ++i) {
      writer.write(propose_group(writer.requester(), task_note(TaskId{1}, std::string(50'000, 'n'))));
    }
  }
  const Result<FoundInWal> found = blocks_in_wal(dir.path("data/log"));
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->lowest, Seq{1});
  EXPECT_EQ(found->highest, Seq{6});
}

TEST(WalScan, hole_is_zeros_where_a_piece_should_begin_and_bytes_behind_them) {
  // Checksum, length 2, type, and the two bytes.
  const std::string piece = std::string("cccc\x02\x00t", 7) + "xx";
  const std::string zeros(20, '\0');
  EXPECT_FALSE(has_hole(""));
  EXPECT_FALSE(has_hole(piece + piece));
  EXPECT_FALSE(has_hole(piece + zeros)) << "an end";
  EXPECT_TRUE(has_hole(piece + zeros + "y"));
  EXPECT_TRUE(has_hole(zeros + piece));
  EXPECT_FALSE(has_hole(std::string("cccc\x14\x00t", 7) + zeros + piece)) << "a piece may hold zeros";
  // Too little room for a head before the next 32 KiB: intended zeros.
  const std::string long_piece = std::string("cccc\xf3\x7ft", 7) + std::string(0x7ff3, 'x');
  EXPECT_FALSE(has_hole(long_piece + std::string(6, '\0') + piece));
}

TEST(WalScan, folder_that_is_not_there_is_missing) {
  const TempDir dir;
  EXPECT_EQ(blocks_in_wal(dir.path("nothing")).error().code, ErrorCode::missing);
}

}  // namespace
}  // namespace pawl
