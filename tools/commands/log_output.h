// Prints what a run printed, as the daemon has it.
#pragma once

#include <string>

#include "tools/commands/client.h"
#include "tools/commands/command.h"

namespace pawl {

enum class Following { no, yes };

/// `raw`: byte for byte, as for a file. `seen`: as a terminal may be given it (tools/commands/terminal_text.h).
enum class OutputForm { raw, seen };

/// The option of commands that print output.
constexpr OptionSpec raw_option = {"raw", "", "byte for byte, on a terminal too"};
/// `raw` where that is given, and where standard output is no terminal.
OutputForm output_form(const Arguments& arguments);

/// All that there is of one run; following, until it ends, also over a restart of the daemon. `path`: of the call, with
/// what chooses the run, ended by '?' or '&'. Piece by piece, for a log may be long.
Exit print_output(Client& client, const std::string& path, Following following, OutputForm form);

}  // namespace pawl
