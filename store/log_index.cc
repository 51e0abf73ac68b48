#include "store/log_index.h"

#include <algorithm>
#include <map>
#include <utility>

#include "engine/state/pipeline.h"
#include "engine/state/state.h"
#include "schema/subject.h"
#include "store/checkpoint.h"

namespace pawl {
namespace {

/// A longer tail is not read to complete what the index knows: walking the archive is then not worse.
constexpr std::size_t tail_records_max = 100'000;
/// Two wanted records that are closer are read in one go: a new read costs more than some records on the way.
constexpr std::uint64_t gap_read_max = 500;

/// The task that an accepted record moves to a terminal stage.
std::optional<TaskId> ended_by(const fb::Record& record) {
  if (record.stamp()->outcome() != static_cast<std::uint16_t>(Outcome::accepted)) return std::nullopt;
  if (const auto* cancelled = record.event_as_TaskCancelled()) return TaskId{cancelled->task()};
  const auto* moved = record.event_as_StageTransition();
  return moved && is_terminal(moved->to()->string_view()) ? std::optional(TaskId{moved->task()}) : std::nullopt;
}

/// The entries of one chunk.
class Chunk {
 public:
  void add(const fb::Record& record) {
    const Seq seq{record.stamp()->seq()};
    if (const auto* created = record.event_as_TaskCreated()) {
      const std::uint64_t hash = created_hash(TimeUs{record.stamp()->time_us()}, created->repo()->string_view(),
                                              created->work_item()->string_view());
      seqs_[{IndexKind::created, hash}].add(seq);
      return;
    }
    const Subject subject = subject_of(record);
    if (const auto task = task_of(subject)) seqs_[{IndexKind::of_task, raw(*task)}].add(seq);
    if (subject.job) seqs_[{IndexKind::of_job, raw(*subject.job)}].add(seq);
  }

  void add(const ArchivedTask& archived) {
    const std::uint64_t task = raw(archived.task.id);
    add_task(IndexKind::of_work_item, name_hash(archived.task.work_item), task);
    add_task(IndexKind::in_repo, name_hash(archived.task.repo), task);
    add_task(IndexKind::on_stage, name_hash(archived.task.stage), task);
    for (const Job& job : archived.jobs) {
      add_task(IndexKind::task_of_job, raw(job.id), task);
    }
  }

  /// The entries, with the mark as the last one.
  std::vector<IndexEntry> finish(const IndexMark& mark) && {
    for (const auto& [of, seqs] : seqs_) {
      entries_.push_back({index_key(of.first, of.second, raw(seqs.last())), seqs.value()});
    }
    entries_.push_back(mark_entry(mark));
    return std::move(entries_);
  }

 private:
  void add_task(IndexKind kind, std::uint64_t number, std::uint64_t task) {
    entries_.push_back({index_key(kind, number, task), {}});
  }

