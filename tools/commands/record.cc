// `pawl record`: cuts out the end of a log, so that what happened there can be kept as a test.
#include "tools/commands/command.h"
#include "tools/commands/log_arguments.h"
#include "tools/commands/log_export.h"
#include "tools/forensics/log_source.h"

namespace pawl {
namespace {

/// Prints nothing if there are no records: the output would not be a log.
Result<LogExportOptions> order_since(Log& log, const std::string& since) {
  const LogExportOptions options{.from = next(PAWL_TRY(seq_before(log, since, "SINCE"))), .to = no_end, .task = {}};
  bool is_there = false;
  PAWL_TRY(log.read(options.from, [&](RecordBytes) {
    is_there = true;
    return false;
  }));
  if (!is_there) return Error{ErrorCode::malformed, "record: the log has no record since " + since};
  return options;
}

Exit run_record(const Arguments& arguments) {
  const auto log = open_data(arguments, "record");
  if (!log) return fail_to_read(log.error());
  const auto options = order_since(**log, arguments.positional()[0]);
  if (!options) return fail_to_read(options.error());
  const auto written = write_log(**log, *options, (*log)->last_seq());
  return written ? Exit::done : fail_to_read(written.error());
}

}  // namespace

const Command record_command = {
    .name = "record",
    .arguments = "SINCE",
    .summary = "Prints the end of a log as an independent log, which can be replayed and checked on its own",
    .details =
        "SINCE is a seq, or a time such as 2026-06-15T10:00:00Z. The output is an independent log: the state\n"
        "before the group of that record as a checkpoint, and every record from there on. It can be replayed and\n"
        "checked, and as a file in tests/incidents/ it is a test. It contains what was in the log, including names\n"
        "and notes.\n",
    .options = with_log_options({}),
    .positional_min = 1,
    .positional_max = 1,
    .run = run_record};

}  // namespace pawl
