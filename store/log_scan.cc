#include "store/log_scan.h"

#include <utility>

#include "store/data_dir.h"
#include "store/tail.h"
#include "store/wal_scan.h"

namespace pawl {
namespace {

/// Opens read-only under ever more lenient rules; a refusal under a strict rule is evidence.
Result<LogEnd> open_leniently(Files& files, const std::string& path, LogScan& scan) {
  using Mode = rocksdb::WALRecoveryMode;
  rocksdb::Status status;
  for (const auto& [mode, end] : {std::pair(Mode::kAbsoluteConsistency, LogEnd::clean),
                                  std::pair(Mode::kTolerateCorruptedTailRecords, LogEnd::cut_short),
                                  std::pair(Mode::kSkipAnyCorruptedRecords, LogEnd::wrong_bytes)}) {
    scan.database = Database();
    scan.recovery = mode;
    status = open_database(files, path, mode, Purpose::read_only, scan.database);
    if (status.ok()) return end;
    if (!status.IsCorruption()) break;
  }
  // CURRENT exists, so the file it names must exist.
  const bool gone = status.IsNotFound() || status.IsPathNotFound();
  if (status.IsCorruption() || gone) return damaged_at(Seq{1}, path, status.ToString());
  return error_of(status, path);
}

/// Where a scan starts looking for gaps. Records in tables were checked when they got there, so it starts where the
/// write-ahead files begin, one block earlier; if anything is wrong, it starts at the beginning of the log, to find the
/// first seq concerned.
Seq first_to_walk(const Database& database, const FoundBlocks& in_wal, LogEnd end) {
  if (end == LogEnd::wrong_bytes) return Seq{1};
  if (in_wal.lowest > Seq{1}) return static_cast<Seq>(raw(in_wal.lowest) - 1);
  const auto blocks = database.iterate(log_blocks);
  blocks->SeekToLast();
  if (in_wal.lowest == Seq{1} || !blocks->Valid()) return Seq{1};
  return static_cast<Seq>(decode_key(blocks->key().ToStringView()).value_or(1));
}

}  // namespace

Result<LogScan> scan_log(Files& files, const std::string& dir, Extent extent) {
  const std::string path = dir + "/log";
  TailEvidence evidence;
  // In this order: a concurrent writer only adds, so whatever the seal and the files show now, the database must have
  // later.
  const Result<Seq> sealed = read_seal(dir, files);
  if (!sealed && (extent == Extent::whole || sealed.error().code != ErrorCode::damaged)) return sealed.error();
  evidence.sealed = sealed ? *sealed : Seq{};
  const FoundInWal in_wal = PAWL_TRY(blocks_in_wal(path, files));
  PAWL_TRY(check_families(files, path));

  LogScan scan;
  if (!sealed) scan.damage = sealed.error();
  evidence.end = PAWL_TRY(open_leniently(files, path, scan));
  if (evidence.end == LogEnd::clean && in_wal.has_hole) evidence.end = LogEnd::cut_short;
  evidence.highest = in_wal.highest;
  scan.begun = PAWL_TRY(check_format(scan.database, path));

  BlockWalk walk(scan.database, first_to_walk(scan.database, in_wal, evidence.end), path);
  while (true) {
    const Result<std::optional<Block>> block = walk.next_block();
    const bool is_newer = !block && block.error().code == ErrorCode::unsupported;
    if (is_newer && extent == Extent::whole) return block.error();
    if (is_newer) scan.damage = block.error();
    if (!block) evidence.end = LogEnd::wrong_bytes;
    if (!block || !*block) break;
  }
  evidence.last = walk.last();
  scan.last = evidence.last;
  const Result<std::optional<Seq>> torn_at = judge_tail(evidence, path);
  if (!torn_at && (extent == Extent::whole || scan.last == Seq{})) return torn_at.error();
  if (!torn_at && !scan.damage) scan.damage = torn_at.error();
  if (torn_at) scan.torn_at = *torn_at;
  return scan;
}

}  // namespace pawl
