// The state's rows, as plain structs. Field ids are those of schema/checkpoint.fbs, which defines how checkpoints store
// the rows and what the digest covers. visit() names each field once; hashing, JSON, row-by-row comparison and
// checkpoints all follow it.
//
// To add a field, add its member and its line in visit() here, and its line in schema/checkpoint.fbs. Make it a
// std::optional: an absent one leaves no trace in a row's hash, so older logs keep their digests.
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

/// The last evaluation of a gate, as reported.
struct GateRow {
  Version version{};
  std::string gate;
  std::optional<bool> passed;  // none: the gate was in error
  std::string reason;
  Seq seq{};
  std::optional<bool> later;        // it could not tell yet and will be run again
  std::optional<std::string> head;  // the commit it judged
};

/// The gate that was last red, and the commit: the same commit is expected to be red again (SPEC §7).
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

/// One start of a step, the latest of its crossing. Kept for all crossings of a live task: with ownership off,
/// `already_done` must also be known for a crossing that the task has left.
struct StepRow {
  Version version{};
  std::string to;
  std::string step;
  Seq started{};
  std::string run;  // PAWL_RUN of its process
  bool irreversible = false;
  StepState state = StepState::started;
  std::string boot;  // of its starter
  /// Settled as not happened or failed, while an attempt of this crossing may still take effect: the target may still
  /// be working on it. The crossing stays committed until a second *no* or an operator resolves the doubt (SPEC §8).
  std::optional<bool> in_doubt;
  std::optional<TimeUs> ended;           // when the last attempt in doubt was recorded as ended: its process is gone
  std::optional<std::string> reason;     // the last line its command printed, if it failed
  std::optional<Token> token;            // of the task's lease when it started
  std::optional<std::string> principal;  // the authenticated starter; none: the daemon
  /// Earlier starts of the same irreversible step that were settled as not happened. They are kept so that a late
  /// report that one happened after all is still recognised (SPEC §8).
  std::optional<Starts> not_done;
  std::optional<Starts> late;  // those with such a late report

  bool is_in_doubt() const { return in_doubt.value_or(false); }
};

/// What a person said to a question for approvals.
struct SaidRow {
  std::string principal;
  std::optional<std::string> as;  // the name among those who may; none: the principal itself
  bool approved = false;
  std::string reason;
  Seq seq{};
  TimeUs said;
};

/// The question for approvals that is open at a task's version, and what was said to it (engine/state/approvals.h).
struct ApprovalRow {
  Version version{};
  std::string head;         // the commit in question; empty: the task has no worktree
  std::string origin_head;  // the branch at origin when it was asked
  Seq seq{};
  TimeUs asked;
  std::optional<TimeUs> until;
  std::vector<std::string> by;
  std::uint64_t need = 0;
  bool not_submitter = false;
  std::vector<SaidRow> said;
};

struct Task {
  TaskId id{};
  std::string work_item;
  std::string repo;
  std::string branch;  // empty: none
  Seq pipeline{};      // the PipelineDefined that the task started with
  std::string stage;
  Version version{};
  std::string blocked;           // why; empty: not blocked
  std::string cancel_requested;  // why; empty: not requested
  std::uint64_t rollbacks = 0;
  std::vector<TaskId> depends_on;
  std::vector<StepRow> steps;
  std::optional<GateRow> gate;
  LastTransition last;
  TimeUs created;
  TimeUs entered;  // when it entered its stage
  /// The last task in depends_on that was cancelled before this one started. `pawl unblock` clears it.
  std::optional<TaskId> lost_dependency;
  std::optional<bool> keep_branch;         // a cancel keeps the branch at origin
  std::optional<std::string> branch_head;  // the commit where the daemon last saw the branch at origin
  std::optional<bool> branch_begun;        // missing at origin: the task created it
  std::optional<RedRow> red;
  std::optional<std::string> principal;  // the authenticated submitter
  std::optional<Version> let_through;    // the version at which an operator lets it past what holds it
  std::optional<ApprovalRow> approval;

  std::uint64_t hash = 0;  // of the row; maintained by State, not part of the row
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
  std::optional<std::int64_t> ttl_s;  // of the claim; applies until an exit is recorded (SPEC §6)
  std::optional<TimeUs> renewed;

  /// When the claim expires unless it is renewed; none if it has no ttl or its run has exited.
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
  std::string reason;      // why it was queued or last stopped running
  std::optional<Run> run;  // the current attempt; none once requeued
  TimeUs queued;
  std::optional<TimeUs> not_before;       // end of the pause between two attempts (SPEC §6)
  std::optional<Previous> previous;       // blocks every claim for the task until it is gone
  std::optional<std::uint64_t> returned;  // attempts whose claim never reached the claimer

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
  std::optional<std::string> member;  // for a daemon (store/member.h)
  // For a daemon: lets the next one compute how much time has passed (store/commit/clock.h).
  std::optional<std::string> time_ns;
  std::optional<std::int64_t> boottime_us;
  std::optional<TimeUs> started_at;
  /// The owner of the boot and of everything it holds. None: the daemon or, in logs from before principals, everyone.
  std::optional<std::string> principal;

