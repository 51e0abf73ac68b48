#include "store/rows_in_checkpoint.h"

#include <algorithm>

#include "schema/layout.h"

namespace pawl {
namespace {

using flatbuffers::FlatBufferBuilder;

/// Generated tables add nothing to flatbuffers::Table; the generated code casts in the same way.
template <class TableT>
const TableT& as(const flatbuffers::Table& table) {
  return reinterpret_cast<const TableT&>(table);
}
template <class TableT>
const flatbuffers::Table& plain(const TableT& table) {
  return reinterpret_cast<const flatbuffers::Table&>(table);
}

/// Writes the fields that visit() names. Construct, visit, finish().
///
/// Follows the order of flatc's generated packing, to produce identical bytes: first texts and tables, in order; then,
/// in the table itself, wide fields before narrow ones, and fields of one width from last to first.
class TablePacker {
 public:
  TablePacker(FlatBufferBuilder& builder, const TableLayout& layout) : builder_(builder), layout_(layout) {}

  template <class T>
  void operator()(int id, const char*, const T& value) {
    put(layout_.fields[static_cast<std::size_t>(id) - 1], value);
  }

  flatbuffers::Offset<void> finish() {
    const flatbuffers::uoffset_t start = builder_.StartTable();
    for (const int bytes : {8, 4, 2, 1}) {
      for (auto slot = slots_.rbegin(); slot != slots_.rend(); ++slot) {
        if (slot->bytes == bytes) add(*slot);
      }
    }
    return flatbuffers::Offset<void>(builder_.EndTable(start));
  }

 private:
  struct Slot {
    std::uint16_t voffset;
    std::uint8_t bytes;
    std::uint64_t bits;
    bool is_offset;
  };

  void add(const Slot& slot) {
    if (slot.is_offset) {
      const flatbuffers::Offset<void> offset(static_cast<flatbuffers::uoffset_t>(slot.bits));
      return builder_.AddOffset(slot.voffset, offset);
    }
    switch (slot.bytes) {
      case 8:
        return builder_.AddElement(slot.voffset, slot.bits);
      case 4:
        return builder_.AddElement(slot.voffset, static_cast<std::uint32_t>(slot.bits));
      case 2:
        return builder_.AddElement(slot.voffset, static_cast<std::uint16_t>(slot.bits));
      default:
        return builder_.AddElement(slot.voffset, static_cast<std::uint8_t>(slot.bits));
    }
  }

  template <class T>
  void put_offset(const FieldLayout& field, flatbuffers::Offset<T> offset) {
    slots_.push_back({field.voffset, sizeof(flatbuffers::uoffset_t), offset.o, true});
  }
  void put_bits(const FieldLayout& field, std::uint64_t bits) {
    slots_.push_back({field.voffset, std::max<std::uint8_t>(field.bytes, 1), bits, false});
  }

  void put(const FieldLayout& field, const std::string& value) {
    if (!value.empty() || field.required) put_offset(field, builder_.CreateString(value));
  }
  void put(const FieldLayout& field, TimeUs value) { put_bits(field, static_cast<std::uint64_t>(value.us)); }
  void put(const FieldLayout& field, const SettingValue& value) {
    const fb::SettingValueT table = setting_value_event(value);
    put_offset(field, fb::SettingValue::Pack(builder_, &table));
  }
  void put(const FieldLayout& field, const std::shared_ptr<const Pipeline>& value) {
    const fb::PipelineDefinedT table = pipeline_event(*value);
    put_offset(field, fb::PipelineDefined::Pack(builder_, &table));
  }
  template <class T>
  void put(const FieldLayout& field, const std::optional<T>& value) {
    if (value) put(field, *value);
  }
  /// Empty is not the same as none.
  void put(const FieldLayout& field, const std::optional<std::string>& value) {
    if (value) put_offset(field, builder_.CreateString(*value));
  }
  void put(const FieldLayout& field, const std::vector<std::string>& values) {
    put_offset(field, builder_.CreateVectorOfStrings(values));
  }
  template <class T>
  void put(const FieldLayout& field, const std::vector<T>& values) {
    if constexpr (std::is_enum_v<T>) {
      std::vector<std::uint64_t> numbers;
      for (const T value : values) numbers.push_back(raw(value));
      put_offset(field, builder_.CreateVector(numbers));
    } else {
      std::vector<flatbuffers::Offset<void>> tables;
      for (const T& value : values) tables.push_back(packed(*field.table, value));
      put_offset(field, builder_.CreateVector(tables));
    }
  }
  template <class T>
  void put(const FieldLayout& field, const T& value) {
    if constexpr (std::is_enum_v<T> || std::is_integral_v<T>) {
      put_bits(field, static_cast<std::uint64_t>(value));
    } else {
      put_offset(field, packed(*field.table, value));
    }
  }
  template <class Row>
  flatbuffers::Offset<void> packed(const TableLayout& layout, const Row& row) {
    TablePacker packer(builder_, layout);
    visit(row, packer);
    return packer.finish();
  }

