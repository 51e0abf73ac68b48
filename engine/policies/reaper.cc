#include "engine/policies/reaper.h"

#include <algorithm>

#include "engine/policies/advance.h"
#include "engine/policies/gate_said.h"
#include "engine/rules/claim.h"
#include "engine/rules/proposals.h"

namespace pawl {
namespace {

/// The only stage whose finalization uses marks (SPEC §7, fallback).
constexpr std::string_view marked_stage = "deploy-staging";

constexpr std::string_view reason_of(const ReapDecision& decision) {
  if (decision.claim_ended) return reaped_for_ttl;
  if (decision.move == ReapMove::exit_zero) return "finalizer_dead";
  switch (decision.tier) {
    case fb::Tier::pid_dead:
      return "process_dead";
    case fb::Tier::finalizer_dead:
      return "finalizer_dead";
    case fb::Tier::ceiling:
      return "max_running";
    case fb::Tier::restart:
      return "stale_boot";
  }
  return "";
}

/// One job's part of a pass.
class JobPass {
 public:
  JobPass(Machine& machine, World& world, TimeUs now, TaskView view, RunningJob running, const Requester& requester,
          std::int64_t pid, const SincePass& since_pass)
      : machine_(machine),
        world_(world),
        now_(now),
        view_(std::move(view)),
        running_(std::move(running)),
        job_(running_.job),
        requester_(requester),
        pid_(pid),
        since_pass_(since_pass) {}

  Reaped run(Streaks& streaks, ReapMode mode) {
    lease_owner_alive_ = view_.lease && world_.is_alive(view_.lease->owner, *view_.lease_boot);
    const ReapObservation observation =
        reap_observation(watched_run(view_, running_), view_.settings, world_, now_, streaks);
    decision_ = reap_decision(observation);
    if (decision_.streak.passes > 0) {
      streaks[job_.id] = decision_.streak;
    } else {
      streaks.erase(job_.id);
    }
    result_.move = decision_.move;
    result_.deferred = decision_.deferred;
    result_.past_ceiling_s =
        std::max<std::int64_t>(0, age_s(job_.run->claimed, observation.now) - view_.settings.reaper.max_running_s);
    switch (decision_.move) {
      case ReapMove::leave:
        break;
      case ReapMove::retry:
        reap(fb::JobResult::retry);
        break;
      case ReapMove::exit_zero:
        if (mode == ReapMode::all) exit_zero();
        break;
    }
    return result_;
  }

 private:
  /// Claim before act: exit code 0 alone proves nothing.
  void exit_zero() {
    const std::unique_ptr<PathHold> path = world_.enter_path(view_.task.id);
    if (!path) {
      result_.deferred = true;
      return;
    }
    if (view_.task.version != job_.version || !view_.stage()) {
      reap(fb::JobResult::done);
      return;
    }
    // Nothing new starts for such a task, so a claim for it would be refused on every pass, and the job would occupy
    // its slot for ever.
    const bool is_cancelled = !view_.task.cancel_requested.empty() && !is_committed(view_.task);
    if (is_cancelled || !view_.task.blocked.empty()) {
      reap(fb::JobResult::retry);
      return;
    }
    // A hold may last for days, and so may people: the job need not keep its slot for so long, and the reconciler goes
    // on from here.
    if (view_.held_at(machine_.now()) || view_.waits_for_people()) {
      reap(fb::JobResult::done);
      return;
    }
    if (view_.is_barred && !is_committed(view_.task)) {
      result_.deferred = true;
      return;
    }
    const Stage& stage = *view_.stage();
    if (!take_lease(stage)) return;
    if (!is_committed(view_.task) && (!gate_is_green(stage) || is_to_be_cancelled())) {
      // If refused, it frees nothing; and while this process lives, the lease would never be treated as a dead owner's.
      if (!reap(fb::JobResult::retry)) release_own();
      return;
    }
    if (!stage.guarded()) {
      // The transition and the claim are one group, so that a crash cannot separate them.
      fb::StageTransitionT transition;
      transition.task = raw(view_.task.id);
      transition.to = stage.to;
      transition.expected_version = raw(job_.version);
      if (token_) transition.token = raw(*token_);
      transition.reason = "advanced";
      Group group = propose_group(requester_, transition, event(fb::JobResult::done));
      if (granted_) group.push_back(propose(requester_, release()));
      if (!settle(machine_.propose(std::move(group)))) release_own();
      return;
    }
    if (!reap(fb::JobResult::done)) {
      release_own();
      return;
    }
    advance(machine_, world_,
            {.task = view_.task.id,
             .version = job_.version,
             .requester = requester_,
             .pid = pid_,
             .gate = AdvanceRequest::Gate::known_green,
             .token = token_,
             .is_entered = true});
  }

