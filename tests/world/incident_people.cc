// The people of a healthy story: webhooks that create tasks, an administrator, operators, and those who take leases of
// their own for a while.
#include "tests/world/incident.h"

namespace pawl::hostile {
namespace {

constexpr std::uint64_t live_at_once = 9;

class Webhooks {
 public:
  explicit Webhooks(Incident& incident) : incident_(incident) {}

  [[noreturn]] void live() {
    for (;;) {
      incident_.sleep(20 * second, 5 * minute);
      std::uint64_t live = 0;
      for (const auto& [id, known] : incident_.tasks) {
        if (!known.is_over && known.blocked.empty()) ++live;
      }
      if (live < live_at_once) create();
    }
  }

 private:
  void create() {
    Dice& dice = incident_.dice();
    fb::TaskCreatedT event;
    event.work_item = "W-" + std::to_string(++items_);
    event.repo = dice.pick(incident_.story().repos);
    event.branch = "b-" + event.work_item;
    const std::uint64_t kind = dice.roll(100);
    event.pipeline = kind < 50 ? "delivery" : kind < 80 ? "service" : "plain";
    Plan plan;
    // Once is what pawl tries again.
    const std::uint64_t stumble = dice.roll(100);
    if (stumble < 12) plan.agent_fails = 1;
    if (stumble >= 88) plan.gate_is_red = 1;
    plan.is_long = dice.percent(30);
    // Some fail by themselves, and stay blocked till an operator has looked.
    plan.ails = event.pipeline != "delivery" && dice.percent(8);
    if (dice.percent(15)) {
      const auto before = incident_.some_task([](const Task&, const KnownTask&) { return true; });
      if (before) event.depends_on.push_back(raw(*before));
    }
    incident_.plans[event.work_item] = plan;
    const Requester requester{.boot = {},
                              .actor = "webhook",
                              .key = incident_.story().fresh_id("delivery"),
                              .request = 1,
                              .principal = webhooks};
    incident_.story().ask_keyed([&](const Requester& by) { return propose_group(by, event); }, requester);
  }

  Incident& incident_;
  std::uint64_t items_ = 0;
};

class People {
 public:
  explicit People(Incident& incident) : incident_(incident) {}

  /// Settings that do no harm; and a daemon that is restarted in order, now and then.
  [[noreturn]] void administrate() {
    incident_.set("queue.max_concurrency", std::int64_t{10});
    incident_.set("queue.serial_per_repo", false);
    for (;;) {
      incident_.sleep(10 * minute, 90 * minute);
      Dice& dice = incident_.dice();
      const auto number = [&](const char* key, std::vector<std::int64_t> values) {
        const std::int64_t value = dice.pick(values);
        if (!incident_.hands_off.contains(key)) incident_.set(key, value);
      };
      switch (dice.roll(15)) {
        case 0:
          number("reaper.interval_s", {30, 45, 60, 90});
          break;
        case 1:
          number("reconciler.interval_s", {60, 90, 120});
          break;
        case 2:
          number("queue.max_concurrency", {9, 10, 12});
          break;
        case 3:
          number("job.retry_delay_s", {5, 10, 20});
          break;
        case 4:
          number("output.max_bytes", {1 << 20, 1 << 24});
          break;
        case 5:
          number("reaper.max_running_s", {5400, 6000, 7200});
          break;
        case 6:
          number("quota.tasks", {1000, 4000});
          break;
        case 7:
          number("reaper.finalize_grace_s", {290, 300, 400});
          break;
        case 8:
          number("recovery.max_interruptions", {4, 5, 8});
          break;
        case 9:
          number("lease.merge_ttl_s", {1700, 1800, 3600});
          break;
        case 10:
          number("job.max_attempts", {2, 3});
          break;
        case 11:
          number("pipeline.max_rollbacks", {2, 3, 4});
          break;
        case 12:  // The same as all.
          if (!incident_.hands_off.contains("ownership.repos")) {
            incident_.set("ownership.repos", incident_.story().repos);
          }
          break;
        default:
          if (dice.one_in(2) && incident_.await([&] { return incident_.is_daemon_idle(); }, 10 * minute)) {
            incident_.story().tell_to_end();
          }
      }
    }
  }

