// Looks at every position of a log, in any order, against what each record says of the state after it.
#include "store/past_states.h"

#include <gtest/gtest.h>

#include "store/memory_log.h"
#include "store/take_checkpoint.h"
#include "tests/unit/store/log_kit.h"
#include "tests/world/dice.h"

namespace pawl {
namespace {

using hostile::Dice;

class PastStatesTest : public testing::Test {
 protected:
  PastStatesTest() { writer_.boot(); }

  /// Tasks that begin and end, groups of several records, and a restore that skips seqs.
  void tell(std::size_t groups) {
    for (std::size_t i = 0; i < groups; ++i) {
      const auto tasks = static_cast<std::uint64_t>(raw(writer_.state().ids.find(0)->next_task));
      switch (dice_.roll(4)) {
        case 0:
        case 1:
          writer_.create_task("W-" + std::to_string(i));
          break;
        case 2:
          writer_.write(propose_group(writer_.requester(), task_note(TaskId{1 + dice_.roll(tasks)}, "one"),
                                      task_note(TaskId{1 + dice_.roll(tasks)}, "two")));
          break;
        default:
          writer_.cancel_task(TaskId{1 + dice_.roll(tasks)});
      }
      if (i == groups / 2) {
        writer_.restore(7);
        writer_.boot("boot-2");
      }
    }
  }

  /// What the state after record `at` is: the digest at the end of its group. Of a skipped seq: of the one before.
  struct Expected {
    Seq seq{};
    std::uint64_t digest = 0;
  };
  std::map<Seq, Expected> expected() {
    std::map<Seq, Expected> at;
    std::vector<Seq> group;
    Seq before{0};
    for (const auto& bytes : records_in(log_)) {
      const fb::Stamp& stamp = *fb::GetRecord(bytes.data())->stamp();
      if (stamp.group() == stamp.seq()) group.clear();
      const Seq seq{stamp.seq()};
      for (Seq skipped = next(before); skipped < seq; skipped = next(skipped)) at[skipped] = at[before];
      before = seq;
      group.push_back(seq);
      for (const Seq each : group) at[each] = {seq, stamp.digest()};
    }
    return at;
  }

  static void expect_at(PastStates& past, Seq at, const Expected& expected) {
    bool seen = false;
    const auto looked = past.look(at, [&](const State& state) {
      seen = true;
      EXPECT_EQ(raw(state.last_seq), raw(expected.seq)) << "at " << raw(at);
      EXPECT_EQ(state.digest(), expected.digest) << "at " << raw(at);
    });
    EXPECT_TRUE(looked.has_value()) << looked.error().message;
    EXPECT_TRUE(seen);
  }

