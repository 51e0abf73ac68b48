// What the state is made of: plain rows. Field ids are those of the rows in schema/checkpoint.fbs, in which a
// checkpoint holds them and over which the digest is taken: visit() names each field once, and hashing, JSON,
// row-by-row comparison and checkpoints all follow it.
//
// A new field is its member and its line in visit() here, and its line in schema/checkpoint.fbs. It is a std::optional:
// one that is absent leaves no trace in a row's hash, so the logs that were written before it keep their digests.
#pragma once

#include <concepts>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "checkpoint_generated.h"
#include "engine/state/pipeline.h"
#include "schema/ids.h"
#include "schema/outcome.h"
#include "schema/time.h"

namespace pawl {

using fb::JobStatus;
using fb::StepState;

/// Who holds a lease or runs a job.
struct Owner {
  std::string boot_id;
  std::int64_t pid = 0;
  std::string actor;
  friend bool operator==(const Owner&, const Owner&) = default;
};

/// The last evaluation of a gate, as somebody reported it.
struct GateRow {
  Version version{};
  std::string gate;
  std::optional<bool> passed;  // none: the gate was in error
  std::string reason;
  Seq seq{};
  std::optional<bool> later;        // it could not tell, and asks to be asked again
  std::optional<std::string> head;  // the commit that it judged
};

/// What a gate was red for last: the same verdict on the same commit is expected again (SPEC §7).
struct RedRow {
  std::string gate;
  std::string head;
};

/// Starts of a step, oldest first.
struct Starts {
  std::vector<Seq> seqs;
};

struct LastTransition {
  Seq seq{};
  std::string boot;
  std::string actor;
};

/// One start of a step, the latest of its crossing. Kept for all crossings of a live task: `already_done` has to be
/// known also of a crossing that was left, when the kill switch is off.
struct StepRow {
  Version version{};
  std::string to;
  std::string step;
  Seq started{};
  std::string run;  // PAWL_RUN of its process
  bool irreversible = false;
  StepState state = StepState::started;
  std::string boot;  // of who started it
  /// Settled as not happened or failed, while a try of the crossing may happen yet: the target may still be at it. The
  /// crossing stays committed until a second no, or a word, ends the doubt (SPEC §8).
  std::optional<bool> in_doubt;
  std::optional<TimeUs> ended;           // when the last try in doubt was recorded as ended: its process is gone since
  std::optional<std::string> reason;     // the last line that its command printed, if it did not end well
  std::optional<Token> token;            // of the task's lease, under which it was started
  std::optional<std::string> principal;  // who is known to have started it; none: the daemon
  /// Earlier starts of an irreversible step's place, settled as not happened: one that says later that it happened all
  /// the same is still known (SPEC §8).
  std::optional<Starts> not_done;
  std::optional<Starts> late;  // those that said so

  bool is_in_doubt() const { return in_doubt.value_or(false); }
};

struct Task {
  TaskId id{};
  std::string work_item;
  std::string repo;
  std::string branch;  // empty: none
  Seq pipeline{};      // the PipelineDefined that it began with
  std::string stage;
  Version version{};
  std::string blocked;           // why; empty: it is not
  std::string cancel_requested;  // why; empty: it is not
  std::uint64_t rollbacks = 0;
  std::vector<TaskId> depends_on;
  std::vector<StepRow> steps;
  std::optional<GateRow> gate;
  LastTransition last;
  TimeUs created;
  TimeUs entered;  // when it came to its stage
  /// The last of depends_on that was cancelled before this one began. `pawl unblock` clears it.
  std::optional<TaskId> lost_dependency;
  std::optional<bool> keep_branch;         // a cancel leaves the branch at origin
  std::optional<std::string> branch_head;  // where the daemon last saw the branch at origin
  std::optional<bool> branch_begun;        // origin did not have it: the task began it
  std::optional<RedRow> red;
  std::optional<std::string> principal;  // who is known to have submitted it

