#include "tools/what_if.h"

#include <algorithm>
#include <set>

#include "engine/reaper.h"
#include "engine/reconciler.h"
#include "store/chain.h"
#include "tools/audit.h"
#include "tools/direct_machine.h"
#include "tools/recorded_world.h"
#include "tools/retelling.h"
#include "tools/what_if_words.h"

namespace pawl {
namespace {

constexpr std::string_view reaper_actor = "reaper";
constexpr std::string_view reconciler_actor = "reconciler";

/// What the machine itself adds to groups (engine/group.h): it adds it anew.
bool is_of_the_machine(const fb::Record& record) {
  const std::string_view actor = record.actor()->string_view();
  switch (record.event_type()) {
    case fb::Event::LeaseReclaimed:
      return actor == "recovery" || actor == "sequencer";
    case fb::Event::JobReaped:
      return actor == "recovery";
    case fb::Event::TaskCancelled:
      return actor == "sequencer";
    default:
      return false;
  }
}

using Events = std::vector<const RecordedEvent*>;

template <class Predicate>
bool any(const Events& events, Predicate predicate) {
  return std::any_of(events.begin(), events.end(), [&](const RecordedEvent* event) { return predicate(*event); });
}

bool has_type(const Events& events, std::initializer_list<fb::Event> types) {
  return any(events, [&](const RecordedEvent& event) {
    return std::find(types.begin(), types.end(), event.record().event_type()) != types.end();
  });
}

bool takes_task_lease(const Events& events) {
  return any(events, [](const RecordedEvent& event) {
    const auto* acquired = event.record().event_as_LeaseAcquired();
    return acquired && task_of_key(acquired->key()->string_view());
  });
}

/// Whether a group ends the path of its speaker over an edge.
bool ends_path(const Events& events, bool opens) {
  if (has_type(events, {fb::Event::StageTransition, fb::Event::TaskBlocked, fb::Event::JobQueued})) return true;
  return any(events, [&](const RecordedEvent& event) {
    if (const auto* reaped = event.record().event_as_JobReaped()) {
      return opens || reaped->outcome() != fb::JobResult::done;
    }
    const auto* released = event.record().event_as_LeaseReleased();
    return released && task_of_key(released->key()->string_view());
  });
}

/// What follows from a group and nobody asked for.
void add_consequences(std::vector<std::string>& all, const fb::Record& record, const Effects& effects) {
  if (is_of_the_machine(record)) all.push_back(named_in_words(record));
  for (const Effect& effect : effects) {
    if (effect.kind == EffectKind::blocked) {
      all.push_back("task " + std::to_string(effect.id) + " is blocked: " + effect.text);
    }
  }
}

/// One story: the log's, with other settings.
class Story {
 public:
  Story(const RecordedLog& log, const std::vector<Change>& changes, Beginning begun, Beginning audited)
      : log_(log),
        changes_(changes),
        machine_(std::move(begun.state)),
        world_(log),
        retelling_(log, machine_.state()),
        audit_(std::move(audited.state), audited.chain),
        chain_(begun.chain),
        recorded_settings_(machine_.state().settings()) {
    machine_.on_group = [this](Decided& decided) { take(decided); };
    for (const RecordedGroup& group : log.groups) {
      for (const RecordedEvent& event : group) {
        if (const auto* marked = event.record().event_as_FinalizerMarked()) marked_.insert(marked->job());
      }
    }
  }

  Result<Retold> tell() {
    if (!log_.checkpoint.empty()) {
      set_now({log_.groups.empty() ? machine_.state().last_time.us : log_.groups[0][0].record().stamp()->time_us()});
      begin_passes();
      PAWL_TRY(apply_changes());
    }
    for (const RecordedGroup& group : log_.groups) {
      const TimeUs time{group.front().record().stamp()->time_us()};
      pass_until(time);
      if (retold_.horizon) break;
      set_now(time);
      play(group);
      PAWL_TRY(fits_);
      if (retold_.horizon) break;
      if (!is_changed_) PAWL_TRY(apply_changes());
    }
    audit_.finish();
    retold_.findings = audit_.findings();
    retold_.end = machine_.now();
    for (const auto& [job, since] : waiting_) {
      retold_.waits.push_back("job " + std::to_string(raw(job)) + " is queued again at " + rfc3339(since) +
                              "; the log does not hold its next run");
    }
    return std::move(retold_);
  }

