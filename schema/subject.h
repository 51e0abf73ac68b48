// What a record is about, read from its event's fields by the schema's layout: a new event needs nothing here.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "record_generated.h"
#include "schema/ids.h"
#include "schema/layout.h"

namespace pawl {

/// Texts live as long as the record.
struct Subject {
  std::optional<TaskId> task;  // of a field `task`; see also task_of()
  std::optional<JobId> job;
  std::optional<std::string_view> lease;  // its key
  std::optional<Token> token;
  std::optional<std::string_view> boot;  // the name of one that starts, the id of one that ends
  std::optional<std::string_view> setting;
  std::optional<std::string_view> pipeline;
  std::optional<std::string_view> repo;  // of a task that is created; one that is declared
  std::optional<std::string_view> work_item;
  const fb::Owner* owner = nullptr;  // who is to hold the lease, or to run the job
};

/// Requires: the record was verified.
Subject subject_of(const fb::Record& record);

/// Who is known to have asked; empty: the daemon itself, or a record of before.
inline std::string principal_of(const fb::Record& record) {
  return record.principal() ? record.principal()->str() : std::string();
}

/// The task that the event names, by its id or by the key of its lease; TaskId{0} for a `task:` key without an id.
std::optional<TaskId> task_of(const Subject& subject);

/// A field of an event that names something which has to be there: it was given out, or registered, before.
struct KnownField {
  enum class Names { task, job, lease, boot, owner };  // a lease: the task of its key
  Names names;
  const FieldLayout* field;  // of `task`: one id, or a list of them
};
/// Requires: `field` is a table Owner of `event`.
const fb::Owner& owner_in(const flatbuffers::Table& event, const FieldLayout& field);
/// In the order of the fields. Empty for an event that the schema does not have.
std::span<const KnownField> known_fields(fb::Event type);

}  // namespace pawl
