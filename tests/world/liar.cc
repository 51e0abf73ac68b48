// A party that may work, and lies: about others' work with everything that a token of the role `work` can send, and
// about its own steps what only it can know. It has a boot and a process like any worker, and reads everything it can.
#include <algorithm>

#include "engine/rules/claim.h"
#include "schema/proposal.h"
#include "tests/world/daemon.h"

namespace pawl::hostile {
namespace {

class Liar {
 public:
  explicit Liar(Story& story) : story_(story) {}

  void live() {
    while (story_.is_hostile()) {
      story_.scheduler.sleep(story_.dice.between(1, 15) * second);
      if (!story_.strikes(Hostility::lies, 70) || !is_there()) continue;
      lie();
    }
    if (process_) story_.machines.end(*process_, {});
  }

 private:
  /// With a boot in force, like every worker.
  bool is_there() {
    if (process_ && process_->alive && !is_stale_) return true;
    if (process_) story_.machines.end(*process_, {.how = CommandExit::How::signalled, .code = 9});
    process_ = story_.machines.start(daemon_machine);
    boot_ = story_.fresh_id("boot");
    is_stale_ = false;
    story_.workers[boot_] = {process_, name};
    for (int tries = 0; tries < 5; ++tries) {
      const auto decision = story_.ask(propose_group(through_the_daemon(), start_of(name, boot_)));
      if (!decision) continue;
      is_stale_ = decision->outcome != Outcome::accepted && decision->outcome != Outcome::duplicate_boot_id;
      return !is_stale_;
    }
    is_stale_ = true;
    return false;
  }

  void lie() {
    switch (story_.dice.roll(12)) {
      case 0:
      case 1:
      case 2:
        return of_a_step();
      case 3:
      case 4:
        return of_a_job();
      case 5:
        return by_a_token();
      case 6:
        return in_another_name();
      case 7:
        return by_anothers_boot();
      case 8:
        return of_a_gate();
      case 9:
        return under_anothers_run();
      case 10:
        return with_a_stranger_as_agent();
      default:
        return story_.dice.one_in(2) ? tell_late() : of_a_step();
    }
  }

  // Who sends the request.

  Requester himself() const { return {.boot = boot_, .actor = name, .key = {}, .request = {}, .principal = liars}; }
  Requester through_the_daemon() { return by(story_.daemon_that_serves().boot_id()); }
  Requester by(std::string boot) const {
    return {.boot = std::move(boot), .actor = name, .key = {}, .request = {}, .principal = liars};
  }
  /// `who` is only a header: anything goes.
  Requester somehow(const std::string& others_boot) {
    const std::uint64_t how = story_.dice.roll(4);
    return how == 0 ? through_the_daemon() : how == 1 ? by(others_boot) : himself();
  }
  const State& state() { return story_.daemon_that_serves().decided(); }

  template <class... Events>
  std::optional<Decision> say(const Requester& requester, const Events&... events) {
    auto decision = story_.ask(propose_group(requester, events...));
    if (decision && requester.boot == boot_ &&
        (decision->outcome == Outcome::stale_boot || decision->outcome == Outcome::unknown_boot)) {
      is_stale_ = true;
    }
    return decision;
  }

  fb::BootStartedT start_of(const std::string& of, const std::string& boot) const {
    fb::BootStartedT event;
    event.name = of;
    event.boot_id = boot;
    event.pid = process_->pid;
    event.pid_start = process_->start;
    event.host = process_->host;
    event.version = "liar";
    return event;
  }
  std::unique_ptr<fb::OwnerT> owner(const std::string& boot) const {
    auto owner = std::make_unique<fb::OwnerT>();
    owner->boot_id = boot;
    owner->pid = process_->pid;
    owner->actor = name;
    return owner;
  }

  // Lies about others' work.

  struct Started {
    TaskId task{};
    StepRow row;
  };
  std::optional<Started> some_step() {
    std::vector<Started> open;
    std::vector<Started> settled;
    for (const auto& [id, task] : state().tasks.rows()) {
      for (const StepRow& row : task.steps) {
        if (row.principal == std::string(liars)) continue;
        (row.state == StepState::started || row.is_in_doubt() ? open : settled).push_back({id, row});
      }
    }
    if (open.empty() && settled.empty()) return std::nullopt;
    const bool is_open = !open.empty() && (settled.empty() || !story_.dice.one_in(3));
    return story_.dice.pick(is_open ? open : settled);
  }

