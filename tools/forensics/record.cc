// Cuts the end of a log out, so that what happened there can be kept as a test.
#include "tools/commands/command.h"
#include "tools/forensics/log_export.h"
#include "tools/forensics/log_source.h"

namespace pawl {
namespace {

/// Nothing is printed if there is nothing to record: the file that it goes into would be no log.
Result<LogOrder> order_since(Log& log, const std::string& since) {
  const LogOrder order{.from = next(PAWL_TRY(seq_before(log, since, "SINCE"))), .to = no_end, .task = {}};
  bool is_there = false;
  PAWL_TRY(log.read(order.from, [&](RecordBytes) {
    is_there = true;
    return false;
  }));
  if (!is_there) return Error{ErrorCode::malformed, "record: the log has no record since " + since};
  return order;
}

Exit run_record(const Arguments& arguments) {
  const auto log = open_data(arguments, "record");
  if (!log) return fail_to_read(log.error());
  const auto order = order_since(**log, arguments.positional()[0]);
  if (!order) return fail_to_read(order.error());
  const auto written = write_log(**log, *order, (*log)->last_seq());
  return written ? Exit::done : fail_to_read(written.error());
}

}  // namespace

const Command record_command = {
    .name = "record",
    .arguments = "SINCE",
    .summary = "Prints the end of a log as a log of its own, which replays and checks by itself",
    .details =
        "SINCE is a seq, or a time such as 2026-06-15T10:00:00Z. What is printed is a log of its own: the state "
        "before\n"
        "the group of that record as a checkpoint, and every record from there on. It replays, it can be checked, and\n"
        "as a file in tests/incidents/ it is a test. It has what was in the log, names and notes included.\n",
    .options = with_log_options({}),
    .positional_min = 1,
    .positional_max = 1,
    .run = run_record};

}  // namespace pawl
