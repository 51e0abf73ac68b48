#include "schema/canonical.h"

#include <algorithm>

#include "schema/result.h"

namespace pawl {

void CanonicalWriter::grow(std::size_t bytes) {
  const std::size_t size = written();
  out_.resize(std::max(2 * (size + bytes), std::size_t{256}));
  at_ = out_.data() + size;
  end_ = out_.data() + out_.size();
}

void canonical_table(const flatbuffers::Table& table, const TableLayout& layout, CanonicalWriter& writer) {
  for (const FieldLayout& field : layout.fields) {
    if (!has(table, field)) continue;
    writer.field(static_cast<std::uint16_t>(field.id + 1));
    switch (field.type) {
      case FieldLayout::Type::boolean:  // any byte but 0 is true: JSON has no third value
        writer.integer(integer_of(table, field) != 0 ? 1 : 0);
        break;
      case FieldLayout::Type::integer:
        writer.integer(static_cast<std::uint64_t>(integer_of(table, field)));
        break;
      case FieldLayout::Type::text:
        writer.text(text_of(table, field));
        break;
      case FieldLayout::Type::table:
        canonical_table(table_of(table, field), *field.table, writer);
        break;
      case FieldLayout::Type::texts:
        writer.count(size_of(table, field));
        for (std::uint32_t i = 0; i < size_of(table, field); ++i) writer.text(text_at(table, field, i));
        break;
      case FieldLayout::Type::integers:
        writer.count(size_of(table, field));
        for (std::uint32_t i = 0; i < size_of(table, field); ++i) {
          writer.integer(static_cast<std::uint64_t>(integer_at(table, field, i)));
        }
        break;
      case FieldLayout::Type::tables:
        writer.count(size_of(table, field));
        for (std::uint32_t i = 0; i < size_of(table, field); ++i) {
          canonical_table(table_at(table, field, i), *field.table, writer);
        }
        break;
    }
  }
  writer.end();
}

void canonical_record(const fb::Record& record, std::string& out) {
  const fb::Stamp& stamp = *record.stamp();
  CanonicalWriter writer(out);
  writer.integer(stamp.seq());
  writer.integer(stamp.group());
  writer.integer(stamp.rules());
  writer.integer(static_cast<std::uint64_t>(stamp.time_us()));
  writer.text(record.boot()->string_view());
  writer.text(record.actor()->string_view());
  writer.text(record.key() ? record.key()->string_view() : std::string_view());
  writer.integer(record.request().value_or(0));
  writer.integer(static_cast<std::uint64_t>(record.event_type()));
  const TableLayout* layout = layout_of(record.event_type());
  PAWL_ASSERT(layout != nullptr);  // The verifier rejects unknown events.
  canonical_table(*static_cast<const flatbuffers::Table*>(record.event()), *layout, writer);
  writer.integer(stamp.outcome());
  writer.integer(stamp.unchecked() ? 1 : 0);
  writer.integer(stamp.digest());
  // A later addition: when absent it leaves no trace, and older records are read without it.
  if (record.principal()) writer.text(record.principal()->string_view());
}

}  // namespace pawl