  /// False if a live owner holds it: the reaper then defers.
  bool take_lease(const Stage& stage) {
    Group group;
    if (view_.lease && !lease_owner_alive_) {
      fb::LeaseReclaimedT reclaim;
      reclaim.key = view_.lease->key;
      reclaim.token = raw(view_.lease->token);
      reclaim.reason = fb::ReclaimReason::owner_dead;
      group.push_back(propose(requester_, reclaim));
    }
    const Owner self{.boot_id = requester_.boot, .pid = pid_, .actor = requester_.actor};
    const fb::LeaseAcquiredT acquire = lease_wanted(task_key(view_.task.id), self, stage.name + "->" + stage.to);
    group.push_back(propose(requester_, acquire));
    const Decision decision = machine_.propose(std::move(group));
    if (decision.outcome != Outcome::accepted) {
      result_.deferred = decision.outcome == Outcome::lease_held;
      if (!result_.deferred) result_.trouble = std::string(name(decision.outcome));
      return false;
    }
    granted_ = decision.granted(acquire.key);
    token_ = granted_.value_or(Token{raw(decision.seq)});
    return true;
  }

  bool gate_is_green(const Stage& stage) {
    if (!stage.gate) return true;
    if (view_.task.branch.empty()) return false;
    const GateAnswer gate = world_.run_gate(*stage.gate, {.task = view_.task.id,
                                                          .work_item = view_.task.work_item,
                                                          .repo = view_.task.repo,
                                                          .branch = view_.task.branch,
                                                          .stage = stage.name,
                                                          .version = job_.version,
                                                          .edge = stage.name + "->" + stage.to,
                                                          .token = token_,
                                                          .step = {},
                                                          .of_pipeline = view_.pipeline->env,
                                                          .of_stage = stage.env});
    machine_.propose(propose_group(requester_, gate_said(view_.task.id, job_.version, stage.name, gate)));
    if (!gate.passed && !gate.later) result_.trouble = "the gate of " + stage.name + " is in error: " + gate.reason;
    return gate.passed == true;
  }

  /// Whether a cancel was requested while the gate ran.
  bool is_to_be_cancelled() const {
    const std::optional<TaskView> now = machine_.view(view_.task.id);
    return now && !now->task.cancel_requested.empty();
  }

  /// Whether it was accepted.
  bool reap(fb::JobResult outcome) { return settle(machine_.propose(propose_group(requester_, event(outcome)))); }

  bool settle(const Decision& decision) {
    result_.reaped = decision.outcome == Outcome::accepted;
    if (decision.outcome == Outcome::lease_held) result_.deferred = true;
    return result_.reaped;
  }

  void release_own() {
    if (granted_) machine_.propose(propose_group(requester_, release()));
  }

  fb::LeaseReleasedT release() const {
    fb::LeaseReleasedT event;
    event.key = task_key(view_.task.id);
    event.token = raw(*granted_);
    return event;
  }

