#include "schema/record_view.h"

#include <gtest/gtest.h>

#include "schema/canonical.h"
#include "schema/proposal.h"

namespace pawl {
namespace {

Proposal sample() {
  fb::JobReapedT event;
  event.job = 3;
  event.reason = "dead";
  event.evidence = std::make_unique<fb::EvidenceT>();
  event.evidence->streak = 2;
  event.evidence->lease_owner = std::make_unique<fb::OwnerT>();
  event.evidence->lease_owner->boot_id = "boot";
  event.evidence->lease_owner->actor = "worker";
  Proposal proposal = propose({.boot = "b", .actor = "a", .key = "k", .request = 1}, event);
  proposal.stamp().mutate_seq(7);
  return proposal;
}

RecordBytes bytes_of(const Proposal& proposal) {
  return {proposal.data(), proposal.size()};
}

TEST(RecordView, record_is_seen_through_the_verifier) {
  const Proposal proposal = sample();
  const auto record = view_record(bytes_of(proposal));
  ASSERT_TRUE(record.has_value()) << record.error().message;
  EXPECT_EQ((*record)->event_as_JobReaped()->job(), 3U);
}

TEST(RecordView, no_bytes_and_other_bytes_are_damage) {
  EXPECT_EQ(view_record({}).error().code, ErrorCode::damaged);
  const std::vector<std::uint8_t> zeros(200);
  EXPECT_EQ(view_record(zeros).error().code, ErrorCode::damaged);
}

TEST(RecordView, every_cut_is_refused_or_reads_the_same) {
  const Proposal proposal = sample();
  std::string whole;
  canonical_record(proposal.record(), whole);
  for (std::size_t length = 0; length < proposal.size(); ++length) {
    // A copy of exactly that length, so that a sanitizer sees a read past its end.
    const std::vector<std::uint8_t> cut(proposal.data(), proposal.data() + length);
    if (const auto record = view_record(cut)) {
      std::string out;
      canonical_record(**record, out);
      EXPECT_EQ(out, whole);
    }
  }
}

TEST(RecordView, whatever_byte_is_flipped_nothing_is_read_out_of_bounds) {
  const Proposal proposal = sample();
  std::size_t refused = 0;
  for (std::size_t at = 0; at < proposal.size(); ++at) {
    for (const int mask : {0x01, 0x80, 0xff}) {
      std::vector<std::uint8_t> bytes(proposal.data(), proposal.data() + proposal.size());
      bytes[at] = static_cast<std::uint8_t>(bytes[at] ^ mask);
      const auto record = view_record(bytes);
      if (!record) {
        ++refused;
        continue;
      }
      std::string out;
      canonical_record(**record, out);  // touches every field
    }
  }
  EXPECT_GT(refused, proposal.size() / 2);
}

TEST(RecordView, event_and_outcome_of_a_newer_version_are_unsupported_and_named) {
  Proposal event = sample();
  auto& table = reinterpret_cast<flatbuffers::Table&>(event.mutable_record());
  ASSERT_TRUE(table.SetField<std::uint8_t>(fb::Record::VT_EVENT_TYPE, 99, 0));
  const auto newer = view_record(bytes_of(event));
  ASSERT_FALSE(newer.has_value());
  EXPECT_EQ(newer.error().code, ErrorCode::unsupported);
  EXPECT_NE(newer.error().message.find("record 7"), std::string::npos);

  Proposal outcome = sample();
  outcome.stamp().mutate_outcome(999);
  EXPECT_EQ(view_record(bytes_of(outcome)).error().code, ErrorCode::unsupported);
}

TEST(RecordView, a_field_of_a_newer_version_is_unsupported_and_its_table_named) {
  const auto with_field = [](flatbuffers::voffset_t voffset) {
    flatbuffers::FlatBufferBuilder builder;
    builder.ForceDefaults(true);
    const auto start = builder.StartTable();
    builder.AddElement<std::uint64_t>(fb::FinalizerMarked::VT_JOB, 1, 0);
    if (voffset > 0) builder.AddElement<std::uint64_t>(voffset, 5, 0);
    const flatbuffers::Offset<fb::FinalizerMarked> event(builder.EndTable(start));
    return finish_proposal(builder, {.boot = "b", .actor = "a", .key = {}, .request = {}}, fb::Event::FinalizerMarked,
                           event.Union());
  };
  EXPECT_TRUE(view_record(bytes_of(with_field(0))).has_value());
  const auto newer = view_record(bytes_of(with_field(fb::FinalizerMarked::VT_JOB + 2)));
  ASSERT_FALSE(newer.has_value());
  EXPECT_EQ(newer.error().code, ErrorCode::unsupported);
  EXPECT_NE(newer.error().message.find("a field of its FinalizerMarked is unknown"), std::string::npos)
      << newer.error().message;
}

TEST(RecordView, enum_beyond_its_values_is_damage) {
  Proposal proposal = sample();
  auto* event = static_cast<fb::JobReaped*>(proposal.mutable_record().mutable_event());
  ASSERT_TRUE(event->mutate_tier(static_cast<fb::Tier>(77)));
  ASSERT_FALSE(view_record(bytes_of(proposal)).has_value());
}

TEST(RecordView, scalar_that_was_not_stored_is_damage) {
  flatbuffers::FlatBufferBuilder builder;  // without ForceDefaults
  fb::FinalizerMarkedBuilder event(builder);
  const auto offset = event.Finish();
  const Proposal proposal = finish_proposal(builder, {.boot = "b", .actor = "a", .key = {}, .request = {}},
                                            fb::Event::FinalizerMarked, offset.Union());
  const auto record = view_record(bytes_of(proposal));
  ASSERT_FALSE(record.has_value());
  EXPECT_NE(record.error().message.find("FinalizerMarked"), std::string::npos);
}

TEST(RecordView, a_setting_has_one_value) {
  const auto is_seen = [](std::optional<bool> flag, std::optional<std::int64_t> number) {
    flatbuffers::FlatBufferBuilder builder;
    const auto key = builder.CreateString("reaper.enabled");
    const auto value = fb::CreateSettingValue(builder, flag, number);
    const auto event = fb::CreateSettingChanged(builder, key, value);
    const Proposal proposal = finish_proposal(builder, {.boot = "b", .actor = "a", .key = {}, .request = {}},
                                              fb::Event::SettingChanged, event.Union());
    return view_record(bytes_of(proposal)).has_value();
  };
  EXPECT_TRUE(is_seen(false, std::nullopt));
  EXPECT_TRUE(is_seen(std::nullopt, 3));
  EXPECT_FALSE(is_seen(std::nullopt, std::nullopt));
  // JSON has room for one: the other would be in the chain, but not in the export.
  EXPECT_FALSE(is_seen(false, 3));
}

}  // namespace
}  // namespace pawl
