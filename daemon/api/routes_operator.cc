// Calls for those who run the daemon: settings and pipelines.
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "daemon/api/call.h"
#include "engine/json/state_json.h"
#include "schema/json/json_text.h"
#include "schema/json/record_json.h"
#include "schema/limits.h"

namespace pawl {
void settings_get(Call call) {
  read_json(call, [](const State& state, std::string& out) {
    out = R"({"seq":)";
    append_json_integer(out, raw(state.last_seq));
    out += R"(,"settings":)";
    append_json(out, state.settings());
    out += '}';
  });
}

void settings_set(Call call) {
  Group group;
  for (const auto& member : call.body.settings()) {
    boost::json::object event;
    event.emplace("key", member.key());
    event.emplace("value", member.value());
    auto proposal = proposal_from_json(call.asker, fb::Event::SettingChanged, event, Reading::asked);
    if (!proposal) {
      return call.refuse(
          {ErrorCode::malformed, "setting '" + std::string(member.key()) + "': " + proposal.error().message});
    }
    group.push_back(std::move(*proposal));
  }
  write(call.shop,
        {.group = std::move(group),
         .look =
             [](const SeenDecision& seen, Shown& shown) {
               shown.noun = Noun::settings;
               shown.settings = seen.state.settings();
             }},
        std::move(call.reply));
}

void pipelines_list(Call call) {
  read_json(call, [](const State& state, std::string& out) {
    out = R"({"items":[)";
    bool first = true;
    for (const auto& [seq, row] : state.pipelines.rows()) {
      if (!row.in_force) continue;
      if (!first) out += ',';
      first = false;
      append_json(out, row);
    }
    out += R"(],"next":null})";
  });
}

void pipelines_define(Call call) {
  auto proposal = propose_asked(call, fb::Event::PipelineDefined);
  if (!proposal) return;
  const std::string name = proposal->record().event_as_PipelineDefined()->name()->str();
  Group group;
  group.push_back(std::move(*proposal));
  write(call.shop,
        {.group = std::move(group),
         .look =
             [name](const SeenDecision& seen, Shown& shown) {
               shown.noun = Noun::pipeline;
               if (const PipelineRow* row = seen.state.pipeline_in_force(name)) shown.pipeline = *row;
             },
         .status_accepted = 201},
        std::move(call.reply));
}

}  // namespace pawl
