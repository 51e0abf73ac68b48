// Outside workers that do as they should, on machines of their own: they claim, work, renew, push, and cross guarded
// edges call by call. What a cause makes of one of them is in its habits.
#include <algorithm>

#include "engine/rules/claim.h"
#include "tests/world/incident.h"

namespace pawl::hostile {
namespace {

/// Thrown where a worker would act next: its process is gone, or another has its name.
struct HandIsGone {};

constexpr std::int64_t claim_ttl_s = 600;

class Hand {
 public:
  Hand(Incident& incident, std::string name, std::string machine)
      : incident_(incident), story_(incident.story()), name_(std::move(name)), machine_(std::move(machine)) {}

  void live() {
    for (;;) {
      process_ = story_.machines.start(machine_);
      incident_.hands[name_] = process_;
      try {
        boot();
        for (;;) work();
      } catch (const HandIsGone&) {
        story_.machines.end(*process_, {.how = CommandExit::How::signalled, .code = 9});
        if (habits().is_gone) return;
        habits().comes_back_at_once ? incident_.sleep(5 * second, 40 * second) : incident_.sleep(minute, 6 * minute);
      }
    }
  }

 private:
  Habits& habits() { return incident_.habits[name_]; }
  std::string principal() const { return "token:" + name_; }
  Requester requester() const {
    return {.boot = boot_, .actor = name_, .key = {}, .request = {}, .principal = principal()};
  }

  void boot() {
    boot_ = story_.fresh_id("boot");
    story_.workers[boot_] = {process_, name_};
    fb::BootStartedT event;
    event.name = name_;
    event.boot_id = boot_;
    event.pid = process_->pid;
    event.pid_start = process_->start;
    event.host = process_->host;
    is_broken_ = habits().is_broken;
    event.version = is_broken_ ? "worker 2.5" : "worker 2.4";
    for (;;) {
      const Requester by{.boot = story_.daemon_that_serves().boot_id(),
                         .actor = name_,
                         .key = {},
                         .request = {},
                         .principal = principal()};
      const auto decision = story_.ask(propose_group(by, event));
      if (decision && decision->outcome == Outcome::accepted) return;
      if (decision && decision->outcome == Outcome::duplicate_boot_id) return;
    }
  }

  void live_on() const {
    if (!process_->alive) throw HandIsGone();
  }
  void pass(Us time) {
    story_.scheduler.sleep(time);
    live_on();
  }

  template <class... Events>
  Decision say(const Events&... events) {
    for (;;) {
      live_on();
      auto decision = story_.ask(propose_group(requester(), events...));
      live_on();
      if (!decision) continue;
      if (decision->outcome == Outcome::stale_boot) throw HandIsGone();
      return std::move(*decision);
    }
  }

  std::unique_ptr<fb::OwnerT> owner() const {
    auto owner = std::make_unique<fb::OwnerT>();
    owner->boot_id = boot_;
    owner->pid = process_->pid;
    owner->actor = name_;
    return owner;
  }

  void work() {
    live_on();
    // What is nearly done comes first.
    if (const std::optional<TaskId> task = unfinished()) cross(*task, std::nullopt);
    if (const std::optional<JobId> job = claim()) return run(*job);
    if (incident_.dice().one_in(150)) throw HandIsGone();  // It is replaced by a newer version of itself.
    const Us until = story_.scheduler.now() + incident_.dice().between(10, 60) * second;
    while (story_.scheduler.now() < until) {
      const auto call = std::find(incident_.called.begin(), incident_.called.end(), name_);
      if (call != incident_.called.end()) {
        incident_.called.erase(call);
        return;
      }
      pass(2 * second);
    }
  }

