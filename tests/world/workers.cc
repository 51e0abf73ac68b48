// Outside workers, each with a process, a boot and agents of its own. They know only what they were told, and that may
// be long out of date.
#include <algorithm>

#include "engine/rules/claim.h"
#include "schema/proposal.h"
#include "tests/world/daemon.h"

namespace pawl::hostile {
namespace {

constexpr const char* other_machine = "beta";

/// A worker whose process is gone: thrown where it would act next.
struct WorkerIsDead {};

class Worker {
 public:
  Worker(Story& story, std::string name, std::string machine)
      : story_(story), name_(std::move(name)), machine_(std::move(machine)) {}

  [[noreturn]] void live() {
    for (;;) {
      process_ = story_.machines.start(machine_);
      is_relieving_ = false;
      try {
        boot();
        while (true) work();
      } catch (const WorkerIsDead&) {
        story_.machines.end(*process_, {.how = CommandExit::How::signalled, .code = 9});
        const bool soon = story_.dice.one_in(2);
        story_.scheduler.sleep(soon ? second : story_.dice.between(1, 60) * minute);
      }
    }
  }

 private:
  void boot() {
    boot_ = story_.fresh_id("boot");
    story_.workers[boot_] = {process_, name_};
    fb::BootStartedT event;
    event.name = name_;
    event.boot_id = boot_;
    event.pid = process_->pid;
    event.pid_start = process_->start;
    event.host = process_->host;
    event.version = "worker";
    for (;;) {
      // An unregistered boot cannot send requests; the daemon sends this one.
      const Requester by_daemon{.boot = story_.daemon_that_serves().boot_id(),
                                .actor = name_,
                                .key = {},
                                .request = {},
                                .principal = principal()};
      const auto decision = tell(propose_group(by_daemon, event));
      if (decision && decision->outcome == Outcome::accepted) return;
      if (decision && decision->outcome == Outcome::duplicate_boot_id) return;  // The previous answer got lost.
    }
  }

  /// Between any two actions a worker may be stopped, or die.
  void live_on() {
    if (story_.strikes(Hostility::dead_worker, 1)) story_.machines.kill(process_);
    if (story_.strikes(Hostility::sleepy_worker, 1)) story_.scheduler.sleep(story_.dice.between(1, 100) * minute);
    if (!process_->alive) throw WorkerIsDead();
  }
  std::optional<Decision> tell(Group group, std::function<bool(const State&, Group&)> resolve = {}) {
    live_on();
    auto decision = story_.ask(std::move(group), std::move(resolve));
    live_on();
    if (decision && decision->outcome == Outcome::stale_boot) throw WorkerIsDead();
    return decision;
  }
  template <class Event>
  Outcome say(const Event& event) {
    for (int tries = 0; tries < 5; ++tries) {
      if (const auto decision = tell(propose_group(requester(), event))) return decision->outcome;
    }
    return Outcome::skipped;
  }
  Requester requester() const {
    return {.boot = boot_, .actor = name_, .key = {}, .request = {}, .principal = principal()};
  }
  std::string principal() const { return "token:" + name_; }
  std::unique_ptr<fb::OwnerT> owner() const {
    auto owner = std::make_unique<fb::OwnerT>();
    owner->boot_id = boot_;
    owner->pid = process_->pid;
    owner->actor = name_;
    return owner;
  }

  void work() {
    live_on();
    if (const std::optional<JobId> job = claim()) return run(*job);
    if (const std::optional<TaskId> task = unfinished()) cross(*task);
    if (story_.strikes(Hostility::force, 20)) relieve();
    const auto called_for = story_.idle(story_.dice.between(1, story_.is_hostile() ? 20 : 300) * second);
    if (called_for) cross(*called_for);
  }

