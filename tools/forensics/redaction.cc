#include "tools/forensics/redaction.h"

#include <algorithm>
#include <array>

#include "engine/state/holds.h"
#include "engine/state/pipeline.h"

namespace pawl {
namespace {

/// The actors of pawl itself. People chose every other name.
constexpr std::array<std::string_view, 11> own_actors = {daemon_name, "executor", "finalizer",  "monitor",
                                                         "operator",  "reaper",   "reconciler", "recovery",
                                                         "sequencer", "stop",     "webhook"};

/// The words that reasons of pawl consist of or begin with. The rules, the policies and the checks compare some of
/// them.
constexpr std::array<std::string_view, 39> own_reasons = {"advanced",
                                                          "blocked",
                                                          "called_off",
                                                          "cancel",
                                                          "ceiling",
                                                          "clone_damaged",
                                                          "created",
                                                          "disk_full",
                                                          "diverged",
                                                          "entered",
                                                          "expired",
                                                          "finalizer_dead",
                                                          "forced",
                                                          "gate_red",
                                                          "head_moved",
                                                          "job_failed",
                                                          "lost_dependency",
                                                          "max_rollbacks",
                                                          "moved_on",
                                                          "no_branch",
                                                          "no_command",
                                                          "origin_refused",
                                                          "origin_unreachable",
                                                          "outcome_unknown",
                                                          "owner_alive",
                                                          "owner_dead",
                                                          "owner_unseen",
                                                          "pid_dead",
                                                          "previous_alive",
                                                          "reaped",
                                                          "restart",
                                                          "restored",
                                                          "retry",
                                                          "returned",
                                                          "rolled_back",
                                                          "stale_boot",
                                                          "step_failed",
                                                          "ttl_expired",
                                                          "variable_missing"};

constexpr std::string_view restored_before = "restored (was: ";

bool is_among(const auto& words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

/// As pawl itself makes them: such an id says nothing.
bool is_uuid(std::string_view text) {
  if (text.size() != 36) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool is_dash = i == 8 || i == 13 || i == 18 || i == 23;
    const bool is_hex = (text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f');
    if (is_dash ? text[i] != '-' : !is_hex) return false;
  }
  return true;
}

}  // namespace

Redaction::Redaction() {
  learn(default_pipeline());
  stages_.emplace(stage_done);
  stages_.emplace(stage_cancelled);
}

void Redaction::learn(const Pipeline& pipeline) {
  for (const Stage& stage : pipeline.stages) {
    stages_.insert(stage.name);
    for (const PipelineStep& step : stage.steps) steps_.insert(step.name);
  }
}

std::string Redaction::replacement(std::string_view kind, std::string_view text, std::string_view separator) {
  if (text.empty()) return {};
  auto& numbers = numbers_[std::string(kind)];
  const auto at = numbers.try_emplace(std::string(text), numbers.size() + 1).first;
  return std::string(kind) + std::string(separator) + std::to_string(at->second);
}

std::string Redaction::boot_id(std::string_view text) {
  return is_uuid(text) ? std::string(text) : replacement("boot-id", text);
}

std::string Redaction::boot_name(std::string_view text) {
  return text == daemon_name ? std::string(text) : replacement("boot", text);
}

std::string Redaction::version(std::string_view text) {
  const bool is_plain = text.find_first_not_of("0123456789.") == std::string_view::npos;
  return is_plain ? std::string(text) : replacement("version", text);
}

std::string Redaction::actor(std::string_view text) {
  return is_among(own_actors, text) ? std::string(text) : replacement("actor", text);
}

std::string Redaction::principal(std::string_view text) {
  if (text == "tcp") return std::string(text);
  // A gate's name of a user is a number.
  if (text.starts_with("uid:")) {
    const std::string name = replacement("principal", text);
    return "uid:" + name.substr(name.find('-') + 1);
  }
  for (const std::string_view kind : {"token:", "webhook:", "user:", "group:"}) {
    if (text.starts_with(kind)) return std::string(kind) + replacement("principal", text);
  }
  return replacement("principal", text);
}

std::string Redaction::pipeline(std::string_view text) {
  // The rules look up this name.
  return text == "delivery" ? std::string(text) : replacement("pipeline", text);
}

std::string Redaction::stage(std::string_view text) {
  return stages_.contains(text) ? std::string(text) : replacement("stage", text);
}

std::string Redaction::step(std::string_view text) {
  return steps_.contains(text) ? std::string(text) : replacement("step", text);
}

std::string Redaction::edge(std::string_view text) {
  constexpr std::string_view arrow = "->";
  const std::size_t at = text.find(arrow);
  if (at == std::string_view::npos) return stage(text);
  return stage(text.substr(0, at)) + std::string(arrow) + stage(text.substr(at + arrow.size()));
}

std::string Redaction::lease_key(std::string_view text) {
  if (const auto task = task_of_key(text)) {
    return *task == TaskId{0} ? "task:" + replacement("key", text) : std::string(text);
  }
  if (text.starts_with(repo_prefix)) {
    return std::string(repo_prefix) + replacement("repo", text.substr(repo_prefix.size()));
  }
  return replacement("lock", text);
}

std::string Redaction::place(std::string_view text) {
  const auto held = place_from(text);
  if (!held) return (text.starts_with("task:") ? "task:" : "") + replacement("place", text);
  const std::string kind(text.substr(0, text.find(':') + 1));
  switch (held->kind) {
    case HoldPlace::Kind::pipeline:
      return kind + pipeline(held->name);
    case HoldPlace::Kind::repo:
      return kind + replacement("repo", held->name);
    case HoldPlace::Kind::stage:
      return kind + stage(held->name);
    case HoldPlace::Kind::agent:
      return kind + replacement("agent", held->name);
    case HoldPlace::Kind::task:
      return std::string(text);
  }
  return {};
}

std::string Redaction::setting(std::string_view text) {
  return setting_named(text) ? std::string(text) : replacement("setting", text);
}

std::string Redaction::reason(std::string_view text) {
  if (text.starts_with(restored_before)) {
    std::string_view before = text.substr(restored_before.size());
    if (before.ends_with(')')) before.remove_suffix(1);
    return std::string(restored_before) + reason(before) + ')';
  }
  const std::size_t end = std::min(text.find_first_not_of("abcdefghijklmnopqrstuvwxyz_"), text.size());
  const std::string_view word = text.substr(0, end);
  if (!is_among(own_reasons, word)) return replacement("text", text);
  if (end == text.size()) return std::string(text);
  return std::string(word) + ": " + replacement("text", text);
}

std::string Redaction::text(std::string_view table, std::string_view field, std::string_view text) {
  if (field == "boot_id" || field == "boot") return boot_id(text);
  if (field == "actor") return actor(text);
  if (field == "principal") return principal(text);
  if (field == "work_item") return replacement("item", text);
  if (field == "repo") return replacement("repo", text);
  if (field == "host") return replacement("host", text);
  if (field == "as" || (field == "by" && table.starts_with("Approval"))) return principal(text);
  if (field == "head" || field == "branch_head" || field == "origin_head") return replacement("head", text);
  if (field == "url" || field == "given") return replacement("url", text);
  if (field == "agent") return replacement("agent", text);
  if (field == "pipeline") return pipeline(text);
  if (field == "stage" || field == "to" || field == "rollback" || field == "gate") return stage(text);
  if (field == "edge") return edge(text);
  if (field == "place") return place(text);
  if (field == "stages") return stage(text);
  if (field == "zone") return "Zone/" + replacement("zone", text);
  if (table == "CalendarSpan" && is_calendar_text(text)) return std::string(text);
  if (field == "step") return step(text);
  if (field == "reason" || field == "blocked" || field == "cancel_requested") return reason(text);
  if (field == "version") return version(text);
  if (field == "run" || field == "member" || field == "time_ns") return replacement(field, text);
  if (field == "branch") {
    const bool is_word = table == "PipelineDefined" && (text == "create" || text == "existing");
    return is_word ? std::string(text) : replacement("branch", text);
  }
  if (field == "key") {
    if (table.starts_with("Lease")) return lease_key(text);
    if (table.starts_with("Setting")) return setting(text);
    return replacement("key", text);
  }
  if (field == "name") {
    if (table == "BootStarted" || table == "BootRow") return boot_name(text);
    if (table == "PipelineDefined") return pipeline(text);
    if (table == "Agent") return replacement("agent", text);
    if (table == "Stage") return stage(text);
    if (table == "Step") return step(text);
    if (table == "Variable") return replacement("VARIABLE", text, "_");
  }
  if (table == "Variable" && field == "file") return '/' + replacement("file", text);
  return replacement("text", text);
}

}  // namespace pawl
