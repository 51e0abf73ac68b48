// The tables of docs/API.md, docs/SECURITY.md and docs/SETTINGS.md match the code: each follows a marker, such as
// `<!-- calls: tasks -->`, and holds the rows rendered here. A sentence names each difference.
//
// To rewrite the tables, run this program with PAWL_WRITE_DOCS=1.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "daemon/api/counters.h"
#include "daemon/api/exposition.h"
#include "daemon/api/openapi.h"
#include "daemon/api/route_table.h"
#include "engine/state/settings.h"
#include "schema/json/record_json.h"
#include "schema/layout.h"

namespace pawl {
namespace {

using Cells = std::vector<std::string>;

constexpr const char* mend =
    "\nTo have the tables written from the code: PAWL_WRITE_DOCS=1 build/release/bin/pawl_daemon_tests "
    "--gtest_filter='ContractDocs.*'";

/// The expected form of a table.
struct DocTable {
  std::string file;    // "docs/API.md"
  std::string marker;  // "calls: tasks"
  std::string noun;    // of a row: "route"
  std::string place;   // where the code has the rows
  Cells head;
  std::vector<Cells> rows;
  std::size_t keys = 1;  // how many leading cells identify a row
};

std::string code(std::string_view text) {
  return "`" + std::string(text) + "`";
}

std::string joined(const Cells& parts, const std::string& between) {
  std::string out;
  for (const std::string& part : parts) out += (out.empty() ? "" : between) + part;
  return out;
}

std::string line_of(const Cells& cells) {
  return "| " + joined(cells, " | ") + " |";
}

Cells cells_of(const std::string& line) {
  Cells cells;
  std::size_t from = line.find('|') + 1;
  for (std::size_t to; (to = line.find('|', from)) != std::string::npos; from = to + 1) {
    const std::string cell = line.substr(from, to - from);
    const std::size_t first = std::min(cell.find_first_not_of(' '), cell.size());
    cells.push_back(cell.substr(first, cell.find_last_not_of(' ') + 1 - first));
  }
  return cells;
}

std::string key_of(const DocTable& table, const Cells& row) {
  return joined(Cells(row.begin(), row.begin() + static_cast<std::ptrdiff_t>(std::min(table.keys, row.size()))), " ");
}

std::filesystem::path source_folder() {
  return std::filesystem::path(__FILE__).parent_path() / "../../../..";
}

Cells lines_of(const std::string& file) {
  std::ifstream in(source_folder() / file);
  EXPECT_TRUE(in) << file << " cannot be read";
  Cells lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

/// Where the table stands in the file: [begin, end) of its lines.
struct Place {
  std::size_t begin = 0;
  std::size_t end = 0;
};

std::optional<Place> place_of(const Cells& lines, const std::string& marker) {
  const auto found = std::find(lines.begin(), lines.end(), "<!-- " + marker + " -->");
  if (found == lines.end()) return std::nullopt;
  Place place;
  place.begin = static_cast<std::size_t>(found - lines.begin()) + 1;
  place.end = place.begin;
  while (place.end < lines.size() && lines[place.end].starts_with('|')) ++place.end;
  return place;
}

void write_table(const DocTable& table) {
  Cells lines = lines_of(table.file);
  const auto place = place_of(lines, table.marker);
  if (!place) return;
  Cells fresh = {line_of(table.head), "|" + joined(Cells(table.head.size(), "---"), "|") + "|"};
  for (const Cells& row : table.rows) fresh.push_back(line_of(row));
  const auto at = lines.begin() + static_cast<std::ptrdiff_t>(place->begin);
  lines.erase(at, lines.begin() + static_cast<std::ptrdiff_t>(place->end));
  lines.insert(lines.begin() + static_cast<std::ptrdiff_t>(place->begin), fresh.begin(), fresh.end());
  std::ofstream(source_folder() / table.file) << joined(lines, "\n") << '\n';
}

/// What to change in the document or the code, one sentence each.
std::string problems_of(const DocTable& table, const Cells& lines) {
  const auto place = place_of(lines, table.marker);
  if (!place) return table.file + " has no table behind a line `<!-- " + table.marker + " -->`\n";
  std::string problems;
  std::map<std::string, Cells> written;
  Cells order;
  for (std::size_t i = place->begin + 2; i < place->end; ++i) {
    const Cells row = cells_of(lines[i]);
    if (!written.emplace(key_of(table, row), row).second) {
      problems += table.file + " has the row " + key_of(table, row) + " twice\n";
    }
    order.push_back(key_of(table, row));
  }
  Cells wanted;
  for (const Cells& row : table.rows) {
    const std::string key = key_of(table, row);
    wanted.push_back(key);
    const auto found = written.find(key);
    if (found == written.end()) {
      problems += table.file + " has no row for the " + table.noun + " " + key + " of " + table.place +
                  ": add the line\n    " + line_of(row) + "\n";
      continue;
    }
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string cell = i < found->second.size() ? found->second[i] : "";
      if (cell == row[i]) continue;
      problems += table.file + " says of the " + table.noun + " " + key + " in the column '" + table.head[i] +
                  "':\n    " + cell + "\n  but by " + table.place + " it must be\n    " + row[i] + "\n";
    }
    written.erase(found);
  }
  for (const auto& [key, row] : written) {
    problems += table.file + " has a row for " + key + ", but " + table.place + " has no such " + table.noun +
                ": remove the row, or add the " + table.noun + "\n";
  }
  if (problems.empty() && order != wanted)
    problems = table.file + " has the rows of '" + table.marker + "' in another order\n";
  if (problems.empty() && cells_of(lines[place->begin]) != table.head) {
    problems =
        table.file + " has another head on '" + table.marker + "': it must be\n    " + line_of(table.head) + "\n";
  }
  return problems;
}

void expect_documented(const DocTable& table) {
  if (std::getenv("PAWL_WRITE_DOCS")) write_table(table);
  const std::string problems = problems_of(table, lines_of(table.file));
  EXPECT_TRUE(problems.empty()) << '\n' << problems << mend;
}

// Routes.

const std::string route_place = "daemon/api/route_table*.cc";

std::string call_of(const Route& route) {
  return code(std::string(route.method) + " " + std::string(route.path));
}

std::string section_of(const Route& route) {
  const auto is_under = [&](std::string_view folder) { return route.path.starts_with(folder); };
  if (is_under("/v1/tasks")) return "tasks";
  if (is_under("/v1/leases") || is_under("/v1/boots") || is_under("/transition-lease")) return "leases and boots";
  if (is_under("/v1/jobs")) return "jobs";
  return "the daemon";
}

std::string sent_in(const Route& route) {
  if (route.form == BodyForm::settings) return "settings by name: `{\"queue.max_concurrency\": 3, …}`";
  if (route.form == BodyForm::delivery) return "as its sender makes it, signed";
  if (route.form == BodyForm::batch) return "`requests`: 1 to " + std::to_string(limits::requests_per_batch_max);
  std::string body;
  Field::Need last = Field::Need::required;
  for (const Field& field : route.body) {
    const std::string between = field.need == last ? ", " : "; ";
    body += (body.empty() ? "" : between) + code(field.name);
    last = field.need;
  }
  std::string query;
  for (const Field& field : route.query) query += (query.empty() ? "?" : "&") + std::string(field.name) + "=";
  return body + (query.empty() ? "" : code(query));
}

std::string answer_of(const RouteAnswer& answer) {
  const std::string of(answer.of);
  Cells members;
  for (const std::string_view member : answer.members) members.push_back(code(member));
  if (!of.empty()) members.push_back(code(of));
  std::string what;
  switch (answer.shape) {
    case RouteAnswer::Shape::written:
    case RouteAnswer::Shape::members:
      what = joined(members, ", ");
      break;
    case RouteAnswer::Shape::object:
      what = "the " + of + " alone";
      break;
    case RouteAnswer::Shape::list:
      what = "list of " + of + "s";
      break;
    case RouteAnswer::Shape::lines:
      what = of + "s as JSON lines";
      break;
    case RouteAnswer::Shape::text:
      what = "`text/plain`";
      break;
    case RouteAnswer::Shape::file:
      what = "the file";
      break;
  }
  Cells statuses;
  for (const int status : answer.statuses) statuses.push_back(std::to_string(status));
  const bool is_usual = answer.statuses == std::vector<int>{200};
  std::string out = is_usual ? "" : joined(statuses, " or ") + (what.empty() ? "" : " ");
  out += what;
  const std::string between = out.empty() ? "" : answer.shape == RouteAnswer::Shape::list ? ", " : "; ";
  return answer.remark.empty() ? out : out + between + std::string(answer.remark);
}

std::string refusals_of(const Route& route) {
  Cells codes;
  for (const Outcome outcome : route.refusals) codes.push_back(code(name(outcome)));
  for (const std::string_view error : route.errors) {
    const bool is_code = error.find(' ') == std::string_view::npos;
    codes.push_back(is_code ? code(error) : std::string(error));
  }
  return joined(codes, ", ");
}

std::string one_of(const Cells& words) {
  Cells marked;
  for (const std::string& word : words) marked.push_back(code(word));
  return "one of " + joined(marked, ", ");
}

std::string type_in_schema(const FieldLayout& field) {
  switch (field.type) {
    case FieldLayout::Type::boolean:
      return "boolean";
    case FieldLayout::Type::integer: {
      if (!field.enumeration) return "integer";
      Cells words;
      for (const auto& [number, spelling] : field.enumeration->values) words.push_back(spelling);
      return one_of(words);
    }
    case FieldLayout::Type::text:
      return "text to " + std::to_string(text_bytes_max(field.name)) + " bytes";
    case FieldLayout::Type::table:
      return "object";
    case FieldLayout::Type::texts:
      return "list of texts";
    case FieldLayout::Type::integers:
      return "list of integers";
    case FieldLayout::Type::tables:
      return "list of objects";
  }
  return "";
}

std::string type_of(const Route& route, const Field& field) {
  switch (field.type) {
    case Field::Type::event: {
      const FieldLayout* layout = layout_in(route, field.name);
      return layout ? type_in_schema(*layout) : "?";
    }
    case Field::Type::text:
      return field.max == 0 ? "text" : "text to " + std::to_string(field.max) + " bytes";
    case Field::Type::word:
      return one_of(Cells(field.words.begin(), field.words.end()));
    case Field::Type::integer: {
      const bool is_open = field.max >= INT64_MAX - 1;
      const std::string usual = field.fallback ? "; " + std::to_string(*field.fallback) + " if not sent" : "";
      return "integer from " + std::to_string(field.min) + (is_open ? "" : " to " + std::to_string(field.max)) + usual;
    }
    case Field::Type::flag:
      return "boolean";
    case Field::Type::names:
      return "list of 1 to " + std::to_string(field.max) + " texts";
  }
  return "";
}

/// Which of several events it belongs to: " (`StepStarted`)".
std::string event_of(const Route& route, const Field& field) {
  if (field.type != Field::Type::event || route.events.size() < 2) return "";
  Cells having;
  for (const fb::Event event : route.events) {
    const auto& fields = layout_of(event)->fields;
    const bool has =
        std::any_of(fields.begin(), fields.end(), [&](const auto& each) { return each.name == field.name; });
    if (has) having.push_back(code(fb::EnumNameEvent(event)));
  }
  return having.size() == route.events.size() ? "" : " (" + joined(having, ", ") + ")";
}

DocTable calls_of(const std::string& section) {
  DocTable table{.file = "docs/API.md",
                 .marker = "calls: " + section,
                 .noun = "route",
                 .place = route_place,
                 .head = {"call", "what it does", "body or query", "answer, beside `seq`", "refusals"},
                 .rows = {}};
  for (const Route& route : routes()) {
    if (section_of(route) != section) continue;
    table.rows.push_back(
        {call_of(route), std::string(route.summary), sent_in(route), answer_of(route.answer), refusals_of(route)});
  }
  return table;
}

DocTable fields_of(const std::string& section) {
  DocTable table{.file = "docs/API.md",
                 .marker = "fields: " + section,
                 .noun = "field",
                 .place = route_place,
                 .head = {"call", "field", "type", "what it is"},
                 .rows = {},
                 .keys = 2};
  for (const Route& route : routes()) {
    if (section_of(route) != section) continue;
    std::string call = call_of(route);
    for (const char* prefix : {" /v1/tasks/{id}/", " /v1/jobs/{id}/"}) {
      const std::size_t at = call.find(prefix);
      if (at != std::string::npos) call.replace(at, std::string_view(prefix).size(), " …/");
    }
    for (const auto* fields : {&route.body, &route.query}) {
      for (const Field& field : *fields) {
        const std::string optional = field.need == Field::Need::optional ? "optional " : "";
        table.rows.push_back({call, code((fields == &route.query ? "?" : "") + std::string(field.name)),
                              optional + type_of(route, field), std::string(field.summary) + event_of(route, field)});
      }
    }
  }
  return table;
}

TEST(ContractDocs, calls_of_api_md_are_the_routes) {
  for (const char* section : {"tasks", "leases and boots", "jobs", "the daemon"}) expect_documented(calls_of(section));
}

TEST(ContractDocs, fields_of_api_md_are_those_that_requests_are_read_by) {
  for (const char* section : {"tasks", "leases and boots", "jobs", "the daemon"}) expect_documented(fields_of(section));
}

TEST(ContractDocs, what_may_be_in_a_batch_is_in_api_md) {
  DocTable table{.file = "docs/API.md",
                 .marker = "batch",
                 .noun = "route",
                 .place = route_place,
                 .head = {"call", "in a batch"},
                 .rows = {}};
  for (const InBatch how : {InBatch::together, InBatch::by_itself}) {
    for (const Route& route : routes()) {
      if (route.in_batch != how) continue;
      std::string words = how == InBatch::together ? "together" : "by itself";
      if (!route.by_itself_with.empty()) words += "; with " + code(route.by_itself_with) + " by itself";
      table.rows.push_back({call_of(route), words});
    }
  }
  expect_documented(table);
}

std::string of_narrow(Reach reach) {
  switch (reach) {
    case Reach::everything:
      return "refused";
    case Reach::open:
      return "like any token";
    case Reach::task:
      return "its tasks";
    case Reach::job:
      return "its jobs";
    case Reach::key:
      return "its keys";
    case Reach::submits:
      return "its repositories";
    case Reach::claims:
      return "its jobs";
    case Reach::filtered:
      return "what is within its limits";
  }
  return "";
}

TEST(ContractDocs, roles_of_security_md_are_those_of_the_routes) {
  DocTable table{.file = "docs/SECURITY.md",
                 .marker = "roles",
                 .noun = "route",
                 .place = route_place,
                 .head = {"call", "role", "narrow"},
                 .rows = {}};
  for (const Role role : {Role::none, Role::read, Role::work, Role::operate}) {
    for (const Route& route : routes()) {
      if (route.role == role) table.rows.push_back({call_of(route), std::string(name(role)), of_narrow(route.reach)});
    }
  }
  expect_documented(table);
}

std::string with_labels(const Counter& counter) {
  if (counter.labels.empty()) return std::string(counter.name);
  std::string text(counter.name);
  for (std::size_t i = 0; i < counter.labels.size(); ++i) text += (i == 0 ? "{" : ",") + std::string(counter.labels[i]);
  return text + "}";
}

TEST(ContractDocs, counters_of_api_md_are_those_of_the_table) {
  DocTable table{.file = "docs/API.md",
                 .marker = "counters",
                 .noun = "counter",
                 .place = "daemon/api/counters.cc",
                 .head = {"counter", "kind", "unit", "in `/queue`", "what it counts"},
                 .rows = {}};
  for (const Counter& counter : counters()) {
    if (counter.shown_at.empty()) continue;
    Cells places;
    for (const std::string_view place : counter.shown_at) places.push_back(code(place));
    table.rows.push_back({code(with_labels(counter)), std::string(name(counter.kind)), std::string(counter.unit),
                          joined(places, ", "), std::string(counter.help)});
  }
  expect_documented(table);
}

TEST(ContractDocs, metrics_md_has_the_counters) {
  DocTable table{.file = "docs/METRICS.md",
                 .marker = "metrics",
                 .noun = "counter",
                 .place = "daemon/api/counters.cc",
                 .head = {"metric", "type", "unit", "lines at most", "what it counts"},
                 .rows = {}};
  std::size_t all = 999;  // to be rounded up: not every new counter is to change the bound
  for (const Counter& counter : counters()) {
    const std::size_t lines = lines_max(counter);
    all += lines;
    table.rows.push_back({code(with_labels(counter)), std::string(name(counter.kind)), std::string(counter.unit),
                          std::to_string(lines), std::string(counter.help)});
  }
  expect_documented(table);
  DocTable sum{.file = "docs/METRICS.md",
               .marker = "metrics-bound",
               .noun = "bound",
               .place = "daemon/api/counters.cc",
               .head = {"all together", "lines at most"},
               .rows = {{"one answer, without comments", std::to_string(all / 1000 * 1000)}}};
  expect_documented(sum);
}

std::string shown(const SettingValue& value) {
  if (const bool* flag = std::get_if<bool>(&value)) return *flag ? "true" : "false";
  if (const auto* number = std::get_if<std::int64_t>(&value)) return std::to_string(*number);
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  return "[]";
}

TEST(ContractDocs, settings_md_has_the_settings) {
  DocTable table{.file = "docs/SETTINGS.md",
                 .marker = "settings",
                 .noun = "setting",
                 .place = "engine/state/settings.cc",
                 .head = {"key", "type", "default", "range", "what it does", "what depends on it"},
                 .rows = {}};
  for (const SettingKey& key : setting_keys()) {
    table.rows.push_back({code(key.name), std::string(key.type), shown(key.get({})), key.range, std::string(key.does),
                          std::string(key.depends)});
  }
  expect_documented(table);
}

// The comparison itself: it names each kind of difference.

DocTable role_table() {
  return {.file = "docs/X.md",
          .marker = "x",
          .noun = "route",
          .place = "x.cc",
          .head = {"call", "role"},
          .rows = {{"`GET /a`", "read"}, {"`POST /b`", "work"}}};
}

const Cells role_lines = {
    "# X", "<!-- x -->", "| call | role |", "|---|---|", "| `GET /a` | read |", "| `POST /b` | work |", ""};

TEST(ContractDocs, a_row_without_a_route_and_a_route_without_a_row_are_named) {
  EXPECT_EQ(problems_of(role_table(), role_lines), "");
  Cells lines = role_lines;
  lines[4] = "| `GET /c` | read |";
  EXPECT_EQ(problems_of(role_table(), lines),
            "docs/X.md has no row for the route `GET /a` of x.cc: add the line\n    | `GET /a` | read |\n"
            "docs/X.md has a row for `GET /c`, but x.cc has no such route: remove the row, or add the route\n");
}

TEST(ContractDocs, a_wrong_cell_a_wrong_order_and_a_missing_table_are_named) {
  Cells lines = role_lines;
  lines[5] = "| `POST /b` | read |";
  EXPECT_EQ(
      problems_of(role_table(), lines),
      "docs/X.md says of the route `POST /b` in the column 'role':\n    read\n  but by x.cc it must be\n    work\n");
  lines = role_lines;
  std::swap(lines[4], lines[5]);
  EXPECT_EQ(problems_of(role_table(), lines), "docs/X.md has the rows of 'x' in another order\n");
  EXPECT_EQ(problems_of(role_table(), {"# X"}), "docs/X.md has no table behind a line `<!-- x -->`\n");
}

}  // namespace
}  // namespace pawl
