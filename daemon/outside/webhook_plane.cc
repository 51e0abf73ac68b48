// Plane: work items that entered a state.
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <algorithm>
#include <array>

#include "daemon/outside/webhook_reading.h"

namespace pawl {
namespace {

namespace json = boost::json;

bool is_among(const std::vector<std::string>& wanted, const std::vector<std::string>& found) {
  return std::any_of(wanted.begin(), wanted.end(), [&](const std::string& want) {
    return std::any_of(found.begin(), found.end(), [&](const std::string& one) { return lower(one) == lower(want); });
  });
}

/// Updates that do not change the state are ignored; otherwise each edit of a started item would start it again. The
/// first form names the field, one delivery per field; the second gives the changed fields' previous values. Old
/// servers send neither: there every update counts.
bool is_about_state(const json::value& body) {
  constexpr std::array<std::string_view, 3> fields = {"state", "state_id", "state_group"};
  if (const json::value* before = value_at(body, {"previous_attributes"})) {
    return std::any_of(fields.begin(), fields.end(), [&](std::string_view field) {
      return before->is_object() && before->get_object().contains(json::string_view(field.data(), field.size()));
    });
  }
  const std::string field = text_at(body, {"activity", "field"});
  return field.empty() || std::find(fields.begin(), fields.end(), field) != fields.end();
}

enum class PlaneVerb { created, updated, other };

PlaneVerb plane_verb(std::string_view event, std::string_view action) {
  const std::string_view verb = event.starts_with("workitem.") ? event.substr(sizeof("workitem.") - 1) : action;
  if (verb == "created" || verb == "create") return PlaneVerb::created;
  if (verb == "updated" || verb == "update") return PlaneVerb::updated;
  return PlaneVerb::other;
}

/// What the options may name a state by: its group, name or id, wherever each version of Plane puts them.
std::vector<std::string> plane_states(const json::value& item) {
  std::vector<std::string> states;
  const auto add = [&](std::string text) {
    if (!text.empty()) states.push_back(std::move(text));
  };
  for (const std::string_view object : {"state", "state_detail"}) {
    for (const std::string_view field : {"group", "name", "id"}) add(text_at(item, {object, field}));
  }
  for (const std::string_view field : {"state_group", "state__group", "state_name", "state_id", "state"}) {
    add(text_at(item, {field}));
  }
  return states;
}

const WorkPlace* named_project(const json::value& item, const WebhookConfig& config) {
  for (const std::string& candidate :
       {text_at(item, {"project"}), text_at(item, {"project_id"}), text_at(item, {"project", "id"}),
        text_at(item, {"project_detail", "id"}), text_at(item, {"project", "identifier"}),
        text_at(item, {"project_detail", "identifier"})}) {
    if (candidate.empty()) continue;
    if (const auto found = config.plane_projects.find(candidate); found != config.plane_projects.end()) {
      return &found->second;
    }
  }
  return nullptr;
}

/// "SHOP-42" if the payload allows it, else the item's id.
Result<std::string> plane_work_item(const json::value& item, const WorkPlace& project) {
  const auto number = integer_at(item, {"sequence_id"});
  if (number && !project.prefix.empty()) return project.prefix + "-" + std::to_string(*number);
  if (std::string identifier = text_at(item, {"identifier"}); !identifier.empty()) return identifier;
  for (const std::string_view object : {"project", "project_detail"}) {
    const std::string prefix = text_at(item, {object, "identifier"});
    if (number && !prefix.empty()) return prefix + "-" + std::to_string(*number);
  }
  return needed_text(item, {"id"});
}

}  // namespace

Result<WebhookReading> read_plane(std::string_view event_header, const json::value& body, const WebhookConfig& config) {
  // The body is signed, the header is not.
  std::string event = text_at(body, {"event"});
  if (event.empty()) event = std::string(event_header);
  if (event.empty()) return bad_delivery("field \"event\" and header X-Plane-Event are missing");
  const std::string what = "plane: " + short_text(event);
  const std::string event_id = text_at(body, {"event_id"});
  const auto ignored = [&](std::string why) { return WebhookReading{what, WebhookIgnored{std::move(why)}, event_id}; };

  const bool is_item = event == "issue" || event == "workitem.created" || event == "workitem.updated";
  if (!is_item) return ignored("pawl does not act on events of this kind");
  const PlaneVerb verb = plane_verb(event, text_at(body, {"action"}));
  if (verb == PlaneVerb::other) return ignored("pawl acts only on a new work item or a change of its state");
  if (verb == PlaneVerb::updated && !is_about_state(body)) return ignored("the work item's state did not change");

  const json::value* item = value_at(body, {"data"});
  if (!item || !item->is_object()) return bad_delivery("field \"data\" is missing or is not an object");
  const WorkPlace* project = named_project(*item, config);
  if (!project) return ignored("no repository is configured for the work item's project");
  const std::string work_item = PAWL_TRY(plane_work_item(*item, *project));
  const std::vector<std::string> states = plane_states(*item);
  if (states.empty()) return bad_delivery("field \"data.state\" is missing");
  // A state on both lists stops the item: an item stopped by mistake can be started again.
  if (is_among(config.plane_stop_states, states)) {
    const std::string reason = "plane: " + short_text(work_item) + " became " + short_text(states.front());
    return WebhookReading{reason, WebhookStop{.repos = {project->repo}, .work_item = work_item, .reason = reason},
                          event_id};
  }
  if (is_among(config.plane_start_states, states)) {
    return WebhookReading{"plane: " + short_text(work_item) + " became " + short_text(states.front()),
                          WebhookStart{.repo = project->repo,
                                       .work_item = work_item,
                                       .branch = config.plane_branch_prefix + lower(work_item),
                                       .pipeline = config.plane_pipeline},
                          event_id};
  }
  return ignored("its state neither starts nor stops a task");
}

}  // namespace pawl
