// Prints the captured output of a run.
#pragma once

#include <string>

#include "tools/commands/client.h"
#include "tools/commands/command.h"

namespace pawl {

enum class Following { no, yes };

/// `raw`: byte for byte, as for a file. `seen`: safe for a terminal (tools/commands/terminal_text.h).
enum class OutputForm { raw, seen };

/// The option of commands that print output.
constexpr OptionSpec raw_option = {"raw", "", "byte for byte, even on a terminal"};
/// `raw` if --raw was given or standard output is not a terminal.
OutputForm output_form(const Arguments& arguments);

/// Prints all output of one run, piece by piece, since it may be long. When following, goes on until the run ends, even
/// across a restart of the daemon. `path`: of the call, with the query that chooses the run; ends in '?' or '&'.
Exit print_output(Client& client, const std::string& path, Following following, OutputForm form);

}  // namespace pawl
