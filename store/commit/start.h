// The first records of a start: the boot, by which recovery runs, and the pipelines that have to be in force.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/policies/machine.h"
#include "engine/state/pipeline.h"
#include "schema/result.h"

namespace pawl {

/// `version` as a boot bears it: "0.1.0", or "0.1.0+torn.813" if records from 813 on were torn off the log's tail.
std::string boot_version(std::string version, std::optional<Seq> torn_at);

/// The hosts under which daemons of this member have run: that very machine, under this kernel or earlier ones.
/// Requires: `member` is not empty.
std::vector<std::string> hosts_of_member(const State& state, const std::string& member);

/// Whether the last daemon of the log was another member's: it led, with worktrees of its own, since this one did.
/// Before start_boot(). Requires: `member` is not empty.
bool another_led(const State& state, const std::string& member);

/// The definitions in force, for define_pipelines().
std::vector<Pipeline> pipelines_in_force(const State& state);

/// Proposes BootStarted of this process as the log's daemon, under the very boot that it registers. What earlier boots
/// left behind is recovered in the same group (SPEC §5). `busy` if the machine refuses the
/// boot; `superseded` if another writer was first. `member`: the daemon's (store/member.h), where it has a data folder.
Result<void> start_boot(Machine& machine, const std::string& boot_id, const std::string& version,
                        const std::string& member = {});

/// Defines `delivery` where the log has no pipeline of that name, and each of `given` that is not in force as it is.
/// `malformed` if the machine refuses one: says why.
Result<void> define_pipelines(Machine& machine, const std::vector<Pipeline>& in_force,
                              const std::vector<Pipeline>& given, const Asker& asker);

}  // namespace pawl