  std::optional<JobId> claim() {
    live_on();
    fb::JobClaimedT event;
    event.job = 0;
    event.owner = owner();
    event.ttl = claim_ttl_s;
    auto chosen = std::make_shared<std::optional<JobId>>();
    const auto decision =
        story_.ask(propose_group(requester(), event), [this, chosen](const State& state, Group& group) {
          for (const JobId id : state.indexes.queued) {
            const Job& job = *state.jobs.find(id);
            const Agent* agent = state.pipeline_of(*state.tasks.find(job.task)).agent(job.agent);
            if (!agent || !agent->run.empty() || story_.daemon().is_skipped(id)) continue;
            if (claim_outcome(state, id, story_.daemon().now()) != Outcome::accepted) continue;
            static_cast<fb::JobClaimed*>(group.front().mutable_record().mutable_event())->mutate_job(raw(id));
            *chosen = id;
            return true;
          }
          return false;
        });
    live_on();
    if (!decision) return std::nullopt;
    if (decision->outcome == Outcome::stale_boot) throw HandIsGone();
    return decision->outcome == Outcome::accepted ? *chosen : std::nullopt;
  }

  void run(JobId id) {
    const State& state = incident_.state();
    const Job* job = state.jobs.find(id);
    if (!job || job->status != JobStatus::running || job->run->owner.boot_id != boot_) return;
    const std::uint64_t attempt = job->attempts;
    const TaskId task = job->task;
    const Version version = job->version;
    const Stage* stage = state.stage_of(*state.tasks.find(task));
    const bool is_to_cross = stage && stage->guarded();
    const ProcessPtr agent = story_.machines.start(machine_);
    agent->worker = process_->start;
    agent->job = id;
    agent->attempt = attempt;
    agent->may_be_ended = true;
    fb::RunStartedT started;
    started.job = raw(id);
    started.attempt = attempt;
    started.pid = agent->pid;
    started.pid_start = agent->start;
    Plan& plan = incident_.plan(task);
    Dice& dice = incident_.dice();
    Us takes = plan.is_endless ? 100 * hour
               : plan.is_long  ? dice.between(25, 48) * minute
                               : dice.between(4, 14) * minute;
    if (is_broken_) takes = dice.between(3, 20) * second;
    const std::int64_t code = is_broken_ ? 127 : plan.ails || plan.agent_fails > 0 ? 1 : 0;
    try {
      if (say(started).outcome != Outcome::accepted) return story_.machines.end(*agent, {});
      const Us until = story_.scheduler.now() + takes;
      while (story_.scheduler.now() < until) {
        pass(std::min(claim_ttl_s * second / 3, until - story_.scheduler.now()));
        fb::ClaimRenewedT renewed;
        renewed.job = raw(id);
        renewed.attempt = attempt;
        if (say(renewed).outcome != Outcome::accepted) return story_.machines.end(*agent, {});
      }
    } catch (const HandIsGone&) {
      story_.machines.end(*agent, {.how = CommandExit::How::signalled, .code = 9});
      throw;
    }
    story_.machines.end(*agent, {.code = code});
    if (code == 1 && plan.agent_fails > 0) --plan.agent_fails;
    fb::RunExitedT exited;
    exited.job = raw(id);
    exited.attempt = attempt;
    exited.exit_code = code;
    incident_.note_made(task, version);
    const bool is_heard = say(exited).outcome == Outcome::accepted;
    if (!is_heard || code != 0 || !is_to_cross) return;
    pass(dice.between(60, 240) * second);  // It packs up, and pushes what it made.
    incident_.note_pushed(task, version);
    const Job* still = incident_.state().jobs.find(id);
    if (!still || still->status != JobStatus::running || still->attempts != attempt) return;  // It is another's by now.
    cross(task, std::pair(id, attempt));
  }

