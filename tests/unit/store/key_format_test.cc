#include "store/key_format.h"

#include <gtest/gtest.h>

#include "tests/unit/store/log_kit.h"

namespace pawl {
namespace {

std::vector<Proposal> three_records() {
  std::vector<Proposal> records;
  for (std::uint64_t seq = 5; seq <= 7; ++seq) {
    records.push_back(
        propose({.boot = "b", .actor = "a", .key = {}, .request = {}}, task_note(TaskId{1}, std::string(seq, 'x'))));
    records.back().stamp().mutate_seq(seq);
  }
  return records;
}

std::string block_of(const std::vector<Proposal>& records) {
  std::vector<RecordBytes> bytes;
  for (const Proposal& record : records) bytes.emplace_back(record.data(), record.size());
  std::string block;
  encode_block(bytes, Seq{5}, Seq{4}, block);
  return block;
}

TEST(KeyFormat, keys_sort_as_their_numbers) {
  EXPECT_LT(encode_key(1), encode_key(2));
  EXPECT_LT(encode_key(255), encode_key(256));
  EXPECT_LT(encode_key(1), encode_key(UINT64_MAX));
  EXPECT_EQ(encode_key(0x0102030405060708), std::string("\1\2\3\4\5\6\7\10"));
  EXPECT_EQ(decode_key(encode_key(123456789)), 123456789U);
  EXPECT_EQ(decode_key("short"), std::nullopt);
}

TEST(KeyFormat, block_is_read_back) {
  const auto records = three_records();
  const std::string bytes = block_of(records);
  EXPECT_EQ(bytes.size() % 8, 0U);
  const Result<Block> block = decode_block(bytes);
  ASSERT_TRUE(block.has_value());
  EXPECT_EQ(block->first, Seq{5});
  EXPECT_EQ(block->last, Seq{7});
  EXPECT_EQ(block->synced, Seq{4});

  std::size_t index = 1;
  BlockReader reader;
  EXPECT_TRUE(reader.read(*block, Seq{6}, [&](RecordBytes record) {
    EXPECT_TRUE(std::equal(record.begin(), record.end(), records[index].data()));
    EXPECT_EQ(record.size(), records[index].size());
    ++index;
    return true;
  }));
  EXPECT_EQ(index, 3U);
}

TEST(KeyFormat, records_are_aligned_wherever_the_block_lies) {
  const std::string bytes = block_of(three_records());
  for (std::size_t shift = 0; shift < 8; ++shift) {
    const std::string moved = std::string(shift, ' ') + bytes;
    const Result<Block> block = decode_block(std::string_view(moved).substr(shift));
    ASSERT_TRUE(block.has_value());
    BlockReader reader;
    int seen = 0;
    reader.read(*block, Seq{0}, [&](RecordBytes record) {
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(record.data()) % 8, 0U);
      EXPECT_TRUE(view_record(record).has_value());
      return ++seen > 0;
    });
    EXPECT_EQ(seen, 3);
  }
}

TEST(KeyFormat, head_of_a_block_has_the_bytes_of_the_format) {
  const std::string bytes = block_of(three_records());
  EXPECT_EQ(bytes.substr(0, 8), "pawlblk\n");
  EXPECT_EQ(bytes.substr(8, 4), std::string("\1\0\0\0", 4));
  EXPECT_EQ(bytes.substr(12, 4), std::string("\3\0\0\0", 4));
  EXPECT_EQ(bytes.substr(16, 8), std::string("\5\0\0\0\0\0\0\0", 8));
  EXPECT_EQ(bytes.substr(24, 8), std::string("\4\0\0\0\0\0\0\0", 8));
}

TEST(KeyFormat, seal_is_the_one_in_the_format) {
  // docs/FORMAT.md §5.
  EXPECT_EQ(encode_seal(Seq{1}),
            std::string("pawlseal\x01\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\xf5\x55\x8f\x7e\x6f\x4e\xc6\x74", 32));
}

TEST(KeyFormat, block_is_the_worked_example_of_the_format) {
  // docs/FORMAT.md §10: the head and the sizes, but not the record, which another flatc might lay out differently.
  Proposal note = propose({.boot = "b", .actor = "a", .key = {}, .request = {}}, task_note(TaskId{1}, "hi"));
  note.stamp().mutate_seq(1);
  const RecordBytes bytes(note.data(), note.size());
  std::string block;
  encode_block(std::span(&bytes, 1), Seq{1}, Seq{0}, block);
  ASSERT_EQ(block.size(), 224U);
  const std::string head(
      "pawlblk\n\x01\0\0\0\x01\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xb0\0\0\0\0\0\0\0\xa8\0\0\0\0\0\0\0", 48);
  EXPECT_EQ(block.substr(0, 48), head);
  EXPECT_EQ(block.substr(52, 4), "PWLR");
}

TEST(KeyFormat, every_flipped_byte_of_a_block_is_seen) {
  const std::string bytes = block_of(three_records());
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    std::string flipped = bytes;
    flipped[at] = static_cast<char>(flipped[at] ^ 0x10);
    ASSERT_FALSE(decode_block(flipped).has_value()) << at;
  }
}

