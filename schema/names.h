// Rules for names that can be checked from the name alone. A name is checked where it is first introduced; names that
// are already in a log are never checked again.
#pragma once

#include <string_view>

#include "schema/result.h"

namespace pawl {

/// Checks that every character of a name is visible, so that people can tell it from other names. The message of
/// `malformed` completes a sentence that begins "must not". Names that merely look alike are not detected.
Result<void> check_seen(std::string_view name);

/// Checks the name of a branch. It must be a name that git accepts (`git check-ref-format refs/heads/NAME`). It must
/// also not be `@` or `HEAD` and must not begin with '-', which `git branch` refuses, nor begin with `HEAD/`: with such
/// a branch at origin, `refs/remotes/origin/HEAD` would be a folder and nothing could be cloned from there. `malformed`
/// as above.
Result<void> check_branch_name(std::string_view name);

}  // namespace pawl
