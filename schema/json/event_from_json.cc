// Reads events: the other half of schema/json/record_json.h. schema/json/record_from_json.cc reads the record around
// them.
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>
#include <vector>

#include "schema/json/json_in_words.h"
#include "schema/json/record_json.h"
#include "schema/names.h"
#include "schema/time.h"

namespace pawl {
namespace {

namespace json = boost::json;

/// Limits of texts in bytes, by field name. Fields not listed have the highest of these limits.
struct TextBound {
  std::string_view field;
  std::size_t bytes_max;
};
constexpr TextBound text_bounds[] = {
    {"name", limits::name_bytes_max},
    {"stage", limits::name_bytes_max},
    {"agent", limits::name_bytes_max},
    {"to", limits::name_bytes_max},
    {"step", limits::name_bytes_max},
    {"gate", limits::name_bytes_max},
    {"rollback", limits::name_bytes_max},
    {"pipeline", limits::name_bytes_max},
    {"run", limits::name_bytes_max},
    {"version", limits::name_bytes_max},
    {"work_item", limits::work_item_bytes_max},
    {"repo", limits::repo_bytes_max},
    {"branch", limits::branch_bytes_max},
    {"key", limits::lease_key_bytes_max},
    {"place", limits::lease_key_bytes_max},
    {"actor", limits::actor_bytes_max},
    {"boot_id", limits::boot_id_bytes_max},
    {"host", limits::host_bytes_max},
    {"member", limits::name_bytes_max},
    {"edge", 2 * limits::name_bytes_max + 2},
    {"reason", limits::reason_bytes_max},
    {"text", limits::note_bytes_max},
    {"url", limits::url_bytes_max},
};

/// The fields that introduce a name. Elsewhere a name refers to something that already has it, perhaps in a log from
/// before names were checked. The rules check the names in a definition, and more strictly.
struct NameGiven {
  std::string_view table;
  std::string_view field;
};
constexpr NameGiven names_given[] = {
    {"BootStarted", "name"}, {"BootStarted", "boot_id"}, {"BootStarted", "host"},  {"TaskCreated", "work_item"},
    {"TaskCreated", "repo"}, {"TaskCreated", "branch"},  {"LeaseAcquired", "key"}, {"RepoDeclared", "repo"},
};

/// Whether a name is allowed.
Result<void> check_name(std::string_view table, std::string_view field, std::string_view name) {
  const bool is_given = std::any_of(std::begin(names_given), std::end(names_given), [&](const NameGiven& given) {
    return given.table == table && given.field == field;
  });
  if (!is_given || name.empty()) return {};
  return field == "branch" ? check_branch_name(name) : check_seen(name);
}

/// Numbers that a request may leave out: SPEC §3 (time-outs) and §4 (no lease seen is 0).
struct NumberDefault {
  std::string_view table;
  std::string_view field;
  std::int64_t value;
};
constexpr NumberDefault number_defaults[] = {
    {"Agent", "timeout_s", 1800},    {"Gate", "timeout_s", 300},    {"Step", "timeout_s", 900},
    {"Approval", "need", 1},         {"Approval", "on_timeout", 0},  // block
    {"JobReaped", "lease_token", 0},
};

/// For an irreversible step: how long after its end a probe's *no* counts (SPEC §8).
constexpr std::int64_t settle_default_s = 30;

std::optional<std::int64_t> default_of(const TableLayout& layout, const FieldLayout& field, const json::object& asked) {
  if (layout.name == "Step" && field.name == "settle_s") {
    const json::value* irreversible = asked.if_contains("irreversible");
    return irreversible && irreversible->is_bool() && irreversible->get_bool() ? settle_default_s : 0;
  }
  if (field.type == FieldLayout::Type::boolean) return 0;
  for (const NumberDefault& known : number_defaults) {
    if (known.table == layout.name && known.field == field.name) return known.value;
  }
  return std::nullopt;
}

const FieldLayout* field_named(const TableLayout& layout, std::string_view name) {
  for (const FieldLayout& field : layout.fields) {
    if (field.name == name) return &field;
  }
  return nullptr;
}

bool is_list(const FieldLayout& field) {
  return field.type == FieldLayout::Type::texts || field.type == FieldLayout::Type::integers ||
         field.type == FieldLayout::Type::tables;
}

template <class Integer>
flatbuffers::uoffset_t write_integers(flatbuffers::FlatBufferBuilder& builder,
                                      const std::vector<std::int64_t>& values) {
  std::vector<Integer> narrow;
  narrow.reserve(values.size());
  for (const std::int64_t value : values) narrow.push_back(static_cast<Integer>(value));
  return builder.CreateVector(narrow).o;
}

/// Writes tables from JSON, by layout. Tracks the path to the current position for error messages.
class EventJsonReader {
 public:
  EventJsonReader(flatbuffers::FlatBufferBuilder& builder, Reading reading) : builder_(builder), reading_(reading) {}

