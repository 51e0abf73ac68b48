// `pawl backup`: copies a data folder.
#include "store/open.h"
#include "store/os/file_mask.h"
#include "store/rocks_log.h"
#include "tools/commands/command.h"
#include "tools/commands/log_arguments.h"
#include "tools/commands/output.h"
#include "tools/forensics/log_source.h"

namespace pawl {
namespace {

/// Opens the copy and proves the records since its newest checkpoint.
Result<void> prove(const std::string& copy) {
  const std::unique_ptr<Log> log = PAWL_TRY(open_log(copy, LogMode::read_only));
  PAWL_TRY(open_state(*log));
  return {};
}

Exit run_backup(const Arguments& arguments) {
  const auto& words = arguments.positional();
  const auto named = log_named(words.size() < 2 ? std::nullopt : std::optional(words[0]), arguments, "backup");
  if (!named) return fail(named.error());
  const std::string& from = *named;
  const std::string& to = words.back();
  if (lies_in(to, from)) return fail(Exit::usage, "backup: " + to + " is, or lies in, the data folder that is read");
  const PrivateFiles private_files;
  const auto log = RocksLog::open(from, RocksLog::Mode::read_only);
  if (!log) return fail_to_read(log.error());
  const auto made = (*log)->backup(to);
  if (!made) return fail(made.error());
  const auto proved = prove(to);
  if (!proved) {
    return fail(
        Error{proved.error().code, to + " was made, but a daemon cannot start from it: " + proved.error().message});
  }
  print_for_people("copied everything up to record " + std::to_string(raw((*log)->last_seq())) + " to " + to + '\n');
  return Exit::done;
}

}  // namespace

const Command backup_command = {
    .name = "backup",
    .arguments = "[DIR] TO",
    .summary = "Copies a data folder, even one in use; hard-links files where possible",
    .details =
        "TO must not exist. A daemon may have DIR (PAWL_DATA) open: the copy holds everything that was durable. The\n"
        "copy is opened as pawld would open it, so its newest records are verified; exit 2 if pawld would refuse it.\n",
    .options = with_log_options({}),
    .positional_min = 1,
    .positional_max = 2,
    .run = run_backup};

}  // namespace pawl
