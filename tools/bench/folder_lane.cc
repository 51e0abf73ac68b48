// A load on a log in this process: the sequencer of a daemon without the daemon.
#include <sys/resource.h>

#include <condition_variable>
#include <filesystem>
#include <queue>
#include <thread>
#include <utility>

#include "engine/json/queue_json.h"
#include "engine/json/state_json.h"
#include "engine/rules/claim.h"
#include "store/commit/sequencer.h"
#include "store/commit/start.h"
#include "store/log.h"
#include "store/open.h"
#include "store/os/random.h"
#include "tools/bench/lane.h"
#include "tools/bench/pipeline.h"

namespace pawl::bench {
namespace {

/// What a request needs from the machine besides its events.
struct LogRequest {
  Group group = {};                             // empty: a read
  std::string granted = {};                     // the key of the lease that it acquires
  std::function<void(const State&)> look = {};  // of a read
};

class FolderLane final : public LoadLane {
 public:
  FolderLane(std::unique_ptr<Log> log, Opened opened, Waiting waiting)
      : log_(std::move(log)),
        clock_(time_before(opened.state), Clock::system_sources()),
        machine_(*log_, std::move(opened.state), opened.chain, {.now = [this] { return clock_.read(); }}),
        waiting_(waiting) {}

  ~FolderLane() override { machine_.stop(); }

  Result<void> start() {
    machine_.start();
    PAWL_TRY(start_boot(machine_, boot_, "bench", {}, boot_clock(clock_)));
    fb::SettingChangedT concurrency;
    concurrency.key = "queue.max_concurrency";
    concurrency.value = std::make_unique<fb::SettingValueT>();
    concurrency.value->number = 1000;
    const Decision decided =
        machine_.propose(propose_group(requester(0), pipeline_event(bench_pipeline()), concurrency));
    if (decided.outcome == Outcome::accepted) return {};
    return Error{ErrorCode::malformed, "bench: the log refused its pipeline: " + decided.detail};
  }

  Result<void> run(Load& load) override {
    if (waiting_ == Waiting::threads) {
      run_threads(load);
    } else {
      run_callbacks(load);
    }
    return {};
  }

  Result<Reply> call(const Op& op) override { return carry_out(op); }

  std::optional<std::int64_t> server_cpu_ns() const override {
    rusage used{};
    ::getrusage(RUSAGE_SELF, &used);
    const auto ns = [](const timeval& time) {
      return static_cast<std::int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_usec * 1000;
    };
    return ns(used.ru_utime) + ns(used.ru_stime);
  }

 private:
  Requester requester(std::size_t actor) const {
    return {.boot = boot_, .actor = "bench-" + std::to_string(actor + 1), .key = {}, .request = {}};
  }
  std::unique_ptr<fb::OwnerT> owner(std::size_t actor) const {
    auto row = std::make_unique<fb::OwnerT>();
    row->boot_id = boot_;
    row->pid = ::getpid();
    row->actor = "bench-" + std::to_string(actor + 1);
    return row;
  }
  static std::string key_of(const Op& op) {
    return op.task == 0 ? "bench-" + std::to_string(op.actor) : task_key(TaskId{op.task});
  }

