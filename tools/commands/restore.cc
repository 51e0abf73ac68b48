// `pawl restore`: makes a data folder from a backup.
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

/// The tasks that wait for `pawl unblock`, and how to go about it.
std::string in_words(const State& state) {
  std::string out;
  for (const auto& [id, task] : state.tasks.rows()) {
    if (is_restored(task)) out += "  " + printable(ahead_line(state, task)) + '\n';
  }
  if (out.empty()) return "no task is live\n";
  return "these tasks are blocked as 'restored'; with each, the irreversible steps that lie ahead of it:\n" + out +
         "For each task, check whether any of them already happened in the lost part, and that nothing of the task\n"
         "still acts. Then\n"
         "  pawl resolve TASK STEP --happened  if a step of its stage has already happened\n"
         "  pawl cancel TASK                   if a step beyond its stage has: the unblock then cancels the task\n"
         "  pawl unblock TASK                  to let it go on from where it is\n";
}

void tell(const RestoreRequest& request, const RestoreReport& report, bool is_plan) {
  const State& state = report.state;
  const Ids& ids = *state.ids.find(0);
  std::string out = request.backup + " ends at record " + number(report.last) + ", of " + rfc3339(report.last_time) +
                    "; all " + std::to_string(report.proved) + " records were replayed, with the same results\n";
  if (report.torn_at) {
    out += "its tail is torn: the batch that began at record " + number(*report.torn_at) +
           " was never acknowledged, and is dropped\n";
  }
  out += request.data + (is_plan ? " would go on" : " goes on") + " at record " + number(report.next_seq) +
         ", with task " + std::to_string(raw(ids.next_task)) + " and job " + std::to_string(raw(ids.next_job)) +
         "; anything issued from record " + number(next(report.last)) + " on is lost, and no longer valid\n";
  print_for_people(out + in_words(state));
}

/// Whether the log of a backup may be read, if there is one. Reading it finds any other error.
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
  RestoreRequest request{.backup = backup, .data = data, .bump = *bump, .now = wall_clock()};
  // Its canonical name, without a trailing slash: DATA.new will be next to it.
  request.data = std::filesystem::weakly_canonical(data, ignored).lexically_normal().string();
  while (request.data.size() > 1 && request.data.back() == '/') request.data.pop_back();
  const bool is_plan = arguments.has("dry-run");
  if (const auto readable = check_readable(backup); !readable) return fail_to_read(readable.error());
  const PrivateFiles private_files;
  const auto report = is_plan ? plan_restore(request) : restore_log(request);
  if (!report) return fail(report.error());
  tell(request, *report, is_plan);
  const Result<void> is_free = is_plan ? check_free(request.data) : Result<void>();
  return is_free ? Exit::done : fail(is_free.error());
}

}  // namespace

const Command restore_command = {
    .name = "restore",
    .arguments = "BACKUP DIR",
    .summary = "Makes a data folder from a backup, in which no token issued since then is valid",
    .details =
        "BACKUP is a folder that 'pawl backup' made, or another copy of a data folder that is not in use; it is\n"
        "only read. Every record of it is proved. DIR must not exist or must be empty: you may still need the old\n"
        "folder, so move it away first. The log continues 10^9 seqs and 10^6 ids later (plus a seq for each us and\n"
        "an id for each ms since its last record), so it refuses all tokens, attempts, versions and ids that were\n"
        "issued since the backup.\n"
        "Every live task is blocked as 'restored' until 'pawl unblock' confirms that a person has checked its\n"
        "target, and that nothing from the lost part still acts. Workers register again. Idempotency keys used\n"
        "since the backup are forgotten: a request repeated with one is decided again.\n",
    .options = {{"dry-run", "", "prove the backup and say what would be done, but write nothing"},
                {"bump", "N", "skip N seqs, N task ids and N job ids instead"}},
    .positional_min = 2,
    .positional_max = 2,
    .run = run_restore};

}  // namespace pawl
