// How a command line names a task: by its id, or by its work item.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tools/commands/client.h"

namespace pawl {

/// `own`, and the options that choose a task: --work-item, --repo.
std::vector<OptionSpec> with_task_options(std::vector<OptionSpec> own);

/// The task that a command line names, and the words after it.
struct NamedTask {
  std::uint64_t id = 0;
  std::vector<std::string> rest;
};

/// TASK, the first argument: an id if it is a whole number, else a work item or REPO/WORK_ITEM; or --work-item instead.
/// --repo names the repository. A live task takes precedence over finished ones, and of these the last one counts.
/// `malformed`: no task is named, there are too many words, or several repositories have that work item (the message
/// lists them); `busy`: no task has it.
Result<NamedTask> named_task(Client& client, const Arguments& arguments, std::size_t words_behind = 0);

/// The same for one word, for lists of tasks.
Result<std::uint64_t> task_of_word(Client& client, const std::string& word, const std::string& repo);

}  // namespace pawl
