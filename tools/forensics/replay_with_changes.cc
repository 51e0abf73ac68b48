#include "tools/forensics/replay_with_changes.h"

#include <algorithm>

#include "schema/subject.h"

namespace pawl {
namespace {

Requester requester_of(const fb::Record& record) {
  return {.boot = record.boot()->str(),
          .actor = record.actor()->str(),
          .key = record.key() ? record.key()->str() : std::string(),
          .request = record.request(),
          .principal = principal_of(record)};
}

Proposal proposal_from(const fb::Record& record, const fb::EventUnion& event) {
  const Requester requester = requester_of(record);
  if (event.type == fb::Event::SettingChanged) return propose(requester, *event.AsSettingChanged());
  flatbuffers::FlatBufferBuilder builder(512);
  builder.ForceDefaults(true);
  const auto packed = event.Pack(builder);
  return finish_proposal(builder, requester, event.type, packed);
}

}  // namespace

ReplayWithChanges::ReplayWithChanges(const RecordedLog& log, const State& begun)
    : log_(log), recorded_merge_ttl_s_(begun.settings().lease.merge_ttl_s), jobs_(&log.jobs()) {
  for (const auto& [id, job] : begun.jobs.rows()) {
    jobs_.add(job);
    recorded_attempts_[raw(id)] = job.attempts;
  }
}

void ReplayWithChanges::hear(const RecordedEvent& event) {
  const auto* claimed = event.record().event_as_JobClaimed();
  if (claimed && event.is_accepted()) ++recorded_attempts_[claimed->job()];
  const auto* finished = event.record().event_as_JobFinished();
  if (finished && event.is_accepted() && finished->result() != fb::JobResult::retry) {
    recorded_attempts_.erase(finished->job());  // it is never claimed again
  }
  const auto* set = event.record().event_as_SettingChanged();
  if (set && event.is_accepted() && set->key()->string_view() == "lease.merge_ttl_s") {
    recorded_merge_ttl_s_ = set->value()->number().value_or(recorded_merge_ttl_s_);
  }
}

/// Ids, attempts, tokens and starts are the log's: only who was granted what must be known later.
void ReplayWithChanges::follow(const RecordedEvent& event) {
  if (!event.is_accepted()) return;
  const auto* released = event.record().event_as_LeaseReleased();
  if (released) grants_.erase({{event.record().boot()->str(), event.record().actor()->str()}, released->key()->str()});
  const auto* acquired = event.record().event_as_LeaseAcquired();
  if (!acquired) return;
  const std::string key = acquired->key()->str();
  for (const Effect& effect : event.effects) {
    if (effect.kind != EffectKind::lease_granted || effect.text != key) continue;
    grants_[{{event.record().boot()->str(), event.record().actor()->str()}, key}] = {.token = effect.token};
  }
}

void ReplayWithChanges::retime(const fb::Record& record, fb::LeaseAcquiredT& lease, const State& state) const {
  const Boot* boot = state.boots.find(record.boot()->str());
  const bool is_daemons = boot && boot->name == daemon_name && principal_of(record).empty();
  const bool is_of_repo = lease.key.starts_with(repo_key(""));
  if (is_daemons && is_of_repo && lease.ttl == recorded_merge_ttl_s_) lease.ttl = state.settings().lease.merge_ttl_s;
}

Lease ReplayWithChanges::as_recorded(Lease lease) const {
  const auto recorded = recorded_ttls_s_.find(lease.key);
  if (recorded != recorded_ttls_s_.end()) lease.ttl_s = recorded->second;
  return lease;
}

std::optional<JobId> ReplayWithChanges::job_of(std::uint64_t recorded) const {
  const auto place = log_.jobs().place_of(JobId{recorded});
  return place ? jobs_.job_at(*place) : std::nullopt;
}

std::uint64_t ReplayWithChanges::attempt_of(std::uint64_t job, std::uint64_t recorded) const {
  const auto found = attempts_.find({job, recorded});
  return found == attempts_.end() ? recorded : found->second;
}

std::optional<std::uint64_t> ReplayWithChanges::token_of(const fb::Record& record, const std::string& key,
                                                         std::optional<std::uint64_t> recorded,
                                                         const State& state) const {
  if (recorded) {
    const auto found = tokens_.find({key, *recorded});
    return found == tokens_.end() ? recorded : std::optional(found->second);
  }
  // With ownership off, the log's request needed no token; a requester that holds one here would have sent it.
  const auto grant = grants_.find({{record.boot()->str(), record.actor()->str()}, key});
  const Lease* held = state.lease(key);
  const bool is_his = record.stamp()->unchecked() && grant != grants_.end() && held;
  return is_his && raw(held->token) == grant->second.token ? std::optional(grant->second.token) : std::nullopt;
}

std::vector<std::pair<std::string, std::uint64_t>> ReplayWithChanges::unreturned(const fb::Record& speaker, TaskId task,
                                                                                 const State& state) const {
  std::vector<std::pair<std::string, std::uint64_t>> found;
  const Speaker name{speaker.boot()->str(), speaker.actor()->str()};
  for (auto at = grants_unlogged_.lower_bound({task, name, ""}); at != grants_unlogged_.end(); ++at) {
    const auto& [of_task, who, key] = *at;
    if (of_task != task || who != name) break;
    const Grant& grant = grants_.at({name, key});
    const Lease* held = state.lease(key);
    const bool is_his = grant.task == task && !grant.is_in_the_log;  // not granted again since
    if (is_his && held && raw(held->token) == grant.token) found.emplace_back(key, grant.token);
  }
  return found;
}

Proposal ReplayWithChanges::proposal_of(const RecordedEvent& recorded, const State& state) const {
  const fb::Record& record = recorded.record();
  fb::EventUnion event;
  event.type = record.event_type();
  event.value = fb::EventUnion::UnPack(record.event(), record.event_type(), nullptr);
  const auto token = [&](const std::string& key, std::optional<std::uint64_t>& field) {
    field = token_of(record, key, field, state);
  };
  const auto of_task = [&](auto* it) { token(task_key(TaskId{it->task}), it->token); };
  const auto of_key = [&](auto* it) { token(it->key, it->token); };
  // An id that was never given out is unknown here too; one that only the log gave out is not a job here.
  const auto job = [&](auto* it) {
    if (log_.jobs().place_of(JobId{it->job})) it->job = raw(job_of(it->job).value_or(JobId{0}));
  };
  const auto attempt = [&](auto* it) {
    it->attempt = attempt_of(it->job, it->attempt);
    job(it);
  };
  if (auto* it = event.AsStageTransition()) of_task(it);
  if (auto* it = event.AsTaskBlocked()) of_task(it);
  if (auto* it = event.AsLeaseAcquired()) {
    of_key(it);
    retime(record, *it, state);
  }
  if (auto* it = event.AsLeaseReleased()) of_key(it);
  if (auto* it = event.AsLeaseReclaimed()) of_key(it);
  if (auto* it = event.AsJobClaimed()) job(it);
  if (auto* it = event.AsFinalizerMarked()) job(it);
  if (auto* it = event.AsFinalizerCleared()) job(it);
  if (auto* it = event.AsRunStarted()) attempt(it);
  if (auto* it = event.AsRunExited()) attempt(it);
  if (auto* it = event.AsJobFinished()) attempt(it);
  if (auto* it = event.AsClaimRenewed()) attempt(it);
  if (auto* it = event.AsClaimReturned()) attempt(it);
  if (auto* it = event.AsPreviousGone()) job(it);
  if (auto* it = event.AsJobReaped()) {
    const auto place = log_.jobs().place_of(JobId{it->job});
    const Lease* held = place ? state.lease(task_key(place->task)) : nullptr;
    it->lease_token = held ? raw(held->token) : 0;
    attempt(it);
  }
  if (auto* it = event.AsStepStarted()) {
    of_task(it);
    const Task* task = state.tasks.find(TaskId{it->task});
    if (task) token(repo_key(task->repo), it->repo_token);
  }
  if (auto* it = event.AsStepFinished()) {
    const auto start = starts_.find(it->started);
    if (start != starts_.end()) it->started = start->second;
  }
  if (auto* it = event.AsLogRestored()) {
    // As far beyond this story's end as it was beyond the log's.
    const Ids& given = *state.ids.find(0);
    it->next_seq = raw(state.last_seq) + (it->next_seq - it->from);
    it->from = raw(state.last_seq);
    it->next_task = std::max(it->next_task, raw(given.next_task));
    it->next_job = std::max(it->next_job, raw(given.next_job));
  }
  return proposal_from(record, event);
}

Proposal ReplayWithChanges::proposal_with(const RecordedEvent& recorded, const SettingKey& key,
                                          const SettingValue& value) {
  fb::SettingChangedT event;
  event.key = key.name;
  event.value = std::make_unique<fb::SettingValueT>(setting_value_event(value));
  return propose(requester_of(recorded.record()), event);
}

void ReplayWithChanges::answered(const std::vector<const RecordedEvent*>& events, const Decision& decision,
                                 const State& after) {
  std::optional<TaskId> task;
  for (const RecordedEvent* event : events) {
    const fb::Record& record = event->record();
    if (const auto about = task_of(log_, record)) task = about;
    if (const auto* claimed = record.event_as_JobClaimed()) {
      const auto job = job_of(claimed->job());
      const Job* row = job ? after.jobs.find(*job) : nullptr;
      if (row) attempts_[{claimed->job(), recorded_attempts_[claimed->job()]}] = row->attempts;
    }
    if (const auto* started = record.event_as_StepStarted()) {
      const Task* row = after.tasks.find(TaskId{started->task()});
      if (const StepRow* open = row ? open_step(*row) : nullptr) starts_[raw(event->seq())] = raw(open->started);
    }
    const auto* acquired = record.event_as_LeaseAcquired();
    if (!acquired) continue;
    const std::string key = acquired->key()->str();
    const auto granted = decision.granted(key);
    const Lease* held = after.lease(key);
    recorded_ttls_s_.erase(key);
    // The rules gave a ttl to an endless request: the one that the log's setting had.
    const std::int64_t recorded_ttl_s = acquired->ttl().value_or(recorded_merge_ttl_s_);
    if (held && held->ttl_s && held->ttl_s != recorded_ttl_s) recorded_ttls_s_[key] = recorded_ttl_s;
    // With ownership off, a seq stands in for the token (engine/policies/advance.cc): the group's last, or its own.
    const std::uint64_t here = granted ? raw(*granted) : raw(decision.seq);
    bool is_in_the_log = false;
    for (const Effect& effect : event->effects) {
      if (effect.kind != EffectKind::lease_granted || effect.text != key) continue;
      tokens_[{key, effect.token}] = here;
      is_in_the_log = true;
    }
    if (!is_in_the_log) {
      tokens_[{key, raw(event->seq())}] = here;
      tokens_[{key, raw(events.back()->seq())}] = here;
    }
    if (granted) {
      const Speaker name{record.boot()->str(), record.actor()->str()};
      grants_[{name, key}] = {here, task.value_or(TaskId{0}), is_in_the_log};
      if (!is_in_the_log) grants_unlogged_.insert({task.value_or(TaskId{0}), name, key});
    }
  }
}

}  // namespace pawl