  std::optional<JobId> claim() {
    fb::JobClaimedT event;
    event.job = 0;
    event.owner = owner();
    // The death of a distant process goes unseen.
    if (story_.dice.one_in(machine_ == other_machine ? 2 : 6)) event.ttl = story_.dice.between(20, 600);
    const bool takes_all = story_.dice.one_in(4);
    // And does not check whether an earlier attempt has left something behind.
    const bool is_rash = story_.strikes(Hostility::nonsense, 10);
    auto chosen = std::make_shared<std::optional<JobId>>();
    const auto decision =
        tell(propose_group(requester(), event), [this, chosen, takes_all, is_rash](const State& state, Group& group) {
          for (const JobId id : state.indexes.queued) {
            const Job& job = *state.jobs.find(id);
            const Agent* agent = state.pipeline_of(*state.tasks.find(job.task)).agent(job.agent);
            const bool is_mine = takes_all || (agent && agent->run.empty());
            const Outcome outcome = claim_outcome(state, id, story_.daemon().now());
            const bool is_open = outcome == Outcome::accepted || (is_rash && outcome == Outcome::previous_alive);
            if (!is_mine || !is_open || story_.daemon().is_skipped(id)) continue;
            static_cast<fb::JobClaimed*>(group.front().mutable_record().mutable_event())->mutate_job(raw(id));
            *chosen = id;
            return true;
          }
          return false;
        });
    return decision && decision->outcome == Outcome::accepted ? *chosen : std::nullopt;
  }

  void run(JobId id) {
    struct Claimed {
      std::uint64_t attempt = 0;
      TaskId task{};
      bool guarded_without_command = false;
    };
    Claimed claimed;
    bool is_mine = false;
    // From the state as decided: the answer to the claim shows the job.
    if (const Job* job = story_.daemon_that_serves().decided().jobs.find(id);
        job && job->status == JobStatus::running && job->run->owner.boot_id == boot_) {
      const State& state = story_.daemon_that_serves().decided();
      const Stage* stage = state.stage_of(*state.tasks.find(job->task));
      claimed = {.attempt = job->attempts,
                 .task = job->task,
                 .guarded_without_command = stage && stage->guarded() && stage->steps.front().run.empty()};
      is_mine = true;
    }
    if (!is_mine) return;
    if (story_.strikes(Hostility::lost_answer, 10)) {
      give_back(id, claimed.attempt);
      if (story_.dice.one_in(2)) return;  // Otherwise it has read it anyway.
    }
    const ProcessPtr agent = story_.machines.start(machine_);
    agent->may_be_ended = true;
    agent->worker = process_->start;
    agent->job = id;
    agent->attempt = claimed.attempt;
    if (story_.strikes(Hostility::stubborn, 10)) {
      agent->stubborn_until = story_.scheduler.now() + story_.dice.between(1, 20) * minute;
    }
    // In the worker's own group, or with another process in the agent's.
    agent->leads_group = !story_.strikes(Hostility::unseen, 30);
    if (agent->leads_group && story_.strikes(Hostility::unseen, 30)) add_helper(*agent);
    fb::RunStartedT started;
    started.job = raw(id);
    started.attempt = claimed.attempt;
    started.pid = agent->pid;
    started.pid_start = agent->start;
    const Boot* daemon = story_.witness().state().boot_named(daemon_name);
    if (daemon && story_.strikes(Hostility::nonsense, 5)) {  // A daemon that believed this would end itself.
      started.pid = daemon->pid;
      started.pid_start = daemon->pid_start;
    } else if (story_.strikes(Hostility::nonsense, 5)) {  // By now a stranger has that pid, and no one may end it.
      const ProcessPtr stranger = story_.machines.start(machine_);
      started.pid = stranger->pid;
      started.pid_start = stranger->start - 1;
      story_.scheduler.at(story_.scheduler.now() + story_.dice.between(1, 60) * minute,
                          [&machines = story_.machines, stranger] { machines.end(*stranger, {}); });
    }
    const Fate fate = story_.fate_of_agent();
    CommandExit exit = fate.exit;
    try {
      say(started);
      agent->waiter = story_.scheduler.self();
      const Us until = story_.scheduler.now() + fate.work;
      while (agent->alive && story_.scheduler.now() < until) {
        const auto next = keep_claim(id, claimed.attempt);
        story_.scheduler.wait_until(next ? std::min(until, *next) : until);
      }
      if (!agent->alive) exit = *agent->exit;
      live_on();
    } catch (const WorkerIsDead&) {
      agent->waiter = 0;
      if (story_.dice.one_in(2)) story_.machines.end(*agent, fate.exit);
      // Otherwise it outlives its worker, and may ignore signals.
      if (story_.strikes(Hostility::stubborn, 30)) {
        agent->stubborn_until = story_.scheduler.now() + story_.dice.between(1, 20) * minute;
      }
      throw;
    }
    agent->waiter = 0;
    story_.machines.end(*agent, exit);
    const std::int64_t code = exit.how == CommandExit::How::exited ? exit.code : 128 + exit.code;
    if (code != 0 && story_.dice.one_in(3)) {
      fb::JobFinishedT finished;
      finished.job = raw(id);
      finished.attempt = claimed.attempt;
      finished.result = story_.dice.one_in(8) ? fb::JobResult::failed : fb::JobResult::retry;
      say(finished);
      return;
    }
    fb::RunExitedT exited;
    exited.job = raw(id);
    exited.attempt = claimed.attempt;
    exited.exit_code = code;
    say(exited);
    if (code == 0 && claimed.guarded_without_command) cross(claimed.task);
  }

