#include "store/restore.h"

#include <fcntl.h>
#include <sys/file.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <utility>

#include "store/checkpoint.h"
#include "store/data_dir.h"
#include "store/open.h"
#include "store/os/file_lock.h"
#include "store/replica.h"
#include "store/rocks_log.h"

namespace pawl {
namespace {

constexpr const char* marker = "restoring";

std::string fresh_of(const std::string& data) {
  return data + ".new";
}

std::string parent_of(const std::string& path) {
  return std::filesystem::absolute(path).lexically_normal().parent_path().string();
}

/// The lock on a file, held for the lifetime of the descriptor; none if the file does not exist. `busy` if another
/// process has it.
Result<Descriptor> lock_if_there(const std::string& path, const std::string& busy) {
  Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file || try_lock(file) || errno != EWOULDBLOCK) return file;
  return Error{ErrorCode::busy, busy};
}

/// Keeps writers out of the backup while it is read. A backup made by `pawl backup` has no lock file and is never
/// written to.
Result<Descriptor> hold_still(const std::string& backup) {
  return lock_if_there(
      backup + "/LOCK",
      backup + " is in use: a daemon is writing to it. Make a backup with `pawl backup`, and restore from that");
}

/// Keeps other restores out of DATA.new.
Result<Descriptor> hold_fresh(const std::string& fresh) {
  return lock_if_there(fresh + "/" + marker, fresh + " is in use: another restore is in progress");
}

/// The lock on the folder in which DATA.new is created, held while that happens: of two restores at once, neither must
/// take the other's for an interrupted one. Waits for the lock; continues without it if folders cannot be locked.
Descriptor hold_parent(const std::string& data) {
  Descriptor parent(::open(parent_of(data).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (parent) ::flock(parent.get(), LOCK_EX);
  return parent;
}

/// Removes what an interrupted restore left behind.
Result<void> clear_fresh(const std::string& fresh, Files& files) {
  if (!PAWL_TRY(files.exists(fresh))) return {};
  const std::vector<std::string> names = PAWL_TRY(files.names_in(fresh));
  const bool is_ours = std::find(names.begin(), names.end(), marker) != names.end();
  if (!names.empty() && !is_ours) {
    return Error{ErrorCode::malformed, fresh + " exists, and no restore left it there: move it away first"};
  }
  const Descriptor held = PAWL_TRY(hold_fresh(fresh));
  files.remove_all(fresh);
  if (PAWL_TRY(files.exists(fresh))) return Error{ErrorCode::io, fresh + " cannot be removed"};
  return {};
}

/// RocksDB's text logs and its lock file are not part of the log.
bool is_of_the_log(const std::string& name) {
  return name != "LOCK" && name != "LOG" && !name.starts_with("LOG.old");
}

Result<void> copy_file(const std::string& from, const std::string& to, Files& files) {
  const std::string bytes = PAWL_TRY(files.read(from));
  PAWL_TRY(files.write(to, bytes));
  return files.sync(to);
}

/// Never uses hard links: the backup must stay an independent copy.
Result<void> copy_log(const std::string& backup, const std::string& fresh, Files& files) {
  if (!PAWL_TRY(files.exists(backup + "/log/CURRENT"))) {
    return Error{ErrorCode::missing, backup + " has no log/: it is not a backup"};
  }
  PAWL_TRY(files.make_dir(fresh + "/log"));
  const std::vector<std::string> names = PAWL_TRY(files.names_in(backup + "/log"));
  for (const std::string& name : names) {
    if (is_of_the_log(name)) PAWL_TRY(copy_file(backup + "/log/" + name, fresh + "/log/" + name, files));
  }
  PAWL_TRY(files.sync(fresh + "/log"));
  const bool is_sealed = PAWL_TRY(files.exists(backup + "/sealed"));
  if (is_sealed) PAWL_TRY(copy_file(backup + "/sealed", fresh + "/sealed", files));
  return files.sync(fresh);
}

/// Opens the log as a start does, then verifies every record from the first on, and that every finished task is in the
/// archive.
Result<Opened> prove(Log& log) {
  Opened as_at_start = PAWL_TRY(open_state(log));
  std::optional<Error> lost;
  Replica replica({}, {}, {.each = [&](const AppliedGroup& group) {
                    for (const ArchivedTask& archived : group.archived) {
                      const auto found = log.find(archived.task.id);
                      if (!found && !lost) lost = found.error();
                    }
                  }});
  PAWL_TRY(replica.read(log));
  if (replica.difference()) return error_of(*replica.difference());
  if (lost) return *lost;
  const bool is_same =
      replica.state().last_seq == as_at_start.state.last_seq && replica.state().digest() == as_at_start.state.digest();
  if (!is_same) return Error{ErrorCode::damaged, "the log's checkpoint differs from the state that its records give"};
  as_at_start.report.replayed = replica.records();
  return as_at_start;
}

struct Planned {
  RestoreReport report;
  Decided decided;
  Chain chain{};
};

Result<Planned> plan(Log& log, std::optional<std::uint64_t> bump, TimeUs wall) {
  Opened opened = PAWL_TRY(prove(log));
  if (opened.state.last_seq == Seq{}) return Error{ErrorCode::missing, "the log has no records"};
  Planned planned;
  RestoreReport& report = planned.report;
  report.last = opened.state.last_seq;
  report.last_time = opened.state.last_time;
  report.proved = opened.report.replayed;
  report.torn_at = opened.report.torn_at;
  report.state = std::move(opened.state);
  planned.chain = opened.chain;

  const TimeUs now = std::max(wall, report.last_time);
  const Leap leap = bump ? Leap{*bump, *bump} : leap_after(report.last_time, now);
  const Ids& given = *report.state.ids.find(0);
  fb::LogRestoredT event;
  event.from = raw(report.last);
  event.next_seq = raw(report.last) + 1 + leap.seqs;
  event.next_task = raw(given.next_task) + leap.ids;
  event.next_job = raw(given.next_job) + leap.ids;
  // It has no boot: no daemon is running while a log is restored.
  const Requester requester{.boot = {}, .actor = "restore", .key = {}, .request = std::nullopt};
  planned.decided = decide(report.state, propose_group(requester, event), now);
  if (planned.decided.outcome != Outcome::accepted) {
    return Error{ErrorCode::malformed, "the restore would skip too far: seqs and ids must stay below 2^53"};
  }
  report.next_seq = report.state.last_seq;
  return planned;
}

Result<void> append(Log& log, Planned& planned) {
  Batch batch;
  for (Proposal& record : planned.decided.records) {
    planned.chain = stamp_chain(planned.chain, record);
    batch.records.emplace_back(record.data(), record.size());
  }
  for (const ArchivedTask& archived : planned.decided.archived) {
    batch.archived.push_back(pack_archived(archived, planned.report.next_seq));
  }
  PAWL_TRY(log.append(batch, planned.report.next_seq));
  return log.seal();
}

/// Creates DATA.new, which this restore holds for the lifetime of the result.
Result<Descriptor> begin_fresh(const RestoreRequest& request, const std::string& fresh, Files& files) {
  const Descriptor parent = hold_parent(request.data);
  PAWL_TRY(clear_fresh(fresh, files));
  if (!PAWL_TRY(files.make_dir(fresh))) {
    return Error{ErrorCode::malformed, fresh + " exists already: move it away first"};
  }
  PAWL_TRY(files.write(fresh + "/" + marker, request.backup + "\n"));
  return hold_fresh(fresh);
}

Result<RestoreReport> make(const RestoreRequest& request, const std::string& fresh, Files& files) {
  // Must be durable before anything else is in the folder: it identifies the folder.
  PAWL_TRY(files.sync(fresh + "/" + marker));
  PAWL_TRY(files.sync(fresh));
  PAWL_TRY(copy_log(request.backup, fresh, files));
  const std::unique_ptr<RocksLog> log = PAWL_TRY(RocksLog::open(fresh, RocksLog::Mode::write, files));
  return go_on_restored(*log, request.bump, request.now);
}

}  // namespace

Result<void> check_free(const std::string& data, Files& files) {
  if (!PAWL_TRY(files.exists(data))) return {};
  const std::vector<std::string> names = PAWL_TRY(files.names_in(data));
  if (names.empty()) return {};
  const bool is_log = PAWL_TRY(files.exists(data + "/log/CURRENT"));
  return Error{ErrorCode::malformed, is_log ? data +
                                                  " contains a log, which may have records that the backup lacks, and "
                                                  "is never overwritten: move it away first"
                                            : data + " is not empty: it contains '" + names.front() + "'"};
}

Leap leap_after(TimeUs last_record, TimeUs now) {
  const auto age_us = static_cast<std::uint64_t>(std::max<std::int64_t>(0, now.us - last_record.us));
  return {.seqs = 1'000'000'000 + age_us, .ids = 1'000'000 + age_us / 1'000};
}

Result<RestoreReport> plan_restore(const RestoreRequest& request, Files& files) {
  const Descriptor held = PAWL_TRY(hold_still(request.backup));
  const std::unique_ptr<RocksLog> log = PAWL_TRY(RocksLog::open(request.backup, RocksLog::Mode::read_only, files));
  Planned planned = PAWL_TRY(plan(*log, request.bump, request.now));
  return std::move(planned.report);
}

Result<RestoreReport> go_on_restored(Log& log, std::optional<std::uint64_t> bump, TimeUs now) {
  Planned planned = PAWL_TRY(plan(log, bump, now));
  PAWL_TRY(append(log, planned));
  return std::move(planned.report);
}

Result<RestoreReport> restore_log(const RestoreRequest& request, Files& files) {
  PAWL_TRY(check_free(request.data, files));
  const Descriptor held = PAWL_TRY(hold_still(request.backup));
  const std::string fresh = fresh_of(request.data);
  const Descriptor ours = PAWL_TRY(begin_fresh(request, fresh, files));
  Result<RestoreReport> made = make(request, fresh, files);
  Result<void> placed;
  if (made) placed = files.rename(fresh, request.data);
  if (!made || !placed) {
    files.remove_all(fresh);
    if (!made) return Error{made.error().code, request.backup + " is not restored: " + made.error().message};
    return placed.error();
  }
  PAWL_TRY(files.sync(parent_of(request.data)));
  files.remove_all(request.data + "/" + marker);  // the log is complete; if this fails, no harm is done
  return made;
}

}  // namespace pawl
