#include "tests/world/witness.h"

#include <cstring>

#include "engine/rules/claim.h"
#include "schema/subject.h"
#include "store/chain.h"
#include "tests/world/explained.h"

namespace pawl::hostile {
namespace {

/// The longest time that nothing runs (Hostility::stall).
constexpr std::int64_t stall_s_max = 600;

/// The task that a record is about; 0 for none.
TaskId task_of(const fb::Record& record, const State& state) {
  const Subject subject = subject_of(record);
  if (const auto task = task_of(subject)) return *task;
  const Job* job = subject.job ? state.jobs.find(*subject.job) : nullptr;
  return job ? job->task : TaskId{0};
}

std::string words(const StepKey& key) {
  return "step '" + key.step + "' of task " + std::to_string(raw(key.task)) + " at version " +
         std::to_string(raw(key.version));
}

}  // namespace

void Witness::see(const std::vector<Decided>& groups) {
  std::vector<const fb::Record*> group;
  for (const Decided& decided : groups) {
    group.clear();
    for (const Proposal& record : decided.records) group.push_back(&record.record());
    see_group(group);
  }
}

void Witness::see_group(std::span<const fb::Record* const> group) {
  if (!is_rewinding_) records_ += group.size();
  if (const auto* restored = group.front()->event_as_LogRestored()) lost_.see(state_, *restored);
  note_departures(group);
  check_attempts(group);
  for (const fb::Record* record : group) entitled_.see(*record, state_);
  const std::map<JobId, std::uint64_t> interrupted = interruptions_due(group);
  const CheckedGroup checked = check_group(state_, group);
  for (const auto& [id, due] : interrupted) {
    if (const Job* job = state_.jobs.find(id)) check_interrupted(*job, due);
  }
  for (const Finding& finding : checked.findings) {
    if (finding.kind == Finding::Kind::unchecked) continue;
    // What the switched-off reconciler would drive stands still: that is what switching it off means.
    if (finding.invariant == 10 && !state_.settings().reconciler.enabled) continue;
    broken_("record " + std::to_string(raw(finding.seq)) + ": " + std::string(name(finding.kind)) +
            (finding.invariant > 0 ? " of invariant " + std::to_string(finding.invariant) : "") + ": " + finding.what);
  }
  for (std::size_t i = 0; i < group.size(); ++i) {
    note(*group[i], checked.reapplied.applied[i]);
    entitled_.seen(*group[i], checked.reapplied.applied[i], state_);
  }
  check_explained(group);
  to_be_cancelled_.clear();
  chain_ = chain_of(*group.back());
}

/// Checks the explanation for each task that a record is about; sometimes for all tasks.
void Witness::check_explained(std::span<const fb::Record* const> group) {
  constexpr std::uint64_t all_every = 256;
  constexpr std::uint64_t typed_every = 32;
  const auto ask = [&](const Task& task, bool types) {
    std::string wrong = wrong_in_words(state_, task);
    if (wrong.empty() && types) wrong = wrong_in_command(state_, task);
    if (!wrong.empty()) broken_("record " + std::to_string(raw(state_.last_seq)) + ": " + wrong);
  };
  for (const fb::Record* record : group) {
    const Task* task = state_.tasks.find(task_of(*record, state_));
    if (task) ask(*task, raw(state_.last_seq) % typed_every == 0);
  }
  if (raw(state_.last_seq) % all_every != 0) return;
  for (const auto& [id, task] : state_.tasks.rows()) ask(task, false);
}

/// Who leaves which version for where. Before the group is applied, while what it removes is still there.
void Witness::note_departures(std::span<const fb::Record* const> group) {
  std::map<TaskId, std::pair<Version, std::string>> moved;  // within the group
  for (const fb::Record* record : group) {
    if (record->stamp()->unchecked()) unchecked_.insert(task_of(*record, state_));
    if (record->stamp()->outcome() != static_cast<std::uint16_t>(Outcome::accepted)) continue;
    const auto* transition = record->event_as_StageTransition();
    const auto* cancelled = record->event_as_TaskCancelled();
    if (!transition && !cancelled) continue;
    const Task& task = *state_.tasks.find(TaskId{transition ? transition->task() : cancelled->task()});
    const auto [from, is_first] = moved.try_emplace(task.id, task.version, task.stage);
    if (transition && !record->stamp()->unchecked() && transition->expected_version() != raw(from->second.first)) {
      broken_("record " + std::to_string(record->stamp()->seq()) + " moved task " + std::to_string(raw(task.id)) +
              " on from version " + std::to_string(raw(from->second.first)) + ", though it was meant for another");
    }
    const std::string to = transition ? transition->to()->str() : std::string(stage_cancelled);
    left_[{task.id, from->second.first}] = {.from = from->second.second, .to = to, .pipeline = task.pipeline};
    from->second = {next(from->second.first), to};
  }
}

/// A run's report is accepted for the running attempt, and for no other.
void Witness::check_attempts(std::span<const fb::Record* const> group) {
  for (const fb::Record* record : group) {
    if (record->stamp()->outcome() != static_cast<std::uint16_t>(Outcome::accepted)) continue;
    const auto check = [&](const auto* event) {
      const Job* job = event ? state_.jobs.find(JobId{event->job()}) : nullptr;
      if (job && state_.indexes.cancel_standing.contains(job->task)) to_be_cancelled_.insert(job->id);
      if (!job || job->attempts == event->attempt()) return;
      broken_("record " + std::to_string(record->stamp()->seq()) + " speaks of attempt " +
              std::to_string(event->attempt()) + " of job " + std::to_string(event->job()) + ", of which attempt " +
              std::to_string(job->attempts) + " runs");
    };
    check_reporter(*record, record->event_as_RunStarted());
    check_reporter(*record, record->event_as_RunExited());
    check_reporter(*record, record->event_as_JobFinished());
    check_contradiction(*record);
    check(record->event_as_RunStarted());
    check(record->event_as_RunExited());
    check(record->event_as_JobFinished());
    check(record->event_as_JobReaped());
    left_behind_.see(*record, state_);
    check_freed(*record);
    check_aged(*record);
    check_entitled(*record);
    if (const auto* reaped = record->event_as_JobReaped()) check_reap(*record, *reaped);
    if (const auto* seen = record->event_as_BranchSeen(); seen && seen->begun()) begun_.insert(TaskId{seen->task()});
    if (const auto* set = record->event_as_SettingChanged()) {
      settings_changed_ = TimeUs{record->stamp()->time_us()};
      if (set->key()->string_view() == "ownership.enabled") ownership_changed_ = settings_changed_;
      if (set->key()->string_view() == "stop.enabled") was_stop_off_ = true;
    }
  }
}

/// Only the boot that owns an attempt reports on it, or the daemon.
template <class Event>
void Witness::check_reporter(const fb::Record& record, const Event* event) {
  const Job* job = event ? state_.jobs.find(JobId{event->job()}) : nullptr;
  const Boot* boot = state_.boots.find(record.boot()->str());
  if (!job || !job->run || !boot || boot->name == daemon_name || boot->boot_id == job->run->owner.boot_id) return;
  broken_("record " + std::to_string(record.stamp()->seq()) + " reports on job " + std::to_string(event->job()) +
          " by boot " + boot->boot_id + ", which does not own it");
}

/// What has exited belongs to its finalizer: the daemon, or the outside holder of its task's lease.
void Witness::check_contradiction(const fb::Record& record) {
  const std::string what = "record " + std::to_string(record.stamp()->seq()) + " contradicts the exit of job ";
  if (const auto* exited = record.event_as_RunExited()) {
    const Job* job = state_.jobs.find(JobId{exited->job()});
    if (!job || !job->run || !job->run->exit_code || *job->run->exit_code == exited->exit_code()) return;
    return broken_(what + std::to_string(exited->job()));
  }
  const auto* finished = record.event_as_JobFinished();
  const Job* job = finished ? state_.jobs.find(JobId{finished->job()}) : nullptr;
  if (!job || !job->run || !job->run->exit_code) return;
  const Boot* boot = state_.boots.find(record.boot()->str());
  const Task* task = state_.tasks.find(job->task);
  const Lease* lease = state_.lease(task_key(job->task));
  if (!boot || boot->name == daemon_name || (lease && lease->owner.boot_id == boot->boot_id)) return;
  if (!task || task->version != job->version || !task->cancel_requested.empty()) return;
  if ((*job->run->exit_code == 0) != (finished->result() == fb::JobResult::done)) {
    broken_(what + std::to_string(finished->job()));
  }
}

/// Work that an agent finished with exit code 0 is not repeated before a gate or a step has found fault with it.
void Witness::note_work(const fb::Record& record) {
  const auto object = [&](std::uint64_t task, std::uint64_t version) {
    std::erase_if(finished_work_,
                  [&](const auto& work) { return work.second == std::pair(TaskId{task}, Version{version}); });
  };
  if (const auto* exited = record.event_as_RunExited()) {
    const JobId id{exited->job()};
    const Job* job = state_.jobs.find(id);
    const auto [known, is_new] = exited_.try_emplace(id, exited->attempt());
    if (!is_new && std::exchange(known->second, exited->attempt()) == exited->attempt()) return;
    if (job && exited->exit_code() == 0) finished_work_[id] = {job->task, job->version};
  } else if (const auto* gate = record.event_as_GateEvaluated()) {
    // Only from the party that has the task in hand: others' reports on a gate are recorded, and no more.
    const std::string principal = principal_of(record);
    const Lease* lease = state_.lease(task_key(TaskId{gate->task()}));
    const bool is_its_own = lease && state_.boots.find(lease->owner.boot_id)->principal == principal;
    const bool counts = principal.empty() || is_its_own || was_unchecked(TaskId{gate->task()});
    if (counts && gate->passed() != true && gate->later() != true) object(gate->task(), gate->version());
  } else if (const auto* step = record.event_as_StepFinished()) {
    if (step->outcome() != fb::StepOutcome::done) object(step->task(), step->version());
    if (step->conclusive()) on_doubt(*step->conclusive() ? Doubt::second_no : Doubt::first_no);
  } else if (const auto* claimed = record.event_as_JobClaimed()) {
    if (finished_work_.erase(JobId{claimed->job()}) == 0) return;
    broken_("record " + std::to_string(record.stamp()->seq()) + " begins job " + std::to_string(claimed->job()) +
            " again, whose agent exited with 0");
  }
}

/// A lease is released, or taken away, by its current token, and reclaimed for death only from a dead owner.
void Witness::check_freed(const fb::Record& record) {
  const auto* released = record.event_as_LeaseReleased();
  const auto* reclaimed = record.event_as_LeaseReclaimed();
  if (!released && !reclaimed) return;
  const Lease* lease = state_.lease((released ? released->key() : reclaimed->key())->str());
  if (!lease) return;  // It was taken within the group.
  if (raw(lease->token) != (released ? released->token() : reclaimed->token())) {
    broken_("record " + std::to_string(record.stamp()->seq()) + " frees " + lease->key + " by another token than " +
            std::to_string(raw(lease->token)));
  }
  if (reclaimed && reclaimed->reason() == fb::ReclaimReason::owner_dead) check_said_dead(record, lease->owner);
}

/// A party declared dead changes nothing except by a fact, and a step begins under the leases that are held.
void Witness::check_entitled(const fb::Record& record) {
  const std::string which = "record " + std::to_string(record.stamp()->seq());
  const Boot* boot = state_.boots.find(record.boot()->str());
  const bool is_fact = record.event_as_RunExited() || record.event_as_StepFinished();
  if (boot && boot->stale && !is_fact) broken_(which + " was asked for by boot " + boot->boot_id + ", which is stale");
  const auto* started = record.event_as_StepStarted();
  if (!started || record.stamp()->unchecked()) return;
  const Task& task = *state_.tasks.find(TaskId{started->task()});
  const auto check = [&](const std::string& key, const auto& token) {
    const Lease* lease = state_.lease(key);
    if (lease && token && raw(lease->token) == *token) return;
    broken_(which + " begins step '" + started->step()->str() + "' without the lease " + key);
  };
  check(task_key(task.id), started->token());
  const PipelineStep* step = state_.pipeline_of(task).step(started->to()->str(), started->step()->str());
  if (step && step->exclusive) check(repo_key(task.repo), started->repo_token());
}

/// The dead stay dead: what is alive now was alive whenever anyone looked.
void Witness::check_said_dead(const fb::Record& record, const Owner& owner) {
  const Boot* boot = state_.boots.find(owner.boot_id);
  if (!boot || boot->stale || !machines_.exists(boot->host, boot->pid, boot->pid_start)) return;
  broken_("record " + std::to_string(record.stamp()->seq()) + " takes " + owner.actor + " of boot " + owner.boot_id +
          " for dead, who is alive");
}

void Witness::note_began(const fb::Record& record) {
  if (!served_) return;
  if (const auto* claimed = record.event_as_JobClaimed()) claimed_[JobId{claimed->job()}] = served_();
  const auto* acquired = record.event_as_LeaseAcquired();
  // With ownership off it changes nothing.
  if (acquired && !record.stamp()->unchecked()) renewed_[acquired->key()->str()] = served_();
}

/// Time without a running daemon, or with the machine asleep, ages nothing.
void Witness::check_aged(const fb::Record& record) {
  if (const auto* reaped = record.event_as_JobReaped(); reaped && reaped->tier() == fb::Tier::ceiling) {
    const Job* job = state_.jobs.find(JobId{reaped->job()});
    const auto since = claimed_.find(JobId{reaped->job()});
    const bool is_settled = job && settings_changed_ < job->run->claimed;
    if (is_settled && since != claimed_.end()) {
      check_served(record, since->second, state_.settings().reaper.max_running_s,
                   "reaps job " + std::to_string(reaped->job()));
    }
  }
  if (const auto* reclaimed = record.event_as_LeaseReclaimed();
      reclaimed && reclaimed->reason() == fb::ReclaimReason::ttl_expired) {
    const Lease* lease = state_.lease(reclaimed->key()->str());
    const auto since = renewed_.find(reclaimed->key()->str());
    if (lease && lease->ttl_s && since != renewed_.end()) {
      check_served(record, since->second, *lease->ttl_s, "reclaims " + lease->key);
    }
  }
}

void Witness::check_served(const fb::Record& record, const Served& since, std::int64_t bound_s,
                           const std::string& what) {
  const Served now = served_();
  const Us served = now.us - since.us;
  // What a daemon saw of it before it could record it durably; what is too short for a record, at each start; the slew.
  const Us slack = stall_s_max * second + static_cast<Us>(now.starts - since.starts + 1) * 5 * second + served / 1000;
  if (served + slack >= bound_s * second) return;
  broken_("record " + std::to_string(record.stamp()->seq()) + ' ' + what + " for its age, " + std::to_string(bound_s) +
          " s, though daemons have run for " + std::to_string(served / second) + " s since it began");
}

/// A job that has exited is left to its finalizer: for the grace, and as long as the finalizer lives.
void Witness::check_reap(const fb::Record& record, const fb::JobReaped& reaped) {
  const Job* job = state_.jobs.find(JobId{reaped.job()});
  const fb::Evidence* evidence = reaped.evidence();
  const fb::Owner* owner = evidence ? evidence->lease_owner() : nullptr;
  if (owner && evidence->lease_owner_alive() == false) {
    check_said_dead(record, {owner->boot_id()->str(), owner->pid(), owner->actor()->str()});
  }
  const bool by_ttl = reaped.reason() && reaped.reason()->string_view() == reaped_for_ttl;
  const auto end = job ? job->run->claim_end() : std::nullopt;
  if (by_ttl && (!end || TimeUs{record.stamp()->time_us()} < *end)) {
    broken_("record " + std::to_string(record.stamp()->seq()) + " takes job " + std::to_string(reaped.job()) +
            " from a worker whose claim still lasts");
  }
  // An agent may outlive its owner: the owner's death alone is reason enough, or its missing renewal.
  if (job && !by_ttl && reaped.tier() == fb::Tier::pid_dead && record.actor()->string_view() == "reaper" &&
      job->run->pid) {
    const Boot* boot = state_.boots.find(job->run->owner.boot_id);
    const bool owner_lives = boot && !boot->stale && machines_.exists(boot->host, boot->pid, boot->pid_start);
    if (owner_lives && machines_.exists(boot->host, *job->run->pid, job->run->pid_start)) {
      broken_("record " + std::to_string(record.stamp()->seq()) + " takes the agent of job " +
              std::to_string(reaped.job()) + " for dead, which is alive");
    }
  }
  if (!job || !job->run->exited || reaped.tier() != fb::Tier::finalizer_dead) return;
  const std::string what = "record " + std::to_string(record.stamp()->seq()) + " reaps job " +
                           std::to_string(reaped.job()) + " of a finalizer";
  const std::int64_t age = age_s(*job->run->exited, TimeUs{record.stamp()->time_us()});
  // If the grace was changed meanwhile, the earlier one may have decided.
  const bool is_settled = settings_changed_ < *job->run->exited;
  if (is_settled && age < state_.settings().reaper.finalize_grace_s) {
    broken_(what + ' ' + std::to_string(age) + " s after the exit");
  }
  const bool is_own = owner && owner->boot_id()->string_view() == record.boot()->string_view() &&
                      owner->actor()->string_view() == record.actor()->string_view();
  // The same if the reaper looked while ownership was switched off, and was delayed in deciding.
  const bool was_checked = ownership_changed_ < *job->run->exited ||
                           age_s(ownership_changed_, TimeUs{record.stamp()->time_us()}) > stall_s_max;
  if (was_checked && !record.stamp()->unchecked() && owner && !is_own && evidence->lease_owner_alive() == true) {
    broken_(what + " who holds the task's lease, and is alive");
  }
}

void Witness::check_interrupted(const Job& job, std::uint64_t due) {
  const std::string what = "record " + std::to_string(raw(state_.last_seq)) + ": job " + std::to_string(raw(job.id)) +
                           " was interrupted by a restart, which ";
  if (job.interruptions != due) broken_(what + "is not counted");
  const auto allowed = static_cast<std::uint64_t>(state_.settings().recovery.max_interruptions);
  const bool has_tries = job.charged_tries() < job.max_attempts && job.interruptions <= allowed;
  if (job.status == JobStatus::failed && has_tries) broken_(what + "used up its tries");
}

/// A restart is not charged to the job: the expected count of each job after a group of restarts.
std::map<JobId, std::uint64_t> Witness::interruptions_due(std::span<const fb::Record* const> group) const {
  std::map<JobId, std::uint64_t> due;
  for (const fb::Record* record : group) {
    const auto* reaped = record->event_as_JobReaped();
    const bool accepted = record->stamp()->outcome() == static_cast<std::uint16_t>(Outcome::accepted);
    if (!reaped || !accepted || reaped->tier() != fb::Tier::restart) continue;
    const Job* job = state_.jobs.find(JobId{reaped->job()});
    if (job && !job->run->exit_code) due[job->id] = job->interruptions + 1;
  }
  return due;
}

void Witness::note(const fb::Record& record, const Applied& applied) {
  outcomes_[Seq{record.stamp()->seq()}] = record.stamp()->outcome();
  if (!is_rewinding_ || record.event_as_LogRestored()) {
    ++reach_[static_cast<std::size_t>(record.event_type())][static_cast<std::size_t>(applied.outcome)];
  }
  if (applied.outcome == Outcome::accepted) note_work(record);
  if (applied.outcome == Outcome::accepted) note_began(record);
  for (const Effect& effect : applied.effects) {
    if (effect.kind == EffectKind::job_queued && to_be_cancelled_.contains(JobId{effect.id})) {
      broken_("record " + std::to_string(record.stamp()->seq()) + " queued job " + std::to_string(effect.id) +
              ", though its task is to be cancelled");
    }
  }
  const auto* reaped = record.event_as_JobReaped();
  for (const Effect& effect : applied.effects) {
    const bool by_death =
        reaped && (reaped->tier() == fb::Tier::pid_dead || reaped->tier() == fb::Tier::finalizer_dead);
    if (by_death && effect.kind == EffectKind::lease_freed && effect.token != reaped->lease_token()) {
      broken_("record " + std::to_string(record.stamp()->seq()) + " frees " + effect.text +
              ", which is not the lease that it speaks of");
    }
  }
  if (const auto* started = record.event_as_StepStarted(); started && applied.outcome == Outcome::accepted) {
    if (started->token() && !applied.unchecked) step_tokens_[Seq{record.stamp()->seq()}] = Token{*started->token()};
  }
  if (!record.key()) return;
  const Seq group{record.stamp()->group()};
  const auto [first, is_new] = keys_.emplace(record.key()->str(), group);
  if (!is_new && first->second != group) {
    broken_("record " + std::to_string(record.stamp()->seq()) + ": the request with key " + first->first +
            " was decided before, at " + std::to_string(raw(first->second)));
  }
}

void Witness::told(const Decision& decision) {
  const Seq seq = decision.seq;
  if (seq > state_.last_seq) {
    broken_("a party was told of record " + std::to_string(raw(seq)) + ", which is not durable");
    return;
  }
  told_until_ = std::max(told_until_, seq);
  const auto known = outcomes_.find(seq);
  if (known == outcomes_.end()) {
    return broken_("a party was told of record " + std::to_string(raw(seq)) + ", which does not exist");
  }
  const auto recorded = Outcome{known->second};
  if (decision.source != Decision::AnswerSource::mismatched && recorded != decision.outcome) {
    broken_("a party was told '" + std::string(name(decision.outcome)) + "' of record " + std::to_string(raw(seq)) +
            ", which says '" + std::string(name(recorded)) + "'");
  }
}

Result<void> Witness::follow(Journal& journal) {
  std::vector<std::vector<std::uint64_t>> bytes;
  PAWL_TRY(journal.read(next(state_.last_seq), [&](RecordBytes record) {
    std::vector<std::uint64_t>& words = bytes.emplace_back((record.size() + 7) / 8);
    std::memcpy(words.data(), record.data(), record.size());
    return true;
  }));
  std::vector<const fb::Record*> group;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    group.push_back(fb::GetRecord(bytes[i].data()));
    const bool ends = i + 1 == bytes.size() ||
                      fb::GetRecord(bytes[i + 1].data())->stamp()->group() != group.front()->stamp()->group();
    if (!ends) continue;
    see_group(group);
    group.clear();
  }
  return {};
}

