// Restores a log from a backup. Ids assigned after the backup may have been used, and their records are lost. So the
// continued log begins with LogRestored, far enough ahead that none of those ids is valid for anything (SPEC §5,
// docs/adr/0012).
//
// DATA exists completely or not at all. The backup is copied to DATA.new, verified there from its first record on, and
// given the record; only then is DATA.new renamed to DATA, in one step. An interrupted restore is recognised by the
// file `restoring` in DATA.new, and the next restore starts over. The backup is only read.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "engine/rules/group.h"
#include "store/files.h"
#include "store/log.h"

namespace pawl {

struct RestoreRequest {
  std::string backup;  // a data folder; its `log/` and `sealed` are read
  std::string data;    // the folder to create; it may exist if it is empty
  /// How many seqs, task ids and job ids to skip; none: leap_after() decides.
  std::optional<std::uint64_t> bump = std::nullopt;
  TimeUs now;  // for the new record, unless the log's last one is later
};

/// How far ahead of its backup's end a log continues.
struct Leap {
  std::uint64_t seqs = 0;
  std::uint64_t ids = 0;
};
/// 10^9 seqs and 10^6 ids, plus one seq for each µs and one id for each ms since the backup's last record: more than
/// any pawl assigns in that time. So if a backup is restored a second time, it continues beyond everything that the
/// first restored log assigned.
Leap leap_after(TimeUs last_record, TimeUs now);

struct RestoreReport {
  Seq last{};  // of the backup
  TimeUs last_time;
  std::uint64_t proved = 0;    // records verified, from the first on
  std::optional<Seq> torn_at;  // the first seq of a torn tail, which is dropped
  State state;                 // after the restore
  Seq next_seq{};              // of the LogRestored
};

/// Checks that a log can be created in `data`: it does not exist or is empty. `malformed` says what it contains.
Result<void> check_free(const std::string& data, Files& files = disk_files());

/// What a restore would do, without check_free(). Writes nothing.
Result<RestoreReport> plan_restore(const RestoreRequest& request, Files& files = disk_files());

/// The part of a restore that does not handle files: verifies a log that has no other writer, appends LogRestored, and
/// seals it. `bump` is as in RestoreRequest.
Result<RestoreReport> go_on_restored(Log& log, std::optional<std::uint64_t> bump, TimeUs now);

/// Restores. After an error DATA is unchanged (or complete, if only making its name durable failed), and DATA.new is
/// gone if it could be removed. `malformed`: DATA is not empty, or DATA.new was not left by a restore. `busy`: the
/// backup is being written to, or another restore is in progress. `damaged`: the backup is not what was written, or
/// differs from what the rules compute.
Result<RestoreReport> restore_log(const RestoreRequest& request, Files& files = disk_files());

}  // namespace pawl