  std::map<std::pair<IndexKind, std::uint64_t>, PackedSeqs> seqs_;
  std::vector<IndexEntry> entries_;
};

Error malformed_entry() {
  return {ErrorCode::damaged, "the index has an entry that is malformed"};
}

}  // namespace

bool is_of(const fb::Record& record, const TaskAndJobs& traces) {
  if (const auto* created = record.event_as_TaskCreated()) {
    return record.stamp()->time_us() == traces.task.created.us && created->repo()->string_view() == traces.task.repo &&
           created->work_item()->string_view() == traces.task.work_item;
  }
  const Subject subject = subject_of(record);
  return task_of(subject) == traces.task.id || (subject.job && traces.jobs.contains(*subject.job));
}

// --- The thread that makes it ---

Result<std::optional<std::string>> LogIndex::begin() {
  IndexMark mark;
  std::optional<std::string> why;
  bool is_empty = true;
  const Result<void> read = store_.scan({}, [&](std::string_view key, std::string_view value) {
    is_empty = false;
    std::optional<IndexMark> stored = key == mark_key() ? mark_in(value) : std::nullopt;
    if (stored) {
      mark = *std::move(stored);
    } else {
      why = "it is of another version of pawl";
    }
    return false;
  });
  if (!read) why = read.error().message;
  if (read && !why && !is_empty) {
    bool is_same = false;
    PAWL_TRY(journal_.read(mark.seq, [&](RecordBytes bytes) {
      const auto record = view_record(bytes);
      is_same = record && (*record)->stamp()->seq() == raw(mark.seq) && chain_of(**record) == mark.chain;
      return false;
    }));
    if (!is_same) why = "it is not of this log's record " + std::to_string(raw(mark.seq));
  }
  if (why) {
    PAWL_TRY(clear());
  } else {
    const MutexLock lock(mutex_);
    fault_.reset();
    mark_ = std::move(mark);
  }
  return why;
}

Result<std::size_t> LogIndex::extend(std::size_t records_max) {
  IndexMark mark;
  {
    const MutexLock lock(mutex_);
    if (fault_) return *fault_;
    mark = mark_;
  }
  Chunk chunk;
  std::size_t records = 0;
  std::optional<Error> damage;
  PAWL_TRY(journal_.read(next(mark.seq), [&](RecordBytes bytes) {
    const auto record = view_record(bytes);
    if (!record) {
      damage = record.error();
      return false;
    }
    chunk.add(**record);
    if (const auto task = ended_by(**record)) mark.ending.insert(*task);
    mark.seq = Seq{(*record)->stamp()->seq()};
    mark.chain = chain_of(**record);
    return ++records < records_max;
  }));
  if (damage) return *damage;
  if (records == 0) return records;

  for (auto at = mark.ending.begin(); at != mark.ending.end();) {
    const auto bytes = archive_.find(*at);
    const auto archived = bytes ? unpack_archived(*bytes) : Result<Unarchived>(bytes.error());
    // What is not archived yet, or damaged, stays: each list also looks at these.
    if (archived) chunk.add(archived->rows);
    at = archived ? mark.ending.erase(at) : std::next(at);
  }
  const std::vector<IndexEntry> entries = std::move(chunk).finish(mark);
  PAWL_TRY(store_.add(entries));
  const MutexLock lock(mutex_);
  if (!fault_) mark_ = std::move(mark);
  return records;
}

Result<void> LogIndex::clear() {
  {
    const MutexLock lock(mutex_);
    mark_ = {};
    ++clears_;
    fault_.reset();
  }
  return store_.clear();
}

std::optional<Error> LogIndex::fault() const {
  const MutexLock lock(mutex_);
  return fault_;
}

// --- Any thread ---

Seq LogIndex::reach() const {
  const MutexLock lock(mutex_);
  return mark_.seq;
}

std::optional<LogIndex::Look> LogIndex::look() const {
  const MutexLock lock(mutex_);
  if (mark_.seq == Seq{}) return std::nullopt;
  return Look{mark_, clears_};
}

bool LogIndex::is_still(const Look& look) const {
  const MutexLock lock(mutex_);
  return look.clears == clears_;
}

void LogIndex::fail(const Error& error) {
  const MutexLock lock(mutex_);
  fault_ = error;
  mark_ = {};
  ++clears_;
}

std::optional<LogIndex::Found> LogIndex::records_of(const TaskAndJobs& traces, Seq from, std::size_t count) {
  const std::optional<Look> look = this->look();
  if (!look || look->mark.seq < from) return std::nullopt;
  Found found{.seqs = {}, .upto = look->mark.seq};
  const Task& task = traces.task;
  Result<void> read =
      read_seqs(IndexKind::created, created_hash(task.created, task.repo, task.work_item), from, count, found);
  if (read) read = read_seqs(IndexKind::of_task, raw(task.id), from, count, found);
  for (const JobId job : traces.jobs) {
    if (read) read = read_seqs(IndexKind::of_job, raw(job), from, count, found);
  }
  if (!read) {
    fail(read.error());
    return std::nullopt;
  }
  if (!is_still(*look)) return std::nullopt;
  std::sort(found.seqs.begin(), found.seqs.end());
  found.seqs.erase(std::unique(found.seqs.begin(), found.seqs.end()), found.seqs.end());
  while (!found.seqs.empty() && found.seqs.back() > found.upto) found.seqs.pop_back();
  return found;
}

/// Adds `count` seqs or a few more. If there are yet more, `found` is complete up to the last one only.
Result<void> LogIndex::read_seqs(IndexKind kind, std::uint64_t number, Seq from, std::size_t count, Found& found) {
  std::vector<Seq> seqs;
  bool is_sound = true;
  PAWL_TRY(store_.scan(index_key(kind, number, raw(from)), [&](std::string_view key, std::string_view value) {
    const auto at = index_key_in(key, kind);
    if (!at || at->number != number) return false;
    if (seqs.size() >= count) {
      found.upto = std::min(found.upto, seqs.back());
      return false;
    }
    is_sound = unpack_seqs(value, Seq{at->last}, seqs);
    return is_sound;
  }));
  if (!is_sound) return malformed_entry();
  const auto first = std::lower_bound(seqs.begin(), seqs.end(), from);
  found.seqs.insert(found.seqs.end(), first, seqs.end());
  return {};
}

std::optional<LogIndex::FoundTasks> LogIndex::archived_with(const Names& names, TaskId first, std::size_t count) {
  if (!names.work_item && !names.repo && !names.stage) return std::nullopt;
  const std::optional<Look> look = this->look();
  if (!look) return std::nullopt;
  FoundTasks found;
  if (const Result<void> read = read_tasks(names, first, count, found); !read) {
    fail(read.error());
    return std::nullopt;
  }
  const std::optional<std::set<TaskId>> others = not_indexed_yet(*look);
  if (!others || !is_still(*look)) return std::nullopt;
  for (const TaskId task : *others) {
    if (task >= first && (!found.upto || task <= *found.upto)) found.tasks.insert(task);
  }
  return found;
}

Result<void> LogIndex::read_tasks(const Names& names, TaskId first, std::size_t count, FoundTasks& found) {
  std::vector<std::pair<IndexKind, std::uint64_t>> lists;
  if (names.work_item) lists.emplace_back(IndexKind::of_work_item, name_hash(*names.work_item));
  if (names.repo) lists.emplace_back(IndexKind::in_repo, name_hash(*names.repo));
  if (names.stage) lists.emplace_back(IndexKind::on_stage, name_hash(*names.stage));

  // Goes along the lists in turn: each leads on to the first task that it has, and a task on which all agree is found.
  std::uint64_t wanted = raw(first);
  std::size_t agreed = 0;
  std::size_t seen = 0;
  for (std::size_t i = 0;; i = (i + 1) % lists.size()) {
    const IndexKind kind = lists[i].first;
    const std::uint64_t hash = lists[i].second;
    bool has_more = false;
    PAWL_TRY(store_.scan(index_key(kind, hash, wanted), [&](std::string_view key, std::string_view) {
      const auto at = index_key_in(key, kind);
      has_more = at && at->number == hash;
      if (!has_more) return false;
      agreed = at->last == wanted ? agreed + 1 : 1;
      wanted = at->last;
      if (agreed >= lists.size()) {
        found.tasks.insert(TaskId{wanted++});
        agreed = 0;
      }
      return ++seen < count && lists.size() == 1;
    }));
    if (!has_more) return {};
    if (seen >= count && wanted > raw(first)) break;
  }
  found.upto = TaskId{wanted - 1};
  return {};
}

/// Tasks that may be in the archive, but not in the index. None: the tail is too long to be read for it.
std::optional<std::set<TaskId>> LogIndex::not_indexed_yet(const Look& look) {
  if (raw(journal_.last_seq()) - raw(look.mark.seq) > tail_records_max) return std::nullopt;
  const MutexLock lock(tail_mutex_);
  if (tail_.clears != look.clears || tail_.from != look.mark.seq) {
    tail_ = {.clears = look.clears, .from = look.mark.seq, .upto = look.mark.seq, .ended = look.mark.ending};
  }
  bool is_whole = true;
  const Result<void> read = journal_.read(next(tail_.upto), [&](RecordBytes bytes) PAWL_REQUIRES(tail_mutex_) {
    const auto record = view_record(bytes);
    is_whole = record.has_value();
    if (!is_whole) return false;
    if (const auto task = ended_by(**record)) tail_.ended.insert(*task);
    tail_.upto = Seq{(*record)->stamp()->seq()};
    return true;
  });
  return read && is_whole ? std::optional(tail_.ended) : std::nullopt;
}

std::optional<std::set<TaskId>> LogIndex::archived_with(JobId job) {
  const std::optional<Look> look = this->look();
  if (!look) return std::nullopt;
  std::optional<std::set<TaskId>> tasks;
  const Result<void> read =
      store_.scan(index_key(IndexKind::task_of_job, raw(job), 0), [&](std::string_view key, std::string_view) {
        const auto at = index_key_in(key, IndexKind::task_of_job);
        if (at && at->number == raw(job)) tasks.emplace({TaskId{at->last}});
        return false;
      });
  if (!read) {
    fail(read.error());
    return std::nullopt;
  }
  if (!tasks) tasks = not_indexed_yet(*look);
  return is_still(*look) ? tasks : std::nullopt;
}

// --- Reading what it finds ---

Result<void> walk_for_job(Archive& archive, LogIndex* index, JobId job,
                          const std::function<bool(TaskId, RecordBytes)>& each) {
  const auto tasks = index ? index->archived_with(job) : std::nullopt;
  if (!tasks) return archive.walk(TaskId{1}, each);
  for (const TaskId task : *tasks) {
    const auto bytes = archive.find(task);
    if (!bytes && bytes.error().code == ErrorCode::missing) continue;  // still in memory
    if (!bytes) return bytes.error();
    if (!each(task, *bytes)) break;
  }
  return {};
}

Result<void> read_these(Journal& journal, const std::vector<Seq>& seqs, const std::function<bool(RecordBytes)>& each) {
  std::optional<Error> damage;
  bool goes_on = true;
  for (auto wanted = seqs.begin(); goes_on && wanted != seqs.end();) {
    const auto first = wanted;
    PAWL_TRY(journal.read(*wanted, [&](RecordBytes bytes) {
      const auto record = view_record(bytes);
      if (!record) {
        damage = record.error();
        return false;
      }
      const Seq seq{(*record)->stamp()->seq()};
      if (seq >= *wanted) {
        ++wanted;
        goes_on = each(bytes);
      }
      return goes_on && wanted != seqs.end() && raw(*wanted) - raw(seq) <= gap_read_max;
    }));
    if (damage) return *damage;
    if (wanted == first) break;  // beyond the end
  }
  return {};
}

}  // namespace pawl
