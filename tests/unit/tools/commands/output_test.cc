#include "tools/commands/output.h"

#include <boost/json/array.hpp>
#include <boost/json/value.hpp>
#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>

#include "schema/json/read_json.h"
#include "schema/time.h"

namespace pawl {
namespace {

/// Sets the time zone to UTC+2 while this object lives.
class TwoHoursAhead {
 public:
  TwoHoursAhead() { set("UTC-2"); }
  ~TwoHoursAhead() { set("UTC0"); }

 private:
  static void set(const char* zone) {
    ::setenv("TZ", zone, 1);
    ::tzset();
  }
};

boost::json::value value(std::string_view text) {
  auto read = parse_json(text);
  EXPECT_TRUE(read) << text;
  return *read;
}

TEST(Output, columns_are_as_wide_as_their_widest_cell) {
  TextTable table({"id", "name", "why"});
  table.add({"1", "grün", ""});
  table.add({"1000", "x", "y"});
  EXPECT_EQ(table.text(), "id    name  why\n1     grün\n1000  x     y\n");
}

TEST(Output, cells_are_short) {
  EXPECT_EQ(cell(value("null")), "-");
  EXPECT_EQ(cell(value("true")), "yes");
  EXPECT_EQ(cell(value("\"\"")), "\"\"");
  EXPECT_EQ(cell(value("[1,{\"a\":\"b\"}]")), "[1,{\"a\":\"b\"}]");
  EXPECT_EQ(cell(value(R"({"a":{"b":7}})"), "a.b"), "7");
  EXPECT_EQ(cell(value(R"({"a":{"b":7}})"), "a.c"), "-");
}

TEST(Output, times_are_local_with_their_offset) {
  const TwoHoursAhead zone;
  EXPECT_EQ(cell(value("\"2026-06-15T10:00:00.000042Z\"")), "2026-06-15 12:00:00 +02:00");
  EXPECT_EQ(cell(value("\"until 2026-06-15T23:30:00.000000Z, at most\"")), "until 2026-06-16 01:30:00 +02:00, at most");
  EXPECT_EQ(cell(value("\"2026-06-15T10:00:00\"")), "2026-06-15T10:00:00") << "pawl writes no such time";
  EXPECT_EQ(recorded_cell(value("\"2026-06-15T10:00:00.000042Z\"")), "2026-06-15T10:00:00.000042Z");
  EXPECT_EQ(local_time(TimeUs{-1}), "1970-01-01 01:59:59 +02:00");
}

TEST(Output, control_characters_are_not_let_through) {
  EXPECT_EQ(cell(value(R"("a\u001b[31mb\n\u007f\u009b31m grün \u202e")")),
            "a\\x1b[31mb \\x7f\\u{9b}31m grün \\u{202e}");
  EXPECT_EQ(cell(value(R"(["\u202e"])")), R"(["\u{202e}"])");
  EXPECT_EQ(fields_of(value(R"({"a\u2028b":"\u2029"})")), "a\\u{2028}b  \\u{2029}\n");
  TextTable table({"id", "name"});
  table.add({"1", "x\u202Ey\nz"});
  EXPECT_EQ(table.text(), "id  name\n1   x\\u{202e}y z\n") << "also what was no cell before";
}

TEST(Output, columns_are_counted_as_a_screen_does) {
  EXPECT_EQ(width_of("grün"), 4U);
  EXPECT_EQ(width_of("gru\u0308n"), 4U) << "the accent stands on its letter";
  EXPECT_EQ(width_of("日本"), 4U);
  EXPECT_EQ(width_of("\U0001F6D2"), 2U);
  EXPECT_EQ(width_of("a\xFFz"), 3U);
  TextTable table({"item", "repo"});
  table.add({"日本-1", "a"});
  table.add({"W-1", "b"});
  EXPECT_EQ(table.text(), "item    repo\n日本-1  a\nW-1     b\n");
  EXPECT_EQ(padded("日本", 6) + "|", "日本  |");
  EXPECT_EQ(padded("longer", 3), "longer");
}

TEST(Output, a_table_has_the_members_that_were_asked_for) {
  const auto rows = value(R"([{"id":1,"owner":{"actor":"a"}},{"id":22,"owner":null}])");
  EXPECT_EQ(table_of(rows.get_array(), {"job=id", "owner.actor"}), "job  owner.actor\n1    a\n22   -\n");
}

TEST(Output, fields_are_aligned_and_nested) {
  EXPECT_EQ(fields_of(value(R"({"id":1,"owner":{"actor":"a","pid":2},"steps":[{"step":"m"}],"none":[]})")),
            "id     1\nowner\n  actor  a\n  pid    2\nsteps\n  step  m\nnone   []\n");
}

TEST(Output, durations_grow_coarser) {
  EXPECT_EQ(duration(0), "0.00 s");
  EXPECT_EQ(duration(9'999'999), "9.99 s");
  EXPECT_EQ(duration(59 * us_per_s), "59.0 s");
  EXPECT_EQ(duration(185 * us_per_s), "3 min 05 s");
  EXPECT_EQ(duration(7385 * us_per_s), "2 h 03 min");
}

}  // namespace
}  // namespace pawl
