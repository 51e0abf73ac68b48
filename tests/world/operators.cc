// People at the daemon: operators that mend and interfere, an administrator; and the webhooks.
#include <algorithm>

#include "schema/proposal.h"
#include "tests/world/daemon.h"

namespace pawl::hostile {
namespace {

class Operator {
 public:
  explicit Operator(Story& story) : story_(story) {}

  [[noreturn]] void live() {
    for (;;) {
      story_.scheduler.sleep(story_.dice.between(5, story_.is_hostile() ? 200 : 600) * second);
      if (story_.is_hostile() && story_.dice.one_in(4)) story_.daemon_that_serves().pass_now();
      const std::optional<TaskId> task = some_task();
      if (!task) continue;
      if (story_.is_mending()) end_what_bars(*task);
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
        if (story_.dice.one_in(3)) cancel.keep_branch = true;
        say(cancel);
      } else if (story_.is_mending() || story_.strikes(Hostility::force, 10)) {
        advance(*view);
      } else if (story_.strikes(Hostility::force, 20)) {
        interfere(*view);
      }
    }
  }

 private:
  Requester requester() {
    return {.boot = story_.daemon_that_serves().boot_id(),
            .actor = "operator",
            .key = {},
            .request = {},
            .principal = operators};
  }
  template <class Event>
  void say(const Event& event) {
    story_.ask(propose_group(requester(), event));
  }

  /// People end a process that was left behind, if it was not seen to belong to the worker that reported it.
  void end_what_bars(TaskId task) {
    const State& state = story_.daemon_that_serves().decided();
    for (auto at = state.indexes.barred.lower_bound({task, JobId{0}});
         at != state.indexes.barred.end() && at->first == task; ++at) {
      const Previous& previous = *state.jobs.find(at->second)->previous;
      const ProcessPtr process = story_.machines.find(previous.host, previous.pid);
      if (process && process->start == previous.pid_start) story_.machines.kill(process);
    }
  }

  std::optional<TaskId> some_task() {
    const State& state = story_.daemon_that_serves().decided();
    if (state.tasks.size() == 0) return std::nullopt;
    auto at = state.tasks.rows().begin();
    std::advance(at, static_cast<std::ptrdiff_t>(story_.dice.roll(state.tasks.size())));
    return at->first;
  }

  void advance(const TaskView& view) {
    story_.daemon_that_serves().advance({.task = view.task.id, .version = view.task.version, .requester = requester()},
                                        [](const AdvanceAnswer&) {});
  }

  /// A step that was started and left, and that no one here can settle: it has no command, or it belongs to a crossing
  /// other than the one the task now stands before.
  static bool is_left_open(const TaskView& view) {
    const StepRow* step = open_step(view.task);
    if (!step || view.lease) return false;
    const PipelineStep* known = view.pipeline->step(step->to, step->step);
    return (known && known->run.empty()) || step->version != view.task.version || step->to != view.stage()->to;
  }

  /// What a person does about a blocked task: reports what happened if no one else knows, and lets it go on.
  void mend(const TaskView& view) {
    if (is_restored(view.task)) return give_word(view);
    if (const StepRow* step = open_step(view.task)) return resolve(view, *step);
    const StepRow* doubtful = doubtful_step(view.task);
    if (doubtful && story_.dice.one_in(2)) return resolve(view, *doubtful);
    if (view.task.blocked.starts_with("diverged") && !story_.dice.one_in(4)) {
      const Side side = story_.dice.one_in(2) ? Side::origin : Side::ours;
      Daemon& daemon = story_.daemon_that_serves();
      return daemon.take_side(
          view.task.id, side, [&daemon, group = std::make_shared<Group>(let_go(view))](const auto& taken) {
            if (taken) daemon.submit({.group = std::move(*group), .done = [](const std::optional<Decision>&) {}});
          });
    }
    story_.ask(let_go(view));
  }

  Group let_go(const TaskView& view) {
    fb::TaskUnblockedT unblocked;
    unblocked.task = raw(view.task.id);
    unblocked.reason = "mended";
    fb::JobQueuedT queued;
    queued.task = raw(view.task.id);
    queued.reason = "mended";
    const bool has_job = view.open_job || view.stage()->agent.empty() || is_committed(view.task);
    return has_job || story_.dice.one_in(4) ? propose_group(requester(), unblocked)
                                            : propose_group(requester(), unblocked, queued);
  }

  /// Whether something of what a restore removed may still act. Workers are told to end; what is under way has ended
  /// after a while.
  bool does_lost_act() {
    const State& state = story_.daemon_that_serves().decided();
    for (const auto& [boot, known] : story_.workers) {
      const Boot* row = state.boots.find(boot);
      if (!known.process->alive || (row && !row->stale)) continue;
      story_.machines.kill(known.process);
      story_.lost_seen = story_.scheduler.now();
    }
    return story_.scheduler.now() - story_.lost_seen < 3 * hour;
  }

