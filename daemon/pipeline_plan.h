// From a pipeline's calendar to instants.
//
// Where a local time has no instant or two, what is closed lasts as long as it can be read: it begins at the first and
// ends at the last, and what is open begins at the last and ends at the first.
#pragma once

#include <cstddef>
#include <vector>

#include "daemon/pipeline_zone.h"
#include "engine/state/pipeline.h"
#include "engine/state/rows.h"

namespace pawl {

struct CalendarPlan {
  std::vector<FreezeWindow> windows;  // in order of their beginnings; none that is over
  TimeUs planned_until;
};

constexpr std::int64_t plan_ahead_s = 60 * 24 * 3600;
/// Of the texts of a plan, which is one record.
constexpr std::size_t plan_bytes_max = 1024 * 1024;

/// What is closed from `now` on, as far ahead as above or as fits in one record. A calendar that only has freezes is
/// planned to the end of time. Requires: `pipeline` is valid, has a calendar, and `zone` is that calendar's.
CalendarPlan plan_of(const Pipeline& pipeline, const Zone& zone, TimeUs now);

/// Whether the plan must be recorded: the windows that both know of differ, or the row's end is less than a week away
/// and the plan reaches at least a day further. `row`: what the state has; null if it has nothing.
bool is_news(const CalendarPlan& plan, const FreezeRow* row, TimeUs now);

}  // namespace pawl