  /// Renews, if it must; returns when it must again.
  std::optional<Us> keep_claim(JobId id, std::uint64_t attempt) {
    const Job* job = story_.daemon_that_serves().decided().jobs.find(id);
    if (!job || !job->run || job->attempts != attempt || !job->run->ttl_s) return std::nullopt;
    const Us pause = *job->run->ttl_s * second / 3;
    fb::ClaimRenewedT event;
    event.job = raw(id);
    event.attempt = attempt;
    if (say(event) == Outcome::accepted) story_.mark(Mark::claim_kept);
    return story_.scheduler.now() + pause;
  }

  /// As the server does when its answer could not be delivered.
  void give_back(JobId id, std::uint64_t attempt) {
    fb::ClaimReturnedT event;
    event.job = raw(id);
    event.attempt = attempt;
    const Requester by_daemon{
        .boot = story_.daemon_that_serves().boot_id(), .actor = "pawld", .key = {}, .request = {}};
    const auto decision = tell(propose_group(by_daemon, event));
    if (decision && decision->outcome == Outcome::accepted) story_.mark(Mark::claim_not_heard_of);
  }

  void add_helper(Process& agent) {
    const ProcessPtr helper = story_.machines.start(machine_);
    helper->may_be_ended = true;
    agent.group.push_back(helper);
    story_.scheduler.at(story_.scheduler.now() + story_.dice.between(1, 600) * second,
                        [&machines = story_.machines, helper] { machines.end(*helper, {}); });
  }

  /// A task on a guarded edge whose steps only an outside party can start; sometimes one that the daemon would drive
  /// itself: an outside lease is as good as its own.
  std::optional<TaskId> unfinished() {
    const bool takes_all = story_.is_hostile() && story_.dice.one_in(3);
    const State& state = story_.daemon_that_serves().decided();
    std::vector<TaskId> found;
    for (const auto& [id, task] : state.tasks.rows()) {
      const Stage* stage = state.stage_of(task);
      const bool mine =
          stage && stage->guarded() && (takes_all || stage->steps.front().run.empty()) && task.blocked.empty();
      const bool free = mine && !state.lease(task_key(id)) && !open_step(task);
      const Job* job = free ? state.running_job(id) : nullptr;
      const bool waits = job ? job->run->exit_code == 0 : !state.open_job(task);
      if (free && waits) found.push_back(id);
    }
    if (found.empty()) return std::nullopt;
    return story_.dice.pick(found);
  }

