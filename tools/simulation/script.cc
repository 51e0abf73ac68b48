#include "tools/simulation/script.h"

#include <boost/json/array.hpp>

#include <algorithm>
#include <initializer_list>
#include <limits>

#include "schema/json/read_json.h"
#include "schema/json/record_json.h"
#include "schema/layout.h"
#include "schema/limits.h"
#include "schema/printable.h"
#include "tools/commands/command.h"
#include "tools/forensics/exported_lines.h"

namespace pawl {
namespace {

namespace json = boost::json;

/// More than a thousand years: times stay far from overflow.
constexpr std::int64_t at_max = 40'000'000'000;

Error malformed(std::string what) {
  return {ErrorCode::malformed, std::move(what)};
}

std::string_view text(const json::string& value) {
  return {value.data(), value.size()};
}

/// A required member.
Result<std::int64_t> integer_in(const json::object& object, std::string_view name, std::int64_t least,
                                std::int64_t most) {
  const json::value* value = object.if_contains(name);
  const std::string wanted = " must be a whole number from " + std::to_string(least) + " to " + std::to_string(most);
  if (!value) return malformed(in_quotes(name) + " is missing");
  if (!value->is_int64() || value->get_int64() < least || value->get_int64() > most) {
    return malformed(in_quotes(name) + wanted);
  }
  return value->get_int64();
}

Result<std::string> text_in(const json::object& object, std::string_view name, std::size_t bytes_max) {
  const json::value* value = object.if_contains(name);
  if (!value) return malformed(in_quotes(name) + " is missing");
  const bool fits = value->is_string() && !value->get_string().empty() && value->get_string().size() <= bytes_max;
  if (!fits) return malformed(in_quotes(name) + " must be a string of 1 to " + std::to_string(bytes_max) + " bytes");
  return std::string(text(value->get_string()));
}

Result<void> only(const json::object& object, std::string_view where, std::initializer_list<std::string_view> names) {
  for (const auto& member : object) {
    const std::string_view name(member.key().data(), member.key().size());
    if (std::find(names.begin(), names.end(), name) == names.end()) {
      return malformed("unknown " + in_quotes(name) + " in " + std::string(where));
    }
  }
  return {};
}

// Events.

/// Resolves a reference such as "@task:1" or "@step:1:merge" to its current number; null if it has none.
Result<json::value> resolved(std::string_view field, std::string_view reference, const References& references) {
  if (!reference.starts_with('@') || reference.size() == 1) {
    return malformed(in_quotes(field) + " must be a number, or a reference such as \"@task:1\"");
  }
  reference.remove_prefix(1);
  if (field != "started") {
    const auto token = references.token(std::string(reference));
    return token ? json::value(raw(*token)) : json::value(nullptr);
  }
  constexpr std::string_view prefix = "step:";
  const std::size_t colon = reference.find(':', prefix.size());
  if (!reference.starts_with(prefix) || colon == std::string_view::npos) {
    return malformed("'started' must be a number, or a reference such as \"@step:1:merge\"");
  }
  const auto task = read_number(reference.substr(prefix.size(), colon - prefix.size()), "'started'");
  if (!task) return task.error();
  const auto start = references.start(TaskId{*task}, std::string(reference.substr(colon + 1)));
  // No record has seq 0, so a reference to nothing is refused as `not_started`.
  return json::value(start ? raw(*start) : std::uint64_t{0});
}

/// Fills in what a script may omit: the owner, its host, its start.
void add_defaults(json::object& event, fb::Event type, const Requester& requester, const Speakers& speakers) {
  const auto otherwise = [&](json::object& object, std::string_view name, json::value value) {
    json::value& member = object[name];
    if (member.is_null()) member = std::move(value);
  };
  if (type == fb::Event::BootStarted) {
    otherwise(event, "pid", speakers.pid);
    otherwise(event, "pid_start", 0);
    otherwise(event, "host", json::string(speakers.host));
    otherwise(event, "version", "script");
  }
  if (type == fb::Event::RunStarted) otherwise(event, "pid_start", 0);
  if (type == fb::Event::StepFinished) otherwise(event, "by", "command");
  if (type == fb::Event::LeaseAcquired || type == fb::Event::JobClaimed) {
    otherwise(event, "owner", json::object());
    if (event.at("owner").is_object()) {
      json::object& owner = event.at("owner").get_object();
      otherwise(owner, "boot_id", json::string(requester.boot));
      otherwise(owner, "pid", speakers.pid);
      otherwise(owner, "actor", json::string(requester.actor));
    }
  }
}

Result<Proposal> proposal_of(const json::object& event, const Requester& requester, const Speakers& speakers,
                             const References& references) {
  const json::value* type = event.if_contains("type");
  if (!type || !type->is_string()) return malformed("an event needs its 'type'");
  const auto known = event_named(text(type->get_string()));
  if (!known) return malformed("unknown event " + in_quotes(text(type->get_string())));
  json::object data;
  for (const auto& member : event) {
    if (member.key() != "type") data.insert(member);
  }
  for (const std::string_view field : {"token", "repo_token", "lease_token", "started"}) {
    json::value* value = data.if_contains(field);
    if (value && value->is_string()) *value = PAWL_TRY(resolved(field, text(value->get_string()), references));
  }
  add_defaults(data, *known, requester, speakers);
  auto proposal = proposal_from_json(requester, *known, data, Reading::asked);
  if (!proposal) return malformed(std::string(text(type->get_string())) + ": " + proposal.error().message);
  return proposal;
}

// Lines.

Result<void> read_events(ScriptLine& line, const json::value& value, bool is_group) {
  if (!is_group) {
    if (!value.is_object()) return malformed("'do' must be an event");
    line.events.push_back(value.get_object());
    return {};
  }
  if (!value.is_array() || value.get_array().empty()) return malformed("'group' must be a list of events");
  if (value.get_array().size() > limits::group_records_max) return malformed("'group' has too many events");
  for (const json::value& event : value.get_array()) {
    if (!event.is_object()) return malformed("'group' must be a list of events");
    line.events.push_back(event.get_object());
  }
  return {};
}

Result<void> check_boolean(const json::object& object, std::string_view name, bool may_be_null) {
  const json::value* value = object.if_contains(name);
  if (!value) return malformed(in_quotes(name) + " is missing");
  if (value->is_bool() || (may_be_null && value->is_null())) return {};
  return malformed(in_quotes(name) + " must be true or false" + (may_be_null ? ", or null" : ""));
}

constexpr std::int64_t id_max = std::numeric_limits<std::int64_t>::max();

Result<void> check_world(const json::object& facts) {
  if (facts.contains("pid")) {
    PAWL_TRY(only(facts, "a fact about a pid", {"pid", "alive", "start"}));
    PAWL_TRY(integer_in(facts, "pid", 1, id_max));
    if (facts.contains("start")) PAWL_TRY(integer_in(facts, "start", 1, id_max));
    return check_boolean(facts, "alive", false);
  }
  PAWL_TRY(only(facts, "'world'", {"gate", "probe", "step"}));
  if (facts.empty()) return malformed("'world' must have a 'pid', a 'gate', a 'probe' or a 'step'");
  for (const auto& fact : facts) {
    if (!fact.value().is_object()) return malformed(in_quotes(std::string(fact.key())) + " must be an object");
    const json::object& object = fact.value().get_object();
    if (fact.key() == "gate") {
      PAWL_TRY(only(object, "a gate", {"task", "green"}));
      PAWL_TRY(integer_in(object, "task", 1, id_max));
      PAWL_TRY(check_boolean(object, "green", true));
    } else {
      PAWL_TRY(only(object, "a probe or step", {"name", "exit"}));
      PAWL_TRY(text_in(object, "name", limits::name_bytes_max));
      PAWL_TRY(integer_in(object, "exit", 0, 255));
    }
  }
  return {};
}

Result<void> check_expectation(const json::object& expected) {
  constexpr std::string_view subjects[] = {"job", "task", "lease", "records"};
  const auto is_there = [&](std::string_view name) { return expected.contains(name); };
  if (std::count_if(std::begin(subjects), std::end(subjects), is_there) != 1) {
    return malformed("'expect' must have one of 'job', 'task', 'lease' and 'records'");
  }
  if (expected.contains("job")) PAWL_TRY(integer_in(expected, "job", 1, id_max));
  if (expected.contains("task")) PAWL_TRY(integer_in(expected, "task", 1, id_max));
  if (expected.contains("lease")) {
    PAWL_TRY(text_in(expected, "lease", limits::lease_key_bytes_max));
    if (expected.contains("held")) PAWL_TRY(check_boolean(expected, "held", false));
  }
  if (expected.contains("records")) {
    PAWL_TRY(only(expected, "an expectation about records", {"records"}));
    const json::value& records = expected.at("records");
    const auto is_object = [](const json::value& record) { return record.is_object(); };
    if (!records.is_array() || !std::all_of(records.get_array().begin(), records.get_array().end(), is_object)) {
      return malformed("'records' must be a list of objects");
    }
  } else if (expected.size() == 1) {
    return malformed("'expect' names its subject, but not what to expect of it");
  }
  return {};
}

Result<void> read_object(ScriptLine& line, std::string_view name, const json::value& value) {
  if (!value.is_object() || value.get_object().empty()) return malformed(in_quotes(name) + " must be an object");
  line.content = value.get_object();
  return {};
}

Result<ScriptLine::Kind> one_of(std::string_view name, const json::value& value, std::string_view first,
                                ScriptLine::Kind first_kind, std::string_view second, ScriptLine::Kind second_kind) {
  if (value.is_string() && text(value.get_string()) == first) return first_kind;
  if (value.is_string() && text(value.get_string()) == second) return second_kind;
  return malformed(in_quotes(name) + " must be " + in_quotes(first) + " or " + in_quotes(second));
}

/// What happens: a line's one key besides its time and its proposer.
Result<void> read_happening(ScriptLine& line, std::string_view name, const json::value& value) {
  using Kind = ScriptLine::Kind;
  if (name == "do" || name == "group") {
    line.kind = Kind::propose;
    return read_events(line, value, name == "group");
  }
  if (name == "set") {
    line.kind = Kind::set;
    return read_object(line, name, value);
  }
  if (name == "world") {
    line.kind = Kind::world;
    PAWL_TRY(read_object(line, name, value));
    return check_world(line.content);
  }
  if (name == "expect") {
    line.kind = Kind::expect;
    PAWL_TRY(read_object(line, name, value));
    return check_expectation(line.content);
  }
  if (name == "tick") {
    line.kind = PAWL_TRY(one_of(name, value, "reaper", Kind::tick_reaper, "reconciler", Kind::tick_reconciler));
    return {};
  }
  if (name == "show") {
    line.kind = PAWL_TRY(one_of(name, value, "state", Kind::show_state, "queue", Kind::show_queue));
    return {};
  }
  line.kind = Kind::restart;
  if (value.is_bool() && value.get_bool()) return {};
  return malformed("'restart' must be true");
}

Result<ScriptLine> read_line(std::string_view words, std::uint64_t number, TimeUs not_before) {
  constexpr std::string_view happenings[] = {"do", "group", "set", "world", "tick", "restart", "show", "expect"};
  const json::value value = PAWL_TRY(parse_json(words));
  if (!value.is_object()) return malformed("a line must be an object");
  const json::object& object = value.get_object();
  PAWL_TRY(only(object, "a line",
                {"at", "at_us", "actor", "boot", "principal", "do", "group", "set", "world", "tick", "restart", "show",
                 "expect"}));
  ScriptLine line;
  line.number = number;
  const std::int64_t at = PAWL_TRY(integer_in(object, "at", 0, at_max));
  const std::int64_t at_us = object.contains("at_us") ? PAWL_TRY(integer_in(object, "at_us", 0, us_per_s - 1)) : 0;
  line.at = {plus_s(script_start, at).us + at_us};
  if (line.at < not_before) {
    return malformed("time runs backwards: " + rfc3339(line.at) + " after " + rfc3339(not_before));
  }
  const auto is_there = [&](std::string_view name) { return object.contains(name); };
  const auto found = std::find_if(std::begin(happenings), std::end(happenings), is_there);
  if (std::count_if(std::begin(happenings), std::end(happenings), is_there) != 1) {
    return malformed("a line must have one of do, group, set, world, tick, restart, show and expect");
  }
  PAWL_TRY(read_happening(line, *found, object.at(*found)));
  const bool speaks = line.kind == ScriptLine::Kind::propose;
  if (!speaks && (object.contains("actor") || object.contains("boot") || object.contains("principal"))) {
    return malformed("'actor', 'boot' and 'principal' belong to 'do' and 'group'");
  }
  line.actor = object.contains("actor") ? PAWL_TRY(text_in(object, "actor", limits::actor_bytes_max)) : "operator";
  if (object.contains("boot")) line.boot = PAWL_TRY(text_in(object, "boot", limits::boot_id_bytes_max));
  if (object.contains("principal")) {
    line.principal = PAWL_TRY(text_in(object, "principal", limits::name_bytes_max));
  }
  // Built once as a check; its references are resolved when the line is played.
  if (speaks || line.kind == ScriptLine::Kind::set) {
    PAWL_TRY(group_of(line, {.boot = "boot", .pid = 1, .host = "host"},
                      {.token = [](const std::string&) { return std::optional(Token{1}); },
                       .start = [](TaskId, const std::string&) { return std::optional(Seq{1}); }}));
  }
  return line;
}

}  // namespace

Result<std::vector<ScriptLine>> read_script(const std::string& path) {
  std::vector<ScriptLine> script;
  TimeUs latest = script_start;
  PAWL_TRY(read_text_lines(path, [&](const std::string& words, std::uint64_t number) -> Result<bool> {
    if (words.find_first_not_of(" \t\r") == std::string::npos) return true;
    script.push_back(PAWL_TRY(read_line(words, number, latest)));
    latest = script.back().at;
    return true;
  }));
  return script;
}

Result<Group> group_of(const ScriptLine& line, const Speakers& speakers, const References& references) {
  Group group;
  if (line.kind == ScriptLine::Kind::set) {
    const Requester requester{.boot = speakers.boot, .actor = "operator", .key = {}, .request = {}};
    for (const auto& member : line.content) {
      auto proposal = proposal_from_json(requester, fb::Event::SettingChanged,
                                         {{"key", member.key()}, {"value", member.value()}}, Reading::asked);
      if (!proposal) return malformed(in_quotes(std::string(member.key())) + ": " + proposal.error().message);
      group.push_back(std::move(*proposal));
    }
    return group;
  }
  const Requester requester{.boot = line.boot.empty() ? speakers.boot : line.boot,
                            .actor = line.actor,
                            .key = {},
                            .request = {},
                            .principal = line.principal};
  for (const json::object& event : line.events) {
    group.push_back(PAWL_TRY(proposal_of(event, requester, speakers, references)));
  }
  return group;
}

}  // namespace pawl
