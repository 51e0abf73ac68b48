// The git working copy that a command runs in.
#pragma once

#include <string>
#include <string_view>

#include "schema/result.h"

namespace pawl {

/// A repository's name by its URL: the last part of the path, without ".git". Empty if there is none.
std::string repo_name_of(std::string_view url);

/// Whether both URLs lead to the same place: they may differ only in a slash and ".git" at the end.
bool is_same_url(std::string_view one, std::string_view other);

/// The URL of the working copy's remote `origin`, which must end with a name. `missing` says what is missing: git, a
/// working copy, or origin.
Result<std::string> working_copy_origin();
/// The branch that is checked out. `missing` if there is none ("detached HEAD").
Result<std::string> working_copy_branch();

}  // namespace pawl