  void of_a_step() {
    const auto known = some_step();
    if (!known) return;
    fb::StepFinishedT event;
    event.task = raw(known->task);
    event.version = raw(known->row.version);
    event.step = known->row.step;
    event.started = raw(known->row.started);
    if (known->row.not_done && !known->row.not_done->seqs.empty() && story_.dice.one_in(3)) {
      event.started = raw(story_.dice.pick(known->row.not_done->seqs));
    }
    const std::uint64_t what = story_.dice.roll(3);
    event.outcome = what == 0   ? fb::StepOutcome::done
                    : what == 1 ? fb::StepOutcome::failed
                                : fb::StepOutcome::did_not_happen;
    const std::uint64_t how = story_.dice.roll(5);
    event.by = how == 0 ? fb::StepBy::probe : how == 1 ? fb::StepBy::rerun : fb::StepBy::command;
    if (what != 0 && story_.dice.one_in(4)) event.conclusive = story_.dice.one_in(2);
    if (known->row.token && story_.dice.one_in(2)) event.token = raw(*known->row.token);
    const Lease* lease = state().lease(task_key(known->task));
    if (!event.token && lease && story_.dice.one_in(2)) event.token = raw(lease->token);
    say(somehow(known->row.boot), event);
  }

  void of_a_job() {
    std::vector<const Job*> found;
    for (const JobId id : state().indexes.running) {
      const Job* job = state().jobs.find(id);
      if (job->run->owner.boot_id != boot_) found.push_back(job);
    }
    if (found.empty()) return;
    const Job job = *story_.dice.pick(found);
    const Requester requester = somehow(job.run->owner.boot_id);
    switch (story_.dice.roll(4)) {
      case 0: {
        fb::RunStartedT event;
        event.job = raw(job.id);
        event.attempt = job.attempts;
        event.pid = process_->pid + 1000;
        event.pid_start = process_->start;
        say(requester, event);
        return;
      }
      case 1: {
        fb::RunExitedT event;
        event.job = raw(job.id);
        event.attempt = job.attempts;
        event.exit_code = static_cast<std::int64_t>(story_.dice.roll(2));
        say(requester, event);
        return;
      }
      case 2: {
        fb::JobFinishedT event;
        event.job = raw(job.id);
        event.attempt = job.attempts;
        event.result = story_.dice.one_in(2) ? fb::JobResult::retry : fb::JobResult::failed;
        // Without a boot it needs the role `operate`: that is not a lie but a person who takes the job back.
        say(is_the_daemons(requester) ? himself() : requester, event);
        return;
      }
      default: {
        fb::ClaimRenewedT event;
        event.job = raw(job.id);
        event.attempt = job.attempts;
        say(requester, event);
        return;
      }
    }
  }
  bool is_the_daemons(const Requester& requester) {
    const Boot* boot = state().boots.find(requester.boot);
    return boot && boot->name == daemon_name;
  }

  /// Everyone can read a lease's token.
  void by_a_token() {
    std::vector<Lease> found;
    for (const auto& [key, lease] : state().leases.rows()) {
      if (lease.owner.boot_id != boot_) found.push_back(lease);
    }
    if (found.empty()) return;
    const Lease lease = story_.dice.pick(found);
    const Requester requester = somehow(lease.owner.boot_id);
    const std::optional<TaskId> id = task_of_key(lease.key);
    const Task* task = id ? state().tasks.find(*id) : nullptr;
    const Stage* stage = task ? state().stage_of(*task) : nullptr;
    const std::uint64_t what = stage ? story_.dice.roll(4) : story_.dice.roll(2);
    if (what == 0) {
      fb::LeaseReleasedT event;
      event.key = lease.key;
      event.token = raw(lease.token);
      say(requester, event);
    } else if (what == 1) {
      fb::LeaseAcquiredT event;
      event.key = lease.key;
      event.owner = owner(story_.dice.one_in(2) ? boot_ : lease.owner.boot_id);
      event.token = raw(lease.token);
      event.ttl = 1;
      say(requester, event);
    } else if (what == 2) {
      fb::StageTransitionT event;
      event.task = raw(task->id);
      event.to = !stage->rollback.empty() && story_.dice.one_in(2) ? stage->rollback : stage->to;
      event.expected_version = raw(task->version);
      event.token = raw(lease.token);
      say(requester, event);
    } else if (stage->guarded()) {
      const PipelineStep& step = story_.dice.pick(stage->steps);
      const Lease* repo_lease = state().lease(repo_key(task->repo));
      fb::StepStartedT event;
      event.task = raw(task->id);
      event.version = raw(task->version);
      event.to = stage->to;
      event.step = step.name;
      event.token = raw(lease.token);
      if (repo_lease) event.repo_token = raw(repo_lease->token);
      event.run = story_.fresh_id("lie");
      say(requester, event);
    }
  }

  std::optional<Boot> somebodys_boot() {
    std::vector<Boot> found;
    for (const auto& [id, boot] : state().boots.rows()) {
      if (!boot.stale && id != boot_) found.push_back(boot);
    }
    return found.empty() ? std::nullopt : std::optional(story_.dice.pick(found));
  }