  FlatBufferBuilder& builder_;
  const TableLayout& layout_;
  std::vector<Slot> slots_;
};

/// Fills in the fields that visit() names. An absent field keeps its value from a new row.
class TableReader {
 public:
  TableReader(const flatbuffers::Table& table, const TableLayout& layout) : table_(table), layout_(layout) {}

  template <class T>
  void operator()(int id, const char*, T& value) {
    const FieldLayout& field = layout_.fields[static_cast<std::size_t>(id) - 1];
    if (has(table_, field)) read(field, value);
  }

 private:
  void read(const FieldLayout& field, std::string& value) { value = text_of(table_, field); }
  void read(const FieldLayout& field, TimeUs& value) { value.us = integer_of(table_, field); }
  void read(const FieldLayout& field, bool& value) { value = integer_of(table_, field) != 0; }
  void read(const FieldLayout& field, SettingValue& value) {
    const auto& table = as<fb::SettingValue>(table_of(table_, field));
    // The generated packing omits an empty list, but a setting always has a value.
    const bool is_empty_list =
        !table.flag().has_value() && !table.number().has_value() && !table.text() && !table.list();
    value = is_empty_list ? SettingValue(std::vector<std::string>()) : setting_value_from(table);
  }
  void read(const FieldLayout& field, std::shared_ptr<const Pipeline>& value) {
    value = std::make_shared<const Pipeline>(pipeline_from(as<fb::PipelineDefined>(table_of(table_, field))));
  }
  template <class T>
  void read(const FieldLayout& field, std::optional<T>& value) {
    read(field, value.emplace());
  }
  void read(const FieldLayout& field, std::vector<std::string>& values) {
    for (std::uint32_t i = 0; i < size_of(table_, field); ++i) values.emplace_back(text_at(table_, field, i));
  }
  template <class T>
  void read(const FieldLayout& field, std::vector<T>& values) {
    for (std::uint32_t i = 0; i < size_of(table_, field); ++i) {
      if constexpr (std::is_enum_v<T>) {
        values.push_back(static_cast<T>(integer_at(table_, field, i)));
      } else {
        fill(values.emplace_back(), table_at(table_, field, i), *field.table);
      }
    }
  }
  template <class T>
  void read(const FieldLayout& field, T& value) {
    if constexpr (std::is_enum_v<T> || std::is_integral_v<T>) {
      value = static_cast<T>(integer_of(table_, field));
    } else {
      fill(value, table_of(table_, field), *field.table);
    }
  }
  template <class Row>
  static void fill(Row& row, const flatbuffers::Table& table, const TableLayout& layout) {
    TableReader reader(table, layout);
    visit(row, reader);
  }

