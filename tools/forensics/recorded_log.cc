#include "tools/forensics/recorded_log.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "schema/subject.h"
#include "store/checkpoint.h"
#include "tools/forensics/line_form.h"
#include "tools/forensics/log_source.h"

namespace pawl {
namespace {

constexpr std::string_view reaper = "reaper";

/// Judged by what apply made of it: the task remembers a gate's result if it counts.
bool is_heeded(const fb::Record& record, const State& after) {
  const auto* gate = record.event_as_GateEvaluated();
  if (!gate || principal_of(record).empty()) return true;
  const Task* task = after.tasks.find(TaskId{gate->task()});
  return task && task->gate && task->gate->seq == Seq{record.stamp()->seq()};
}

/// Copies standard input to a file without a name, which lasts as long as the process. Returns a path to it.
Result<std::string> kept_input() {
  std::FILE* kept = std::tmpfile();
  const auto failed = [] { return Error{ErrorCode::io, std::string("standard input: ") + std::strerror(errno)}; };
  if (!kept) return failed();
  std::vector<char> chunk(std::size_t{64} * 1024);
  while (const std::size_t bytes = std::fread(chunk.data(), 1, chunk.size(), stdin)) {
    if (std::fwrite(chunk.data(), 1, bytes, kept) != bytes) return failed();
  }
  if (std::ferror(stdin) || std::fflush(kept) != 0) return failed();
  return "/proc/self/fd/" + std::to_string(::fileno(kept));
}

/// Into a sorted vector. Most have their place at its end.
template <class Value>
void insert(std::vector<Value>& sorted, const Value& value) {
  sorted.insert(std::upper_bound(sorted.begin(), sorted.end(), value), value);
}

/// Names standard input instead of its copy.
void name_input(std::string& message, const std::string& path) {
  if (message.starts_with(path)) message.replace(0, path.size(), "standard input");
}

}  // namespace

RecordedGroup recorded(const AppliedGroup& applied) {
  RecordedGroup group;
  group.reserve(applied.records.size());
  for (std::size_t i = 0; i < applied.records.size(); ++i) {
    RecordedEvent event{.bytes = {applied.read[i].bytes.begin(), applied.read[i].bytes.end()},
                        .effects = applied.records[i].applied.effects};
    event.is_heeded = is_heeded(event.record(), applied.state);
    group.push_back(std::move(event));
  }
  return group;
}

void JobPlaces::add(const Job& job) {
  JobPlace place{job.task, job.version, 0};
  while (job_at(place)) ++place.ordinal;
  insert(places_, std::pair(job.id, place));
  insert(of_task_, std::pair(job.task, job.id));
}

void JobPlaces::add(const State& after, const std::vector<ArchivedTask>& archived, const Effects& effects) {
  for (const Effect& effect : effects) {
    if (effect.kind != EffectKind::job_queued || place_of(JobId{effect.id})) continue;
    if (const Job* job = after.jobs.find(JobId{effect.id})) add(*job);
    for (const ArchivedTask& task : archived) {
      for (const Job& job : task.jobs) {
        if (job.id == JobId{effect.id}) add(job);
      }
    }
  }
}

void JobPlaces::share(const Effects& effects) {
  for (const Effect& effect : effects) {
    if (effect.kind == EffectKind::job_queued) shared_to_ = std::max(shared_to_, JobId{effect.id});
  }
}

std::optional<JobPlace> JobPlaces::place_of(JobId job) const {
  const auto found = std::lower_bound(places_.begin(), places_.end(), job,
                                      [](const auto& each, JobId wanted) { return each.first < wanted; });
  if (found != places_.end() && found->first == job) return found->second;
  return job <= shared_to_ ? shared_->place_of(job) : std::nullopt;
}

std::optional<JobId> JobPlaces::job_at(const JobPlace& place) const {
  auto at = std::lower_bound(of_task_.begin(), of_task_.end(), std::pair(place.task, JobId{0}));
  for (; at != of_task_.end() && at->first == place.task; ++at) {
    if (place_of(at->second) == place) return at->second;
  }
  const auto found = shared_ ? shared_->job_at(place) : std::nullopt;
  return found && *found <= shared_to_ ? found : std::nullopt;
}

LogBeginning RecordedLog::beginning() const {
  if (checkpoint_.empty()) return {};
  auto restored = unpack_checkpoint(checkpoint_);
  PAWL_ASSERT(restored.has_value());  // begin() packed it from a valid state.
  return {std::move(restored->state), restored->chain};
}

void RecordedLog::begin(const State& state, const Chain& chain) {
  if (state.last_seq > Seq{0}) checkpoint_ = pack_checkpoint(state, chain).bytes;
  audit_ = Audit(next(state.last_seq));
  for (const auto& [id, job] : state.jobs.rows()) jobs_.add(job);
  facts_.begin(state);
}

void RecordedLog::learn(const AppliedGroup& applied) {
  audit_.keep(applied.state);
  Effects effects;
  for (const AppliedRecord& item : applied.records) {
    effects.insert(effects.end(), item.applied.effects.begin(), item.applied.effects.end());
  }
  jobs_.add(applied.state, {applied.archived.begin(), applied.archived.end()}, effects);
  if (begin_time_ == TimeUs{}) begin_time_ = {applied.records.front().record.stamp()->time_us()};
  end_time_ = {applied.records.back().record.stamp()->time_us()};
  for (std::size_t i = 0; i < applied.records.size(); ++i) {
    const fb::Record& record = applied.records[i].record;
    const bool is_accepted = applied.records[i].applied.outcome == Outcome::accepted;
    const auto kept = [&] {
      return RecordedEvent{.bytes = {applied.read[i].bytes.begin(), applied.read[i].bytes.end()},
                           .effects = applied.records[i].applied.effects};
    };
    if (is_accepted && is_heeded(record, applied.state)) facts_.learn(record);
    if (const auto* marked = record.event_as_FinalizerMarked(); marked && !was_marked(JobId{marked->job()})) {
      insert(marked_, JobId{marked->job()});
    }
    if (record.event_as_SettingChanged() && is_accepted) settings_.push_back(kept());
    if (!record.event_as_JobReaped()) continue;
    const Seq seq{record.stamp()->seq()};
    const std::optional<TaskId> task = task_of(*this, record);
    if (task && record.actor()->string_view() == reaper) reaps_of_[*task].push_back(seq);
    reaps_.emplace(seq, kept());
  }
  for (const ArchivedTask& archived : applied.archived) facts_.forget(archived.jobs);
}

Result<RecordedLog> RecordedLog::read_up_to(const LogWalker& walker, Seq to, Extent extent) {
  RecordedLog log{Audit(Seq{1})};
  log.walker_ = walker;
  std::optional<Seq> proved;
  ReplicaPolicy policy = proving_policy([&](const AppliedGroup& group) {
    log.learn(group);
    proved = Seq{group.records.back().record.stamp()->seq()};
  });
  policy.apply = [&log](State& state, std::span<const VerifiedRecord> group) { return log.audit_.apply(state, group); };
  policy.wants = [to](const State&, std::span<const VerifiedRecord> group) -> Result<bool> {
    return group.back().seq() <= to;
  };
  std::optional<Replica> replica;
  LogWalk walk{.begin = [&](State state, const Chain& chain) -> Replica& {
    log.begin(state, chain);
    return replica.emplace(std::move(state), chain, policy);
  }};
  if (extent == Extent::part) walk.broken = [&log](LogBreak at) { log.broken_ = std::move(at); };
  log.torn_at_ = PAWL_TRY(walker(walk));
  if (const auto& difference = replica->difference()) {
    if (extent == Extent::whole || !proved) return error_of(*difference);
    // The group that differs was applied and audited: read again, without it.
    RecordedLog before = PAWL_TRY(read_up_to(walker, *proved, extent));
    before.torn_at_ = log.torn_at_;
    before.broken_ = break_at(*difference);
    return before;
  }
  log.facts_.finish();
  log.end_ = std::move(*replica).release();
  log.audit_.conclude(*log.end_);
  return log;
}

Result<RecordedLog> RecordedLog::read_of(const std::string& path, Extent extent) {
  const std::string kept = path == "-" ? PAWL_TRY(kept_input()) : path;
  auto log = read_up_to(walker_of(kept), no_end, extent);
  if (path != "-") return log;
  if (!log) {
    Error error = log.error();
    name_input(error.message, kept);
    return error;
  }
  if (log->broken_) name_input(log->broken_->why, kept);
  return log;
}

Result<RecordedLog> RecordedLog::read(const std::string& path) {
  return read_of(path, Extent::whole);
}

Result<RecordedLog> RecordedLog::read_part(const std::string& path) {
  return read_of(path, Extent::part);
}

Result<RecordedLog> RecordedLog::read_part(Journal& journal) {
  return read_up_to(walker_of(journal), journal.last_seq(), Extent::part);
}

Result<void> RecordedLog::walk(const Reader& each) const {
  bool is_over = false;
  ReplicaPolicy policy;
  policy.wants = [&](const State&, std::span<const VerifiedRecord> group) -> Result<bool> {
    return !is_over && group.back().seq() <= last();
  };
  policy.each = [&](const AppliedGroup& applied) {
    if (!is_over) is_over = !each(recorded(applied), applied);
  };
  std::optional<Replica> replica;
  PAWL_TRY(walker_({.begin = [&](State state, const Chain& chain) -> Replica& {
                      return replica.emplace(std::move(state), chain, policy);
                    },
                    .broken = broken_ ? [](const LogBreak&) {} : std::function<void(LogBreak)>(),
                    .purpose = "reading it again"}));
  if (replica->difference()) return error_of(*replica->difference());
  const bool is_short = !is_over && replica->state().last_seq < last();
  if (is_short) return Error{ErrorCode::damaged, "the log has changed while it was read"};
  return {};
}

TimeUs RecordedLog::time_of(Seq seq) const {
  if (seq < first()) return begin_time_;
  const auto heading = audit_.heading(seq);
  return heading ? heading->time : TimeUs{};
}

bool RecordedLog::was_marked(JobId job) const {
  return std::binary_search(marked_.begin(), marked_.end(), job);
}

const RecordedEvent* RecordedLog::reap(Seq seq) const {
  const auto found = reaps_.find(seq);
  return found == reaps_.end() ? nullptr : &found->second;
}

const RecordedEvent* RecordedLog::reap_from(Seq seq, TaskId task) const {
  const auto of_task = reaps_of_.find(task);
  if (of_task == reaps_of_.end()) return nullptr;
  const auto found = std::lower_bound(of_task->second.begin(), of_task->second.end(), seq);
  return found == of_task->second.end() ? nullptr : reap(*found);
}

std::optional<TaskId> task_of(const RecordedLog& log, const fb::Record& record) {
  const Subject subject = subject_of(record);
  if (const auto task = task_of(subject)) return task;
  const auto place = subject.job ? log.jobs().place_of(*subject.job) : std::nullopt;
  return place ? std::optional(place->task) : std::nullopt;
}

}  // namespace pawl
