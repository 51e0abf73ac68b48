#include "tests/world/entitled.h"

#include <algorithm>

#include "schema/limits.h"
#include "schema/subject.h"

namespace pawl::hostile {
namespace {

bool is_accepted(const fb::Record& record) {
  return record.stamp()->outcome() == static_cast<std::uint16_t>(Outcome::accepted);
}

const StepRow* row_of(const State& state, TaskId id, Seq started) {
  const Task* task = state.tasks.find(id);
  if (!task) return nullptr;
  const auto row = std::find_if(task->steps.begin(), task->steps.end(),
                                [&](const StepRow& each) { return each.started == started; });
  return row == task->steps.end() ? nullptr : &*row;
}

}  // namespace

void Entitled::wrong(const fb::Record& record, const std::string& what) const {
  broken_("record " + std::to_string(record.stamp()->seq()) + " by " + principal_of(record) + " through boot " +
          record.boot()->str() + ' ' + what);
}

bool Entitled::is_the_daemons(const std::string& boot) const {
  const auto known = boots_.find(boot);
  return known != boots_.end() && known->second.first == daemon_name;
}

bool Entitled::is_of(const std::string& boot, std::string_view principal) const {
  const auto known = boots_.find(boot);
  return known != boots_.end() && known->second.first != daemon_name && known->second.second == principal;
}

bool Entitled::can_know(const fb::Record& record, const fb::StepFinished& event, const Starter& starter) const {
  const bool has_token = event.token() && *event.token() == starter.token;
  return principal_of(record) == starter.principal && (record.boot()->string_view() == starter.boot || has_token);
}

void Entitled::see(const fb::Record& record, const State& before) {
  late_facts_.see(before, record);
  if (!is_accepted(record)) return;
  // The daemon's own records are checked elsewhere.
  if (!principal_of(record).empty()) {
    check_boots(record, before);
    if (!record.stamp()->unchecked()) check_tokens(record);
    check_reports(record, before);
    check_steps(record, before);
  }
  note(record);
}

/// A record comes through the requester's own boot, or the daemon's, which holds and runs nothing for others.
void Entitled::check_boots(const fb::Record& record, const State& before) {
  const std::string principal = principal_of(record);
  const std::string boot = record.boot()->str();
  if (!is_the_daemons(boot) && !is_of(boot, principal)) wrong(record, "speaks through another party's boot");
  const fb::Owner* owner = subject_of(record).owner;
  if (owner && !is_of(owner->boot_id()->str(), principal))
    wrong(record, "names another party as the owner of what it takes");
  if (const auto* started = record.event_as_BootStarted()) {
    const Boot* earlier = before.boot_named(started->name()->str());
    if (earlier && !is_of(earlier->boot_id, principal)) {
      wrong(record, "takes over the name '" + earlier->name + "', which belongs to another party");
    }
  }
}

/// Anyone can see a lease's token, but only its holder may use it.
void Entitled::check_tokens(const fb::Record& record) {
  const std::string principal = principal_of(record);
  const auto check = [&](const flatbuffers::Optional<std::uint64_t>& token) {
    const auto holder = token ? granted_.find(*token) : granted_.end();
    if (holder != granted_.end() && holder->second != principal) {
      wrong(record, "uses the token " + std::to_string(*token) + ", whose lease is " +
                        (holder->second.empty() ? "the daemon's" : holder->second + "'s"));
    }
  };
  if (const auto* moved = record.event_as_StageTransition()) check(moved->token());
  if (const auto* blocked = record.event_as_TaskBlocked()) check(blocked->token());
  if (const auto* acquired = record.event_as_LeaseAcquired()) check(acquired->token());
  if (const auto* released = record.event_as_LeaseReleased()) check(released->token());
  if (const auto* started = record.event_as_StepStarted()) {
    check(started->token());
    check(started->repo_token());
  }
}

/// The boot that owns a run reports on it; people may take a job back.
void Entitled::check_reports(const fb::Record& record, const State& before) {
  const auto check = [&](const auto* event, bool is_fact) {
    const Job* job = event ? before.jobs.find(JobId{event->job()}) : nullptr;
    if (!job || !job->run) return;
    const bool is_owner = job->run->owner.boot_id == record.boot()->string_view();
    const bool is_peoples = !is_fact && is_the_daemons(record.boot()->str());
    if (is_peoples || (is_owner && is_of(job->run->owner.boot_id, principal_of(record)))) return;
    wrong(record, "reports on job " + std::to_string(event->job()) + " of boot " + job->run->owner.boot_id);
  };
  check(record.event_as_RunStarted(), true);
  check(record.event_as_RunExited(), true);
  check(record.event_as_ClaimRenewed(), true);
  check(record.event_as_ClaimReturned(), true);
  check(record.event_as_JobFinished(), false);
}

/// A step's result is reported by the party that started it, or by people in their own way.
void Entitled::check_steps(const fb::Record& record, const State& before) {
  if (const auto* started = record.event_as_StepStarted()) {
    if (is_the_daemons(record.boot()->str())) wrong(record, "starts a step without a boot of its own");
    const std::string run = started->run() ? started->run()->str() : std::string();
    if (run.empty()) return;
    for (const auto& [id, task] : before.tasks.rows()) {
      const auto bears = [&](const StepRow& row) { return row.run == run; };
      if (std::any_of(task.steps.begin(), task.steps.end(), bears)) {
        wrong(record, "starts a step under the run '" + run + "' of another party");
      }
    }
  }
  const auto* finished = record.event_as_StepFinished();
  if (!finished || finished->by() == fb::StepBy::operator_) return;
  if (finished->by() != fb::StepBy::command) wrong(record, "says what a probe found");
  const auto start = starts_.find(Seq{finished->started()});
  const auto other = other_starts_.find(Seq{finished->started()});
  if (start != starts_.end() && !can_know(record, *finished, start->second)) {
    wrong(record, "reports the result of a step of " + start->second.boot);
  }
  if (other != other_starts_.end() && other->second.second != principal_of(record)) {
    wrong(record, "reports the result of a step of " + other->second.first);
  }
}

void Entitled::note(const fb::Record& record) {
  const Seq seq{record.stamp()->seq()};
  if (const auto* started = record.event_as_BootStarted()) {
    boots_[started->boot_id()->str()] = {started->name()->str(), principal_of(record)};
  } else if (record.event_as_LeaseAcquired()) {
    granted_.emplace(raw(seq), principal_of(record));
  }
}

void Entitled::seen(const fb::Record& record, const Applied& applied, const State& after) {
  if (const auto* started = record.event_as_StepStarted(); started && is_accepted(record)) {
    const Seq seq{record.stamp()->seq()};
    const StepRow* row = row_of(after, TaskId{started->task()}, seq);
    const auto token = started->token();
    if (row && !row->irreversible) other_starts_[seq] = {record.boot()->str(), principal_of(record)};
    if (row && row->irreversible) {
      starts_[seq] = {.task = TaskId{started->task()},
                      .principal = principal_of(record),
                      .boot = record.boot()->str(),
                      .token = token ? std::optional(*token) : std::nullopt};
    }
  }
  if (record.event_as_StepFinished()) check_late(record, applied, after);
  if (late_ != late_facts_.findings().size()) {
    late_ = late_facts_.findings().size();
    wrong(record, "is reported wrongly by the search for late facts");
  }
}

/// If a step was settled as not happened and happens after all, that is recorded, blocks and alerts; or its task has
/// ended, and it is found in the log.
void Entitled::check_late(const fb::Record& record, const Applied& applied, const State& after) {
  const auto& event = *record.event_as_StepFinished();
  const auto known = starts_.find(Seq{event.started()});
  if (known == starts_.end() || raw(known->second.task) != event.task()) return;
  Starter& start = known->second;
  if (event.outcome() != fb::StepOutcome::done) {
    const StepRow* row = row_of(after, start.task, known->first);
    if (is_accepted(record) && row) start.is_settled = row->state != StepState::started && !row->is_in_doubt();
    return;
  }
  if (!start.is_settled || start.is_late) return;
  const Task* task = after.tasks.find(start.task);
  if (task && is_terminal(task->stage)) task = nullptr;
  if (!is_accepted(record)) {
    if (applied.outcome != Outcome::not_started || !can_know(record, event, start)) return;
    if (task) wrong(record, "says that a step has happened after all, but is not recorded");
  } else {
    const bool alerts = std::any_of(applied.effects.begin(), applied.effects.end(),
                                    [](const Effect& effect) { return effect.kind == EffectKind::alert; });
    if (task && task->blocked.empty()) wrong(record, "says that a step has happened after all, but the task goes on");
    if (!alerts) wrong(record, "says that a step has happened after all, but raises no alert");
  }
  start.is_late = true;
  ++late_;
}

void Entitled::forget() {
  *this = Entitled(std::move(broken_));
}

}  // namespace pawl::hostile