  fb::JobReapedT event(fb::JobResult outcome) const {
    const TimeUs now = machine_.now();
    fb::JobReapedT event;
    event.job = raw(job_.id);
    event.attempt = job_.attempts;
    event.tier = decision_.tier;
    event.outcome = outcome;
    event.reason = reason_of(decision_);
    event.evidence = std::make_unique<fb::EvidenceT>();
    fb::EvidenceT& evidence = *event.evidence;
    evidence.age_s = age_s(job_.run->claimed, now);
    if (job_.run->exited) evidence.exit_age_s = age_s(*job_.run->exited, now);
    evidence.streak = decision_.streak.passes;
    if (decision_.streak.passes > 0) evidence.first_dead = decision_.streak.first_dead.us;
    evidence.marked = job_.run->marked;
    if (since_pass_) evidence.last_pass_s = since_pass_();
    if (granted_) {
      event.lease_token = raw(*granted_);
      evidence.lease_owner = owner_event({.boot_id = requester_.boot, .pid = pid_, .actor = requester_.actor});
      evidence.lease_owner_alive = true;
    } else if (view_.lease) {
      event.lease_token = raw(view_.lease->token);
      evidence.lease_owner = owner_event(view_.lease->owner);
      evidence.lease_owner_alive = lease_owner_alive_;
    }
    return event;
  }

