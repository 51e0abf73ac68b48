#include "engine/forensics/history.h"

#include <algorithm>

#include "schema/subject.h"

namespace pawl {
namespace {

/// How many terms of one lease key are kept.
constexpr std::size_t terms_max = 32;
/// A stretch without records that is worth remembering.
constexpr std::int64_t quiet_us_min = 60'000'000;

bool took_effect(const fb::Record& record) {
  return record.stamp()->outcome() == static_cast<std::uint16_t>(Outcome::accepted);
}

Mark mark_of(const fb::Record& record) {
  return {Seq{record.stamp()->seq()}, {record.stamp()->time_us()}};
}

Owner owner_of_event(const fb::Owner& owner) {
  return {.boot_id = owner.boot_id()->str(), .pid = owner.pid(), .actor = owner.actor()->str()};
}

std::string text_of(const flatbuffers::String* text) {
  return text ? text->str() : std::string();
}

template <class T>
std::optional<T> value_of(flatbuffers::Optional<T> value) {
  return value ? std::optional<T>(*value) : std::nullopt;
}

AttemptTerm::End end_of(fb::JobResult result) {
  switch (result) {
    case fb::JobResult::done:
      return AttemptTerm::End::done;
    case fb::JobResult::retry:
      return AttemptTerm::End::retried;
    case fb::JobResult::failed:
      return AttemptTerm::End::failed;
    case fb::JobResult::cancelled:
      return AttemptTerm::End::cancelled;
  }
  return AttemptTerm::End::failed;
}

}  // namespace

void History::see(const State& before, std::span<const fb::Record* const> group) {
  if (!last_) begin(before);
  see_quiet(group);
  for (const fb::Record* record : group) see_record(before, *record);
  last_ = mark_of(*group.back());
}

/// Takes over what a log that begins with a checkpoint tells only by its first state. When a boot started is left open:
/// then it does not belong to a series of restarts.
void History::begin(const State& state) {
  for (const auto& [id, task] : state.tasks.rows()) {
    TaskTerm& term = tasks_[id];
    term.id = id;
    term.repo = task.repo;
    term.work_item = task.work_item;
    term.pipeline = task.pipeline;
    term.entered = {task.last.seq, task.entered};
    of_work_item_[{task.repo, task.work_item}].insert(id);
  }
  std::vector<const Boot*> boots;
  for (const auto& [id, boot] : state.boots.rows()) {
    if (!boot.stale) boots.push_back(&boot);
  }
  std::sort(boots.begin(), boots.end(),
            [](const Boot* left, const Boot* right) { return left->started < right->started; });
  for (const Boot* boot : boots) {
    boots_by_name_[boot->name].push_back(boot->boot_id);
    boots_[boot->boot_id] = {.name = boot->name,
                             .host = boot->host,
                             .is_daemon = boot->name == daemon_name,
                             .started = {boot->started, {}},
                             .ended = {},
                             .acted_after = {}};
  }
}

/// A boot's start and a TimeGap account for the time before them.
void History::see_quiet(std::span<const fb::Record* const> group) {
  if (!last_) return;
  const auto accounts = [](const fb::Record* record) {
    return record->event_type() == fb::Event::BootStarted || record->event_type() == fb::Event::TimeGap ||
           record->event_type() == fb::Event::LogRestored;
  };
  if (std::any_of(group.begin(), group.end(), accounts)) return;
  const Mark at = mark_of(*group.front());
  if (at.time.us - last_.time.us >= quiet_us_min) quiet_.push_back({at, at.time.us - last_.time.us});
}

void History::see_record(const State& before, const fb::Record& record) {
  see_sign_of_life(record);
  if (took_effect(record)) return see_accepted(before, record);
  // What was refused shows who was still at work, and what had happened.
  if (const auto* done = record.event_as_StepFinished()) return see_refused_report(record, *done);
  std::uint64_t job = 0;
  std::uint64_t attempt = 0;
  if (const auto* exited = record.event_as_RunExited()) {
    job = exited->job();
    attempt = exited->attempt();
  } else if (const auto* started = record.event_as_RunStarted()) {
    job = started->job();
    attempt = started->attempt();
  } else if (const auto* finished = record.event_as_JobFinished()) {
    job = finished->job();
    attempt = finished->attempt();
  } else if (const auto* renewed = record.event_as_ClaimRenewed()) {
    job = renewed->job();
    attempt = renewed->attempt();
  }
  AttemptTerm* term = job == 0 ? nullptr : attempt_of(before, job, attempt);
  if (term && term->end == AttemptTerm::End::reaped && !term->acted_after &&
      term->owner.boot_id == record.boot()->string_view()) {
    term->acted_after = mark_of(record);
  }
}

/// A step's own starter, which lost what it held, knows whether it happened.
void History::see_refused_report(const fb::Record& record, const fb::StepFinished& event) {
  const auto task = tasks_.find(TaskId{event.task()});
  if (task == tasks_.end() || event.outcome() != fb::StepOutcome::done || event.by() != fb::StepBy::command) return;
  for (StepTerm& term : task->second.steps) {
    const bool is_its = term.started.seq == Seq{event.started()} && term.boot == record.boot()->string_view() &&
                        term.principal == principal_of(record);
    if (is_its && term.denied && !term.disproved) term.disproved = mark_of(record);
  }
}

/// An actor that acts is alive: an ended boot that acts was taken for dead, and so was the owner of an ended lease.
void History::see_sign_of_life(const fb::Record& record) {
  if (const auto boot = boots_.find(record.boot()->str()); boot != boots_.end()) {
    BootTerm& term = boot->second;
    if (term.ended && !term.acted_after && term.ended.seq < Seq{record.stamp()->group()}) {
      term.acted_after = mark_of(record);
    }
  }
  const Subject subject = subject_of(record);
  std::optional<TaskId> task = task_of(subject);
  if (!task || record.event_type() == fb::Event::LeaseAcquired) return;
  const auto found = leases_.find(task_key(*task));
  if (found == leases_.end()) return;
  const auto is_his = [&](const LeaseTerm& term) {
    return term.owner.boot_id == record.boot()->string_view() && term.owner.actor == record.actor()->string_view();
  };
  const fb::LeaseReleased* gives_back = record.event_as_LeaseReleased();
  const bool holds_again = is_his(found->second.back()) && found->second.back().end == LeaseTerm::End::held;
  for (LeaseTerm& term : found->second) {
    const bool is_over = term.end == LeaseTerm::End::reclaimed || term.end == LeaseTerm::End::taken_over;
    if (!is_his(term) || !is_over || term.ended.seq >= Seq{record.stamp()->group()}) continue;
    if (!term.acted_after) term.acted_after = mark_of(record);
    term.was_given_back |= gives_back && gives_back->token() == raw(term.taken.seq);
    if (!term.went_on && !gives_back && !term.was_given_back && !holds_again) term.went_on = mark_of(record);
  }
}

void History::see_accepted(const State& before, const fb::Record& record) {
  const Mark at = mark_of(record);
  if (const auto* boot = record.event_as_BootStarted()) {
    std::vector<std::string>& ids = boots_by_name_[boot->name()->str()];
    if (!ids.empty()) {
      BootTerm& earlier = boots_[ids.back()];
      if (!earlier.ended) {
        earlier.ended = at;
        earlier.was_replaced = true;
      }
    }
    ids.push_back(boot->boot_id()->str());
    boots_[ids.back()] = {.name = boot->name()->str(),
                          .host = boot->host()->str(),
                          .is_daemon = boot->name()->string_view() == daemon_name,
                          .started = at,
                          .ended = {},
                          .acted_after = {}};
  } else if (const auto* ended = record.event_as_BootEnded()) {
    if (const auto found = boots_.find(ended->boot_id()->str()); found != boots_.end() && !found->second.ended) {
      found->second.ended = at;
    }
  } else if (const auto* changed = record.event_as_SettingChanged()) {
    const SettingKey* key = setting_named(changed->key()->string_view());
    if (!key) return;
    settings_[changed->key()->str()].push_back({.at = at,
                                                .value = setting_value_from(*changed->value()),
                                                .before = key->get(before.settings()),
                                                .actor = record.actor()->str()});
  } else if (const auto* acquired = record.event_as_LeaseAcquired()) {
    see_lease(record, *acquired);
  } else if (const auto* released = record.event_as_LeaseReleased()) {
    end_lease(released->key()->str(), LeaseTerm::End::released, at, {});
  } else if (const auto* reclaimed = record.event_as_LeaseReclaimed()) {
    end_lease(reclaimed->key()->str(), LeaseTerm::End::reclaimed, at, reclaimed->reason());
    if (const auto found = leases_.find(reclaimed->key()->str()); found != leases_.end() && !found->second.empty()) {
      found->second.back().last_pass_s = value_of(reclaimed->last_pass_s());
    }
    if (reclaimed->last_pass_s()) passes_.push_back({at, *reclaimed->last_pass_s()});
  } else if (const auto* claim = record.event_as_JobClaimed()) {
    const Job* job = before.jobs.find(JobId{claim->job()});
    if (!job) return;
    tasks_[job->task].attempts.push_back({.job = job->id,
                                          .attempt = job->attempts + 1,
                                          .version = job->version,
                                          .owner = owner_of_event(*claim->owner()),
                                          .claimed = at,
                                          .renewed = at,
                                          .ttl_s = value_of(claim->ttl())});
  } else if (const auto* started = record.event_as_RunStarted()) {
    if (AttemptTerm* term = attempt_of(before, started->job(), started->attempt())) term->started = at;
  } else if (const auto* exited = record.event_as_RunExited()) {
    AttemptTerm* term = attempt_of(before, exited->job(), exited->attempt());
    if (!term || term->exited) return;
    term->exited = at;
    term->exit_code = exited->exit_code();
    term->exited_by = record.boot()->str();
  } else if (const auto* renewed = record.event_as_ClaimRenewed()) {
    if (AttemptTerm* term = attempt_of(before, renewed->job(), renewed->attempt())) term->renewed = at;
  } else if (const auto* returned = record.event_as_ClaimReturned()) {
    if (AttemptTerm* term = attempt_of(before, returned->job(), returned->attempt())) {
      term->end = AttemptTerm::End::returned;
      term->ended = at;
    }
  } else if (const auto* finished = record.event_as_JobFinished()) {
    AttemptTerm* term = attempt_of(before, finished->job(), finished->attempt());
    if (!term) return;
    term->end = end_of(finished->result());
    term->ended = at;
    const auto reporter = boots_.find(record.boot()->str());
    term->ended_by_owner = term->owner.boot_id == record.boot()->string_view() ||
                           (reporter != boots_.end() && reporter->second.is_daemon && principal_of(record).empty());
  } else if (const auto* gate = record.event_as_GateEvaluated()) {
    const auto task = tasks_.find(TaskId{gate->task()});
    if (task == tasks_.end() || task->second.attempts.empty()) return;
    const std::string reason = text_of(gate->reason());
    AttemptTerm& term = task->second.attempts.back();
    term.gate = gate->passed() == true ? "" : gate->passed() == false ? "red" : "in error";
    if (!term.gate.empty() && !reason.empty()) term.gate += ": " + reason;
  } else if (const auto* reaped = record.event_as_JobReaped()) {
    see_reap(before, record, *reaped);
  } else if (const auto* step = record.event_as_StepStarted()) {
    see_step(before, record, *step);
  } else if (const auto* done = record.event_as_StepFinished()) {
    see_step_end(record, *done);
  } else if (const auto* blocked = record.event_as_TaskBlocked()) {
    tasks_[TaskId{blocked->task()}].blocks.push_back({.reason = text_of(blocked->reason()),
                                                      .at = at,
                                                      .actor = record.actor()->str(),
                                                      .is_by_request = true,
                                                      .let_go = {}});
  } else if (const auto* cancel = record.event_as_CancelRequested()) {
    TaskTerm& task = tasks_[TaskId{cancel->task()}];
    const Task* row = before.tasks.find(TaskId{cancel->task()});
    if (!task.cancel_requested) {
      task.cancel_requested = at;
      task.was_committed = row && is_committed(*row);
    }
  } else if (const auto* cancelled = record.event_as_TaskCancelled()) {
    tasks_[TaskId{cancelled->task()}].cancelled = at;
  } else if (const auto* moved = record.event_as_StageTransition()) {
    tasks_[TaskId{moved->task()}].entered = at;
  } else if (const auto* defined = record.event_as_PipelineDefined()) {
    pipelines_[defined->name()->str()].push_back({at, record.actor()->str()});
  } else if (const auto* gap = record.event_as_TimeGap()) {
    gaps_.push_back({at.seq, gap->us()});
  } else if (record.event_as_LogRestored()) {
    restored_ = at;
  }
}

void History::see_lease(const fb::Record& record, const fb::LeaseAcquired& event) {
  const Mark at = mark_of(record);
  const std::string key = event.key()->str();
  const Owner owner = owner_of_event(*event.owner());
  std::deque<LeaseTerm>& terms = leases_[key];
  if (!terms.empty() && terms.back().end == LeaseTerm::End::held) {
    LeaseTerm& current = terms.back();
    if (current.owner.boot_id == owner.boot_id && current.owner.actor == owner.actor) {
      current.renewed = at;
      if (event.ttl()) current.ttl_s = *event.ttl();
      return;
    }
    current.end = LeaseTerm::End::taken_over;
    current.ended = at;
    current.was_unchecked |= record.stamp()->unchecked();
  }
  terms.push_back({.key = key,
                   .owner = owner,
                   .ttl_s = value_of(event.ttl()),
                   .taken = at,
                   .renewed = at,
                   .was_unchecked = record.stamp()->unchecked(),
                   .ended = {},
                   .acted_after = {},
                   .went_on = {}});
  if (terms.size() > terms_max) terms.pop_front();
  if (const auto task = task_of_key(key); task && event.edge()) tasks_[*task].gate_began = at;
}

void History::end_lease(const std::string& key, LeaseTerm::End end, const Mark& mark, fb::ReclaimReason reason) {
  const auto found = leases_.find(key);
  if (found == leases_.end() || found->second.empty()) return;
  LeaseTerm& term = found->second.back();
  if (term.end != LeaseTerm::End::held) return;
  term.end = end;
  term.reason = reason;
  term.ended = mark;
}

AttemptTerm* History::attempt_of(const State& before, std::uint64_t job, std::uint64_t attempt) {
  const Job* row = before.jobs.find(JobId{job});
  const auto task = row ? tasks_.find(row->task) : tasks_.end();
  if (task == tasks_.end()) return nullptr;
  std::vector<AttemptTerm>& attempts = task->second.attempts;
  const auto found = std::find_if(attempts.rbegin(), attempts.rend(), [&](const AttemptTerm& term) {
    return term.job == JobId{job} && term.attempt == attempt;
  });
  return found == attempts.rend() ? nullptr : &*found;
}

void History::see_reap(const State& before, const fb::Record& record, const fb::JobReaped& event) {
  AttemptTerm* term = attempt_of(before, event.job(), event.attempt());
  if (!term) return;
  term->end = AttemptTerm::End::reaped;
  term->ended = mark_of(record);
  term->tier = event.tier();
  term->reason = text_of(event.reason());
  if (const fb::Evidence* evidence = event.evidence()) {
    term->age_s = value_of(evidence->age_s());
    term->exit_age_s = value_of(evidence->exit_age_s());
    term->streak = value_of(evidence->streak());
    term->last_pass_s = value_of(evidence->last_pass_s());
    if (term->last_pass_s) passes_.push_back({term->ended, *term->last_pass_s});
  }
}

void History::see_step(const State& before, const fb::Record& record, const fb::StepStarted& event) {
  const Task* task = before.tasks.find(TaskId{event.task()});
  const PipelineStep* step =
      task ? before.pipeline_of(*task).step(event.to()->str(), event.step()->string_view()) : nullptr;
  tasks_[TaskId{event.task()}].steps.push_back({.step = event.step()->str(),
                                                .to = event.to()->str(),
                                                .version = Version{event.version()},
                                                .irreversible = step && step->irreversible,
                                                .exclusive = step && step->exclusive,
                                                .boot = record.boot()->str(),
                                                .actor = record.actor()->str(),
                                                .principal = principal_of(record),
                                                .started = mark_of(record),
                                                .ended = {}});
  StepTerm& begun = tasks_[TaskId{event.task()}].steps.back();
  if (begun.exclusive) see_exclusive(task->repo, task->id, begun);
}

void History::see_step_end(const fb::Record& record, const fb::StepFinished& event) {
  const auto task = tasks_.find(TaskId{event.task()});
  if (task == tasks_.end()) return;
  for (StepTerm& term : task->second.steps) {
    if (term.started.seq != Seq{event.started()}) continue;
    const bool is_again = static_cast<bool>(term.ended);
    term.ended = mark_of(record);
    term.outcome = event.outcome();
    term.by = event.by();
    if (event.by() != fb::StepBy::command && event.outcome() == fb::StepOutcome::did_not_happen) {
      term.denied = term.ended;
      term.denied_by = event.by();
    }
    if (term.exclusive) see_exclusive_end(task->second, term, is_again);
  }
}

void History::settle(const State& after, std::span<const fb::Record* const> group,
                     std::span<const Effects* const> effects, std::span<const ArchivedTask> archived) {
  for (std::size_t i = 0; i < group.size() && i < effects.size(); ++i) {
    const fb::Record& record = *group[i];
    const Mark at = mark_of(record);
    for (const Effect& effect : *effects[i]) {
      if (effect.kind == EffectKind::lease_freed)
        end_lease(effect.text, LeaseTerm::End::reclaimed, at, fb::ReclaimReason::reaped);
      if (effect.kind == EffectKind::task) {
        const Task* task = after.tasks.find(TaskId{effect.id});
        TaskTerm& term = tasks_[TaskId{effect.id}];
        term.id = TaskId{effect.id};
        term.created = term.entered = at;
        if (!first_task_) first_task_ = at;
        if (task) {
          term.repo = task->repo;
          term.work_item = task->work_item;
          term.pipeline = task->pipeline;
          of_work_item_[{task->repo, task->work_item}].insert(task->id);
        }
      }
      if (effect.kind != EffectKind::blocked) continue;
      TaskTerm& term = tasks_[TaskId{effect.id}];
      const bool is_known = !term.blocks.empty() && term.blocks.back().at.seq == at.seq;
      if (!is_known)
        term.blocks.push_back({.reason = effect.text, .at = at, .actor = record.actor()->str(), .let_go = {}});
      if (!term.attempts.empty() && term.attempts.back().ended.seq == at.seq) term.attempts.back().spent_budget = true;
    }
    if (const auto* acquired = record.event_as_LeaseAcquired(); acquired && took_effect(record)) {
      const Lease* row = after.lease(acquired->key()->str());
      std::deque<LeaseTerm>& terms = leases_[acquired->key()->str()];
      if (row && !terms.empty()) terms.back().ttl_s = row->ttl_s;  // also one that the rules gave to an endless request
    }
    if (const auto* let_go = record.event_as_TaskUnblocked(); let_go && took_effect(record)) {
      TaskTerm& term = tasks_[TaskId{let_go->task()}];
      if (!term.blocks.empty() && !term.blocks.back().let_go) term.blocks.back().let_go = at;
    }
  }
  for (const fb::Record* record : group) {
    const std::optional<TaskId> id = task_of(subject_of(*record));
    const auto term = id ? tasks_.find(*id) : tasks_.end();
    if (term == tasks_.end()) continue;
    if (const Task* task = after.tasks.find(*id)) {
      term->second.id = *id;
      term->second.repo = task->repo;
      term->second.work_item = task->work_item;
    }
  }
  forget(after, archived);
}

void History::undo(Seq change, std::string_view key, const SettingValue& value) {
  const auto found = settings_.find(key);
  if (found == settings_.end()) return;
  for (std::size_t i = 0; i < found->second.size(); ++i) {
    if (found->second[i].at.seq != change) continue;
    found->second[i].value = value;
    if (i + 1 < found->second.size()) found->second[i + 1].before = value;
  }
}

const std::vector<std::string>& History::boots_named(const std::string& name) const {
  static const std::vector<std::string> none;
  const auto found = boots_by_name_.find(name);
  return found == boots_by_name_.end() ? none : found->second;
}

const std::deque<LeaseTerm>& History::terms(const std::string& key) const {
  static const std::deque<LeaseTerm> none;
  const auto found = leases_.find(key);
  return found == leases_.end() ? none : found->second;
}

const std::vector<SettingTerm>& History::changes(std::string_view key) const {
  static const std::vector<SettingTerm> none;
  const auto found = settings_.find(key);
  return found == settings_.end() ? none : found->second;
}

const SettingTerm* History::change_before(std::string_view key, Seq seq) const {
  const std::vector<SettingTerm>& all = changes(key);
  const auto after = std::find_if(all.begin(), all.end(), [&](const SettingTerm& term) { return term.at.seq > seq; });
  return after == all.begin() ? nullptr : &*std::prev(after);
}

const QuietTerm* History::quiet_between(Seq from, Seq to) const {
  const QuietTerm* longest = nullptr;
  for (const QuietTerm& quiet : quiet_) {
    if (quiet.after.seq <= from || quiet.after.seq > to) continue;
    if (!longest || quiet.us > longest->us) longest = &quiet;
  }
  return longest;
}

const PassTerm* History::pass_from(Seq seq) const {
  const auto found = std::lower_bound(passes_.begin(), passes_.end(), seq,
                                      [](const PassTerm& pass, Seq at) { return pass.at.seq < at; });
  return found == passes_.end() ? nullptr : &*found;
}

std::int64_t History::lasted_s(const Mark& from, const Mark& to) const {
  std::int64_t us = to.time.us - from.time.us;
  for (const GapTerm& gap : gaps_) {
    if (gap.seq > from.seq && gap.seq <= to.seq) us -= gap.us;
  }
  return us / us_per_s;
}

}  // namespace pawl
