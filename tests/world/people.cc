// Those who work with the daemon from outside: workers with boots of their own, operators, webhooks, and one who gets
// everything wrong. What they know they were told, and what they were told may be long past.
#include <algorithm>

#include "schema/build_record.h"
#include "tests/world/daemon.h"

namespace pawl::hostile {
namespace {

constexpr const char* other_machine = "beta";

/// A worker whose process is gone: thrown where it would do something next.
struct WorkerIsDead {};

class Worker {
 public:
  Worker(Story& story, std::string name, std::string machine)
      : story_(story), name_(std::move(name)), machine_(std::move(machine)) {}

  [[noreturn]] void live() {
    for (;;) {
      process_ = story_.machines.start(machine_);
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
      // A boot that is not registered yet cannot ask; the daemon asks for it.
      const Asker by_daemon{
          .boot = story_.daemon_that_serves().boot_id(), .actor = "operator", .key = {}, .request = {}};
      const auto decision = tell(propose_group(by_daemon, event));
      if (decision && decision->outcome == Outcome::accepted) return;
      if (decision && decision->outcome == Outcome::duplicate_boot_id) return;  // The answer before this got lost.
    }
  }

  /// Between any two things that a worker does it may be stopped, or die.
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
      if (const auto decision = tell(propose_group(asker(), event))) return decision->outcome;
    }
    return Outcome::skipped;
  }
  Asker asker() const { return {.boot = boot_, .actor = name_, .key = {}, .request = {}}; }
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
    story_.scheduler.sleep(story_.dice.between(1, story_.is_hostile() ? 20 : 300) * second);
  }

  std::optional<JobId> claim() {
    fb::JobClaimedT event;
    event.job = 0;
    event.owner = owner();
    const bool takes_all = story_.dice.one_in(4);
    auto chosen = std::make_shared<std::optional<JobId>>();
    const auto decision =
        tell(propose_group(asker(), event), [this, chosen, takes_all](const State& state, Group& group) {
          for (const JobId id : state.indexes.queued) {
            const Job& job = *state.jobs.find(id);
            const Agent* agent = state.pipeline_of(*state.tasks.find(job.task)).agent(job.agent);
            const bool is_mine = takes_all || (agent && agent->run.empty());
            if (!is_mine || claim_outcome(state, id) != Outcome::accepted || story_.daemon().is_passed_over(id))
              continue;
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
    // Of the state as it was decided: the answer to the claim shows the job.
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
    const ProcessPtr agent = story_.machines.start(machine_);
    fb::RunStartedT started;
    started.job = raw(id);
    started.attempt = claimed.attempt;
    started.pid = agent->pid;
    started.pid_start = agent->start;
    const Fate fate = story_.fate_of_agent();
    CommandExit exit = fate.exit;
    try {
      say(started);
      agent->waiter = story_.scheduler.self();
      const Us until = story_.scheduler.now() + fate.work;
      while (agent->alive && story_.scheduler.now() < until) story_.scheduler.wait_until(until);
      if (!agent->alive) exit = *agent->exit;
      live_on();
    } catch (const WorkerIsDead&) {
      agent->waiter = 0;
      if (story_.dice.one_in(2)) story_.machines.end(*agent, fate.exit);
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

  /// A task that stands on a guarded edge whose steps only somebody outside can start.
  std::optional<TaskId> unfinished() {
    const State& state = story_.daemon_that_serves().decided();
    std::vector<TaskId> found;
    for (const auto& [id, task] : state.tasks.rows()) {
      const Stage* stage = state.stage_of(task);
      const bool mine = stage && stage->guarded() && stage->steps.front().run.empty() && task.blocked.empty();
      const bool free = mine && !state.lease(task_key(id)) && !open_step(task);
      const Job* job = free ? state.running_job(id) : nullptr;
      const bool waits = job ? job->run->exit_code == 0 : !state.open_job(task);
      if (free && waits) found.push_back(id);
    }
    if (found.empty()) return std::nullopt;
    return story_.dice.pick(found);
  }

  /// The way over a guarded edge as one goes it from outside, call by call.
  void cross(TaskId id) {
    const std::optional<TaskView> view = story_.look_at(id);
    if (!view || !view->stage() || !view->stage()->guarded()) return;
    const Stage stage = *view->stage();
    const std::optional<Token> token = lease(task_key(id), stage, 3600);
    if (!token) return;
    std::optional<Token> repo_token;
    bool goes_on = true;
    for (const PipelineStep& step : stage.steps) {
      if (!step.exclusive) continue;
      repo_token = lease(repo_key(view->task.repo), stage, view->settings.lease.merge_ttl_s);
      goes_on = repo_token.has_value();
    }
    if (goes_on) cross_with(*view, stage, *token, repo_token);
    release(task_key(id), *token);
    if (repo_token) release(repo_key(view->task.repo), *repo_token);
  }

  std::optional<Token> lease(const std::string& key, const Stage& stage, std::int64_t ttl_s) {
    fb::LeaseAcquiredT event;
    event.key = key;
    event.owner = owner();
    event.ttl = ttl_s;
    event.edge = stage.name + "->" + stage.to;
    const auto decision = tell(propose_group(asker(), event));
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
    for (const PipelineStep& step : stage.steps) {
      bool done = false;
      for (const StepRow& row : task.steps) {
        done = done || (row.version == task.version && row.to == stage.to && row.step == step.name &&
                        row.state == StepState::done);
      }
      if (!done && !take_step(view, stage, step, token, repo_token)) return;
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
    // An answer that got lost leaves in doubt whether the start stands: then nothing is done.
    const auto started = tell(propose_group(asker(), start));
    if (!started || started->outcome != Outcome::accepted) return false;
    const Fate fate = story_.fate_of_step(step);
    if (fate.effect) {
      story_.scheduler.sleep(*fate.effect);
      live_on();
      story_.targets.request({view.task.id, view.task.version, step.name}, fate.latency);
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
};

class Operator {
 public:
  explicit Operator(Story& story) : story_(story) {}

  [[noreturn]] void live() {
    for (;;) {
      story_.scheduler.sleep(story_.dice.between(5, story_.is_hostile() ? 200 : 600) * second);
      const std::optional<TaskId> task = some_task();
      if (!task) continue;
      const std::optional<TaskView> view = story_.look_at(*task);
      if (!view || is_terminal(view->task.stage)) continue;
      if (!view->task.blocked.empty() || is_left_open(*view)) {
        if (story_.is_mending() || (story_.is_hostile() && story_.dice.one_in(2))) mend(*view);
        continue;
      }
      if (story_.strikes(Hostility::cancel, 3)) {
        fb::CancelRequestedT cancel;
        cancel.task = raw(*task);
        cancel.reason = "changed our minds";
        say(cancel);
      } else if (story_.is_mending() || story_.strikes(Hostility::force, 10)) {
        advance(*view);
      } else if (story_.strikes(Hostility::force, 20)) {
        interfere(*view);
      }
    }
  }

 private:
  Asker asker() {
    return {.boot = story_.daemon_that_serves().boot_id(), .actor = "operator", .key = {}, .request = {}};
  }
  template <class Event>
  void say(const Event& event) {
    story_.ask(propose_group(asker(), event));
  }

  std::optional<TaskId> some_task() {
    const State& state = story_.daemon_that_serves().decided();
    if (state.tasks.size() == 0) return std::nullopt;
    auto at = state.tasks.rows().begin();
    std::advance(at, static_cast<std::ptrdiff_t>(story_.dice.roll(state.tasks.size())));
    return at->first;
  }

  void advance(const TaskView& view) {
    story_.daemon_that_serves().advance({.task = view.task.id, .version = view.task.version, .asker = asker()},
                                        [](const AdvanceAnswer&) {});
  }

  /// A step that somebody outside began and left, and that nobody here can settle: it has no command, or it belongs to
  /// another edge than the one on which the task stands.
  static bool is_left_open(const TaskView& view) {
    const StepRow* step = open_step(view.task);
    if (!step || view.lease) return false;
    const PipelineStep* known = view.pipeline->step(step->to, step->step);
    return (known && known->run.empty()) || step->to != view.stage()->to;
  }

  /// What a person does about a blocked task: says what happened if nobody else knows, and lets it go on.
  void mend(const TaskView& view) {
    if (const StepRow* step = open_step(view.task)) return resolve(view, *step);
    fb::TaskUnblockedT unblocked;
    unblocked.task = raw(view.task.id);
    unblocked.reason = "mended";
    fb::JobQueuedT queued;
    queued.task = raw(view.task.id);
    queued.reason = "mended";
    const bool has_job = view.open_job || view.stage()->agent.empty() || is_committed(view.task);
    if (has_job || story_.dice.one_in(4)) {
      say(unblocked);
    } else {
      story_.ask(propose_group(asker(), unblocked, queued));
    }
  }

  /// Only the truth, and only once it cannot change any more.
  void resolve(const TaskView& view, const StepRow& step) {
    const StepKey key{view.task.id, step.version, step.step};
    const auto outside = story_.workers.find(step.boot);
    if (outside != story_.workers.end() && outside->second.process->alive) {
      if (story_.targets.happened(key) != Verdict::yes) story_.machines.kill(outside->second.process);
      return;
    }
    const auto run = story_.folder.runs.find(step.run);
    const bool lives =
        run != story_.folder.runs.end() && std::any_of(run->second.processes.begin(), run->second.processes.end(),
                                                       [](const ProcessPtr& process) { return process->alive; });
    const Verdict happened = lives ? Verdict::unknown : story_.targets.happened(key);
    if (happened == Verdict::unknown) return;
    fb::StepFinishedT finished;
    finished.task = raw(key.task);
    finished.version = raw(key.version);
    finished.step = key.step;
    finished.started = raw(step.started);
    finished.outcome = happened == Verdict::yes ? fb::StepOutcome::done : fb::StepOutcome::did_not_happen;
    finished.by = fb::StepBy::operator_;
    fb::TaskUnblockedT unblocked;
    unblocked.task = raw(key.task);
    unblocked.reason = "resolved";
    if (view.task.blocked.empty()) return say(finished);
    if (happened == Verdict::yes || outside != story_.workers.end()) {
      story_.ask(propose_group(asker(), finished, unblocked));
      return;
    }
    Daemon& daemon = story_.daemon_that_serves();
    daemon.lock_step({.task = key.task, .version = key.version, .step = key.step}, step.run,
                     [&daemon, group = std::make_shared<Group>(propose_group(asker(), finished, unblocked))](
                         const std::shared_ptr<StepLock>& lock) {
                       if (!lock) return;  // previous_alive
                       daemon.submit({.group = std::move(*group), .done = [lock](const std::optional<Decision>&) {}});
                     });
  }

  void interfere(const TaskView& view) {
    switch (story_.dice.roll(6)) {
      case 0: {
        if (!view.lease) return;
        fb::LeaseReclaimedT event;
        event.key = view.lease->key;
        event.token = raw(view.lease->token);
        event.reason = fb::ReclaimReason::forced;
        return say(event);
      }
      case 1: {
        fb::StageTransitionT event;
        event.task = raw(view.task.id);
        const bool back = !view.stage()->rollback.empty() && story_.dice.one_in(2);
        event.to = back ? view.stage()->rollback : view.stage()->to;
        event.expected_version = raw(view.task.version);
        event.reason = "by hand";
        return say(event);
      }
      case 2: {
        fb::JobQueuedT event;
        event.task = raw(view.task.id);
        event.reason = "retry";
        return say(event);
      }
      case 3: {
        fb::TaskUnblockedT event;
        event.task = raw(view.task.id);
        return say(event);
      }
      case 4: {
        fb::TaskNoteT event;
        event.task = raw(view.task.id);
        event.text = "a remark";
        return say(event);
      }
      default:
        return advance(view);
    }
  }

  Story& story_;
};

/// Creates tasks, and announces what it heard of from elsewhere. Every delivery bears a key, and comes until it is
/// answered.
class Webhook {
 public:
  explicit Webhook(Story& story) : story_(story) {}

  void live() {
    while (story_.is_hostile()) {
      story_.scheduler.sleep(story_.dice.between(1, 60) * second);
      const State& state = story_.daemon_that_serves().decided();
      if (state.tasks.size() < story_.tasks_wanted) create();
      if (story_.dice.one_in(2)) advance();
    }
  }

 private:
  Asker asker() { return {.boot = {}, .actor = "webhook", .key = story_.fresh_id("delivery"), .request = 1}; }

  void create() {
    fb::TaskCreatedT event;
    event.work_item = "W-" + std::to_string(story_.dice.roll(40));
    event.repo = story_.dice.pick(story_.repos);
    event.branch = story_.dice.one_in(10) ? "" : "b-" + event.work_item;
    const std::uint64_t kind = story_.dice.roll(5);
    event.pipeline = kind == 0 ? "delivery" : kind < 3 ? "conclusive" : "blunt";
    if (story_.dice.one_in(3)) event.stage = "deploy-staging";
    const State& state = story_.daemon_that_serves().decided();
    if (story_.dice.one_in(6) && state.tasks.size() > 0)
      event.depends_on.push_back(raw(state.tasks.rows().rbegin()->first));
    story_.ask_keyed([&](const Asker& asker) { return propose_group(asker, event); }, asker());
  }

  void advance() {
    const State& state = story_.daemon_that_serves().decided();
    if (state.tasks.size() == 0) return;
    auto at = state.tasks.rows().begin();
    std::advance(at, static_cast<std::ptrdiff_t>(story_.dice.roll(state.tasks.size())));
    const TaskId id = at->first;
    const std::optional<TaskView> view = story_.look_at(id);
    if (!view || view->lease || is_terminal(view->task.stage)) return;
    fb::TaskNoteT note;
    note.task = raw(id);
    note.text = "advance";
    const Decision noted = story_.ask_keyed([&](const Asker& asker) { return propose_group(asker, note); }, asker());
    if (noted.way != Decision::Way::decided) return;
    Daemon& daemon = story_.daemon_that_serves();
    const Asker by{.boot = daemon.boot_id(), .actor = "webhook", .key = {}, .request = {}};
    daemon.advance({.task = id, .version = view->task.version, .asker = by}, [](const AdvanceAnswer&) {});
  }

  Story& story_;
};

/// Changes settings while all goes on, and puts them back.
class Administrator {
 public:
  explicit Administrator(Story& story) : story_(story) {}

  void live() {
    set("queue.max_concurrency", story_.dice.between(1, 4));
    while (story_.is_hostile()) {
      story_.scheduler.sleep(story_.dice.between(1, 40) * minute);
      if (story_.strikes(Hostility::kill_switch, 4)) {
        set("ownership.enabled", false);
        story_.scheduler.sleep(story_.dice.between(1, 60) * minute);
        set("ownership.enabled", true);
      } else if (story_.strikes(Hostility::settings, 60)) {
        change();
      }
    }
  }

 private:
  void set(const char* key, const SettingValue& value) {
    fb::SettingChangedT event;
    event.key = key;
    event.value = std::make_unique<fb::SettingValueT>(setting_value_event(value));
    for (;;) {
      const Asker asker{.boot = story_.daemon_that_serves().boot_id(), .actor = "operator", .key = {}, .request = {}};
      const auto decision = story_.ask(propose_group(asker, event));
      if (decision && decision->outcome != Outcome::stale_boot) return;
    }
  }

  void change() {
    const auto number = [&](const char* key, std::vector<std::int64_t> values) { set(key, story_.dice.pick(values)); };
    const auto flag = [&](const char* key) { set(key, !story_.dice.one_in(4)); };
    switch (story_.dice.roll(14)) {
      case 0:
        return number("queue.max_concurrency", {1, 2, 3, 4});
      case 1:
        return flag("queue.serial_per_repo");
      case 2:
        return number("job.max_attempts", {1, 2, 3});
      case 3:
        return number("recovery.max_interruptions", {0, 1, 5});
      case 4:
        return number("pipeline.max_rollbacks", {0, 1, 3});
      case 5:
        return number("reaper.finalize_grace_s", {0, 30, 300, 900, 100000});
      case 6:
        return number("reaper.dead_ticks", {1, 2, 3});
      case 7:
        return number("reaper.interval_s", {5, 60, 120});
      case 8:
        return number("reconciler.interval_s", {5, 120, 300});
      case 9:
        return number("stop.kill_after_s", {0, 2, 10});
      case 10:
        return flag("reaper.enabled");
      case 11:
        return flag("reconciler.enabled");
      case 12:
        return flag("lease.reclaim_enabled");
      default:
        return flag("stop.enabled");
    }
  }

  Story& story_;
};

/// Asks for everything that HTTP lets through and that nobody should.
class Fool {
 public:
  explicit Fool(Story& story) : story_(story) {}

  void live() {
    while (story_.is_hostile()) {
      story_.scheduler.sleep(story_.dice.between(1, 20) * second);
      if (!story_.strikes(Hostility::nonsense, 60)) continue;
      const std::uint64_t times = story_.dice.one_in(40) ? 40 : 1;  // In a tight loop refusals are folded.
      const Asker asker{.boot = story_.dice.one_in(20) ? "nobody" : story_.daemon_that_serves().boot_id(),
                        .actor = "operator",
                        .key = {},
                        .request = {}};
      const std::uint64_t what = story_.dice.roll(29);
      const std::uint64_t dice = story_.dice.roll(1000);
      for (std::uint64_t i = 0; i < times; ++i) {
        if (!story_.ask(nonsense(asker, what, dice))) break;
      }
    }
  }

 private:
  std::uint64_t some_task(std::uint64_t dice) {
    const State& state = story_.daemon_that_serves().decided();
    const std::uint64_t next = raw(state.ids.find(0)->next_task);
    return dice % 8 == 0 ? next + 5 : 1 + dice % (next + (next == 1 ? 1 : 0));
  }
  std::uint64_t some_job(std::uint64_t dice) {
    const State& state = story_.daemon_that_serves().decided();
    const std::uint64_t next = raw(state.ids.find(0)->next_job);
    if (dice % 8 == 0 || next == 1) return next + 5;
    const std::uint64_t recent = std::min<std::uint64_t>(next - 1, 12);
    return next - 1 - dice % recent;
  }
  /// Live, and under the rule of leases: what nobody may take from its owner.
  bool is_leased(const Task& task) {
    const State& state = story_.daemon_that_serves().decided();
    const Lease* lease = state.lease(task_key(task.id));
    return lease && state.is_live(*lease, state.last_time) && !lease->ttl_s &&
           state.settings().ownership_checked(task.repo);
  }
  const Task* row(std::uint64_t task) { return story_.daemon_that_serves().decided().tasks.find(TaskId{task}); }

  Group nonsense(const Asker& asker, std::uint64_t what, std::uint64_t dice) {
    const std::uint64_t task = some_task(dice);
    const std::uint64_t job = some_job(dice);
    const Task* live = row(task);
    const std::uint64_t version = live ? raw(live->version) : 1;
    const Job* at = story_.daemon_that_serves().decided().jobs.find(JobId{job});
    const std::uint64_t attempt = at ? at->attempts : 1;
    switch (what) {
      case 0: {
        fb::StageTransitionT event;
        event.task = task;
        event.to = dice % 3 == 0 ? "nowhere" : dice % 3 == 1 ? "deploy" : "build";
        event.expected_version = version + (dice % 5 == 0 ? 1 : 0);
        if (dice % 7 == 0) event.token = 1;
        return propose_group(asker, event);
      }
      case 1: {
        fb::LeaseAcquiredT event;
        event.key = dice % 2 == 0 ? task_key(TaskId{task}) : "repo:" + story_.repos.front();
        event.owner = owner(dice % 6 == 0 ? "nobody" : asker.boot);
        event.ttl = 1 + static_cast<std::int64_t>(dice % 60);
        if (dice % 5 == 0) event.token = 1;
        return propose_group(asker, event);
      }
      case 2: {
        fb::LeaseReleasedT event;
        event.key = task_key(TaskId{task});
        event.token = 1;
        return propose_group(asker, event);
      }
      case 3: {
        fb::LeaseReclaimedT event;
        event.key = task_key(TaskId{task});
        event.token = 1;
        event.reason = fb::ReclaimReason::forced;
        return propose_group(asker, event);
      }
      case 4: {
        fb::JobQueuedT event;
        event.task = task;
        return propose_group(asker, event);
      }
      case 5: {
        fb::JobClaimedT event;
        event.job = job;
        event.owner = owner(dice % 6 == 0 ? "nobody" : "stale");
        return propose_group(asker, event);
      }
      case 6: {
        fb::RunStartedT event;
        event.job = job;
        event.attempt = attempt + 1;
        return propose_group(asker, event);
      }
      case 7: {
        fb::RunExitedT event;
        event.job = job;
        event.attempt = attempt + 1;
        return propose_group(asker, event);
      }
      case 8: {
        fb::JobFinishedT event;
        event.job = job;
        event.attempt = attempt + 1;
        event.result = fb::JobResult::failed;
        return propose_group(asker, event);
      }
      case 9: {
        fb::GateEvaluatedT event;
        event.task = task;
        event.version = version + dice % 2;
        event.gate = "build";
        event.passed = dice % 3 != 0;
        return propose_group(asker, event);
      }
      case 10: {
        fb::StepStartedT event;
        event.task = task;
        event.version = version + (dice % 7 == 0 ? 1 : 0);
        event.to = "deploy";
        event.step = dice % 5 == 0 ? "nothing" : dice % 2 == 0 ? "merge" : "retest";
        if (dice % 3 == 0) event.token = 1;
        if (dice % 3 == 0) event.repo_token = 1;
        event.run = "fool";
        return propose_group(asker, event);
      }
      case 11: {
        fb::StepFinishedT event;
        event.task = task;
        event.version = version;
        event.step = "merge";
        event.started = 1;
        event.outcome = fb::StepOutcome::done;
        return propose_group(asker, event);
      }
      case 12: {
        fb::StepFinishedT event;  // Of a start that is settled: it changes nothing any more.
        event.task = task;
        event.version = version;
        event.step = "merge";
        event.started = 1;
        event.outcome = fb::StepOutcome::done;
        if (live) {
          for (const StepRow& step : live->steps) {
            if (step.state == StepState::started) continue;
            event.version = raw(step.version);
            event.step = step.step;
            event.started = raw(step.started);
          }
        }
        return propose_group(asker, event);
      }
      case 13: {
        fb::TaskUnblockedT event;
        event.task = task;
        return propose_group(asker, event);
      }
      case 14: {
        fb::TaskNoteT event;
        event.task = task;
        event.text = "nonsense";
        return propose_group(asker, event);
      }
      case 15: {
        fb::BootStartedT event;
        event.name = dice % 2 == 0 ? "pawld" : "fool";
        event.boot_id = dice % 3 == 0 ? asker.boot : "fool-" + std::to_string(dice);
        event.host = "gamma kernel-1 ns-1";
        event.version = "0";
        // A boot that is not registered cannot ask; the daemon asks for it, and so cannot be given another's name.
        const Asker by_daemon{
            .boot = story_.daemon_that_serves().boot_id(), .actor = asker.actor, .key = {}, .request = {}};
        return propose_group(by_daemon, event);
      }
      case 16: {
        fb::BootEndedT event;
        event.boot_id = dice % 2 == 0 ? "nobody" : "fool-" + std::to_string(dice);
        return propose_group(asker, event);
      }
      case 17: {
        fb::SettingChangedT event;
        event.key = dice % 2 == 0 ? "no.such" : "job.max_attempts";
        event.value = std::make_unique<fb::SettingValueT>(setting_value_event(std::int64_t{0}));
        return propose_group(asker, event);
      }
      case 18: {
        Pipeline pipeline = default_pipeline();
        pipeline.name = "broken";
        pipeline.stages.front().to = "nowhere";
        return propose_group(asker, pipeline_event(pipeline));
      }
      case 19: {
        fb::TaskCreatedT event;
        event.work_item = live ? live->work_item : "W-x";
        event.repo = live ? live->repo : story_.repos.front();
        if (dice % 4 == 0) event.pipeline = "no such";
        if (dice % 4 == 1) event.stage = "no such";
        if (dice % 4 == 2) event.depends_on.push_back(task + 1000);
        // A good one would grow the world by a task that nobody counted.
        if (!live && dice % 4 == 3) event.pipeline = "no such";
        return propose_group(asker, event);
      }
      case 20: {
        fb::TaskBlockedT event;
        event.task = task;
        event.version = version + 1;
        return propose_group(asker, event);
      }
      case 21: {
        fb::TaskBlockedT event;
        event.task = task;
        event.version = version;
        event.token = 1;
        return propose_group(asker, event);
      }
      case 22: {
        fb::TaskCancelledT event;  // Out of turn: never of its own accord while something stands in the way.
        event.task = live && (is_committed(*live) || story_.daemon_that_serves().decided().lease(task_key(live->id)))
                         ? task
                         : task + 1000;
        return propose_group(asker, event);
      }
      case 23: {
        fb::FinalizerMarkedT event;
        event.job = at && at->status == JobStatus::running ? job + 1000 : job;
        return propose_group(asker, event);
      }
      case 24: {
        fb::JobReapedT event;
        event.job = job;
        event.attempt = attempt + 1;
        event.tier = fb::Tier::pid_dead;
        event.outcome = fb::JobResult::retry;
        return propose_group(asker, event);
      }
      case 25: {
        fb::CancelRequestedT event;  // Too late, or of nothing.
        event.task = live ? task + 1000 : task;
        return propose_group(asker, event);
      }
      case 26: {
        fb::TaskBlockedT event;  // Past the owner of its lease.
        event.task = live && is_leased(*live) ? task : task + 1000;
        event.version = version;
        return propose_group(asker, event);
      }
      case 27: {
        fb::JobReapedT event;  // By what was seen before somebody took the lease.
        event.job = at && row(raw(at->task)) && is_leased(*row(raw(at->task))) ? job : job + 1000;
        event.attempt = attempt;
        event.lease_token = 1;
        event.tier = fb::Tier::pid_dead;
        event.outcome = fb::JobResult::retry;
        return propose_group(asker, event);
      }
      default: {
        fb::FinalizerClearedT event;
        event.job = job + 1000;
        return propose_group(asker, event);
      }
    }
  }

  std::unique_ptr<fb::OwnerT> owner(const std::string& boot) {
    auto owner = std::make_unique<fb::OwnerT>();
    owner->boot_id = boot;
    if (boot == "stale") {
      for (const auto& [id, row] : story_.daemon_that_serves().decided().boots.rows()) {
        if (row.stale) owner->boot_id = id;
      }
    }
    owner->actor = "operator";
    return owner;
  }

  Story& story_;
};

}  // namespace

void send_people(Story& story) {
  const auto send = [&story](auto person) {
    story.scheduler.spawn(Party::outside,
                          [person = std::make_shared<decltype(person)>(std::move(person))] { person->live(); });
  };
  send(Worker(story, "worker-1", daemon_machine));
  send(Worker(story, "worker-2", other_machine));
  if (story.dice.one_in(2)) send(Worker(story, "worker-3", other_machine));
  send(Operator(story));
  send(Operator(story));
  send(Webhook(story));
  send(Administrator(story));
  send(Fool(story));
}

}  // namespace pawl::hostile
