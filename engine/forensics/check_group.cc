// Applies a group from a log record by record, and checks every invariant on the way.
#include <set>
#include <utility>

#include "engine/forensics/invariants.h"

namespace pawl {
namespace {

void check_change(const Transition& change, Seq last, Findings& findings) {
  check_versions(change, findings);
  check_terminal(change, findings);
  check_guarded_crossing(change, findings);
  check_jobs(change, findings);
  check_steps(change, findings);
  check_uniqueness_of_new(change, findings);
  check_refusal(change, findings);
  check_committed_crossing(change, findings);
  check_dependents(change, findings);
  check_gap(change, findings);
  check_holds(change, findings);
  check_approvals(change, findings);
  check_restore(change, last, findings);
}

/// What to check at the end of a group: only what the group changed.
struct Touched {
  std::set<TaskId> tasks;
  bool holders = false;  // a lease, a job or a boot
  bool settings = false;
};

void note_touched(const Snapshot& before, const State& after, const fb::Record& record, Touched& touched) {
  std::set<TaskId>& tasks = touched.tasks;
  const bool boots = record.event_type() == fb::Event::BootStarted || record.event_type() == fb::Event::BootEnded ||
                     record.event_type() == fb::Event::LogRestored;
  touched.holders = touched.holders || boots || !before.jobs.empty() || !before.leases.empty() ||
                    !before.new_jobs.empty() || !before.new_leases.empty();
  touched.settings = touched.settings || record.event_type() == fb::Event::SettingChanged;
  for (const auto& [id, task] : before.tasks) tasks.insert(id);
  tasks.insert(before.new_tasks.begin(), before.new_tasks.end());
  for (const auto& [id, job] : before.jobs) tasks.insert(job.task);
  for (const JobId id : before.new_jobs) {
    if (const Job* job = after.jobs.find(id)) tasks.insert(job->task);
  }
  for (const auto& [key, lease] : before.leases) tasks.insert(task_of_key(key).value_or(TaskId{0}));
}

/// Applies one record and checks the result.
Applied check_record(State& state, const fb::Record& record, Seq last, IsLastSetting is_last_setting, Touched& touched,
                     Findings& findings) {
  const std::uint64_t digest = state.digest();
  Applied applied = apply(state, record, is_last_setting);
  const Snapshot before = touched_rows(state, digest);
  state.settle();
  note_touched(before, state, record, touched);
  check_change({.before = before,
                .after = state,
                .record = record,
                .accepted = applied.outcome == Outcome::accepted,
                .unchecked = applied.unchecked},
               last, findings);
  return applied;
}

void compare(const fb::Record& record, const Applied& applied, std::uint64_t digest, Findings& findings) {
  const fb::Stamp& stamp = *record.stamp();
  const auto differs = [&](const std::string& what) {
    findings.push_back({.kind = Finding::Kind::divergence,
                        .seq = {},
                        .invariant = 0,
                        .what = "the rules compute a different " + what + " from the record's"});
  };
  if (stamp.outcome() != static_cast<std::uint16_t>(applied.outcome)) {
    differs("outcome (" + std::string(name(applied.outcome)) + ")");
  }
  if (stamp.unchecked() != applied.unchecked) differs("`unchecked` mark");
  if (stamp.digest() != digest) differs("digest");
}

/// The invariants that hold at the end of every group.
void check_end(const State& state, const Touched& touched, Findings& findings) {
  if (touched.holders) check_holders(state, findings);
  if (touched.settings) {
    check_nothing_lost(state, findings);
    return;
  }
  for (const TaskId id : touched.tasks) {
    if (const Task* task = state.tasks.find(id)) check_not_lost(state, *task, findings);
  }
}

}  // namespace

CheckedGroup check_group(State& state, std::span<const fb::Record* const> group) {
  Findings findings;
  const auto date_from = [&](std::size_t first, const fb::Record& record) {
    for (std::size_t i = first; i < findings.size(); ++i) findings[i].seq = Seq{record.stamp()->seq()};
  };

  const auto find_digest = [&](std::string what) {
    findings.push_back({.kind = Finding::Kind::violation, .seq = {}, .invariant = 8, .what = std::move(what)});
  };

  const std::uint64_t digest_before = state.digest();
  Reapplied reapplied;
  std::vector<Applied>& applied = reapplied.applied;
  std::vector<std::uint64_t> digests;
  Touched touched;
  bool refused = false;
  for (std::size_t i = 0; i < group.size() && !refused; ++i) {
    const std::size_t first = findings.size();
    const Seq last = i == 0 ? state.last_seq : Seq{group[i - 1]->stamp()->seq()};
    applied.push_back(check_record(state, *group[i], last, is_last_setting_of(group, i), touched, findings));
    refused = applied.back().outcome != Outcome::accepted;
    digests.push_back(state.digest());
    date_from(first, *group[i]);
  }
  if (refused) {
    state.undo_group();
    const std::size_t at = applied.size() - 1;
    applied.resize(group.size());
    for (std::size_t i = 0; i < group.size(); ++i) {
      if (i != at) applied[i] = Applied::skipped();
    }
    digests.assign(group.size(), digest_before);
  } else {
    state.keep_group();
  }
  state.last_seq = Seq{group.back()->stamp()->seq()};
  state.last_time = TimeUs{group.back()->stamp()->time_us()};

  for (std::size_t i = 0; i < group.size(); ++i) {
    const std::size_t first = findings.size();
    compare(*group[i], applied[i], digests[i], findings);
    if (!reapplied.divergence) reapplied.divergence = divergence_of(*group[i], applied[i], digests[i]);
    date_from(first, *group[i]);
  }
  const std::size_t first = findings.size();
  if (state.digest() != digests.back()) find_digest("a refused group changed the digest");
  check_end(state, touched, findings);
  if (!refused) reapplied.archived = state.archive_finished();
  if (state.digest() != digests.back()) find_digest("archiving changed the digest");
  date_from(first, *group.back());
  return {.findings = std::move(findings), .reapplied = std::move(reapplied)};
}

}  // namespace pawl
