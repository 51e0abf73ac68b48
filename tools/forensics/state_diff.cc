#include "tools/forensics/state_diff.h"

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <functional>
#include <vector>

#include "engine/json/state_json.h"
#include "schema/json/json_text.h"
#include "schema/json/read_json.h"
#include "schema/printable.h"
#include "tools/forensics/text_forms.h"

namespace pawl {
namespace {

namespace json = boost::json;

template <class Row>
std::string json_of(const Row& row) {
  std::string out;
  append_json(out, row);
  return out;
}

std::string_view name(RowName::Kind kind) {
  switch (kind) {
    case RowName::Kind::task:
      return "task";
    case RowName::Kind::job:
      return "job";
    case RowName::Kind::lease:
      return "lease";
    case RowName::Kind::boot:
      return "boot";
    case RowName::Kind::pipeline:
      return "pipeline";
    case RowName::Kind::setting:
      return "setting";
    case RowName::Kind::hold:
      return "hold";
    case RowName::Kind::freeze:
      return "freeze";
  }
  return "?";
}

std::string label(const RowName& row) {
  if (row.kind == RowName::Kind::pipeline) return "pipeline defined by record " + std::to_string(row.id);
  return std::string(name(row.kind)) + ' ' + (row.key.empty() ? std::to_string(row.id) : printable(row.key));
}

/// Calls `each` for every row that differs between the two sides; null on a side that lacks it.
void for_differences(const StateRows& before, const StateRows& after,
                     const std::function<void(const RowName&, const std::string*, const std::string*)>& each) {
  auto was = before.begin();
  auto is = after.begin();
  while (was != before.end() || is != after.end()) {
    if (is == after.end() || (was != before.end() && was->first < is->first)) {
      each(was->first, &was->second, nullptr);
      ++was;
    } else if (was == before.end() || is->first < was->first) {
      each(is->first, nullptr, &is->second);
      ++is;
    } else {
      if (was->second != is->second) each(was->first, &was->second, &is->second);
      ++was;
      ++is;
    }
  }
}

/// The fields of a row; a setting is a single field.
json::object fields_in(const std::string& row) {
  const json::value value = *parse_json(row);
  return value.is_object() ? value.get_object() : json::object({{"value", value}});
}

}  // namespace

StateRows rows_of(const State& state) {
  StateRows rows;
  const auto number = [&](RowName::Kind kind, std::uint64_t id, std::string row) {
    rows.insert_or_assign({.kind = kind, .id = id, .key = {}}, std::move(row));
  };
  const auto text = [&](RowName::Kind kind, const std::string& key, std::string row) {
    rows.insert_or_assign({.kind = kind, .id = 0, .key = key}, std::move(row));
  };
  for (const auto& [id, row] : state.tasks.rows()) number(RowName::Kind::task, raw(id), json_of(row));
  for (const auto& [id, row] : state.jobs.rows()) number(RowName::Kind::job, raw(id), json_of(row));
  for (const auto& [key, row] : state.leases.rows()) text(RowName::Kind::lease, key, json_of(row));
  for (const auto& [id, row] : state.boots.rows()) text(RowName::Kind::boot, id, json_of(row));
  for (const auto& [seq, row] : state.pipelines.rows()) number(RowName::Kind::pipeline, raw(seq), json_of(row));
  for (const auto& [place, row] : state.holds.rows()) text(RowName::Kind::hold, place, json_of(row));
  for (const auto& [pipeline, row] : state.freezes.rows()) text(RowName::Kind::freeze, pipeline, json_of(row));
  for (const SettingKey& setting : setting_keys()) {
    text(RowName::Kind::setting, std::string(setting.name), json_of(setting.get(state.settings())));
  }
  return rows;
}

void add_rows(StateRows& rows, const ArchivedTask& archived) {
  rows.insert_or_assign({.kind = RowName::Kind::task, .id = raw(archived.task.id), .key = {}}, json_of(archived.task));
  for (const Job& job : archived.jobs) {
    rows.insert_or_assign({.kind = RowName::Kind::job, .id = raw(job.id), .key = {}}, json_of(job));
  }
}

std::string difference_in_words(const StateRows& before, const StateRows& after) {
  std::string out;
  for_differences(before, after, [&](const RowName& row, const std::string* was, const std::string* is) {
    const json::object old_fields = was ? fields_in(*was) : json::object();
    const json::object new_fields = is ? fields_in(*is) : json::object();
    out += label(row) + (!was ? ": new\n" : !is ? ": gone\n" : "\n");
    for (const auto& member : is ? new_fields : old_fields) {
      const json::value* other = (is ? old_fields : new_fields).if_contains(member.key());
      if (other && *other == member.value()) continue;
      out += "  " + std::string(member.key()) + ": ";
      if (was) out += recorded_cell(old_fields.at(member.key()));
      if (was && is) out += " -> ";
      if (is) out += recorded_cell(member.value());
      out += '\n';
    }
  });
  return out;
}

std::string difference_in_json(const StateRows& before, const StateRows& after, DifferencePart part) {
  std::string out = "[";
  std::size_t at = 0;
  for_differences(before, after, [&](const RowName& row, const std::string* was, const std::string* is) {
    const bool is_in_part = at >= part.first && at - part.first < part.count;
    ++at;
    if (!is_in_part) return;
    if (out.back() != '[') out += ',';
    out += "{\"row\":\"" + std::string(name(row.kind)) + "\",\"id\":";
    if (row.key.empty()) {
      append_json_integer(out, row.id);
    } else {
      append_json_text(out, row.key);
    }
    out += ",\"before\":" + (was ? *was : "null") + ",\"after\":" + (is ? *is : "null") + '}';
  });
  return out + ']';
}

std::size_t count_differences(const StateRows& before, const StateRows& after) {
  std::size_t rows = 0;
  for_differences(before, after, [&](const RowName&, const std::string*, const std::string*) { ++rows; });
  return rows;
}

}  // namespace pawl