  Result<flatbuffers::uoffset_t> table(const json::value& value, const TableLayout& layout) {
    if (layout.name == "Command") return command(value, layout);
    if (layout.name == "SettingValue") return setting_value(value, layout);
    if (!value.is_object()) return wrong_type(value, "an object");
    return object(value.get_object(), layout);
  }

  Result<flatbuffers::uoffset_t> object(const json::object& value, const TableLayout& layout) {
    for (const auto& member : value) {
      if (!field_named(layout, view(member.key()))) {
        return error("there is no field " + quoted_json(view(member.key())) + " in " + layout.name);
      }
    }
    std::vector<Slot> slots;
    slots.reserve(layout.fields.size());
    for (const FieldLayout& field : layout.fields) {
      const Path here(*this, field.name);
      const json::value* found = value.if_contains(json::string_view(field.name.data(), field.name.size()));
      const std::optional<Slot> slot = PAWL_TRY(slot_of(found, value, layout, field));
      if (slot) slots.push_back(*slot);
    }
    return write_table(slots);
  }

 private:
  /// A present field, ready to be added to its table.
  struct Slot {
    const FieldLayout* field;
    std::int64_t number = 0;            // of booleans and integers
    flatbuffers::uoffset_t offset = 0;  // of all others
  };

  /// Extends the path for its lifetime.
  class Path {
   public:
    Path(EventJsonReader& reader, std::string_view name) : reader_(reader), before_(reader.path_.size()) {
      if (before_ > 0) reader.path_ += '.';
      reader.path_ += name;
    }
    Path(EventJsonReader& reader, std::size_t index) : reader_(reader), before_(reader.path_.size()) {
      reader.path_ += '[' + std::to_string(index) + ']';
    }
    ~Path() { reader_.path_.resize(before_); }
    Path(const Path&) = delete;
    Path& operator=(const Path&) = delete;

   private:
    EventJsonReader& reader_;
    std::size_t before_;
  };

  Error error(const std::string& what) const {
    return {ErrorCode::malformed, path_.empty() ? what : path_ + ": " + what};
  }
  Error wrong_type(const json::value& value, std::string_view wanted) const {
    return error("must be " + std::string(wanted) + ", but is " + std::string(kind_of(value)));
  }

  Result<std::optional<Slot>> slot_of(const json::value* value, const json::object& object, const TableLayout& layout,
                                      const FieldLayout& field) {
    if (!value && reading_ == Reading::exported && !field.is_added) return error("is missing");
    if (value && value->is_null() && reading_ == Reading::exported && field.is_added) {
      return error("must not be null: leave it out instead");
    }
    if (!value || value->is_null()) {
      if (!field.required) return std::optional<Slot>();
      if (reading_ == Reading::asked) {
        if (is_list(field)) return std::optional<Slot>({&field, 0, PAWL_TRY(list(json::array(), field))});
        if (const auto number = default_of(layout, field, object)) return std::optional<Slot>({&field, *number});
      }
      return error(value ? "must not be null" : "is missing");
    }
    Slot slot{&field};
    switch (field.type) {
      case FieldLayout::Type::boolean:
        if (!value->is_bool()) return wrong_type(*value, "true or false");
        slot.number = value->get_bool() ? 1 : 0;
        break;
      case FieldLayout::Type::integer:
        slot.number = PAWL_TRY(integer(*value, field));
        break;
      case FieldLayout::Type::text:
        slot.offset = PAWL_TRY(text(*value, layout, field));
        break;
      case FieldLayout::Type::table:
        slot.offset = PAWL_TRY(table(*value, *field.table));
        break;
      case FieldLayout::Type::texts:
      case FieldLayout::Type::integers:
      case FieldLayout::Type::tables:
        if (!value->is_array()) return wrong_type(*value, "a list");
        slot.offset = PAWL_TRY(list(value->get_array(), field));
        break;
    }
    return std::optional<Slot>(slot);
  }

