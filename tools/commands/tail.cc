// `pawl tail`: follows a daemon's log.
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include <chrono>
#include <cstdio>

#include "tools/commands/answers.h"
#include "tools/commands/follow.h"
#include "tools/commands/output.h"
#include "tools/commands/record_line.h"

namespace pawl {
namespace {

namespace json = boost::json;

std::string shown(const json::object& record) {
  const json::value value(record);
  std::string time = cell(value, "time");
  if (time.size() > 11) time = time.substr(11);
  return record_in_words(value, time);
}

/// The last durable seq, if the daemon reports it.
std::uint64_t last_seq(Client& client) {
  const auto settings = call(client, {.method = "GET", .path = "/v1/settings"});
  if (!settings || !settings->is_object()) return 0;
  const json::value* seq = settings->get_object().if_contains("seq");
  return seq && seq->is_int64() && seq->get_int64() > 0 ? static_cast<std::uint64_t>(seq->get_int64()) : 0;
}

Exit run_tail(const Arguments& arguments) {
  auto caller = caller_of(arguments);
  if (!caller) return fail(caller.error());
  const auto given = arguments.number("after");
  if (!given) return fail(given.error());
  constexpr std::uint64_t shown_first = 10;
  std::uint64_t after = 0;
  if (*given) {
    after = **given;
  } else if (const std::uint64_t last = last_seq(caller->client); last > shown_first) {
    after = last - shown_first;
  }
  const bool is_json = arguments.has("json");
  bool writes = true;
  auto quiet_since = std::chrono::steady_clock::now();
  Follower follower;
  follower.record = [&](std::string_view line, const json::object& record) {
    if (is_json) {
      print(line);
      print("\n");
    } else {
      print_for_people(shown(record));
    }
    writes = std::fflush(stdout) == 0;
    quiet_since = std::chrono::steady_clock::now();
    return writes;
  };
  follower.lost = [](const Error& error) { fail(Exit::refused, error.message + "; trying again"); };
  follower.patience_s = 60;
  if (arguments.has("no-follow")) {
    follower.idle = [&] { return std::chrono::steady_clock::now() - quiet_since < std::chrono::seconds(1); };
    follower.patience_s = 0;
  }
  const auto followed = follow(caller->client, after, follower);
  if (!followed) return fail(followed.error());
  return writes ? Exit::done : Exit::refused;
}

}  // namespace

const Command tail_command = {
    .name = "tail",
    .arguments = "",
    .summary = "Follows the records as they become durable",
    .details = "With --json each record is a line as 'pawl export log' writes it, except that its effects are null.\n",
    .options = with_daemon_options({{"after", "SEQ", "begin after this record (default: show the last ten)"},
                                    {"no-follow", "", "end at the end of the log"}}),
    .run = run_tail};

}  // namespace pawl
