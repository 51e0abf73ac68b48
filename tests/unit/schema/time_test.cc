#include "schema/time.h"

#include <gtest/gtest.h>

#include <limits>

namespace pawl {
namespace {

TEST(Time, is_shown_with_six_decimals_and_read_back) {
  const TimeUs time{1'781'517'600'000'001};
  EXPECT_EQ(rfc3339(time), "2026-06-15T10:00:00.000001Z");
  EXPECT_EQ(*parse_rfc3339("2026-06-15T10:00:00.000001Z"), time);
}

TEST(Time, epoch_leap_days_and_times_before_1970) {
  EXPECT_EQ(rfc3339(TimeUs{0}), "1970-01-01T00:00:00.000000Z");
  EXPECT_EQ(rfc3339(TimeUs{-1}), "1969-12-31T23:59:59.999999Z");
  EXPECT_EQ(rfc3339(TimeUs{-62'167'219'200 * us_per_s - 1}), "-001-12-31T23:59:59.999999Z");
  EXPECT_EQ(rfc3339(TimeUs{253'402'300'800 * us_per_s}), "10000-01-01T00:00:00.000000Z");
  EXPECT_EQ(rfc3339(TimeUs{INT64_MIN}), "-290308-12-21T19:59:05.224192Z");
  EXPECT_EQ(rfc3339(TimeUs{INT64_MAX}), "294247-01-10T04:00:54.775807Z");
  EXPECT_EQ(rfc3339(*parse_rfc3339("2024-02-29T23:59:59Z")), "2024-02-29T23:59:59.000000Z");
  EXPECT_EQ(rfc3339(*parse_rfc3339("2000-02-29T00:00:00Z")), "2000-02-29T00:00:00.000000Z");
  EXPECT_EQ(parse_rfc3339("2026-01-01T00:00:00Z")->us, 1'767'225'600LL * us_per_s);
}

TEST(Time, each_day_of_four_centuries_comes_back) {
  for (std::int64_t day = 0; day < 146'097; ++day) {
    const TimeUs time{day * 86'400 * us_per_s};
    ASSERT_EQ(*parse_rfc3339(rfc3339(time)), time);
  }
}

TEST(Time, sums_and_ages_stop_at_the_ends_of_time) {
  constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
  constexpr std::int64_t least = std::numeric_limits<std::int64_t>::min();
  EXPECT_EQ(plus_s(TimeUs{5}, 2).us, 2'000'005);
  EXPECT_EQ(plus_s(TimeUs{5}, most).us, most);
  EXPECT_EQ(plus_s(TimeUs{most - 1}, 1).us, most);
  EXPECT_EQ(plus_s(TimeUs{5}, least).us, least);
  EXPECT_EQ(plus_s(TimeUs{least + 1}, -1).us, least);
  EXPECT_EQ(age_s(TimeUs{5}, TimeUs{2'000'005}), 2);
  EXPECT_EQ(age_s(TimeUs{6}, TimeUs{2'000'005}), 1);
  EXPECT_EQ(age_s(TimeUs{least}, TimeUs{most}), 18'446'744'073'709);
}

TEST(Time, fewer_decimals_are_read) {
  EXPECT_EQ(parse_rfc3339("1970-01-01T00:00:00.5Z")->us, 500'000);
  EXPECT_EQ(parse_rfc3339("1970-01-01T00:00:01Z")->us, 1'000'000);
}

TEST(Time, anything_else_is_malformed) {
  for (const char* text : {"",
                           "Z",
                           "2026",
                           "2026-06-15",
                           "2026-06-15T10:00:00",
                           "2026-06-15 10:00:00Z",
                           "2026-06-15T10:00:00+02:00",
                           "2026-13-01T00:00:00Z",
                           "2026-02-29T00:00:00Z",
                           "2100-02-29T00:00:00Z",
                           "2026-00-01T00:00:00Z",
                           "2026-01-00T00:00:00Z",
                           "2026-01-32T00:00:00Z",
                           "2026-06-15T24:00:00Z",
                           "2026-06-15T10:60:00Z",
                           "2026-06-15T10:00:60Z",
                           "2026-06-15T10:00:00.Z",
                           "2026-06-15T10:00:00.1234567Z",
                           "2026-06-15T10:00:00.12x4Z",
                           "x026-06-15T10:00:00Z"}) {
    const Result<TimeUs> time = parse_rfc3339(text);
    ASSERT_FALSE(time.has_value()) << text;
    EXPECT_EQ(time.error().code, ErrorCode::malformed);
  }
}

TEST(Time, age_is_whole_seconds_rounded_down_and_never_negative) {
  EXPECT_EQ(age_s(TimeUs{0}, TimeUs{1'999'999}), 1);
  EXPECT_EQ(age_s(TimeUs{0}, TimeUs{999'999}), 0);
  EXPECT_EQ(age_s(TimeUs{5}, TimeUs{0}), 0);
  EXPECT_EQ(plus_s(TimeUs{1}, 2).us, 2'000'001);
}

}  // namespace
}  // namespace pawl