  Result<std::int64_t> integer(const json::value& value, const FieldLayout& field) {
    if (field.enumeration) return enumerator(value, *field.enumeration);
    if (field.is_time) return time(value);
    if (!value.is_int64() && !value.is_uint64()) return wrong_type(value, "a whole number");
    const bool is_negative = value.is_int64() && value.get_int64() < 0;
    const std::uint64_t bits = value.is_int64() ? static_cast<std::uint64_t>(value.get_int64()) : value.get_uint64();
    const unsigned value_bits = 8U * field.bytes - (field.is_signed ? 1U : 0U);
    const std::uint64_t largest = value_bits == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << value_bits) - 1;
    const bool fits = is_negative ? field.is_signed && ~bits <= largest : bits <= largest;
    if (!fits) {
      return error(std::string("must be a whole number from ") +
                   (field.is_signed ? std::to_string(-static_cast<std::int64_t>(largest) - 1) : "0") + " to " +
                   std::to_string(largest));
    }
    return static_cast<std::int64_t>(bits);
  }

  Result<std::int64_t> enumerator(const json::value& value, const EnumLayout& enumeration) {
    std::string known;
    for (const auto& [number, spelling] : enumeration.values) {
      if (value.is_string() && view(value.get_string()) == spelling) return number;
      known += (known.empty() ? "" : ", ") + quoted_json(spelling);
    }
    if (!value.is_string()) return wrong_type(value, "one of " + known);
    return error("must be one of " + known + ", but is " + quoted_json(view(value.get_string())));
  }

  Result<std::int64_t> time(const json::value& value) {
    if (!value.is_string()) return wrong_type(value, "a time such as \"2026-06-15T10:00:00.000000Z\"");
    const auto read = parse_rfc3339(view(value.get_string()));
    if (!read) return error(read.error().message);
    return read->us;
  }

  Result<flatbuffers::uoffset_t> text(const json::value& value, const TableLayout& layout, const FieldLayout& field) {
    if (!value.is_string()) return wrong_type(value, "a string");
    const std::string_view content = view(value.get_string());
    if (reading_ == Reading::asked) {
      PAWL_TRY(check_text(content, text_bytes_max(field.name)));
      if (field.required && content.empty()) return error("must not be empty");
      if (const auto named = check_name(layout.name, field.name, content); !named) {
        return error("must not " + named.error().message);
      }
    }
    return write_text(content);
  }

  Result<bool> check_text(std::string_view content, std::size_t bytes_max) {
    if (content.size() > bytes_max) {
      return error("has " + std::to_string(content.size()) + " bytes; the limit is " + std::to_string(bytes_max));
    }
    if (content.find('\0') != std::string_view::npos) return error("contains a NUL byte");
    return true;
  }

  Result<flatbuffers::uoffset_t> list(const json::array& values, const FieldLayout& field) {
    if (reading_ == Reading::asked && field.name == "depends_on" && values.size() > limits::depends_on_max) {
      return error("has more than " + std::to_string(limits::depends_on_max) + " entries");
    }
    if (field.type == FieldLayout::Type::integers) return integers(values, field);
    std::vector<flatbuffers::Offset<void>> offsets;
    offsets.reserve(values.size());
    for (std::size_t i = 0; i < values.size(); ++i) {
      const Path here(*this, i);
      if (field.type == FieldLayout::Type::tables) {
        offsets.emplace_back(PAWL_TRY(table(values[i], *field.table)));
        continue;
      }
      if (!values[i].is_string()) return wrong_type(values[i], "a string");
      const std::string_view content = view(values[i].get_string());
      if (reading_ == Reading::asked) PAWL_TRY(check_text(content, limits::command_bytes_max));
      offsets.emplace_back(write_text(content));
    }
    return builder_.CreateVector(offsets).o;
  }

