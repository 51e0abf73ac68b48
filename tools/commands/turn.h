// When it is a task's turn, as options and arguments say it.
#pragma once

#include <optional>
#include <string>

#include "schema/result.h"

namespace pawl {

/// The members of a request's body, each behind a comma: `,"priority":5,"not_before":"2026-12-24T17:00:00Z"`. `now` as
/// the time clears it.
Result<std::string> turn_members(const std::optional<std::string>& priority,
                                 const std::optional<std::string>& not_before);

}  // namespace pawl
