// The words that wait for a forge, in virtual time.
#include "daemon/outside/forge_queue.h"

#include <gtest/gtest.h>

#include "daemon/outside/alerts.h"

namespace pawl {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using QueueTime = ForgeQueue::Time;

LogPlace place_at(std::uint64_t seq) {
  LogPlace place{.seq = Seq{seq}, .chain = {}};
  place.chain[0] = static_cast<std::uint8_t>(seq);
  return place;
}

ForgeWord status_at(std::uint64_t seq, const std::string& commit, const std::string& stage, const std::string& text) {
  return {.kind = ForgeWord::Kind::status,
          .seq = Seq{seq},
          .before = place_at(seq - 1),
          .commit = commit,
          .stage = stage,
          .text = text};
}

ForgeWord comment_at(std::uint64_t seq) {
  return {.kind = ForgeWord::Kind::comment, .seq = Seq{seq}, .before = place_at(seq - 1), .issue = "1", .mark = "m"};
}

class ForgeQueueTest : public testing::Test {
 protected:
  void add(ForgeWord word) {
    const std::uint64_t seq = raw(word.seq);
    queue.add(std::move(word));
    queue.read_to(place_at(seq));
  }
  std::string next_text() {
    const auto next = queue.next(now);
    return next ? next->word.text : "";
  }
  void tell() { queue.told(queue.next(now)->number); }

  ForgeQueue queue{place_at(10), Seq{15}, alert_backoff};
  QueueTime now{seconds(1000)};
};

TEST_F(ForgeQueueTest, words_are_told_in_order) {
  add(status_at(16, "a", "build", "one"));
  add(status_at(17, "a", "review", "two"));
  EXPECT_EQ(next_text(), "one");
  tell();
  EXPECT_EQ(next_text(), "two");
  tell();
  EXPECT_FALSE(queue.next(now));
  EXPECT_FALSE(queue.due());
}

TEST_F(ForgeQueueTest, a_newer_status_replaces_one_that_waits) {
  add(status_at(16, "a", "build", "waits"));
  add(status_at(17, "b", "build", "of another commit"));
  add(status_at(18, "a", "build", "passed"));
  EXPECT_EQ(queue.size(), 2U);
  EXPECT_EQ(next_text(), "of another commit");
  tell();
  EXPECT_EQ(next_text(), "passed");
}

TEST_F(ForgeQueueTest, a_status_that_arrives_late_does_not_come_after_a_newer_one) {
  add(status_at(16, "a", "build", "waits"));
  const auto first = *queue.next(now);
  add(status_at(17, "a", "build", "passed"));  // while it is being told
  queue.told(first.number);
  EXPECT_EQ(next_text(), "passed");
  tell();
  EXPECT_EQ(queue.size(), 0U);
}

TEST_F(ForgeQueueTest, a_failure_is_tried_again_for_ever_with_longer_pauses) {
  add(status_at(16, "a", "build", "one"));
  add(status_at(17, "b", "build", "two"));
  for (const int pause_s : {1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300}) {
    const auto next = queue.next(now);
    ASSERT_TRUE(next);
    EXPECT_EQ(next->word.text, "one") << "the order is kept";
    EXPECT_EQ(queue.failed(next->number, now, milliseconds(0)), seconds(pause_s));
    EXPECT_FALSE(queue.next(now + seconds(pause_s) - milliseconds(1)));
    now += seconds(pause_s);
    EXPECT_EQ(queue.due(), now);
  }
  tell();
  EXPECT_EQ(next_text(), "two") << "at once";
}

TEST_F(ForgeQueueTest, a_pause_that_the_forge_asks_for_is_kept) {
  add(status_at(16, "a", "build", "one"));
  EXPECT_EQ(queue.failed(queue.next(now)->number, now, seconds(120)), seconds(120));
  EXPECT_FALSE(queue.next(now + seconds(119)));
  EXPECT_TRUE(queue.next(now + seconds(120)));
}

TEST_F(ForgeQueueTest, a_pause_outlasts_a_newer_word) {
  add(status_at(16, "a", "build", "one"));
  (void)queue.failed(queue.next(now)->number, now, seconds(60));
  add(status_at(17, "a", "build", "two"));
  EXPECT_FALSE(queue.next(now + seconds(59)));
  now += seconds(60);
  EXPECT_EQ(next_text(), "two");
}

TEST_F(ForgeQueueTest, the_place_is_before_what_waits) {
  EXPECT_EQ(queue.place(), place_at(10));
  queue.read_to(place_at(14));
  EXPECT_EQ(queue.place(), place_at(14)) << "records without words";
  add(status_at(16, "a", "build", "one"));
  add(status_at(18, "a", "review", "two"));
  EXPECT_EQ(queue.place(), place_at(15));
  tell();
  EXPECT_EQ(queue.place(), place_at(17));
  queue.refused(queue.next(now)->number);
  EXPECT_EQ(queue.place(), place_at(18));
}

TEST_F(ForgeQueueTest, the_place_goes_on_when_the_first_is_replaced) {
  add(status_at(16, "a", "build", "one"));
  add(status_at(18, "b", "build", "other"));
  add(status_at(20, "a", "build", "two"));
  EXPECT_EQ(queue.place(), place_at(17));
}

TEST_F(ForgeQueueTest, what_was_told_before_is_not_told_again) {
  queue.add(status_at(9, "a", "build", "old"));
  queue.add(status_at(10, "a", "build", "told"));
  EXPECT_EQ(queue.size(), 0U);
  queue.read_to(place_at(9));
  EXPECT_EQ(queue.place(), place_at(10)) << "not back";
}

TEST_F(ForgeQueueTest, a_comment_may_be_there_after_a_restart_or_a_failure) {
  add(comment_at(12));
  EXPECT_TRUE(queue.next(now)->may_be_there) << "an earlier boot may have sent it";
  tell();
  add(comment_at(16));
  EXPECT_FALSE(queue.next(now)->may_be_there);
  (void)queue.failed(queue.next(now)->number, now, milliseconds(0));
  now += seconds(1);
  EXPECT_TRUE(queue.next(now)->may_be_there);
}

TEST_F(ForgeQueueTest, no_comment_replaces_another) {
  add(comment_at(16));
  add(comment_at(17));
  EXPECT_EQ(queue.size(), 2U);
}

TEST_F(ForgeQueueTest, a_day_of_failures_keeps_the_newest_of_each_alone) {
  for (std::uint64_t i = 0; i < 50'000; ++i) {
    add(status_at(16 + i, std::string(1, static_cast<char>('a' + i % 7)), i % 2 == 0 ? "build" : "review",
                  std::to_string(i)));
  }
  EXPECT_EQ(queue.size(), 14U);
}

}  // namespace
}  // namespace pawl
