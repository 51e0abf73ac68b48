// What a group of a log's records is about, for a what-if (tools/forensics/what_if.h).
#pragma once

#include <initializer_list>
#include <string>
#include <vector>

#include "tools/forensics/recorded_log.h"

namespace pawl {

/// The events of one group, in order. Owned by the log.
using Events = std::vector<const RecordedEvent*>;

/// Whether the machine itself adds this record to groups (engine/rules/group.h): the what-if's machine adds its own.
bool is_of_the_machine(const fb::Record& record);

bool has_type(const Events& events, std::initializer_list<fb::Event> types);

bool takes_task_lease(const Events& events);

/// Whether a group ends its requester's path over an edge; `opens`: it also begins it.
bool ends_path(const Events& events, bool opens);

/// The group's outcome: a refusal, if there is one. Requires: not empty.
Outcome outcome_of(const Events& events);

/// Adds, in words, the consequences of a record that were not requested.
void add_consequences(std::vector<std::string>& all, const fb::Record& record, const Effects& effects);

}  // namespace pawl
