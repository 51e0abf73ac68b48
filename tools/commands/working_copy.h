// The git working copy that a command is called in.
#pragma once

#include <string>
#include <string_view>

#include "schema/result.h"

namespace pawl {

/// What a repository is called after where it is cloned from: the last part of the URL's path, without ".git". Empty if
/// there is none.
std::string repo_name_of(std::string_view url);

/// The same for the remote `origin` of the working copy. `missing` says what is missing: git, a working copy, or
/// origin.
Result<std::string> working_copy_repo();
/// The branch that is checked out. `missing` where it is none ("detached HEAD").
Result<std::string> working_copy_branch();

}  // namespace pawl
