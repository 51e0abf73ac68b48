// Redaction of records, which are edited as JSON by the schema's layout, and of rows, which visit() walks through.
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include "schema/hex.h"
#include "schema/json/read_json.h"
#include "schema/json/record_json.h"
#include "schema/record_view.h"
#include "tools/forensics/redaction.h"

namespace pawl {

namespace json = boost::json;

struct Redaction::Editing {
  Redaction& redaction;
  Outcome outcome;

  void edit(json::value& value, std::string_view table, std::string_view field) const {
    if (value.is_string()) {
      value = redaction.text(table, field, {value.get_string().data(), value.get_string().size()});
    }
  }

  /// One word for all of a command's: how many there were says something about it.
  void edit_command(json::value& value) const {
    if (!value.is_array() || value.get_array().empty()) return;
    const std::string words = json::serialize(value);
    value = json::array{redaction.replacement("command", words)};
  }

  void edit_table(json::object& object, const TableLayout& layout) const {
    using enum FieldLayout::Type;
    for (const FieldLayout& field : layout.fields) {
      json::value* value = object.if_contains(field.name);
      if (!value || value->is_null()) continue;
      if (field.type == text) edit(*value, layout.name, field.name);
      if (field.type == texts) {
        for (json::value& each : value->as_array()) edit(each, layout.name, field.name);
      }
      if (field.type == tables) {
        for (json::value& each : value->as_array()) edit_table(each.as_object(), *field.table);
      }
      if (field.type != table) continue;
      if (field.table->name == "Command") {
        edit_command(*value);
      } else if (value->is_object()) {
        edit_table(value->get_object(), *field.table);
      }
    }
  }

  /// A value that a setting does not take stays one: a word that is not known, a repository that is named twice.
  void edit_setting(json::object& data) const {
    json::value& value = data.at("value");
    const SettingKey* setting = setting_named({data.at("key").get_string().data(), data.at("key").get_string().size()});
    if (value.is_string()) {
      const std::string text(value.get_string());
      Settings settings;
      const bool is_word = setting && setting->type == "word" && setting->set(settings, text);
      if (!is_word) {
        value = setting && setting->name == "pipeline.default" ? redaction.pipeline(text)
                                                               : redaction.replacement("text", text);
      }
    }
    if (!value.is_array()) return;
    json::array& list = value.get_array();
    for (json::value& each : list) edit(each, "SettingValue", "repo");
    if (outcome == Outcome::bad_value && !list.empty()) list.emplace_back(json::value(list.front()));
  }

  /// A definition that is not valid may be so by its texts: then one without stages stands for it.
  static void empty_pipeline(json::object& data) {
    data["agents"] = json::array();
    data["stages"] = json::array();
    data.erase("branch");
    data.erase("env");
  }

