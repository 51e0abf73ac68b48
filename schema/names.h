// What may be called how: what can be told from the name alone, where it is first said. Names that a log has already
// are never checked again.
#pragma once

#include <string_view>

#include "schema/result.h"

namespace pawl {

/// Whether people see all of a name, so that they can tell it from others. `malformed` says what it must not have, to
/// stand behind "must not". Names that merely look alike are not told apart.
Result<void> check_seen(std::string_view name);

/// The name of a branch: what git takes (`git check-ref-format refs/heads/NAME`), and besides not `@`, not `HEAD`, and
/// nothing that begins with '-', as `git branch` refuses them; nor what begins with `HEAD/`: with such a branch at
/// origin nothing can be cloned from there, `refs/remotes/origin/HEAD` being a folder then. `malformed` as above.
Result<void> check_branch_name(std::string_view name);

}  // namespace pawl
