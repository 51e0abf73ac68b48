#include "tools/commands/progress.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <algorithm>
#include <utility>

#include "tools/commands/output.h"

namespace pawl {
namespace {

namespace json = boost::json;

std::string text_of(const json::object& object, const char* name) {
  const json::value* found = object.if_contains(name);
  return found && found->is_string() ? printable(found->get_string()) : "";
}

std::uint64_t number_of(const json::object& object, const char* name) {
  const json::value* found = object.if_contains(name);
  return found && found->is_int64() && found->get_int64() > 0 ? static_cast<std::uint64_t>(found->get_int64()) : 0;
}

TimeUs time_of(const json::object& record) {
  const auto time = parse_rfc3339(text_of(record, "time"));
  return time ? *time : TimeUs{};
}

std::string with(const std::string& text, const std::string& reason) {
  return reason.empty() ? text : text + " (" + reason + ")";
}

}  // namespace

bool Progress::concerns(const json::object& data) {
  if (const std::uint64_t task = number_of(data, "task"); task != 0) return task == task_;
  const std::uint64_t job = number_of(data, "job");
  if (job == 0) return false;
  auto known = task_by_job_.find(job);
  if (known == task_by_job_.end()) known = task_by_job_.emplace(job, task_of_job_(job)).first;
  return known->second == task_;
}

void Progress::enter(const std::string& stage, TimeUs time) {
  if (!intervals_.empty()) intervals_.back().left = time;
  intervals_.push_back({stage, time, {}, {}});
}

std::string Progress::add(const json::object& record) {
  last_time_ = time_of(record);
  const json::value* data = record.if_contains("data");
  if (text_of(record, "outcome") != "accepted" || !data || !data->is_object()) return "";
  // The first record is the one that created the task; it does not know its id yet.
  if (!intervals_.empty() && !concerns(data->get_object())) return "";
  return line(told(record, data->get_object()));
}

std::string Progress::see(const json::object& task) {
  const std::string blocked = text_of(task, "blocked");
  if (blocked.empty() || state_ != State::moving || number_of(task, "id") != task_) return "";
  state_ = State::blocked;
  reason_ = blocked;
  if (!intervals_.empty()) intervals_.back().activity = "blocked: " + blocked;
  return line("blocked: " + blocked);
}

std::string Progress::see_stuck(const json::object& stuck) {
  // A gate that is in error, or asks to be run again, is run again.
  if (!is_gate_red_ || state_ != State::moving || number_of(stuck, "task") != task_) return "";
  if (text_of(stuck, "reason") != "gate_red") return "";
  state_ = State::gate_red;
  reason_ = text_of(stuck, "detail");
  return line("waits: " + reason_);
}

std::string Progress::line(const std::string& text) const {
  if (text.empty()) return "";
  const std::int64_t age_us = intervals_.empty() ? 0 : last_time_.us - begun().us;
  std::string out = duration(std::max<std::int64_t>(age_us, 0));
  out.insert(0, out.size() < 12 ? 12 - out.size() : 0, ' ');
  return out + "  " + text + '\n';
}

std::string Progress::told(const json::object& record, const json::object& data) {
  const std::string type = text_of(record, "type");
  const std::string reason = text_of(data, "reason");
  const auto now_doing = [&](const std::string& activity) {
    if (!intervals_.empty()) intervals_.back().activity = activity;
    return (intervals_.empty() ? "" : intervals_.back().stage + ": ") + activity;
  };
  if (type == "TaskCreated") {
    if (!intervals_.empty()) return "";
    enter(first_stage_, last_time_);
    return "created, on " + first_stage_;
  }
  if (type == "StageTransition") {
    const std::string from = intervals_.empty() ? "?" : intervals_.back().stage;
    const std::string to = text_of(data, "to");
    const bool is_again = std::any_of(intervals_.begin(), intervals_.end(),
                                      [&](const StageInterval& interval) { return interval.stage == to; });
    if (!intervals_.empty()) intervals_.back().activity = is_again ? with("rolled back to " + to, reason) : "passed";
    enter(to, last_time_);
    if (to == "done") state_ = State::done;
    return from + " -> " + (is_again ? with(to, reason) : to);
  }
  if (type == "TaskCancelled") {
    state_ = State::cancelled;
    enter("cancelled", last_time_);
    return "cancelled";
  }
  if (type == "JobClaimed") return now_doing("agent runs");
  if (type == "RunExited") {
    const std::string code = cell(data.at("exit_code"));
    return now_doing(code == "0" ? "agent ended" : "agent ended with exit code " + code);
  }
  if (type == "JobFinished" || type == "JobReaped") {
    const std::string result = text_of(data, type == "JobFinished" ? "result" : "outcome");
    if (result == "done") return "";  // the transition in the same group says so
    return now_doing(with(type == "JobReaped" ? "run reaped: " + result : "job: " + result, reason));
  }
  if (type == "JobQueued") return now_doing(with("queued again", reason));
  if (type == "GateEvaluated") {
    const json::value* passed = data.if_contains("passed");
    is_gate_red_ = passed && passed->is_bool() && !passed->get_bool();
    if (!passed || passed->is_null()) return now_doing(with("gate in error", reason));
    return now_doing(passed->is_bool() && passed->get_bool() ? "gate green" : with("gate red", reason));
  }
  if (type == "StepStarted") return now_doing(text_of(data, "step") + " runs");
  if (type == "StepFinished") {
    std::string outcome = text_of(data, "outcome");
    std::replace(outcome.begin(), outcome.end(), '_', ' ');
    return now_doing(text_of(data, "step") + " " + outcome);
  }
  if (type == "TaskBlocked") {
    state_ = State::blocked;
    reason_ = reason;
    return now_doing("blocked: " + reason);
  }
  if (type == "TaskUnblocked") {
    state_ = State::moving;
    return now_doing(with("unblocked", reason));
  }
  if (type == "CancelRequested") return now_doing(with("cancel requested", reason));
  return "";
}

std::vector<std::string> Progress::lines(TimeUs now) const {
  std::size_t width = 0;
  for (const StageInterval& interval : intervals_) width = std::max(width, interval.stage.size());
  std::vector<std::string> out;
  for (const StageInterval& interval : intervals_) {
    const bool is_last = &interval == &intervals_.back();
    const bool is_terminal = is_last && (state_ == State::done || state_ == State::cancelled);
    std::string line = "  " + interval.stage;
    line.resize(width + 4, ' ');
    const std::string age =
        is_terminal ? ""
                    : duration(std::max<std::int64_t>((is_last ? now : interval.left).us - interval.entered.us, 0));
    line.append(age.size() < 12 ? 12 - age.size() : 0, ' ');
    line += age + "  " + (is_terminal ? "" : interval.activity);
    line.erase(line.find_last_not_of(' ') + 1);
    out.push_back(line);
  }
  return out;
}

}  // namespace pawl
