// The implementation of advance(): its state and its parts. The parts for steps are in advance_steps.cc, the others in
// advance.cc.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/policies/advance.h"
#include "engine/state/approvals.h"
#include "event_generated.h"

namespace pawl {

/// One attempt to drive a task over its forward edge.
class AdvancePath {
 public:
  AdvancePath(Machine& machine, World& world, const AdvanceRequest& request)
      : machine_(machine),
        world_(world),
        request_(request),
        asks_gate_(request.gate == AdvanceRequest::Gate::ask),
        token_(request.token) {}
  AdvanceAnswer run();

 private:
  static constexpr std::string_view moved_on = "moved_on";

  /// Finds the edge to cross; false if the task has left the version that the order names.
  bool begin();
  /// Refreshes the view of the task; false if another actor has moved it. With ownership off that does not matter (SPEC
  /// §7): the path goes on as if it were alone, and only the checks that apply() always makes can stop it.
  bool look();

  // Entry: the leases, before any heavy work.
  std::optional<AdvanceAnswer> enter();
  /// Whether the path will run a gate: two gates in one worktree would disturb each other.
  bool runs_gate() const { return asks_gate_ && stage_->gate && !stage_->gate->run.empty(); }
  bool needs_approval() const { return needed_approval(view_->task, *stage_) != nullptr; }
  struct Wanted {
    bool task;
    bool repo;
  };
  std::optional<AdvanceAnswer> take(const Wanted& wanted);
  bool has_open_step() const;
  std::optional<AdvanceAnswer> need_commands();
  fb::LeaseAcquiredT lease(const std::string& key, std::optional<std::int64_t> ttl_s) const;
  /// The token for `key`. With ownership off no lease was granted and none has to be released; the seq then serves as a
  /// token, which becomes stale as soon as ownership is switched on again (SPEC §7).
  Token hold(const std::string& key, const Decision& decision);
  AdvanceAnswer not_entered(const Decision& decision);

  // The worktree.
  /// None if the path will run nothing in a worktree.
  std::optional<TreeNeed> tree_need() const;
  /// Comes before the leases, so that none is held while an origin does not answer.
  std::optional<AdvanceAnswer> ask_origin();
  /// Also before the leases: checks that the variables of everything the path will run are available, so that no effect
  /// is started whose successor cannot follow.
  std::optional<AdvanceAnswer> need_variables();
  std::optional<AdvanceAnswer> ready_tree();
  std::optional<AdvanceAnswer> not_ready(const TreeAnswer& tree);
  /// Checks that branch and worktree are still what the gate judged. Checked until the crossing is committed; from then
  /// on nothing changes until it ends.
  std::optional<AdvanceAnswer> still_the_same();
  /// A step that was open when the path began was settled in the worktree it had started in. What follows commits the
  /// crossing, so it needs the same comparison as any other crossing.
  std::optional<AdvanceAnswer> compare_after_settling();
  AdvanceAnswer head_moved();

  // The gate.
  std::optional<AdvanceAnswer> ask_gate();

  // People's words.
  /// Goes back, or blocks, if a question is rejected or out of time. No hold keeps a task from that.
  std::optional<AdvanceAnswer> heed_people();
  /// Before anything is taken: ends the path if a question is still open for what the task is at. So one that is open
  /// for days costs neither a lease nor a record nor a run of the gate.
  std::optional<AdvanceAnswer> look_at_question();
  /// Whether the worktree is still at the commit in question. Touches nothing.
  bool is_about_this(const ApprovalRow& question, const TreeAnswer& tree) const;
  /// After the gate was green: goes on if what it judged is approved, and otherwise asks and ends the path.
  std::optional<AdvanceAnswer> need_approval();
  AdvanceAnswer ask_people(const TreeAnswer& tree);
  AdvanceAnswer turn_back(const std::string& why);