  /// A task whose step the daemon tried, and that has waited for people since: a worker tries the same step by hand. It
  /// unblocks the task and takes its lease in one request, before anyone else comes for it.
  void relieve() {
    const State& state = story_.daemon_that_serves().decided();
    std::vector<TaskId> found;
    for (const auto& [id, task] : state.tasks.rows()) {
      const Stage* stage = state.stage_of(task);
      if (!stage || !stage->guarded() || task.blocked.empty() || open_step(task) || state.lease(task_key(id))) continue;
      const bool was_tried = std::any_of(task.steps.begin(), task.steps.end(), [&](const StepRow& step) {
        return step.version == task.version && step.irreversible && step.state != StepState::done;
      });
      if (was_tried) found.push_back(id);
    }
    if (found.empty()) return;
    const TaskId id = story_.dice.pick(found);
    fb::TaskUnblockedT unblocked;
    unblocked.task = raw(id);
    unblocked.reason = "by hand";
    fb::LeaseAcquiredT event;
    event.key = task_key(id);
    event.owner = owner();
    const auto decision = tell(propose_group(requester(), unblocked, event));
    const auto token = decision ? decision->granted(event.key) : std::nullopt;
    if (!token) return;
    is_relieving_ = true;
    cross_under(id, *token);
    is_relieving_ = false;
  }

  /// The outside way over a guarded edge, call by call.
  void cross(TaskId id) {
    const std::optional<TaskView> view = story_.look_at(id);
    if (!view || !view->stage() || !view->stage()->guarded()) return;
    const Stage stage = *view->stage();
    const bool for_good = story_.dice.one_in(3);
    const std::optional<Token> token = lease(task_key(id), stage, for_good ? std::nullopt : std::optional(3600));
    if (token) cross_under(id, *token);
  }

  void cross_under(TaskId id, Token token) {
    const std::optional<TaskView> view = story_.look_at(id);
    if (!view || !view->stage() || !view->stage()->guarded()) return release(task_key(id), token);
    const Stage stage = *view->stage();
    std::optional<Token> repo_token;
    bool goes_on = true;
    for (const PipelineStep& step : stage.steps) {
      if (!step.exclusive) continue;
      repo_token = lease(repo_key(view->task.repo), stage, view->settings.lease.merge_ttl_s);
      goes_on = repo_token.has_value();
    }
    if (goes_on) cross_with(*view, stage, token, repo_token);
    release(task_key(id), token);
    if (repo_token) release(repo_key(view->task.repo), *repo_token);
  }

  /// With a token: keeps it for longer.
  std::optional<Token> lease(const std::string& key, const Stage& stage, std::optional<std::int64_t> ttl_s,
                             std::optional<Token> token = {}) {
    fb::LeaseAcquiredT event;
    event.key = key;
    event.owner = owner();
    if (ttl_s) event.ttl = *ttl_s;
    if (token) event.token = raw(*token);
    event.edge = stage.name + "->" + stage.to;
    const auto decision = tell(propose_group(requester(), event));
    if (!decision || decision->outcome != Outcome::accepted) return std::nullopt;
    return decision->granted(key).value_or(Token{raw(decision->seq)});
  }
  void release(const std::string& key, Token token) {
    fb::LeaseReleasedT event;
    event.key = key;
    event.token = raw(token);
    say(event);
  }