  std::uint64_t hash = 0;
};

/// A definition, kept for as long as tasks may refer to it.
struct PipelineRow {
  Seq seq{};
  bool in_force = false;
  std::shared_ptr<const Pipeline> definition;  // shared with readers on other threads: immutable
  std::optional<bool> given;                   // true: from a file at the daemon's start; false: by a request

  std::uint64_t hash = 0;
};

/// A repository that was declared, by a request or at the daemon's start.
struct RepoRow {
  std::string repo;
  bool declared = false;             // false: removed since
  std::string url;                   // empty: none
  std::optional<std::string> given;  // the URL last given at the daemon's start

  std::uint64_t hash = 0;
};

/// A place where nothing new starts (SPEC §4). It is over at `until`, even if no record says so.
struct HoldRow {
  std::string place;  // engine/state/holds.h
  Seq seq{};
  TimeUs since;
  std::optional<TimeUs> until;  // none: until it is lifted
  std::string reason;
  std::string boot;
  std::string actor;
  std::optional<std::string> principal;

  std::uint64_t hash = 0;
};

/// A stretch of time in which a pipeline is frozen.
struct FreezeWindow {
  TimeUs from;
  TimeUs until;
  std::string reason;
  std::vector<std::string> stages;  // empty: all
};

/// When a pipeline is frozen. Its windows are in the order of their beginnings.
struct FreezeRow {
  std::string pipeline;
  Seq seq{};
  std::vector<FreezeWindow> windows;
  TimeUs planned_until;

  std::uint64_t hash = 0;
};

/// A setting that was ever set.
struct SettingRow {
  std::string key;
  SettingValue value;

  std::uint64_t hash = 0;
};

/// The ids that a restore skipped, because they may have been used in the part of the log that was lost: from first_ up
/// to, but not including, next_ (SPEC §5).
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

/// The counters that ids are assigned from.
struct Ids {
  TaskId next_task{1};
  JobId next_job{1};
  RunId next_run{1};
  std::optional<Restores> restored;  // none in a log that was never restored

  std::uint64_t hash = 0;
};

/// The answer to a retry with an idempotency key. Not in the digest.
struct KeyRow {
  std::string key;
  std::uint64_t request = 0;
  Seq seq{};  // in the answer: of the refused record, or of the group's last
  Outcome outcome = Outcome::accepted;
  TaskId task{};  // created or concerned; 0 for none
  JobId job{};
  Token token{};
  std::string principal = {};  // the key's owner; empty: the daemon, or from before principals
};

/// A row to be read, or one to be filled in.
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
void visit(RowOf<SaidRow> auto& row, V&& field) {
  field(1, "principal", row.principal);
  field(2, "as", row.as);
  field(3, "approved", row.approved);
  field(4, "reason", row.reason);
  field(5, "seq", row.seq);
  field(6, "said_us", row.said);
}

template <class V>
void visit(RowOf<ApprovalRow> auto& row, V&& field) {
  field(1, "version", row.version);
  field(2, "head", row.head);
  field(3, "origin_head", row.origin_head);
  field(4, "seq", row.seq);
  field(5, "asked_us", row.asked);
  field(6, "until_us", row.until);
  field(7, "by", row.by);
  field(8, "need", row.need);
  field(9, "not_submitter", row.not_submitter);
  field(10, "said", row.said);
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
  field(23, "let_through", row.let_through);
  field(24, "approval", row.approval);
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

template <class V>
void visit(RowOf<HoldRow> auto& row, V&& field) {
  field(1, "place", row.place);
  field(2, "seq", row.seq);
  field(3, "since_us", row.since);
  field(4, "until_us", row.until);
  field(5, "reason", row.reason);
  field(6, "boot", row.boot);
  field(7, "actor", row.actor);
  field(8, "principal", row.principal);
}

template <class V>
void visit(RowOf<FreezeWindow> auto& row, V&& field) {
  field(1, "from", row.from);
  field(2, "until", row.until);
  field(3, "reason", row.reason);
  field(4, "stages", row.stages);
}

template <class V>
void visit(RowOf<FreezeRow> auto& row, V&& field) {
  field(1, "pipeline", row.pipeline);
  field(2, "seq", row.seq);
  field(3, "windows", row.windows);
  field(4, "planned_until_us", row.planned_until);
}

}  // namespace pawl