  // Steps.
  /// Settles the open step of the crossing, if any, before all others: no other step can start while it is open.
  std::optional<AdvanceAnswer> settle_open();
  /// Handles a step in doubt. Either it is started again, under the same key, or its probe runs a second time: if the
  /// step refused, if it is no longer wanted, or if it had been started before its turn.
  std::optional<AdvanceAnswer> settle_doubt();
  std::optional<AdvanceAnswer> cross(const PipelineStep& step);
  static bool vouches(const PipelineStep& step, std::int64_t code);
  /// The report on the end of a start.
  struct Said {
    fb::StepOutcome outcome = fb::StepOutcome::did_not_happen;
    fb::StepBy by = fb::StepBy::command;
    std::optional<bool> conclusive = std::nullopt;
    std::string reason = {};  // for a step that was not done: its last line
  };
  struct Settled {
    fb::StepOutcome outcome = fb::StepOutcome::did_not_happen;
    std::optional<AdvanceAnswer> refusal;
  };
  /// Finds out the result of a start whose end is not recorded (SPEC §8, re-entry). Holds the step's lock until the
  /// result is recorded.
  Settled settle(const PipelineStep& step, const StepRow& row, const std::string& reason = {});
  struct Asked {
    std::unique_ptr<StepLock> lock;  // of the step; null if it was not available, and then no probe ran
    bool gone = false;               // the start's process is proven gone
    Verdict verdict = Verdict::unknown;
  };
  /// Ends what is left of a start's process, and runs the probe while holding the step's lock. A *no* is worthless
  /// while the process may still exist.
  Asked ask_probe(const PipelineStep& step, const StepRow& row);
  enum class OnNo { failed, begin_again };
  /// After a step that did not happen or failed. If an attempt may still take effect, the probe runs a second time once
  /// the settle time is over: only that *no* releases the crossing (SPEC §8).
  std::optional<AdvanceAnswer> ask_again(const PipelineStep& step, OnNo on_no);
  std::optional<AdvanceAnswer> record_end(const PipelineStep& step, Seq started, const Said& said);
  /// After a step that did not happen or failed: rolls back, unless an irreversible step before it is done.
  AdvanceAnswer step_failed(const PipelineStep& step, const std::string& reason);

  // Ends of the path.
  /// A group that begins with `first`, ends the running job with `result`, and releases every lease.
  template <class Event>
  Group closing_group(const Event& first, fb::JobResult result);
  fb::StageTransitionT transition(const std::string& to, const std::string& reason) const;
  AdvanceAnswer finish_by(const fb::StageTransitionT& event, AdvanceResult result, std::string_view reason);
  AdvanceAnswer block(const std::string& reason);
  /// Ends the path, and applies the retry rule to the running job, if any.
  AdvanceAnswer give_back_job(AdvanceResult result, std::string_view reason);
  AdvanceAnswer refused(const Decision& decision);
  /// Releases the leases one by one: one that was reclaimed meanwhile must not prevent the release of the other.
  AdvanceAnswer end(AdvanceResult result, std::string_view reason, Awaited awaited = Awaited::nothing);
  /// Ends because of what the time may end.
  AdvanceAnswer wait(std::string_view reason, Awaited awaited, std::optional<TimeUs> until);
  AdvanceAnswer answer(AdvanceResult result, std::string_view reason) const;
  void add_job_end(Group& group, fb::JobResult result) const;
  void add_releases(Group& group) const;
  static fb::LeaseReleasedT release(const std::string& key, Token token);
  /// Whether one of the daemon's agents is running for the task, for any stage. Agents of workers have separate
  /// folders. A monitor and the reaper act on a job whose own agent has ended.
  bool is_agent_at_work() const;
  /// The running job at the version that the path leaves.
  const Job* running_job() const;
  const StepRow* journal_of(const PipelineStep& step) const;
  bool is_done(const PipelineStep& step) const;
  std::string edge() const { return stage_->name + "->" + stage_->to; }
  CommandContext context(const std::string& step) const;
  Decision tell(Group group);

  Machine& machine_;
  World& world_;
  const AdvanceRequest& request_;
  bool asks_gate_ = true;
  std::unique_ptr<PathHold> hold_;
  std::optional<TaskView> view_;
  std::shared_ptr<const Pipeline> pipeline_;
  const Stage* stage_ = nullptr;                     // of *pipeline_: the stage to leave
  std::optional<TreeNeed> need_;                     // none if nothing runs in a worktree
  TreeAnswer tree_;                                  // as seen by the gate
  std::optional<Token> token_;                       // of the task's lease
  std::optional<Token> repo_token_;                  // of the repository's
  std::vector<std::pair<std::string, Token>> held_;  // to release: key and token, in the order taken
  Seq last_seq_{};
};

}  // namespace pawl
