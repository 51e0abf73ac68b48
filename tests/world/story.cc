#include "tests/world/story.h"

#include <algorithm>

#include "engine/policies/stuck.h"
#include "store/key_format.h"
#include "store/log_index.h"
#include "store/open.h"
#include "store/restore.h"
#include "tests/unit/store/index_oracle.h"
#include "tests/world/daemon.h"
#include "tests/world/pipelines.h"

namespace pawl::hostile {
namespace {

/// 2026-01-01T00:00:00Z, where scripts begin too.
constexpr Us wall_begin = 1'767'225'600 * second;
/// What runs when the hostilities stop, with every bound that ends it, fits into this twice.
constexpr Us calm = 6 * hour;
constexpr Us mending = 48 * hour;
/// An orderly stop, and a start after it that cleans up.
constexpr Us closing = hour;
constexpr std::uint64_t turns_max = 40'000'000;

/// A task, and what is in its way.
std::string in_words(const State& state, const Task& task) {
  std::string words = "task " + std::to_string(raw(task.id)) + " of '" + state.pipeline_of(task).name + "' on '" +
                      task.stage + "' at version " + std::to_string(raw(task.version));
  if (const StepRow* step = open_step(task)) words += ", step '" + step->step + "' open";
  if (is_committed(task)) words += ", committed";
  if (const Job* job = state.open_job(task)) words += ", a job " + std::string(fb::EnumNameJobStatus(job->status));
  for (const std::string& key : {task_key(task.id), repo_key(task.repo)}) {
    if (const Lease* lease = state.lease(key)) words += ", " + key + " held by " + lease->owner.actor;
  }
  if (!task.cancel_requested.empty()) words += ", to be cancelled";
  return words;
}

std::vector<std::size_t> block_starts(std::string_view blocks) {
  std::vector<std::size_t> starts;
  for (std::size_t at = 0; at < blocks.size();) {
    starts.push_back(at);
    at += stated_block_bytes(blocks.substr(at)).value_or(blocks.size());
  }
  return starts;
}

std::uint64_t mixed(std::uint64_t sum, std::uint64_t value) {
  return (sum ^ value) * 0x100000001b3;
}

}  // namespace

Story::Story(const Order& order)
    : dice(order.seed * 0x2545f4914f6cdd1d + 1),
      machines(scheduler, dice),
      targets(scheduler),
      order_(order),
      witness_([this](std::string what) { broken(std::move(what)); }, machines,
               [this] { return Served{.us = served_us(), .starts = starts_}; }),
      disk_(std::make_shared<MemoryDisk>()) {
  targets.on_effect = [this](const StepKey& key) { witness_.effect(key); };
  witness_.on_doubt = [this](Witness::Doubt doubt) {
    mark(doubt == Witness::Doubt::first_no    ? Mark::first_no
         : doubt == Witness::Doubt::second_no ? Mark::second_no
                                              : Mark::came_late);
  };
  targets.on_repeat = [this](const StepKey&) { mark(Mark::came_twice); };
  crash_every_ = 500 + dice.roll(8000);
  const std::uint64_t repos_wanted = 1 + dice.roll(3);
  for (std::uint64_t i = 0; i < repos_wanted; ++i) repos.push_back("repo-" + std::to_string(i));
  // Two names of one repository, and one that cannot be cloned.
  origins = {{"repo-0", "origin-a"}, {"repo-1", "origin-a"}};
  branches.set({"origin-a", ""}, branches.commit_on(0));
  tasks_wanted = 3 + dice.roll(12);
  if (!script()) return;
  repos.clear();
  origins = script()->repos();
  for (const auto& [repo, origin] : origins) {
    repos.push_back(repo);
    branches.set({origin, ""}, branches.commit_on(0));
  }
}

Story::~Story() {
  if (daemon_) daemon_->abandon();
  scheduler.kill(Party::daemon);
  daemon_.reset();
  scheduler.kill(Party::outside);
}

void Story::see(const std::vector<Decided>& groups) {
  witness_.see(groups);
  if (!script()) return;
  for (const Decided& group : groups) {
    for (const Proposal& record : group.records) script()->see(record.record());
  }
}

void Story::broken(std::string what) {
  if (script() && script()->bears_with(what)) return;
  if (!failure_) failure_ = std::move(what);
}

bool Story::allows(Hostility hostility) const {
  return phase_ == Phase::hostile && (order_.without >> static_cast<unsigned>(hostility) & 1) == 0;
}

bool Story::strikes(Hostility hostility, std::uint64_t chance) {
  return allows(hostility) && dice.percent(chance);
}

Us Story::wall_us() const {
  return wall_begin + scheduler.now() + wall_offset_ + slept_us_ + stamps_ahead_us_;
}

Us Story::duration() {
  const std::uint64_t kind = dice.roll(20);
  if (kind == 0) return dice.between(1, 10) * minute;
  return kind < 6 ? dice.between(1, 60) * second : dice.between(1, 2000) * ms;
}

Fate Story::fate_of_agent() {
  Fate fate;
  fate.work = duration();
  if (strikes(Hostility::bad_exit, 2)) fate.work = hour;
  if (strikes(Hostility::bad_exit, 15)) fate.exit.code = 1;
  if (strikes(Hostility::bad_exit, 3)) fate.exit = {.how = CommandExit::How::signalled, .code = 11};
  return fate;
}

Fate Story::fate_of_step(const PipelineStep& step) {
  Fate fate = fate_of_effect(step);
  if (!step.irreversible) fate.effect.reset();  // Repeatable steps are not checked.
  const bool failed = fate.exit.how == CommandExit::How::exited && fate.exit.code == 1;
  if (!step.irreversible && failed && dice.one_in(2)) fate.exit.code = exit_code_later;
  return fate;
}

/// Exit 0 vouches that it happened, and a code in `not_done_exit_codes` that it did not; nothing else vouches.
Fate Story::fate_of_effect(const PipelineStep& step) {
  Fate fate;
  fate.work = std::min<Us>(duration() + second, step.timeout_s * second / 2);
  fate.effect = dice.between(0, fate.work / 2);
  if (strikes(Hostility::late_effect, 30)) fate.latency = dice.between(0, fate.work / 2 - ms);
  if (!strikes(Hostility::bad_exit, 30)) return fate;
  switch (dice.roll(6)) {
    case 0:  // It fails, and says so.
      fate.effect.reset();
      fate.exit.code = step.not_done_exit_codes.empty() ? 1 : step.not_done_exit_codes.front();
      break;
    case 1:  // It fails, and does not know.
      fate.exit.code = 1;
      if (dice.one_in(2)) fate.effect.reset();
      if (strikes(Hostility::late_effect, 50)) fate.latency = dice.between(1, 600) * second;
      break;
    case 2:  // It hangs before it has done anything.
      fate.work = hour;
      fate.effect = hour - minute;
      break;
    case 3:  // It hangs afterwards.
      fate.work = hour;
      break;
    case 4:
      fate.exit = {.how = CommandExit::How::signalled, .code = 9};
      if (dice.one_in(2)) fate.effect.reset();
      break;
    default:  // Its request is under way when it ends.
      fate.exit.code = 1;
      fate.latency = fate.work + dice.between(1, 100) * second;
      break;
  }
  return fate;
}

/// A target with a probe knows keys, except in a script. A late effect comes within the time that the step's definition
/// promises.
void Story::request(const StepKey& key, const PipelineStep& step, Us latency, const ProcessPtr& sender) {
  if (step.probe.empty() || script()) return targets.request(key, latency);
  const std::int64_t within_s = std::max<std::int64_t>(step.settle_s - 5, 0);
  targets.request(key, latency, sender, dice.between(0, within_s) * second);
}

std::optional<bool> Story::gate_of(TaskId) {
  if (strikes(Hostility::red_gate, 3)) return std::nullopt;
  return !strikes(Hostility::red_gate, 12);
}

std::string Story::fresh_id(const char* what) {
  return std::string(what) + '-' + std::to_string(++ids_);
}

Us Story::shared_until() {
  return strikes(Hostility::unseen, 5) ? scheduler.now() + dice.between(1, 50) * ms : 0;
}

Daemon& Story::daemon_that_serves() {
  while (!daemon_ || !daemon_->serves()) wait_for_daemon();
  return *daemon_;
}

/// Until it serves, or is gone.
void Story::wait_for_daemon() {
  const ActorId self = scheduler.self();
  waiting_for_daemon_.insert(self);
  scheduler.wait();
  waiting_for_daemon_.erase(self);
}

void Story::await(const bool& answered) {
  const std::uint64_t start = starts_;
  while (!answered && starts_ == start) wait_for_daemon();
}

void Story::daemon_has_changed() {
  for (const ActorId actor : waiting_for_daemon_) scheduler.wake(actor);
}

void Story::call_worker(TaskId task) {
  called_for_ = task;
  for (const ActorId worker : idle_workers_) scheduler.wake(worker);
}

std::optional<TaskId> Story::idle(Us us) {
  const ActorId self = scheduler.self();
  idle_workers_.insert(self);
  if (!called_for_) scheduler.wait_until(scheduler.now() + us);
  idle_workers_.erase(self);
  return std::exchange(called_for_, std::nullopt);
}

std::optional<Decision> Story::ask(Group group, std::function<bool(const State&, Group&)> resolve) {
  Daemon& daemon = daemon_that_serves();
  // An operator who has not looked does not confirm.
  for (const Proposal& proposal : group) {
    const auto* unblocked = proposal.record().event_as_TaskUnblocked();
    const Task* task = unblocked ? daemon.decided().tasks.find(TaskId{unblocked->task()}) : nullptr;
    const bool has_looked =
        unblocked && unblocked->reason() && unblocked->reason()->string_view() == word_after_restore;
    if (task && is_restored(*task) && !has_looked) return std::nullopt;
  }
  if (strikes(Hostility::lost_answer, 1)) {
    scheduler.sleep(dice.between(1, 30) * second);
    return std::nullopt;  // The request never reached the daemon.
  }
  auto slot = std::make_shared<Slot<Decision>>();
  slot->actor = scheduler.self();
  daemon.submit({.group = std::move(group),
                 .resolve = std::move(resolve),
                 .look = {},
                 .done = [this, slot](std::optional<Decision> decision) {
                   slot->answered = true;
                   slot->value = std::move(decision);
                   if (slot->value) told(*slot->value);
                   scheduler.wake(slot->actor);
                 }});
  await(slot->answered);
  if (!slot->answered || strikes(Hostility::lost_answer, 1)) return std::nullopt;
  return std::move(slot->value);
}

Decision Story::ask_keyed(const std::function<Group(const Requester&)>& group, Requester requester) {
  for (;;) {
    requester.boot = daemon_that_serves().boot_id();
    auto decision = ask(group(requester));
    if (!decision) continue;
    if (decision->source == Decision::AnswerSource::mismatched) {
      broken("the key " + requester.key + " is said to belong to another request");
    }
    return std::move(*decision);
  }
}

std::optional<TaskView> Story::look_at(TaskId task) {
  for (;;) {
    Daemon& daemon = daemon_that_serves();
    auto slot = std::make_shared<Slot<std::optional<TaskView>>>();
    slot->actor = scheduler.self();
    daemon.read({.look = [slot, task](const State& state) { slot->value = view_of(state, task); },
                 .done =
                     [this, slot] {
                       slot->answered = true;
                       scheduler.wake(slot->actor);
                     }});
    await(slot->answered);
    if (slot->answered) return std::move(*slot->value);
  }
}

bool Story::is_skipped(JobId job) const {
  return daemon_->is_skipped(job);
}

void Story::start_daemon() {
  ++starts_;
  auto log = MemoryLog::open(disk_);
  if (!log) return broken("the log cannot be opened after a restart: " + log.error().message);
  auto opened = open_state(**log);
  if (!opened) return broken("the log cannot be recovered: " + opened.error().message);
  witness_.recovered(opened->state, opened->chain, **log);
  // Behind at every third start. A comparison reads log and archive several times.
  check_index(**log, starts_ % 3 == 0 ? 50 : SIZE_MAX, starts_ < 6);
  if (failure_) return;
  served_since_us_ = scheduler.now();
  daemon_ = std::make_unique<Daemon>(*this, std::move(*log), std::move(*opened), fresh_id("boot-of-pawld"));
  own_hosts.insert(machines.host(daemon_machine));
  daemon_->begin();
}

/// The index goes on from where it was, and finds what a walk of log and archive finds.
void Story::check_index(MemoryLog& log, std::size_t records_max, bool compares) {
  LogIndex index(log, log, log);
  const auto removed = index.begin();
  if (!removed || *removed)
    return broken("the index is not taken up: " + (removed ? **removed : removed.error().message));
  if (const auto extended = index.extend(records_max); !extended) broken("no index: " + extended.error().message);
  const auto difference = compares ? difference_of(log, index) : std::nullopt;
  if (difference) broken("the index differs: " + *difference);
}

void Story::kill_daemon() {
  leave_sign();
  served_us_ = served_us();
  daemon_->abandon();
  scheduler.kill(Party::daemon);
  daemon_.reset();
  ++starts_;
  daemon_has_changed();
  daemon_from_ = scheduler.now() + (dice.one_in(3) ? dice.between(1, 3600) * second : dice.between(10, 5000) * ms);
  if (strikes(Hostility::downtime, 10)) {
    daemon_from_ += dice.between(1, 6) * hour;
    mark(Mark::long_downtime);
  }
  if (!is_hostile()) daemon_from_ = scheduler.now() + second;
  if (script()) daemon_from_ = scheduler.now() + script()->downtime();
}

/// The last sign of life that a daemon wrote (every three seconds), or what became of it.
void Story::leave_sign() {
  const std::optional<TimeUs> told = daemon_->serves() ? daemon_->told_until() : std::nullopt;
  if (told) folder.sign = TimeUs{told->us - dice.between(0, 3 * second)};
  if (!strikes(Hostility::downtime, 10)) return;
  folder.sign = dice.one_in(2) ? std::nullopt : std::optional(TimeUs{wall_us() + 1000 * hour});
  mark(Mark::sign_lost);
}

/// Only the clocks move meanwhile.
void Story::fall_asleep() {
  slept_us_ += dice.one_in(3) ? dice.between(1, 8) * hour : dice.between(1, 600) * second;
  mark(Mark::slept);
}

/// After an orderly stop nothing is under way: what was decided is durable, and the log is sealed.
void Story::end_daemon() {
  mark(Mark::stop_in_order);
  if (daemon_->decided().last_seq != witness_.state().last_seq) broken("a stop in order lost what was decided");
  if (!daemon_->log().seal()) broken("the log cannot be sealed");
  kill_daemon();
}

/// A crash in one of its forms: what is on its way to the disk gets there, or half of it, or none.
void Story::crash() {
  const bool in_flight = daemon_->can_sync();
  if (in_flight) {
    const std::uint64_t how = dice.roll(4);
    std::optional<MemoryLog::Failure> failure;
    if (how == 0 && allows(Hostility::torn_write)) failure = MemoryLog::Failure::half_written;
    if (how == 1 && allows(Hostility::failed_sync)) failure = MemoryLog::Failure::not_synced;
    if (how == 2) failure = MemoryLog::Failure::nothing_written;
    if (failure) daemon_->log().fail_append(1, *failure);
    if (const Result<void> synced = daemon_->sync(); !failure && !disk_->room && !synced) {
      broken("an append failed that should have succeeded: " + synced.error().message);
    }
  }
  const bool reboot = strikes(Hostility::reboot, 15);
  kill_daemon();
  if (reboot) {
    machines.reboot(daemon_machine);
    kernel_began_us_ = scheduler.now() + slept_us_;
  }
  if (reboot || strikes(Hostility::power_cut, 40)) disk_->lose_unsynced();
  if (reboot) lose_notes();
  if (strikes(Hostility::flip, 30)) flip_a_bit();
  if (backup_ && strikes(Hostility::restore, 20)) restore_backup();
}

/// What is durable now, as a folder of its own.
void Story::take_backup() {
  backup_ = std::make_shared<MemoryDisk>(*disk_);
  backup_->lose_unsynced();
  backup_->room.reset();
}

/// The folder is lost with everything after the backup, and the world goes on: processes, requests, everyone's beliefs.
/// As in `pawl restore`.
void Story::restore_backup() {
  // A backup from before the first durable record does not count: `pawl restore` refuses it.
  bool has_record = false;
  if (auto taken = MemoryLog::open(backup_)) {
    const Result<void> read = (*taken)->read(Seq{1}, [&](RecordBytes) { return !(has_record = true); });
    has_record = has_record && read;
  }
  if (!has_record) return backup_.reset();
  disk_ = std::exchange(backup_, nullptr);
  auto log = MemoryLog::open(disk_);
  if (!log) return broken("a backup cannot be opened: " + log.error().message);
  // More than any story has records, but few enough to keep its numbers readable.
  const auto restored = go_on_restored(**log, 1'000'000, TimeUs{wall_us()});
  if (!restored) return broken("a backup cannot be restored: " + restored.error().message);
  witness_.restored(**log);
  folder = {};
  own_hosts.clear();
  lost_seen = scheduler.now();
}

/// Notes of runs and places are not synced: a machine that crashed may have lost them, with everything that ran there.
void Story::lose_notes() {
  std::erase_if(folder.runs, [this](const auto&) { return dice.one_in(3); });
  std::erase_if(folder.places, [this](const auto&) { return dice.one_in(3); });
}

/// A bit of the log flips: opening the log must name a record, or find every record unchanged. Then the earlier copy
/// goes on.
void Story::flip_a_bit() {
  if (disk_->blocks.empty()) return;
  const auto damaged = std::make_shared<MemoryDisk>();
  damaged->blocks = disk_->blocks;
  damaged->synced_bytes = disk_->synced_bytes;
  damaged->seal = disk_->seal;
  damaged->checkpoints = disk_->checkpoints;
  const std::vector<std::size_t> starts = block_starts(disk_->blocks);
  // As often in a header, where the lengths and seqs are, as elsewhere.
  const std::size_t start = dice.pick(starts);
  const std::size_t in_head = std::min(start + dice.roll(40), damaged->blocks.size() - 1);
  const std::size_t anywhere = dice.roll(damaged->blocks.size());
  const std::size_t at = dice.one_in(2) ? in_head : anywhere;
  const std::uint64_t bit = dice.roll(8);
  damaged->blocks[at] = static_cast<char>(static_cast<unsigned char>(damaged->blocks[at]) ^ (1u << bit));
  auto log = MemoryLog::open(damaged);
  if (!log) return;  // It names the place.
  auto opened = open_state(**log);
  if (!opened) return;
  auto sound = MemoryLog::open(std::make_shared<MemoryDisk>(*disk_));
  if (!sound) return broken("the log cannot be opened after a crash: " + sound.error().message);
  const Seq last = opened->state.last_seq;
  if (last == (*sound)->last_seq()) {
    const auto before = open_state(**sound);
    if (before && before->state.digest() == opened->state.digest() && before->chain == opened->chain) return;
  }
  // In the last block, if it is not sealed, a flip may look like a cut (store/tail.h @C): then that is reported.
  if ((*log)->torn_at() == next(last) && at >= starts.back()) return;
  broken("bit " + std::to_string(bit) + " of byte " + std::to_string(at) + " of the log flipped unnoticed");
}

void Story::strike() {
  if (!daemon_ || !is_hostile()) return;
  const bool is_due = dice.one_in(crash_every_);
  if (script()) {
    if (const Us frozen = std::exchange(frozen_us_, 0)) scheduler.advance_time(frozen);
    if (std::exchange(is_struck_, false)) crash();
    return;
  }
  if ((std::exchange(is_struck_, false) || is_due) && (allows(Hostility::kill) || allows(Hostility::power_cut))) {
    return crash();
  }
  const bool is_due_to_end = dice.one_in(2 * crash_every_);
  if (is_due_to_end && allows(Hostility::clean_stop)) is_told_to_end_ = true;
  if (dice.one_in(400)) {
    if (strikes(Hostility::clock_jump, 20)) wall_offset_ += dice.between(-3600, 3600) * second;
    if (strikes(Hostility::clock_jump, 2)) wall_offset_ += dice.between(-30, 30) * 24 * hour;
    if (strikes(Hostility::sleep, 10)) fall_asleep();
    if (strikes(Hostility::stall, 10)) scheduler.advance_time(dice.between(1, 600) * second);
    if (strikes(Hostility::reboot, 2)) machines.reboot("beta");
    if (strikes(Hostility::full_disk, 3)) disk_->room = dice.roll(20'000);
    if (strikes(Hostility::restore, 10)) take_backup();
    // As the daemon does after being idle for a while.
    if (dice.one_in(4) && !daemon_->log().seal()) broken("the log cannot be sealed");
  }
}

void Story::turn() {
  if (!daemon_ && scheduler.now() >= daemon_from_) start_daemon();
  if (failure_) return;
  strike();
  if (failure_) return;
  if (is_told_to_end_ && daemon_ && daemon_->serves()) {
    is_told_to_end_ = false;
    daemon_->begin_end();
  }
  if (daemon_ && daemon_->has_ended()) end_daemon();
  if (failure_) return;
  const std::size_t actors = scheduler.ready();
  const bool decides = daemon_ && daemon_->can_decide();
  const bool hands_over = daemon_ && daemon_->can_hand_over();
  const bool syncs = daemon_ && daemon_->can_sync();
  const std::size_t choices = actors + (decides ? 1 : 0) + (hands_over ? 1 : 0) + (syncs ? 1 : 0);
  if (choices == 0) {
    if (daemon_ && daemon_->serves() && ++idle_ % 8 == 0) daemon_->check_idle();
    if (!daemon_) scheduler.at(daemon_from_, [] {});
    if (!scheduler.next_timer()) broken("no actor has anything left to do");
    return;
  }
  std::size_t choice = dice.roll(choices);
  scheduler.advance_time(static_cast<Us>(1 + dice.roll(200)));
  if (choice < actors) {
    scheduler.resume(choice);
  } else {
    choice -= actors;
    if (decides && choice-- == 0) {
      daemon_->decide_some();
    } else if (hands_over && choice-- == 0) {
      daemon_->hand_over();
    } else if (const Result<void> synced = daemon_->sync(); !synced) {
      kill_daemon();  // It ends at once, and finds out at its next start what was written.
      if (strikes(Hostility::power_cut, 30)) disk_->lose_unsynced();
      disk_->room.reset();
    } else {
      daemon_->checkpoint();
    }
  }
}

void Story::begin_calm() {
  phase_ = Phase::calm;
  phase_ends_ = scheduler.now() + calm;
  disk_->room.reset();
  machines.soften();
  scheduler.spawn(Party::outside, [this] {
    for (const SettingKey& key : setting_keys()) {
      if (key.name == "queue.max_concurrency") continue;
      fb::SettingChangedT event;
      event.key = key.name;
      event.value = std::make_unique<fb::SettingValueT>(setting_value_event(key.get(Settings{})));
      const Requester requester{.boot = daemon_that_serves().boot_id(),
                                .actor = "operator",
                                .key = {},
                                .request = {},
                                .principal = operators};
      ask(propose_group(requester, event));
    }
  });
}

void Story::begin_mending() {
  phase_ = Phase::mending;
  phase_ends_ = scheduler.now() + mending;
}

/// Starts once more: what earlier starts could not clean up, this one must.
void Story::begin_closing() {
  phase_ = Phase::closing;
  phase_ends_ = scheduler.now() + closing;
  tell_to_end();
}

bool Story::has_settled() const {
  for (const auto& [id, task] : witness_.state().tasks.rows()) {
    if (!is_terminal(task.stage) && (is_mending() || task.blocked.empty())) return false;
  }
  return true;
}

/// After the calm each task is finished, is blocked, or has an explanation for why it does not move.
void Story::judge_settled() {
  const State& state = witness_.state();
  for (const auto& [id, task] : state.tasks.rows()) {
    if (is_terminal(task.stage) || !task.blocked.empty()) continue;
    const auto stuck = why_stuck(state, task, state.last_time, {});
    const std::string which = in_words(state, task);
    if (is_mending()) {
      return broken(which + " never ended, although nothing is in its way: " +
                    (stuck ? stuck->reason + ", " + stuck->detail : "without an explanation"));
    }
    if (!stuck || stuck->reason == stuck_reason::next_pass) {
      return broken(which + " no longer moves, without an explanation");
    }
  }
}

/// Nothing of finished tasks is left.
void Story::judge_tidy() {
  if (daemon_) check_index(daemon_->log(), SIZE_MAX, true);
  if (!daemon_ || !daemon_->serves()) return broken("the last start never finished");
  for (const auto& [task, tree] : folder.worktrees) {
    const Task* row = witness_.state().tasks.find(task);
    if (!row || is_terminal(row->stage)) {
      return broken("task " + std::to_string(raw(task)) + " is finished, but its worktree still exists");
    }
  }
  for (const auto& [key, place] : folder.places) {
    const Task* row = witness_.state().tasks.find(key.task);
    if (!row || is_terminal(row->stage)) {
      return broken("task " + std::to_string(raw(key.task)) + " is finished, but the lock file of its step '" +
                    key.step + "' is still there");
    }
  }
  const State& state = witness_.state();
  for (const auto& [key, lease] : state.leases.rows()) {
    if (lease.ttl_s && age_s(lease.renewed, state.last_time) > *lease.ttl_s + closing / second / 2) {
      return broken("the ttl of " + key + " ran out long ago, but it is still held");
    }
  }
  for (const auto& [end, job] : state.indexes.claim_ends) {
    if (state.settings().reaper.enabled && age_s(end, state.last_time) > closing / second / 2) {
      return broken("the claim of job " + std::to_string(raw(job)) + " ran out long ago, but it still runs");
    }
  }
  for (const auto& [run, noted] : folder.runs) {
    if (!noted.held) broken("run " + run + " (" + noted.note.purpose + ") is gone, but its note still exists");
  }
}

void Story::end() {
  over_ = true;
  witness_.check_ledger(targets);
}

/// Until the script has what it wants.
void Story::follow_script() {
  script()->begin(*this);
  std::uint64_t turns = 0;
  while (!failure_ && !script()->is_over()) {
    turn();
    if (++turns > turns_max) broken("the run does not end");
  }
}

void Story::tell() {
  if (script()) return follow_script();
  send_workers(*this);
  send_operators(*this);
  send_holder(*this);
  send_people(*this);
  send_fool(*this);
  send_crowd(*this);
  send_liar(*this);
  std::uint64_t turns = 0;
  while (!failure_ && !over_) {
    turn();
    if (++turns > turns_max) broken("the run does not end");
    if (phase_ == Phase::hostile) {
      if (witness_.records() >= order_.records) begin_calm();
      continue;
    }
    if (turns % 64 != 0) continue;
    const bool settled = has_settled();
    if ((!settled || phase_ == Phase::closing) && scheduler.now() < phase_ends_) continue;
    if (!settled) judge_settled();
    if (phase_ == Phase::calm) {
      begin_mending();
    } else if (phase_ == Phase::mending) {
      begin_closing();
    } else {
      judge_tidy();
      end();
    }
  }
}

std::uint64_t Story::hash() const {
  std::uint64_t sum = mixed(0xcbf29ce484222325, witness_.state().digest());
  for (const std::uint8_t byte : witness_.chain()) sum = mixed(sum, byte);
  for (const auto& [key, times] : targets.ledger()) {
    sum = mixed(sum, raw(key.task));
    sum = mixed(sum, raw(key.version));
    for (const Us time : times) sum = mixed(sum, static_cast<std::uint64_t>(time));
  }
  return mixed(sum, witness_.records());
}

}  // namespace pawl::hostile
