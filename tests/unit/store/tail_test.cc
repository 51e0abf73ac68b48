#include "store/tail.h"

#include <gtest/gtest.h>

namespace pawl {
namespace {

TEST(Tail, every_combination_is_judged_by_the_table) {
  for (const Seq highest : {Seq{0}, Seq{6}, Seq{7}, Seq{8}}) {
    for (const Seq sealed : {Seq{0}, Seq{7}, Seq{9}}) {
      for (const LogEnd end : {LogEnd::clean, LogEnd::cut_short, LogEnd::wrong_bytes}) {
        const auto judged = judge_tail({.last = Seq{7}, .highest = highest, .sealed = sealed, .end = end}, "here");
        const bool beyond = highest == Seq{8} || sealed == Seq{9};  // @A, @B
        if (beyond || end == LogEnd::wrong_bytes) {                 // @C
          ASSERT_FALSE(judged.has_value());
          EXPECT_EQ(judged.error().code, ErrorCode::damaged);
          EXPECT_NE(judged.error().message.find("here: record 8 cannot be read"), std::string::npos);
        } else {
          ASSERT_TRUE(judged.has_value());
          EXPECT_EQ(*judged, end == LogEnd::cut_short ? std::optional(Seq{8}) : std::nullopt);  // @D, @E
        }
      }
    }
  }
}

}  // namespace
}  // namespace pawl
