#include "daemon/pipeline_yaml_text.h"

#include <yaml-cpp/emitter.h>
#include <yaml-cpp/emittermanip.h>

#include <algorithm>
#include <array>
#include <string_view>

namespace pawl {
namespace {

/// Whether YAML reads the text as a string without quotes: not as a number, a boolean or null.
bool is_plain_text(std::string_view text) {
  constexpr std::array<std::string_view, 8> words = {"true", "false", "yes", "no", "on", "off", "null", "y"};
  const auto is_letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '/';
  };
  const auto is_later = [&](char c) {
    return is_letter(c) || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == ' ';
  };
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return !text.empty() && is_letter(text.front()) && text.back() != ' ' &&
         std::all_of(text.begin(), text.end(), is_later) && lower != "n" &&
         std::find(words.begin(), words.end(), lower) == words.end();
}

/// Whether it can be a literal block: it ends with one newline and has nothing that such a block would lose.
bool is_block(std::string_view text) {
  const auto is_shown = [](char c) { return c == '\n' || (c >= ' ' && c <= '~'); };
  return text.size() > 2 && text.find('\n') < text.size() - 1 && text.ends_with('\n') && !text.ends_with("\n\n") &&
         text.front() != ' ' && text.front() != '\n' && std::all_of(text.begin(), text.end(), is_shown);
}

class YamlWriter {
 public:
  Result<std::string> pipeline(const Pipeline& pipeline) {
    yaml_ << YAML::BeginMap;
    member("name", pipeline.name);
    if (pipeline.branch) member("branch", *pipeline.branch);
    env(pipeline.env);
    if (!pipeline.agents.empty()) {
      yaml_ << YAML::Key << "agents" << YAML::Value << YAML::BeginMap;
      for (const Agent& each : pipeline.agents) PAWL_TRY(agent(each));
      yaml_ << YAML::EndMap;
    }
    yaml_ << YAML::Key << "stages" << YAML::Value << YAML::BeginSeq;
    for (const Stage& each : pipeline.stages) PAWL_TRY(stage(each));
    yaml_ << YAML::EndSeq;
    if (pipeline.calendar) calendar(*pipeline.calendar);
    yaml_ << YAML::EndMap;
    return std::string(yaml_.c_str()) + "\n";
  }

 private:
  void text(const std::string& value) {
    if (!is_plain_text(value)) yaml_ << YAML::DoubleQuoted;
    yaml_ << value;
  }
  /// Writes a script of several lines as a literal block.
  void line(const std::string& value) {
    if (!is_block(value)) return text(value);
    yaml_ << YAML::Literal << value.substr(0, value.size() - 1);  // the block adds the last newline itself
  }
  void member(const char* key, const std::string& value) {
    yaml_ << YAML::Key << key << YAML::Value;
    text(value);
  }
  void number(const char* key, std::int64_t value, std::int64_t otherwise) {
    if (value != otherwise) yaml_ << YAML::Key << key << YAML::Value << value;
  }
  void number(const char* key, const std::optional<std::int64_t>& value) {
    if (value) yaml_ << YAML::Key << key << YAML::Value << *value;
  }
  void flag(const char* key, bool value) {
    if (value) yaml_ << YAML::Key << key << YAML::Value << "true";
  }

  Result<void> command(const char* key, const CommandLine& words) {
    if (words.empty()) return {};
    yaml_ << YAML::Key << key << YAML::Value;
    if (words.size() == 3 && words[0] == "/bin/sh" && words[1] == "-c" && !words[2].empty()) {
      line(words[2]);
      return {};
    }
    if (words.front().starts_with("./") || words.front().starts_with("../")) {
      return Error{ErrorCode::unsupported, "'" + words.front() +
                                               "' is a program in the worktree; in YAML that name means a program next "
                                               "to the file, so this definition cannot be written as YAML"};
    }
    yaml_ << YAML::Flow << YAML::BeginSeq;
    for (const std::string& word : words) text(word);
    yaml_ << YAML::EndSeq;
    return {};
  }

  void env(const Variables& variables) {
    if (variables.empty()) return;
    yaml_ << YAML::Key << "env" << YAML::Value << YAML::BeginMap;
    for (const Variable& variable : variables) {
      yaml_ << YAML::Key << variable.name << YAML::Value;
      if (variable.value) {
        yaml_ << YAML::DoubleQuoted << *variable.value;
        continue;
      }
      yaml_ << YAML::Flow << YAML::BeginMap;
      if (variable.file) member("file", *variable.file);
      if (variable.from_daemon) member("from_daemon", *variable.from_daemon);
      yaml_ << YAML::EndMap;
    }
    yaml_ << YAML::EndMap;
  }