  void edit_line(json::object& line, const fb::Record& record) const {
    const TableLayout& layout = *layout_of(record.event_type());
    json::object& data = line.at("data").as_object();
    if (record.event_type() == fb::Event::SettingChanged) edit_setting(data);
    if (outcome == Outcome::bad_pipeline) empty_pipeline(data);
    // The value of a setting is bare, so no table.
    edit_table(data, layout);
    for (const char* field : {"boot", "actor", "key", "principal"}) {
      if (json::value* value = line.if_contains(field)) edit(*value, "Record", field);
    }
    if (record.request()) {
      const std::uint64_t number =
          redaction.requests_.try_emplace(*record.request(), redaction.requests_.size() + 1).first->second;
      line["request"] = hex(number);
    }
  }
};

Result<Proposal> Redaction::redacted(const fb::Record& record) {
  const Outcome outcome{record.stamp()->outcome()};
  if (const auto* defined = record.event_as_PipelineDefined(); defined && outcome == Outcome::accepted) {
    learn(pipeline_from(*defined));
  }
  std::string line;
  append_record_json(line, record, "[]");
  json::value document = PAWL_TRY(parse_json(line));
  Editing{*this, outcome}.edit_line(document.as_object(), record);
  return read_record_line(json::serialize(document));
}

namespace {

/// A row that visit() knows.
template <class Row>
concept Visitable = requires(Row& row) {
  visit(row, [](int, const char*, auto&) {});
};

}  // namespace

template <class Row>
void Redaction::redact_row(Row& row, std::string_view table) {
  visit(row, [&](int, const char* name, auto& value) {
    using Value = std::remove_reference_t<decltype(value)>;
    if constexpr (std::is_same_v<Value, std::string>) {
      value = text(table, name, value);
    } else if constexpr (std::is_same_v<Value, std::optional<std::string>>) {
      if (value) value = text(table, name, *value);
    } else if constexpr (Visitable<Value>) {
      redact_row(value, table);
    } else if constexpr (requires { requires Visitable<typename Value::value_type>; }) {
      if constexpr (requires { value.has_value(); }) {
        if (value) redact_row(*value, table);
      } else {
        for (auto& each : value) redact_row(each, table);
      }
    }
  });
}

Result<PipelineRow> Redaction::redacted(const PipelineRow& row) {
  learn(*row.definition);
  const Proposal definition = PAWL_TRY(redacted(propose({}, pipeline_event(*row.definition)).record()));
  PipelineRow copy = row;
  copy.definition = std::make_shared<const Pipeline>(pipeline_from(*definition.record().event_as_PipelineDefined()));
  return copy;
}

Result<SettingRow> Redaction::redacted(const SettingRow& row) {
  fb::SettingChangedT event;
  event.key = row.key;
  event.value = std::make_unique<fb::SettingValueT>(setting_value_event(row.value));
  const Proposal changed = PAWL_TRY(redacted(propose({}, event).record()));
  SettingRow copy = row;
  copy.value = setting_value_from(*changed.record().event_as_SettingChanged()->value());
  return copy;
}

Result<State> Redaction::redacted(const State& state) {
  State copy;
  copy.ids.load(0, *state.ids.find(0));
  for (const auto& [seq, row] : state.pipelines.rows()) copy.pipelines.load(seq, PAWL_TRY(redacted(row)));
  for (const auto& [key, row] : state.settings_changed.rows()) {
    copy.settings_changed.load(key, PAWL_TRY(redacted(row)));
  }
  const auto load = [this](const auto& rows, auto& into, std::string_view table, auto key_of) {
    for (const auto& [key, row] : rows) {
      auto redacted_row = row;
      redact_row(redacted_row, table);
      const auto new_key = key_of(redacted_row);
      into.load(new_key, std::move(redacted_row));
    }
  };
  load(state.tasks.rows(), copy.tasks, "TaskRow", [](const Task& row) { return row.id; });
  load(state.jobs.rows(), copy.jobs, "JobRow", [](const Job& row) { return row.id; });
  load(state.leases.rows(), copy.leases, "LeaseRow", [](const Lease& row) { return row.key; });
  load(state.boots.rows(), copy.boots, "BootRow", [](const Boot& row) { return row.boot_id; });
  load(state.repos.rows(), copy.repos, "RepoRow", [](const RepoRow& row) { return row.repo; });
  load(state.holds.rows(), copy.holds, "HoldRow", [](const HoldRow& row) { return row.place; });
  load(state.freezes.rows(), copy.freezes, "FreezeRow", [](const FreezeRow& row) { return row.pipeline; });
  for (const auto& [order, row] : state.keys.rows()) {
    KeyRow key = row;
    key.key = text("Record", "key", row.key);
    key.principal = principal(row.principal);
    if (row.request != 0) key.request = requests_.try_emplace(row.request, requests_.size() + 1).first->second;
    copy.keys.remember(std::move(key));
  }
  copy.last_seq = state.last_seq;
  copy.last_time = state.last_time;
  copy.loaded(0, state.indexes.archived_done, state.indexes.archived_cancelled);
  return copy;
}

}  // namespace pawl
