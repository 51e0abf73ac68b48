// Brings a log back from a backup.
#include "store/restore.h"

#include <fcntl.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>

#include "engine/policies/ahead.h"
#include "store/os/descriptor.h"
#include "store/os/file_mask.h"
#include "tools/commands/command.h"
#include "tools/commands/output.h"
#include "tools/forensics/log_source.h"

namespace pawl {
namespace {

std::string number(Seq seq) {
  return std::to_string(raw(seq));
}

TimeUs wall_clock() {
  const auto since = std::chrono::system_clock::now().time_since_epoch();
  return {std::chrono::duration_cast<std::chrono::microseconds>(since).count()};
}

/// The tasks that wait for a word, and how it is given.
std::string in_words(const State& state) {
  std::string out;
  for (const auto& [id, task] : state.tasks.rows()) {
    if (is_restored(task)) out += "  " + printable(ahead_line(state, task)) + '\n';
  }
  if (out.empty()) return "no task is live\n";
  return "these tasks are blocked as 'restored', each with what cannot be taken back and lies ahead of it:\n" + out +
         "Of each: look whether that has happened already in what is lost, and that nothing of it still acts. Then\n"
         "  pawl resolve TASK STEP --happened  says of a step of its stage that it has\n"
         "  pawl unblock TASK                  is the word: it goes on from where it stands\n"
         "  pawl cancel TASK                   first, if a step beyond its stage has: then the word calls it off\n";
}

void tell(const RestoreOrder& order, const RestoreReport& report, bool is_plan) {
  const State& state = report.state;
  const Ids& ids = *state.ids.find(0);
  std::string out = order.backup + " ends at record " + number(report.last) + ", of " + rfc3339(report.last_time) +
                    "; all " + std::to_string(report.proved) + " records were replayed, and are as they were decided\n";
  if (report.torn_at) {
    out += "its tail is torn: what began at record " + number(*report.torn_at) +
           " was never acknowledged, and is dropped\n";
  }
  out += order.data + (is_plan ? " would go on" : " goes on") + " at record " + number(report.next_seq) +
         ", with task " + std::to_string(raw(ids.next_task)) + " and job " + std::to_string(raw(ids.next_job)) +
         "; what was given out from record " + number(next(report.last)) + " on is lost, and opens nothing\n";
  print_for_people(out + in_words(state));
}

/// Whether the log of a backup may be read, where there is one: what else is wrong with it is found by reading.
Result<void> check_readable(const std::string& backup) {
  const std::string name = backup + "/log/CURRENT";
  const Descriptor file(::open(name.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() >= 0 || errno == ENOENT) return {};
  return Error{ErrorCode::io, name + ": " + std::strerror(errno)};
}

Exit run_restore(const Arguments& arguments) {
  std::error_code ignored;
  const std::string& backup = arguments.positional()[0];
  const std::string& data = arguments.positional()[1];
  if (lies_in(data, backup) || lies_in(backup, data)) {
    return fail(Exit::usage, "restore: one of " + backup + " and " + data + " is, or lies in, the other");
  }
  const auto bump = arguments.number("bump");
  if (!bump) return fail(bump.error());
  if (*bump && **bump == 0) return fail(Exit::usage, "restore: --bump must be at least 1");
  RestoreOrder order{.backup = backup, .data = data, .bump = *bump, .now = wall_clock()};
  // Its own name, without a slash at the end: DATA.new is to stand beside it.
  order.data = std::filesystem::weakly_canonical(data, ignored).lexically_normal().string();
  while (order.data.size() > 1 && order.data.back() == '/') order.data.pop_back();
  const bool is_plan = arguments.has("dry-run");
  if (const auto readable = check_readable(backup); !readable) return fail_to_read(readable.error());
  const PrivateFiles private_files;
  const auto report = is_plan ? plan_restore(order) : restore_log(order);
  if (!report) return fail(report.error());
  tell(order, *report, is_plan);
  const Result<void> is_free = is_plan ? check_free(order.data) : Result<void>();
  return is_free ? Exit::done : fail(is_free.error());
}

}  // namespace

const Command restore_command = {
    .name = "restore",
    .arguments = "BACKUP DIR",
    .summary = "Makes a data folder from a backup, in which no token given out since is valid",
    .details =
        "BACKUP is what 'pawl backup' made, or another copy of a data folder that nobody writes to; it is only read.\n"
        "Every record of it is proved. DIR must not exist, or be empty: what is lost may still be wanted, so move it\n"
        "away first. The log goes on 10^9 seqs and 10^6 ids further (and a seq for each us and an id for each ms "
        "since\n"
        "its last record): tokens, attempts, versions and ids that were given out since the backup are refused "
        "by it.\n"
        "Every live task is blocked as 'restored' until 'pawl unblock' says that somebody has looked at its target,\n"
        "and that nothing of what is lost still acts. Workers register again. Idempotency keys that were given since\n"
        "the backup are forgotten: what is asked again with one is decided again.\n",
    .options = {{"dry-run", "", "prove the backup and say what would be done; write nothing"},
                {"bump", "N", "leave out N seqs, N task ids and N job ids instead"}},
    .positional_min = 2,
    .positional_max = 2,
    .run = run_restore};

}  // namespace pawl
