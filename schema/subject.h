// What a record is about, read from its event's fields by the schema's layout. A new event needs no code here.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "record_generated.h"
#include "schema/ids.h"
#include "schema/layout.h"

namespace pawl {

/// The texts are valid for as long as the record.
struct Subject {
  std::optional<TaskId> task;  // from a field `task`; see also task_of()
  std::optional<JobId> job;
  std::optional<std::string_view> lease;  // its key
  std::optional<Token> token;
  std::optional<std::string_view> boot;  // the name when it starts, the id when it ends
  std::optional<std::string_view> setting;
  std::optional<std::string_view> pipeline;
  std::optional<std::string_view> repo;  // that a created task names, or that is declared
  std::optional<std::string_view> work_item;
  const fb::Owner* owner = nullptr;  // who will hold the lease or run the job
};

/// Requires: the record was verified.
Subject subject_of(const fb::Record& record);

/// The authenticated requester. Empty for the daemon itself, and in records from before principals were recorded.
inline std::string principal_of(const fb::Record& record) {
  return record.principal() ? record.principal()->str() : std::string();
}

/// The task that the event names, by id or by lease key; TaskId{0} for a `task:` key without an id.
std::optional<TaskId> task_of(const Subject& subject);

/// A field of an event that names something that must already exist: an assigned id or a registered boot.
struct KnownField {
  enum class Names { task, job, lease, boot, owner };  // lease: the task in its key
  Names names;
  const FieldLayout* field;  // for `task`: one id or a list of ids
};
/// Requires: `field` is a table Owner of `event`.
const fb::Owner& owner_in(const flatbuffers::Table& event, const FieldLayout& field);
/// In field order. Empty for an event that the schema does not have.
std::span<const KnownField> known_fields(fb::Event type);

}  // namespace pawl
