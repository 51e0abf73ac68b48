// Prints what a run printed, as the daemon has it.
#pragma once

#include <string>

#include "tools/commands/client.h"

namespace pawl {

enum class Following { no, yes };

/// All that there is of one run; following, until it ends, also over a restart of the daemon. `path`: of the call, with
/// what chooses the run, ended by '?' or '&'. Piece by piece, for a log may be long.
Exit print_output(Client& client, const std::string& path, Following following);

}  // namespace pawl
