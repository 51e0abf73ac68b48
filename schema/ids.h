// The ids that pawl assigns. Each has its own type, so a job's id cannot be mistaken for a task's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pawl {

/// Position of a record in the log. The first is 1; 0 means "before the log".
enum class Seq : std::uint64_t {};
/// A fencing token: the seq of the record that granted a lease.
enum class Token : std::uint64_t {};
enum class TaskId : std::uint64_t {};
enum class JobId : std::uint64_t {};
enum class RunId : std::uint64_t {};
/// A task's version: 1 when created; each accepted transition or cancellation adds 1.
enum class Version : std::uint64_t {};

template <class Id>
requires std::is_enum_v<Id>
constexpr std::uint64_t raw(Id id) {
  return static_cast<std::uint64_t>(id);
}

template <class Id>
requires std::is_enum_v<Id>
constexpr Id next(Id id) {
  return static_cast<Id>(raw(id) + 1);
}

/// The lease keys that the machine itself knows.
inline std::string task_key(TaskId task) {
  return "task:" + std::to_string(raw(task));
}
inline constexpr std::string_view repo_prefix = "repo:";
inline std::string repo_key(const std::string& repo) {
  return std::string(repo_prefix) + repo;
}
/// The task whose transition lease `key` names. None for any other kind of key; TaskId{0} if it begins with "task:" but
/// no number follows.
std::optional<TaskId> task_of_key(std::string_view key);

}  // namespace pawl
