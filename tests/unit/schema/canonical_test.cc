#include "schema/canonical.h"

#include <gtest/gtest.h>

#include "engine/state/digest.h"
#include "engine/state/pipeline.h"
#include "schema/proposal.h"

namespace pawl {
namespace {

std::string integer(std::uint64_t value) {
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes.push_back(static_cast<char>(value >> (8 * i)));
  return bytes;
}
std::string count(std::uint32_t value) {
  return integer(value).substr(0, 4);
}
std::string id(std::uint16_t value) {
  return integer(value).substr(0, 2);
}
std::string text(const std::string& value) {
  return count(static_cast<std::uint32_t>(value.size())) + value;
}

std::string encoded(const flatbuffers::Table& table, const TableLayout& layout) {
  std::string out;
  {
    CanonicalWriter writer(out);
    canonical_table(table, layout, writer);
  }
  return out;
}

template <class EventT>
std::string encoded(const EventT& event) {
  const Proposal proposal = propose({.boot = "b", .actor = "a", .key = {}, .request = {}}, event);
  return encoded(*static_cast<const flatbuffers::Table*>(proposal.record().event()),
                 *layout_of(proposal.record().event_type()));
}

TEST(Canonical, table_is_its_present_fields_in_the_order_of_their_ids) {
  fb::StageTransitionT event;
  event.task = 3;
  event.to = "review";
  event.token = 9;
  EXPECT_EQ(encoded(event), id(1) + integer(3) + id(2) + text("review") + id(4) + integer(9) + id(0));
}

TEST(Canonical, absent_empty_and_zero_are_three_things) {
  fb::StageTransitionT absent;
  absent.to = "x";
  fb::StageTransitionT zero = absent;
  zero.token = 0;
  EXPECT_NE(encoded(absent), encoded(zero));
  EXPECT_EQ(encoded(absent), id(1) + integer(0) + id(2) + text("x") + id(0));
}

TEST(Canonical, negative_numbers_and_flags_are_eight_bytes) {
  fb::GateEvaluatedT gate;
  gate.gate = "g";
  gate.passed = true;
  EXPECT_EQ(encoded(gate), id(1) + integer(0) + id(2) + integer(0) + id(3) + text("g") + id(4) + integer(1) + id(0));
  fb::RunExitedT exited;
  exited.exit_code = -1;
  EXPECT_EQ(encoded(exited), id(1) + integer(0) + id(2) + integer(0) + id(3) + std::string(8, '\xff') + id(0));
}

TEST(Canonical, flag_is_one_or_zero_whatever_its_byte) {
  fb::GateEvaluatedT gate;
  gate.gate = "g";
  gate.passed = true;
  const std::string is_true = encoded(gate);
  const Proposal proposal = propose({.boot = "b", .actor = "a", .key = {}, .request = {}}, gate);
  std::vector<std::uint8_t> bytes(proposal.data(), proposal.data() + proposal.size());
  auto& table = *static_cast<flatbuffers::Table*>(fb::GetMutableRecord(bytes.data())->mutable_event());
  *const_cast<std::uint8_t*>(table.GetAddressOf(fb::GateEvaluated::VT_PASSED)) = 2;
  EXPECT_EQ(encoded(table, *layout_of(fb::Event::GateEvaluated)), is_true);
}

TEST(Canonical, vectors_and_tables_nest) {
  fb::TaskCreatedT task;
  task.work_item = "w";
  task.repo = "r";
  task.depends_on = {7, 8};
  EXPECT_EQ(encoded(task), id(1) + text("w") + id(2) + text("r") + id(6) + count(2) + integer(7) + integer(8) + id(0));

  fb::JobClaimedT claim;
  claim.job = 1;
  claim.owner = std::make_unique<fb::OwnerT>();
  claim.owner->boot_id = "b";
  claim.owner->pid = 2;
  claim.owner->actor = "a";
  EXPECT_EQ(encoded(claim),
            id(1) + integer(1) + id(2) + (id(1) + text("b") + id(2) + integer(2) + id(3) + text("a") + id(0)) + id(0));
}

TEST(Canonical, two_layouts_of_one_table_encode_alike) {
  // The same note, with its fields written in another order and its text shared with the actor's.
  const Requester requester{.boot = "b", .actor = "hi", .key = {}, .request = {}};
  fb::TaskNoteT event;
  event.task = 1;
  event.text = "hi";
  const Proposal usual = propose(requester, event);

  flatbuffers::FlatBufferBuilder builder;
  builder.ForceDefaults(true);
  const auto shared = builder.CreateString("hi");
  const auto boot = builder.CreateString("b");
  fb::TaskNoteBuilder note(builder);
  note.add_text(shared);
  note.add_task(1);
  const auto offset = note.Finish();
  const fb::Stamp stamp{};
  fb::RecordBuilder record(builder);
  record.add_event(offset.Union());
  record.add_event_type(fb::Event::TaskNote);
  record.add_actor(shared);
  record.add_boot(boot);
  record.add_stamp(&stamp);
  fb::FinishRecordBuffer(builder, record.Finish());

  ASSERT_NE(std::string(reinterpret_cast<const char*>(usual.data()), usual.size()),
            std::string(reinterpret_cast<const char*>(builder.GetBufferPointer()), builder.GetSize()));
  std::string one;
  std::string other;
  canonical_record(usual.record(), one);
  canonical_record(*fb::GetRecord(builder.GetBufferPointer()), other);
  EXPECT_EQ(one, other);
}

TEST(Canonical, record_is_the_worked_example_of_the_format) {
  fb::TaskNoteT event;
  event.task = 1;
  event.text = "hi";
  Proposal proposal = propose({.boot = "b", .actor = "a", .key = {}, .request = {}}, event);
  proposal.stamp().mutate_seq(1);
  proposal.stamp().mutate_group(1);
  proposal.stamp().mutate_rules(1);
  std::string out;
  canonical_record(proposal.record(), out);
  const std::string note = id(1) + integer(1) + id(2) + text("hi") + id(0);
  EXPECT_EQ(out, integer(1) + integer(1) + integer(1) + integer(0) + text("b") + text("a") + text("") + integer(0) +
                     integer(25) + note + integer(0) + integer(0) + integer(0));
}

TEST(Canonical, row_hash_is_over_the_kind_and_the_row) {
  Ids ids;
  ids.next_task = TaskId{5};
  const std::string row = std::string("\1") + id(1) + integer(5) + id(2) + integer(1) + id(3) + integer(1) + id(0);
  EXPECT_EQ(row_hash(RowKind::ids, ids), detail::hash_bytes(row));
  EXPECT_NE(row_hash(RowKind::ids, ids), row_hash(RowKind::task, ids)) << "equal rows of different kinds must differ";
}

TEST(Canonical, row_writes_empty_texts_and_leaves_out_absent_options) {
  Lease lease;
  lease.key = "k";
  lease.token = Token{2};
  lease.owner = {.boot_id = "b", .pid = 3, .actor = "a"};
  const std::string owner = id(1) + text("b") + id(2) + integer(3) + id(3) + text("a") + id(0);
  const std::string row = std::string("\4") + id(1) + text("k") + id(2) + integer(2) + id(3) + owner + id(4) +
                          text("") + id(6) + integer(0) + id(7) + integer(0) + id(0);
  EXPECT_EQ(row_hash(RowKind::lease, lease), detail::hash_bytes(row));
}

TEST(Canonical, setting_row_has_its_kind_before_its_value) {
  SettingRow setting;
  setting.key = "ownership.repos";
  setting.value = std::vector<std::string>{"shop"};
  const std::string row =
      std::string("\6") + id(1) + text("ownership.repos") + id(2) + integer(3) + count(1) + text("shop") + id(0);
  EXPECT_EQ(row_hash(RowKind::setting, setting), detail::hash_bytes(row));
}

}  // namespace
}  // namespace pawl