void Witness::restored(Journal& journal) {
  state_ = State();
  chain_ = {};
  outcomes_.clear();
  told_until_ = {};
  keys_.clear();
  left_.clear();
  step_tokens_.clear();
  exited_.clear();
  finished_work_.clear();
  lost_.forget_restores();
  entitled_.forget();
  is_rewinding_ = true;
  const Result<void> read = follow(journal);
  is_rewinding_ = false;
  left_behind_.forget();
  claimed_.clear();
  renewed_.clear();
  if (!read) broken_("a restored log cannot be read: " + read.error().message);
}

void Witness::recovered(const State& state, const Chain& chain, Journal& journal) {
  if (state.last_seq < state_.last_seq) {
    broken_("records " + std::to_string(raw(state.last_seq) + 1) + " to " + std::to_string(raw(state_.last_seq)) +
            " were durable, and are gone after a restart" +
            (told_until_ > state.last_seq ? "; a party was told of " + std::to_string(raw(told_until_)) : ""));
    return;
  }
  // What was written but never acknowledged may survive or not.
  if (const Result<void> read = follow(journal); !read) return broken_("after a restart: " + read.error().message);
  if (state.last_seq != state_.last_seq || state.digest() != state_.digest() || chain != chain_) {
    broken_("after a restart the state at record " + std::to_string(raw(state.last_seq)) +
            " is not what the records say");
  }
}

