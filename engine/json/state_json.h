// The JSON of the state: rows as HTTP answers and `pawl export state` show them, effects, and whole exported lines.
// Rows follow visit() of engine/state/rows.h, with times as RFC 3339 text under `…_at` instead of `…_us`.
// Empty texts and commands are null. Everything is appended to a string that the caller owns and may reuse.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "engine/state/effects.h"
#include "engine/state/settings.h"
#include "engine/state/state.h"
#include "schema/result.h"

namespace pawl {

void append_json(std::string& out, const Task& task);
/// With `pid` and `exit_code` of the current attempt beside its `run`: null once requeued.
void append_json(std::string& out, const Job& job);
void append_json(std::string& out, const Lease& lease);
void append_json(std::string& out, const Boot& boot);
void append_json(std::string& out, const Owner& owner);
void append_json(std::string& out, const PipelineRow& pipeline);
/// One flat object of all settings by name, `{"job.max_attempts":2,…}`, defaults included.
void append_json(std::string& out, const Settings& settings);
void append_json(std::string& out, const SettingValue& value);

/// `[{"effect":"task","id":1},…]`
void append_json(std::string& out, const Effects& effects);

/// The record in its canonical form (schema/json/record_json.h), with the effects that applying it had; no line end.
void append_record_line(std::string& out, const fb::Record& record, const Effects& effects);

/// Calls its argument for each archived task, by id.
using EachArchived = std::function<Result<void>(const std::function<void(const ArchivedTask&)>&)>;

/// Calls `each` for every task by id; with `archived` finished ones are among them.
Result<void> for_each_task(const State& state, const EachArchived& archived,
                           const std::function<void(const Task&)>& each);

/// Writes the whole state, piece by piece, so that memory does not grow with it:
///   {"seq":…,"digest":"…","tasks":[…],"jobs":[…],"leases":[…],"boots":[…],"settings":{…}}
/// Rows are in the order of their ids and keys. With `archived` finished tasks are among them; their jobs follow
/// those in memory, by task. Empty: only what is in memory. `archived` is called twice.
Result<void> write_state_json(const State& state, const EachArchived& archived,
                              const std::function<void(std::string_view)>& out);

}  // namespace pawl
