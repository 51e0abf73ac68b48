#include "tests/unit/engine/rules.h"

#include "engine/rules/claim.h"

namespace pawl {
namespace {

/// Everything that State derives from its rows, rebuilt from copies of them.
State loaded_anew(const State& state) {
  State anew;
  for (const auto& [key, row] : state.tasks.rows()) anew.tasks.load(key, row);
  for (const auto& [key, row] : state.jobs.rows()) anew.jobs.load(key, row);
  for (const auto& [key, row] : state.leases.rows()) anew.leases.load(key, row);
  for (const auto& [key, row] : state.boots.rows()) anew.boots.load(key, row);
  for (const auto& [key, row] : state.pipelines.rows()) anew.pipelines.load(key, row);
  for (const auto& [key, row] : state.repos.rows()) anew.repos.load(key, row);
  for (const auto& [key, row] : state.holds.rows()) anew.holds.load(key, row);
  for (const auto& [key, row] : state.freezes.rows()) anew.freezes.load(key, row);
  for (const auto& [key, row] : state.settings_changed.rows()) anew.settings_changed.load(key, row);
  for (const auto& [key, row] : state.ids.rows()) anew.ids.load(key, row);
  anew.loaded(state.archived_digest(), state.indexes.archived_done, state.indexes.archived_cancelled);
  return anew;
}

void expect_equal(const Indexes& left, const Indexes& right) {
  EXPECT_EQ(left.live_work_items, right.live_work_items);
  EXPECT_EQ(left.tasks_in_stage, right.tasks_in_stage);
  EXPECT_EQ(left.tasks_in_repo, right.tasks_in_repo);
  EXPECT_EQ(left.tasks_by_work_item, right.tasks_by_work_item);
  EXPECT_EQ(left.jobs_of_task, right.jobs_of_task);
  EXPECT_EQ(left.open_jobs, right.open_jobs);
  EXPECT_EQ(left.queued, right.queued);
  EXPECT_TRUE(left.claimable == right.claimable);
  EXPECT_EQ(left.running, right.running);
  EXPECT_EQ(left.running_by_repo, right.running_by_repo);
  EXPECT_EQ(left.jobs_of_agent, right.jobs_of_agent);
  EXPECT_EQ(left.blocked, right.blocked);
  EXPECT_EQ(left.cancel_standing, right.cancel_standing);
  EXPECT_EQ(left.paused, right.paused);
  EXPECT_EQ(left.not_before, right.not_before);
  EXPECT_EQ(left.barred, right.barred);
  EXPECT_EQ(left.claim_ends, right.claim_ends);
  EXPECT_EQ(left.dependents, right.dependents);
  EXPECT_EQ(left.leases_of_boot, right.leases_of_boot);
  EXPECT_EQ(left.task_leases, right.task_leases);
  EXPECT_EQ(left.boot_in_force, right.boot_in_force);
  EXPECT_EQ(left.step_runs, right.step_runs);
  EXPECT_EQ(left.boots_of_principal, right.boots_of_principal);
  EXPECT_EQ(left.leases_of_principal, right.leases_of_principal);
  EXPECT_EQ(left.tasks_of_principal, right.tasks_of_principal);
  EXPECT_EQ(left.archived_done, right.archived_done);
  EXPECT_EQ(left.archived_cancelled, right.archived_cancelled);
}

/// Except pauses between two tries: their end is not a record.
std::set<JobId> claimable_jobs(const State& state) {
  constexpr TimeUs after_all_pauses{INT64_MAX};
  std::set<JobId> jobs;
  for (const JobId id : state.indexes.queued) {
    if (claim_outcome(state, id, after_all_pauses) == Outcome::accepted) jobs.insert(id);
  }
  return jobs;
}

JobId first_of(const State& state, const std::vector<std::string>& agents, TimeUs now) {
  return first_claimable(state, agents, {}, now, [](JobId) { return ClaimableJobs::Look::take; });
}

/// For any claimer, the index finds the same jobs as a walk over the whole queue.
void expect_found(const State& state, TimeUs now) {
  std::map<std::string, ClaimTurn> first;  // by agent
  for (const JobId id : state.indexes.queued) {
    if (claim_outcome(state, id, now) != Outcome::accepted) continue;
    const Job& job = *state.jobs.find(id);
    const ClaimTurn turn = turn_of(state, job);
    const auto [known, is_new] = first.emplace(job.agent, turn);
    if (!is_new && turn < known->second) known->second = turn;
  }
  std::vector<std::string> agents;
  std::optional<ClaimTurn> of_all;
  for (const auto& [agent, turn] : first) {
    EXPECT_EQ(first_of(state, {agent}, now), turn.job) << agent;
    if (!of_all || turn < *of_all) of_all = turn;
    agents.push_back(agent);
  }
  EXPECT_EQ(first_of(state, agents, now), of_all ? of_all->job : JobId{0});
  if (agents.empty()) {
    std::set<std::string> all;
    for (const JobId id : state.indexes.queued) all.insert(state.jobs.find(id)->agent);
    agents.assign(all.begin(), all.end());
    EXPECT_EQ(first_of(state, agents, now), JobId{0});
  }
}

}  // namespace

Rules::Rules() {
  must(boot_started("daemon-1", "pawld"));
  must(pipeline_event(default_pipeline()));
  must(boot_started("worker-1", "worker"));
  set("queue.max_concurrency", std::int64_t{64});
  set("queue.serial_per_repo", false);
  set("job.retry_delay_s", std::int64_t{0});
}

void Rules::TearDown() {
  const State anew = loaded_anew(state);
  EXPECT_EQ(anew.digest(), state.digest());
  expect_equal(anew.indexes, state.indexes);
}

void Rules::expect_told(const std::set<JobId>& claimable_before, const Decided& decided) const {
  FreedClaims told;
  for (const Applied& applied : decided.applied) {
    told.all = told.all || applied.frees.all;
    told.agents.insert(applied.frees.agents.begin(), applied.frees.agents.end());
  }
  for (const JobId id : claimable_jobs(state)) {
    const bool is_told = told.all || told.agents.contains(state.jobs.find(id)->agent);
    EXPECT_TRUE(is_told || claimable_before.contains(id))
        << "job " << raw(id) << " became claimable, but no waiter is woken";
  }
}

const Decided& Rules::ask(Group group) {
  const std::set<JobId> claimable = claimable_jobs(state);
  const Decided& decided = history_.emplace_back(decide(state, std::move(group), now, rules_in_force));
  expect_told(claimable, decided);
  expect_found(state, now);
  std::vector<const fb::Record*> records;
  for (const Proposal& record : decided.records) records.push_back(&record.record());

  const Reapplied reapplied = reapply(replayed_, records);
  EXPECT_FALSE(reapplied.divergence.has_value());
  EXPECT_EQ(replayed_.digest(), state.digest());
  for (std::size_t i = 0; i < records.size(); ++i) {
    EXPECT_EQ(reapplied.applied[i].effects, decided.applied[i].effects);
  }
  for (const Finding& finding : check_group(checked_, records).findings) {
    if (finding.kind == Finding::Kind::unchecked || tampered_) continue;
    ADD_FAILURE() << "seq " << raw(finding.seq) << ", invariant " << finding.invariant << ": " << finding.what;
  }
  EXPECT_EQ(checked_.digest(), state.digest());
  return decided;
}

Effects Rules::effects_of(const Decided& decided) {
  Effects effects;
  for (const Applied& applied : decided.applied) {
    effects.insert(effects.end(), applied.effects.begin(), applied.effects.end());
  }
  return effects;
}

std::vector<std::string> Rules::types_of(const Decided& decided) {
  std::vector<std::string> types;
  for (const Proposal& record : decided.records) types.emplace_back(fb::EnumNameEvent(record.record().event_type()));
  return types;
}

bool Rules::has_effect(const Decided& decided, EffectKind kind) const {
  for (const Effect& effect : effects_of(decided)) {
    if (effect.kind == kind) return true;
  }
  return false;
}

void Rules::boot(const std::string& boot_id, const std::string& boot_name) {
  must(boot_started(boot_id, boot_name), {.boot = boot_name == daemon_name ? boot_id : "daemon-1"});
}

void Rules::set(const std::string& key, const SettingValue& value) {
  must(setting_changed(key, value));
}

TaskId Rules::create(const std::string& stage, const std::string& repo) {
  fb::TaskCreatedT event = task_created("W-" + std::to_string(++work_items_), stage);
  event.repo = repo;
  return TaskId{effects_of(must(event)).at(0).id};
}

JobId Rules::job_of(TaskId id) const {
  const Job* open = state.open_job(task(id));
  PAWL_ASSERT(open != nullptr);
  return open->id;
}

JobId Rules::claim(TaskId id) {
  const JobId job = job_of(id);
  must(job_claimed(job, worker), worker);
  return job;
}

void Rules::move(TaskId id, const std::string& to, std::optional<Token> token) {
  must(transition(id, to, version(id), token));
}

Token Rules::lease(const std::string& key, const Who& who, std::optional<std::int64_t> ttl_s) {
  fb::LeaseAcquiredT event = lease_acquired(key, who);
  if (ttl_s) event.ttl = *ttl_s;
  must(event, who);
  return state.lease(key)->token;
}

void Rules::release(const std::string& key, Token token) {
  must(lease_released(key, token));
}

Seq Rules::start_step(TaskId id, const std::string& step, std::optional<Token> token, std::optional<Token> repo_token,
                      const Who& who) {
  must(step_started(id, version(id), state.stage_of(task(id))->to, step, token, repo_token), who);
  return state.last_seq;
}

void Rules::finish_step(TaskId id, const std::string& step, Seq started, fb::StepOutcome outcome) {
  must(step_finished(id, version(id), step, started, outcome));
}

void Rules::do_step(TaskId id, const std::string& step, std::optional<Token> token, std::optional<Token> repo_token) {
  finish_step(id, step, start_step(id, step, token, repo_token));
}

void Rules::block(TaskId id) {
  must(task_blocked(id, version(id)));
}

void Rules::request_cancel(TaskId id) {
  must(cancel_requested(id));
}

TaskId Rules::create_done() {
  const TaskId id = create("deploy");
  const Token token = lease(id);
  do_step(id, "deploy", token);
  move(id, "done", token);
  return id;
}

Rules::Crossing Rules::create_committed() {
  Crossing crossing{};
  crossing.task = create("deploy-staging");
  crossing.token = lease(crossing.task);
  crossing.repo_token = lease(repo_key(task(crossing.task).repo));
  do_step(crossing.task, "retest", crossing.token);
  crossing.started = start_step(crossing.task, "merge", crossing.token, crossing.repo_token);
  return crossing;
}

void Rules::tamper(const std::function<void(State&)>& change) {
  tampered_ = true;
  for (State* each : {&state, &replayed_, &checked_}) {
    change(*each);
    each->loaded(each->archived_digest(), each->indexes.archived_done, each->indexes.archived_cancelled);
  }
}

// Events.

namespace {

flatbuffers::Optional<std::uint64_t> number_of(std::optional<Token> token) {
  return token ? flatbuffers::Optional<std::uint64_t>(raw(*token)) : flatbuffers::nullopt;
}

}  // namespace

std::unique_ptr<fb::OwnerT> owner_of(const Who& who) {
  auto owner = std::make_unique<fb::OwnerT>();
  owner->boot_id = who.boot;
  owner->pid = 100;
  owner->actor = who.actor;
  return owner;
}

fb::BootStartedT boot_started(const std::string& boot_id, const std::string& boot_name) {
  fb::BootStartedT event;
  event.name = boot_name;
  event.boot_id = boot_id;
  event.pid = 100;
  event.pid_start = 7;
  event.host = "host";
  event.version = "0.1.0";
  return event;
}

fb::BootEndedT boot_ended(const std::string& boot_id) {
  fb::BootEndedT event;
  event.boot_id = boot_id;
  event.reason = fb::BootEndReason::clean;
  return event;
}

fb::SettingChangedT setting_changed(const std::string& key, const SettingValue& value) {
  fb::SettingChangedT event;
  event.key = key;
  event.value = std::make_unique<fb::SettingValueT>(setting_value_event(value));
  return event;
}

fb::TaskCreatedT task_created(const std::string& work_item, const std::string& stage) {
  fb::TaskCreatedT event;
  event.work_item = work_item;
  event.repo = "shop";
  event.branch = "feature";
  event.stage = stage;
  return event;
}

fb::StageTransitionT transition(TaskId task, const std::string& to, std::optional<std::uint64_t> expected_version,
                                std::optional<Token> token) {
  fb::StageTransitionT event;
  event.task = raw(task);
  event.to = to;
  if (expected_version) event.expected_version = *expected_version;
  event.token = number_of(token);
  return event;
}

fb::LeaseAcquiredT lease_acquired(const std::string& key, const Who& who, std::optional<Token> token) {
  fb::LeaseAcquiredT event;
  event.key = key;
  event.owner = owner_of(who);
  event.token = number_of(token);
  return event;
}

fb::LeaseReleasedT lease_released(const std::string& key, std::optional<Token> token) {
  fb::LeaseReleasedT event;
  event.key = key;
  event.token = number_of(token);
  return event;
}

fb::LeaseReclaimedT lease_reclaimed(const std::string& key, std::optional<Token> token, fb::ReclaimReason reason) {
  fb::LeaseReclaimedT event;
  event.key = key;
  event.token = number_of(token);
  event.reason = reason;
  return event;
}

fb::JobQueuedT job_queued(TaskId task) {
  fb::JobQueuedT event;
  event.task = raw(task);
  event.reason = "asked";
  return event;
}

fb::JobClaimedT job_claimed(JobId job, const Who& who) {
  fb::JobClaimedT event;
  event.job = raw(job);
  event.owner = owner_of(who);
  return event;
}

fb::RunStartedT run_started(JobId job, std::uint64_t attempt, std::int64_t pid) {
  fb::RunStartedT event;
  event.job = raw(job);
  event.attempt = attempt;
  event.pid = pid;
  event.pid_start = 9;
  return event;
}

fb::RunExitedT run_exited(JobId job, std::uint64_t attempt, std::int64_t exit_code) {
  fb::RunExitedT event;
  event.job = raw(job);
  event.attempt = attempt;
  event.exit_code = exit_code;
  return event;
}

fb::JobFinishedT job_finished(JobId job, std::uint64_t attempt, fb::JobResult result) {
  fb::JobFinishedT event;
  event.job = raw(job);
  event.attempt = attempt;
  event.result = result;
  return event;
}

fb::PreviousGoneT previous_gone(JobId job, std::int64_t pid) {
  fb::PreviousGoneT event;
  event.job = raw(job);
  event.pid = pid;
  return event;
}

fb::JobReapedT job_reaped(JobId job, std::uint64_t attempt, fb::Tier tier, std::optional<Token> lease_seen,
                          fb::JobResult outcome) {
  fb::JobReapedT event;
  event.job = raw(job);
  event.attempt = attempt;
  event.tier = tier;
  event.outcome = outcome;
  event.reason = "dead";
  event.lease_token = lease_seen ? raw(*lease_seen) : 0;
  event.evidence = std::make_unique<fb::EvidenceT>();
  return event;
}

fb::FinalizerMarkedT finalizer_marked(JobId job) {
  fb::FinalizerMarkedT event;
  event.job = raw(job);
  return event;
}

fb::FinalizerClearedT finalizer_cleared(JobId job) {
  fb::FinalizerClearedT event;
  event.job = raw(job);
  return event;
}

fb::GateEvaluatedT gate_evaluated(TaskId task, std::uint64_t version, std::optional<bool> passed) {
  fb::GateEvaluatedT event;
  event.task = raw(task);
  event.version = version;
  event.gate = "analysis";
  if (passed) event.passed = *passed;
  event.reason = "exit 1";
  return event;
}

fb::StepStartedT step_started(TaskId task, std::uint64_t version, const std::string& to, const std::string& step,
                              std::optional<Token> token, std::optional<Token> repo_token) {
  fb::StepStartedT event;
  event.task = raw(task);
  event.version = version;
  event.to = to;
  event.step = step;
  event.token = number_of(token);
  event.repo_token = number_of(repo_token);
  event.run = "run";
  return event;
}

fb::StepFinishedT step_finished(TaskId task, std::uint64_t version, const std::string& step, Seq started,
                                fb::StepOutcome outcome) {
  fb::StepFinishedT event;
  event.task = raw(task);
  event.version = version;
  event.step = step;
  event.started = raw(started);
  event.outcome = outcome;
  event.by = fb::StepBy::command;
  return event;
}

fb::TaskBlockedT task_blocked(TaskId task, std::uint64_t version, std::optional<Token> token) {
  fb::TaskBlockedT event;
  event.task = raw(task);
  event.version = version;
  event.reason = "asked";
  event.token = number_of(token);
  return event;
}

fb::TaskUnblockedT task_unblocked(TaskId task) {
  fb::TaskUnblockedT event;
  event.task = raw(task);
  return event;
}

fb::CancelRequestedT cancel_requested(TaskId task) {
  fb::CancelRequestedT event;
  event.task = raw(task);
  event.reason = "asked";
  return event;
}

fb::TaskCancelledT task_cancelled(TaskId task) {
  fb::TaskCancelledT event;
  event.task = raw(task);
  return event;
}

fb::TaskNoteT task_note(TaskId task) {
  fb::TaskNoteT event;
  event.task = raw(task);
  event.text = "seen";
  return event;
}

}  // namespace pawl
