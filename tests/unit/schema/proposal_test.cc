#include "schema/proposal.h"

#include <gtest/gtest.h>

namespace pawl {
namespace {

fb::StageTransitionT transition() {
  fb::StageTransitionT event;
  event.to = "review";
  return event;
}

TEST(BuildRecord, proposal_holds_who_asks_and_what) {
  const Proposal proposal = propose({.boot = "boot-1", .actor = "monitor", .key = "k", .request = 7}, transition());
  const fb::Record& record = proposal.record();
  EXPECT_EQ(record.boot()->str(), "boot-1");
  EXPECT_EQ(record.actor()->str(), "monitor");
  EXPECT_EQ(record.key()->str(), "k");
  EXPECT_EQ(record.request(), 7U);
  ASSERT_EQ(record.event_type(), fb::Event::StageTransition);
  EXPECT_EQ(record.event_as_StageTransition()->to()->str(), "review");
}

TEST(BuildRecord, what_was_not_given_is_absent_and_not_zero) {
  const Proposal proposal = propose({.boot = "b", .actor = "a", .key = {}, .request = {}}, transition());
  EXPECT_EQ(proposal.record().key(), nullptr);
  EXPECT_EQ(proposal.record().request(), flatbuffers::nullopt);
  EXPECT_EQ(proposal.record().event_as_StageTransition()->token(), flatbuffers::nullopt);
  EXPECT_EQ(proposal.record().event_as_StageTransition()->reason(), nullptr);
}

TEST(BuildRecord, every_field_of_the_stamp_can_be_set_in_place_from_zero) {
  Proposal proposal = propose({.boot = "b", .actor = "a", .key = {}, .request = {}}, transition());
  EXPECT_EQ(proposal.record().stamp()->seq(), 0U);
  const std::size_t size = proposal.size();
  fb::Stamp& stamp = proposal.stamp();
  stamp.mutate_seq(1);
  stamp.mutate_group(2);
  stamp.mutate_time_us(-3);
  stamp.mutate_digest(4);
  stamp.mutate_rules(5);
  stamp.mutate_outcome(6);
  stamp.mutate_unchecked(true);
  stamp.mutable_chain()->Mutate(31, 9);
  const fb::Stamp& read = *proposal.record().stamp();
  EXPECT_EQ(read.seq(), 1U);
  EXPECT_EQ(read.group(), 2U);
  EXPECT_EQ(read.time_us(), -3);
  EXPECT_EQ(read.digest(), 4U);
  EXPECT_EQ(read.rules(), 5U);
  EXPECT_EQ(read.outcome(), 6U);
  EXPECT_TRUE(read.unchecked());
  EXPECT_EQ(read.chain()->Get(31), 9U);
  EXPECT_EQ(proposal.size(), size);
}

TEST(BuildRecord, id_that_equals_its_default_is_stored_so_that_it_can_be_resolved_in_place) {
  Proposal proposal = propose({.boot = "b", .actor = "a", .key = {}, .request = {}}, fb::FinalizerMarkedT{});
  auto* event = static_cast<fb::FinalizerMarked*>(proposal.mutable_record().mutable_event());
  ASSERT_TRUE(event->mutate_job(42));
  EXPECT_EQ(proposal.record().event_as_FinalizerMarked()->job(), 42U);
}

TEST(BuildRecord, group_keeps_the_order_of_its_events) {
  const Group group =
      propose_group({.boot = "b", .actor = "a", .key = {}, .request = {}}, transition(), fb::FinalizerMarkedT{});
  ASSERT_EQ(group.size(), 2U);
  EXPECT_EQ(group[0].record().event_type(), fb::Event::StageTransition);
  EXPECT_EQ(group[1].record().event_type(), fb::Event::FinalizerMarked);
}

}  // namespace
}  // namespace pawl