TEST(KeyFormat, every_cut_of_a_block_is_seen_and_looks_cut) {
  const std::string bytes = block_of(three_records());
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    const std::string_view cut = std::string_view(bytes).substr(0, length);
    ASSERT_FALSE(decode_block(cut).has_value()) << length;
    ASSERT_TRUE(is_cut_block(cut)) << length;
  }
  EXPECT_FALSE(is_cut_block(bytes));
  EXPECT_FALSE(is_cut_block("other bytes"));
}

TEST(KeyFormat, block_of_a_newer_format_is_unsupported_not_damaged) {
  std::string bytes = block_of(three_records());
  bytes[8] = 2;
  ASSERT_FALSE(decode_block(bytes).has_value());
  EXPECT_EQ(decode_block(bytes).error().code, ErrorCode::unsupported);
}

TEST(KeyFormat, whole_blocks_are_found_between_other_bytes) {
  const std::string block = block_of(three_records());
  FoundBlocks found;
  find_blocks("junk", found);
  EXPECT_EQ(found.highest, Seq{0});
  find_blocks("junk" + block.substr(0, block.size() - 1), found);
  EXPECT_EQ(found.highest, Seq{0}) << "a truncated block proves nothing";
  find_blocks("junk" + block.substr(0, 50) + block + "junk", found);
  EXPECT_EQ(found.lowest, Seq{5});
  EXPECT_EQ(found.highest, Seq{7});
}

TEST(KeyFormat, block_inside_the_text_of_a_record_is_no_block) {
  const std::string inner = block_of(three_records());
  Proposal note = propose({.boot = "b", .actor = "a", .key = {}, .request = {}}, task_note(TaskId{1}, inner));
  note.stamp().mutate_seq(1);
  const RecordBytes bytes(note.data(), note.size());
  std::string outer;
  encode_block(std::span(&bytes, 1), Seq{1}, Seq{0}, outer);
  FoundBlocks found;
  find_blocks(outer, found);
  EXPECT_EQ(found.highest, Seq{1});
}

TEST(KeyFormat, checkpoint_archived_and_seal_are_read_back_and_every_flip_is_seen) {
  const std::string checkpoint = encode_checkpoint({Seq{9}, {1, 2, 3, 4, 5}});
  const std::string archived = encode_archived({TaskId{3}, {1, 2, 3, 4, 5}});
  const std::string seal = encode_seal(Seq{12});
  EXPECT_EQ(decode_checkpoint(checkpoint, Seq{9})->bytes, (std::vector<std::uint8_t>{1, 2, 3, 4, 5}));
  EXPECT_EQ(*decode_archived(archived, TaskId{3}), (std::vector<std::uint8_t>{1, 2, 3, 4, 5}));
  EXPECT_EQ(*decode_seal(seal), Seq{12});
  EXPECT_FALSE(decode_checkpoint(checkpoint, Seq{8}).has_value()) << "stored under the wrong key";
  EXPECT_FALSE(decode_archived(archived, TaskId{4}).has_value());

  const auto each_flip = [](const std::string& bytes, auto decodes) {
    for (std::size_t at = 0; at < bytes.size(); ++at) {
      std::string flipped = bytes;
      flipped[at] = static_cast<char>(flipped[at] ^ 1);
      EXPECT_FALSE(decodes(flipped)) << at;
      EXPECT_FALSE(decodes(bytes.substr(0, at))) << at;
    }
  };
  each_flip(checkpoint, [](const std::string& bytes) { return decode_checkpoint(bytes, Seq{9}).has_value(); });
  each_flip(archived, [](const std::string& bytes) { return decode_archived(bytes, TaskId{3}).has_value(); });
  each_flip(seal, [](const std::string& bytes) { return decode_seal(bytes).has_value(); });
}

}  // namespace
}  // namespace pawl
