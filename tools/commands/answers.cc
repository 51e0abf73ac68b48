#include "tools/commands/answers.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include <algorithm>
#include <utility>

#include "schema/json/json_text.h"
#include "schema/json/read_json.h"
#include "schema/outcome.h"
#include "tools/commands/output.h"

namespace pawl {
namespace {

namespace json = boost::json;

std::string text_at(const json::value& object, const char* name) {
  const json::value* found = object.is_object() ? object.get_object().if_contains(name) : nullptr;
  return found && found->is_string() ? printable(found->get_string()) : "";
}

/// A short description of what a refusal concerns.
std::string about(const json::value& current) {
  if (!current.is_object()) return "";
  const json::object& row = current.get_object();
  if (row.contains("stage") && row.contains("version")) {
    std::string out = "; currently " + task_line(current);
    if (row.contains("last") && row.at("last").is_object()) {
      out += ", since seq " + cell(current, "last.seq") + " by " + cell(current, "last.actor");
    }
    return out;
  }
  if (row.contains("owner")) {
    return "; " + cell(current, "key") + " is held by " + cell(current, "owner.actor") + ", pid " +
           cell(current, "owner.pid") + " of boot " + cell(current, "owner.boot_id") + ", since " +
           cell(current, "acquired_at");
  }
  return "";
}

/// The `error` of a refusal; null if the answer is not a refusal, or cannot be read.
json::value error_in(const Answer& answer) {
  if (answer.is_success()) return nullptr;
  const auto body = parse_json(answer.body);
  const json::value* error = body && body->is_object() ? body->get_object().if_contains("error") : nullptr;
  return error ? *error : json::value();
}

Error refusal_of(const Answer& answer) {
  const ErrorCode code = answer.status == 400 || answer.status == 413 ? ErrorCode::malformed : ErrorCode::busy;
  const auto body = parse_json(answer.body);
  const json::value* error = body && body->is_object() ? body->get_object().if_contains("error") : nullptr;
  if (!error || !error->is_object())
    return {code, "the daemon answered with HTTP status " + std::to_string(answer.status)};
  const json::value* current = error->get_object().if_contains("current");
  std::string message = text_at(*error, "code");
  if (const std::string sentence = text_at(*error, "message"); !sentence.empty()) message += ": " + sentence;
  if (current) message += about(*current);
  // Retrying is the first thing that comes to mind when a gate is red.
  if (current && text_at(*error, "code") == name(Outcome::no_agent)) {
    message += "; to run its gate again: pawl advance " + cell(*current, "id");
  }
  return {code, message};
}

}  // namespace

Result<json::value> body_of(const Answer& answer) {
  if (!answer.is_success()) return refusal_of(answer);
  if (answer.body.empty()) return json::value();
  auto body = parse_json(answer.body);
  if (!body) return Error{ErrorCode::io, "the daemon's answer cannot be read " + body.error().message};
  return body;
}

std::string refusal_code(const Answer& answer) {
  const json::value error = error_in(answer);
  return error.is_null() ? "" : text_at(error, "code");
}

json::value refusal_row(const Answer& answer) {
  const json::value error = error_in(answer);
  const json::value* row = error.is_object() ? error.get_object().if_contains("current") : nullptr;
  return row ? *row : json::value();
}

Result<json::value> call(Client& client, const Request& request) {
  const Answer answer = PAWL_TRY(client.send(request));
  return body_of(answer);
}

Result<json::array> call_list(Client& client, const std::string& path,
                              const std::function<void(const json::object&)>& note) {
  json::array all;
  std::string after;
  while (true) {
    const std::string page =
        after.empty() ? path : path + (path.find('?') == std::string::npos ? "?" : "&") + "after=" + after;
    json::value body = PAWL_TRY(call(client, {.method = "GET", .path = page}));
    if (!body.is_object() || !body.get_object().contains("items") || !body.at("items").is_array()) {
      return Error{ErrorCode::io, "the daemon's answer to " + path + " is not a list"};
    }
    if (note) note(body.get_object());
    for (json::value& item : body.at("items").get_array()) all.push_back(std::move(item));
    const json::value* next = body.get_object().if_contains("next");
    if (!next || next->is_null()) return all;
    std::string following =
        percent_encoded(next->is_string() ? std::string(next->get_string()) : json::serialize(*next));
    if (following == after) return Error{ErrorCode::io, "the daemon's list " + path + " does not end"};
    after = std::move(following);
  }
}

Result<Caller> caller_of(const Arguments& arguments) {
  return Caller{Client(PAWL_TRY(target_of(arguments))), arguments.value_or("actor", "operator")};
}

Exit run_call(const Arguments& arguments, Request request, const std::function<std::string(const json::value&)>& show,
              const std::function<void(const json::value&)>& note) {
  auto caller = caller_of(arguments);
  if (!caller) return fail(caller.error());
  request.actor = caller->actor;
  const auto answer = caller->client.send(request);
  if (!answer) return fail(answer.error());
  if (arguments.has("json") && !answer->body.empty()) print(answer->body + (answer->body.ends_with('\n') ? "" : "\n"));
  const auto body = body_of(*answer);
  if (!body) return fail(body.error());
  if (note) note(*body);
  if (!arguments.has("json")) print_for_people(show(*body));
  return Exit::done;
}

Exit run_list(const Arguments& arguments, const std::string& path,
              const std::function<std::string(const json::array&)>& show) {
  auto caller = caller_of(arguments);
  if (!caller) return fail(caller.error());
  const auto items = call_list(caller->client, path);
  if (!items) return fail(items.error());
  if (arguments.has("json")) {
    print(json::serialize(*items) + '\n');
  } else {
    print_for_people(show(*items));
  }
  return Exit::done;
}

const json::value& part_of(const json::value& answer, std::string_view name) {
  const json::value* part =
      answer.is_object() ? answer.get_object().if_contains(json::string_view(name.data(), name.size())) : nullptr;
  return part ? *part : answer;
}

std::string attempt_text(const json::value& job) {
  const auto number = [&job](std::string_view name) -> std::uint64_t {
    const auto read = read_number(cell(job, name), name);
    return read ? *read : 0;
  };
  const std::uint64_t attempts = number("attempts");
  const std::uint64_t free = number("interruptions") + number("returned");
  const std::string tries = std::to_string(attempts - std::min(free, attempts)) + " of " + cell(job, "max_attempts");
  return free == 0 ? tries : std::to_string(attempts) + ", try " + tries;
}

std::string task_line(const json::value& task) {
  std::string out = "task " + cell(task, "id") + " (" + cell(task, "work_item") + " of " + cell(task, "repo") +
                    "): " + cell(task, "stage") + ", version " + cell(task, "version");
  if (const std::string blocked = cell(task, "blocked"); blocked != "-") out += ", blocked: " + blocked;
  return out;
}

Result<std::uint64_t> id_of(const Arguments& arguments, std::size_t position, std::string_view what) {
  return read_number(arguments.positional()[position], what);
}

std::string json_object(std::string_view name, std::string_view text) {
  std::string out = "{";
  append_json_text(out, name);
  out += ':';
  append_json_text(out, text);
  return out + '}';
}

}  // namespace pawl
