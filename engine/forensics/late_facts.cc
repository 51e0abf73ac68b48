#include "engine/forensics/late_facts.h"

#include <algorithm>

#include "schema/outcome.h"
#include "schema/subject.h"

namespace pawl {
namespace {

bool was_accepted(const fb::Record& record) {
  return record.stamp()->outcome() == static_cast<std::uint16_t>(Outcome::accepted);
}

bool could_only_be_refused(const fb::Record& record) {
  return record.stamp()->outcome() == static_cast<std::uint16_t>(Outcome::not_started);
}

bool is_in_doubt(const State& before, const fb::Record& record, const fb::StepFinished& event) {
  const Task* task = before.tasks.find(TaskId{event.task()});
  return record.stamp()->rules() >= 2 && task &&
         std::any_of(task->steps.begin(), task->steps.end(),
                     [&](const StepRow& row) { return row.started == Seq{event.started()} && row.is_in_doubt(); });
}

}  // namespace

void LateFacts::see(const State& before, const fb::Record& record) {
  if (const auto* started = record.event_as_StepStarted(); started && was_accepted(record)) {
    const Task* task = before.tasks.find(TaskId{started->task()});
    const PipelineStep* step =
        task ? before.pipeline_of(*task).step(started->to()->str(), started->step()->string_view()) : nullptr;
    if (!step || !step->irreversible) return;
    const auto token = started->token();
    starts_[Seq{record.stamp()->seq()}] = {.task = task->id,
                                           .boot = record.boot()->str(),
                                           .principal = principal_of(record),
                                           .token = token ? std::optional(*token) : std::nullopt};
  } else if (const auto* finished = record.event_as_StepFinished()) {
    see_finish(before, record, *finished);
  }
}

void LateFacts::see_finish(const State& before, const fb::Record& record, const fb::StepFinished& event) {
  const auto known = starts_.find(Seq{event.started()});
  if (known == starts_.end() || raw(known->second.task) != event.task()) return;
  Start& start = known->second;
  if (event.outcome() != fb::StepOutcome::done) {
    // While in doubt it may still happen, and a `done` is expected. An attempt that guarantees that it did nothing does
    // not end the doubt of an earlier one.
    const bool ends_doubt = event.conclusive() == true || event.by() == fb::StepBy::operator_;
    const bool stays_in_doubt = event.conclusive() == false || (!ends_doubt && is_in_doubt(before, record, event));
    if (was_accepted(record)) start.settled = stays_in_doubt ? Seq{0} : Seq{record.stamp()->seq()};
    return;
  }
  if (was_accepted(record) && start.settled == Seq{0}) {
    starts_.erase(known);
    return;
  }
  // A refused report counts only if its author can know the result.
  const bool can_know = principal_of(record) == start.principal &&
                        (record.boot()->str() == start.boot || (event.token() && *event.token() == start.token));
  if (!was_accepted(record) && !(could_only_be_refused(record) && can_know)) return;
  if (start.settled == Seq{0}) return;
  const std::string where = "task " + std::to_string(event.task()) + ": '" + event.step()->str() + "' of version " +
                            std::to_string(event.version());
  found_.push_back({.kind = Finding::Kind::violation,
                    .seq = Seq{record.stamp()->seq()},
                    .invariant = 6,
                    .what = where + ", started by record " + std::to_string(event.started()) +
                            ", was done, though record " + std::to_string(raw(start.settled)) +
                            " had settled it as not happened",
                    .task = start.task,
                    .led_by = {known->first, start.settled}});
  starts_.erase(known);  // report it only once
}

}  // namespace pawl