  Result<flatbuffers::uoffset_t> integers(const json::array& values, const FieldLayout& field) {
    std::vector<std::int64_t> numbers;
    numbers.reserve(values.size());
    for (std::size_t i = 0; i < values.size(); ++i) {
      const Path here(*this, i);
      numbers.push_back(PAWL_TRY(integer(values[i], field)));
    }
    switch (field.bytes) {
      case 1:
        return write_integers<std::uint8_t>(builder_, numbers);
      case 2:
        return write_integers<std::uint16_t>(builder_, numbers);
      case 4:
        return write_integers<std::uint32_t>(builder_, numbers);
      default:
        return write_integers<std::uint64_t>(builder_, numbers);
    }
  }

  Result<flatbuffers::uoffset_t> command(const json::value& value, const TableLayout& layout) {
    if (!value.is_array()) return wrong_type(value, "a list of words");
    if (reading_ == Reading::asked && value.get_array().size() > limits::command_words_max) {
      return error("has more than " + std::to_string(limits::command_words_max) + " words");
    }
    const FieldLayout& words = layout.fields.front();
    return write_table({{&words, 0, PAWL_TRY(list(value.get_array(), words))}});
  }

  /// The type of a setting's value determines its field.
  Result<flatbuffers::uoffset_t> setting_value(const json::value& value, const TableLayout& layout) {
    for (const FieldLayout& field : layout.fields) {
      const bool fits = field.type == FieldLayout::Type::boolean   ? value.is_bool()
                        : field.type == FieldLayout::Type::integer ? value.is_int64() || value.is_uint64()
                        : field.type == FieldLayout::Type::text    ? value.is_string()
                                                                   : value.is_array();
      if (!fits) continue;
      const std::optional<Slot> slot = PAWL_TRY(slot_of(&value, json::object(), layout, field));
      return write_table({*slot});
    }
    return wrong_type(value, "a boolean, a whole number, a string or a list of strings");
  }

  flatbuffers::uoffset_t write_text(std::string_view content) {
    return builder_.CreateString(content.data(), content.size()).o;
  }

  flatbuffers::uoffset_t write_table(const std::vector<Slot>& slots) {
    const flatbuffers::uoffset_t start = builder_.StartTable();
    for (const Slot& slot : slots) {
      const FieldLayout& field = *slot.field;
      if (field.type != FieldLayout::Type::boolean && field.type != FieldLayout::Type::integer) {
        builder_.AddOffset(field.voffset, flatbuffers::Offset<void>(slot.offset));
      } else if (field.bytes == 1) {
        builder_.AddElement(field.voffset, static_cast<std::uint8_t>(slot.number), std::uint8_t{0});
      } else if (field.bytes == 2) {
        builder_.AddElement(field.voffset, static_cast<std::uint16_t>(slot.number), std::uint16_t{0});
      } else if (field.bytes == 4) {
        builder_.AddElement(field.voffset, static_cast<std::uint32_t>(slot.number), std::uint32_t{0});
      } else {
        builder_.AddElement(field.voffset, static_cast<std::uint64_t>(slot.number), std::uint64_t{0});
      }
    }
    return builder_.EndTable(start);
  }

  flatbuffers::FlatBufferBuilder& builder_;
  Reading reading_;
  std::string path_;
};

}  // namespace

bool is_asked_for(const TableLayout& layout, const FieldLayout& field) {
  return field.required && !is_list(field) && !default_of(layout, field, {});
}

std::size_t text_bytes_max(std::string_view field) {
  for (const TextBound& bound : text_bounds) {
    if (bound.field == field) return bound.bytes_max;
  }
  return limits::note_bytes_max;
}

Result<flatbuffers::Offset<void>> read_event(fb::Event type, const json::object& data, Reading reading,
                                             flatbuffers::FlatBufferBuilder& builder) {
  const TableLayout* layout = layout_of(type);
  PAWL_ASSERT(layout != nullptr);
  return flatbuffers::Offset<void>(PAWL_TRY(EventJsonReader(builder, reading).object(data, *layout)));
}

Result<Proposal> proposal_from_json(const Requester& requester, fb::Event type, const json::object& data,
                                    Reading reading) {
  flatbuffers::FlatBufferBuilder builder(512);
  builder.ForceDefaults(true);
  const auto event = PAWL_TRY(read_event(type, data, reading, builder));
  return finish_proposal(builder, requester, type, event);
}

}  // namespace pawl
