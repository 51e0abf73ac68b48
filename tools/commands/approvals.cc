// `pawl approve` and `pawl reject`: a person's answer to the question that a gate asks.
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <utility>

#include "schema/json/json_text.h"
#include "tools/commands/answers.h"
#include "tools/commands/named_task.h"
#include "tools/commands/output.h"

namespace pawl {
namespace {

namespace json = boost::json;

/// What is to be answered: what the command line says was looked at, or the question as it is now.
struct Looked {
  std::string version;
  std::string head;  // empty: none
};

Result<Looked> looked_at(Client& client, std::uint64_t task, const Arguments& arguments) {
  const json::value answer = PAWL_TRY(call(client, {.method = "GET", .path = "/v1/tasks/" + std::to_string(task)}));
  const json::value& row = part_of(answer, "task");
  const json::value& question = part_of(row, "approval");
  if (!question.is_object() || question.get_object().empty() || cell(question, "version") == "-") {
    return Error{ErrorCode::busy, "no approval is asked for: " + task_line(row)};
  }
  Looked looked{.version = cell(question, "version"), .head = cell(question, "head")};
  if (looked.head == "-") looked.head.clear();
  if (const auto version = arguments.value("version")) {
    PAWL_TRY(read_number(*version, "--version"));
    looked.version = *version;
  }
  if (const auto head = arguments.value("head")) {
    // The beginning of the commit in question is as good as all of it; anything else is another commit.
    const bool is_beginning = head->size() >= 7 && looked.head.starts_with(*head);
    if (!is_beginning) looked.head = *head;
  }
  return looked;
}

Exit answer(const Arguments& arguments, bool approves) {
  const std::string name = approves ? "approve" : "reject";
  if (!approves && arguments.value_or("reason", "").empty()) {
    return fail(Exit::usage, "reject: give --reason: those whose work it is need it to go on");
  }
  auto caller = caller_of(arguments);
  if (!caller) return fail(caller.error());
  const auto task = named_task(caller->client, arguments);
  if (!task) return fail(task.error());
  const auto looked = looked_at(caller->client, task->id, arguments);
  if (!looked) return fail(looked.error());
  std::string body = "{\"version\":" + looked->version + ",\"approved\":" + (approves ? "true" : "false");
  if (!looked->head.empty()) {
    body += ",\"head\":";
    append_json_text(body, looked->head);
  }
  if (const auto reason = arguments.value("reason")) {
    body += ",\"reason\":";
    append_json_text(body, *reason);
  }
  return run_call(
      arguments, {.method = "POST", .path = "/v1/tasks/" + std::to_string(task->id) + "/approval", .body = body + '}'},
      [&](const json::value& given) {
        return std::string(approves ? "approved" : "rejected") + ", seq " + cell(given, "seq") + ": version " +
               looked->version + (looked->head.empty() ? "" : " at " + printable(looked->head)) + " of " +
               task_line(part_of(given, "task")) + '\n';
      });
}

Exit run_approve(const Arguments& arguments) {
  return answer(arguments, true);
}
Exit run_reject(const Arguments& arguments) {
  return answer(arguments, false);
}

std::vector<OptionSpec> with_answer_options(const char* reason) {
  return with_task_options({{"reason", "TEXT", reason},
                            {"version", "N", "the task's version that you looked at; without it, the one it is at"},
                            {"head", "COMMIT", "the commit that you looked at; without it, the one in question"}});
}

}  // namespace

const Command approve_command = {
    .name = "approve",
    .arguments = "TASK",
    .summary = "Approves what a gate asks people about",
    .details =
        "The answer counts for one version of the task and one commit, the ones in question: another commit is asked\n"
        "about again. With --version and --head it is refused if the task has moved on since you looked at it.\n",
    .options = with_answer_options("why, for the record"),
    .positional_max = 1,
    .run = run_approve};

const Command reject_command = {
    .name = "reject",
    .arguments = "TASK --reason TEXT",
    .summary = "Rejects what a gate asks people about",
    .details = "The task is rolled back where its stage can be, and else blocked. One rejection is enough.\n",
    .options = with_answer_options("why: those whose work it is need it to go on"),
    .positional_max = 1,
    .run = run_reject};

}  // namespace pawl