  void in_another_name() {
    const auto boot = somebodys_boot();
    if (boot) say(through_the_daemon(), start_of(boot->name, story_.fresh_id("boot")));
  }

  /// What it takes is to belong to another party, which would answer for it, and lose it.
  void by_anothers_boot() {
    const auto boot = somebodys_boot();
    if (!boot) return;
    const Requester requester = somehow(boot->boot_id);
    if (story_.dice.one_in(2) || state().indexes.queued.empty()) {
      fb::LeaseAcquiredT event;
      const bool is_of_task = state().tasks.size() > 0 && !story_.dice.one_in(3);
      event.key = is_of_task ? task_key(some_task()->id) : repo_key(story_.dice.pick(story_.repos));
      event.owner = owner(boot->boot_id);
      say(requester, event);
    } else {
      fb::JobClaimedT event;
      event.job = raw(*state().indexes.queued.begin());
      event.owner = owner(boot->boot_id);
      say(requester, event);
    }
  }

  const Task* some_task() {
    auto at = state().tasks.rows().begin();
    std::advance(at, static_cast<std::ptrdiff_t>(story_.dice.roll(state().tasks.size())));
    return &at->second;
  }

  /// It may say this: nothing may follow from it, unless ownership is switched off.
  void of_a_gate() {
    if (state().tasks.size() == 0) return;
    const Task& task = *some_task();
    if (!state().settings().ownership_checked(task.repo)) return;
    fb::GateEvaluatedT event;
    event.task = raw(task.id);
    event.version = raw(task.version);
    event.gate = task.stage;
    if (!story_.dice.one_in(4)) event.passed = story_.dice.one_in(2);
    event.reason = "so he says";
    if (story_.dice.one_in(2)) event.head = "0123abcd";
    say(story_.dice.one_in(2) ? himself() : through_the_daemon(), event);
  }

  // Lies about its own work.

  /// A task that any outside party may take over an edge.
  const Task* some_free_task() {
    std::vector<const Task*> found;
    for (const auto& [id, task] : state().tasks.rows()) {
      const Stage* stage = state().stage_of(task);
      const bool is_free = stage && stage->guarded() && task.blocked.empty() && task.cancel_requested.empty() &&
                           !state().lease(task_key(id)) && !open_step(task) && !doubtful_step(task);
      const Job* job = is_free ? state().running_job(id) : nullptr;
      const bool waits = job ? job->run->exit_code == 0 : !state().open_job(task);
      if (is_free && waits) found.push_back(&task);
    }
    return found.empty() ? nullptr : story_.dice.pick(found);
  }

  std::optional<Token> lease(const std::string& key) {
    fb::LeaseAcquiredT event;
    event.key = key;
    event.owner = owner(boot_);
    event.ttl = 300;
    const auto decision = say(himself(), event);
    return decision && decision->outcome == Outcome::accepted ? decision->granted(key) : std::nullopt;
  }
  void release(const std::string& key, std::optional<Token> token) {
    if (!token) return;
    fb::LeaseReleasedT event;
    event.key = key;
    event.token = raw(*token);
    say(himself(), event);
  }

  struct Begun {
    TaskId task{};
    Version version{};
    PipelineStep step;
    std::string repo;
    std::optional<Token> token;
    std::optional<Token> repo_token;
    std::optional<Seq> started;
  };
  /// A step of its own, under its own leases.
  std::optional<Begun> begin(const std::string& run, bool is_irreversible) {
    const Task* task = some_free_task();
    if (!task) return std::nullopt;
    const Stage stage = *state().stage_of(*task);
    Begun begun{.task = task->id, .version = task->version, .repo = task->repo};
    const auto step = std::find_if(stage.steps.begin(), stage.steps.end(),
                                   [&](const PipelineStep& each) { return each.irreversible == is_irreversible; });
    if (step == stage.steps.end()) return std::nullopt;
    begun.step = *step;
    begun.token = lease(task_key(begun.task));
    if (begun.token && step->exclusive) begun.repo_token = lease(repo_key(begun.repo));
    if (!begun.token || (step->exclusive && !begun.repo_token)) {
      release(task_key(begun.task), begun.token);
      return std::nullopt;
    }
    fb::StepStartedT event;
    event.task = raw(begun.task);
    event.version = raw(begun.version);
    event.to = stage.to;
    event.step = step->name;
    event.token = raw(*begun.token);
    if (begun.repo_token) event.repo_token = raw(*begun.repo_token);
    event.run = run;
    const auto decision = say(himself(), event);
    if (decision && decision->outcome == Outcome::accepted) begun.started = decision->seq;
    if (!begun.started) let_go(begun);
    return begun;
  }
  void let_go(const Begun& begun) {
    release(task_key(begun.task), begun.token);
    release(repo_key(begun.repo), begun.repo_token);
  }
  std::optional<Decision> finish(const Begun& begun, fb::StepOutcome outcome) {
    fb::StepFinishedT event;
    event.task = raw(begun.task);
    event.version = raw(begun.version);
    event.step = begun.step.name;
    event.started = raw(*begun.started);
    event.outcome = outcome;
    event.by = fb::StepBy::command;
    event.token = raw(*begun.token);
    return say(himself(), event);
  }

