// The generic source: the user's own program, which signs a small object. The field names are pawl's.
#include <boost/json/value.hpp>

#include <utility>

#include "daemon/outside/webhook_reading.h"

namespace pawl {
namespace {

/// That of a start or a stop, by which it is known when it comes again, also after a restart. In the body alone: a
/// header is not signed. The body cannot stand for it: the same start and the same stop are said again of the next task
/// of that item.
Result<std::string> needed_id(const boost::json::value& body) {
  Result<std::string> id = needed_text(body, {"id"});
  if (id) return id;
  return bad_delivery(id.error().message +
                      ": send an id of this event in the body, the same where the event is sent again and another for "
                      "each start and stop");
}

}  // namespace

Result<WebhookReading> read_generic(const boost::json::value& body) {
  const std::string event = PAWL_TRY(needed_text(body, {"event"}));
  const std::string repo = PAWL_TRY(needed_text(body, {"repo"}));
  const std::string work_item = text_at(body, {"work_item"});
  const std::string branch = text_at(body, {"branch"});
  const std::string id = text_at(body, {"id"});
  const std::string by = text_at(body, {"by"});
  const std::string by_whom = by.empty() ? "" : ", by " + short_text(by);
  const std::string about = short_text(work_item.empty() ? branch : work_item) + " of " + short_text(repo);
  if (event == "start") {
    PAWL_TRY(needed_text(body, {"work_item"}));
    PAWL_TRY(needed_id(body));
    WebhookStart start{.repo = repo, .work_item = work_item, .branch = branch, .pipeline = text_at(body, {"pipeline"})};
    start.priority = integer_at(body, {"priority"});
    start.not_before = text_at(body, {"not_before"});
    // A start at another time than the one wanted is worse than none.
    if (!start.priority && value_at(body, {"priority"}))
      return bad_delivery("field \"priority\" is not a whole number");
    if (start.not_before.empty() && value_at(body, {"not_before"})) {
      return bad_delivery("field \"not_before\" is not a time");
    }
    return WebhookReading{"generic: " + about + " was started" + by_whom, std::move(start), id};
  }
  if (event == "stop") {
    if (branch.empty()) PAWL_TRY(needed_text(body, {"work_item"}));
    PAWL_TRY(needed_id(body));
    const std::string reason = "generic: " + about + " was called off" + by_whom;
    return WebhookReading{reason,
                          WebhookStop{.repos = {repo},
                                      .work_item = work_item,
                                      .branch = work_item.empty() ? branch : std::string(),
                                      .reason = reason},
                          id};
  }
  if (event == "pushed") {
    PAWL_TRY(needed_text(body, {"branch"}));
    const std::string commit = text_at(body, {"commit"});
    return WebhookReading{"generic: push of " + (commit.empty() ? "something" : short_commit(commit)) + " to " +
                              short_text(branch) + by_whom,
                          WebhookAdvance{.repos = {repo}, .branch = branch, .commit = commit}, id};
  }
  if (event == "merged") {
    PAWL_TRY(needed_text(body, {"branch"}));
    return WebhookReading{"generic: " + short_text(branch) + " was merged outside of pawl" + by_whom,
                          WebhookNote{.repos = {repo}, .branch = branch}, id};
  }
  return bad_delivery("field \"event\" is '" + short_text(event) + "', not start, stop, pushed or merged");
}

}  // namespace pawl
