#include "tests/world/incident.h"

#include <algorithm>

#include "tests/world/daemon.h"

namespace pawl::hostile {
namespace {

/// Nothing of a healthy story stands still for as long, apart from what is blocked.
constexpr Us hangs_after = 150 * minute;
constexpr Us held_up_after = 50 * minute;
constexpr std::uint64_t turns_per_look = 256;

/// All time-outs are short, so that settings may be low. Work from outside has none, and may take longer.
Pipeline from_outside() {
  const PipelineStep retest{.name = "retest", .timeout_s = 120};
  const PipelineStep merge{.name = "merge", .timeout_s = 60, .irreversible = true, .exclusive = true};
  const PipelineStep deploy{.name = "deploy", .timeout_s = 60, .irreversible = true};
  const Gate none{.run = {}, .timeout_s = 60};
  // The daemon's own look at what a worker has pushed.
  const Gate look{.run = {"gate"}, .timeout_s = 60};
  Pipeline pipeline{.name = "delivery", .agents = {}, .stages = {}, .branch = "create"};
  pipeline.agents = {{.name = "developer", .timeout_s = 600}, {.name = "deployer", .timeout_s = 600}};
  pipeline.stages = {
      {.name = "development", .agent = "developer", .gate = none, .to = "deploy-staging"},
      {.name = "deploy-staging",
       .agent = "deployer",
       .gate = look,
       .to = "deploy",
       .steps = {retest, merge},
       .rollback = "development"},
      {.name = "deploy", .gate = none, .to = "done", .steps = {deploy}, .rollback = "development"},
  };
  return pipeline;
}

Pipeline by_daemon(const std::string& name, bool has_probes) {
  const auto command = [&](const char* kind, const char* step) { return CommandLine{kind, name, step}; };
  const auto step = [&](const char* called) {
    PipelineStep made{.name = called, .run = command("step", called), .timeout_s = 30, .irreversible = true};
    if (!has_probes) return made;
    made.probe = command("probe", called);
    made.not_done_exit_codes = {3};
    made.settle_s = 30;
    return made;
  };
  PipelineStep retest{.name = "retest", .run = command("step", "retest"), .timeout_s = 60};
  PipelineStep merge = step("merge");
  merge.exclusive = true;
  const Gate gate{.run = {"gate"}, .timeout_s = 60};
  Pipeline pipeline{.name = name, .agents = {}, .stages = {}, .branch = "create"};
  pipeline.agents = {{.name = "builder", .run = {"agent"}, .timeout_s = 600},
                     {.name = "shipper", .run = {"agent"}, .timeout_s = 600}};
  pipeline.stages = {
      {.name = "build", .agent = "builder", .gate = gate, .to = "ship"},
      {.name = "ship",
       .agent = "shipper",
       .gate = gate,
       .to = "release",
       .steps = {retest, merge},
       .rollback = "build"},
      {.name = "release", .gate = gate, .to = "done", .steps = {step("deploy")}, .rollback = "build"},
  };
  return pipeline;
}

}  // namespace

Incident::Incident(const IncidentKind& kind, std::uint64_t records)
    : kind_(kind),
      records_wanted_(records),
      repos_({{"depot", "origin-depot"}, {"shop", "origin-shop"}, {"till", "origin-till"}, {"web", "origin-web"}}),
      pipelines_({from_outside(), by_daemon("service", true), by_daemon("plain", false)}) {}

void Incident::begin(Story& story) {
  story_ = &story;
  send_people(*this);
  send_hands(*this);
  if (!kind_.inject) return;
  const std::uint64_t from = records_wanted_ * static_cast<std::uint64_t>(dice().between(12, 35)) / 100;
  story.send([this, from] {
    while (records_ < from) story_->scheduler.sleep(dice().between(5, 60) * second);
    kind_.inject(*this);
  });
}

bool Incident::is_over() {
  if (++turns_ % turns_per_look != 0) return ends_at_ > 0 && records_ >= ends_at_;
  if (ends_at_ == 0 && cause && (proof || !needs_proof) && !harm().victims.empty()) {
    // What follows is part of the story.
    ends_at_ = std::max(records_ + static_cast<std::uint64_t>(dice().between(100, 300)), records_wanted_ / 2);
  }
  if (ends_at_ > 0) return records_ >= ends_at_;
  // What is about to do harm gets some more time for it.
  return records_ >= (kind_.is_healthy() ? records_wanted_ : records_wanted_ * 3 / 2);
}

/// A healthy story must not break any of the world's rules.
bool Incident::bears_with(const std::string& fault) {
  return !kind_.is_healthy() && !fault.starts_with("script: ");
}

Us Incident::downtime() {
  return away_for ? *away_for : dice().between(2, 40) * second;
}

void Incident::see(const fb::Record& record) {
  ++records_;
  follow_tasks();
  if (watcher) watcher(record);
}

void Incident::follow_tasks() {
  const State& state = story_->witness().state();
  // Tasks that are over stay so: only those that were live are looked at again, since a long story has thousands.
  std::erase_if(live_, [&](TaskId id) {
    if (state.tasks.find(id)) return false;
    tasks[id].is_over = true;
    return true;
  });
  for (const auto& [id, task] : state.tasks.rows()) {
    live_.insert(id);
    KnownTask& known = tasks[id];
    known.work_item = task.work_item;
    known.repo = task.repo;
    known.pipeline = state.pipeline_of(task).name;
    known.stage = task.stage;
    known.blocked = task.blocked;
    known.depends_on = task.depends_on;
    known.is_over = is_terminal(task.stage);
    std::string position = std::to_string(raw(task.version)) + task.blocked;
    for (const StepRow& step : task.steps) {
      position += ' ' + std::to_string(raw(step.started)) + std::to_string(static_cast<int>(step.state));
    }
    if (const Job* job = state.open_job(task)) {
      position += " job " + std::to_string(raw(job->id)) + '/' + std::to_string(job->attempts) +
                  std::to_string(static_cast<int>(job->status)) + (job->run && job->run->exit_code ? "exited" : "");
    }
    if (known.position == position) continue;
    known.position = position;
    known.moved = now();
  }
}

Plan& Incident::plan(TaskId task) {
  return plans[tasks[task].work_item];
}

Fate Incident::fate_of_agent(TaskId task) {
  Fate fate;
  fate.work = dice().between(120, 520) * second;
  Plan& mine = plan(task);
  if (mine.ails || mine.agent_fails > 0) fate.exit.code = 1;
  if (mine.agent_fails > 0) --mine.agent_fails;
  return fate;
}

Fate Incident::fate_of_gate(TaskId task) {
  Fate fate;
  fate.work = dice().between(4, 45) * second;
  Plan& mine = plan(task);
  const KnownTask& known = tasks[task];
  if (known.pipeline == "delivery") {
    // Only what was pushed can be looked at.
    const Task* row = story_->witness().state().tasks.find(task);
    if (!row || !pushed_.contains({task, row->version})) fate.exit.code = 1;
  } else if (const Task* row = story_->witness().state().tasks.find(task);
             red_from && row && row->pipeline >= *red_from) {
    fate.exit.code = 1;
  } else if (mine.gate_is_red > 0 && known.stage != "release") {
    --mine.gate_is_red;
    fate.exit.code = 1;
  }
  return fate;
}

Fate Incident::fate_of_step(const StepKey& key, const PipelineStep& step) {
  Fate fate;
  fate.work = dice().between(3, 20) * second;
  if (step.irreversible) fate.effect = fate.work / 2;
  if (step.irreversible && next_step_ends_in_doubt && tasks[key.task].pipeline == in_doubt_of) {
    next_step_ends_in_doubt = false;
    doubtful = key;
    fate.exit.code = 1;
    fate.latency = in_the_air;
  }
  if (step.exclusive) note_exclusive(key, now(), now() + fate.work);
  return fate;
}

Fate Incident::fate_of_probe(const StepKey& key, Verdict truth) {
  Fate fate;
  fate.work = dice().between(1, 5) * second;
  if (probes_lie && key == doubtful) truth = Verdict::no;
  fate.exit.code = truth == Verdict::yes ? 0 : truth == Verdict::no ? 1 : 2;
  return fate;
}

void Incident::note_exclusive(const StepKey& key, Us from, Us to) {
  held_.push_back({.repo = tasks[key.task].repo, .key = key, .from = from, .to = to});
}

void Incident::end_exclusive(const StepKey& key) {
  for (Held& held : held_) {
    if (held.key == key) held.to = std::min(held.to, now());
  }
}

std::set<TaskId> Incident::own() const {
  std::set<TaskId> found;
  for (const auto& [id, known] : tasks) {
    const auto mine = plans.find(known.work_item);
    if (mine != plans.end() && mine->second.ails && !known.blocked.empty()) found.insert(id);
  }
  return found;
}

/// Its own, or of what it waits for.
Us Incident::last_move(const KnownTask& known) const {
  Us moved = known.moved;
  for (const TaskId before : known.depends_on) {
    const auto other = tasks.find(before);
    if (other != tasks.end()) moved = std::max(moved, last_move(other->second));
  }
  return moved;
}

Harm Incident::harm() const {
  Harm harm;
  const auto hurt = [&](TaskId task, const std::string& what) {
    harm.victims.insert(task);
    harm.what += (harm.what.empty() ? "" : "; ") + ("task " + std::to_string(raw(task))) + ' ' + what;
  };
  const std::set<TaskId> mine = own();
  for (const auto& [id, known] : tasks) {
    if (known.is_over || mine.contains(id)) continue;
    if (!known.blocked.empty()) {
      hurt(id, "is blocked: " + known.blocked);
      continue;
    }
    const bool is_held_up = std::any_of(known.depends_on.begin(), known.depends_on.end(), [&](TaskId before) {
      const auto other = tasks.find(before);
      return other != tasks.end() && !other->second.is_over && !other->second.blocked.empty();
    });
    const Us still = now() - std::max(last_move(known), hangs_from);
    if (is_held_up && still > held_up_after) {
      hurt(id, "waits for a task that is blocked");
    } else if (still > hangs_after) {
      hurt(id, "does not move any more");
    }
  }
  std::map<std::pair<std::string, std::string>, std::uint64_t> effects;
  for (const auto& [key, times] : story_->targets.ledger()) {
    const auto known = tasks.find(key.task);
    if (known == tasks.end()) continue;
    std::uint64_t& count = effects[{known->second.work_item, key.step}];
    count += times.size();
    if (count > 1) hurt(key.task, "had the effect of '" + key.step + "' " + std::to_string(count) + " times");
  }
  for (std::size_t i = 0; i < held_.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      const Held& one = held_[i];
      const Held& other = held_[j];
      if (one.repo != other.repo || one.key == other.key || one.from >= other.to || other.from >= one.to) continue;
      hurt(one.key.task, "was in '" + one.key.step + "' of " + one.repo + " together with task " +
                             std::to_string(raw(other.key.task)));
      harm.victims.insert(other.key.task);
    }
  }
  return harm;
}

