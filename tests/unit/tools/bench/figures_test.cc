#include "tools/bench/figures.h"

#include <gtest/gtest.h>

#include "schema/json/read_json.h"

namespace pawl::bench {
namespace {

TEST(Latencies, a_quantile_is_at_most_a_64th_above_the_exact_one) {
  Latencies latencies;
  for (std::int64_t us = 1; us <= 1000; ++us) latencies.add(us * 1000);
  EXPECT_EQ(latencies.count(), 1000U);
  for (const auto& [share, exact_ns] : {std::pair(0.5, 500'000), std::pair(0.99, 990'000), std::pair(0.999, 999'000)}) {
    EXPECT_GE(latencies.quantile_ns(share), exact_ns) << share;
    EXPECT_LE(latencies.quantile_ns(share), exact_ns + exact_ns / 64 + 1) << share;
  }
}

TEST(Latencies, the_ends_of_the_range_have_buckets) {
  Latencies latencies;
  EXPECT_EQ(latencies.quantile_ns(0.5), 0);  // of none
  latencies.add(-5);                         // a clock that stands still
  latencies.add(63);
  latencies.add(std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ(latencies.quantile_ns(0), 0);
  EXPECT_EQ(latencies.quantile_ns(0.5), 63);
  EXPECT_EQ(latencies.quantile_ns(1), std::numeric_limits<std::int64_t>::max());
}

TEST(Latencies, sums_count_both) {
  Latencies one;
  Latencies other;
  one.add(10);
  other.add(20);
  one.add(other);
  EXPECT_EQ(one.count(), 2U);
  EXPECT_EQ(one.quantile_ns(1), 20);
}

/// Three rounds of `guarded` with one actor: 100, 300 and 200 W in a second each.
std::vector<Measured> three_rounds() {
  Measured out{.loop = ActorLoop::guarded, .actors = 1};
  for (const std::uint64_t rounds : {100U, 300U, 200U}) {
    Figures figures;
    figures.rounds = rounds;
    figures.all_rounds = 2 * rounds;
    figures.wall_ns = 1'000'000'000;
    figures.server_cpu_ns = static_cast<std::int64_t>(rounds) * 2 * 50'000;
    for (std::uint64_t i = 0; i < rounds; ++i) {
      figures.of_verb[static_cast<std::size_t>(Verb::acquire)].done.add(63);
    }
    out.rounds.push_back(std::move(figures));
  }
  out.rounds[1].errors["acquire: quota"] = 2;
  return {out};
}

TEST(Figures, json_has_median_and_spread_costs_and_errors) {
  const auto read = parse_json(json_of({.target = "a", .client = "b", .for_ms = 1000}, three_rounds()));
  ASSERT_TRUE(read);
  const auto& row = read->at("measured").at(0);
  EXPECT_EQ(row.at("loop"), "guarded");
  EXPECT_EQ(row.at("rounds_per_s").at("median"), 200.0);
  EXPECT_EQ(row.at("rounds_per_s").at("min"), 100.0);
  EXPECT_EQ(row.at("rounds_per_s").at("max"), 300.0);
  // The rounds of the warm-up cost CPU time too.
  EXPECT_EQ(row.at("server_us_per_round").at("median"), 50.0);
  EXPECT_EQ(row.at("errors").at("acquire: quota"), 2);
  EXPECT_EQ(row.at("calls").as_array().size(), 1U);
  EXPECT_EQ(row.at("calls").at(0).at("count"), 600);
  EXPECT_EQ(row.at("calls").at(0).at("per_s"), 200.0);
}

TEST(Figures, the_table_shows_the_same_for_people) {
  const std::string text = table_of({.target = "a log in DIR", .client = "callbacks"}, three_rounds());
  EXPECT_NE(text.find("a log in DIR, callbacks\n"), std::string::npos) << text;
  EXPECT_NE(text.find("200 (100–300)"), std::string::npos) << text;
  EXPECT_NE(text.find("guarded, 1 actors: 2 errors: acquire: quota"), std::string::npos) << text;
}

TEST(Figures, a_server_that_cannot_be_seen_has_no_cost) {
  std::vector<Measured> all = three_rounds();
  for (Figures& figures : all[0].rounds) figures.server_cpu_ns.reset();
  const auto read = parse_json(json_of({.target = "a", .client = "b"}, all));
  ASSERT_TRUE(read);
  EXPECT_TRUE(read->at("measured").at(0).at("server_us_per_round").is_null());
}

}  // namespace
}  // namespace pawl::bench