  LogRequest asked(const Op& op) const {
    const auto group = [&](const auto&... events) { return propose_group(requester(op.actor), events...); };
    switch (op.verb) {
      case Verb::submit: {
        fb::TaskCreatedT event;
        event.work_item = "bench-" + std::to_string(op.number);
        event.repo = repo_name(op.actor);
        event.pipeline = pipeline_name;
        return {.group = group(event)};
      }
      case Verb::acquire:
      case Verb::renew: {
        fb::LeaseAcquiredT event;
        event.key = key_of(op);
        event.owner = owner(op.actor);
        event.ttl = 60;
        if (op.verb == Verb::renew) event.token = op.token;
        return {.group = group(event), .granted = event.key};
      }
      case Verb::transition: {
        fb::StageTransitionT event;
        event.task = op.task;
        event.to = stage_name(op.version + 1);
        event.expected_version = op.version;
        event.token = op.token;
        return {.group = group(event)};
      }
      case Verb::release: {
        fb::LeaseReleasedT event;
        event.key = key_of(op);
        event.token = op.token;
        return {.group = group(event)};
      }
      case Verb::claim: {
        fb::JobClaimedT event;
        event.owner = owner(op.actor);
        return {.group = group(event)};
      }
      case Verb::exited: {
        fb::RunExitedT event;
        event.job = op.job;
        event.attempt = op.attempt;
        event.exit_code = 1;
        return {.group = group(event)};
      }
      case Verb::cancel: {
        fb::CancelRequestedT event;
        event.task = op.task;
        if (op.job == 0) return {.group = group(event)};
        // A daemon ends a job whose process has exited; here this does.
        fb::JobFinishedT finished;
        finished.job = op.job;
        finished.attempt = op.attempt;
        finished.result = fb::JobResult::failed;
        return {.group = group(finished, event)};
      }
      case Verb::note: {
        fb::TaskNoteT event;
        event.task = op.task;
        event.text = "a note of pawl bench";
        return {.group = group(event)};
      }
      case Verb::task:
        return {.look = [id = TaskId{op.task}](const State& state) {
          if (const Task* task = state.tasks.find(id)) [[maybe_unused]]
            const Task copy = *task;
        }};
      case Verb::queue:
        return {.look = [this](const State& state) {
          std::string page;
          append_queue_open(page, state, {.now = machine_.now()});
        }};
    }
    return {};
  }

  static Reply reply_of(const Op& op, const std::string& granted, const std::optional<Decision>& decision,
                        JobId claimed) {
    if (!decision) return {.kind = Reply::Kind::empty};
    if (decision->outcome != Outcome::accepted) {
      std::string code(name(decision->outcome));
      const auto kind = is_lost_race(code) ? Reply::Kind::lost : Reply::Kind::failed;
      return {.kind = kind, .code = std::move(code)};
    }
    Reply reply;
    if (op.verb == Verb::submit && !decision->effects.empty()) reply.id = decision->effects.front().id;
    if (op.verb == Verb::acquire) reply.token = raw(decision->granted(granted).value_or(Token{0}));
    if (op.verb == Verb::claim) {
      reply.id = raw(claimed);
      reply.attempt = 1;  // every job of a benchmark is claimed once
    }
    return reply;
  }

  /// Carries it out; `done` is called from the sequencer's threads.
  void submit(const Op& op, std::function<void(Reply)> done) {
    LogRequest wanted = asked(op);
    if (wanted.group.empty()) {
      machine_.read(std::move(wanted.look), [done = std::move(done)] { done({}); });
      return;
    }
    const auto claimed = std::make_shared<JobId>();
    std::function<bool(const State&, Group&)> resolve;
    if (op.verb == Verb::claim) {
      resolve = [claimed, now = machine_.now()](const State& state, Group& group) {
        static const std::vector<std::string> agents{std::string(agent_name)};
        *claimed = first_claimable(state, agents, {}, now, [](JobId) { return ClaimableJobs::Look::take; });
        if (*claimed == JobId{0}) return false;
        static_cast<fb::JobClaimed*>(group.front().mutable_record().mutable_event())->mutate_job(raw(*claimed));
        return true;
      };
    }
    machine_.submit(
        {.group = std::move(wanted.group),
         .resolve = std::move(resolve),
         .look = {},
         .done = [op, granted = std::move(wanted.granted), claimed, done = std::move(done)](
                     const std::optional<Decision>& decision) { done(reply_of(op, granted, decision, *claimed)); }});
  }