  /// A task before a guarded edge that only somebody from outside can cross, and that nobody has in hand.
  std::optional<TaskId> unfinished() {
    const std::string& all_of = habits().takes_all_of;
    const State& state = incident_.state();
    std::vector<TaskId> found;
    for (const auto& [id, task] : state.tasks.rows()) {
      const Stage* stage = state.stage_of(task);
      if (!stage || !stage->guarded() || !task.blocked.empty() || !task.cancel_requested.empty()) continue;
      const bool is_others = !stage->steps.front().run.empty();
      if (is_others ? all_of != task.repo || stage->name != "ship" : state.lease(task_key(id)) != nullptr) continue;
      if (open_step(task)) continue;
      const Job* job = state.open_job(task);
      if (is_others ? !job || !job->run || !job->run->exit_code : job != nullptr) continue;
      found.push_back(id);
    }
    if (found.empty()) return std::nullopt;
    return incident_.dice().pick(found);
  }

  std::optional<Token> lease(const std::string& key, const Stage& stage, std::optional<std::int64_t> ttl_s) {
    fb::LeaseAcquiredT event;
    event.key = key;
    event.owner = owner();
    if (ttl_s) event.ttl = *ttl_s;
    event.edge = stage.name + "->" + stage.to;
    const Decision decision = say(event);
    if (decision.outcome != Outcome::accepted) return std::nullopt;
    return decision.granted(key).value_or(Token{raw(decision.seq)});
  }
  void release(const std::string& key, Token token) {
    fb::LeaseReleasedT event;
    event.key = key;
    event.token = raw(token);
    say(event);
  }
  /// Asks again, as others may have it for a while.
  std::optional<Token> patiently(const std::string& key, const Stage& stage, std::optional<std::int64_t> ttl_s,
                                 int tries) {
    for (; tries > 0; --tries) {
      if (auto token = lease(key, stage, ttl_s)) return token;
      pass(incident_.dice().between(15, 25) * second);
    }
    return std::nullopt;
  }

  void cross(TaskId id, const std::optional<std::pair<JobId, std::uint64_t>>& job) {
    std::optional<TaskView> view = story_.look_at(id);
    live_on();
    if (!view || !view->stage() || !view->stage()->guarded()) return;
    const Stage stage = *view->stage();
    const Version version = view->task.version;
    const std::optional<std::int64_t> ttl_s = std::exchange(habits().lease_ttl_s, std::nullopt);
    const auto token = patiently(task_key(id), stage, ttl_s ? ttl_s : std::optional<std::int64_t>(7200), job ? 6 : 1);
    if (!token) return;
    view = story_.look_at(id);
    live_on();
    std::optional<Token> repo_token;
    const bool is_there = view && view->task.version == version;
    if (is_there && pass_gate(*view, stage, *token) && take_steps(*view, stage, *token, repo_token)) {
      fb::StageTransitionT transition;
      transition.task = raw(id);
      transition.to = stage.to;
      transition.expected_version = raw(version);
      transition.token = raw(*token);
      transition.reason = "crossed from outside";
      fb::JobFinishedT finished;
      if (job) {
        finished.job = raw(job->first);
        finished.attempt = job->second;
        finished.result = fb::JobResult::done;
      }
      const bool with_job = job && story_.daemon_that_serves().decided().jobs.find(job->first) != nullptr;
      const Outcome outcome = with_job ? say(transition, finished).outcome : say(transition).outcome;
      if (outcome == Outcome::not_running || outcome == Outcome::stale_attempt) say(transition);
    }
    release(task_key(id), *token);
    if (repo_token) release(repo_key(view->task.repo), *repo_token);
  }

  bool pass_gate(const TaskView& view, const Stage& stage, Token token) {
    if (!stage.gate || is_committed(view.task)) return true;
    const bool is_others = !stage.steps.front().run.empty();
    pass(is_others ? incident_.dice().between(4, 12) * minute : incident_.dice().between(10, 50) * second);
    fb::GateEvaluatedT gate;
    gate.task = raw(view.task.id);
    gate.version = raw(view.task.version);
    gate.gate = stage.name;
    Plan& plan = incident_.plan(view.task.id);
    const bool is_red = is_others || (plan.gate_is_red > 0 && stage.name == "deploy-staging");
    if (plan.gate_is_red > 0 && !is_others && is_red) --plan.gate_is_red;
    gate.passed = !is_red;
    if (is_red) gate.reason = is_others ? "no artefact here" : "a test failed";
    say(gate);
    if (!is_red) return true;
    fb::StageTransitionT back;
    back.task = raw(view.task.id);
    back.to = stage.rollback;
    back.expected_version = raw(view.task.version);
    back.token = raw(token);
    back.reason = "gate_red";
    say(back);
    return false;
  }

