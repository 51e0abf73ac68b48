// When nothing of a pipeline starts, as its definition says it: in local time, with a zone's name. The rules check the
// texts and no more. What they mean in UTC depends on the time zone database, which differs between machines and over
// the years: so the daemon computes the instants and records them (daemon/work/freeze_planner.h).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "schema/result.h"

namespace pawl {

/// A stretch of local time, up to but not including its end.
///
/// Every week, "DAY HH:MM" to "DAY HH:MM", or "HH:MM" to "HH:MM" on each of `days` (empty: every day), into the next
/// day if the end is not after the beginning. `days` is a list such as "mon-thu, sat"; an end may be "24:00". Once,
/// "YYYY-MM-DD HH:MM" to "YYYY-MM-DD HH:MM"; a date alone is the whole day, also as an end.
struct CalendarSpan {
  std::string days = {};
  std::string from;
  std::string until;
  std::string reason = {};
  std::vector<std::string> stages = {};  // empty: all

  friend bool operator==(const CalendarSpan&, const CalendarSpan&) = default;
};

struct Calendar {
  std::string zone;
  std::vector<CalendarSpan> closed = {};   // every week
  std::vector<CalendarSpan> open = {};     // every week: a stage is closed outside of its spans
  std::vector<CalendarSpan> freezes = {};  // once

  friend bool operator==(const Calendar&, const Calendar&) = default;
};

/// Minutes of local time: of a week since Monday 00:00, of a date since 1970-01-01 00:00.
struct LocalSpan {
  std::int64_t from_minute = 0;
  std::int64_t until_minute = 0;
};
constexpr std::int64_t minutes_per_day = 24 * 60;
constexpr std::int64_t minutes_per_week = 7 * minutes_per_day;

/// What a weekly span covers: each begins within the week, and ends at most a week later. `malformed`: a text has
/// another form, or it covers nothing.
[[nodiscard]] Result<std::vector<LocalSpan>> weekly_spans(const CalendarSpan& span);
/// What a freeze covers. `malformed`: a text has another form, or it ends before it begins.
[[nodiscard]] Result<LocalSpan> dated_span(const CalendarSpan& span);

/// Whether it is a text that `days`, `from` or `until` may be: it says when, and nothing else.
[[nodiscard]] bool is_calendar_text(std::string_view text);

/// Stages with the same open spans.
struct OpenStages {
  std::vector<std::string> stages;  // empty: all
  std::vector<const CalendarSpan*> spans;
};
/// A stage that open spans name has those alone; every other has those without stages. A stage without any is not in
/// the answer: it is not closed by `open`.
[[nodiscard]] std::vector<OpenStages> open_stages(const Calendar& calendar, std::span<const std::string_view> stages);

/// The first problem: "has the span …". `stages` are the pipeline's. Whether the zone exists is not checked.
[[nodiscard]] std::optional<std::string> calendar_problem(const Calendar& calendar,
                                                          std::span<const std::string_view> stages);
/// The problem of one span of its lists, as above; `is_weekly`: of `closed` or `open`.
[[nodiscard]] std::optional<std::string> calendar_span_problem(const CalendarSpan& span, bool is_weekly,
                                                               std::span<const std::string_view> stages);

/// "fri 16:00 to mon 08:00", "every day 22:00 to 06:00" (if `is_weekly`).
[[nodiscard]] std::string in_words(const CalendarSpan& span, bool is_weekly);

template <class V>
void visit(const CalendarSpan& span, V&& field) {
  field(1, "days", span.days);
  field(2, "from", span.from);
  field(3, "until", span.until);
  field(4, "reason", span.reason);
  field(5, "stages", span.stages);
}

template <class V>
void visit(const Calendar& calendar, V&& field) {
  field(1, "zone", calendar.zone);
  field(2, "closed", calendar.closed);
  field(3, "open", calendar.open);
  field(4, "freezes", calendar.freezes);
}

}  // namespace pawl
