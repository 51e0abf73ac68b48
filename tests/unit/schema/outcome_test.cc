#include "schema/outcome.h"

#include <gtest/gtest.h>

#include <set>

namespace pawl {
namespace {

TEST(Outcome, numbers_on_disk_do_not_change) {
  EXPECT_EQ(static_cast<int>(Outcome::accepted), 0);
  EXPECT_EQ(static_cast<int>(Outcome::skipped), 1);
  EXPECT_EQ(static_cast<int>(Outcome::version_conflict), 16);
  EXPECT_EQ(static_cast<int>(Outcome::not_blocked), 39);
}

TEST(Outcome, each_is_found_by_its_name_and_its_number) {
  std::size_t found = 0;
  for (std::size_t number = 0; number < outcome_numbers; ++number) {
    const auto outcome = outcome_numbered(number);
    if (!outcome) continue;
    ++found;
    EXPECT_EQ(static_cast<std::size_t>(*outcome), number);
    EXPECT_EQ(outcome_named(name(*outcome)), outcome);
    EXPECT_EQ(row_of(*outcome).outcome, *outcome);
  }
  EXPECT_EQ(found, outcome_rows.size());
  EXPECT_EQ(outcome_numbered(outcome_numbers), std::nullopt);
  EXPECT_EQ(outcome_numbered(65535), std::nullopt);
  EXPECT_EQ(outcome_named("?"), std::nullopt);
  EXPECT_EQ(outcome_named(""), std::nullopt);
}

TEST(Outcome, each_has_a_status_and_a_sentence_of_its_own) {
  std::set<std::string_view> sentences;
  for (const OutcomeRow& row : outcome_rows) {
    EXPECT_TRUE(sentences.insert(row.sentence).second) << row.name;
    EXPECT_FALSE(row.sentence.empty() || row.sentence.ends_with('.')) << row.name;
    const bool is_of_a_refusal = std::set{404, 409, 422, 429}.contains(row.http_status);
    EXPECT_TRUE(row.outcome == Outcome::accepted || is_of_a_refusal) << row.name;
  }
}

}  // namespace
}  // namespace pawl
