// The first records of a start: the boot, by which recovery runs, and the pipelines that have to be in force.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/policies/machine.h"
#include "engine/state/pipeline.h"
#include "schema/result.h"
#include "store/commit/clock.h"

namespace pawl {

/// `version` as a boot bears it: "0.1.0", or "0.1.0+torn.813" if records from 813 on were torn off the log's tail.
std::string boot_version(std::string version, std::optional<Seq> torn_at);

/// The hosts under which daemons of this member have run: that very machine, under this kernel or earlier ones.
/// Requires: `member` is not empty.
std::vector<std::string> hosts_of_member(const State& state, const std::string& member);

/// Whether the last daemon of the log was another member's: it led, with worktrees of its own, since this one did.
/// Before start_boot(). Requires: `member` is not empty.
bool another_led(const State& state, const std::string& member);

/// What the log has of definitions, for define_pipelines().
struct KnownPipelines {
  std::vector<Pipeline> in_force;
  /// Of each name the one that a start gave last, be it in force or not.
  std::vector<Pipeline> given;
};
KnownPipelines known_pipelines(const State& state);

/// What the log says of the time before this start. `last_sign`: of a daemon that lived (store/data_dir.h).
TimeBefore time_before(const State& state, std::optional<TimeUs> last_sign = std::nullopt);

/// The clock as a boot bears it: by what the next one goes on, and the time before it in which no daemon ran.
struct BootClock {
  std::string time_ns;  // empty: the boot bears no clock
  std::int64_t boottime_us = 0;
  std::int64_t gap_us = 0;
};
BootClock boot_clock(Clock& clock);

/// Proposes BootStarted of this process as the log's daemon, under the very boot that it registers, and the TimeGap
/// before it, if there is one. What earlier boots left behind is recovered in the same group (SPEC §5). `busy` if the
/// machine refuses the boot; `superseded` if another writer was first. `member`: the daemon's (store/member.h), where
/// it has a data folder.
Result<void> start_boot(Machine& machine, const std::string& boot_id, const std::string& version,
                        const std::string& member = {}, const BootClock& clock = {});

/// Defines `delivery` where the log has no pipeline of that name, and each of `given` that differs from what a start
/// gave last under that name: a file that is as it was takes nothing back that was defined since. The names of those
/// that were passed over for that. `malformed` if the machine refuses one: says why.
Result<std::vector<std::string>> define_pipelines(Machine& machine, const KnownPipelines& known,
                                                  const std::vector<Pipeline>& given, const Asker& asker);

/// What became of the repositories that a start is given.
struct DeclaredRepos {
  std::vector<std::string> passed_over;  // given as the time before, and changed or removed by somebody since
  std::vector<std::string> left;         // as an earlier start gave them, and this one does not
};
/// Declares each of `given` (name → URL, without credentials; empty: none) that is not what the start gave last: so
/// what was changed since, and not at the option, stays. `known`: the rows before. `malformed` if the machine refuses
/// one.
Result<DeclaredRepos> declare_repos(Machine& machine, const std::vector<RepoRow>& known,
                                    const std::map<std::string, std::string>& given, const Asker& asker);
/// The rows, for declare_repos().
std::vector<RepoRow> repos_known(const State& state);

/// At the first start of a log, if it is given one pipeline: makes that the one of submissions that name none. Its
/// name, if so. `last_seq`: of the log before this start. After define_pipelines().
Result<std::optional<std::string>> set_default_pipeline(Machine& machine, Seq last_seq,
                                                        const std::vector<Pipeline>& given, const Asker& asker);

}  // namespace pawl
