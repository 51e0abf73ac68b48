// How a command line names a task: by its id, or by its work item.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tools/commands/client.h"

namespace pawl {

/// `own`, and what chooses among tasks: --work-item, --repo.
std::vector<OptionSpec> with_task_options(std::vector<OptionSpec> own);

/// The task of a command line, and the words behind it.
struct NamedTask {
  std::uint64_t id = 0;
  std::vector<std::string> rest;
};

/// TASK, the first argument: an id if it is a whole number, else a work item or REPO/WORK_ITEM; or, in its place,
/// --work-item. --repo says of which repository. A live task goes before those that have ended, and of these the last
/// one counts. `malformed`: no task is named, there are too many words, or several repositories have that work item,
/// which are then listed; `busy`: no task has it.
Result<NamedTask> named_task(Client& client, const Arguments& arguments, std::size_t words_behind = 0);

/// The same of one word, for lists of tasks.
Result<std::uint64_t> task_of_word(Client& client, const std::string& word, const std::string& repo);

}  // namespace pawl
