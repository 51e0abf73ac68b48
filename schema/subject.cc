#include "schema/subject.h"

#include <map>
#include <vector>

#include "schema/result.h"

namespace pawl {
namespace {

using ReadField = void (*)(Subject&, const flatbuffers::Table&, const FieldLayout&);

std::uint64_t number_in(const flatbuffers::Table& table, const FieldLayout& field) {
  return static_cast<std::uint64_t>(integer_of(table, field));
}

/// How a field with one of these names or marks is read into a subject.
ReadField reader_of(const FieldLayout& field) {
  using flatbuffers::Table;
  static const std::map<std::string_view, ReadField> by_name{
      {"task", [](Subject& to, const Table& at, const FieldLayout& in) { to.task = TaskId{number_in(at, in)}; }},
      {"job", [](Subject& to, const Table& at, const FieldLayout& in) { to.job = JobId{number_in(at, in)}; }},
      {"token", [](Subject& to, const Table& at, const FieldLayout& in) { to.token = Token{number_in(at, in)}; }},
  };
  static const std::map<std::string_view, ReadField> by_mark{
      {"lease", [](Subject& to, const Table& at, const FieldLayout& in) { to.lease = text_of(at, in); }},
      {"boot", [](Subject& to, const Table& at, const FieldLayout& in) { to.boot = text_of(at, in); }},
      {"setting", [](Subject& to, const Table& at, const FieldLayout& in) { to.setting = text_of(at, in); }},
      {"pipeline", [](Subject& to, const Table& at, const FieldLayout& in) { to.pipeline = text_of(at, in); }},
      {"repo", [](Subject& to, const Table& at, const FieldLayout& in) { to.repo = text_of(at, in); }},
      {"work_item", [](Subject& to, const Table& at, const FieldLayout& in) { to.work_item = text_of(at, in); }},
  };
  if (field.known == "owner") {
    return [](Subject& to, const Table& at, const FieldLayout& in) { to.owner = &owner_in(at, in); };
  }
  if (!field.subject.empty()) {
    const auto found = by_mark.find(field.subject);
    PAWL_ASSERT(found != by_mark.end() && "event.fbs marks a field with a subject that does not exist");
    return found->second;
  }
  const auto found = by_name.find(field.name);
  return found != by_name.end() && field.type == FieldLayout::Type::integer ? found->second : nullptr;
}

std::optional<KnownField::Names> known_by(const FieldLayout& field) {
  using enum KnownField::Names;
  static const std::map<std::string_view, KnownField::Names> by_mark{
      {"task", task}, {"lease", lease}, {"boot", boot}, {"owner", owner}};
  if (!field.known.empty()) {
    const auto found = by_mark.find(field.known);
    PAWL_ASSERT(found != by_mark.end() && "event.fbs marks a field as known by a word that does not exist");
    return found->second;
  }
  if (field.type != FieldLayout::Type::integer) return std::nullopt;
  return field.name == "task" ? std::optional(task) : field.name == "job" ? std::optional(job) : std::nullopt;
}

struct FieldsOfEvent {
  std::vector<std::pair<const FieldLayout*, ReadField>> subject;
  std::vector<KnownField> known;
};

/// The fields of each event that are part of its subject, by the event's number.
const std::vector<FieldsOfEvent>& all_fields() {
  static const std::vector<FieldsOfEvent> all = [] {
    std::vector<FieldsOfEvent> fields(static_cast<std::size_t>(fb::Event::MAX) + 1);
    for (const fb::Event event : fb::EnumValuesEvent()) {
      const TableLayout* layout = layout_of(event);
      if (!layout) continue;
      FieldsOfEvent& of_event = fields[static_cast<std::size_t>(event)];
      for (const FieldLayout& field : layout->fields) {
        if (const ReadField read = reader_of(field)) of_event.subject.emplace_back(&field, read);
        if (const auto names = known_by(field)) of_event.known.push_back({*names, &field});
      }
    }
    return fields;
  }();
  return all;
}

}  // namespace

Subject subject_of(const fb::Record& record) {
  Subject subject;
  const auto& event = *static_cast<const flatbuffers::Table*>(record.event());
  for (const auto& [field, read] : all_fields()[static_cast<std::size_t>(record.event_type())].subject) {
    if (has(event, *field)) read(subject, event, *field);
  }
  return subject;
}

std::optional<TaskId> task_of(const Subject& subject) {
  if (subject.task) return subject.task;
  return subject.lease ? task_of_key(*subject.lease) : std::nullopt;
}

const fb::Owner& owner_in(const flatbuffers::Table& event, const FieldLayout& field) {
  return reinterpret_cast<const fb::Owner&>(table_of(event, field));  // as in the generated code
}

std::span<const KnownField> known_fields(fb::Event type) {
  const std::size_t number = static_cast<std::size_t>(type);
  if (number >= all_fields().size()) return {};
  return all_fields()[number].known;
}

}  // namespace pawl