  bool take_steps(const TaskView& view, const Stage& stage, Token token, std::optional<Token>& repo_token) {
    for (const PipelineStep& step : stage.steps) {
      const bool is_done = std::any_of(view.task.steps.begin(), view.task.steps.end(), [&](const StepRow& row) {
        return row.version == view.task.version && row.step == step.name && row.state == StepState::done;
      });
      if (is_done) continue;
      if (step.exclusive && !repo_token) repo_token = patiently(repo_key(view.task.repo), stage, std::nullopt, 90);
      if (step.exclusive && !repo_token) return false;
      if (!take_step(view, stage, step, token, repo_token)) return false;
    }
    return true;
  }

  bool take_step(const TaskView& view, const Stage& stage, const PipelineStep& step, Token token,
                 const std::optional<Token>& repo_token) {
    fb::StepStartedT start;
    start.task = raw(view.task.id);
    start.version = raw(view.task.version);
    start.to = stage.to;
    start.step = step.name;
    start.token = raw(token);
    if (step.exclusive && repo_token) start.repo_token = raw(*repo_token);
    start.run = story_.fresh_id("outside");
    const Decision started = say(start);
    if (started.outcome == Outcome::already_done) return true;
    if (started.outcome != Outcome::accepted) return false;
    const StepKey key{view.task.id, view.task.version, step.name};
    Us work = incident_.dice().between(60, 480) * second;
    Habits habit;
    if (habits().in_step == step.name)
      habit = std::exchange(habits(), Habits{.is_broken = habits().is_broken,
                                             .is_gone = habits().is_gone,
                                             .comes_back_at_once = habits().comes_back_at_once});
    if (habit.step_takes && !habit.is_cut_off) work = *habit.step_takes;
    if (step.exclusive) incident_.note_exclusive(key, story_.scheduler.now(), story_.scheduler.now() + work);
    const bool is_late = habit.dies && incident_.dice().one_in(2);
    pass(work / 2);
    if (habit.dies && !is_late) die(key);
    if (step.irreversible) story_.request(key, step, 0, process_);
    if (is_late) die(key);
    pass(work - work / 2);
    if (habit.is_cut_off) pass(*habit.step_takes);
    fb::StepFinishedT finish;
    finish.task = raw(key.task);
    finish.version = raw(key.version);
    finish.step = step.name;
    finish.started = raw(started.seq);
    finish.by = fb::StepBy::command;
    finish.outcome = fb::StepOutcome::done;
    return say(finish).outcome == Outcome::accepted;
  }

  [[noreturn]] void die(const StepKey& key) {
    incident_.end_exclusive(key);
    story_.machines.end(*process_, {.how = CommandExit::How::signalled, .code = 9});
    throw HandIsGone();
  }

  Incident& incident_;
  Story& story_;
  const std::string name_;
  const std::string machine_;
  ProcessPtr process_;
  std::string boot_;
  bool is_broken_ = false;  // this version of it
};

}  // namespace

void send_hand(Incident& incident, const std::string& name, const std::string& machine) {
  incident.story().send([hand = std::make_shared<Hand>(incident, name, machine)] { hand->live(); });
}

void send_hands(Incident& incident) {
  send_hand(incident, "worker-1", "beta");
  send_hand(incident, "worker-2", "gamma");
  send_hand(incident, "worker-3", "gamma");
  send_hand(incident, "worker-4", "beta");
}

}  // namespace pawl::hostile
