#include "schema/layout.h"

#include <flatbuffers/reflection_generated.h>

#include <map>
#include <memory>

#include "bfbs/checkpoint_bfbs_generated.h"
#include "bfbs/record_bfbs_generated.h"
#include "schema/result.h"

namespace pawl {
namespace {

std::string without_namespace(const flatbuffers::String& name) {
  const std::string full = name.str();
  return full.substr(full.rfind('.') + 1);
}

// The only enum whose JSON spellings are not identifiers.
std::string json_spelling(const std::string& enumeration, std::int64_t number, const std::string& name) {
  if (enumeration == "Tier" && number < 3) return std::to_string(number + 1);
  return name;
}

bool is_integer(reflection::BaseType type) {
  return type >= reflection::UType && type <= reflection::ULong;  // contiguous: UType Bool Byte … ULong
}

std::uint8_t bytes_of(reflection::BaseType type) {
  switch (type) {
    case reflection::Short:
    case reflection::UShort:
      return 2;
    case reflection::Int:
    case reflection::UInt:
      return 4;
    case reflection::Long:
    case reflection::ULong:
      return 8;
    default:
      return 1;
  }
}

bool is_signed(reflection::BaseType type) {
  return type == reflection::Byte || type == reflection::Short || type == reflection::Int || type == reflection::Long;
}

class Layouts {
 public:
  Layouts() {
    read(*reflection::GetSchema(fb::RecordBinarySchema::data()));
    read(*reflection::GetSchema(fb::CheckpointBinarySchema::data()));
    for (const auto event : fb::EnumValuesEvent()) {
      if (event == fb::Event::NONE) continue;
      const std::string name = fb::EnumNameEvent(event);
      events_by_name_.emplace(name, event);
      if (events_.size() <= static_cast<std::size_t>(event)) events_.resize(static_cast<std::size_t>(event) + 1);
      events_[static_cast<std::size_t>(event)] = named(name);
    }
  }

  const TableLayout* named(std::string_view name) const {
    const auto found = tables_.find(name);
    return found == tables_.end() ? nullptr : found->second.get();
  }
  const TableLayout* of(fb::Event event) const {
    return static_cast<std::size_t>(event) < events_.size() ? events_[static_cast<std::size_t>(event)] : nullptr;
  }
  std::optional<fb::Event> event(std::string_view name) const {
    const auto found = events_by_name_.find(name);
    if (found == events_by_name_.end()) return std::nullopt;
    return found->second;
  }

 private:
  void read(const reflection::Schema& schema) {
    // Tables refer to each other, so all are created before the first is filled in.
    for (const reflection::Object* object : *schema.objects()) {
      auto& table = tables_[without_namespace(*object->name())];
      if (!table) table = std::make_unique<TableLayout>();
    }
    for (const reflection::Object* object : *schema.objects()) {
      if (!object->is_struct()) fill(schema, *object);
    }
  }

  void fill(const reflection::Schema& schema, const reflection::Object& object) {
    TableLayout& table = *tables_[without_namespace(*object.name())];
    table.name = without_namespace(*object.name());
    table.fields.assign(object.fields()->size(), {});
    for (const reflection::Field* source : *object.fields()) {  // by name
      FieldLayout& field = table.fields[source->id()];
      const reflection::BaseType base = source->type()->base_type();
      const reflection::BaseType element = source->type()->element();
      const int index = source->type()->index();
      field.name = source->name()->str();
      field.id = source->id();
      field.voffset = source->offset();
      field.is_time = source->attributes() && source->attributes()->LookupByKey("time");
      field.is_hidden = source->attributes() && source->attributes()->LookupByKey("hidden");
      field.is_added = source->attributes() && source->attributes()->LookupByKey("added");
      field.subject = attribute(*source, "subject");
      field.known = attribute(*source, "known");
      field.required = source->required() || (is_integer(base) && !source->optional());
      if (is_integer(base)) {
        field.type = base == reflection::Bool ? FieldLayout::Type::boolean : FieldLayout::Type::integer;
        field.bytes = bytes_of(base);
        field.is_signed = is_signed(base);
        if (index >= 0) field.enumeration = enumeration(*schema.enums()->Get(static_cast<std::uint32_t>(index)));
      } else if (base == reflection::String) {
        field.type = FieldLayout::Type::text;
      } else if (base == reflection::Vector && element == reflection::String) {
        field.type = FieldLayout::Type::texts;
      } else if (base == reflection::Vector && is_integer(element)) {
        field.type = FieldLayout::Type::integers;
        field.bytes = bytes_of(element);
        field.is_signed = is_signed(element);
      } else {  // a table or a vector of tables; the stamp and the union of Record are read by hand
        field.type = base == reflection::Vector ? FieldLayout::Type::tables : FieldLayout::Type::table;
        if (index >= 0 && base != reflection::Union) {
          field.table = named(without_namespace(*schema.objects()->Get(static_cast<std::uint32_t>(index))->name()));
        }
      }
    }
  }

