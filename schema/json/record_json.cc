#include "schema/json/record_json.h"

#include "schema/json/json_text.h"
#include "schema/outcome.h"

namespace pawl {
namespace {

void append_value(std::string& out, std::int64_t value, const FieldLayout& field) {
  if (field.enumeration) {
    for (const auto& [number, spelling] : field.enumeration->values) {
      if (number == value) return append_json_text(out, spelling);
    }
  }
  if (field.is_time) return append_json_time(out, {value});
  if (field.is_signed) return append_json_integer(out, value);
  append_json_integer(out, static_cast<std::uint64_t>(value));
}

void append_field(std::string& out, const flatbuffers::Table& table, const FieldLayout& field);

/// A table that JSON does not name: a SettingValue is whichever of its fields is present.
void append_bare_value(std::string& out, const flatbuffers::Table& table, const TableLayout& layout) {
  for (const FieldLayout& field : layout.fields) {
    if (has(table, field)) return append_field(out, table, field);
  }
  out += "null";
}

template <class Each>
void append_list(std::string& out, std::uint32_t size, Each each) {
  out += '[';
  for (std::uint32_t i = 0; i < size; ++i) {
    if (i > 0) out += ',';
    each(i);
  }
  out += ']';
}

void append_field(std::string& out, const flatbuffers::Table& table, const FieldLayout& field) {
  if (!has(table, field)) {
    out += "null";
    return;
  }
  switch (field.type) {
    case FieldLayout::Type::boolean:
      return append_json_bool(out, integer_of(table, field) != 0);
    case FieldLayout::Type::integer:
      return append_value(out, integer_of(table, field), field);
    case FieldLayout::Type::text:
      return append_json_text(out, text_of(table, field));
    case FieldLayout::Type::table:
      return append_json(out, table_of(table, field), *field.table);
    case FieldLayout::Type::texts:
      return append_list(out, size_of(table, field),
                         [&](std::uint32_t i) { append_json_text(out, text_at(table, field, i)); });
    case FieldLayout::Type::integers:
      return append_list(out, size_of(table, field),
                         [&](std::uint32_t i) { append_value(out, integer_at(table, field, i), field); });
    case FieldLayout::Type::tables:
      return append_list(out, size_of(table, field),
                         [&](std::uint32_t i) { append_json(out, table_at(table, field, i), *field.table); });
  }
}

}  // namespace

void append_json(std::string& out, const flatbuffers::Table& table, const TableLayout& layout, Audience audience) {
  if (layout.name == "Command") return append_field(out, table, layout.fields.front());
  if (layout.name == "SettingValue") return append_bare_value(out, table, layout);
  out += '{';
  for (const FieldLayout& field : layout.fields) {
    if (field.is_added && !has(table, field)) continue;
    if (field.is_hidden && audience == Audience::reader) continue;
    if (out.back() != '{') out += ',';
    out += '"';
    out += field.name;
    out += "\":";
    append_field(out, table, field);
  }
  out += '}';
}

void append_event_json(std::string& out, const fb::Record& record, Audience audience) {
  const TableLayout* layout = layout_of(record.event_type());
  PAWL_ASSERT(layout != nullptr);  // The verifier rejects unknown events.
  append_json(out, *static_cast<const flatbuffers::Table*>(record.event()), *layout, audience);
}

void append_head_json(std::string& out, const fb::Record& record) {
  const fb::Stamp& stamp = *record.stamp();
  out += "{\"seq\":";
  append_json_integer(out, stamp.seq());
  out += ",\"time\":";
  append_json_time(out, {stamp.time_us()});
  out += ",\"digest\":";
  append_json_hex(out, stamp.digest());
  out += ",\"chain\":";
  append_json_hex(out, {stamp.chain()->data(), stamp.chain()->size()});
  out += '}';
}

void append_record_json(std::string& out, const fb::Record& record, std::string_view effects, Audience audience) {
  const fb::Stamp& stamp = *record.stamp();
  out += "{\"seq\":";
  append_json_integer(out, stamp.seq());
  out += ",\"group\":";
  append_json_integer(out, stamp.group());
  out += ",\"rules\":";
  append_json_integer(out, std::uint64_t{stamp.rules()});
  out += ",\"time\":";
  append_json_time(out, {stamp.time_us()});
  out += ",\"boot\":";
  append_json_text(out, record.boot()->string_view());
  out += ",\"actor\":";
  append_json_text(out, record.actor()->string_view());
  if (record.principal()) {
    out += ",\"principal\":";
    append_json_text(out, record.principal()->string_view());
  }
  out += ",\"key\":";
  append_json_text_or_null(out, record.key() ? record.key()->string_view() : std::string_view());
  out += ",\"request\":";
  if (record.request()) {
    append_json_hex(out, *record.request());
  } else {
    out += "null";
  }
  out += ",\"type\":";
  append_json_text(out, fb::EnumNameEvent(record.event_type()));
  out += ",\"data\":";
  append_event_json(out, record, audience);
  out += ",\"outcome\":";
  const std::optional<Outcome> outcome = outcome_numbered(stamp.outcome());
  append_json_text(out, outcome ? name(*outcome) : "?");
  out += ",\"unchecked\":";
  append_json_bool(out, stamp.unchecked());
  out += ",\"effects\":";
  out += effects;
  out += ",\"digest\":";
  append_json_hex(out, stamp.digest());
  out += ",\"chain\":";
  append_json_hex(out, {stamp.chain()->data(), stamp.chain()->size()});
  out += '}';
}

}  // namespace pawl
