#include "engine/state/rows.h"

#include <gtest/gtest.h>

#include "schema/layout.h"

namespace pawl {
namespace {

/// Compares what visit() names with the layout of a table, field by field.
struct NamesCompared {
  const TableLayout& layout;
  std::size_t next = 0;

  template <class T>
  void operator()(int id, const char* name, const T&) {
    ASSERT_LT(next, layout.fields.size()) << name << " is not in " << layout.name;
    EXPECT_EQ(static_cast<std::size_t>(id), next + 1) << name;
    EXPECT_EQ(layout.fields[next].name, name) << "in " << layout.name;
    ++next;
  }
};

template <class Row>
void expect_visited(const char* table) {
  const TableLayout* layout = layout_named(table);
  ASSERT_NE(layout, nullptr) << table;
  NamesCompared names{.layout = *layout};
  const Row row{};
  visit(row, names);
  EXPECT_EQ(names.next, layout->fields.size()) << table << " has fields that the row does not have";
}

TEST(Rows, name_every_field_of_their_tables_once_and_in_order) {
  expect_visited<Owner>("Owner");
  expect_visited<GateRow>("GateRow");
  expect_visited<LastTransition>("LastTransition");
  expect_visited<StepRow>("StepRow");
  expect_visited<Task>("TaskRow");
  expect_visited<pawl::Run>("RunRow");
  expect_visited<Job>("JobRow");
  expect_visited<Lease>("LeaseRow");
  expect_visited<Boot>("BootRow");
  expect_visited<Ids>("IdsRow");
  expect_visited<SettingRow>("SettingRow");
  expect_visited<PipelineRow>("PipelineRow");
  expect_visited<RepoRow>("RepoRow");
}

}  // namespace
}  // namespace pawl
