#include "schema/record_view.h"

#include <string>

#include "schema/layout.h"
#include "schema/outcome.h"

namespace pawl {
namespace {

// The verifier checks offsets and what is (required), but cannot know that builders always store plain scalars, and
// just one value of a setting: what its JSON does not show may not be in the chain either.
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
  if (!is_as_built(*static_cast<const flatbuffers::Table*>(record.event()), *layout)) {
    return Error{ErrorCode::damaged,
                 where + ": a field of its " + layout->name + " is missing, out of range, or one too many"};
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