  Reply carry_out(const Op& op) {
    std::mutex mutex;
    std::condition_variable taken;
    std::optional<Reply> reply;
    submit(op, [&](Reply came) {
      const std::lock_guard lock(mutex);
      reply = std::move(came);
      taken.notify_one();
    });
    std::unique_lock lock(mutex);
    taken.wait(lock, [&] { return reply.has_value(); });
    return std::move(*reply);
  }

  void run_threads(Load& load) {
    std::vector<std::jthread> threads;
    for (std::size_t actor = 0; actor < load.actors(); ++actor) {
      threads.emplace_back([this, &load, actor] {
        while (true) {
          const std::int64_t pause_ns = load.due_ns(actor) - clock_ns();
          if (pause_ns > 0) std::this_thread::sleep_for(std::chrono::nanoseconds(pause_ns));
          const auto op = load.next(actor);
          if (!op) return;
          const std::int64_t sent_ns = clock_ns();
          const Reply reply = carry_out(*op);
          load.took(*op, reply, sent_ns, clock_ns());
          if (actor == 0) load.tick();
        }
      });
    }
  }

  /// The actors of one run that are under way or pause.
  struct Turn {
    Load& load;
    std::mutex mutex = {};
    std::condition_variable changed = {};
    std::size_t active = 0;
    std::priority_queue<std::pair<std::int64_t, std::size_t>, std::vector<std::pair<std::int64_t, std::size_t>>,
                        std::greater<>>
        due = {};
  };

  /// The actor's next request, from its last one's callback.
  void go_on(Turn& turn, std::size_t actor) {
    if (turn.load.thinks()) {
      const std::int64_t due_ns = turn.load.due_ns(actor);
      if (due_ns > clock_ns()) {
        const std::lock_guard lock(turn.mutex);
        turn.due.emplace(due_ns, actor);
        turn.changed.notify_one();
        return;
      }
    }
    const auto op = turn.load.next(actor);
    if (!op) {
      const std::lock_guard lock(turn.mutex);
      --turn.active;
      turn.changed.notify_one();
      return;
    }
    submit(*op, [this, &turn, op = *op, sent_ns = clock_ns()](const Reply& reply) {
      turn.load.took(op, reply, sent_ns, clock_ns());
      go_on(turn, op.actor);
    });
  }

  void run_callbacks(Load& load) {
    Turn turn{.load = load};
    turn.active = load.actors();
    for (std::size_t actor = 0; actor < load.actors(); ++actor) go_on(turn, actor);
    std::unique_lock lock(turn.mutex);
    while (turn.active > 0) {
      std::int64_t wait_ns = 200'000'000;
      if (!turn.due.empty()) wait_ns = std::min(wait_ns, turn.due.top().first - clock_ns());
      if (wait_ns > 0) turn.changed.wait_for(lock, std::chrono::nanoseconds(wait_ns));
      while (!turn.due.empty() && turn.due.top().first <= clock_ns()) {
        const std::size_t actor = turn.due.top().second;
        turn.due.pop();
        lock.unlock();
        go_on(turn, actor);
        lock.lock();
      }
      lock.unlock();
      load.tick();
      lock.lock();
    }
  }

  std::unique_ptr<Log> log_;
  Clock clock_;
  Sequencer machine_;
  const Waiting waiting_;
  const std::string boot_ = random_uuid();
};

}  // namespace

Result<std::unique_ptr<LoadLane>> folder_lane(const std::string& folder, Waiting waiting) {
  std::error_code failed;
  if (std::filesystem::exists(folder, failed) && !std::filesystem::is_empty(folder, failed)) {
    return Error{ErrorCode::malformed, "bench: --fresh " + folder + " is not an empty folder, nor a new one"};
  }
  auto log = PAWL_TRY(open_log(folder, LogMode::write));
  Opened opened = PAWL_TRY(open_state(*log));
  auto lane = std::make_unique<FolderLane>(std::move(log), std::move(opened), waiting);
  PAWL_TRY(lane->start());
  std::unique_ptr<LoadLane> out = std::move(lane);
  return out;
}

}  // namespace pawl::bench
