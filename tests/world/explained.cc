#include "tests/world/explained.h"

#include <optional>
#include <vector>

#include "engine/policies/reconciler.h"
#include "engine/policies/stuck.h"
#include "engine/rules/claim.h"
#include "engine/rules/group.h"
#include "store/checkpoint.h"

namespace pawl::hostile {
namespace {

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::string said_of(const Task& task, const Stuck& stuck) {
  return "of task " + std::to_string(raw(task.id)) + " it is said: " + stuck.reason + ", " + stuck.detail;
}

/// Whether the state bears out the explanation.
bool is_borne_out(const State& state, const Task& task, const Stuck& stuck, TimeUs now) {
  const std::string& reason = stuck.reason;
  const Job* open = state.open_job(task);
  const Job* queued = open && open->status == JobStatus::queued ? open : nullptr;
  const Outcome claim = queued ? claim_outcome(state, queued->id, now) : Outcome::accepted;
  if (!task.blocked.empty()) {
    const bool says_why = reason == stuck_reason::blocked || reason == stuck_reason::outcome_unknown;
    return says_why && has(stuck.detail, task.blocked);
  }
  if (reason == stuck_reason::running) {
    const Job* job = state.running_job(task.id);
    const bool is_over = job && job->run->claim_end() && *job->run->claim_end() <= now;
    return job && !is_over && stuck.standing == Standing::waits;
  }
  if (reason == stuck_reason::unclaimed) return queued && claim == Outcome::accepted;
  if (reason == stuck_reason::next_pass) {
    return is_reconcile_candidate(state, task) && state.settings().reconciler.enabled &&
           !state.lease(task_key(task.id)) && task.cancel_requested.empty();
  }
  if (reason == stuck_reason::lease) {
    const Lease* own = state.lease(task_key(task.id));
    const Lease* lease = own ? own : state.lease(repo_key(task.repo));
    return lease && stuck.owner == lease->owner && has(stuck.detail, lease->key);
  }
  if (reason == stuck_reason::claim_expired) {
    const Job* job = state.running_job(task.id);
    return job && job->run->claim_end() && *job->run->claim_end() <= now;
  }
  if (reason == stuck_reason::critical_window || reason == stuck_reason::stop_off) {
    return !task.cancel_requested.empty();
  }
  if (reason == stuck_reason::approval) {
    const ApprovalRow* question = question_of(task);
    return question && is_open(*question, now);
  }
  if (reason == name(Outcome::retry_delay)) return queued && stuck.until && *stuck.until > now;
  if (reason == name(Outcome::limit) || reason == name(Outcome::serial_gate)) return name(claim) == reason;
  return true;
}

/// The words of a command line, with quoted ones kept whole.
std::vector<std::string> words_of(const std::string& command) {
  std::vector<std::string> words(1);
  bool is_quoted = false;
  for (const char c : command) {
    if (c == '\'') {
      is_quoted = !is_quoted;
    } else if (c == ' ' && !is_quoted) {
      words.emplace_back();
    } else {
      words.back() += c;
    }
  }
  return words;
}

/// What typing it proposes; none if it does more than change the log.
std::optional<Group> typed(const State& state, const Task& task, const std::string& command,
                           const Requester& requester) {
  const std::vector<std::string> words = words_of(command);
  if (words.size() < 3 || words[0] != "pawl") return std::nullopt;
  fb::TaskUnblockedT unblocked;
  unblocked.task = raw(task.id);
  if (words[1] == "unblock") return propose_group(requester, unblocked);
  if (words[1] == "retry") {
    fb::JobQueuedT queued;
    queued.task = raw(task.id);
    queued.reason = "retry";
    return retry_queues(state, task) ? propose_group(requester, unblocked, queued)
                                     : propose_group(requester, unblocked);
  }
  if (words[1] == "settings") {
    fb::SettingChangedT changed;
    changed.key = words[2].substr(0, words[2].find('='));
    changed.value = std::make_unique<fb::SettingValueT>(setting_value_event(SettingValue(true)));
    return propose_group(requester, changed);
  }
  if (words[1] == "release" && words.size() >= 5 && words[3] == "--token") {
    fb::LeaseReleasedT released;
    released.key = words[2];
    released.token = std::stoull(words[4]);
    return propose_group(requester, released);
  }
  if (words[1] == "release") {
    const Lease* lease = state.lease(task_key(task.id));
    fb::LeaseReclaimedT reclaimed;
    reclaimed.key = task_key(task.id);
    reclaimed.token = lease ? raw(lease->token) : 0;
    reclaimed.reason = fb::ReclaimReason::forced;
    return propose_group(requester, reclaimed);
  }
  if (words[1] != "resolve") return std::nullopt;
  for (const StepRow& step : task.steps) {
    const bool is_open = step.state == StepState::started || (step.is_in_doubt() && step.version == task.version);
    if (step.step != words[3] || !is_open) continue;
    fb::StepFinishedT finished;
    finished.task = raw(task.id);
    finished.version = raw(step.version);
    finished.step = step.step;
    finished.started = raw(step.started);
    finished.outcome = fb::StepOutcome::done;
    finished.by = fb::StepBy::operator_;
    const bool unblocks = !task.blocked.empty() && (!is_restored(task) || has(command, ", then pawl unblock"));
    return unblocks ? propose_group(requester, finished, unblocked) : propose_group(requester, finished);
  }
  return Group();
}

}  // namespace

std::string wrong_in_words(const State& state, const Task& task) {
  if (is_terminal(task.stage)) return {};
  const TimeUs now = state.last_time;
  const auto stuck = why_stuck(state, task, now, {});
  if (!stuck) return "of task " + std::to_string(raw(task.id)) + " nothing is said";
  if (!is_borne_out(state, task, *stuck, now)) return said_of(task, *stuck) + ", which is not so";
  if (stuck->since && *stuck->since > now) return said_of(task, *stuck) + ", since a time to come";
  const SettingKey* holds = stuck->held_by.empty() ? nullptr : setting_named(stuck->held_by);
  if (holds && holds->get(state.settings()) == SettingValue(true)) {
    return said_of(task, *stuck) + ", because of a setting that is on";
  }
  return {};
}

std::string wrong_in_command(const State& state, const Task& task) {
  const TimeUs now = state.last_time;
  const auto stuck = is_terminal(task.stage) ? std::nullopt : why_stuck(state, task, now, {});
  const Boot* daemon = state.boot_named(daemon_name);
  if (!stuck || !daemon) return {};
  const Requester requester{.boot = daemon->boot_id, .actor = "operator", .key = {}, .request = {}};
  std::optional<Group> group = typed(state, task, stuck->frees, requester);
  if (!group) return {};
  const std::string what = said_of(task, *stuck) + "; '" + stuck->frees + "'";
  if (group->empty()) return what + " names nothing that is there";
  auto copy = unpack_checkpoint(pack_checkpoint(state, {}).bytes);
  if (!copy) return "the state cannot be copied: " + copy.error().message;
  State& after = copy->state;
  const Decided decided = decide(after, std::move(*group), now);
  const auto outcome = Outcome{decided.records.back().record().stamp()->outcome()};
  if (outcome != Outcome::accepted) return what + " is refused: " + std::string(name(outcome));
  const Task* then = after.tasks.find(task.id);
  const auto now_said = then ? why_stuck(after, *then, now, {}) : std::nullopt;
  const bool is_the_same = now_said && now_said->reason == stuck->reason && now_said->detail == stuck->detail;
  return is_the_same ? what + " changes nothing" : std::string();
}

}  // namespace pawl::hostile