 private:
  enum class Path { kept, dropped };
  struct PathKey {
    std::string boot;
    std::string actor;
    TaskId task{};
    friend auto operator<=>(const PathKey&, const PathKey&) = default;
  };

  void set_now(TimeUs now) {
    machine_.set_now(std::max(now, machine_.state().last_time));
    world_.now = machine_.now();
  }

  /// What was asked of the outside and cannot be known ends the story before the record that would tell of it.
  void take(Decided& decided) {
    Effects effects;
    consequences_.clear();
    for (std::size_t i = 0; i < decided.records.size(); ++i) {
      add_consequences(consequences_, decided.records[i].record(), decided.applied[i].effects);
      chain_ = stamp_chain(chain_, decided.records[i]);
      const Proposal& record = decided.records[i];
      effects.insert(effects.end(), decided.applied[i].effects.begin(), decided.applied[i].effects.end());
      if (world_.unanswered) continue;
      const auto added = audit_.add({record.data(), record.data() + record.size()});
      PAWL_ASSERT(added.has_value());
    }
    retelling_.jobs().add(machine_.state(), decided.archived, effects);
  }

  // Settings.

  bool is_changed_key(std::string_view key) const {
    return std::any_of(changes_.begin(), changes_.end(), [&](const Change& change) { return change.key->name == key; });
  }

  /// As soon as there is a boot that can say it.
  Result<void> apply_changes() {
    const Boot* daemon = machine_.state().boot_named(daemon_name);
    if (!daemon) return {};
    is_changed_ = true;
    if (changes_.empty()) return {};
    const Asker asker{.boot = daemon->boot_id, .actor = "what-if", .key = {}, .request = {}};
    Group group;
    for (const Change& change : changes_) {
      fb::SettingChangedT event;
      event.key = change.key->name;
      event.value = std::make_unique<fb::SettingValueT>(setting_value_event(change.value));
      group.push_back(pawl::propose(asker, event));
    }
    const Decision decision = machine_.propose(std::move(group));
    if (decision.outcome == Outcome::accepted) return {};
    return Error{ErrorCode::malformed, "--what-if: " + std::string(name(decision.outcome)) + ": " + decision.detail};
  }

  void follow_settings(const RecordedEvent& event) {
    const auto* changed = event.record().event_as_SettingChanged();
    const SettingKey* key = changed && event.is_accepted() ? setting_named(changed->key()->string_view()) : nullptr;
    if (key) key->set(recorded_settings_, setting_value_from(*changed->value()));
  }

  // Passes.

  void begin_passes() {
    last_reaper_ = machine_.now();
    last_reconciler_ = machine_.now();
  }

  /// Boot start + n × interval, before a moment.
  void pass_until(TimeUs moment) {
    while (!retold_.horizon && machine_.state().boot_named(daemon_name)) {
      const Settings& settings = machine_.state().settings();
      const TimeUs reaper = plus_s(last_reaper_, settings.reaper.interval_s);
      const TimeUs reconciler = plus_s(last_reconciler_, settings.reconciler.interval_s);
      const TimeUs next = std::min(reaper, reconciler);
      if (next >= moment) return;
      set_now(next);
      if (next == reaper) {
        last_reaper_ = next;
        if (settings.reaper.enabled) reaper_pass();
      } else {
        last_reconciler_ = next;
        if (settings.reconciler.enabled) reconciler_pass();
      }
    }
  }

  Asker policy(std::string_view actor) const {
    return {.boot = machine_.state().boot_named(daemon_name)->boot_id,
            .actor = std::string(actor),
            .key = {},
            .request = {}};
  }
  std::int64_t daemon_pid() const { return machine_.state().boot_named(daemon_name)->pid; }

  /// Whether the log shows that no pass was at this moment: one by its own settings would have done the same.
  bool was_no_pass(TaskId task, std::string_view interval) const {
    return !parted_.contains(task) && !is_changed_key(interval);
  }