bool Witness::is_owners_step(TaskId task, Seq started) const {
  const Lease* lease = state_.lease(task_key(task));
  const auto token = step_tokens_.find(started);
  return lease && token != step_tokens_.end() && token->second == lease->token && !was_unchecked(task);
}

void Witness::effect(const StepKey& key) {
  lost_.had_effect(key);
  if (was_unchecked(key.task) || lost_.is_lost(state_, key)) return;
  const Task* task = state_.tasks.find(key.task);
  if (task && lost_.has_happened_in_it(*task, key.step)) {
    broken_(words(key) + " has its effect again: it already had it in what a restore removed");
  }
  if (task && task->version == key.version) {
    for (const StepRow& row : task->steps) {
      if (row.version != key.version || row.step != key.step) continue;
      if (row.state == StepState::started) return;
      // Its crossing waits for it: nothing else has begun, and nothing else can.
      if (row.is_in_doubt()) return on_doubt(Doubt::came_late);
    }
  }
  broken_(words(key) + " had its effect when its start was not the open one" +
          (task ? ": the task stands on '" + task->stage + "' at version " + std::to_string(raw(task->version))
                : ": the task is finished"));
}

void Witness::check_ledger(const Targets& targets) {
  for (const auto& [key, times] : targets.ledger()) {
    if (times.size() > 1 && !deceived_.contains(key.task)) {
      broken_(words(key) + " had its effect " + std::to_string(times.size()) + " times");
    }
    const auto left = left_.find({key.task, key.version});
    if (left == left_.end() || was_unchecked(key.task)) continue;
    const Pipeline& pipeline = *state_.pipelines.find(left->second.pipeline)->definition;
    if (!pipeline.step(left->second.to, key.step)) {
      broken_(words(key) + " had its effect, but the task went to '" + left->second.to + "'");
    }
  }
  for (const auto& [at, left] : left_) {
    if (was_unchecked(at.first)) continue;
    const Pipeline& pipeline = *state_.pipelines.find(left.pipeline)->definition;
    const Stage* stage = pipeline.stage(left.from);
    if (!stage || stage->to != left.to) continue;
    for (const PipelineStep& step : stage->steps) {
      const StepKey key{at.first, at.second, step.name};
      if (step.irreversible && !lost_.has_happened(key)) {
        broken_(words(key) + " had no effect, but the task went to '" + left.to + "'");
      }
    }
  }
}

}  // namespace pawl::hostile
