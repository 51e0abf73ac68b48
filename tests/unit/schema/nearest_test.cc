#include "schema/nearest.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace pawl {
namespace {

const std::vector<std::string_view> words = {"submit", "settings", "simulate", "stuck",
                                             "reap",   "replay",   "task",     "tail"};

TEST(Nearest, slips_of_a_finger_find_their_word) {
  EXPECT_EQ(nearest_of("sumbit", words), "submit") << "two letters swapped";
  EXPECT_EQ(nearest_of("setings", words), "settings") << "one letter missing";
  EXPECT_EQ(nearest_of("settiings", words), "settings") << "one letter too many";
  EXPECT_EQ(nearest_of("simulste", words), "simulate") << "one letter wrong";
  EXPECT_EQ(nearest_of("stuck", words), "stuck");
}

TEST(Nearest, another_word_finds_none) {
  EXPECT_EQ(nearest_of("colour", words), std::nullopt);
  EXPECT_EQ(nearest_of("", words), std::nullopt);
  EXPECT_EQ(nearest_of("tsk", {}), std::nullopt);
  EXPECT_EQ(nearest_of(std::string(100, 's'), words), std::nullopt);
}

TEST(Nearest, of_equally_near_words_the_first_is_taken) {
  EXPECT_EQ(nearest_of("tast", words), "task");
  const std::vector<std::string_view> near = {"abcde", "abcdf"};
  EXPECT_EQ(nearest_of("abcdx", near), "abcde");
}

}  // namespace
}  // namespace pawl
