// What advance() is made of: its state, and its parts, which are in advance.cc and, of the steps, in advance_steps.cc.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/policies/advance.h"
#include "event_generated.h"

namespace pawl {

/// One try at driving a task over its forward edge.
class AdvancePath {
 public:
  AdvancePath(Machine& machine, World& world, const AdvanceOrder& order)
      : machine_(machine),
        world_(world),
        order_(order),
        asks_gate_(order.gate == AdvanceOrder::Gate::ask),
        token_(order.token) {}
  AdvanceAnswer run();

 private:
  static constexpr std::string_view moved_on = "moved_on";

  /// Finds the edge that is to be crossed; false if the task is no longer at the version that the order names.
  bool begin();
  /// Looks at the task anew; false if somebody has moved it on. With ownership off that is nobody's concern (SPEC §7):
  /// the path then goes on as if it were alone, and only what apply always checks stands in its way.
  bool look();

  // Entry: the leases, before any heavy work.
  std::optional<AdvanceAnswer> enter();
  /// Whether a gate is going to run for the path: two of them in one worktree would spoil each other's work.
  bool runs_gate() const { return asks_gate_ && stage_->gate && !stage_->gate->run.empty(); }
  struct Wanted {
    bool task;
    bool repo;
  };
  std::optional<AdvanceAnswer> take(const Wanted& wanted);
  bool has_open_step() const;
  std::optional<AdvanceAnswer> need_commands();
  fb::LeaseAcquiredT lease(const std::string& key, std::optional<std::int64_t> ttl_s) const;
  /// The token on `key`. With ownership switched off nothing was granted and nothing is to be released; the seq then
  /// stands for a token, which is stale as soon as ownership is switched on again (SPEC §7).
  Token hold(const std::string& key, const Decision& decision);
  AdvanceAnswer not_entered(const Decision& decision);

  // The worktree.
  /// None: nothing that runs in one is going to.
  std::optional<TreeNeed> tree_need() const;
  /// Before the leases: nothing is held while an origin does not answer.
  std::optional<AdvanceAnswer> ask_origin();
  /// Likewise while a variable of anything that is going to run cannot be had: an effect is not begun whose successor
  /// cannot follow.
  std::optional<AdvanceAnswer> need_variables();
  std::optional<AdvanceAnswer> ready_tree();
  std::optional<AdvanceAnswer> not_ready(const TreeAnswer& tree);
  /// Whether branch and worktree still are what the gate judged. Asked until the crossing is committed: from there
  /// nothing changes until it ends.
  std::optional<AdvanceAnswer> still_the_same();
  /// A step that was open when the path began was settled in what it had begun in. What follows commits the crossing:
  /// of that it is asked as for any other.
  std::optional<AdvanceAnswer> compare_after_settling();
  AdvanceAnswer head_moved();

  // The gate.
  std::optional<AdvanceAnswer> ask_gate();

  // Steps.
  /// Whichever step of the crossing is open, before any other: nothing can be started beside it.
  std::optional<AdvanceAnswer> settle_open();
  /// A step that may happen yet is started again, under the same key, or it is asked after a second time: if it
  /// refused, if nobody is to start it any more, or if it had been begun before its turn.
  std::optional<AdvanceAnswer> settle_doubt();
  std::optional<AdvanceAnswer> cross(const PipelineStep& step);
  static bool vouches(const PipelineStep& step, std::int64_t code);
  /// What is said of a start's end.
  struct Said {
    fb::StepOutcome outcome = fb::StepOutcome::did_not_happen;
    fb::StepBy by = fb::StepBy::command;
    std::optional<bool> conclusive = std::nullopt;
    std::string reason = {};  // of a step that was not done: its last line
  };
  struct Settled {
    fb::StepOutcome outcome = fb::StepOutcome::did_not_happen;
    std::optional<AdvanceAnswer> refusal;
  };
  /// Finds out what became of a start whose end is not recorded (SPEC §8, re-entry), with its lock held until that is
  /// recorded.
  Settled settle(const PipelineStep& step, const StepRow& row, const std::string& reason = {});
  struct Asked {
    std::unique_ptr<StepLock> lock;  // of the place; null: it cannot be had, and nothing was asked
    bool gone = false;               // the start's process is shown to be gone
    Verdict verdict = Verdict::unknown;
  };
  /// Ends what is left of a start, and asks the probe with the lock of its place held. A *no* is worth nothing while
  /// the process may be there yet.
  Asked ask_probe(const PipelineStep& step, const StepRow& row);
  enum class OnNo { failed, begin_again };
  /// After a step that did not happen, or failed. If a try of it may come yet, its probe is asked a second time, when
  /// its settle time is over: only that *no* lets the crossing go (SPEC §8).
  std::optional<AdvanceAnswer> ask_again(const PipelineStep& step, OnNo on_no);
  std::optional<AdvanceAnswer> record_end(const PipelineStep& step, Seq started, const Said& said);
  /// A step that did not happen, or failed: back, unless an irreversible one before it stands.
  AdvanceAnswer step_failed(const PipelineStep& step, const std::string& reason);

  // Ends of the path.
  /// A group that begins with `first`, ends the running job by `result`, and gives back every lease.
  template <class Event>
  Group closing_group(const Event& first, fb::JobResult result);
  fb::StageTransitionT transition(const std::string& to, const std::string& reason) const;
  AdvanceAnswer finish_by(const fb::StageTransitionT& event, AdvanceResult result, std::string_view reason);
  AdvanceAnswer block(const std::string& reason);
  /// Ends the path with the retry rule for the job, if one runs.
  AdvanceAnswer give_back_job(AdvanceResult result, std::string_view reason);
  AdvanceAnswer refused(const Decision& decision);
  /// Gives back the leases, one by one: one that was reclaimed meanwhile must not keep the other from its release.
  AdvanceAnswer end(AdvanceResult result, std::string_view reason, Awaited awaited = Awaited::nothing);
  AdvanceAnswer answer(AdvanceResult result, std::string_view reason) const;
  void add_job_end(Group& group, fb::JobResult result) const;
  void add_releases(Group& group) const;
  static fb::LeaseReleasedT release(const std::string& key, Token token);
  /// Of the daemon, for whatever stage: those of others have folders of their own. A monitor and the reaper come for a
  /// job whose own agent has ended.
  bool is_agent_at_work() const;
  /// The running job of the version that the path leaves.
  const Job* running_job() const;
  const StepRow* journal_of(const PipelineStep& step) const;
  bool is_done(const PipelineStep& step) const;
  std::string edge() const { return stage_->name + "->" + stage_->to; }
  CommandContext context(const std::string& step) const;
  Decision tell(Group group);

  Machine& machine_;
  World& world_;
  const AdvanceOrder& order_;
  bool asks_gate_ = true;
  std::unique_ptr<PathHold> hold_;
  std::optional<TaskView> view_;
  std::shared_ptr<const Pipeline> pipeline_;
  const Stage* stage_ = nullptr;                     // of *pipeline_: the one that is to be left
  std::optional<TreeNeed> need_;                     // none: nothing runs in a worktree
  TreeAnswer tree_;                                  // as the gate saw it
  std::optional<Token> token_;                       // of the task's lease
  std::optional<Token> repo_token_;                  // of the repository's
  std::vector<std::pair<std::string, Token>> held_;  // to be released: key and token, in the order taken
  Seq last_seq_{};
};

}  // namespace pawl
