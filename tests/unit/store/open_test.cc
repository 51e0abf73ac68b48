// The decision table of store/open.h, row by row.
#include "store/open.h"

#include <gtest/gtest.h>

#include <array>

#include "store/chain.h"
#include "store/key_format.h"
#include "store/memory_log.h"
#include "store/take_checkpoint.h"
#include "tests/unit/store/log_kit.h"

namespace pawl {
namespace {

class OpenTest : public testing::Test {
 protected:
  OpenTest() {
    writer_.boot();
    writer_.create_task("W-1");
    writer_.create_task("W-2");
  }

  /// Six records, with checkpoints at 4, 5 and 6.
  void three_checkpoints() {
    ASSERT_EQ(*take_checkpoint(log_), Seq{4});
    writer_.create_task("W-3");
    ASSERT_EQ(*take_checkpoint(log_), Seq{5});
    writer_.create_task("W-4");
    ASSERT_EQ(*take_checkpoint(log_), Seq{6});
    writer_.create_task("W-5");
  }

  void expect_live_state(const Result<Opened>& opened) const {
    ASSERT_TRUE(opened.has_value()) << opened.error().message;
    EXPECT_EQ(opened->state.digest(), writer_.state().digest());
    EXPECT_EQ(opened->state.last_seq, writer_.state().last_seq);
    EXPECT_EQ(opened->chain, writer_.chain());
  }

  static void expect_damage(const Result<Opened>& opened, Seq seq, const std::string& why) {
    ASSERT_FALSE(opened.has_value());
    EXPECT_EQ(opened.error().code, ErrorCode::damaged);
    EXPECT_NE(opened.error().message.find("record " + std::to_string(raw(seq)) + " "), std::string::npos)
        << opened.error().message;
    EXPECT_NE(opened.error().message.find(why), std::string::npos) << opened.error().message;
  }

  /// Rewrites the log with one record changed by `change`; recomputes later chains if `mended`.
  enum class Chains { left, mended };
  template <class Change>
  std::unique_ptr<MemoryLog> rewritten(Seq seq, Chains chains, Change change) {
    auto other = std::make_unique<MemoryLog>();
    Chain chain{};
    for (std::vector<std::uint8_t> bytes : records_in(log_)) {
      fb::Record& record = *fb::GetMutableRecord(bytes.data());
      if (seq_of(bytes) == seq) change(record);
      if (chains == Chains::mended) {
        chain = chain_after(chain, record);
        std::copy(chain.begin(), chain.end(), record.mutable_stamp()->mutable_chain()->data());
      }
      Batch batch;
      batch.records.emplace_back(bytes);
      EXPECT_TRUE(other->append(batch, seq_of(bytes)).has_value());
    }
    return other;
  }

  /// Gives a record the chain that matches its content, after the log's record `before`.
  void mend(fb::Record& record, Seq before) {
    const auto bytes = records_in(log_, before).front();
    const Chain chain = chain_after(chain_of(*fb::GetRecord(bytes.data())), record);
    std::copy(chain.begin(), chain.end(), record.mutable_stamp()->mutable_chain()->data());
  }

