#include "schema/layout.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "schema/proposal.h"

namespace pawl {
namespace {

const FieldLayout& field_of(const TableLayout& table, const std::string& name) {
  const auto found =
      std::find_if(table.fields.begin(), table.fields.end(), [&](const auto& field) { return field.name == name; });
  EXPECT_NE(found, table.fields.end()) << name;
  return *found;
}

TEST(Layout, every_event_is_found_by_its_number_and_its_name) {
  for (const fb::Event event : fb::EnumValuesEvent()) {
    if (event == fb::Event::NONE) continue;
    const TableLayout* layout = layout_of(event);
    ASSERT_NE(layout, nullptr);
    EXPECT_EQ(layout->name, fb::EnumNameEvent(event));
    EXPECT_EQ(event_named(layout->name), event);
    EXPECT_EQ(layout_named(layout->name), layout);
  }
  EXPECT_EQ(layout_of(fb::Event::NONE), nullptr);
  EXPECT_EQ(layout_of(static_cast<fb::Event>(200)), nullptr);
  EXPECT_EQ(event_named("NoSuchEvent"), std::nullopt);
  EXPECT_EQ(layout_named("NoSuchTable"), nullptr);
}

TEST(Layout, fields_stand_in_the_order_of_their_ids) {
  const TableLayout& layout = *layout_of(fb::Event::StageTransition);
  std::vector<std::string> names;
  for (std::size_t i = 0; i < layout.fields.size(); ++i) {
    EXPECT_EQ(layout.fields[i].id, i);
    names.push_back(layout.fields[i].name);
  }
  EXPECT_EQ(names, (std::vector<std::string>{"task", "to", "expected_version", "token", "reason"}));
}

TEST(Layout, knows_what_is_required_a_time_and_an_enum) {
  const TableLayout& transition = *layout_of(fb::Event::StageTransition);
  EXPECT_TRUE(field_of(transition, "task").required);
  EXPECT_TRUE(field_of(transition, "to").required);
  EXPECT_FALSE(field_of(transition, "token").required);
  EXPECT_FALSE(field_of(transition, "reason").required);
  const TableLayout& evidence = *layout_named("Evidence");
  EXPECT_TRUE(field_of(evidence, "first_dead").is_time);
  EXPECT_FALSE(field_of(evidence, "age_s").is_time);
  const TableLayout& reaped = *layout_of(fb::Event::JobReaped);
  const EnumLayout* tier = field_of(reaped, "tier").enumeration;
  ASSERT_NE(tier, nullptr);
  EXPECT_EQ(tier->values[0].second, "1");
  EXPECT_EQ(tier->values[3].second, "restart");
  EXPECT_EQ(field_of(reaped, "evidence").table, &evidence);
}

TEST(Layout, values_are_read_by_layout_as_by_the_generated_code) {
  fb::TaskCreatedT created;
  created.work_item = "W-1";
  created.repo = "shop";
  created.depends_on = {5, UINT64_MAX};
  const Proposal proposal = propose({.boot = "b", .actor = "a", .key = {}, .request = {}}, created);
  const auto& table = *static_cast<const flatbuffers::Table*>(proposal.record().event());
  const TableLayout& layout = *layout_of(fb::Event::TaskCreated);
  EXPECT_EQ(text_of(table, field_of(layout, "work_item")), "W-1");
  EXPECT_FALSE(has(table, field_of(layout, "branch")));
  const FieldLayout& depends_on = field_of(layout, "depends_on");
  EXPECT_EQ(depends_on.type, FieldLayout::Type::integers);
  ASSERT_EQ(size_of(table, depends_on), 2U);
  EXPECT_EQ(integer_at(table, depends_on, 0), 5);
  EXPECT_EQ(integer_at(table, depends_on, 1), -1) << "beyond int64, the bits are kept";
}

}  // namespace
}  // namespace pawl
