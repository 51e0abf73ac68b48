// Causes that were brought in from outside: a new definition of a pipeline, or a worker, since which nearly all
// attempts fail.
#include <algorithm>

#include "engine/forensics/causes.h"

namespace pawl {
namespace {

/// 128 + SIGKILL and 128 + SIGTERM: another party ended the process.
constexpr std::int64_t exit_killed = 137;
constexpr std::int64_t exit_terminated = 143;

/// Whether so many failures in a row are more than chance, if others fail as often as given: fewer than 1 in 50 such
/// rows.
bool is_no_accident(std::int64_t failures, std::int64_t others_failed, std::int64_t others_done) {
  constexpr std::int64_t parts = 1'000'000;
  std::int64_t chance = parts;
  for (std::int64_t i = 0; i < failures && chance > 0; ++i) {
    chance = chance * (others_failed + 1) / (others_failed + others_done + 2);
  }
  return chance < parts / 50;
}

}  // namespace

std::string host_name(const BootTerm& boot) {
  return boot.host.substr(0, boot.host.find(' '));
}

bool was_killed(const AttemptTerm& attempt) {
  return attempt.exited && (attempt.exit_code == exit_killed || attempt.exit_code == exit_terminated);
}

bool failed_itself(const AttemptTerm& attempt) {
  if (attempt.end == AttemptTerm::End::retried || attempt.end == AttemptTerm::End::failed) {
    return attempt.ended_by_owner && !was_killed(attempt);
  }
  return false;
}

void Causes::count_attempts() {
  for (const auto& [id, task] : history_.tasks()) rates_.add(task);
}

Causes::Rate Causes::rate_of_boot(const std::string& id) const {
  const auto found = rates_.of_boot.find(id);
  return found == rates_.of_boot.end() ? Rate() : found->second;
}

/// The first of the boots of its name, without a good one between, that fail at nearly all they claim; null if it does
/// not itself. One that has barely begun counts if the boot before it fails so.
const BootTerm* Causes::first_bad_boot(const std::string& id) const {
  const BootTerm* boot = history_.boot(id);
  if (!boot) return nullptr;
  const std::vector<std::string>& ids = history_.boots_named(boot->name);
  const auto is_bad = [&](std::ptrdiff_t at) {
    return at >= 0 && rate_of_boot(ids[static_cast<std::size_t>(at)]).is_bad();
  };
  auto at = std::find(ids.begin(), ids.end(), id) - ids.begin();
  const Rate its = rate_of_boot(id);
  const bool goes_on = its.failed > 0 && its.done == 0 && is_bad(at - 1);
  if (!is_bad(at) && !goes_on) return nullptr;
  while (is_bad(at - 1)) --at;
  return history_.boot(ids[static_cast<std::size_t>(at)]);
}

/// What the job's own agents and gates fail by may have been brought in from outside: a definition of the pipeline, or
/// a worker, since which nearly all attempts fail that went well before.
Cause Causes::of_change(const TaskTerm& task, const std::vector<const AttemptTerm*>& of_job) const {
  const auto rate_of = [](const auto& rates, const auto& key) {
    const auto found = rates.find(key);
    return found == rates.end() ? Rate() : found->second;
  };
  const Rate now = rate_of(rates_.of_pipeline, task.pipeline);
  for (const auto& [name, terms] : history_.pipelines()) {
    for (std::size_t i = 1; i < terms.size(); ++i) {
      if (terms[i].at.seq != task.pipeline) continue;
      const Rate before = rate_of(rates_.of_pipeline, terms[i - 1].at.seq);
      if (!now.is_bad() || !before.is_good()) continue;
      return {.at = terms[i].at,
              .words = "pipeline '" + name + "' was redefined by " + terms[i].actor + "; since then " + in_words(now) +
                       " failed, before it " + in_words(before)};
    }
  }
  for (const AttemptTerm* attempt : of_job) {
    const BootTerm* boot = first_bad_boot(attempt->owner.boot_id);
    if (!boot || boot->is_daemon) continue;
    Rate its;
    Rate others = now;
    for (const std::string& id : history_.boots_named(boot->name)) {
      const BootTerm& each = *history_.boot(id);
      if (each.started.seq < boot->started.seq || each.started.seq > attempt->claimed.seq) continue;
      its.failed += rate_of_boot(id).failed;
      its.done += rate_of_boot(id).done;
      its.tasks += rate_of_boot(id).tasks;
      const Rate both = rate_of(rates_.of_both, std::pair(task.pipeline, id));
      others.failed -= both.failed;
      others.done -= both.done;
    }
    // What fails at one task only may be the task's own fault.
    const bool is_its = its.tasks > 1 && is_no_accident(its.failed - its.done, others.failed, others.done);
    if (!is_its || others.failed > others.done) continue;
    return {.at = boot->started,
            .words = "from here on '" + boot->name + "' on " + host_name(*boot) + " fails at what it claims: " +
                     in_words(its) + " failed, of others' on the same pipeline " + in_words(others)};
  }
  return {.at = {}, .words = ""};
}

std::string Causes::in_words(const Rate& rate) {
  return std::to_string(rate.failed) + " of " + std::to_string(rate.failed + rate.done) + " attempts";
}

}  // namespace pawl