  std::uint64_t hash = 0;  // of the row; kept by State, no part of it
};

/// The process of the current attempt.
struct Run {
  RunId id{};
  Owner owner;
  TimeUs claimed;
  std::optional<std::int64_t> pid;
  std::optional<std::int64_t> pid_start;
  std::optional<TimeUs> started;
  std::optional<std::int64_t> exit_code;
  std::optional<TimeUs> exited;
  bool marked = false;                // finalizer mark, SPEC §7
  std::optional<Seq> exit_seq;        // of the RunExited that counts
  std::optional<std::int64_t> ttl_s;  // of the claim, until an exit is recorded (SPEC §6)
  std::optional<TimeUs> renewed;

  /// When a claim with a ttl runs out that is not renewed; none for one that has none, or whose run has exited.
  std::optional<TimeUs> claim_end() const {
    if (!ttl_s || exit_code) return std::nullopt;
    return plus_s(renewed.value_or(claimed), *ttl_s);
  }
};

/// A process that an earlier attempt left behind on the daemon's host (SPEC §8).
struct Previous {
  std::uint64_t attempt = 0;
  std::int64_t pid = 0;
  std::int64_t pid_start = 0;
  std::string host;
  /// The process of the worker that reported it: what else of this host is not ended for its word. None in a log of
  /// before principals.
  std::optional<std::int64_t> worker_pid = std::nullopt;
  std::optional<std::int64_t> worker_pid_start = std::nullopt;
};

struct Job {
  JobId id{};
  TaskId task{};
  std::string agent;
  std::string stage;
  Version version{};
  JobStatus status = JobStatus::queued;
  std::uint64_t attempts = 0;
  std::uint64_t max_attempts = 0;
  std::uint64_t interruptions = 0;
  std::string reason;      // why it was queued, or last taken from running
  std::optional<Run> run;  // of the current attempt; none once requeued
  TimeUs queued;
  std::optional<TimeUs> not_before;       // a pause between two tries (SPEC §6)
  std::optional<Previous> previous;       // bars every claim of the task until it is gone
  std::optional<std::uint64_t> returned;  // how many of the attempts nobody heard of

  /// Attempts that count against the budget.
  std::uint64_t charged_tries() const { return attempts - interruptions - returned.value_or(0); }

  std::uint64_t hash = 0;
};

struct Lease {
  std::string key;
  Token token{};
  Owner owner;
  std::string edge;  // "from->to", or empty
  std::optional<std::int64_t> ttl_s;
  TimeUs acquired;
  TimeUs renewed;

  std::uint64_t hash = 0;
};

struct Boot {
  std::string boot_id;
  std::string name;
  std::int64_t pid = 0;
  std::int64_t pid_start = 0;
  std::string host;
  std::string version;
  Seq started{};
  bool stale = false;
  std::optional<std::string> member;  // of a daemon (store/member.h)
  // Of a daemon, by which the next one knows how much time has passed (store/commit/clock.h).
  std::optional<std::string> time_ns;
  std::optional<std::int64_t> boottime_us;
  std::optional<TimeUs> started_at;
  /// To whom it belongs, with all that it holds; none: to the daemon, or, in a log of before, to all.
  std::optional<std::string> principal;

  std::uint64_t hash = 0;
};

/// A definition, for as long as tasks may refer to it.
struct PipelineRow {
  Seq seq{};
  bool in_force = false;
  std::shared_ptr<const Pipeline> definition;  // shared with readers on other threads: never changed
  std::optional<bool> given;                   // by a file at the daemon's start; false: by somebody who asked

  std::uint64_t hash = 0;
};

/// A repository that was declared, or that the daemon's start gave once.
struct RepoRow {
  std::string repo;
  bool declared = false;             // false: it was removed since
  std::string url;                   // empty: none
  std::optional<std::string> given;  // the URL that the daemon's start gave last

  std::uint64_t hash = 0;
};

/// A setting that was ever set.
struct SettingRow {
  std::string key;
  SettingValue value;