  static std::string attribute(const reflection::Field& field, const char* name) {
    const reflection::KeyValue* found = field.attributes() ? field.attributes()->LookupByKey(name) : nullptr;
    return found && found->value() ? found->value()->str() : std::string();
  }

  const EnumLayout* enumeration(const reflection::Enum& source) {
    auto& layout = enums_[without_namespace(*source.name())];
    if (!layout) {
      layout = std::make_unique<EnumLayout>();
      layout->name = without_namespace(*source.name());
      for (const reflection::EnumVal* value : *source.values()) {
        layout->values.emplace_back(value->value(), json_spelling(layout->name, value->value(), value->name()->str()));
      }
    }
    return layout.get();
  }

  std::map<std::string, std::unique_ptr<TableLayout>, std::less<>> tables_;
  std::map<std::string, std::unique_ptr<EnumLayout>, std::less<>> enums_;
  std::map<std::string, fb::Event, std::less<>> events_by_name_;
  std::vector<const TableLayout*> events_;
};

const Layouts& layouts() {
  static const Layouts all;  // constant after construction, so any thread may read it
  return all;
}

std::int64_t read_integer(const std::uint8_t* at, const FieldLayout& field) {
  switch (field.bytes) {
    case 1:
      return field.is_signed ? std::int64_t{flatbuffers::ReadScalar<std::int8_t>(at)}
                             : std::int64_t{flatbuffers::ReadScalar<std::uint8_t>(at)};
    case 2:
      return field.is_signed ? std::int64_t{flatbuffers::ReadScalar<std::int16_t>(at)}
                             : std::int64_t{flatbuffers::ReadScalar<std::uint16_t>(at)};
    case 4:
      return field.is_signed ? std::int64_t{flatbuffers::ReadScalar<std::int32_t>(at)}
                             : std::int64_t{flatbuffers::ReadScalar<std::uint32_t>(at)};
    default:
      return flatbuffers::ReadScalar<std::int64_t>(at);
  }
}

using Tables = flatbuffers::Vector<flatbuffers::Offset<flatbuffers::Table>>;
using StringVector = flatbuffers::Vector<flatbuffers::Offset<flatbuffers::String>>;

}  // namespace

const TableLayout* layout_of(fb::Event type) {
  return layouts().of(type);
}
const TableLayout* layout_named(std::string_view name) {
  return layouts().named(name);
}
std::optional<fb::Event> event_named(std::string_view name) {
  return layouts().event(name);
}

bool has(const flatbuffers::Table& table, const FieldLayout& field) {
  return table.GetOptionalFieldOffset(field.voffset) != 0;
}

std::int64_t integer_of(const flatbuffers::Table& table, const FieldLayout& field) {
  return read_integer(table.GetAddressOf(field.voffset), field);
}

std::int64_t integer_at(const flatbuffers::Table& table, const FieldLayout& field, std::uint32_t index) {
  const auto* bytes = table.GetPointer<const flatbuffers::Vector<std::uint8_t>*>(field.voffset);
  return read_integer(bytes->Data() + std::size_t{index} * field.bytes, field);
}

std::uint32_t size_of(const flatbuffers::Table& table, const FieldLayout& field) {
  return table.GetPointer<const Tables*>(field.voffset)->size();  // every vector begins with its count
}

std::string_view text_of(const flatbuffers::Table& table, const FieldLayout& field) {
  return table.GetPointer<const flatbuffers::String*>(field.voffset)->string_view();
}

std::string_view text_at(const flatbuffers::Table& table, const FieldLayout& field, std::uint32_t index) {
  return table.GetPointer<const StringVector*>(field.voffset)->Get(index)->string_view();
}

const flatbuffers::Table& table_of(const flatbuffers::Table& table, const FieldLayout& field) {
  return *table.GetPointer<const flatbuffers::Table*>(field.voffset);
}

const flatbuffers::Table& table_at(const flatbuffers::Table& table, const FieldLayout& field, std::uint32_t index) {
  return *table.GetPointer<const Tables*>(field.voffset)->Get(index);
}

}  // namespace pawl