  /// Ending the processes that bear its step's run would end another party's process.
  void under_anothers_run() {
    const auto known = some_step();
    if (!known || known->row.run.empty()) return;
    const auto begun = begin(known->row.run, false);
    if (!begun || !begun->started) return;
    finish(*begun, fb::StepOutcome::did_not_happen);
    let_go(*begun);
  }

  /// It says that its step did not happen, and then it happens; it reports that too, as soon as it can.
  void tell_late() {
    const auto begun = begin(story_.fresh_id("liars"), true);
    if (!begun || !begun->started) return;
    story_.witness().deceive(begun->task);
    finish(*begun, story_.dice.one_in(2) ? fb::StepOutcome::failed : fb::StepOutcome::did_not_happen);
    const bool holds_on = story_.dice.one_in(4);
    if (!holds_on) let_go(*begun);
    const Us most = story_.dice.one_in(3) ? 20 * minute : 5 * second;
    story_.scheduler.sleep(story_.dice.between(0, most));
    if (!process_->alive) return;
    story_.request({begun->task, begun->version, begun->step.name}, begun->step, 0, process_);
    story_.scheduler.sleep(story_.dice.between(0, 2000) * ms);
    std::optional<Decision> told;
    for (int tries = 0; tries < 20 && !told; ++tries) told = finish(*begun, fb::StepOutcome::done);
    if (told && told->outcome == Outcome::accepted) story_.mark(Mark::late_truth);
    if (told && told->outcome == Outcome::not_started) story_.mark(Mark::late_truth_of_ended);
    if (holds_on) let_go(*begun);
  }

  /// It takes a job, and says that another party's process is its agent: ending the job is meant to end that process.
  void with_a_stranger_as_agent() {
    const auto id = claim();
    if (!id) return;
    const Job* job = state().jobs.find(*id);
    if (!job || job->status != JobStatus::running || job->run->owner.boot_id != boot_) return;
    const std::uint64_t attempt = job->attempts;
    const ProcessPtr stranger = some_stranger();
    fb::RunStartedT event;
    event.job = raw(*id);
    event.attempt = attempt;
    event.pid = stranger->pid;
    event.pid_start = stranger->start;
    const auto decision = say(himself(), event);
    if (decision && decision->outcome == Outcome::accepted) story_.mark(Mark::stranger_reported);
    story_.scheduler.sleep(story_.dice.between(0, 20) * second);
    if (story_.dice.one_in(3)) is_stale_ = true;  // It starts again: everything its boot held is taken back.
  }
  std::optional<JobId> claim() {
    fb::JobClaimedT event;
    event.owner = owner(boot_);
    event.ttl = story_.dice.between(10, 60);
    for (const JobId id : state().indexes.queued) {
      if (claim_outcome(state(), id, story_.daemon().now()) != Outcome::accepted) continue;
      if (story_.daemon().is_skipped(id)) continue;
      event.job = raw(id);
      const auto decision = say(himself(), event);
      return decision && decision->outcome == Outcome::accepted ? std::optional(id) : std::nullopt;
    }
    return std::nullopt;
  }
  /// A process of no one, another worker's agent, or what the daemon runs.
  ProcessPtr some_stranger() {
    std::vector<ProcessPtr> found;
    for (const ProcessPtr& process : story_.machines.all(process_->host)) {
      if (process->worker != 0 || process->leads) found.push_back(process);
    }
    if (!found.empty() && story_.dice.one_in(2)) return story_.dice.pick(found);
    const ProcessPtr stranger = story_.machines.start(daemon_machine);
    story_.scheduler.at(story_.scheduler.now() + story_.dice.between(1, 30) * minute,
                        [&machines = story_.machines, stranger] { machines.end(*stranger, {}); });
    return stranger;
  }

  static constexpr const char* name = "liar";
  Story& story_;
  ProcessPtr process_;
  std::string boot_;
  bool is_stale_ = false;
};

}  // namespace

void send_liar(Story& story) {
  story.send([liar = std::make_shared<Liar>(story)] { liar->live(); });
}

}  // namespace pawl::hostile