  /// Notes, a look now and then, and help for those that failed by themselves.
  [[noreturn]] void operate() {
    for (;;) {
      incident_.sleep(5 * minute, 25 * minute);
      const auto task = incident_.some_task([](const Task&, const KnownTask&) { return true; });
      if (task && incident_.dice().one_in(12)) {
        drop(*task);
      } else if (task && incident_.dice().one_in(2)) {
        fb::TaskNoteT note;
        note.task = raw(*task);
        note.text =
            incident_.dice().pick(std::vector<std::string>{"looks good", "asked for", "waits for the customer"});
        incident_.command(note);
      } else if (incident_.dice().one_in(2)) {
        help();
      }
    }
  }

  /// From a machine of its own, for something that pawl knows nothing of.
  [[noreturn]] void hold_leases() {
    const ProcessPtr process = incident_.story().machines.start("delta");
    const std::string boot = incident_.story().fresh_id("lock");
    const std::string principal = "token:janitor";
    fb::BootStartedT event;
    event.name = "janitor";
    event.boot_id = boot;
    event.pid = process->pid;
    event.pid_start = process->start;
    event.host = process->host;
    event.version = "lock";
    ask(principal, incident_.story().daemon_that_serves().boot_id(), event);
    for (;;) {
      incident_.sleep(15 * minute, 70 * minute);
      fb::LeaseAcquiredT acquire;
      acquire.key =
          incident_.dice().one_in(2) ? "nightly-backup" : repo_key(incident_.dice().pick(incident_.story().repos));
      acquire.owner = std::make_unique<fb::OwnerT>();
      acquire.owner->boot_id = boot;
      acquire.owner->pid = process->pid;
      acquire.owner->actor = "janitor";
      acquire.ttl = 600;
      const auto decision = ask(principal, boot, acquire);
      if (!decision || decision->outcome != Outcome::accepted) continue;
      incident_.sleep(20 * second, 150 * second);
      fb::LeaseReleasedT release;
      release.key = acquire.key;
      release.token = raw(decision->granted(acquire.key).value_or(Token{raw(decision->seq)}));
      ask(principal, boot, release);
    }
  }

 private:
  template <class Event>
  std::optional<Decision> ask(const std::string& principal, const std::string& boot, const Event& event) {
    for (;;) {
      incident_.story().daemon_that_serves();
      const Requester by{.boot = boot, .actor = "janitor", .key = {}, .request = {}, .principal = principal};
      if (auto decision = incident_.story().ask(propose_group(by, event))) return decision;
    }
  }

  /// A task that has barely begun, and that no other waits for.
  void drop(TaskId id) {
    const Task* task = incident_.state().tasks.find(id);
    if (!task || raw(task->version) > 1) return;
    for (const auto& [other, row] : incident_.state().tasks.rows()) {
      for (const TaskId before : row.depends_on) {
        if (before == id) return;
      }
    }
    fb::CancelRequestedT cancel;
    cancel.task = raw(id);
    cancel.reason = "not wanted any more";
    incident_.command(cancel);
  }

  void help() {
    for (const TaskId id : incident_.own()) {
      if (incident_.not_helped.contains(id) || incident_.dice().one_in(2)) continue;
      incident_.plan(id).ails = false;
      fb::TaskUnblockedT unblocked;
      unblocked.task = raw(id);
      unblocked.reason = "mended";
      fb::JobQueuedT queued;
      queued.task = raw(id);
      queued.reason = "mended";
      incident_.command(unblocked, queued);
      return;
    }
  }

  Incident& incident_;
};

}  // namespace

void send_people(Incident& incident) {
  Story& story = incident.story();
  story.send([who = std::make_shared<Webhooks>(incident)] { who->live(); });
  story.send([who = std::make_shared<People>(incident)] { who->administrate(); });
  story.send([who = std::make_shared<People>(incident)] { who->operate(); });
  story.send([who = std::make_shared<People>(incident)] { who->hold_leases(); });
}

}  // namespace pawl::hostile
