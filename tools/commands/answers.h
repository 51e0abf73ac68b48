// How commands handle a daemon's answers: an answer either is JSON, or ends the command with an error message.
#pragma once

#include <boost/json/fwd.hpp>

#include <functional>
#include <string>
#include <string_view>

#include "schema/result.h"
#include "tools/commands/client.h"

namespace pawl {

/// The answer's body. Errors: `io` if there was no answer; `malformed` for what the daemon cannot read (400, 413);
/// `busy` for every other refusal. The message is the daemon's code and sentence, and what they concern.
Result<boost::json::value> body_of(const Answer& answer);

/// The code of a refusal, "lease_held"; empty for any other answer.
std::string refusal_code(const Answer& answer);
/// The row that caused a refusal, as the refusal shows it; null if it shows none.
boost::json::value refusal_row(const Answer& answer);

/// Sends a request and reads the answer.
Result<boost::json::value> call(Client& client, const Request& request);

/// All pages of a list: the items of GET `path` and of the pages after it. `note` sees each page first; it may be
/// empty.
Result<boost::json::array> call_list(Client& client, const std::string& path,
                                     const std::function<void(const boost::json::object&)>& note = {});

/// The client and the actor that the command's options name.
struct Caller {
  Client client;
  std::string actor;
};
Result<Caller> caller_of(const Arguments& arguments);

/// A whole command: sends, and prints either the answer as it came (--json) or what `show` makes of it. `note` sees the
/// answer, unless it is a refusal; it may be empty.
Exit run_call(const Arguments& arguments, Request request,
              const std::function<std::string(const boost::json::value&)>& show,
              const std::function<void(const boost::json::value&)>& note = {});

/// A whole command for a list.
Exit run_list(const Arguments& arguments, const std::string& path,
              const std::function<std::string(const boost::json::array&)>& show);

/// `answer[name]`, or `answer` itself if it has no such member: rows come with a `seq` around them, or alone.
const boost::json::value& part_of(const boost::json::value& answer, std::string_view name);

/// "2 of 2"; "3, try 2 of 2" if one did not count: a restart cut it short, or the claim's answer was lost.
std::string attempt_text(const boost::json::value& job);

/// "task 3 (W-1 of shop): review, version 4", with the fields that the task has.
std::string task_line(const boost::json::value& task);

/// A list item's id from the command line.
Result<std::uint64_t> id_of(const Arguments& arguments, std::size_t position, std::string_view what);

/// `{"name":text}`
std::string json_object(std::string_view name, std::string_view text);

}  // namespace pawl
