// Plays a script in virtual time.
#include <filesystem>

#include "store/log.h"
#include "store/os/file_mask.h"
#include "tools/commands/command.h"
#include "tools/commands/output.h"
#include "tools/simulation/simulation.h"

namespace pawl {
namespace {

/// Creates the log of a new or empty folder.
Result<std::unique_ptr<Log>> fresh_log(const std::string& dir) {
  std::error_code failed;
  const bool is_there = std::filesystem::exists(dir, failed);
  if (is_there && !(std::filesystem::is_directory(dir, failed) && std::filesystem::is_empty(dir, failed))) {
    return Error{ErrorCode::malformed, dir + " is not empty: a simulation starts a new log"};
  }
  return open_log(dir, LogMode::write);
}

Exit run_simulate(const Arguments& arguments) {
  const std::string& path = arguments.positional()[0];
  std::error_code failed;
  if (path != "-" && std::filesystem::is_directory(path, failed))
    return fail(Exit::usage, path + " is not a script: it is a folder");
  const auto script = read_script(path);
  if (!script) return fail_to_read(script.error());
  const PrivateFiles private_files;
  std::unique_ptr<Log> log;
  if (const auto dir = arguments.value("data")) {
    auto opened = fresh_log(*dir);
    if (!opened) return fail(opened.error());
    log = std::move(*opened);
  }
  Simulation simulation(
      [](std::string_view line) {
        print(line);
        print("\n");
      },
      log.get());
  for (const ScriptLine& line : *script) {
    const std::string where = (path == "-" ? "standard input" : path) + ", line " + std::to_string(line.number) + ": ";
    const auto missed = simulation.play(line);
    if (!missed) return fail(Error{missed.error().code, where + missed.error().message});
    if (*missed) return fail(Exit::refused, where + **missed);
  }
  if (log) {
    const Result<void> sealed = log->seal();
    if (!sealed) return fail(sealed.error());
  }
  return Exit::done;
}

}  // namespace

const Command simulate_command = {
    .name = "simulate",
    .arguments = "SCRIPT",
    .summary = "Runs a script in virtual time: the real engine, policies and recovery in a simulated world",
    .details =
        "SCRIPT is a file of JSON lines, or '-' for standard input. Each record is printed as 'pawl export log' does.\n"
        "Exit 1 at the first expectation that is not met, 2 if the script is malformed: all of it is read before any\n"
        "of it is played.\n",
    .options = {{"data", "DIR", "also write the log into a data folder, which must be new or empty"}},
    .positional_min = 1,
    .positional_max = 1,
    .run = run_simulate};

}  // namespace pawl
