#include "tools/commands/lock_lease.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace pawl {
namespace {

TEST(LeaseTimes, leave_the_command_ten_seconds_of_a_minute_to_end) {
  const LeaseTimes times = lease_times(far_ttl_s);
  EXPECT_EQ(times.renew, 20'000);
  EXPECT_EQ(times.end, 50'000);
  EXPECT_EQ(times.kill, 59'000);
  EXPECT_EQ(times.late, 59'500);
}

TEST(LeaseTimes, are_in_order_and_before_the_end_of_any_ttl) {
  for (const std::uint64_t ttl_s : {1U, 2U, 3U, 29U, 30U, 31U, 60U, 604'800U, ~0U}) {
    const LeaseTimes times = lease_times(ttl_s);
    EXPECT_GT(times.renew, 0) << ttl_s;
    EXPECT_LT(times.renew, times.end) << ttl_s;
    EXPECT_LT(times.end, times.kill) << ttl_s;
    EXPECT_LT(times.kill, times.late) << ttl_s;
    EXPECT_LT(times.late, static_cast<std::int64_t>(ttl_s) * 1000) << ttl_s;
  }
}

TEST(LeaseTimes, leave_room_for_a_renewal_that_fails_once) {
  for (const std::uint64_t ttl_s : {3U, 60U, 604'800U}) {
    const LeaseTimes times = lease_times(ttl_s);
    EXPECT_LE(times.renew + std::min<std::int64_t>(times.renew / 2, 1000), times.end) << ttl_s;
  }
}

}  // namespace
}  // namespace pawl
