#include "tools/forensics/recorded_log.h"

#include "schema/subject.h"
#include "store/checkpoint.h"
#include "tools/forensics/line_form.h"
#include "tools/forensics/log_source.h"

namespace pawl {
namespace {

/// Judged by what apply made of it: the task remembers a gate's result if it counts.
bool is_heeded(const fb::Record& record, const State& after) {
  const auto* gate = record.event_as_GateEvaluated();
  if (!gate || principal_of(record).empty()) return true;
  const Task* task = after.tasks.find(TaskId{gate->task()});
  return task && task->gate && task->gate->seq == Seq{record.stamp()->seq()};
}

void keep(const AppliedGroup& applied, RecordedLog& log) {
  RecordedGroup group;
  Effects effects;
  for (std::size_t i = 0; i < applied.records.size(); ++i) {
    const Effects& of_record = applied.records[i].applied.effects;
    effects.insert(effects.end(), of_record.begin(), of_record.end());
    RecordedEvent event{.bytes = {applied.read[i].bytes.begin(), applied.read[i].bytes.end()}, .effects = of_record};
    event.is_heeded = is_heeded(event.record(), applied.state);
    group.push_back(std::move(event));
  }
  log.jobs.add(applied.state, {applied.archived.begin(), applied.archived.end()}, effects);
  log.groups.push_back(std::move(group));
}

}  // namespace

void JobPlaces::add(const Job& job) {
  JobPlace place{job.task, job.version, 0};
  while (jobs_.contains(place)) ++place.ordinal;
  places_.emplace(job.id, place);
  jobs_.emplace(place, job.id);
}

void JobPlaces::add(const State& after, const std::vector<ArchivedTask>& archived, const Effects& effects) {
  for (const Effect& effect : effects) {
    if (effect.kind != EffectKind::job_queued || places_.contains(JobId{effect.id})) continue;
    if (const Job* job = after.jobs.find(JobId{effect.id})) add(*job);
    for (const ArchivedTask& task : archived) {
      for (const Job& job : task.jobs) {
        if (job.id == JobId{effect.id}) add(job);
      }
    }
  }
}

std::optional<JobPlace> JobPlaces::place_of(JobId job) const {
  const auto found = places_.find(job);
  return found == places_.end() ? std::nullopt : std::optional(found->second);
}

std::optional<JobId> JobPlaces::job_at(const JobPlace& place) const {
  const auto found = jobs_.find(place);
  return found == jobs_.end() ? std::nullopt : std::optional(found->second);
}

LogBeginning beginning_of(const RecordedLog& log) {
  if (log.checkpoint.empty()) return {};
  auto restored = unpack_checkpoint(log.checkpoint);
  PAWL_ASSERT(restored.has_value());  // read_recorded() packed it from a valid state.
  return {std::move(restored->state), restored->chain};
}

namespace {

Result<RecordedLog> read(const std::string& path, const std::function<void(LogBreak)>& broken) {
  RecordedLog log;
  std::optional<Replica> replica;
  const ReplicaPolicy policy = proving_policy([&log](const AppliedGroup& group) { keep(group, log); });
  log.torn_at = PAWL_TRY(walk_log(path, {.begin = [&](State state, const Chain& chain) -> Replica& {
                                           if (state.last_seq > Seq{0}) {
                                             log.checkpoint = pack_checkpoint(state, chain).bytes;
                                           }
                                           for (const auto& [id, job] : state.jobs.rows()) log.jobs.add(job);
                                           return replica.emplace(std::move(state), chain, policy);
                                         },
                                         .broken = broken}));
  if (!replica->difference()) return log;
  if (!broken || log.groups.empty()) return error_of(*replica->difference());
  broken(break_at(*replica->difference()));
  return log;
}

}  // namespace

Result<RecordedLog> read_recorded(const std::string& path) {
  return read(path, {});
}

Result<RecordedLog> read_recorded_part(const std::string& path) {
  std::optional<LogBreak> broken;
  RecordedLog log = PAWL_TRY(read(path, [&](LogBreak at) { broken = std::move(at); }));
  log.broken = std::move(broken);
  return log;
}

}  // namespace pawl
