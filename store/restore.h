// A log brought back from a backup. What came after the backup was given out, and is lost: the log that goes on begins
// with LogRestored, far enough beyond it that nothing of it opens anything (SPEC §5, docs/adr/0012).
//
// DATA is all there or not at all. The backup is copied to DATA.new, proved there from its first record on, and gets
// the record; only then does DATA.new become DATA, in one step. One that was cut short is known by the file `restoring`
// in it, and is begun afresh by the next restore. The backup is only read.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "engine/rules/group.h"
#include "store/files.h"
#include "store/log.h"

namespace pawl {

struct RestoreOrder {
  std::string backup;  // a data folder; of it `log/` and `sealed` are read
  std::string data;    // that is to be made; it may be there if it is empty
  /// How many seqs, task ids and job ids are left out; none: as leap_after() says.
  std::optional<std::uint64_t> bump = std::nullopt;
  TimeUs now;  // of the new record, unless the log's last one is later
};

/// How far a log goes on beyond the end of its backup.
struct Leap {
  std::uint64_t seqs = 0;
  std::uint64_t ids = 0;
};
/// 10^9 seqs and 10^6 ids; and one seq more for each µs, and one id for each ms, since the backup's last record: more
/// than any pawl gives out meanwhile. So a backup that is restored once more goes on beyond what the first restored log
/// gave out.
Leap leap_after(TimeUs last_record, TimeUs now);

struct RestoreReport {
  Seq last{};  // of the backup
  TimeUs last_time;
  std::uint64_t proved = 0;    // records, from the first on
  std::optional<Seq> torn_at;  // the first seq of a torn tail, which is dropped
  State state;                 // with what the restore makes of it
  Seq next_seq{};              // of the LogRestored
};

/// Whether a log may be made in `data`: it is not there, or empty. `malformed` says what is in it.
Result<void> check_free(const std::string& data, Files& files = disk_files());

/// What a restore would do; check_free() is not asked. Writes nothing.
Result<RestoreReport> plan_restore(const RestoreOrder& order, Files& files = disk_files());

/// The step of a restore that is no matter of files: proves a log that nobody else writes to, appends LogRestored, and
/// seals it. `bump`: as in RestoreOrder.
Result<RestoreReport> go_on_restored(Log& log, std::optional<std::uint64_t> bump, TimeUs now);

/// Restores. After an error DATA is as it was (or whole, if all that failed was to make its name durable), and DATA.new
/// is gone if it could be removed. `malformed`: DATA holds something, or DATA.new something that no restore left there.
/// `busy`: somebody writes to the backup, or another restore is under way. `damaged`: the backup is not what was
/// written, or not as the rules say.
Result<RestoreReport> restore_log(const RestoreOrder& order, Files& files = disk_files());

}  // namespace pawl
