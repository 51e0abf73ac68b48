// The names of the files below DIR/logs, unique to each run. `job-3-1.log` is an agent's; all others are in their
// task's folder: `task-7/v5~testing~gate~20260615T100000.123456Z.log`.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "schema/ids.h"
#include "schema/time.h"

namespace pawl {

enum class LogOf { agent, gate, step, probe };
std::string_view name(LogOf what);

/// A run of a task that does not belong to a job.
struct LogName {
  LogOf what = LogOf::gate;
  TaskId task{};
  Version version{};
  std::string stage;
  std::string step;  // empty for gates
  TimeUs began_at;

  bool operator==(const LogName&) const = default;
};

/// Relative to DIR/logs.
std::string path_of(const LogName& name);
std::string path_of_job_log(JobId job, std::uint64_t attempt);
std::string log_folder_of(TaskId task);

/// The run that a file in that folder is named after; none if it is not a log.
std::optional<LogName> read_log_name(TaskId task, std::string_view file);

/// The job or task that an entry of DIR/logs belongs to: a job's log or its parts, or a task's folder.
struct LogOwner {
  std::optional<JobId> job = std::nullopt;
  std::optional<TaskId> task = std::nullopt;
};
LogOwner owner_of_log(std::string_view entry);

}  // namespace pawl
