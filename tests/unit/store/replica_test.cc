// The table of store/replica.h, row by row, and a following replica.
#include "store/replica.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>

#include "store/memory_log.h"
#include "tests/unit/store/log_kit.h"

namespace pawl {
namespace {

using BrokenChain = ReplicaPolicy::BrokenChain;

class ReplicaTest : public testing::Test {
 protected:
  ReplicaTest() {
    writer_.boot();
    writer_.create_task("W-1");
    writer_.write(propose_group(writer_.requester(), task_note(TaskId{1}, "a"), task_note(TaskId{1}, "b")));  // 4 and 5
    writer_.create_task("W-2");
    records_ = records_in(log_);
  }

  fb::Record& record(std::uint64_t seq) { return *fb::GetMutableRecord(records_[seq - 1].data()); }

  /// Recomputes the chain from a record on.
  void mend_chain() {
    Chain chain{};
    for (std::vector<std::uint8_t>& bytes : records_) {
      fb::Record& each = *fb::GetMutableRecord(bytes.data());
      chain = chain_after(chain, each);
      std::copy(chain.begin(), chain.end(), each.mutable_stamp()->mutable_chain()->data());
    }
  }

  /// Feeds the records one by one. Returns the error that ends it early; empty if none does.
  std::string fed(ReplicaPolicy policy = {}) {
    replica_.emplace(State(), Chain{}, std::move(policy));
    for (const std::vector<std::uint8_t>& bytes : records_) {
      const Result<bool> more = replica_->add(bytes);
      if (!more) return more.error().message;
      if (!*more) break;
    }
    const Result<bool> finished = replica_->finish();
    if (!finished) return finished.error().message;
    return replica_->difference() ? error_of(*replica_->difference()).message : "";
  }
  Seq applied() const { return replica_->state().last_seq; }