  const flatbuffers::Table& table_;
  const TableLayout& layout_;
};

/// Maps rows to tables.
template <class TableT>
struct Stored;
#define X(Table, RowOfIt)                            \
  template <>                                        \
  struct Stored<fb::Table> {                         \
    using Row = RowOfIt;                             \
    static constexpr std::string_view name = #Table; \
  };
X(TaskRow, Task)
X(JobRow, Job)
X(LeaseRow, Lease)
X(BootRow, Boot)
X(SettingRow, pawl::SettingRow)
X(PipelineRow, pawl::PipelineRow)
X(RepoRow, pawl::RepoRow)
X(HoldRow, pawl::HoldRow)
X(FreezeRow, pawl::FreezeRow)
X(IdsRow, Ids)
#undef X

template <class TableT>
const TableLayout& layout_for() {
  static const TableLayout& layout = *layout_named(Stored<TableT>::name);
  return layout;
}

template <class TableT>
flatbuffers::Offset<TableT> pack_as(FlatBufferBuilder& builder, const typename Stored<TableT>::Row& row) {
  TablePacker packer(builder, layout_for<TableT>());
  visit(row, packer);
  return {packer.finish().o};
}

template <class TableT>
typename Stored<TableT>::Row unpacked(const TableT& table) {
  typename Stored<TableT>::Row row;
  TableReader reader(plain(table), layout_for<TableT>());
  visit(row, reader);
  return row;
}

bool enums_are_known(const flatbuffers::Table& table, const TableLayout& layout) {
  for (const FieldLayout& field : layout.fields) {
    if (!has(table, field)) continue;
    if (field.enumeration) {
      const auto& values = field.enumeration->values;
      const std::int64_t number = integer_of(table, field);
      if (std::none_of(values.begin(), values.end(), [&](const auto& value) { return value.first == number; })) {
        return false;
      }
    }
    if (field.type == FieldLayout::Type::table && !enums_are_known(table_of(table, field), *field.table)) return false;
    if (field.type != FieldLayout::Type::tables) continue;
    for (std::uint32_t i = 0; i < size_of(table, field); ++i) {
      if (!enums_are_known(table_at(table, field, i), *field.table)) return false;
    }
  }
  return true;
}

}  // namespace

flatbuffers::Offset<fb::TaskRow> pack_row(FlatBufferBuilder& builder, const Task& row) {
  return pack_as<fb::TaskRow>(builder, row);
}
flatbuffers::Offset<fb::JobRow> pack_row(FlatBufferBuilder& builder, const Job& row) {
  return pack_as<fb::JobRow>(builder, row);
}
flatbuffers::Offset<fb::LeaseRow> pack_row(FlatBufferBuilder& builder, const Lease& row) {
  return pack_as<fb::LeaseRow>(builder, row);
}
flatbuffers::Offset<fb::BootRow> pack_row(FlatBufferBuilder& builder, const Boot& row) {
  return pack_as<fb::BootRow>(builder, row);
}
flatbuffers::Offset<fb::SettingRow> pack_row(FlatBufferBuilder& builder, const SettingRow& row) {
  return pack_as<fb::SettingRow>(builder, row);
}
flatbuffers::Offset<fb::PipelineRow> pack_row(FlatBufferBuilder& builder, const PipelineRow& row) {
  return pack_as<fb::PipelineRow>(builder, row);
}
flatbuffers::Offset<fb::RepoRow> pack_row(FlatBufferBuilder& builder, const RepoRow& row) {
  return pack_as<fb::RepoRow>(builder, row);
}
flatbuffers::Offset<fb::HoldRow> pack_row(FlatBufferBuilder& builder, const HoldRow& row) {
  return pack_as<fb::HoldRow>(builder, row);
}
flatbuffers::Offset<fb::FreezeRow> pack_row(FlatBufferBuilder& builder, const FreezeRow& row) {
  return pack_as<fb::FreezeRow>(builder, row);
}
flatbuffers::Offset<fb::IdsRow> pack_row(FlatBufferBuilder& builder, const Ids& row) {
  return pack_as<fb::IdsRow>(builder, row);
}

Task unpack_row(const fb::TaskRow& table) {
  return unpacked(table);
}
Job unpack_row(const fb::JobRow& table) {
  return unpacked(table);
}
Lease unpack_row(const fb::LeaseRow& table) {
  return unpacked(table);
}
Boot unpack_row(const fb::BootRow& table) {
  return unpacked(table);
}
SettingRow unpack_row(const fb::SettingRow& table) {
  return unpacked(table);
}
PipelineRow unpack_row(const fb::PipelineRow& table) {
  return unpacked(table);
}
RepoRow unpack_row(const fb::RepoRow& table) {
  return unpacked(table);
}
HoldRow unpack_row(const fb::HoldRow& table) {
  return unpacked(table);
}
FreezeRow unpack_row(const fb::FreezeRow& table) {
  return unpacked(table);
}
Ids unpack_row(const fb::IdsRow& table) {
  return unpacked(table);
}

bool enums_are_known(const fb::Archived& archived) {
  return enums_are_known(plain(archived), *layout_named("Archived"));
}

Result<void> check_enums(const fb::Checkpoint& checkpoint) {
  if (enums_are_known(plain(checkpoint), *layout_named("Checkpoint"))) return {};
  return Error{ErrorCode::unsupported, "the checkpoint has an unknown status; a newer pawl wrote it"};
}

}  // namespace pawl
