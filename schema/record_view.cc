#include "schema/record_view.h"

#include <string>

#include "schema/layout.h"
#include "schema/outcome.h"

namespace pawl {
namespace {

// The verifier checks offsets and what is (required), but cannot know that builders always store plain scalars.
bool scalars_are_stored(const flatbuffers::Table& table, const TableLayout& layout) {
  for (const FieldLayout& field : layout.fields) {
    if (!has(table, field)) {
      if (field.required) return false;
      continue;
    }
    if (field.enumeration) {
      const std::int64_t number = integer_of(table, field);
      bool known = false;
      for (const auto& value : field.enumeration->values) known = known || value.first == number;
      if (!known) return false;
    }
    if (field.type == FieldLayout::Type::table && !scalars_are_stored(table_of(table, field), *field.table))
      return false;
    if (field.type == FieldLayout::Type::tables) {
      for (std::uint32_t i = 0; i < size_of(table, field); ++i) {
        if (!scalars_are_stored(table_at(table, field, i), *field.table)) return false;
      }
    }
  }
  return true;
}

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
    return Error{
        ErrorCode::unsupported,
        where + ": event type " + std::to_string(static_cast<int>(record.event_type())) + " is not known here"};
  }
  if (!outcome_numbered(record.stamp()->outcome())) {
    return Error{ErrorCode::unsupported,
                 where + ": outcome " + std::to_string(record.stamp()->outcome()) + " is not known here"};
  }
  if (!scalars_are_stored(*static_cast<const flatbuffers::Table*>(record.event()), *layout)) {
    return Error{ErrorCode::damaged, where + ": a field of its " + layout->name + " is missing or out of range"};
  }
  return &record;
}

}  // namespace pawl
