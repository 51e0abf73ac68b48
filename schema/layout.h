// The schema as data: the fields of each table, their order and their types. Read once from the binary schema that
// flatc generates from *.fbs, so the canonical encoding and the JSON follow the schema automatically.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "record_generated.h"

namespace pawl {

struct TableLayout;

struct EnumLayout {
  std::string name;
  std::vector<std::pair<std::int64_t, std::string>> values;  // number, JSON spelling
};

struct FieldLayout {
  enum class Type { boolean, integer, text, table, texts, integers, tables };

  std::string name;
  std::uint16_t id;       // as in the schema, from 0
  std::uint16_t voffset;  // in the table's vtable
  Type type;
  std::uint8_t bytes;                       // of an integer or an element of `integers`
  bool is_signed;                           // of an integer
  bool required;                            // a scalar without `= null`, or marked (required)
  bool is_time;                             // an integer shown as RFC 3339 text
  bool is_added;                            // left out of JSON when absent
  bool is_hidden;                           // not shown to readers of the daemon
  const EnumLayout* enumeration = nullptr;  // of an integer
  const TableLayout* table = nullptr;       // of a table, or an element of `tables`
  std::string subject;                      // the attribute of that name in event.fbs, or empty
  std::string known;                        // likewise
};

struct TableLayout {
  std::string name;                 // without namespace
  std::vector<FieldLayout> fields;  // by id
};

/// The layout of an event's table; null for Event::NONE and for numbers that the schema does not have.
const TableLayout* layout_of(fb::Event type);
/// The layout of a table of event.fbs, record.fbs or checkpoint.fbs, by name; null if there is none.
const TableLayout* layout_named(std::string_view name);
/// The event of that name ("TaskCreated"), if there is one.
std::optional<fb::Event> event_named(std::string_view name);

/// Reads a field of the table at `table`, by layout. Requires: the buffer was verified.
bool has(const flatbuffers::Table& table, const FieldLayout& field);
/// Requires: has() and type boolean or integer. A uint64 beyond int64 keeps its bits.
std::int64_t integer_of(const flatbuffers::Table& table, const FieldLayout& field);
/// One element of `integers`.
std::int64_t integer_at(const flatbuffers::Table& table, const FieldLayout& field, std::uint32_t index);
/// Elements of `texts`, `integers` or `tables`.
std::uint32_t size_of(const flatbuffers::Table& table, const FieldLayout& field);
std::string_view text_of(const flatbuffers::Table& table, const FieldLayout& field);
std::string_view text_at(const flatbuffers::Table& table, const FieldLayout& field, std::uint32_t index);
const flatbuffers::Table& table_of(const flatbuffers::Table& table, const FieldLayout& field);
const flatbuffers::Table& table_at(const flatbuffers::Table& table, const FieldLayout& field, std::uint32_t index);

}  // namespace pawl