  MemoryLog log_;
  Writer writer_{log_};
  Dice dice_{1};
};

TEST_F(PastStatesTest, every_position_has_the_digest_of_its_group_in_any_order) {
  tell(80);
  ASSERT_TRUE(take_checkpoint(log_).has_value());
  tell(80);
  const auto all = expected();
  PastStates past(log_, &log_, {.stride = 16, .sparse_max = 5});
  for (const auto& [at, what] : all) expect_at(past, at, what);
  for (auto each = all.rbegin(); each != all.rend(); ++each) expect_at(past, each->first, each->second);
  for (int i = 0; i < 200; ++i) {
    auto each = all.begin();
    std::advance(each, static_cast<std::ptrdiff_t>(dice_.roll(all.size())));
    expect_at(past, each->first, each->second);
  }
}

TEST_F(PastStatesTest, look_near_the_last_one_replays_what_is_between) {
  tell(300);
  PastStates past(log_, nullptr);
  const auto all = expected();
  expect_at(past, Seq{200}, all.at(Seq{200}));
  EXPECT_GE(past.replayed(), 199U);
  expect_at(past, Seq{210}, all.at(Seq{210}));
  EXPECT_LE(past.replayed(), 12U) << "from the end of the last look";
  expect_at(past, Seq{210}, all.at(Seq{210}));
  EXPECT_EQ(past.replayed(), 0U);
}

TEST_F(PastStatesTest, two_positions_are_compared_without_a_replay_each_time) {
  tell(300);
  PastStates past(log_, nullptr);
  const auto all = expected();
  expect_at(past, Seq{100}, all.at(Seq{100}));
  expect_at(past, Seq{50}, all.at(Seq{50}));
  for (int i = 0; i < 3; ++i) {
    expect_at(past, Seq{100}, all.at(Seq{100}));
    EXPECT_EQ(past.replayed(), 0U);
    expect_at(past, Seq{50}, all.at(Seq{50}));
    EXPECT_EQ(past.replayed(), 0U);
  }
  EXPECT_EQ(past.ends(), 2U);
}

TEST_F(PastStatesTest, walk_shows_the_state_before_it_and_every_group_up_to_its_end) {
  tell(80);
  const auto all = expected();
  PastStates past(log_, nullptr, {.stride = 16, .sparse_max = 5});
  for (int i = 0; i < 100; ++i) {
    auto from = all.begin();
    std::advance(from, static_cast<std::ptrdiff_t>(dice_.roll(all.size())));
    auto to = from;
    std::advance(to,
                 static_cast<std::ptrdiff_t>(dice_.roll(static_cast<std::uint64_t>(std::distance(from, all.end())))));
    Seq last{0};
    const auto walked = past.walk(
        from->first, to->first,
        [&](const State& state) {
          EXPECT_EQ(state.digest(), from->second.digest) << raw(from->first);
          last = state.last_seq;
        },
        [&](const AppliedGroup& group) {
          for (const AppliedRecord& each : group.records) {
            const Seq seq{each.record.stamp()->seq()};
            EXPECT_EQ(raw(seq_after(last, each.record)), raw(seq)) << "none is left out";
            last = seq;
          }
          EXPECT_EQ(group.state.digest(), all.at(last).digest);
        });
    ASSERT_TRUE(walked.has_value()) << walked.error().message;
    EXPECT_EQ(raw(last), raw(to->second.seq)) << raw(from->first) << " to " << raw(to->first);
  }
}

TEST_F(PastStatesTest, walk_that_is_repeated_begins_near_by) {
  for (int i = 0; i < 3; ++i) writer_.create_task("W-" + std::to_string(i));
  for (int i = 0; i < 1000; ++i) writer_.write(propose_group(writer_.requester(), task_note(TaskId{1}, "hm")));
  PastStates past(log_, nullptr);
  const auto nothing = [](const auto&) {};
  ASSERT_TRUE(past.walk(Seq{900}, Seq{910}, nothing, nothing));
  EXPECT_EQ(past.replayed(), 910U);
  ASSERT_TRUE(past.walk(Seq{900}, Seq{920}, nothing, nothing));
  EXPECT_EQ(past.replayed(), 920U) << "what few records take is read again";
  for (int i = 0; i < 2000; ++i) writer_.write(propose_group(writer_.requester(), task_note(TaskId{1}, "hm")));
  ASSERT_TRUE(past.walk(Seq{2900}, Seq{2910}, nothing, nothing));
  ASSERT_TRUE(past.walk(Seq{2900}, Seq{2920}, nothing, nothing));
  EXPECT_EQ(past.replayed(), 20U);
}

TEST_F(PastStatesTest, step_back_begins_at_a_sparse_state) {
  for (int i = 0; i < 50; ++i) writer_.create_task("W-" + std::to_string(i));
  for (int i = 0; i < 2000; ++i) {
    writer_.write(propose_group(writer_.requester(), task_note(TaskId{1}, "hm")));
  }
  PastStates past(log_, nullptr, {.stride = 100, .sparse_max = 32});
  const auto all = expected();
  expect_at(past, Seq{1900}, all.at(Seq{1900}));
  EXPECT_GE(past.sparse(), 2U);
  expect_at(past, Seq{1899}, all.at(Seq{1899}));
  EXPECT_LE(past.replayed(), 900U) << "the states are 8 records per row apart, of some 100 rows";
}

TEST_F(PastStatesTest, newest_checkpoint_of_the_log_is_where_a_look_begins) {
  tell(200);
  const Seq taken = *take_checkpoint(log_);
  tell(50);
  PastStates past(log_, &log_);
  expect_at(past, Seq{raw(taken) + 5}, expected().at(Seq{raw(taken) + 5}));
  EXPECT_LE(past.replayed(), 7U);
}

TEST_F(PastStatesTest, what_is_kept_is_bounded) {
  for (int i = 0; i < 3000; ++i) writer_.write(propose_group(writer_.requester(), max_attempts(1 + i % 9)));
  const auto all = expected();
  PastStates few(log_, nullptr, {.stride = 8, .sparse_max = 6});
  expect_at(few, Seq{2990}, all.at(Seq{2990}));
  EXPECT_LE(few.sparse(), 6U);
  EXPECT_GE(few.sparse(), 3U);
  PastStates small(log_, nullptr, {.stride = 8, .sparse_bytes_max = 20'000});
  expect_at(small, Seq{2990}, all.at(Seq{2990}));
  EXPECT_LT(small.sparse(), 32U);
}

TEST_F(PastStatesTest, state_with_too_many_rows_is_not_kept) {
  for (int i = 0; i < 40; ++i) writer_.create_task("W-" + std::to_string(i));
  const auto all = expected();
  PastStates past(log_, nullptr, {.stride = 4, .sparse_bytes_max = 40 * 128, .end_rows_max = 60});
  expect_at(past, Seq{42}, all.at(Seq{42}));
  EXPECT_EQ(past.ends(), 0U) << "40 tasks and 40 jobs";
  expect_at(past, Seq{20}, all.at(Seq{20}));
  EXPECT_EQ(past.ends(), 1U);
}

TEST_F(PastStatesTest, records_that_come_meanwhile_can_be_looked_at) {
  PastStates past(log_, nullptr);
  expect_at(past, Seq{2}, expected().at(Seq{2}));
  writer_.create_task("W-1");
  expect_at(past, log_.last_seq(), expected().at(log_.last_seq()));
}

TEST_F(PastStatesTest, damage_on_the_way_is_an_error_and_says_where) {
  tell(100);
  MemoryLog damaged;
  for (std::vector<std::uint8_t> bytes : records_in(log_)) {
    if (seq_of(bytes) == Seq{50}) fb::GetMutableRecord(bytes.data())->mutable_stamp()->mutate_digest(1);
    Batch batch;
    batch.records.emplace_back(bytes);
    ASSERT_TRUE(damaged.append(batch, seq_of(bytes)).has_value());
  }
  PastStates past(damaged, nullptr);
  const auto all = expected();
  expect_at(past, Seq{40}, all.at(Seq{40}));
  const auto looked = past.look(Seq{60}, [](const State&) { FAIL() << "there is nothing to see"; });
  ASSERT_FALSE(looked.has_value());
  EXPECT_NE(looked.error().message.find("record 50"), std::string::npos) << looked.error().message;
  expect_at(past, Seq{40}, all.at(Seq{40}));
}

}  // namespace
}  // namespace pawl
