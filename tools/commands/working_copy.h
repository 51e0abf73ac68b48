// The git working copy that a command is called in.
#pragma once

#include <string>
#include <string_view>

#include "schema/result.h"

namespace pawl {

/// What a repository is called after where it is cloned from: the last part of the URL's path, without ".git". Empty if
/// there is none.
std::string repo_name_of(std::string_view url);

/// Whether both lead to one place: but for a slash and ".git" at the end they are the same.
bool is_same_url(std::string_view one, std::string_view other);

/// Where the remote `origin` of the working copy is, by a URL that ends with a name. `missing` says what is missing:
/// git, a working copy, or origin.
Result<std::string> working_copy_origin();
/// The branch that is checked out. `missing` where it is none ("detached HEAD").
Result<std::string> working_copy_branch();

}  // namespace pawl
