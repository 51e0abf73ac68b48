// The first records of a start: the boot, which triggers recovery, and the pipelines that must be in force.
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

/// `version` in the form that a boot records: "0.1.0", or "0.1.0+torn.813" if records from 813 on were torn off the
/// log's end.
std::string boot_version(std::string version, std::optional<Seq> torn_at);

/// The hosts under which daemons of this member have run: this same machine, under this or earlier kernels. Requires:
/// `member` is not empty.
std::vector<std::string> hosts_of_member(const State& state, const std::string& member);

/// Whether the log's last daemon was another member's: it led, with its own worktrees, after this one did. Call before
/// start_boot(). Requires: `member` is not empty.
bool another_led(const State& state, const std::string& member);

/// The definitions in the log, for define_pipelines().
struct KnownPipelines {
  std::vector<Pipeline> in_force;
  /// For each name the definition that a start gave last, in force or not.
  std::vector<Pipeline> given;
};
KnownPipelines known_pipelines(const State& state);

/// What the log records about the time before this start. `last_sign` is the last sign of a live daemon
/// (store/data_dir.h).
TimeBefore time_before(const State& state, std::optional<TimeUs> last_sign = std::nullopt);

/// The clock in the form that a boot records, for the next boot to continue from, and the time before it in which no
/// daemon ran.
struct BootClock {
  std::string time_ns;  // empty: the boot records no clock
  std::int64_t boottime_us = 0;
  std::int64_t gap_us = 0;
};
BootClock boot_clock(Clock& clock);

/// Proposes BootStarted for this process as the log's daemon, under the same boot that it registers, and the TimeGap
/// before it, if there is one. What earlier boots left behind is recovered in the same group (SPEC §5). `busy` if the
/// machine refuses the boot; `superseded` if another writer was first. `member` is the daemon's (store/member.h), if it
/// has a data folder.
Result<void> start_boot(Machine& machine, const std::string& boot_id, const std::string& version,
                        const std::string& member = {}, const BootClock& clock = {});

/// Defines `delivery` if the log has no pipeline with that name, and each pipeline in `given` that differs from what a
/// start last gave under its name: an unchanged file does not override a definition made since. Returns the names
/// skipped for that reason. `malformed` if the machine refuses one, with the reason.
Result<std::vector<std::string>> define_pipelines(Machine& machine, const KnownPipelines& known,
                                                  const std::vector<Pipeline>& given, const Requester& requester);

/// What happened to the repositories given at a start.
struct DeclaredRepos {
  std::vector<std::string> passed_over;  // given as last time, but changed or removed by a request since
  std::vector<std::string> left;         // given by an earlier start but not by this one
};
/// Declares each of `given` (name → URL, without credentials; empty: none) that differs from what the last start gave,
/// so a change made since by other means stays. `known` are the rows before. `malformed` if the machine refuses one.
Result<DeclaredRepos> declare_repos(Machine& machine, const std::vector<RepoRow>& known,
                                    const std::map<std::string, std::string>& given, const Requester& requester);
/// The rows, for declare_repos().
std::vector<RepoRow> repos_known(const State& state);

/// At the first start of a log with exactly one pipeline: makes it the default for submissions that name none, and
/// returns its name. `last_seq` is that of the log before this start. Call after define_pipelines().
Result<std::optional<std::string>> set_default_pipeline(Machine& machine, Seq last_seq,
                                                        const std::vector<Pipeline>& given, const Requester& requester);

}  // namespace pawl
