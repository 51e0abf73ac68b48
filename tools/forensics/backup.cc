// Copies a data folder.
#include "store/rocks_log.h"
#include "tools/commands/command.h"
#include "tools/commands/output.h"
#include "tools/forensics/log_source.h"

namespace pawl {
namespace {

Exit run_backup(const Arguments& arguments) {
  const std::string& from = arguments.positional()[0];
  const std::string& to = arguments.positional()[1];
  if (lies_in(to, from)) return fail(Exit::usage, "backup: " + to + " is, or lies in, the data folder that is read");
  const auto log = RocksLog::open(from, RocksLog::Mode::read_only);
  if (!log) return fail(log.error());
  const auto made = (*log)->backup(to);
  if (!made) return fail(made.error());
  print("all up to record " + std::to_string(raw((*log)->last_seq())) + " is in " + to + '\n');
  return Exit::done;
}

}  // namespace

const Command backup_command = {
    .name = "backup",
    .arguments = "DIR TO",
    .summary = "Makes a data folder of its own from another, hard-linked where that is possible",
    .details = "TO must not exist. DIR may be one that a daemon has open: the copy holds all that was durable.\n",
    .options = {},
    .positional_min = 2,
    .positional_max = 2,
    .run = run_backup};

}  // namespace pawl