  void reaper_pass() {
    const std::set<JobId> running = machine_.state().indexes.running;
    for (const JobId id : running) {
      const Job* job = machine_.state().jobs.find(id);
      if (!job || retold_.horizon) continue;
      const auto look = look_at(job->task, id);
      if (!look) continue;
      const ReapDecision decision = reap_decision(look->sight);
      if (decision.move == ReapMove::leave) {
        remember_streak(id, decision.streak);
        continue;
      }
      const ReapDecision by_log = decision_of_the_log(*look);
      const bool is_alike = by_log.move == decision.move && by_log.tier == decision.tier;
      if (is_alike && was_no_pass(job->task, "reaper.interval_s")) continue;
      const TaskId task = job->task;
      turn(std::nullopt, recorded_in_words(*look, by_log, recorded_settings_), in_words(*look, decision));
      parted_.insert(task);
      reap_job(machine_, world_, task, id, streaks_, policy(reaper_actor), daemon_pid());
      note_unanswered();
      note_waiting(task);
    }
    if (!retold_.horizon) reclaim_pass();
  }

  void reclaim_pass() {
    const auto is_alive = [&](const Owner& owner, const Boot& boot) { return world_.is_alive(owner, boot); };
    for (const LeaseToReclaim& found : leases_to_reclaim(machine_.state(), machine_.now(), is_alive)) {
      const Lease lease = *machine_.state().lease(found.key);
      const TaskId task = task_of_key(found.key).value_or(TaskId{0});
      const bool is_alike = recorded_settings_.reaper.enabled && reason_of(lease, recorded_settings_) == found.reason;
      const bool has_parted = task == TaskId{0} && parted_keys_.contains(found.key);
      if (is_alike && !has_parted && was_no_pass(task, "reaper.interval_s")) continue;
      turn(std::nullopt, "leaves the lease " + found.key + " with " + lease.owner.actor,
           "reaper reclaims the lease " + found.key + " from " + lease.owner.actor + ": " +
               fb::EnumNameReclaimReason(found.reason));
      parted_keys_.insert(found.key);
      if (task != TaskId{0}) parted_.insert(task);
      fb::LeaseReclaimedT event;
      event.key = found.key;
      event.token = raw(found.token);
      event.reason = found.reason;
      machine_.propose(propose_group(policy(reaper_actor), event));
    }
  }

  void reconciler_pass() {
    for (const TaskId task : reconcile_candidates(machine_.state())) {
      if (retold_.horizon) return;
      const auto view = machine_.view(task);
      if (!view) continue;
      const bool owner_alive = view->lease && world_.is_alive(view->lease->owner, *view->lease_boot);
      const ReconcileMove move = reconcile_move(*view, owner_alive);
      if (move == ReconcileMove::none || move == ReconcileMove::defer) continue;
      if (recorded_settings_.reconciler.enabled && was_no_pass(task, "reconciler.interval_s")) continue;
      turn(std::nullopt, "leaves task " + std::to_string(raw(task)) + " where it is",
           "reconciler drives task " + std::to_string(raw(task)) + " on from " + view->task.stage);
      parted_.insert(task);
      reconcile(machine_, world_, task, policy(reconciler_actor), daemon_pid());
      note_unanswered();
    }
  }

  // What a policy sees and decides.

  std::optional<ReapLook> look_at(TaskId task, JobId id) {
    std::optional<TaskView> view = machine_.view(task);
    if (!view) return std::nullopt;
    for (const RunningJob& running : view->running) {
      if (running.job.id != id) continue;
      ReapSight sight = reap_sight(*view, running, world_, machine_.now(), streaks_);
      RunningJob copy = running;
      return ReapLook{std::move(*view), std::move(copy), std::move(sight)};
    }
    return std::nullopt;
  }

  /// The same job under the settings that were in force in the log.
  ReapDecision decision_of_the_log(const ReapLook& look) {
    if (!recorded_settings_.reaper.enabled) return {};
    TaskView view = look.view;
    view.settings = recorded_settings_;
    return reap_decision(reap_sight(view, look.running, world_, machine_.now(), streaks_));
  }

  std::optional<fb::ReclaimReason> reason_of(const Lease& lease, const Settings& settings) {
    const auto task = task_of_key(lease.key);
    const bool alive = world_.is_alive(lease.owner, *machine_.state().boots.find(lease.owner.boot_id));
    return reclaim_reason(lease, settings, machine_.now(), alive, task && machine_.state().running_job(*task));
  }

  void remember_streak(JobId job, const Streak& streak) {
    if (streak.passes > 0) {
      streaks_[job] = streak;
    } else {
      streaks_.erase(job);
    }
  }

  // The log's groups.