  Result<void> agent(const Agent& agent) {
    yaml_ << YAML::Key;
    text(agent.name);
    yaml_ << YAML::Value << YAML::BeginMap;
    PAWL_TRY(command("run", agent.run));
    yaml_ << YAML::Key << "timeout_s" << YAML::Value << agent.timeout_s;  // an empty map would be hard to read
    env(agent.env);
    number("output_max_bytes", agent.output_max_bytes);
    yaml_ << YAML::EndMap;
    return {};
  }

  void approval(const Approval& approval) {
    yaml_ << YAML::Key << "approve" << YAML::Value << YAML::BeginMap;
    yaml_ << YAML::Key << "by" << YAML::Value << YAML::Flow << YAML::BeginSeq;
    for (const std::string& name : approval.by) yaml_ << YAML::DoubleQuoted << name;
    yaml_ << YAML::EndSeq;
    number("need", approval.need, 1);
    flag("not_submitter", approval.not_submitter);
    number("timeout_s", approval.timeout_s);
    if (approval.on_timeout == ApprovalTimeout::roll_back) member("on_timeout", "roll_back");
    yaml_ << YAML::EndMap;
  }

  Result<void> stage(const Stage& stage) {
    yaml_ << YAML::BeginMap;
    member("name", stage.name);
    if (!stage.agent.empty()) member("agent", stage.agent);
    if (stage.gate) {
      yaml_ << YAML::Key << "gate" << YAML::Value << YAML::BeginMap;
      PAWL_TRY(command("run", stage.gate->run));
      yaml_ << YAML::Key << "timeout_s" << YAML::Value << stage.gate->timeout_s;
      env(stage.gate->env);
      number("output_max_bytes", stage.gate->output_max_bytes);
      if (stage.gate->approve) approval(*stage.gate->approve);
      yaml_ << YAML::EndMap;
    }
    member("to", stage.to);
    if (!stage.steps.empty()) {
      yaml_ << YAML::Key << "steps" << YAML::Value << YAML::BeginSeq;
      for (const PipelineStep& each : stage.steps) PAWL_TRY(step(each));
      yaml_ << YAML::EndSeq;
    }
    if (!stage.rollback.empty()) member("rollback", stage.rollback);
    env(stage.env);
    yaml_ << YAML::EndMap;
    return {};
  }

  Result<void> step(const PipelineStep& step) {
    yaml_ << YAML::BeginMap;
    member("name", step.name);
    PAWL_TRY(command("run", step.run));
    PAWL_TRY(command("probe", step.probe));
    number("timeout_s", step.timeout_s, step_timeout_default_s);
    flag("irreversible", step.irreversible);
    if (step.exclusive) member("exclusive", "repo");
    if (!step.not_done_exit_codes.empty()) {
      yaml_ << YAML::Key << "not_done_exit_codes" << YAML::Value << YAML::Flow << YAML::BeginSeq;
      for (const int code : step.not_done_exit_codes) yaml_ << code;
      yaml_ << YAML::EndSeq;
    }
    number("settle_s", step.settle_s, step.irreversible ? settle_default_s : 0);
    env(step.env);
    number("output_max_bytes", step.output_max_bytes);
    yaml_ << YAML::EndMap;
    return {};
  }

  void calendar(const Calendar& calendar) {
    yaml_ << YAML::Key << "calendar" << YAML::Value << YAML::BeginMap;
    member("zone", calendar.zone);
    spans("closed", calendar.closed);
    spans("open", calendar.open);
    spans("freezes", calendar.freezes);
    yaml_ << YAML::EndMap;
  }

  void spans(const char* key, const std::vector<CalendarSpan>& spans) {
    if (spans.empty()) return;
    yaml_ << YAML::Key << key << YAML::Value << YAML::BeginSeq;
    for (const CalendarSpan& span : spans) {
      yaml_ << YAML::BeginMap;
      if (!span.days.empty()) member("days", span.days);
      member("from", span.from);
      member("until", span.until);
      if (!span.stages.empty()) {
        yaml_ << YAML::Key << "stages" << YAML::Value << YAML::Flow << YAML::BeginSeq;
        for (const std::string& stage : span.stages) text(stage);
        yaml_ << YAML::EndSeq;
      }
      if (!span.reason.empty()) member("reason", span.reason);
      yaml_ << YAML::EndMap;
    }
    yaml_ << YAML::EndSeq;
  }

  YAML::Emitter yaml_;
};

}  // namespace

Result<std::string> yaml_of(const Pipeline& pipeline) {
  return YamlWriter().pipeline(pipeline);
}

}  // namespace pawl
