#include "daemon/pipeline_plan.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

#include "schema/limits.h"

namespace pawl {
namespace {

constexpr std::int64_t day_s = 24 * 3600;
/// A window that is open or closed at the end of the stretch that is looked at began or ends within so many days: a
/// weekly span is shorter, and a change of the clock may swallow one.
constexpr std::int64_t margin_s = 15 * day_s;
constexpr TimeUs end_of_time{253'370'764'800 * us_per_s};  // 9999-01-01
constexpr std::size_t spans_told_max = 4;

struct UtcSpan {
  TimeUs from;
  TimeUs until;
};

/// Merges what overlaps or touches.
std::vector<UtcSpan> joined(std::vector<UtcSpan> stretches) {
  std::sort(stretches.begin(), stretches.end(),
            [](const UtcSpan& one, const UtcSpan& other) { return one.from < other.from; });
  std::vector<UtcSpan> apart;
  for (const UtcSpan& each : stretches) {
    if (!apart.empty() && each.from <= apart.back().until) {
      apart.back().until = std::max(apart.back().until, each.until);
    } else {
      apart.push_back(each);
    }
  }
  return apart;
}

class Planner {
 public:
  Planner(const Pipeline& pipeline, const Zone& zone, TimeUs now)
      : calendar_(*pipeline.calendar), zone_(zone), now_(now), horizon_(plus_s(now, plan_ahead_s)) {
    for (const Stage& stage : pipeline.stages) stages_.emplace_back(stage.name);
  }

  CalendarPlan plan() {
    for (const CalendarSpan& span : calendar_.closed) add_closed(span);
    for (const OpenStages& group : open_stages(calendar_, stages_)) add_open(group);
    const bool is_weekly = !calendar_.closed.empty() || !calendar_.open.empty();
    if (!is_weekly) horizon_ = end_of_time;
    for (const CalendarSpan& span : calendar_.freezes) add_freeze(span);
    std::stable_sort(windows_.begin(), windows_.end(), [](const FreezeWindow& one, const FreezeWindow& other) {
      return std::tie(one.from, one.until) < std::tie(other.from, other.until);
    });
    bound();
    return {.windows = std::move(windows_), .planned_until = horizon_};
  }

 private:
  /// The instants of a weekly span, all through the stretch that is looked at.
  template <class Instants>
  void each_week(const CalendarSpan& span, std::vector<UtcSpan>& out, Instants instants) const {
    const std::int64_t first_day = zone_.local_minute(plus_s(now_, -margin_s)) / minutes_per_day;
    constexpr std::int64_t monday_before_1970 = 3;  // 1970-01-01 was a Thursday
    const std::int64_t monday = first_day - (first_day + monday_before_1970) % 7;
    const std::int64_t end = zone_.local_minute(plus_s(horizon_, margin_s));
    const auto spans = weekly_spans(span);
    for (std::int64_t week = monday * minutes_per_day; week < end; week += minutes_per_week) {
      for (const LocalSpan& each : *spans) {
        const UtcSpan stretch = instants(zone_.at(week + each.from_minute), zone_.at(week + each.until_minute));
        if (stretch.from < stretch.until) out.push_back(stretch);
      }
    }
  }

  void add_closed(const CalendarSpan& span) {
    std::vector<UtcSpan> closed;
    each_week(span, closed, [](const Zone::Instants& from, const Zone::Instants& until) {
      return UtcSpan{from.early, until.late};
    });
    const std::string why = "closed " + in_words(span, true);
    for (const UtcSpan& each : joined(std::move(closed))) add(each, why, span.reason, span.stages);
  }

  void add_open(const OpenStages& group) {
    std::vector<UtcSpan> open;
    std::string why;
    std::string reason;
    for (std::size_t i = 0; i < group.spans.size(); ++i) {
      const CalendarSpan& span = *group.spans[i];
      each_week(span, open, [](const Zone::Instants& from, const Zone::Instants& until) {
        return UtcSpan{from.late, until.early};
      });
      if (reason.empty()) reason = span.reason;
      if (i > spans_told_max) continue;
      why += i == 0 ? "closed outside of " : ", ";
      why += i == spans_told_max ? "and others" : in_words(span, true);
    }
    open = joined(std::move(open));
    for (std::size_t i = 1; i < open.size(); ++i) add({open[i - 1].until, open[i].from}, why, reason, group.stages);
  }

  void add_freeze(const CalendarSpan& span) {
    const auto covered = dated_span(span);
    const UtcSpan frozen{zone_.at(covered->from_minute).early, zone_.at(covered->until_minute).late};
    if (frozen.from < frozen.until) add(frozen, in_words(span, false), span.reason, span.stages);
  }

  void add(const UtcSpan& stretch, const std::string& why, const std::string& reason,
           const std::vector<std::string>& stages) {
    if (stretch.until <= now_ || stretch.from >= horizon_) return;
    windows_.push_back({.from = stretch.from,
                        .until = stretch.until,
                        .reason = why + ' ' + calendar_.zone + (reason.empty() ? "" : ": " + reason),
                        .stages = stages});
  }

  /// The first window that does not fit is where the plan ends.
  void bound() {
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < windows_.size(); ++i) {
      constexpr std::size_t text_overhead = 16;
      bytes += windows_[i].reason.size() + 4 * text_overhead;
      for (const std::string& stage : windows_[i].stages) bytes += stage.size() + text_overhead;
      if (i < limits::freeze_windows_max && bytes <= plan_bytes_max) continue;
      horizon_ = windows_[i].from;
      windows_.resize(i);
      return;
    }
  }

  const Calendar& calendar_;
  const Zone& zone_;
  const TimeUs now_;
  TimeUs horizon_;
  std::vector<std::string_view> stages_;
  std::vector<FreezeWindow> windows_;
};

bool is_same(const FreezeWindow& one, const FreezeWindow& other) {
  return std::tie(one.from, one.until, one.reason, one.stages) ==
         std::tie(other.from, other.until, other.reason, other.stages);
}

}  // namespace

CalendarPlan plan_of(const Pipeline& pipeline, const Zone& zone, TimeUs now) {
  return Planner(pipeline, zone, now).plan();
}

bool is_news(const CalendarPlan& plan, const FreezeRow* row, TimeUs now) {
  if (!row) return !plan.windows.empty();
  if (row->planned_until <= now) return true;
  const TimeUs end = std::min(row->planned_until, plan.planned_until);
  const auto known = [&](const std::vector<FreezeWindow>& windows) {
    std::vector<FreezeWindow> some;
    std::copy_if(windows.begin(), windows.end(), std::back_inserter(some),
                 [&](const FreezeWindow& each) { return each.until > now && each.from < end; });
    return some;
  };
  const std::vector<FreezeWindow> before = known(row->windows);
  const std::vector<FreezeWindow> after = known(plan.windows);
  if (!std::equal(before.begin(), before.end(), after.begin(), after.end(), is_same)) return true;
  return row->planned_until < plus_s(now, 7 * day_s) && plan.planned_until >= plus_s(row->planned_until, day_s);
}

}  // namespace pawl