  /// The confirmation after a restore, by an operator who has looked at the targets: reports what has happened, as far
  /// as possible, and cancels what can only be cancelled.
  void give_word(const TaskView& view) {
    if (does_lost_act()) return;
    const Task& task = view.task;
    const Lost& lost = story_.witness().lost();
    bool is_beyond = false;  // what lies beyond the next edge has happened too
    for (const Stage* stage = view.pipeline->stage(view.stage()->to); stage; stage = view.pipeline->stage(stage->to)) {
      for (const PipelineStep& step : stage->steps) is_beyond = is_beyond || lost.has_happened_in_it(task, step.name);
    }
    if (is_beyond && task.cancel_requested.empty()) {
      fb::CancelRequestedT cancel;
      cancel.task = raw(task.id);
      cancel.reason = "delivered in what was lost";
      return say(cancel);
    }
    Group group;
    const auto finish = [&](const std::string& step, Version version, Seq started, bool happened) {
      fb::StepFinishedT event;
      event.task = raw(task.id);
      event.version = raw(version);
      event.step = step;
      event.started = raw(started);
      event.outcome = happened ? fb::StepOutcome::done : fb::StepOutcome::did_not_happen;
      event.by = fb::StepBy::operator_;
      group.push_back(propose(requester(), event));
    };
    if (const StepRow* open = open_step(task)) {
      finish(open->step, open->version, open->started, lost.has_happened({task.id, open->version, open->step}));
    }
    // In the edge's order, even if another of its steps was open: all of it is reported before anything goes on.
    for (const PipelineStep& step : view.stage()->steps) {
      const bool is_known = std::any_of(task.steps.begin(), task.steps.end(), [&](const StepRow& row) {
        const bool is_settled = row.state == StepState::done || row.state == StepState::started;
        return row.version == task.version && row.step == step.name && is_settled;
      });
      const bool happened = lost.has_happened({task.id, task.version, step.name});
      if (step.irreversible && !is_known && happened) finish(step.name, task.version, Seq{0}, true);
    }
    fb::TaskUnblockedT unblocked;
    unblocked.task = raw(task.id);
    unblocked.reason = word_after_restore;
    group.push_back(propose(requester(), unblocked));
    story_.ask(std::move(group));
  }

  /// Only the truth, and only once it can no longer change.
  void resolve(const TaskView& view, const StepRow& step) {
    const StepKey key{view.task.id, step.version, step.step};
    const auto outside = story_.workers.find(step.boot);
    if (outside != story_.workers.end() && outside->second.process->alive) {
      if (story_.targets.happened(key) != Verdict::yes) story_.machines.kill(outside->second.process);
      return;
    }
    const bool lives = !story_.machines.of_run(story_.machines.host(daemon_machine), step.run).empty();
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
      story_.ask(propose_group(requester(), finished, unblocked));
      return;
    }
    Daemon& daemon = story_.daemon_that_serves();
    daemon.lock_step({.task = key.task, .version = key.version, .step = key.step}, step.run,
                     [&daemon, group = std::make_shared<Group>(propose_group(requester(), finished, unblocked))](
                         const std::shared_ptr<StepLock>& lock) {
                       if (!lock) return;  // previous_alive
                       daemon.submit({.group = std::move(*group), .done = [lock](const std::optional<Decision>&) {}});
                     });
  }

  void interfere(const TaskView& view) {
    switch (story_.dice.roll(9)) {
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
      case 5: {
        fb::TaskBlockedT event;
        event.task = raw(view.task.id);
        event.version = raw(view.task.version);
        event.reason = "hold on";
        return say(event);
      }
      case 6:
        return story_.daemon_that_serves().pass_now();
      case 7:
        return take_back(view);
      default:
        return advance(view);
    }
  }

  /// The job, whoever runs it: that says nothing about its process.
  void take_back(const TaskView& view) {
    const Job* job = story_.daemon_that_serves().decided().running_job(view.task.id);
    if (!job) return;
    fb::JobFinishedT event;
    event.job = raw(job->id);
    event.attempt = job->attempts;
    event.result = fb::JobResult::retry;
    say(event);
  }

  Story& story_;
};

