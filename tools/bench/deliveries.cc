#include "tools/bench/deliveries.h"

#include "schema/limits.h"
#include "store/checkpoint.h"

namespace pawl::bench {
namespace {

constexpr const char* boot_id = "7b0c5a52-3d0e-4a7e-9d61-6a1f0e4f9c11";

Requester requester(const std::string& actor) {
  return {.boot = boot_id, .actor = actor, .key = {}, .request = {}};
}

std::unique_ptr<fb::OwnerT> owner() {
  auto row = std::make_unique<fb::OwnerT>();
  row->boot_id = boot_id;
  row->pid = 1;
  row->actor = "monitor";
  return row;
}

}  // namespace

Deliveries::Deliveries(Log& log) : log_(log) {
  state_.last_time = now_ = TimeUs{1'767'225'600 * us_per_s};
  fb::BootStartedT boot;
  boot.name = "pawld";
  boot.boot_id = boot_id;
  boot.pid = 1;
  boot.host = "bench";
  boot.version = "bench";
  tell(propose_group(requester("pawld"), boot));
  tell(propose_group(requester("pawld"), pipeline_event(default_pipeline())));
}

void Deliveries::deliver() {
  fb::TaskCreatedT created;
  created.work_item = "SHOP-" + std::to_string(++items_);
  created.repo = "shop";
  created.branch = "feature/shop-" + std::to_string(items_);
  task_ = TaskId{tell(propose_group(requester("webhook"), created)).front().id};
  for (version_ = 1;; ++version_) {
    const Task& task = *state_.tasks.find(task_);
    const Stage stage = *state_.stage_of(task);
    const Job* job = state_.open_job(task);
    if (job) work(job->id);
    Held held;
    if (stage.guarded()) {
      for (const std::string& key : {task_key(task_), repo_key("shop")}) held.emplace_back(key, lease(key, stage));
    }
    if (stage.gate) evaluate(stage);
    for (const PipelineStep& step : stage.steps) run(stage, step, held);
    const bool ends = stage.to == stage_done;
    advance(stage, job ? std::optional(job->id) : std::nullopt, held);
    if (ends) return;
  }
}

void Deliveries::flush() {
  if (batch_.records.empty()) return;
  const auto appended = log_.append(batch_, first_);
  PAWL_ASSERT(appended);
  batch_ = {};
  kept_.clear();
  first_ = next(state_.last_seq);
}

Effects Deliveries::tell(Group group) {
  now_ = TimeUs{now_.us + 1000};
  Decided decided = decide(state_, std::move(group), now_);
  PAWL_ASSERT(decided.outcome == Outcome::accepted);
  for (Proposal& record : decided.records) {
    chain_ = stamp_chain(chain_, record);
    batch_.records.emplace_back(record.data(), record.size());
    kept_.push_back(std::move(record));
  }
  for (const ArchivedTask& archived : decided.archived) {
    batch_.archived.push_back(pack_archived(archived, state_.last_seq));
  }
  Effects effects;
  for (const Applied& applied : decided.applied) {
    effects.insert(effects.end(), applied.effects.begin(), applied.effects.end());
  }
  if (batch_.records.size() + 64 > limits::batch_records_max) flush();
  return effects;
}

void Deliveries::work(JobId job) {
  fb::JobClaimedT claimed;
  claimed.job = raw(job);
  claimed.owner = owner();
  tell(propose_group(requester("executor"), claimed));
  fb::RunStartedT started;
  started.job = raw(job);
  started.attempt = 1;
  started.pid = 4242;
  started.pid_start = 77;
  tell(propose_group(requester("monitor"), started));
  fb::RunExitedT exit;
  exit.job = raw(job);
  exit.attempt = 1;
  tell(propose_group(requester("monitor"), exit));
}

std::uint64_t Deliveries::lease(const std::string& key, const Stage& stage) {
  fb::LeaseAcquiredT event;
  event.key = key;
  event.owner = owner();
  event.edge = stage.name + "->" + stage.to;
  return tell(propose_group(requester("monitor"), event)).front().token;
}

void Deliveries::evaluate(const Stage& stage) {
  fb::GateEvaluatedT event;
  event.task = raw(task_);
  event.version = version_;
  event.gate = stage.name;
  event.passed = true;
  event.reason = "6 of 6 tests passed";
  tell(propose_group(requester("monitor"), event));
}

void Deliveries::run(const Stage& stage, const PipelineStep& step, const Held& held) {
  fb::StepStartedT started;
  started.task = raw(task_);
  started.version = version_;
  started.to = stage.to;
  started.step = step.name;
  started.token = held[0].second;
  if (step.exclusive) started.repo_token = held[1].second;
  started.run = "0123456789abcdef0123456789abcdef";
  tell(propose_group(requester("monitor"), started));
  fb::StepFinishedT finished;
  finished.task = raw(task_);
  finished.version = version_;
  finished.step = step.name;
  finished.started = raw(state_.last_seq);
  finished.outcome = fb::StepOutcome::done;
  finished.by = fb::StepBy::command;
  tell(propose_group(requester("monitor"), finished));
}

void Deliveries::advance(const Stage& stage, std::optional<JobId> job, const Held& held) {
  fb::StageTransitionT transition;
  transition.task = raw(task_);
  transition.to = stage.to;
  transition.expected_version = version_;
  if (!held.empty()) transition.token = held[0].second;
  transition.reason = "advanced";
  Group group = propose_group(requester("monitor"), transition);
  if (job) {
    fb::JobFinishedT finished;
    finished.job = raw(*job);
    finished.attempt = 1;
    finished.result = fb::JobResult::done;
    group.push_back(propose(requester("monitor"), finished));
  }
  for (const auto& [key, token] : held) {
    fb::LeaseReleasedT released;
    released.key = key;
    released.token = token;
    group.push_back(propose(requester("monitor"), released));
  }
  tell(std::move(group));
}

}  // namespace pawl::bench