Requester Incident::operator_now() {
  return {.boot = story_->daemon_that_serves().boot_id(),
          .actor = "operator",
          .key = {},
          .request = {},
          .principal = operators};
}

Seq Incident::set(const std::string& key, const SettingValue& value) {
  fb::SettingChangedT event;
  event.key = key;
  event.value = std::make_unique<fb::SettingValueT>(setting_value_event(value));
  const Seq seq = command(event);
  if (seq == Seq{0}) story_->broken("script: " + key + " cannot be set to that");
  return seq;
}

Seq Incident::redefine(const Pipeline& pipeline) {
  for (Pipeline& each : pipelines_) {
    if (each.name == pipeline.name) each = pipeline;
  }
  return command(pipeline_event(pipeline));
}

bool Incident::await(const std::function<bool()>& holds, Us most) {
  const Us until = now() + most;
  while (!holds()) {
    if (now() >= until) return false;
    story_->scheduler.sleep(dice().between(2000, 6000) * ms);
  }
  return true;
}

bool Incident::is_daemon_idle() {
  const std::string& boot = story_->daemon_that_serves().boot_id();
  const auto& leases = state().leases.rows();
  return std::none_of(leases.begin(), leases.end(),
                      [&](const auto& lease) { return lease.second.owner.boot_id == boot; });
}

std::optional<TaskId> Incident::some_task(const std::function<bool(const Task&, const KnownTask&)>& is_meant) {
  std::vector<TaskId> found;
  for (const auto& [id, task] : state().tasks.rows()) {
    if (!is_terminal(task.stage) && task.blocked.empty() && !plan(id).ails && is_meant(task, tasks[id])) {
      found.push_back(id);
    }
  }
  if (found.empty()) return std::nullopt;
  return dice().pick(found);
}

}  // namespace pawl::hostile
