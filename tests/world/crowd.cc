// A crowd at one door: five and more requests, under six names, that want the same thing from one task at the same
// moment, based on what each knew about it a while ago. None waits for another. Most come too late, and each request is
// a record.
#include "schema/proposal.h"
#include "tests/world/daemon.h"

namespace pawl::hostile {
namespace {

const std::vector<std::string> everybody = {"monitor", "webhook", "reconciler", "reaper", "finalizer", "worker"};
// The others are threads of the daemon.
const std::vector<std::string> principals = {"", webhooks, "", "", "", "token:worker-1"};

class Crowd {
 public:
  explicit Crowd(Story& story) : story_(story) {}

  void live() {
    while (story_.is_hostile()) {
      story_.scheduler.sleep(story_.dice.between(200, 11'000) * ms);
      if (story_.strikes(Hostility::crowd, 90)) rush();
    }
  }

 private:
  /// What is known about a task: from long ago, or current.
  struct Known {
    Task task;
    std::string to;
    bool guarded = false;
    std::optional<Token> token;
    std::optional<Job> job;
    std::string boot;  // of the daemon at that time
  };

  void rush() {
    Daemon& daemon = story_.daemon_that_serves();
    const State& state = daemon.decided();
    if (state.tasks.size() > 0 && (!known_ || story_.dice.one_in(3))) look(state);
    if (!known_) return;
    auto waits = std::make_shared<Slot<bool>>();
    waits->actor = story_.scheduler.self();
    const std::uint64_t members = 5 + story_.dice.roll(12);
    const std::uint64_t first = story_.dice.roll(everybody.size());
    const std::uint64_t wanted = story_.dice.roll(5);
    for (std::uint64_t i = 0; i < members; ++i) {
      const bool is_late = story_.dice.one_in(10);
      const Requester requester{.boot = is_late ? known_->boot : daemon.boot_id(),
                                .actor = everybody[(first + i) % everybody.size()],
                                .key = {},
                                .request = {},
                                .principal = principals[(first + i) % everybody.size()]};
      // Usually the same request, sometimes another in between.
      const std::uint64_t what = story_.dice.one_in(3) ? story_.dice.roll(10) : wanted;
      daemon.submit({.group = wish(requester, what),
                     .resolve = {},
                     .look = {},
                     .done = [this, waits, requester, is_last = i + 1 == members](std::optional<Decision> decision) {
                       story_.told(*decision);
                       give_back(requester, *decision);
                       if (!is_last) return;
                       waits->answered = true;
                       story_.scheduler.wake(waits->actor);
                     }});
    }
    story_.await(waits->answered);
  }

  void look(const State& state) {
    auto at = state.tasks.rows().begin();
    std::advance(at, static_cast<std::ptrdiff_t>(story_.dice.roll(state.tasks.size())));
    const Task& task = at->second;
    const Stage* stage = state.stage_of(task);
    known_ = Known{.task = task, .to = stage ? stage->to : "done", .guarded = stage && stage->guarded()};
    known_->boot = story_.daemon().boot_id();
    if (const Lease* lease = state.lease(task_key(task.id))) known_->token = lease->token;
    if (const Job* job = state.open_job(task)) known_->job = *job;
  }

  /// If one of them gets a lease, it releases it at once: it only wanted to be first.
  void give_back(const Requester& requester, const Decision& decision) {
    const std::string key = task_key(known_->task.id);
    const std::optional<Token> token = decision.granted(key);
    if (!token) return;
    fb::LeaseReleasedT release;
    release.key = key;
    release.token = raw(*token);
    story_.daemon().submit({.group = propose_group(requester, release),
                            .resolve = {},
                            .look = {},
                            .done = [&story = story_](std::optional<Decision> given) { story.told(*given); }});
  }

  Group wish(const Requester& requester, std::uint64_t what) {
    const Known& known = *known_;
    const std::uint64_t task = raw(known.task.id);
    const std::uint64_t version = raw(known.task.version);
    const std::uint64_t job = known.job ? raw(known.job->id) : 1;
    const std::uint64_t attempt = known.job ? known.job->attempts : 1;
    const bool is_of_job = what == 3 || what == 4;
    // No thread of the daemon reports what it does not know.
    if (is_of_job && known.job && requester.principal.empty()) {
      Requester somebody = requester;
      somebody.principal = operators;
      return wish(somebody, what);
    }
    switch (is_of_job && !known.job ? what - 2 : what) {
      case 0:
      case 1: {  // Over an unguarded edge only for an old version: the gate did not run.
        fb::StageTransitionT event;
        event.task = task;
        event.to = known.to;
        event.expected_version = known.guarded ? version : version - 1;
        if (known.token && !known.guarded) event.token = raw(*known.token);
        event.reason = "in a crowd";
        return propose_group(requester, event);
      }
      case 2: {
        fb::LeaseAcquiredT event;
        event.key = task_key(known.task.id);
        event.owner = std::make_unique<fb::OwnerT>();
        event.owner->boot_id = requester.boot;
        event.owner->actor = requester.actor;
        event.ttl = 5;
        return propose_group(requester, event);
      }
      case 3: {  // As a party would whose attempt was taken away.
        fb::JobFinishedT event;
        event.job = job;
        event.attempt = attempt > 0 ? attempt - 1 : 0;
        event.result = fb::JobResult::failed;
        return propose_group(requester, event);
      }
      case 4: {
        fb::RunExitedT event;
        event.job = job;
        event.attempt = attempt + attempts_ahead;
        event.exit_code = 1;
        return propose_group(requester, event);
      }
      case 5: {
        fb::LeaseReleasedT event;
        event.key = task_key(known.task.id);
        event.token = 1;
        return propose_group(requester, event);
      }
      case 6: {
        fb::GateEvaluatedT event;
        event.task = task;
        event.version = version - 1;
        event.gate = known.task.stage;
        event.passed = true;
        return propose_group(requester, event);
      }
      case 7: {
        fb::JobQueuedT event;
        event.task = task;
        event.reason = "in a crowd";
        return propose_group(requester, event);
      }
      case 8: {
        fb::TaskBlockedT event;
        event.task = task;
        event.version = version - 1;
        event.reason = "in a crowd";
        return propose_group(requester, event);
      }
      default: {
        fb::TaskNoteT event;
        event.task = task;
        event.text = "in a crowd";
        return propose_group(requester, event);
      }
    }
  }

  Story& story_;
  std::optional<Known> known_;
};

}  // namespace

void send_crowd(Story& story) {
  story.send([crowd = std::make_shared<Crowd>(story)] { crowd->live(); });
}

}  // namespace pawl::hostile
