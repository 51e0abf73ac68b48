// A principal's share of a server, by the numbers alone.
#include "daemon/http/shares.h"

#include <gtest/gtest.h>

#include <vector>

namespace pawl {
namespace {

using std::chrono::milliseconds;

class SharesTest : public testing::Test {
 protected:
  std::shared_ptr<Shares::Account> account(const std::string& name) { return shares.account_of(name, now); }
  int taken(const std::string& name, int asked) {
    int count = 0;
    for (int i = 0; i < asked; ++i) count += shares.takes_requests(*account(name), now) ? 1 : 0;
    return count;
  }
  /// How many of the requested places that account gets.
  std::size_t places_of(const std::string& name, int asked, bool is_operator = false) {
    std::size_t count = 0;
    for (int i = 0; i < asked; ++i) {
      auto place = shares.take_place(account(name), kind, is_operator, now);
      if (!place) continue;
      places.push_back(std::move(place));
      ++count;
    }
    return count;
  }

  const std::shared_ptr<ShareBook> book = std::make_shared<ShareBook>();
  Shares shares{{.connections = 64, .bytes = 1000, .requests_per_s = 10, .requests_at_once = 20}, book};
  ShareKind kind = ShareKind::streams;  // of the places
  Shares::Time now;
  std::vector<std::unique_ptr<Shares::Place>> places;
};

TEST_F(SharesTest, requests_of_one_are_bounded_and_those_of_others_are_not_counted_with_them) {
  EXPECT_EQ(taken("a", 30), 20);
  EXPECT_EQ(taken("b", 30), 20);
  now += milliseconds(500);
  EXPECT_EQ(taken("a", 30), 5);
  now += std::chrono::hours(1);
  EXPECT_EQ(taken("a", 30), 20);
  now -= milliseconds(500);  // a thread that read the clock earlier
  EXPECT_EQ(taken("a", 30), 0);
}

TEST_F(SharesTest, who_asked_too_much_begins_with_no_full_measure_because_others_came) {
  EXPECT_EQ(taken("a", 30), 20);
  for (int i = 0; i < 5000; ++i) account("user " + std::to_string(i));
  EXPECT_EQ(taken("a", 30), 0);
}

TEST_F(SharesTest, places_of_one_are_half_of_all_and_are_given_back) {
  EXPECT_EQ(places_of("a", 100), 32U);
  EXPECT_EQ(places_of("b", 10), 10U);
  places.clear();
  EXPECT_EQ(account("a")->waiting, 0U);
  EXPECT_EQ(places_of("a", 100), 32U);
}

TEST_F(SharesTest, reserve_is_for_operators_however_many_others_there_are) {
  EXPECT_EQ(shares.reserve(), 4U);
  EXPECT_EQ(places_of("a", 100) + places_of("b", 100) + places_of("c", 100), 60U);
  EXPECT_EQ(places_of("people", 3, true), 3U);
  EXPECT_EQ(places_of("c", 1), 0U);
  places.clear();
  EXPECT_EQ(places_of("a", 100) + places_of("b", 100) + places_of("c", 100), 60U);
}

TEST_F(SharesTest, who_has_the_most_goes_first_then_the_oldest_and_operators_last) {
  EXPECT_EQ(places_of("people", 3, true), 3U);
  now += milliseconds(1);
  EXPECT_EQ(places_of("b", 1), 1U);
  now += milliseconds(1);
  EXPECT_EQ(places_of("a", 1), 1U);
  now += milliseconds(1);
  EXPECT_EQ(places_of("a", 1), 1U);
  const Shares::Place& people = *places[0];
  const Shares::Place& b = *places[3];
  const Shares::Place& older_a = *places[4];
  const Shares::Place& younger_a = *places[5];
  EXPECT_TRUE(b.goes_before(people));
  EXPECT_FALSE(people.goes_before(b));
  EXPECT_TRUE(older_a.goes_before(b));
  EXPECT_TRUE(older_a.goes_before(younger_a));
  EXPECT_FALSE(younger_a.goes_before(older_a));
  places.pop_back();
  EXPECT_TRUE(b.goes_before(*places[4])) << "equally many by now, and it is older";
}

TEST_F(SharesTest, what_is_held_and_what_was_refused_stands_in_the_book_by_its_kind) {
  EXPECT_EQ(places_of("a", 33), 32U);
  kind = ShareKind::polls;
  EXPECT_EQ(places_of("a", 2), 0U);
  EXPECT_EQ(places_of("b", 3), 3U);
  EXPECT_EQ(taken("c", 25), 20);
  EXPECT_EQ(book->held(ShareKind::streams), 32U);
  EXPECT_EQ(book->held(ShareKind::polls), 3U);
  EXPECT_EQ(book->refused(ShareKind::streams), 1U);
  EXPECT_EQ(book->refused(ShareKind::polls), 2U);
  EXPECT_EQ(book->refused(ShareKind::requests), 5U);
  const std::vector<ShareBook::Refused> wanted{{"c", 5}, {"a", 3}};
  EXPECT_EQ(book->refused_most(), wanted) << "who was refused nothing is not there";
  places.clear();
  EXPECT_EQ(book->held(ShareKind::streams), 0U);
  EXPECT_EQ(book->held(ShareKind::polls), 0U);
}

TEST_F(SharesTest, requests_are_counted_by_whole_seconds) {
  EXPECT_EQ(taken("a", 3), 3);
  EXPECT_EQ(book->last_second(now), 0U) << "this second is not over";
  now += milliseconds(1000);
  EXPECT_EQ(book->last_second(now), 3U);
  EXPECT_EQ(taken("b", 1), 1);
  EXPECT_EQ(book->last_second(now), 3U);
  now += milliseconds(1000);
  EXPECT_EQ(book->last_second(now), 1U);
  now += milliseconds(1000);
  EXPECT_EQ(book->last_second(now), 0U);
  EXPECT_EQ(taken("b", 1), 1);
  EXPECT_EQ(book->last_second(now), 0U) << "the second before had none";
}

TEST(ShareBookTest, names_those_who_were_refused_most_and_is_bounded) {
  ShareBook book;
  for (int i = 0; i < 1100; ++i) book.refuse(ShareKind::tasks, "token:" + std::to_string(1000 + i));
  for (int i = 0; i < 3; ++i) book.refuse(ShareKind::leases, "token:1500");
  book.refuse(ShareKind::boots, "token:1007");
  book.refuse(ShareKind::tasks, "token:2099");
  book.refuse(ShareKind::connections, "");
  const std::vector<ShareBook::Refused> most = book.refused_most();
  ASSERT_EQ(most.size(), 10U);
  EXPECT_EQ(most[0], (ShareBook::Refused{"token:1500", 4}));
  EXPECT_EQ(most[1], (ShareBook::Refused{"token:1007", 2}));
  EXPECT_EQ(most[2], (ShareBook::Refused{"token:1000", 1})) << "2099 came when there was no room for its name";
  EXPECT_EQ(book.refused(ShareKind::tasks), 1101U);
  EXPECT_EQ(book.refused(ShareKind::connections), 1U);
}

}  // namespace
}  // namespace pawl
