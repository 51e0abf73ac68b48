// What commands do with a daemon's answers: each either succeeds as JSON, or says why not and ends the command.
#pragma once

#include <boost/json/fwd.hpp>

#include <functional>
#include <string>
#include <string_view>

#include "schema/result.h"
#include "tools/commands/client.h"

namespace pawl {

/// The answer's body. Errors: `io` if there was no answer; `malformed` for what the daemon cannot read (400, 413);
/// `busy` for every other refusal. The message is the daemon's code and sentence, with what is concerned.
Result<boost::json::value> body_of(const Answer& answer);

/// The code of a refusal, "lease_held"; empty for any other answer.
std::string refusal_code(const Answer& answer);
/// What a refusal shows of the row that stands in the way; null if it shows none.
boost::json::value refusal_row(const Answer& answer);

/// Sends, and reads the answer.
Result<boost::json::value> call(Client& client, const Request& request);

/// All pages of a list: the items of GET `path` and of what follows. `note` sees each page first; it may be empty.
Result<boost::json::array> call_list(Client& client, const std::string& path,
                                     const std::function<void(const boost::json::object&)>& note = {});

/// A client, and the actor, by the options of the command.
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

/// "2 of 2"; "3, try 2 of 2" where one costs no try: a restart cut it short, or nobody heard of it.
std::string attempt_text(const boost::json::value& job);

/// "task 3 (W-1 of shop): review, version 4", as far as the task says.
std::string task_line(const boost::json::value& task);

/// A list item's id from the command line.
Result<std::uint64_t> id_of(const Arguments& arguments, std::size_t position, std::string_view what);

/// `{"name":text}`
std::string json_object(std::string_view name, std::string_view text);

}  // namespace pawl
