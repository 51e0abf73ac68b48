#include "store/chain.h"

#include <gtest/gtest.h>

#include "store/memory_log.h"
#include "tests/unit/store/log_kit.h"

namespace pawl {
namespace {

Proposal stamped(const std::string& text) {
  Proposal proposal = propose({.boot = "b", .actor = "a", .key = {}, .request = {}}, task_note(TaskId{1}, text));
  proposal.stamp().mutate_seq(1);
  proposal.stamp().mutate_group(1);
  proposal.stamp().mutate_rules(1);
  return proposal;
}

TEST(Chain, is_that_of_a_record_worked_by_hand) {
  // SHA-256 over 32 zero bytes and the canonical encoding spelt out in docs/FORMAT.md ("A worked example"), made with
  // sha256sum.
  const Proposal proposal = stamped("hi");
  EXPECT_EQ(hex(chain_after(Chain{}, proposal.record())),
            "69c2c320142c2f2693fb19123c1aca8fbaaaded42c2d387153423ff47cc9760c");
}

TEST(Chain, stamp_sets_what_the_record_bears) {
  Proposal proposal = stamped("hi");
  const Chain chain = stamp_chain(Chain{}, proposal);
  EXPECT_EQ(chain_of(proposal.record()), chain);
  EXPECT_EQ(chain_after(Chain{}, proposal.record()), chain) << "the chain it already carries does not count";
}

TEST(Chain, depends_on_the_one_before_and_on_every_part_of_the_record) {
  const Chain chain = chain_after(Chain{}, stamped("hi").record());
  Chain other{};
  other[31] = 1;
  EXPECT_NE(chain_after(other, stamped("hi").record()), chain);
  EXPECT_NE(chain_after(Chain{}, stamped("ho").record()), chain);

  const auto changed = [](auto change) {
    Proposal proposal = stamped("hi");
    change(proposal.stamp());
    return chain_after(Chain{}, proposal.record());
  };
  EXPECT_NE(changed([](fb::Stamp& stamp) { stamp.mutate_seq(2); }), chain);
  EXPECT_NE(changed([](fb::Stamp& stamp) { stamp.mutate_group(2); }), chain);
  EXPECT_NE(changed([](fb::Stamp& stamp) { stamp.mutate_time_us(2); }), chain);
  EXPECT_NE(changed([](fb::Stamp& stamp) { stamp.mutate_digest(2); }), chain);
  EXPECT_NE(changed([](fb::Stamp& stamp) { stamp.mutate_rules(2); }), chain);
  EXPECT_NE(changed([](fb::Stamp& stamp) { stamp.mutate_outcome(2); }), chain);
  EXPECT_NE(changed([](fb::Stamp& stamp) { stamp.mutate_unchecked(true); }), chain);
}

TEST(Chain, hex_is_64_lower_case_digits) {
  Chain chain{};
  chain[0] = 0xab;
  chain[31] = 0x0f;
  EXPECT_EQ(hex(chain), "ab" + std::string(60, '0') + "0f");
}

}  // namespace
}  // namespace pawl
