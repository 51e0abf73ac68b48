#include "engine/state/holds.h"

#include <algorithm>
#include <array>

namespace pawl {
namespace {

struct Head {
  std::string_view text;
  HoldPlace::Kind kind;
};
constexpr std::array<Head, 5> heads = {{{"pipeline:", HoldPlace::Kind::pipeline},
                                        {"repo:", HoldPlace::Kind::repo},
                                        {"stage:", HoldPlace::Kind::stage},
                                        {"agent:", HoldPlace::Kind::agent},
                                        {"task:", HoldPlace::Kind::task}}};

bool is_over(const std::optional<TimeUs>& until, TimeUs now) {
  return until && now >= *until;
}

/// Of those that hold at the time, the one that lasts longest.
class Longest {
 public:
  explicit Longest(TimeUs now) : now_(now) {}

  void add(const HoldRow* row) {
    if (!row || is_over(row->until, now_)) return;
    take({.place = row->place,
          .reason = row->reason,
          .until = row->until,
          .seq = row->seq,
          .by = row->principal.value_or(row->actor)});
  }

  void add(const FreezeRow& freeze, std::string_view stage) {
    if (is_over(freeze.planned_until, now_)) {
      take({.place = place_of_pipeline(freeze.pipeline),
            .reason = std::string(freeze_not_planned),
            .until = std::nullopt,
            .seq = freeze.seq,
            .is_freeze = true});
      return;
    }
    for (const FreezeWindow& window : freeze.windows) {
      if (window.from > now_) break;
      const bool is_meant =
          window.stages.empty() || std::find(window.stages.begin(), window.stages.end(), stage) != window.stages.end();
      if (!is_meant || is_over(window.until, now_)) continue;
      take({.place = place_of_pipeline(freeze.pipeline),
            .reason = window.reason,
            .until = window.until,
            .seq = freeze.seq,
            .is_freeze = true});
    }
  }

  std::optional<HeldBy> found;

 private:
  void take(HeldBy held) {
    const bool lasts_longer = !found || (found->until && (!held.until || *held.until > *found->until));
    if (lasts_longer) found = std::move(held);
  }

  TimeUs now_;
};

}  // namespace

std::optional<HoldPlace> place_from(std::string_view text) {
  for (const Head& head : heads) {
    if (!text.starts_with(head.text) || text.size() == head.text.size()) continue;
    HoldPlace place{.kind = head.kind, .name = std::string(text.substr(head.text.size()))};
    const auto task = task_of_key(text);
    if (place.kind == HoldPlace::Kind::task && (!task || *task == TaskId{0})) return std::nullopt;
    return place;
  }
  return std::nullopt;
}

std::string place_of_pipeline(std::string_view name) {
  return "pipeline:" + std::string(name);
}

std::optional<HeldBy> held_by(const State& state, const Task& task, TimeUs now, std::string_view agent) {
  if (state.holds.size() == 0 && state.freezes.size() == 0) return std::nullopt;
  if (task.let_through == task.version) return std::nullopt;
  const std::string& pipeline = state.pipeline_of(task).name;
  Longest longest(now);
  longest.add(state.holds.find(task_key(task.id)));
  longest.add(state.holds.find("stage:" + task.stage));
  longest.add(state.holds.find(repo_key(task.repo)));
  longest.add(state.holds.find(place_of_pipeline(pipeline)));
  if (!agent.empty()) longest.add(state.holds.find("agent:" + std::string(agent)));
  if (const FreezeRow* freeze = state.freezes.find(pipeline)) longest.add(*freeze, task.stage);
  return std::move(longest.found);
}

bool is_place_of(const State& state, const Task& task, std::string_view place) {
  const Stage* stage = state.stage_of(task);
  return place == task_key(task.id) || place == repo_key(task.repo) || place == "stage:" + task.stage ||
         place == place_of_pipeline(state.pipeline_of(task).name) || (stage && place == "agent:" + stage->agent);
}

std::optional<TimeUs> next_hold_end(const State& state, TimeUs now) {
  std::optional<TimeUs> next;
  const auto take = [&](TimeUs end) {
    if (end > now && (!next || end < *next)) next = end;
  };
  for (const auto& [place, row] : state.holds.rows()) {
    if (row.until) take(*row.until);
  }
  for (const auto& [pipeline, row] : state.freezes.rows()) {
    for (const FreezeWindow& window : row.windows) take(window.until);
  }
  const auto early = state.indexes.not_before.lower_bound({TimeUs{now.us + 1}, TaskId{0}});
  if (early != state.indexes.not_before.end()) take(early->first);
  return next;
}

std::string early_in_words(const Task& task) {
  return "its time has not come: not before " + rfc3339(*task.not_before);
}

std::string in_words(const HeldBy& held) {
  return held.place + (held.is_freeze ? " is frozen" : " is held") +
         (held.until ? " until " + rfc3339(*held.until) : "") + (held.by.empty() ? "" : " by " + held.by) +
         (held.reason.empty() ? "" : ": " + held.reason);
}

}  // namespace pawl
