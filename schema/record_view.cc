#include "schema/record_view.h"

#include <algorithm>
#include <optional>
#include <string>

#include "schema/layout.h"
#include "schema/outcome.h"

namespace pawl {
namespace {

// The verifier checks offsets and (required) fields. It cannot know that builders always store plain scalars, and
// exactly one value of a setting. A record that breaks either rule would hold bytes in the chain that its JSON does not
// show.
bool is_as_built(const flatbuffers::Table& table, const TableLayout& layout) {
  std::size_t present = 0;
  for (const FieldLayout& field : layout.fields) {
    if (!has(table, field)) {
      if (field.required) return false;
      continue;
    }
    ++present;
    if (field.enumeration) {
      const std::int64_t number = integer_of(table, field);
      bool known = false;
      for (const auto& value : field.enumeration->values) known = known || value.first == number;
      if (!known) return false;
    }
    if (field.type == FieldLayout::Type::table && !is_as_built(table_of(table, field), *field.table)) return false;
    if (field.type == FieldLayout::Type::tables) {
      for (std::uint32_t i = 0; i < size_of(table, field); ++i) {
        if (!is_as_built(table_at(table, field, i), *field.table)) return false;
      }
    }
  }
  return layout.name != "SettingValue" || present == 1;
}

/// The number, from 0, of a field that a newer version wrote, which the verifier ignores; none if all fields are known.
std::optional<std::size_t> newer_field(const flatbuffers::Table& table, std::size_t known) {
  const auto* vtable = reinterpret_cast<const std::uint8_t*>(&table) -
                       flatbuffers::ReadScalar<flatbuffers::soffset_t>(reinterpret_cast<const std::uint8_t*>(&table));
  const std::size_t fields = flatbuffers::ReadScalar<flatbuffers::voffset_t>(vtable) / sizeof(flatbuffers::voffset_t);
  for (std::size_t at = known + 2; at < fields; ++at) {  // after the sizes of the vtable and the table
    if (flatbuffers::ReadScalar<flatbuffers::voffset_t>(vtable + at * sizeof(flatbuffers::voffset_t)) != 0) {
      return at - 2;
    }
  }
  return std::nullopt;
}

/// The name of the table, such as "JobReaped", that has an unknown field.
std::optional<std::string> with_newer_field(const flatbuffers::Table& table, const TableLayout& layout) {
  std::size_t known = 0;
  for (const FieldLayout& field : layout.fields) known = std::max(known, field.id + std::size_t{1});
  if (newer_field(table, known)) return layout.name;
  for (const FieldLayout& field : layout.fields) {
    if (!has(table, field)) continue;
    if (field.type == FieldLayout::Type::table) {
      if (auto found = with_newer_field(table_of(table, field), *field.table)) return found;
    }
    if (field.type == FieldLayout::Type::tables) {
      for (std::uint32_t i = 0; i < size_of(table, field); ++i) {
        if (auto found = with_newer_field(table_at(table, field, i), *field.table)) return found;
      }
    }
  }
  return std::nullopt;
}

constexpr std::size_t record_fields = fb::Record::VT_PRINCIPAL / sizeof(flatbuffers::voffset_t) - 1;

}  // namespace

Result<const fb::Record*> view_record(RecordBytes bytes) {
  flatbuffers::Verifier verifier(bytes.data(), bytes.size());
  if (bytes.size() < 8 || !fb::RecordBufferHasIdentifier(bytes.data()) || !fb::VerifyRecordBuffer(verifier)) {
    return Error{ErrorCode::damaged, "these bytes are not a record"};
  }
  const fb::Record& record = *fb::GetRecord(bytes.data());
  const std::string where = "record " + std::to_string(record.stamp()->seq());
  const TableLayout* layout = layout_of(record.event_type());
  if (!layout) {
    return Error{ErrorCode::unsupported,
                 where + ": event type " + std::to_string(static_cast<int>(record.event_type())) + " is unknown"};
  }
  if (!outcome_numbered(record.stamp()->outcome())) {
    return Error{ErrorCode::unsupported,
                 where + ": outcome " + std::to_string(record.stamp()->outcome()) + " is unknown"};
  }
  const auto& event = *static_cast<const flatbuffers::Table*>(record.event());
  const bool has_newer = newer_field(reinterpret_cast<const flatbuffers::Table&>(record), record_fields).has_value();
  const auto newer = has_newer ? std::optional<std::string>("Record") : with_newer_field(event, *layout);
  if (newer) return Error{ErrorCode::unsupported, where + ": a field of its " + *newer + " is unknown"};
  if (!is_as_built(event, *layout)) {
    return Error{ErrorCode::damaged,
                 where + ": a field of its " + layout->name + " is missing, out of range or superfluous"};
  }
  return &record;
}

Seq seq_after(Seq last, const fb::Record& record) {
  const auto* restored = record.event_as_LogRestored();
  const bool is_accepted = Outcome{record.stamp()->outcome()} == Outcome::accepted;
  const bool goes_on = restored && is_accepted && restored->from() == raw(last) && restored->next_seq() > raw(last);
  return goes_on ? Seq{restored->next_seq()} : next(last);
}

}  // namespace pawl
