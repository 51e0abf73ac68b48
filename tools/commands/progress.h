// How one task moves, according to its records. Pure: records in, text out.
#pragma once

#include <boost/json/fwd.hpp>

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "schema/time.h"

namespace pawl {

/// One stay on a stage.
struct StageInterval {
  std::string stage;
  TimeUs entered;
  TimeUs left;           // zero for the last stay
  std::string activity;  // what is going on there, or how it ended
};

class Progress {
 public:
  enum class State {
    moving,
    done,
    cancelled,
    blocked,
    gate_red,  // nothing but a push or a person can make its gate green
  };

  /// The task that a job belongs to; 0 if unknown. Called at most once for each job.
  using TaskOfJob = std::function<std::uint64_t(std::uint64_t)>;

  /// For a task that begins on `stage`. add() must get every record from the one that created the task.
  Progress(std::uint64_t task, std::string stage, TaskOfJob task_of_job)
      : task_(task), first_stage_(std::move(stage)), task_of_job_(std::move(task_of_job)) {}

  /// Takes the next record of the log, of any task. Returns a complete line to show; empty if the record says nothing
  /// about this task.
  std::string add(const boost::json::object& record);

  /// Takes the task's row, since a record does not always say that it blocked the task: a last failed attempt does not.
  /// Returns a line as add() does.
  std::string see(const boost::json::object& task);

  /// Takes the first of the tasks that do not move, as the daemon lists them: a red gate of a stage without an agent
  /// stays red until the branch or something else changes. Returns a line as add() does.
  std::string see_stuck(const boost::json::object& stuck);

  State state() const { return state_; }
  /// Why it is blocked or was cancelled, or what its red gate says.
  const std::string& reason() const { return reason_; }
  TimeUs begun() const { return intervals_.empty() ? TimeUs{} : intervals_.front().entered; }
  /// The time of the last record seen, of any task.
  TimeUs last_time() const { return last_time_; }

  /// A line for each stay, the last one with its age at `now`.
  std::vector<std::string> lines(TimeUs now) const;

 private:
  bool concerns(const boost::json::object& data);
  std::string line(const std::string& text) const;
  std::string told(const boost::json::object& record, const boost::json::object& data);
  void enter(const std::string& stage, TimeUs time);

  std::uint64_t task_;
  std::string first_stage_;
  TaskOfJob task_of_job_;
  std::map<std::uint64_t, std::uint64_t> task_by_job_;  // the jobs asked for so far
  std::vector<StageInterval> intervals_;
  State state_ = State::moving;
  bool is_gate_red_ = false;  // the last result
  std::string reason_;
  TimeUs last_time_;
};

}  // namespace pawl