  MemoryLog log_;
  Writer writer_{log_};
};

TEST_F(OpenTest, empty_log_is_the_empty_state) {
  MemoryLog empty;
  const Result<Opened> opened = open_state(empty);
  ASSERT_TRUE(opened.has_value());
  EXPECT_EQ(opened->state.last_seq, Seq{0});
  EXPECT_EQ(opened->chain, Chain{});
  EXPECT_EQ(*take_checkpoint(empty), Seq{0});
  EXPECT_TRUE(empty.list().empty());
}

TEST_F(OpenTest, A_without_checkpoint_the_whole_log_is_replayed) {
  const Result<Opened> opened = open_state(log_);
  expect_live_state(opened);
  EXPECT_EQ(opened->report.checkpoint, Seq{0});
  EXPECT_EQ(opened->report.replayed, 4U);
}

TEST_F(OpenTest, B_newest_checkpoint_and_the_tail_after_it) {
  three_checkpoints();
  const Result<Opened> opened = open_state(log_);
  expect_live_state(opened);
  EXPECT_EQ(opened->report.checkpoint, Seq{6});
  EXPECT_EQ(opened->report.replayed, 1U);
  EXPECT_TRUE(opened->report.skipped_checkpoints.empty());
}

TEST_F(OpenTest, B_checkpoint_at_the_very_end) {
  ASSERT_EQ(*take_checkpoint(log_), Seq{4});
  const Result<Opened> opened = open_state(log_);
  expect_live_state(opened);
  EXPECT_EQ(opened->report.replayed, 0U);
  EXPECT_EQ(*take_checkpoint(log_), Seq{4}) << "nothing new: nothing stored";
  EXPECT_EQ(log_.list().size(), 1U);
}

TEST_F(OpenTest, C_bad_checkpoint_is_skipped_for_an_older_and_at_last_for_the_log) {
  three_checkpoints();
  const std::array<std::pair<Seq, std::uint64_t>, 3> expected = {{{Seq{5}, 2}, {Seq{4}, 3}, {Seq{0}, 7}}};
  std::size_t skipped = 0;
  for (const Seq seq : {Seq{6}, Seq{5}, Seq{4}}) {
    log_.disk()->checkpoints[seq][100] ^= 1;
    const Result<Opened> opened = open_state(log_);
    expect_live_state(opened);
    EXPECT_EQ(opened->report.checkpoint, expected[skipped].first);
    EXPECT_EQ(opened->report.replayed, expected[skipped].second);
    ++skipped;
    ASSERT_EQ(opened->report.skipped_checkpoints.size(), skipped);
    EXPECT_NE(opened->report.skipped_checkpoints.back().find("checkpoint " + std::to_string(raw(seq))),
              std::string::npos);
  }
}

TEST_F(OpenTest, D_checkpoint_of_another_log_is_skipped) {
  MemoryLog other;
  Writer writer(other);
  writer.boot();
  writer.create_task("X-1");
  writer.create_task("X-2");
  ASSERT_TRUE(log_.store(pack_checkpoint(writer.state(), writer.chain())).has_value());
  const Result<Opened> opened = open_state(log_);
  expect_live_state(opened);
  EXPECT_EQ(opened->report.checkpoint, Seq{0});
  EXPECT_EQ(opened->report.skipped_checkpoints.size(), 1U);
}

TEST_F(OpenTest, E_checkpoint_beyond_the_end_proves_that_records_are_gone) {
  three_checkpoints();
  const auto disk = std::make_shared<MemoryDisk>(*log_.disk());
  FoundBlocks found;
  while (find_blocks(disk->blocks, found), found.highest > Seq{4}) {  // cut off batch by batch
    disk->blocks.resize(disk->blocks.rfind("pawlblk\n"));
    found = {};
  }
  const auto shorter = MemoryLog::open(disk);
  ASSERT_TRUE(shorter.has_value());
  expect_damage(open_state(**shorter), Seq{5}, "a checkpoint was taken after record 6");
}

TEST_F(OpenTest, F_unreadable_record_stops_with_its_seq) {
  log_.disk()->blocks[log_.disk()->blocks.rfind("pawlblk\n") + 50] ^= 1;
  expect_damage(open_state(log_), Seq{4}, "checksum");
}

TEST_F(OpenTest, F_damage_before_the_checkpoint_is_not_met) {
  three_checkpoints();
  log_.disk()->blocks[50] ^= 1;
  expect_live_state(open_state(log_));
}

TEST_F(OpenTest, G_edited_record_breaks_the_chain) {
  const auto actor = [](fb::Record& record) { record.mutable_actor()->Mutate(0, 'W'); };
  expect_damage(open_state(*rewritten(Seq{3}, Chains::left, actor)), Seq{3}, "chain");
}

TEST_F(OpenTest, G_edit_that_mends_its_own_chain_breaks_the_next) {
  writer_.write(propose_group(writer_.requester(), task_note(TaskId{1}, "as it was")));
  writer_.create_task("W-3");
  const auto text = [&](fb::Record& record) {
    static_cast<fb::TaskNote*>(record.mutable_event())->mutable_text()->Mutate(0, 'A');
    mend(record, Seq{4});
  };
  expect_damage(open_state(*rewritten(Seq{5}, Chains::left, text)), Seq{6}, "chain");
}

TEST_F(OpenTest, G_edit_that_mends_its_own_chain_and_shows_in_the_state_is_named_itself) {
  const auto actor = [&](fb::Record& record) {
    record.mutable_actor()->Mutate(0, 'W');
    mend(record, Seq{2});
  };
  expect_damage(open_state(*rewritten(Seq{3}, Chains::left, actor)), Seq{3}, "digest");
}

TEST_F(OpenTest, H_record_that_is_decided_otherwise_stops_with_both_sides) {
  const auto outcome = [](fb::Record& record) {
    record.mutable_stamp()->mutate_outcome(static_cast<std::uint16_t>(Outcome::blocked));
  };
  const Result<Opened> opened = open_state(*rewritten(Seq{3}, Chains::mended, outcome));
  expect_damage(opened, Seq{3}, "the log has 'blocked'");
  EXPECT_NE(opened.error().message.find("the rules compute 'accepted'"), std::string::npos) << opened.error().message;
}

TEST_F(OpenTest, H_record_with_another_digest_stops) {
  const auto digest = [](fb::Record& record) { record.mutable_stamp()->mutate_digest(1); };
  expect_damage(open_state(*rewritten(Seq{4}, Chains::mended, digest)), Seq{4}, "digest 0000000000000001");
}

TEST_F(OpenTest, H_first_of_two_troubles_is_named) {
  const auto digest = [](fb::Record& record) { record.mutable_stamp()->mutate_digest(1); };
  const auto log = rewritten(Seq{3}, Chains::mended, digest);
  log->disk()->blocks[log->disk()->blocks.rfind("pawlblk\n") + 50] ^= 1;
  expect_damage(open_state(*log), Seq{3}, "digest");
}

TEST_F(OpenTest, I_record_of_newer_rules_is_unsupported) {
  const auto rules = [](fb::Record& record) { record.mutable_stamp()->mutate_rules(rules_version + 1); };
  const Result<Opened> opened = open_state(*rewritten(Seq{4}, Chains::mended, rules));
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().code, ErrorCode::unsupported);
  EXPECT_NE(opened.error().message.find("record 4 was decided by rules 3"), std::string::npos);
}

TEST_F(OpenTest, record_of_a_group_that_is_not_there_stops) {
  const auto group = [](fb::Record& record) { record.mutable_stamp()->mutate_group(1); };
  expect_damage(open_state(*rewritten(Seq{4}, Chains::mended, group)), Seq{4}, "group");
}

TEST_F(OpenTest, torn_tail_is_reported) {
  const auto disk = std::make_shared<MemoryDisk>(*log_.disk());
  disk->blocks.resize(disk->blocks.size() - 1);
  const auto torn = MemoryLog::open(disk);
  ASSERT_TRUE(torn.has_value());
  const Result<Opened> opened = open_state(**torn);
  ASSERT_TRUE(opened.has_value());
  EXPECT_EQ(opened->report.torn_at, Seq{4});
  EXPECT_EQ(opened->state.last_seq, Seq{3});
}

TEST_F(OpenTest, state_at_a_seq_ends_with_the_last_whole_group_before_it) {
  writer_.write(propose_group(writer_.requester(), task_note(TaskId{1}, "a"), task_note(TaskId{1}, "b")));  // 5 and 6
  for (const bool with_checkpoint : {false, true}) {
    const std::array<Seq, 8> expected = {Seq{0}, Seq{1}, Seq{2}, Seq{3}, Seq{4}, Seq{4}, Seq{6}, Seq{6}};
    for (std::uint64_t upto = 0; upto < expected.size(); ++upto) {
      const Result<Opened> opened = open_state_at(log_, Seq{upto});
      ASSERT_TRUE(opened.has_value()) << opened.error().message;
      EXPECT_EQ(opened->state.last_seq, expected[upto]) << upto << (with_checkpoint ? " with checkpoint" : "");
    }
    ASSERT_TRUE(take_checkpoint(log_).has_value());
  }
}

TEST_F(OpenTest, long_log_with_groups_across_chunks_replays) {
  const std::string text(4000, 'n');
  for (int i = 0; i < 60; ++i) {
    Group group;
    for (int k = 0; k < 20; ++k) group.push_back(propose(writer_.requester(), task_note(TaskId{1}, text)));
    writer_.write(std::move(group));
  }
  const Result<Opened> opened = open_state(log_);  // some 5 MB, in chunks of 1 MiB
  expect_live_state(opened);
  EXPECT_EQ(opened->report.replayed, 1204U);
}

}  // namespace
}  // namespace pawl
