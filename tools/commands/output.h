// Output for people: tables, aligned fields, times.
#pragma once

#include <boost/json/fwd.hpp>

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "schema/printable.h"
#include "schema/time.h"
#include "tools/forensics/text_forms.h"

namespace pawl {

/// Columns as wide as their widest cell; every cell is made printable. For screenfuls, not for whole logs.
class TextTable {
 public:
  explicit TextTable(std::vector<std::string> heads) : rows_{std::move(heads)} {}

  void add(std::vector<std::string> row);
  bool is_empty() const { return rows_.size() == 1; }
  /// Complete lines without trailing blanks.
  std::string text() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

/// A time in the time zone of this process: "2026-06-15 12:00:03 +02:00".
std::string local_time(TimeUs time);
/// The text with each RFC 3339 time in it converted so.
std::string with_local_times(std::string_view text);

/// A value as a cell: null is "-", strings are bare with local times, lists and objects are compact JSON. See
/// recorded_cell().
std::string cell(const boost::json::value& value);
/// The cell of a member; "-" if there is none.
std::string cell(const boost::json::value& object, std::string_view member);

/// A table of objects with the named members as columns. "head=member" gives a column another head; a member may be a
/// path such as "owner.actor".
std::string table_of(const boost::json::array& objects, std::initializer_list<std::string_view> columns);

/// An object as lines of name and value; nested objects and lists of objects follow below their names.
std::string fields_of(const boost::json::value& object);

/// Prints to standard output, byte for byte: for programs, and for pawl's own cursor movements.
void print(std::string_view text);
/// The same for people, with every character made visible (schema/printable.h).
void print_for_people(std::string_view text);

}  // namespace pawl
