#include "daemon/api/log_memory.h"

#include <algorithm>
#include <utility>

#include "schema/outcome.h"
#include "schema/record_view.h"

namespace pawl {
namespace {

/// How many records to read at a time, and how far back in total: reading a long log takes too long to wait for.
constexpr std::uint64_t records_per_read = 4096;
constexpr std::uint64_t records_back_max = 1'000'000;

LastRecord last_record_of(const fb::Record& record) {
  return {.seq = Seq{record.stamp()->seq()},
          .time = TimeUs{record.stamp()->time_us()},
          .actor = record.actor()->str(),
          .principal = record.principal() ? record.principal()->str() : std::string()};
}

}  // namespace

std::optional<LastRecord> LogMemory::setting_changed(const std::string& key) {
  return last({.kind = Kind::setting, .id = 0, .name = key}, Seq{0});
}

std::optional<LastRecord> LogMemory::blocked(TaskId task, JobId job, Seq after) {
  auto said = last({.kind = Kind::blocked, .id = raw(task)}, after);
  auto ended = raw(job) == 0 ? std::nullopt : last({.kind = Kind::job_ended, .id = raw(job)}, after);
  if (!said || (ended && ended->seq > said->seq)) return ended;
  return said;
}

std::optional<LastRecord> LogMemory::cancel_requested(TaskId task) {
  return last({.kind = Kind::cancel_requested, .id = raw(task)}, Seq{0});
}

std::optional<LastRecord> LogMemory::restored() {
  return last({.kind = Kind::restored}, Seq{0});
}

std::optional<LastRecord> LogMemory::at(Seq seq) {
  std::optional<LastRecord> found;
  const auto read = journal_.read(seq, [&](RecordBytes bytes) {
    const auto record = view_record(bytes);
    if (record && (*record)->stamp()->seq() == raw(seq)) found = last_record_of(**record);
    return false;
  });
  return read ? found : std::nullopt;
}

std::optional<LastRecord> LogMemory::last(const Key& key, Seq after) {
  const MutexLock lock(mutex_);
  const Seq end = journal_.last_seq();
  if (raw(end) == 0) return std::nullopt;
  if (raw(to_) == 0) {
    from_ = next(end);
    to_ = end;
  } else if (end > to_) {
    read(next(to_), end);
    to_ = end;
  }
  const Seq oldest{raw(end) > records_back_max ? raw(end) - records_back_max : 0};
  const Seq floor = std::max(after, oldest);
  while (true) {
    const auto found = last_.find(key);
    if (found != last_.end()) return found->second.seq > after ? std::optional(found->second) : std::nullopt;
    if (raw(from_) <= raw(floor) + 1) return std::nullopt;
    const Seq begin{raw(from_) > records_per_read ? raw(from_) - records_per_read : 1};
    read(begin, Seq{raw(from_) - 1});
    from_ = begin;
  }
}

void LogMemory::note(const Key& key, const fb::Record& record) {
  LastRecord seen = last_record_of(record);
  const auto [entry, is_new] = last_.try_emplace(key, seen);
  if (!is_new && entry->second.seq < seen.seq) entry->second = std::move(seen);
}

void LogMemory::read(Seq from, Seq to) {
  // Ignores read errors here: other code checks the log.
  (void)journal_.read(from, [&](RecordBytes bytes) PAWL_REQUIRES(mutex_) {
    const auto viewed = view_record(bytes);
    if (!viewed) return false;
    const fb::Record& record = **viewed;
    if (record.stamp()->seq() > raw(to)) return false;
    if (record.stamp()->outcome() != static_cast<std::uint16_t>(Outcome::accepted)) return true;
    if (const auto* changed = record.event_as_SettingChanged()) {
      note({.kind = Kind::setting, .id = 0, .name = changed->key()->str()}, record);
    } else if (const auto* blocked = record.event_as_TaskBlocked()) {
      note({.kind = Kind::blocked, .id = blocked->task()}, record);
    } else if (const auto* finished = record.event_as_JobFinished()) {
      if (finished->result() != fb::JobResult::done) note({.kind = Kind::job_ended, .id = finished->job()}, record);
    } else if (const auto* reaped = record.event_as_JobReaped()) {
      note({.kind = Kind::job_ended, .id = reaped->job()}, record);
    } else if (const auto* cancel = record.event_as_CancelRequested()) {
      note({.kind = Kind::cancel_requested, .id = cancel->task()}, record);
    } else if (record.event_as_LogRestored()) {
      note({.kind = Kind::restored}, record);
    }
    return true;
  });
}

}  // namespace pawl
