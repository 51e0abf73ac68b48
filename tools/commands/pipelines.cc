// `pawl pipelines`: shows the pipelines in force, checks pipeline files, and applies them at run time.
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <memory>
#include <set>
#include <span>

#include "daemon/pipeline_advice.h"
#include "daemon/pipeline_plan.h"
#include "daemon/pipeline_programs.h"
#include "daemon/pipeline_yaml.h"
#include "daemon/pipeline_yaml_text.h"
#include "daemon/pipeline_zone.h"
#include "engine/json/state_json.h"
#include "schema/json/json_text.h"
#include "schema/json/read_json.h"
#include "schema/json/record_json.h"
#include "schema/nearest.h"
#include "tools/commands/answers.h"
#include "tools/commands/output.h"

namespace pawl {
namespace {

namespace json = boost::json;

// The daemon's answers.

Result<Pipeline> definition_in(const json::value& row) {
  const json::value* definition = row.is_object() ? row.get_object().if_contains("definition") : nullptr;
  if (!definition || !definition->is_object()) return Error{ErrorCode::io, "the daemon's answer has no definition"};
  const auto proposal = proposal_from_json({}, fb::Event::PipelineDefined, definition->get_object(), Reading::asked);
  if (!proposal) return Error{ErrorCode::io, "the daemon's answer cannot be read: " + proposal.error().message};
  return pipeline_from(*proposal->record().event_as_PipelineDefined());
}

const json::value* row_named(const json::array& rows, const std::string& name) {
  const auto found = std::find_if(rows.begin(), rows.end(), [&](const json::value& row) {
    return row.at("definition").at("name").as_string() == json::string_view(name);
  });
  return found == rows.end() ? nullptr : &*found;
}

std::string how_many(std::uint64_t count, const std::string& one) {
  return std::to_string(count) + " " + one + (count == 1 ? "" : "s");
}

// list

/// The time of a record; "-" if it no longer exists.
std::string defined_at(Client& client, const json::value& seq) {
  const std::int64_t number = seq.as_int64();
  const auto answer =
      client.send({.method = "GET", .path = "/v1/events?after=" + std::to_string(number - 1) + "&limit=1"});
  if (!answer || !answer->is_success()) return "-";
  const auto record = parse_json(std::string_view(answer->body).substr(0, answer->body.find('\n')));
  return record && record->is_object() ? cell(*record, "time") : "-";
}

std::string given_by(const json::value& row) {
  const json::value& given = row.at("given");
  if (given.is_bool()) return given.get_bool() ? "--pipeline" : "pawl pipelines apply";
  const auto definition = definition_in(row);
  return definition && *definition == default_pipeline() ? "built in" : "-";
}

Exit run_pipelines_list(const Arguments& arguments) {
  auto caller = caller_of(arguments);
  if (!caller) return fail(caller.error());
  const auto rows = call_list(caller->client, "/v1/pipelines");
  if (!rows) return fail(rows.error());
  if (arguments.has("json")) {
    print(json::serialize(*rows) + '\n');
    return Exit::done;
  }
  TextTable table({"name", "stages", "in force since", "by", "live tasks"});
  for (const json::value& row : *rows) {
    const json::value& definition = row.at("definition");
    table.add({cell(definition, "name"), std::to_string(definition.at("stages").as_array().size()),
               defined_at(caller->client, row.at("seq")), given_by(row), cell(row, "live_tasks")});
  }
  print_for_people(table.text());
  return Exit::done;
}

// show

Exit run_pipelines_show(const Arguments& arguments, const std::string& name) {
  auto caller = caller_of(arguments);
  if (!caller) return fail(caller.error());
  const auto rows = call_list(caller->client, "/v1/pipelines");
  if (!rows) return fail(rows.error());
  const json::value* row = row_named(*rows, name);
  if (!row) {
    std::vector<std::string_view> names;
    for (const json::value& each : *rows) {
      const json::string& known = each.at("definition").at("name").as_string();
      names.emplace_back(known.data(), known.size());
    }
    const auto nearest = nearest_of(name, names);
    return fail(Exit::refused,
                "unknown pipeline '" + printable(name) + "'; " +
                    (nearest ? "did you mean '" + std::string(*nearest) + "'?" : "'pawl pipelines' lists them"));
  }
  if (arguments.has("json")) {
    print(json::serialize(*row) + '\n');
    return Exit::done;
  }
  const auto definition = definition_in(*row);
  if (!definition) return fail(definition.error());
  const auto yaml = yaml_of(*definition);
  if (!yaml) return fail(Exit::refused, yaml.error().message + "; --json shows it");
  // In a file it must be exactly what was applied; on a screen nothing in a command may stay hidden.
  if (::isatty(STDOUT_FILENO) == 1) {
    print_for_people(*yaml);
  } else {
    print(*yaml);
  }
  return Exit::done;
}

// Files.

TimeUs time_now() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return {std::chrono::duration_cast<std::chrono::microseconds>(now).count()};
}

struct CheckedFile {
  std::string file;
  PipelineText text;
  std::vector<PipelineAdvice> advice;
};

/// Reads it, and prints its errors and warnings to standard error.
std::optional<CheckedFile> checked(const std::string& file) {
  auto read = read_pipeline(file);
  if (!read) {
    fail(Exit::usage, read.error().message);
    return std::nullopt;
  }
  CheckedFile result{.file = file, .text = *std::move(read), .advice = {}};
  result.advice = advice_on(result.text, program_path(), time_now());
  for (const PipelineAdvice& advice : result.advice) {
    std::fflush(stdout);
    std::fprintf(stderr, "pawl: %s:%d: warning: %s\n", printable(file).c_str(), advice.line,
                 printable(advice.what).c_str());
  }
  return result;
}

std::string what_it_has(const Pipeline& pipeline) {
  std::size_t steps = 0;
  for (const Stage& stage : pipeline.stages) steps += stage.steps.size();
  return how_many(pipeline.stages.size(), "stage") + ", " + how_many(pipeline.agents.size(), "agent") + ", " +
         how_many(steps, "step");
}

/// Of the windows of a plan, so many are shown.
constexpr std::size_t windows_shown = 8;

/// When nothing of it starts, for people; and in `shown`, for programs.
std::string windows_of(const Pipeline& pipeline, json::array& shown) {
  if (!pipeline.calendar) return {};
  const auto zone = Zone::named(pipeline.calendar->zone);
  if (!zone) return {};  // it was known when the file was read
  const CalendarPlan plan = plan_of(pipeline, *zone, time_now());
  if (plan.windows.empty()) return "its calendar closes nothing from now on\n";
  TextTable table({"closed from", "until", "in UTC", "stages", "why"});
  for (std::size_t i = 0; i < std::min(plan.windows.size(), windows_shown); ++i) {
    const FreezeWindow& window = plan.windows[i];
    std::string stages;
    json::array named;
    for (const std::string& stage : window.stages) {
      stages += (stages.empty() ? "" : ", ") + stage;
      named.emplace_back(stage);
    }
    constexpr std::size_t to_the_minute = std::string_view("2026-12-24T18:00").size();
    const auto utc = [](TimeUs time) { return rfc3339(time).substr(0, to_the_minute) + 'Z'; };
    table.add({zone->in_words(window.from), zone->in_words(window.until), utc(window.from) + " to " + utc(window.until),
               stages.empty() ? "all" : stages, window.reason});
    shown.push_back(json::object{{"from_at", rfc3339(window.from)},
                                 {"until_at", rfc3339(window.until)},
                                 {"reason", window.reason},
                                 {"stages", std::move(named)}});
  }
  const std::size_t more = plan.windows.size() - shown.size();
  return table.text() + (more > 0 ? "and " + how_many(more, "span") + " more\n" : "");
}

Exit run_pipelines_check(const Arguments& arguments, std::span<const std::string> files) {
  Exit exit = Exit::done;
  json::array shown;
  for (const std::string& file : files) {
    const auto result = checked(file);
    if (!result) {
      exit = Exit::usage;
      continue;
    }
    const Pipeline& pipeline = result->text.pipeline;
    json::array windows;
    const std::string closed = windows_of(pipeline, windows);
    if (!arguments.has("json")) print_for_people(pipeline.name + ": " + what_it_has(pipeline) + ", ok\n" + closed);
    json::array warnings;
    for (const PipelineAdvice& advice : result->advice) {
      warnings.push_back(json::object{{"line", advice.line}, {"what", advice.what}});
    }
    shown.push_back(json::object{{"file", file},
                                 {"name", pipeline.name},
                                 {"stages", pipeline.stages.size()},
                                 {"warnings", std::move(warnings)},
                                 {"windows", std::move(windows)}});
  }
  if (arguments.has("json")) print(json::serialize(shown) + '\n');
  return exit;
}

// apply

/// The request body with the definition.
std::string body_from(const Pipeline& pipeline) {
  PipelineRow row;
  row.definition = std::make_shared<const Pipeline>(pipeline);
  std::string text;
  append_json(text, row);
  const auto read = parse_json(text);
  return json::serialize(read->at("definition"));
}

/// Compares two lists: names each row that is in only one of them or that differs, after `kind`.
template <class Row>
void add_differences(std::vector<std::string>& out, const std::string& kind, const std::vector<Row>& before,
                     const std::vector<Row>& after, std::vector<Row> Pipeline::*place) {
  const auto alone = [&](const Row& row) {
    Pipeline pipeline;
    (pipeline.*place).push_back(row);
    return pipeline;
  };
  const auto named = [](const std::vector<Row>& rows, const std::string& name) {
    return std::find_if(rows.begin(), rows.end(), [&](const Row& row) { return row.name == name; });
  };
  for (const Row& row : after) {
    const auto other = named(before, row.name);
    if (other == before.end()) out.push_back(kind + " '" + row.name + "' is new");
    if (other != before.end() && !(alone(row) == alone(*other))) out.push_back(kind + " '" + row.name + "' differs");
  }
  for (const Row& row : before) {
    if (named(after, row.name) == after.end()) out.push_back(kind + " '" + row.name + "' is gone");
  }
}

std::string differences(const Pipeline& before, const Pipeline& after) {
  std::vector<std::string> found;
  add_differences(found, "agent", before.agents, after.agents, &Pipeline::agents);
  add_differences(found, "stage", before.stages, after.stages, &Pipeline::stages);
  if (before.env != after.env) found.emplace_back("`env` differs");
  if (before.calendar != after.calendar) found.emplace_back("the calendar differs");
  if (before.branch != after.branch) found.emplace_back("`branch` differs");
  if (found.empty()) found.emplace_back("the order differs");
  std::string text;
  for (const std::string& each : found) text += (text.empty() ? "" : ", ") + each;
  return text;
}

/// Only the daemon can warn of a PATH that differs on its machine; everything else was checked here.
Result<json::value> apply(Caller& caller, const CheckedFile& file, const json::value* row, std::string& said) {
  const Pipeline& pipeline = file.text.pipeline;
  std::optional<Pipeline> before;
  if (row) before = PAWL_TRY(definition_in(*row));
  json::object result{{"name", pipeline.name}};
  if (before && *before == pipeline) {
    said = pipeline.name + ": equal to the definition in force\n";
    result["change"] = "equal";
    result["seq"] = row->at("seq");
    result["live_tasks"] = row->at("live_tasks");
    return json::value(result);
  }
  const json::value answer = PAWL_TRY(call(
      caller.client, {.method = "POST", .path = "/v1/pipelines", .body = body_from(pipeline), .actor = caller.actor}));
  result["change"] = before ? "changed" : "new";
  result["seq"] = part_of(answer, "pipeline").at("seq");
  result["live_tasks"] = row ? row->at("live_tasks") : json::value(0);
  said = pipeline.name + ": " + (before ? "changed: " + differences(*before, pipeline) : "new") + '\n';
  const auto live = result["live_tasks"].to_number<std::uint64_t>();
  if (live > 0) {
    said += pipeline.name + ": " + how_many(live, "live task") + (live == 1 ? " keeps" : " keep") +
            " the definition that " + (live == 1 ? "it" : "they") + " began with\n";
  }
  return json::value(result);
}

Exit run_pipelines_apply(const Arguments& arguments, std::span<const std::string> paths) {
  std::vector<CheckedFile> files;
  std::set<std::string> names;
  bool is_sound = true;
  for (const std::string& path : paths) {
    auto file = checked(path);
    is_sound = is_sound && file;
    if (!file) continue;
    if (!names.insert(file->text.pipeline.name).second) {
      fail(Exit::usage, path + ": another file also defines '" + file->text.pipeline.name + "'");
      is_sound = false;
    }
    files.push_back(*std::move(file));
  }
  if (!is_sound) return fail(Exit::usage, "nothing was applied");
  auto caller = caller_of(arguments);
  if (!caller) return fail(caller.error());
  const auto rows = call_list(caller->client, "/v1/pipelines");
  if (!rows) return fail(rows.error());
  json::array shown;
  for (const CheckedFile& file : files) {
    std::string said;
    auto result = apply(*caller, file, row_named(*rows, file.text.pipeline.name), said);
    if (!result) {
      fail(result.error());
      return fail(Exit::refused, file.file + ": not applied" + (shown.empty() ? "" : "; the files before it were"));
    }
    if (!arguments.has("json")) print_for_people(said);
    shown.push_back(*std::move(result));
  }
  if (arguments.has("json")) print(json::serialize(shown) + '\n');
  return Exit::done;
}

Exit run_pipelines(const Arguments& arguments) {
  const std::vector<std::string>& words = arguments.positional();
  const std::string what = words.empty() ? "list" : words[0];
  const std::span<const std::string> rest(words.data() + (words.empty() ? 0 : 1), words.empty() ? 0 : words.size() - 1);
  if (what == "list") {
    if (!rest.empty()) return fail(Exit::usage, "pipelines: list takes no arguments");
    return run_pipelines_list(arguments);
  }
  if (what == "show") {
    if (rest.size() != 1) return fail(Exit::usage, "pipelines: show takes one pipeline's NAME");
    return run_pipelines_show(arguments, rest[0]);
  }
  if (what == "check" || what == "apply") {
    if (rest.empty()) return fail(Exit::usage, "pipelines: " + what + " takes one or more pipeline FILEs");
    return what == "check" ? run_pipelines_check(arguments, rest) : run_pipelines_apply(arguments, rest);
  }
  constexpr std::array<std::string_view, 4> known = {"list", "show", "check", "apply"};
  const auto nearest = nearest_of(what, known);
  return fail(Exit::usage, "pipelines: unknown word '" + printable(what) + "'; " +
                               (nearest ? "did you mean '" + std::string(*nearest) + "'?"
                                        : "give list, show NAME, check FILE or apply FILE"));
}

}  // namespace

const Command pipelines_command = {
    .name = "pipelines",
    .arguments = "[list | show NAME | check FILE... | apply FILE...]",
    .summary = "Lists the pipelines, shows one as YAML, checks pipeline files, or applies them",
    .details =
        "check needs no daemon: it prints errors and warnings for a file, with their lines. apply puts files in\n"
        "force for tasks created from then on; live tasks keep the definition that they began with. An applied\n"
        "file stays in force across a restart, unless the daemon's --pipeline file of that name has changed since.\n"
        "docs/PIPELINES.md describes every key.\n",
    .options = with_daemon_options({}),
    .positional_max = 65,
    .run = run_pipelines};

}  // namespace pawl
