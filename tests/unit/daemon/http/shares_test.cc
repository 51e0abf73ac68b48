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
    for (int i = 0; i < asked; ++i) count += shares.takes_request(*account(name), now) ? 1 : 0;
    return count;
  }
  /// How many of the requested places that account gets.
  std::size_t places_of(const std::string& name, int asked, bool is_operator = false) {
    std::size_t count = 0;
    for (int i = 0; i < asked; ++i) {
      auto place = shares.take_place(account(name), is_operator, now);
      if (!place) continue;
      places.push_back(std::move(place));
      ++count;
    }
    return count;
  }

  Shares shares{{.connections = 64, .bytes = 1000, .requests_per_s = 10, .requests_at_once = 20}};
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

}  // namespace
}  // namespace pawl
