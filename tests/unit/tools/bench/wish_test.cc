#include "tools/bench/wish.h"

#include <gtest/gtest.h>

namespace pawl::bench {
namespace {

Result<BenchWish> asked(const std::vector<std::string_view>& words) {
  const auto arguments = read_arguments(bench_command, words);
  if (!arguments) return arguments.error();
  return asked_in(*arguments);
}

std::string wrong(const std::vector<std::string_view>& words) {
  const auto read = asked(words);
  return read ? "" : read.error().message;
}

TEST(Wish, without_options_all_loops_are_measured_with_four_numbers_of_actors) {
  const auto read = asked({});
  ASSERT_TRUE(read);
  EXPECT_EQ(read->loops.size(), loops.size());
  EXPECT_FALSE(read->loops_given);
  EXPECT_EQ(read->actors, (std::vector<std::size_t>{1, 16, 64, 256}));
  EXPECT_EQ(read->for_ns, 3'000'000'000);
  EXPECT_EQ(read->rounds, 3U);
}

TEST(Wish, options_are_taken) {
  const auto read = asked({"note", "task", "note", "--actors", "5,6", "--think", "1.5ms", "--count", "7", "--rounds",
                           "2", "--pipelining", "4", "--keys"});
  ASSERT_TRUE(read);
  EXPECT_EQ(read->loops, (std::vector<ActorLoop>{ActorLoop::note, ActorLoop::task}));
  EXPECT_EQ(read->actors, (std::vector<std::size_t>{5, 6}));
  EXPECT_EQ(read->think_ns, 1'500'000);
  EXPECT_EQ(read->count, 7U);
  EXPECT_EQ(read->depth, 4U);
  EXPECT_TRUE(read->keys);
  EXPECT_FALSE(read->batches);
  const auto batches = asked({"--batch", "64"});
  ASSERT_TRUE(batches);
  EXPECT_TRUE(batches->batches);
  EXPECT_EQ(batches->depth, 64U);
}

TEST(Wish, what_makes_no_sense_is_named) {
  EXPECT_EQ(wrong({"nots"}), "bench: unknown loop 'nots'; did you mean 'note'?");
  EXPECT_NE(wrong({"zzzzzz"}).find("choose from guarded, contended"), std::string::npos);
  EXPECT_EQ(wrong({"--actors", "0"}), "bench: --actors: each number is from 1 to 1000, and not 0");
  EXPECT_EQ(wrong({"--actors", "1,1001"}), "bench: --actors: each number is from 1 to 1000, and not 1001");
  EXPECT_NE(wrong({"--actors", "1,"}).find("--actors"), std::string::npos);
  EXPECT_NE(wrong({"--rounds", "0"}).find("--rounds is from 1 to 1000"), std::string::npos);
  EXPECT_NE(wrong({"--count", "0"}).find("--count is from 1"), std::string::npos);
  EXPECT_EQ(wrong({"--for", "1s", "--count", "2"}), "bench: give either --for or --count");
  EXPECT_NE(wrong({"--for", "0s"}).find("--for must be longer"), std::string::npos);
  EXPECT_EQ(wrong({"--fresh", "d", "--data", "e"}), "bench: --data is for a daemon, so not with --fresh");
  EXPECT_EQ(wrong({"--blocking"}), "bench: --blocking is for a log in this process: give --fresh DIR");
}

TEST(Wish, a_time_needs_its_unit) {
  EXPECT_EQ(*duration_ns("50ms", "t"), 50'000'000);
  EXPECT_EQ(*duration_ns("0.5s", "t"), 500'000'000);
  EXPECT_EQ(*duration_ns("200us", "t"), 200'000);
  for (const std::string_view text : {"", "50", "ms", "-1s", "1h", "1e3s", "nan s", "90000s", "1s "}) {
    EXPECT_FALSE(duration_ns(text, "t")) << text;
  }
}

}  // namespace
}  // namespace pawl::bench