/// Creates tasks, and announces what it heard from elsewhere. Every delivery has a key, and is repeated until it is
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
  Requester requester() {
    return {.boot = {}, .actor = "webhook", .key = story_.fresh_id("delivery"), .request = 1, .principal = webhooks};
  }

  void create() {
    fb::TaskCreatedT event;
    event.work_item = "W-" + std::to_string(story_.dice.roll(40));
    event.repo = story_.dice.pick(story_.repos);
    event.branch = story_.dice.one_in(10) ? "" : "b-" + event.work_item;
    const std::uint64_t kind = story_.dice.roll(7);
    event.pipeline = kind == 0  ? "delivery"
                     : kind < 3 ? "conclusive"
                     : kind < 5 ? "blunt"
                     : kind < 6 ? "chained"
                                : "asked";
    if (story_.dice.one_in(3)) event.stage = kind >= 5 ? "ship" : "deploy-staging";
    const State& state = story_.daemon_that_serves().decided();
    if (story_.dice.one_in(6) && state.tasks.size() > 0) {
      event.depends_on.push_back(raw(state.tasks.rows().rbegin()->first));
    }
    story_.ask_keyed([&](const Requester& requester) { return propose_group(requester, event); }, requester());
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
    const Decision noted =
        story_.ask_keyed([&](const Requester& requester) { return propose_group(requester, note); }, requester());
    if (noted.source != Decision::AnswerSource::decided) return;
    Daemon& daemon = story_.daemon_that_serves();
    const Requester by{.boot = daemon.boot_id(), .actor = "webhook", .key = {}, .request = {}, .principal = webhooks};
    daemon.advance({.task = id, .version = view->task.version, .requester = by}, [](const AdvanceAnswer&) {});
  }

  Story& story_;
};

/// Pushes to branches that tasks work on: on top, or over what was there.
class Developer {
 public:
  explicit Developer(Story& story) : story_(story) {}

  void live() {
    while (story_.is_hostile()) {
      story_.scheduler.sleep(story_.dice.between(5, 300) * second);
      if (!story_.strikes(Hostility::branches, 60)) continue;
      const std::map<Branch, Commit>& heads = story_.branches.heads();
      auto at = heads.begin();
      std::advance(at, static_cast<std::ptrdiff_t>(story_.dice.roll(heads.size())));
      const Branch branch = at->first;
      const bool is_pushed_over = !branch.second.empty() && story_.dice.one_in(3);
      const Commit base = is_pushed_over ? story_.branches.before(at->second) : at->second;
      story_.branches.set(branch, story_.branches.commit_on(base));
    }
  }

 private:
  Story& story_;
};

/// Changes settings while everything goes on, and puts them back.
class Administrator {
 public:
  explicit Administrator(Story& story) : story_(story) {}

  void live() {
    set("queue.max_concurrency", story_.dice.between(1, 8));
    if (story_.dice.one_in(2)) set("queue.serial_per_repo", false);
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
    say(event);
  }

  fb::RepoDeclaredT declared(const std::string& repo) {
    const auto origin = story_.origins.find(repo);
    fb::RepoDeclaredT event;
    event.repo = repo;
    event.url = origin == story_.origins.end() ? std::string() : origin->second;
    return event;
  }

  /// The same addresses again: what is under way starts over.
  void declare_repos() {
    for (const std::string& repo : story_.repos) say(declared(repo));
  }

  /// And declares it again, unless a live task is on it. Sometimes with a mistyped name.
  void remove_repo() {
    fb::RepoRemovedT event;
    event.repo = story_.dice.one_in(4) ? "rep0" : story_.dice.pick(story_.repos);
    if (event.repo == "rep0") return say(event);
    say(event, declared(event.repo));
  }

  template <class... Events>
  void say(const Events&... events) {
    for (;;) {
      const Requester requester{.boot = story_.daemon_that_serves().boot_id(),
                                .actor = "operator",
                                .key = {},
                                .request = {},
                                .principal = operators};
      const auto decision = story_.ask(propose_group(requester, events...));
      if (decision && decision->outcome != Outcome::stale_boot) return;
    }
  }

  void change() {
    const auto number = [&](const char* key, std::vector<std::int64_t> values) { set(key, story_.dice.pick(values)); };
    const auto flag = [&](const char* key) { set(key, !story_.dice.one_in(4)); };
    switch (story_.dice.roll(19)) {
      case 0:
        return number("queue.max_concurrency", {1, 2, 4, 8});
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
      case 13:
      case 14:
        return set("queue.cancelled_dependency", std::string(story_.dice.one_in(3) ? "release" : "hold"));
      case 15:
        return number("job.retry_delay_s", {0, 10, 300});
      case 16:
        return declare_repos();
      case 17:
        return remove_repo();
      default:
        return flag("stop.enabled");
    }
  }

  Story& story_;
};

}  // namespace

void send_operators(Story& story) {
  story.send([operator_ = std::make_shared<Operator>(story)] { operator_->live(); });
  story.send([operator_ = std::make_shared<Operator>(story)] { operator_->live(); });
  story.send([webhook = std::make_shared<Webhook>(story)] { webhook->live(); });
  story.send([developer = std::make_shared<Developer>(story)] { developer->live(); });
  story.send([administrator = std::make_shared<Administrator>(story)] { administrator->live(); });
}

}  // namespace pawl::hostile