  Machine& machine_;
  World& world_;
  TimeUs now_;
  TaskView view_;
  RunningJob running_;
  const Job& job_;
  const Requester& requester_;
  std::int64_t pid_;
  const SincePass& since_pass_;
  bool lease_owner_alive_ = false;
  ReapDecision decision_;
  std::optional<Token> granted_;  // the reaper's own lease
  std::optional<Token> token_;    // the same or, with ownership off, its substitute
  Reaped result_;
};

}  // namespace

ReapDecision reap_decision(const ReapObservation& observation) {
  const auto& reaper = observation.settings.reaper;
  const Run& run = *observation.job.run;
  ReapDecision decision;
  const auto reap = [&](ReapMove move, fb::Tier tier) {
    decision.move = move;
    decision.tier = tier;
    return decision;
  };
  if (run.exit_code) {
    if (age_s(*run.exited, observation.now) >= reaper.finalize_grace_s) {
      if (!observation.finalizer_alive) {
        return reap(*run.exit_code == 0 ? ReapMove::exit_zero : ReapMove::retry, fb::Tier::finalizer_dead);
      }
      decision.deferred = true;
    }
  } else {
    if (observation.life == Liveness::dead) {
      const bool goes_on = observation.streak.passes > 0 && observation.streak.attempt == observation.job.attempts;
      decision.streak = goes_on ? observation.streak : Streak{observation.job.attempts, 0, observation.now};
      ++decision.streak.passes;
    }
    const bool dead_for_good = decision.streak.passes > 0 && decision.streak.passes >= reaper.dead_ticks;
    if (!observation.owner_alive || dead_for_good) return reap(ReapMove::retry, fb::Tier::pid_dead);
    if (const auto end = run.claim_end(); end && observation.now >= *end) {
      decision.claim_ended = true;
      return reap(ReapMove::retry, fb::Tier::pid_dead);
    }
  }
  if (age_s(run.claimed, observation.now) >= reaper.max_running_s) return reap(ReapMove::retry, fb::Tier::ceiling);
  return decision;
}

bool marks_count_on(std::string_view stage) {
  return stage == marked_stage;
}

std::shared_ptr<const Boot> BootCopies::copy_of(const Boot& boot) {
  std::shared_ptr<const Boot>& copy = copies_[&boot];
  if (!copy) copy = std::make_shared<const Boot>(boot);
  return copy;
}

WatchedRun watched_run(const State& state, const Job& running, BootCopies& boots) {
  const Task& task = *state.tasks.find(running.task);
  WatchedRun run{.job = running,
                 .owner_boot = boots.copy_of(*state.boots.find(running.run->owner.boot_id)),
                 .lease = {},
                 .lease_boot = {},
                 .repo = task.repo,
                 .stage = task.stage};
  if (const Lease* lease = state.lease(task_key(task.id))) {
    run.lease = *lease;
    run.lease_boot = boots.copy_of(*state.boots.find(lease->owner.boot_id));
  }
  return run;
}

WatchedRun watched_run(const TaskView& view, const RunningJob& running) {
  return {.job = running.job,
          .owner_boot = std::make_shared<const Boot>(running.owner_boot),
          .lease = view.lease,
          .lease_boot = view.lease_boot ? std::make_shared<const Boot>(*view.lease_boot) : nullptr,
          .repo = view.task.repo,
          .stage = view.task.stage};
}

bool finalizer_is_alive(const WatchedRun& run, const Settings& settings, bool lease_owner_alive) {
  if (settings.ownership_checked(run.repo)) return run.lease && lease_owner_alive;
  return settings.reaper.finalizer_liveness && run.job.run->marked && marks_count_on(run.stage);
}

ReapObservation reap_observation(const WatchedRun& run, const Settings& settings, World& world, TimeUs now,
                                 const Streaks& streaks) {
  const Job& job = run.job;
  const bool lease_owner_alive = run.lease && world.is_alive(run.lease->owner, *run.lease_boot);
  ReapObservation observation{.job = job, .settings = settings, .now = now};
  observation.life = world.life_of(*job.run, *run.owner_boot);
  observation.owner_alive = !run.owner_boot->stale && world.is_alive(job.run->owner, *run.owner_boot);
  observation.finalizer_alive = world.has_in_hand(job.id) || finalizer_is_alive(run, settings, lease_owner_alive);
  if (const auto known = streaks.find(job.id); known != streaks.end()) observation.streak = known->second;
  return observation;
}

bool is_left_alone(const WatchedRun& run, const Settings& settings, World& world, TimeUs now, const Streaks& streaks) {
  const ReapDecision decision = reap_decision(reap_observation(run, settings, world, now, streaks));
  return decision.move == ReapMove::leave && !decision.deferred && decision.streak.passes == 0 &&
         !streaks.contains(run.job.id);
}

Reaped reap_job(Machine& machine, World& world, TaskId task, JobId job, Streaks& streaks, const Requester& requester,
                std::int64_t pid, ReapMode mode, const SincePass& since_pass) {
  // Read the clock first: if the machine sleeps after that, the view may not know about it.
  const TimeUs now = machine.now();
  std::optional<TaskView> view = machine.view(task);
  if (!view) return {};
  for (RunningJob& running : view->running) {
    if (running.job.id != job) continue;
    RunningJob mine = std::move(running);
    return JobPass(machine, world, now, std::move(*view), std::move(mine), requester, pid, since_pass)
        .run(streaks, mode);
  }
  streaks.erase(job);  // It has ended since the pass began.
  return {};
}

std::optional<fb::ReclaimReason> reclaim_reason(const Lease& lease, const Settings& settings, TimeUs now,
                                                bool owner_alive, bool task_job_runs) {
  if (settings.lease.reclaim_enabled) {
    if (lease.ttl_s && now >= plus_s(lease.renewed, *lease.ttl_s)) return fb::ReclaimReason::ttl_expired;
    if (!owner_alive) return fb::ReclaimReason::owner_dead;
  }
  const bool too_old = age_s(lease.acquired, now) >= settings.reaper.max_running_s;
  if (task_of_key(lease.key) && too_old && !task_job_runs) return fb::ReclaimReason::reaped;
  return std::nullopt;
}

std::vector<LeaseToReclaim> leases_to_reclaim(const State& state, TimeUs now,
                                              const std::function<bool(const Owner&, const Boot&)>& owner_alive) {
  std::vector<LeaseToReclaim> found;
  const Settings& settings = state.settings();
  for (const auto& [key, lease] : state.leases.rows()) {
    const std::optional<TaskId> task = task_of_key(key);
    const bool alive = owner_alive(lease.owner, *state.boots.find(lease.owner.boot_id));
    const auto reason = reclaim_reason(lease, settings, now, alive, task && state.running_job(*task));
    if (reason) found.push_back({key, lease.token, *reason});
  }
  return found;
}

}  // namespace pawl
