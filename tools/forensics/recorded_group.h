// What a group of a log's records is about, for a story that is told anew (tools/forensics/what_if.h).
#pragma once

#include <initializer_list>
#include <string>
#include <vector>

#include "tools/forensics/recorded_log.h"

namespace pawl {

/// Of one group, in their order. Owned by the log.
using Events = std::vector<const RecordedEvent*>;

/// What the machine itself adds to groups (engine/rules/group.h): it adds it anew.
bool is_of_the_machine(const fb::Record& record);

bool has_type(const Events& events, std::initializer_list<fb::Event> types);

bool takes_task_lease(const Events& events);

/// Whether a group ends the path of its speaker over an edge; `opens`: it also begins it.
bool ends_path(const Events& events, bool opens);

/// What the group was answered: a refusal, if there is one. Requires: not empty.
Outcome outcome_of(const Events& events);

/// Adds, in words, what follows from a record and nobody asked for.
void add_consequences(std::vector<std::string>& all, const fb::Record& record, const Effects& effects);

}  // namespace pawl
