#include "tools/forensics/what_if.h"

#include <algorithm>

#include "store/chain.h"
#include "store/checkpoint.h"
#include "tools/forensics/what_if_story.h"

namespace pawl {
namespace {

State copy_of(const State& state) {
  auto restored = unpack_checkpoint(pack_checkpoint(state, {}).bytes);
  PAWL_ASSERT(restored.has_value());
  return std::move(restored->state);
}

}  // namespace

WhatIf::WhatIf(const RecordedLog& log, std::vector<Change> changes, LogBeginning begun, LogBeginning audited)
    : log_(log),
      changes_(std::move(changes)),
      machine_(std::move(begun.state)),
      world_(log.facts()),
      replay_(log, machine_.state()),
      audit_(next(audited.state.last_seq)),
      audited_(std::move(audited.state), audited.chain, audit_.policy()),
      chain_(begun.chain),
      recorded_settings_(machine_.state().settings()) {
  machine_.on_group = [this](Decided& decided) { take(decided); };
  if (!log.begins_with_checkpoint()) return;
  set_now(log.records() == 0 ? machine_.state().last_time : log.begin_time());
  begin_passes();
  fits_ = apply_changes();
}

WhatIf::WhatIf(const WhatIf& trunk, std::vector<Change> changes)
    : log_(trunk.log_),
      changes_(std::move(changes)),
      machine_(copy_of(trunk.machine_.state())),
      world_(trunk.log_.facts()),
      replay_(trunk.replay_),
      audit_(trunk.audit_),
      audited_(copy_of(trunk.machine_.state()), trunk.chain_, audit_.policy()),
      chain_(trunk.chain_),
      recorded_settings_(trunk.recorded_settings_),
      is_changed_(trunk.is_changed_),
      heard_(trunk.heard_),
      streaks_(trunk.streaks_),
      last_reaper_(trunk.last_reaper_),
      last_reconciler_(trunk.last_reconciler_),
      paths_(trunk.paths_),
      last_task_(trunk.last_task_),
      retold_(trunk.retold_) {
  machine_.on_group = [this](Decided& decided) { take(decided); };
  set_now(trunk.machine_.now());
}

bool WhatIf::add(const RecordedGroup& group) {
  if (is_over()) return false;
  const TimeUs time{group.front().record().stamp()->time_us()};
  hold_until(time);
  pass_until(time);
  if (is_over()) return false;
  machine_.set_rules(group.front().record().stamp()->rules());
  set_now(time);
  play(group);
  if (is_over()) return false;
  if (!is_changed_) fits_ = apply_changes();
  if (fits_) freeze_instead();  // before anything that a definition has just closed or opened
  return !is_over();
}

void WhatIf::follow(const RecordedGroup& group, const AppliedGroup& applied) {
  const TimeUs time{group.front().record().stamp()->time_us()};
  pass_until(time);  // for the reaper's memory of what it found dead; by the log's settings no pass acts
  set_now(time);
  machine_.follow([&](State& state) {
    const Reapplied reapplied = audit_.apply(state, applied.read);
    PAWL_ASSERT(!reapplied.divergence);  // the log was proven
    audit_.keep(state);
  });
  Events events;
  Effects effects;
  for (const RecordedEvent& event : group) {
    effects.insert(effects.end(), event.effects.begin(), event.effects.end());
    follow_settings(event);
    replay_.hear(event);
    replay_.follow(event);
    if (!is_of_the_machine(event.record())) {
      heard_ = event.seq();
      events.push_back(&event);
    }
    const auto* reaped = event.is_accepted() ? event.record().event_as_JobReaped() : nullptr;
    const auto job = reaped ? replay_.jobs().place_of(JobId{reaped->job()}) : std::nullopt;
    if (job) retold_.reaps.push_back({*job, machine_.now(), reaped->tier()});
  }
  replay_.jobs().share(effects);
  std::copy_n(group.back().record().stamp()->chain()->data(), chain_.size(), chain_.begin());
  is_changed_ = is_changed_ || machine_.state().boot_named(daemon_name);
  if (events.empty()) return;
  const PathKey key = path_of(events);
  const bool opens = !paths_.contains(key) || takes_task_lease(events);
  paths_[key] = Path::kept;
  if (ends_path(events, opens)) paths_.erase(key);
  if (events.front()->record().event_type() == fb::Event::BootStarted) begin_boot(*events.front());
}

Result<Retold> WhatIf::finish() {
  PAWL_TRY(fits_);
  PAWL_TRY(all_held());
  PAWL_ASSERT(audited_.finish().has_value());
  audit_.conclude(machine_.state());
  retold_.findings = audit_.findings();
  retold_.ended = audit_.ended();
  retold_.end = machine_.now();
  for (const auto& [job, since] : waiting_) {
    if (const Job* row = machine_.state().jobs.find(job)) retold_.freed.insert(row->task);
    retold_.waits.push_back("job " + std::to_string(raw(job)) + " is queued again at " + rfc3339(since) +
                            "; the log has no next run of it");
  }
  return std::move(retold_);
}

void WhatIf::set_now(TimeUs now) {
  machine_.set_now(std::max(now, machine_.state().last_time));
  world_.now = machine_.now();
}

void WhatIf::take(Decided& decided) {
  Effects effects;
  consequences_.clear();
  for (std::size_t i = 0; i < decided.records.size(); ++i) {
    add_consequences(consequences_, decided.records[i].record(), decided.applied[i].effects);
    chain_ = stamp_chain(chain_, decided.records[i]);
    const Proposal& record = decided.records[i];
    const auto* reaped = record.record().event_as_JobReaped();
    const auto job = reaped ? replay_.jobs().place_of(JobId{reaped->job()}) : std::nullopt;
    if (job && decided.applied[i].outcome == Outcome::accepted) {
      retold_.reaps.push_back({*job, machine_.now(), reaped->tier()});
    }
    effects.insert(effects.end(), decided.applied[i].effects.begin(), decided.applied[i].effects.end());
    if (world_.unanswered) continue;
    const auto added = audited_.add({record.data(), record.size()});
    PAWL_ASSERT(added.has_value());
  }
  replay_.jobs().add(machine_.state(), decided.archived, effects);
}

// Settings.

bool WhatIf::is_changed_key(std::string_view key) const {
  return std::any_of(changes_.begin(), changes_.end(), [&](const Change& change) {
    return change.key && change.key->name == key && (!change.undoes || *change.undoes <= heard_);
  });
}

/// Whether a change of a setting in the log does not happen in this story, which has another value from the beginning.
bool WhatIf::is_omitted(const RecordedEvent& event) const {
  if (is_held_instead(event.record())) return true;
  const auto* changed = event.record().event_as_SettingChanged();
  return changed && std::any_of(changes_.begin(), changes_.end(), [&](const Change& change) {
           return change.key && !change.undoes && change.key->name == changed->key()->string_view();
         });
}

Proposal WhatIf::proposal_of(const RecordedEvent& event) const {
  const auto undone = std::find_if(changes_.begin(), changes_.end(),
                                   [&](const Change& change) { return change.undoes == event.seq(); });
  return undone == changes_.end() ? replay_.proposal_of(event, machine_.state())
                                  : ReplayWithChanges::proposal_with(event, *undone->key, undone->value);
}

bool WhatIf::is_the_log_again(const State& recorded) const {
  const bool is_alike = retold_.turns.empty() && retold_.lost.empty() && retold_.waits.empty() && waiting_.empty();
  // These decide by when they were changed, too, not only by the value that is in force.
  const bool is_lasting = is_changed_key("reaper.interval_s") || is_changed_key("reconciler.interval_s") ||
                          is_changed_key("reaper.finalizer_liveness") ||
                          std::any_of(changes_.begin(), changes_.end(), [](const auto& each) { return each.held; });
  return is_alike && !is_lasting && machine_.state().digest() == recorded.digest();
}

Retold WhatIf::finish_as_the_log() {
  for (auto at = log_.reaps().upper_bound(machine_.state().last_seq); at != log_.reaps().end(); ++at) {
    const RecordedEvent& event = at->second;
    const auto* reaped = event.record().event_as_JobReaped();
    const auto job = event.is_accepted() ? log_.jobs().place_of(JobId{reaped->job()}) : std::nullopt;
    if (job) retold_.reaps.push_back({*job, {event.record().stamp()->time_us()}, reaped->tier()});
  }
  FoundInLog found = log_.found();
  retold_.findings = std::move(found.findings);
  retold_.ended = std::move(found.ended);
  retold_.end = log_.end_time();
  return std::move(retold_);
}

Result<void> WhatIf::apply_changes() {
  const Boot* daemon = machine_.state().boot_named(daemon_name);
  if (!daemon) return {};
  is_changed_ = true;
  const auto begins = [](const Change& change) { return change.key && !change.undoes; };
  if (std::none_of(changes_.begin(), changes_.end(), begins)) return {};
  const Requester requester{.boot = daemon->boot_id, .actor = "what-if", .key = {}, .request = {}};
  Group group;
  for (const Change& change : changes_) {
    if (!begins(change)) continue;
    fb::SettingChangedT event;
    event.key = change.key->name;
    event.value = std::make_unique<fb::SettingValueT>(setting_value_event(change.value));
    group.push_back(pawl::propose(requester, event));
  }
  const Decision decision = machine_.propose(std::move(group));
  if (decision.outcome == Outcome::accepted) return {};
  return Error{ErrorCode::malformed, "--what-if: " + std::string(name(decision.outcome)) + ": " + decision.detail};
}

void WhatIf::follow_settings(const RecordedEvent& event) {
  const auto* changed = event.record().event_as_SettingChanged();
  const SettingKey* key = changed && event.is_accepted() ? setting_named(changed->key()->string_view()) : nullptr;
  if (key) key->set(recorded_settings_, setting_value_from(*changed->value()));
}

// The log's groups.

WhatIf::PathKey WhatIf::path_of(const Events& events) {
  const fb::Record& first = events.front()->record();
  PathKey key{first.boot()->str(), first.actor()->str(), TaskId{0}};
  for (const RecordedEvent* event : events) {
    if (const auto task = task_of(log_, event->record())) key.task = *task;
  }
  // A lease on a repository belongs to the path that its requester is on.
  TaskId& last = last_task_[{key.boot, key.actor}];
  if (key.task == TaskId{0}) key.task = last;
  last = key.task;
  return key;
}

void WhatIf::play(const RecordedGroup& group) {
  Events events;
  recorded_consequences_.clear();
  for (const RecordedEvent& event : group) {
    add_consequences(recorded_consequences_, event.record(), event.effects);
    follow_settings(event);
    replay_.hear(event);
    if (is_of_the_machine(event.record())) continue;
    heard_ = event.seq();
    if (!is_omitted(event)) events.push_back(&event);
  }
  if (events.empty()) return;
  const fb::Record& first = events.front()->record();
  const PathKey key = path_of(events);
  const std::string& actor = key.actor;
  const auto known = paths_.find(key);
  const bool opens = known == paths_.end() || takes_task_lease(events);
  if (opens) {
    paths_[key] = Path::kept;
    if (actor == reaper_actor && !is_reaper_agreed(events, key.task)) paths_[key] = Path::dropped;
    if (actor == reconciler_actor && !is_reconciler_agreed(events, key.task)) paths_[key] = Path::dropped;
    if (paths_[key] == Path::dropped) parted_.insert(key.task);
  }
  if (paths_[key] == Path::dropped) {
    drop(events);
  } else if (!propose(events, key)) {
    paths_[key] = Path::dropped;
  }
  if (ends_path(events, opens)) paths_.erase(key);
  if (first.event_type() == fb::Event::BootStarted) begin_boot(*events.front());
}

void WhatIf::begin_boot(const RecordedEvent& event) {
  const auto* booted = event.record().event_as_BootStarted();
  if (!event.is_accepted() || booted->name()->string_view() != daemon_name) return;
  streaks_.clear();
  begin_passes();
}

void WhatIf::drop(const Events& events) {
  for (const RecordedEvent* event : events) {
    if (!event->is_accepted()) continue;
    retold_.lost.push_back(event->seq());
    if (is_irreversible(event->record())) {
      end_at(event->seq(), "a call to the outside that the change prevents: " + recorded_in_words(*event));
    }
  }
}

bool WhatIf::is_irreversible(const fb::Record& record) const {
  if (record.event_type() == fb::Event::JobClaimed) return true;  // Its agent would not have run.
  const auto* started = record.event_as_StepStarted();
  const Task* task = started ? machine_.state().tasks.find(TaskId{started->task()}) : nullptr;
  if (!task) return started != nullptr;
  const PipelineStep* step =
      machine_.state().pipeline_of(*task).step(started->to()->string_view(), started->step()->string_view());
  return !step || step->irreversible;
}

bool WhatIf::propose(const Events& wanted, const PathKey& key) {
  const State& state = machine_.state();
  Events events;
  for (const RecordedEvent* event : wanted) {
    const auto* released = event->record().event_as_LeaseReleased();
    const Lease* held = released ? state.lease(released->key()->str()) : nullptr;
    // Drop a release of a lease that was not granted here.
    const bool is_void = released && event->is_accepted() && is_key_void(*event, released->key()->str(), held);
    if (!is_void) events.push_back(event);
  }
  if (events.empty()) return true;
  Group group;
  for (const RecordedEvent* event : events) group.push_back(proposal_of(*event));
  const fb::Record& first = events.front()->record();
  if (has_type(events, {fb::Event::StageTransition, fb::Event::TaskBlocked})) {
    for (const auto& [lease, token] : replay_.unreturned(first, key.task, state)) {
      fb::LeaseReleasedT release;
      release.key = lease;
      release.token = token;
      group.push_back(pawl::propose(
          {.boot = first.boot()->str(), .actor = first.actor()->str(), .key = {}, .request = {}}, release));
    }
  }
  const Decision decision = machine_.propose(std::move(group));
  const Outcome recorded = outcome_of(events);
  if (decision.outcome == Outcome::accepted) {
    replay_.answered(events, decision, state);
    add_mark(events);
    for (const RecordedEvent* event : events) {
      if (const auto* claimed = event->record().event_as_JobClaimed()) {
        if (const auto job = replay_.job_of(claimed->job())) waiting_.erase(*job);
      }
    }
  }
  if (recorded != decision.outcome) return part(events, recorded, decision, key.task);
  compare_consequences(events.front()->seq(), key.task);
  return true;
}

bool WhatIf::is_key_void(const RecordedEvent& event, const std::string& key, const Lease* held) const {
  const auto token = event.record().event_as_LeaseReleased()->token();
  const auto here = replay_.token_of(event.record(), key, token, machine_.state());
  return !held || !here || raw(held->token) != *here;
}

void WhatIf::compare_consequences(Seq seq, TaskId task) {
  if (consequences_ == recorded_consequences_) return;
  const auto listed = [](const std::vector<std::string>& all) {
    std::string out;
    for (const std::string& one : all) out += (out.empty() ? "" : "; ") + one;
    return out.empty() ? std::string("nothing follows") : out;
  };
  turn(seq, listed(recorded_consequences_), listed(consequences_));
  parted_.insert(task);
}

bool WhatIf::part(const Events& events, Outcome recorded, const Decision& decision, TaskId task) {
  const RecordedEvent& first = *events.front();
  if (decision.outcome == Outcome::bad_pipeline) {
    fits_ = Error{ErrorCode::malformed, "--what-if: with these settings record " + std::to_string(raw(first.seq())) +
                                            " could not have defined its pipeline: " + decision.detail};
    return true;
  }
  turn(first.seq(), recorded_in_words(first) + ": " + std::string(name(recorded)),
       std::string(name(decision.outcome)) + (decision.detail.empty() ? "" : ": " + decision.detail));
  parted_.insert(task);
  const bool creates = has_type(events, {fb::Event::TaskCreated});
  if (decision.outcome == Outcome::accepted) {
    const bool goes_out = has_type(events, {fb::Event::StepStarted, fb::Event::JobClaimed}) || takes_task_lease(events);
    if (goes_out || creates) {
      end_at(first.seq(), "the log does not show what follows from it: " + recorded_in_words(first));
    }
    return true;
  }
  if (recorded != Outcome::accepted) return true;
  drop(events);
  if (creates) end_at(first.seq(), "from here on the log's task ids differ: " + recorded_in_words(first));
  return !takes_task_lease(events);
}

void WhatIf::add_mark(const Events& events) {
  if (!is_changed_key("reaper.finalizer_liveness")) return;
  for (const RecordedEvent* event : events) {
    const auto* exited = event->record().event_as_RunExited();
    const auto job = exited && !log_.was_marked(JobId{exited->job()}) ? replay_.job_of(exited->job()) : std::nullopt;
    const Job* row = job ? machine_.state().jobs.find(*job) : nullptr;
    const Task* task = row ? machine_.state().tasks.find(row->task) : nullptr;
    if (!task || !marks_count_on(task->stage)) continue;
    fb::FinalizerMarkedT mark;
    mark.job = raw(*job);
    machine_.propose(propose_group(
        {.boot = event->record().boot()->str(), .actor = event->record().actor()->str(), .key = {}, .request = {}},
        mark));
  }
}

// What the story reports.

void WhatIf::turn(std::optional<Seq> seq, std::string recorded, std::string changed) {
  retold_.turns.push_back({machine_.now(), seq, std::move(recorded), std::move(changed)});
}

void WhatIf::end_at(std::optional<Seq> seq, std::string why) {
  if (!retold_.horizon) retold_.horizon = EndOfEvidence{machine_.now(), seq, std::move(why)};
}

void WhatIf::note_unanswered() {
  if (world_.unanswered) end_at(std::nullopt, "the log does not say " + *world_.unanswered);
}

void WhatIf::note_waiting(TaskId task) {
  const Task* row = machine_.state().tasks.find(task);
  const Job* open = row ? machine_.state().open_job(*row) : nullptr;
  if (open && open->status == JobStatus::queued) waiting_.emplace(open->id, machine_.now());
}

}  // namespace pawl
