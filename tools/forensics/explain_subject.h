// What a story can be about.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "store/replica.h"

namespace pawl {

/// What the story is about: one of these; for a record also what about() adds.
struct StorySubject {
  std::optional<TaskId> task = {};
  std::optional<JobId> job = {};
  std::optional<Seq> seq = {};
  std::optional<std::string> work_item = {};
  std::optional<std::string> key = {};  // of a lease
  std::optional<std::string> repo = {};
  std::optional<std::string> boot = {};  // its id, or the name of several
  std::optional<std::string> setting = {};

  /// Whether tasks take part in it from their beginning to their end.
  bool is_of_tasks() const { return task || job || work_item || repo; }
  bool is_of_key() const { return key && !seq; }
};

/// "task:12", "job:7", "31" or "record:31", "repo:shop", "boot:build-2", "key:repo:shop", "setting:reaper.enabled";
/// anything else, and everything after "item:", is a work item. `malformed` if the number is missing, or if there is no
/// such setting.
Result<StorySubject> subject_of(std::string_view text);
/// The subject for one record: its seq and its task, job or lease. `state` and `archived` are those after its group.
StorySubject about(const AppliedRecord& item, const State& state, std::span<const ArchivedTask> archived);
/// A subject for people: "task 12", "work item SHOP-1".
std::string in_words(const StorySubject& subject);
/// The name of which a record introduces one that the subject might have meant: a repository, a boot, a key, a work
/// item. Empty: none.
std::string name_like(const StorySubject& subject, const fb::Record& record);

}  // namespace pawl