  std::uint64_t hash = 0;
};

/// What a restore left out, because it may have been given out in what was lost: from the first on, up to before the
/// next (SPEC §5).
struct Gap {
  Seq first_seq{};
  Seq next_seq{};  // of the LogRestored
  TaskId first_task{};
  TaskId next_task{};
  JobId first_job{};
  JobId next_job{};
};

/// The restores of the log from backups, in order.
struct Restores {
  std::vector<Gap> gaps;
};

/// The counters that give out ids.
struct Ids {
  TaskId next_task{1};
  JobId next_job{1};
  RunId next_run{1};
  std::optional<Restores> restored;  // none in a log that never was

  std::uint64_t hash = 0;
};

/// What a retry with an idempotency key is answered with. Not in the digest.
struct KeyRow {
  std::string key;
  std::uint64_t request = 0;
  Seq seq{};  // that it was answered with: of the refused record, or of its last
  Outcome outcome = Outcome::accepted;
  TaskId task{};  // given out or concerned; 0 for none
  JobId job{};
  Token token{};
  std::string principal = {};  // whose key it is; empty: the daemon's, or one of before
};

/// A row that is looked at, or one that is to be filled.
template <class T, class Row>
concept RowOf = std::same_as<std::remove_const_t<T>, Row>;

template <class V>
void visit(RowOf<Owner> auto& row, V&& field) {
  field(1, "boot_id", row.boot_id);
  field(2, "pid", row.pid);
  field(3, "actor", row.actor);
}

template <class V>
void visit(RowOf<GateRow> auto& row, V&& field) {
  field(1, "version", row.version);
  field(2, "gate", row.gate);
  field(3, "passed", row.passed);
  field(4, "reason", row.reason);
  field(5, "seq", row.seq);
  field(6, "later", row.later);
  field(7, "head", row.head);
}

template <class V>
void visit(RowOf<RedRow> auto& row, V&& field) {
  field(1, "gate", row.gate);
  field(2, "head", row.head);
}

template <class V>
void visit(RowOf<Starts> auto& row, V&& field) {
  field(1, "seqs", row.seqs);
}

template <class V>
void visit(RowOf<LastTransition> auto& row, V&& field) {
  field(1, "seq", row.seq);
  field(2, "boot", row.boot);
  field(3, "actor", row.actor);
}

template <class V>
void visit(RowOf<StepRow> auto& row, V&& field) {
  field(1, "version", row.version);
  field(2, "to", row.to);
  field(3, "step", row.step);
  field(4, "started", row.started);
  field(5, "run", row.run);
  field(6, "irreversible", row.irreversible);
  field(7, "state", row.state);
  field(8, "boot", row.boot);
  field(9, "in_doubt", row.in_doubt);
  field(10, "ended_us", row.ended);
  field(11, "reason", row.reason);
  field(12, "token", row.token);
  field(13, "principal", row.principal);
  field(14, "not_done", row.not_done);
  field(15, "late", row.late);
}

template <class V>
void visit(RowOf<Task> auto& row, V&& field) {
  field(1, "id", row.id);
  field(2, "work_item", row.work_item);
  field(3, "repo", row.repo);
  field(4, "branch", row.branch);
  field(5, "pipeline", row.pipeline);
  field(6, "stage", row.stage);
  field(7, "version", row.version);
  field(8, "blocked", row.blocked);
  field(9, "cancel_requested", row.cancel_requested);
  field(10, "rollbacks", row.rollbacks);
  field(11, "depends_on", row.depends_on);
  field(12, "steps", row.steps);
  field(13, "gate", row.gate);
  field(14, "last", row.last);
  field(15, "created_us", row.created);
  field(16, "entered_us", row.entered);
  field(17, "lost_dependency", row.lost_dependency);
  field(18, "keep_branch", row.keep_branch);
  field(19, "branch_head", row.branch_head);
  field(20, "branch_begun", row.branch_begun);
  field(21, "red", row.red);
  field(22, "principal", row.principal);
}

template <class V>
void visit(RowOf<Run> auto& row, V&& field) {
  field(1, "id", row.id);
  field(2, "owner", row.owner);
  field(3, "claimed_us", row.claimed);
  field(4, "pid", row.pid);
  field(5, "pid_start", row.pid_start);
  field(6, "started_us", row.started);
  field(7, "exit_code", row.exit_code);
  field(8, "exited_us", row.exited);
  field(9, "marked", row.marked);
  field(10, "exit_seq", row.exit_seq);
  field(11, "ttl", row.ttl_s);
  field(12, "renewed_us", row.renewed);
}

template <class V>
void visit(RowOf<Previous> auto& row, V&& field) {
  field(1, "attempt", row.attempt);
  field(2, "pid", row.pid);
  field(3, "pid_start", row.pid_start);
  field(4, "host", row.host);
  field(5, "worker_pid", row.worker_pid);
  field(6, "worker_pid_start", row.worker_pid_start);
}

template <class V>
void visit(RowOf<Job> auto& row, V&& field) {
  field(1, "id", row.id);
  field(2, "task", row.task);
  field(3, "agent", row.agent);
  field(4, "stage", row.stage);
  field(5, "version", row.version);
  field(6, "status", row.status);
  field(7, "attempts", row.attempts);
  field(8, "max_attempts", row.max_attempts);
  field(9, "interruptions", row.interruptions);
  field(10, "reason", row.reason);
  field(11, "run", row.run);
  field(12, "queued_us", row.queued);
  field(13, "not_before_us", row.not_before);
  field(14, "previous", row.previous);
  field(15, "returned", row.returned);
}

template <class V>
void visit(RowOf<Lease> auto& row, V&& field) {
  field(1, "key", row.key);
  field(2, "token", row.token);
  field(3, "owner", row.owner);
  field(4, "edge", row.edge);
  field(5, "ttl", row.ttl_s);
  field(6, "acquired_us", row.acquired);
  field(7, "renewed_us", row.renewed);
}

template <class V>
void visit(RowOf<Boot> auto& row, V&& field) {
  field(1, "boot_id", row.boot_id);
  field(2, "name", row.name);
  field(3, "pid", row.pid);
  field(4, "pid_start", row.pid_start);
  field(5, "host", row.host);
  field(6, "version", row.version);
  field(7, "started", row.started);
  field(8, "stale", row.stale);
  field(9, "member", row.member);
  field(10, "time_ns", row.time_ns);
  field(11, "boottime", row.boottime_us);
  field(12, "started_us", row.started_at);
  field(13, "principal", row.principal);
}

template <class V>
void visit(RowOf<Gap> auto& row, V&& field) {
  field(1, "first_seq", row.first_seq);
  field(2, "next_seq", row.next_seq);
  field(3, "first_task", row.first_task);
  field(4, "next_task", row.next_task);
  field(5, "first_job", row.first_job);
  field(6, "next_job", row.next_job);
}

template <class V>
void visit(RowOf<Restores> auto& row, V&& field) {
  field(1, "gaps", row.gaps);
}

template <class V>
void visit(RowOf<Ids> auto& row, V&& field) {
  field(1, "next_task", row.next_task);
  field(2, "next_job", row.next_job);
  field(3, "next_run", row.next_run);
  field(4, "restored", row.restored);
}

template <class V>
void visit(RowOf<SettingRow> auto& row, V&& field) {
  field(1, "key", row.key);
  field(2, "value", row.value);
}

template <class V>
void visit(RowOf<PipelineRow> auto& row, V&& field) {
  field(1, "seq", row.seq);
  field(2, "in_force", row.in_force);
  field(3, "definition", row.definition);
  field(4, "given", row.given);
}

template <class V>
void visit(RowOf<RepoRow> auto& row, V&& field) {
  field(1, "repo", row.repo);
  field(2, "declared", row.declared);
  field(3, "url", row.url);
  field(4, "given", row.given);
}

}  // namespace pawl