  void cross_with(const TaskView& view, const Stage& stage, Token token, std::optional<Token> repo_token) {
    const Task& task = view.task;
    if (stage.gate && !is_committed(task)) {
      const std::optional<bool> colour = story_.gate_of(task.id);
      fb::GateEvaluatedT gate;
      gate.task = raw(task.id);
      gate.version = raw(task.version);
      gate.gate = stage.name;
      if (colour) gate.passed = *colour;
      if (say(gate) != Outcome::accepted || colour != true) return;
    }
    // Without its own record of what is done, it relies on the answers.
    const bool forgets = story_.strikes(Hostility::nonsense, 20);
    for (const PipelineStep& step : stage.steps) {
      bool done = false;
      for (const StepRow& row : task.steps) {
        done = done || (row.version == task.version && row.to == stage.to && row.step == step.name &&
                        row.state == StepState::done);
      }
      if ((!done || forgets) && !take_step(view, stage, step, token, repo_token)) return;
      if (forgets && !take_step(view, stage, step, token, repo_token)) return;
    }
    fb::StageTransitionT transition;
    transition.task = raw(task.id);
    transition.to = stage.to;
    transition.expected_version = raw(task.version);
    transition.token = raw(token);
    transition.reason = "crossed from outside";
    if (say(transition) != Outcome::accepted || !view.open_job) return;
    if (view.open_job->status != JobStatus::running) return;
    fb::RunExitedT exited;  // As `finished` with result `done`: the monitor then ends the job.
    exited.job = raw(view.open_job->id);
    exited.attempt = view.open_job->attempts;
    exited.exit_code = 0;
    say(exited);
  }

  /// Whether the step is done.
  bool take_step(const TaskView& view, const Stage& stage, const PipelineStep& step, Token token,
                 std::optional<Token> repo_token) {
    fb::StepStartedT start;
    start.task = raw(view.task.id);
    start.version = raw(view.task.version);
    start.to = stage.to;
    start.step = step.name;
    start.token = raw(token);
    if (step.exclusive && repo_token) start.repo_token = raw(*repo_token);
    start.run = story_.fresh_id("outside");
    if (story_.dice.one_in(4)) lease(task_key(view.task.id), stage, std::nullopt, token);
    // A lost answer leaves in doubt whether the start stands: then nothing is done.
    const auto started = tell(propose_group(requester(), start));
    if (started && started->outcome == Outcome::already_done) return true;
    if (!started || started->outcome != Outcome::accepted) return false;
    Fate fate = story_.fate_of_step(step);
    if (is_relieving_ && fate.effect && story_.dice.one_in(2)) {
      // A party that takes the lease away meanwhile finds a step that has not happened yet, but will.
      fate.work = std::max<Us>(fate.work, minute);
      fate.effect = fate.work - second;
      take_away(story_, view.task.id, story_.dice.between(0, second));
      story_.mark(Mark::step_taken_over);
    } else {
      meddle(story_, view.task.id, fate.work, fate.work);
    }
    if (fate.effect) {
      story_.scheduler.sleep(*fate.effect);
      live_on();
      story_.request({view.task.id, view.task.version, step.name}, step, fate.latency, process_);
      story_.scheduler.sleep(std::max<Us>(fate.work - *fate.effect, fate.latency + 1));
    } else {
      story_.scheduler.sleep(fate.work);
    }
    live_on();
    const bool in_order = fate.exit.how == CommandExit::How::exited && fate.exit.code == 0;
    const bool in_doubt = !in_order && step.irreversible;
    if (in_doubt && story_.targets.happened({view.task.id, view.task.version, step.name}) == Verdict::unknown) {
      return false;
    }
    fb::StepFinishedT finish;
    finish.task = raw(view.task.id);
    finish.version = raw(view.task.version);
    finish.step = step.name;
    finish.started = raw(started->seq);
    finish.by = fb::StepBy::command;
    finish.outcome = in_order || (in_doubt && fate.effect) ? fb::StepOutcome::done : fb::StepOutcome::failed;
    return say(finish) == Outcome::accepted && finish.outcome == fb::StepOutcome::done;
  }

  Story& story_;
  const std::string name_;
  const std::string machine_;
  ProcessPtr process_;
  std::string boot_;
  bool is_relieving_ = false;
};

}  // namespace

void send_workers(Story& story) {
  const auto send = [&story](const char* name, const char* machine) {
    story.send([worker = std::make_shared<Worker>(story, name, machine)] { worker->live(); });
  };
  send("worker-1", daemon_machine);
  send("worker-2", other_machine);
  if (story.dice.one_in(2)) send("worker-3", other_machine);
}

}  // namespace pawl::hostile
