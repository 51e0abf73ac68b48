// Calls for operators: settings and pipelines.
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "daemon/api/call.h"
#include "daemon/pipeline_programs.h"
#include "daemon/pipeline_zone.h"
#include "engine/json/state_json.h"
#include "schema/json/json_text.h"
#include "schema/json/record_json.h"
#include "schema/limits.h"

namespace pawl {
namespace {

/// Appends who last set each of these settings, and when. Of the past, what a later record hides is left out.
void append_changes(std::string& out, LogMemory& memory, const std::vector<std::string>& keys, Seq upto) {
  append_json_member(out, "changed");
  out += '{';
  for (const std::string& key : keys) {
    const auto change = memory.setting_changed(key);
    if (!change || change->seq > upto) continue;
    append_json_member(out, key);
    out += '{';
    append_json_member(out, "seq", raw(change->seq));
    append_json_member(out, "time");
    append_json_time(out, change->time);
    append_json_member(out, "actor");
    append_json_text(out, change->actor);
    append_json_member(out, "principal");
    append_json_text_or_null(out, change->principal);
    out += '}';
  }
  out += '}';
}

}  // namespace

void settings_get(Call call) {
  struct Seen {
    std::string text;  // of the answer, without its end
    std::vector<std::string> changed;
  };
  const auto seen = std::make_shared<Seen>();
  call.read_state(
      [seen](const State& state) {
        *seen = Seen{.text = R"({"seq":)", .changed = {}};
        append_json_integer(seen->text, raw(state.last_seq));
        seen->text += R"(,"settings":)";
        append_json(seen->text, state.settings());
        for (const auto& [key, row] : state.settings_changed.rows()) seen->changed.push_back(key);
      },
      [seen, &context = call.context, upto = call.upto(), reply = call.reply] {
        context.workers.post([seen, &context, upto, reply] {
          append_changes(seen->text, context.memory, seen->changed, upto);
          HttpResponse response;
          response.body = std::move(seen->text) + '}';
          reply(std::move(response));
        });
      });
}

void settings_set(Call call) {
  Group group;
  for (const auto& member : call.body.settings()) {
    boost::json::object event;
    event.emplace("key", member.key());
    event.emplace("value", member.value());
    auto proposal = proposal_from_json(call.requester, fb::Event::SettingChanged, event, Reading::asked);
    if (!proposal) {
      return call.refuse(
          {ErrorCode::malformed, "setting '" + std::string(member.key()) + "': " + proposal.error().message});
    }
    group.push_back(std::move(*proposal));
  }
  write(call.context,
        {.group = std::move(group),
         .look =
             [](const SeenDecision& seen, ResponseRows& rows) {
               rows.kind = ResourceKind::settings;
               rows.settings = seen.state.settings();
             }},
        std::move(call.reply));
}

namespace {

/// The number of live tasks per pipeline name, under any of its definitions.
std::map<std::string, std::uint64_t, std::less<>> live_tasks(const State& state) {
  std::map<std::string, std::uint64_t, std::less<>> by_name;
  for (const auto& [seq, count] : state.indexes.live_of_pipeline) {
    by_name[state.pipelines.find(seq)->definition->name] += count;
  }
  return by_name;
}

}  // namespace

void pipelines_list(Call call) {
  read_json(call, [](const State& state, std::string& out) {
    const auto live = live_tasks(state);
    out = R"({"items":[)";
    bool first = true;
    for (const auto& [seq, row] : state.pipelines.rows()) {
      if (!row.in_force) continue;
      if (!first) out += ',';
      first = false;
      append_json(out, row);
      out.pop_back();
      const auto found = live.find(row.definition->name);
      append_json_member(out, "live_tasks", found == live.end() ? 0 : found->second);
      out += '}';
    }
    out += R"(],"next":null})";
  });
}

void pipelines_define(Call call) {
  call.body.event_fields().emplace("given", false);  // so that an unchanged file does not revert it
  auto proposal = propose_asked(call, fb::Event::PipelineDefined);
  if (!proposal) return;
  const auto define = [&context = call.context, reply = call.reply](Proposal asked) {
    const std::string name = asked.record().event_as_PipelineDefined()->name()->str();
    Group group;
    group.push_back(std::move(asked));
    write(context,
          {.group = std::move(group),
           .look =
               [name](const SeenDecision& seen, ResponseRows& rows) {
                 rows.kind = ResourceKind::pipeline;
                 if (const PipelineRow* row = seen.state.pipeline_in_force(name)) rows.pipeline = *row;
               },
           .status_accepted = 201},
          reply);
  };
  // A definition accepted before gets the same answer, whatever happened to its programs since.
  const auto is_known = std::make_shared<bool>(false);
  const auto asked = std::make_shared<Proposal>(std::move(*proposal));
  call.sequencer().read(
      [is_known, requester = call.requester](const State& state) {
        *is_known = !requester.key.empty() && state.keys.find(requester.principal, requester.key);
      },
      [is_known, asked, define, &context = call.context, reply = call.reply] {
        if (*is_known) return define(std::move(*asked));
        // On a thread that may block: a program may be on a slow file system.
        context.workers.post([asked, define, reply] {
          const Pipeline pipeline = pipeline_from(*asked->record().event_as_PipelineDefined());
          for (const NamedCommand& command : commands_of(pipeline, program_path())) {
            if (const auto problem = program_problem(command)) {
              return reply(http_error(422, name(Outcome::bad_pipeline), problem->what));
            }
          }
          if (pipeline.calendar) {
            if (const auto zone = Zone::named(pipeline.calendar->zone); !zone) {
              return reply(http_error(422, name(Outcome::bad_pipeline), zone.error().message));
            }
          }
          define(std::move(*asked));
        });
      });
}

}  // namespace pawl
