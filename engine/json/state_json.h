// The state as JSON: rows as in HTTP answers and `pawl export state`, effects, and whole exported lines. Rows follow
// visit() in engine/state/rows.h; times are RFC 3339 text named `…_at` instead of `…_us`, and empty texts and commands
// are null. Output is appended to a string that the caller owns and may reuse.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "engine/state/effects.h"
#include "engine/state/settings.h"
#include "engine/state/state.h"
#include "schema/json/record_json.h"
#include "schema/result.h"

namespace pawl {

void append_json(std::string& out, const Task& task);
/// Includes `pid` and `exit_code` of the current attempt next to its `run`; null once requeued.
void append_json(std::string& out, const Job& job);
void append_json(std::string& out, const Lease& lease);
void append_json(std::string& out, const Boot& boot);
void append_json(std::string& out, const Owner& owner);
void append_json(std::string& out, const PipelineRow& pipeline);
void append_json(std::string& out, const HoldRow& hold);
void append_json(std::string& out, const FreezeRow& freeze);
/// One flat object of all settings by name, `{"job.max_attempts":2,…}`, defaults included.
void append_json(std::string& out, const Settings& settings);
void append_json(std::string& out, const SettingValue& value);

/// `[{"effect":"task","id":1},…]`
void append_json(std::string& out, const Effects& effects);

/// The record in canonical form (schema/json/record_json.h), with the effects of applying it; no line end.
void append_record_line(std::string& out, const fb::Record& record, const Effects& effects,
                        Audience audience = Audience::owner);

/// Calls its argument for each archived task, by id.
using EachArchived = std::function<Result<void>(const std::function<void(const ArchivedTask&)>&)>;

/// Calls `each` for every task, by id; with `archived`, finished tasks are included.
Result<void> for_each_task(const State& state, const EachArchived& archived,
                           const std::function<void(const Task&)>& each);

/// Writes the whole state in pieces, so that memory use does not grow with it:
///   {"seq":…,"digest":"…","tasks":[…],"jobs":[…],"leases":[…],"boots":[…],"settings":{…}}
/// Rows are in the order of their ids and keys. With `archived`, finished tasks are included; their jobs follow those
/// in memory, by task. If it is empty, only what is in memory is written. `archived` is called twice.
Result<void> write_state_json(const State& state, const EachArchived& archived,
                              const std::function<void(std::string_view)>& out);

}  // namespace pawl
