// How commands speak to people: tables, aligned fields, times.
#pragma once

#include <boost/json/fwd.hpp>

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "schema/printable.h"
#include "schema/time.h"

namespace pawl {

/// Columns as wide as their widest cell, each cell printable. Made for screens full, not for whole logs.
class TextTable {
 public:
  explicit TextTable(std::vector<std::string> heads) : rows_{std::move(heads)} {}

  void add(std::vector<std::string> row);
  bool is_empty() const { return rows_.size() == 1; }
  /// Lines with their ends. Never longer than their content: no blanks at the end of a line.
  std::string text() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

/// How many columns a printable text takes on a screen: two for what East Asia writes and for most emoji, none for an
/// accent that stands on the character before it.
std::size_t width_of(std::string_view text);
/// `text` with blanks behind it, up to that width.
std::string padded(std::string text, std::size_t width);

/// A moment as people here read it: "2026-06-15 12:00:03 +02:00", by the time zone of this process.
std::string local_time(TimeUs time);
/// The same of each RFC 3339 time that stands in a text.
std::string with_local_times(std::string_view text);

/// A value as a cell: null is "-", texts are bare with their times local, lists and objects compact JSON.
std::string cell(const boost::json::value& value);
/// The same with its times as the log has them, in UTC: for what is shown of a log that may have come from anywhere.
std::string recorded_cell(const boost::json::value& value);
/// The cell of a member; "-" if there is none.
std::string cell(const boost::json::value& object, std::string_view member);

/// A table of objects with the named members as columns; a column "head=member" is shown under another head, and a
/// member may be "owner.actor".
std::string table_of(const boost::json::array& objects, std::initializer_list<std::string_view> columns);

/// An object as lines of name and value, objects and lists of objects in it below their names.
std::string fields_of(const boost::json::value& object);

/// "0.42 s", "12.3 s", "3 min 05 s", "2 h 03 min"
std::string duration(std::int64_t us);

/// Prints to standard output, byte for byte: what programs read, and what pawl itself moves a cursor with.
void print(std::string_view text);
/// The same of what people read: lines in which all is seen (schema/printable.h).
void print_for_people(std::string_view text);

}  // namespace pawl