  MemoryLog log_;
  Writer writer_{log_};
  std::vector<std::vector<std::uint8_t>> records_;
  std::optional<Replica> replica_;
};

TEST_F(ReplicaTest, fed_record_by_record_or_from_a_journal_it_comes_to_the_same) {
  EXPECT_EQ(fed(), "");
  Replica read;
  ASSERT_TRUE(read.read(log_).has_value());
  for (const Replica* replica : {&*replica_, &read}) {
    EXPECT_EQ(replica->state().digest(), writer_.state().digest());
    EXPECT_EQ(replica->state().last_seq, writer_.state().last_seq);
    EXPECT_EQ(replica->chain(), writer_.chain());
    EXPECT_EQ(replica->records(), 6U);
  }
}

TEST_F(ReplicaTest, group_is_applied_when_the_next_one_begins_or_the_log_ends) {
  Replica replica;
  for (std::size_t i = 0; i < 5; ++i) ASSERT_TRUE(*replica.add(records_[i]));
  EXPECT_EQ(replica.state().last_seq, Seq{3});
  ASSERT_TRUE(*replica.add(records_[5]));
  EXPECT_EQ(replica.state().last_seq, Seq{5});
  ASSERT_TRUE(*replica.finish());
  EXPECT_EQ(replica.state().last_seq, Seq{6});
}

TEST_F(ReplicaTest, A_bytes_that_are_no_record_end_it) {
  records_[5].assign(64, 0);
  EXPECT_EQ(fed(), "record 6: these bytes are not a record");
  EXPECT_EQ(replica_->fault()->seq, Seq{6});
  EXPECT_EQ(applied(), Seq{3}) << "whether the previous group is complete is unknown";
}

TEST_F(ReplicaTest, A_record_of_another_group_ends_it) {
  record(5).mutable_stamp()->mutate_group(3);
  EXPECT_EQ(fed(), "record 5 belongs to a group that begins at 3, but the group before it is a different one");
}

TEST_F(ReplicaTest, B_record_of_newer_rules_ends_it_after_the_whole_group_before) {
  record(6).mutable_stamp()->mutate_rules(rules_version + 1);
  EXPECT_NE(fed().find("record 6 was decided by rules 3"), std::string::npos);
  EXPECT_EQ(replica_->fault()->error.code, ErrorCode::unsupported);
  EXPECT_EQ(applied(), Seq{5});
}

TEST_F(ReplicaTest, C_record_that_does_not_follow_ends_it_or_is_told) {
  records_.erase(records_.begin() + 4);
  EXPECT_EQ(fed(), "record 6 is in the place of record 5");
  EXPECT_EQ(applied(), Seq{3}) << "the previous group is cut off";

  Seq told{};
  EXPECT_EQ(fed({.gap = [&](const RecordFault& fault) { told = Seq{fault.record->stamp()->seq()}; }}), "");
  EXPECT_EQ(told, Seq{6});
}

TEST_F(ReplicaTest, C_restore_alone_may_leave_seqs_out) {
  writer_.restore(1000);
  writer_.start("boot-2");
  ASSERT_TRUE(writer_.append().has_value());
  records_ = records_in(log_);
  const auto walk = [&] {
    Replica replica;
    for (const auto& bytes : records_) {
      if (!replica.add(bytes)) break;
    }
    if (!replica.fault()) {
      EXPECT_TRUE(replica.finish().has_value());
    }
    EXPECT_FALSE(replica.difference().has_value());
    return std::pair(replica.state().last_seq, replica.fault().has_value() && replica.fault()->is_gap);
  };
  EXPECT_EQ(walk(), std::pair(Seq{1008}, false));
  for (const std::size_t at : {std::size_t{6}, std::size_t{7}}) {  // the restore, and the record after it
    const auto sound = records_;
    fb::Stamp& stamp = *fb::GetMutableRecord(records_[at].data())->mutable_stamp();
    stamp.mutate_seq(stamp.seq() + 1);
    stamp.mutate_group(stamp.group() + 1);
    mend_chain();
    EXPECT_TRUE(walk().second);
    records_ = sound;
  }
}

TEST_F(ReplicaTest, D_broken_chain_stops_is_shown_or_is_gone_on_from) {
  record(5).mutable_actor()->Mutate(0, 'W');
  EXPECT_NE(fed({.broken_chain = BrokenChain::stop}).find("its chain does not follow"), std::string::npos);
  EXPECT_EQ(applied(), Seq{3}) << "before its group is applied";

  EXPECT_EQ(fed({.broken_chain = BrokenChain::show}), "record 5 differs in its chain; `pawl replay` shows both sides");
  EXPECT_NE(replica_->difference()->recorded, replica_->difference()->recomputed);

  std::vector<Seq> broken;
  const auto note = [&](const AppliedGroup& group) {
    for (const VerifiedRecord& read : group.read) {
      if (read.due_chain) broken.push_back(read.seq());
    }
  };
  EXPECT_EQ(fed({.broken_chain = BrokenChain::go_on, .each = note}), "");
  EXPECT_EQ(broken, (std::vector{Seq{5}}));
  EXPECT_EQ(applied(), Seq{6});
}

TEST_F(ReplicaTest, E_record_that_is_decided_otherwise_ends_it_with_both_sides) {
  record(6).mutable_stamp()->mutate_outcome(static_cast<std::uint16_t>(Outcome::blocked));
  mend_chain();
  EXPECT_EQ(fed(), "record 6 differs in its outcome; `pawl replay` shows both sides");
  EXPECT_EQ(replica_->difference()->recorded, "blocked");
  EXPECT_EQ(replica_->difference()->recomputed, "accepted");
  EXPECT_EQ(replica_->difference()->type, fb::Event::TaskCreated);
}

TEST_F(ReplicaTest, E_first_of_two_troubles_is_told_also_in_the_group_before_a_broken_chain) {
  record(3).mutable_stamp()->mutate_digest(1);
  mend_chain();
  record(4).mutable_actor()->Mutate(0, 'W');
  EXPECT_EQ(fed(), "record 3 differs in its digest; `pawl replay` shows both sides");
}

TEST_F(ReplicaTest, F_what_its_owner_compares_ends_it_unless_he_goes_on) {
  const auto compare = [](const AppliedGroup& group, std::size_t i) -> std::optional<Difference> {
    if (group.read[i].seq() != Seq{5}) return std::nullopt;
    return Difference{
        .kind = Difference::Kind::form, .seq = Seq{5}, .what = "form", .recorded = "a", .recomputed = "b"};
  };
  EXPECT_EQ(fed({.compare = compare}), "record 5 differs in its form; `pawl replay` shows both sides");
  EXPECT_EQ(fed({.compare = compare, .goes_on = [](const Difference&) { return true; }}), "");
}

TEST_F(ReplicaTest, group_that_is_not_wanted_is_not_applied_and_ends_it) {
  const auto wants = [](const State& before, std::span<const VerifiedRecord> group) -> Result<bool> {
    EXPECT_LT(before.last_seq, group.front().seq());
    return group.back().seq() < Seq{5};
  };
  EXPECT_EQ(fed({.wants = wants}), "");
  EXPECT_EQ(applied(), Seq{3});
}

TEST_F(ReplicaTest, trouble_before_a_place_that_cannot_be_read_is_told_first) {
  MemoryLog other;
  record(6).mutable_stamp()->mutate_digest(1);
  mend_chain();
  writer_.create_task("W-3");
  const auto last = records_in(log_, Seq{7}).front();
  records_.push_back(last);
  for (const std::vector<std::uint8_t>& bytes : records_) {
    Batch batch;
    batch.records.emplace_back(bytes);
    ASSERT_TRUE(other.append(batch, seq_of(bytes)).has_value());
  }
  other.disk()->blocks[other.disk()->blocks.rfind("pawlblk\n") + 50] ^= 1;
  Replica replica;
  ASSERT_TRUE(replica.read(other).has_value());
  ASSERT_TRUE(replica.difference().has_value());
  EXPECT_EQ(replica.difference()->seq, Seq{6});
}

/// How far a following replica has got, for the writing thread.
class Standby {
 public:
  explicit Standby(Journal& journal)
      : replica_(State(), Chain{},
                 {.each =
                      [this](const AppliedGroup& group) {
                        const std::lock_guard lock(mutex_);
                        come_to_[group.state.last_seq] = {group.state.digest(), chain_of(*group.read.back().record)};
                        changed_.notify_all();
                      }}),
        thread_([this, &journal](const std::stop_token& stop) {
          const Result<void> followed = follow(journal, replica_, stop);
          EXPECT_TRUE(followed.has_value()) << followed.error().message;
        }) {}

  std::pair<std::uint64_t, Chain> await(Seq seq) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return come_to_.contains(seq); });
    return come_to_[seq];
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<Seq, std::pair<std::uint64_t, Chain>> come_to_;
  Replica replica_;
  std::jthread thread_;
};

TEST_F(ReplicaTest, replica_that_follows_has_digest_and_chain_of_the_writer_after_each_batch) {
  Standby standby(log_);
  for (int i = 0; i < 20; ++i) {
    if (i % 2 == 0) {
      writer_.create_task("N-" + std::to_string(i));
    } else {
      writer_.write(propose_group(writer_.requester(), task_note(TaskId{1}, "c"), task_note(TaskId{1}, "d")));
    }
    const auto [digest, chain] = standby.await(writer_.state().last_seq);
    EXPECT_EQ(digest, writer_.state().digest());
    EXPECT_EQ(chain, writer_.chain());
  }
}

}  // namespace
}  // namespace pawl
