// What a log's index must find, found the slow way: by reading the whole log and the whole archive.
#pragma once

#include <optional>
#include <string>

#include "store/log.h"
#include "store/log_index.h"

namespace pawl {

/// In what the index differs from log and archive, as far as it reaches; none: in nothing.
std::optional<std::string> difference_of(Log& log, LogIndex& index);

}  // namespace pawl