  void play(const RecordedGroup& group) {
    Events events;
    recorded_consequences_.clear();
    for (const RecordedEvent& event : group) {
      add_consequences(recorded_consequences_, event.record(), event.effects);
      follow_settings(event);
      retelling_.hear(event);
      if (is_of_the_machine(event.record())) continue;
      const auto* changed = event.record().event_as_SettingChanged();
      if (!changed || !is_changed_key(changed->key()->string_view())) events.push_back(&event);
    }
    if (events.empty()) return;
    const fb::Record& first = events.front()->record();
    const std::string actor = first.actor()->str();
    PathKey key{first.boot()->str(), actor, TaskId{0}};
    for (const RecordedEvent* event : events) {
      if (const auto task = task_of(log_, event->record())) key.task = *task;
    }
    // A lease of a repository belongs to the path that its speaker is on.
    if (key.task == TaskId{0}) key.task = last_task_[{key.boot, actor}];
    last_task_[{key.boot, actor}] = key.task;
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

  void begin_boot(const RecordedEvent& event) {
    const auto* booted = event.record().event_as_BootStarted();
    if (!event.is_accepted() || booted->name()->string_view() != daemon_name) return;
    streaks_.clear();
    begin_passes();
  }

  /// Whether the reaper would open the same path now.
  bool is_reaper_agreed(const Events& events, TaskId task) {
    for (const RecordedEvent* event : events) {
      if (const auto* reclaimed = event->record().event_as_LeaseReclaimed(); reclaimed && events.size() == 1) {
        return is_reclaim_agreed(*event, *reclaimed);
      }
    }
    if (!has_type(events, {fb::Event::LeaseAcquired, fb::Event::GateEvaluated, fb::Event::JobReaped})) return true;
    const RecordedEvent* reap = reap_of(*events.front(), task);
    const auto* reaped = reap ? reap->record().event_as_JobReaped() : nullptr;
    const auto job = reaped ? retelling_.job_of(reaped->job()) : std::nullopt;
    if (!reaped) return true;
    if (job && reaped->evidence() && reaped->evidence()->streak().value_or(0) > 0) {
      const fb::Evidence& seen = *reaped->evidence();
      const Job* row = machine_.state().jobs.find(*job);
      streaks_[*job] = {row ? row->attempts : 0, *seen.streak() - 1, {seen.first_dead().value_or(0)}};
    }
    const auto look = job ? look_at(task, *job) : std::nullopt;
    const Settings& settings = machine_.state().settings();
    const bool is_pass = settings.reaper.enabled && !is_changed_key("reaper.interval_s");
    const ReapDecision decision = look && is_pass ? reap_decision(look->sight) : ReapDecision{};
    if (decision.move != ReapMove::leave && decision.tier == reaped->tier()) return true;
    // What the reaper of this version would not have done by the log's own settings either was done by hand.
    const ReapDecision by_log = look ? decision_of_the_log(*look) : ReapDecision{};
    if (by_log.move == ReapMove::leave && !parted_.contains(task)) return true;
    std::string changed = "the job is not running";
    if (look) changed = in_words(*look, decision);
    if (!settings.reaper.enabled) changed = "the reaper is switched off";
    if (is_changed_key("reaper.interval_s")) changed = "there is no pass at that moment";
    turn(events.front()->seq(), recorded_in_words(*reap), changed);
    return false;
  }

  bool is_reclaim_agreed(const RecordedEvent& event, const fb::LeaseReclaimed& reclaimed) {
    const Lease* lease = machine_.state().lease(reclaimed.key()->str());
    const Settings& settings = machine_.state().settings();
    const bool is_pass = settings.reaper.enabled && !is_changed_key("reaper.interval_s");
    const auto reason = lease && is_pass ? reason_of(*lease, settings) : std::nullopt;
    if (reason == reclaimed.reason()) return true;
    if (lease && reason_of(*lease, recorded_settings_) != reclaimed.reason()) return true;  // by hand
    turn(event.seq(), recorded_in_words(event),
         lease ? "the lease stays with " + lease->owner.actor : "the lease is not held");
    parted_keys_.insert(reclaimed.key()->str());
    return false;
  }

  bool is_reconciler_agreed(const Events& events, TaskId task) {
    const bool is_policy =
        has_type(events, {fb::Event::LeaseAcquired, fb::Event::GateEvaluated, fb::Event::StageTransition});
    if (!is_policy) return true;
    const auto view = machine_.view(task);
    const bool owner_alive = view && view->lease && world_.is_alive(view->lease->owner, *view->lease_boot);
    const ReconcileMove move = view ? reconcile_move(*view, owner_alive) : ReconcileMove::none;
    const Settings& settings = machine_.state().settings();
    const bool is_pass = settings.reconciler.enabled && !is_changed_key("reconciler.interval_s");
    if (is_pass && move != ReconcileMove::none && move != ReconcileMove::defer) return true;
    const bool is_by_hand = view && is_pass && !parted_.contains(task);
    if (is_by_hand) return true;
    std::string changed = "the reconciler has nothing to do for it";
    if (move == ReconcileMove::defer) changed = "the reconciler defers to " + view->lease->owner.actor;
    if (!settings.reconciler.enabled) changed = "the reconciler is switched off";
    if (is_changed_key("reconciler.interval_s")) changed = "there is no pass at that moment";
    turn(events.front()->seq(), recorded_in_words(*events.front()), changed);
    return false;
  }

  /// The reap that a path of the reaper comes to, its opening included; null if it comes to none.
  const RecordedEvent* reap_of(const RecordedEvent& opening, TaskId task) const {
    const auto from = std::lower_bound(log_.groups.begin(), log_.groups.end(), opening.seq(),
                                       [](const RecordedGroup& group, Seq seq) { return group.back().seq() < seq; });
    for (auto group = from; group != log_.groups.end(); ++group) {
      for (const RecordedEvent& event : *group) {
        const bool is_his = event.record().actor()->string_view() == reaper_actor;
        if (is_his && event.record().event_as_JobReaped() && task_of(log_, event.record()) == task) return &event;
      }
    }
    return nullptr;
  }

  /// Records that this story does not have.
  void drop(const Events& events) {
    for (const RecordedEvent* event : events) {
      if (!event->is_accepted()) continue;
      retold_.lost.push_back(event->seq());
      if (is_irreversible(event->record())) {
        end_at(event->seq(), "a call to the outside that the change prevents: " + recorded_in_words(*event));
      }
    }
  }

  bool is_irreversible(const fb::Record& record) const {
    if (record.event_type() == fb::Event::JobClaimed) return true;  // Its agent would not have run.
    const auto* started = record.event_as_StepStarted();
    const Task* task = started ? machine_.state().tasks.find(TaskId{started->task()}) : nullptr;
    if (!task) return started != nullptr;
    const PipelineStep* step =
        machine_.state().pipeline_of(*task).step(started->to()->string_view(), started->step()->string_view());
    return !step || step->irreversible;
  }

  /// Asks again. False: its speaker is turned away here, where the log let him in.
  bool propose(const Events& wanted, const PathKey& key) {
    const State& state = machine_.state();
    Events events;
    for (const RecordedEvent* event : wanted) {
      const auto* released = event->record().event_as_LeaseReleased();
      const Lease* held = released ? state.lease(released->key()->str()) : nullptr;
      // Where nothing was granted there is nothing to be given back.
      const bool is_void = released && event->is_accepted() && is_key_void(*event, released->key()->str(), held);
      if (!is_void) events.push_back(event);
    }
    if (events.empty()) return true;
    Group group;
    for (const RecordedEvent* event : events) group.push_back(retelling_.proposal_of(*event, state));
    const fb::Record& first = events.front()->record();
    if (has_type(events, {fb::Event::StageTransition, fb::Event::TaskBlocked})) {
      for (const auto& [lease, token] : retelling_.unreturned(first, key.task, state)) {
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
      retelling_.told(events, decision, state);
      add_mark(events);
      for (const RecordedEvent* event : events) {
        if (const auto* claimed = event->record().event_as_JobClaimed()) {
          if (const auto job = retelling_.job_of(claimed->job())) waiting_.erase(*job);
        }
      }
    }
    if (recorded != decision.outcome) return part(events, recorded, decision, key.task);
    compare_consequences(events.front()->seq(), key.task);
    return true;
  }

  bool is_key_void(const RecordedEvent& event, const std::string& key, const Lease* held) const {
    const auto token = event.record().event_as_LeaseReleased()->token();
    const auto here = retelling_.token_of(event.record(), key, token, machine_.state());
    return !held || !here || raw(held->token) != *here;
  }

  /// The answer is the same, but what the machine itself made of it may not be: whom a restart reaps, what is cancelled
  /// now, which task has been sent back or has failed too often.
  void compare_consequences(Seq seq, TaskId task) {
    if (consequences_ == recorded_consequences_) return;
    const auto listed = [](const std::vector<std::string>& all) {
      std::string out;
      for (const std::string& one : all) out += (out.empty() ? "" : "; ") + one;
      return out.empty() ? std::string("nothing follows") : out;
    };
    turn(seq, listed(recorded_consequences_), listed(consequences_));
    parted_.insert(task);
  }

  static Outcome outcome_of(const Events& events) {
    for (const RecordedEvent* event : events) {
      const Outcome outcome{event->record().stamp()->outcome()};
      if (outcome != Outcome::accepted && outcome != Outcome::skipped) return outcome;
    }
    return Outcome{events.front()->record().stamp()->outcome()};
  }

  /// The same was asked, and the answer is another.
  bool part(const Events& events, Outcome recorded, const Decision& decision, TaskId task) {
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
      const bool goes_out =
          has_type(events, {fb::Event::StepStarted, fb::Event::JobClaimed}) || takes_task_lease(events);
      if (goes_out || creates)
        end_at(first.seq(), "what comes of it the log does not hold: " + recorded_in_words(first));
      return true;
    }
    if (recorded != Outcome::accepted) return true;
    drop(events);
    if (creates) end_at(first.seq(), "the log's next tasks are others: " + recorded_in_words(first));
    return !takes_task_lease(events);
  }

  /// The monitor of this version marks what it finishes, at once and whatever the settings (SPEC §7). A log that was
  /// made without the marks cannot show what they would have kept off.
  void add_mark(const Events& events) {
    if (!is_changed_key("reaper.finalizer_liveness")) return;
    for (const RecordedEvent* event : events) {
      const auto* exited = event->record().event_as_RunExited();
      const auto job = exited && !marked_.contains(exited->job()) ? retelling_.job_of(exited->job()) : std::nullopt;
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

  // What is told of it.

  void turn(std::optional<Seq> seq, std::string recorded, std::string changed) {
    retold_.turns.push_back({machine_.now(), seq, std::move(recorded), std::move(changed)});
  }

  void end_at(std::optional<Seq> seq, std::string why) {
    if (!retold_.horizon) retold_.horizon = Horizon{machine_.now(), seq, std::move(why)};
  }

  void note_unanswered() {
    if (world_.unanswered) end_at(std::nullopt, "the log does not say " + *world_.unanswered);
  }

  void note_waiting(TaskId task) {
    const Task* row = machine_.state().tasks.find(task);
    const Job* open = row ? machine_.state().open_job(*row) : nullptr;
    if (open && open->status == JobStatus::queued) waiting_.emplace(open->id, machine_.now());
  }

  const RecordedLog& log_;
  const std::vector<Change>& changes_;
  DirectMachine machine_;
  RecordedWorld world_;
  Retelling retelling_;
  Audit audit_;
  Chain chain_;
  Settings recorded_settings_;
  bool is_changed_ = false;
  Streaks streaks_;
  TimeUs last_reaper_;
  TimeUs last_reconciler_;
  std::set<std::uint64_t> marked_;  // jobs of the log
  std::map<PathKey, Path> paths_;
  std::map<std::pair<std::string, std::string>, TaskId> last_task_;
  std::set<TaskId> parted_;  // whose stories are others by now
  std::set<std::string> parted_keys_;
  std::map<JobId, TimeUs> waiting_;
  std::vector<std::string> recorded_consequences_;  // of the log's group in hand
  std::vector<std::string> consequences_;           // of the last group of this story
  Result<void> fits_;                               // the changes, every pipeline of the log
  Retold retold_;
};

}  // namespace

Result<Retold> retell(const RecordedLog& log, const std::vector<Change>& changes) {
  return Story(log, changes, beginning_of(log), beginning_of(log)).tell();
}

Findings findings_in(const RecordedLog& log) {
  Beginning begun = beginning_of(log);
  Audit audit(std::move(begun.state), begun.chain);
  for (const RecordedGroup& group : log.groups) {
    for (const RecordedEvent& event : group) {
      const auto added = audit.add(event.bytes);
      PAWL_ASSERT(added.has_value());
    }
  }
  audit.finish();
  return audit.findings();
}

}  // namespace pawl
