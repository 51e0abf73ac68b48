#include "engine/state/calendar.h"

#include <algorithm>
#include <array>
#include <bitset>
#include <charconv>
#include <chrono>

#include "schema/limits.h"
#include "schema/nearest.h"

namespace pawl {
namespace {

Error malformed(std::string what) {
  return {ErrorCode::malformed, std::move(what)};
}

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

/// Digits alone: no sign and no blank.
std::optional<int> number_in(std::string_view text, std::size_t digits_min, std::size_t digits_max) {
  if (text.size() < digits_min || text.size() > digits_max) return std::nullopt;
  if (text.find_first_not_of("0123456789") != std::string_view::npos) return std::nullopt;
  int number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

/// Minutes since midnight: "8:00" to "24:00".
std::optional<int> time_of_day(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto hours = number_in(text.substr(0, colon), 1, 2);
  const auto minutes = number_in(text.substr(colon + 1), 2, 2);
  if (!hours || !minutes || *minutes > 59) return std::nullopt;
  const int time = *hours * 60 + *minutes;
  return time <= minutes_per_day ? std::optional(time) : std::nullopt;
}

constexpr std::array<std::string_view, 7> day_names = {"monday", "tuesday",  "wednesday", "thursday",
                                                       "friday", "saturday", "sunday"};

/// "fri", "Fri" or "Friday": 0 is Monday.
std::optional<int> weekday(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  for (std::size_t day = 0; day < day_names.size(); ++day) {
    if (lower == day_names[day] || lower == day_names[day].substr(0, 3)) return static_cast<int>(day);
  }
  return std::nullopt;
}

/// "mon-thu, sat": in the order of the week. "fri-mon" goes over its end.
std::optional<std::array<bool, 7>> days_in(std::string_view text) {
  std::array<bool, 7> days{};
  for (;;) {
    const std::size_t comma = std::min(text.find(','), text.size());
    const std::string_view part = trimmed(text.substr(0, comma));
    const std::size_t dash = std::min(part.find('-'), part.size());
    const auto first = weekday(trimmed(part.substr(0, dash)));
    const auto last = dash == part.size() ? first : weekday(trimmed(part.substr(dash + 1)));
    if (!first || !last) return std::nullopt;
    for (int day = *first;; day = (day + 1) % 7) {
      days[static_cast<std::size_t>(day)] = true;
      if (day == *last) break;
    }
    if (comma == text.size()) return days;
    text.remove_prefix(comma + 1);
  }
}

/// "fri 16:00", as minutes since Monday 00:00.
std::optional<int> time_of_week(std::string_view text) {
  const std::size_t blank = text.find(' ');
  if (blank == std::string_view::npos) return std::nullopt;
  const auto day = weekday(text.substr(0, blank));
  const auto time = time_of_day(trimmed(text.substr(blank)));
  return day && time ? std::optional(*day * static_cast<int>(minutes_per_day) + *time) : std::nullopt;
}

struct LocalTime {
  std::int64_t minute = 0;  // since 1970-01-01 00:00
  bool is_date = false;     // without a time of day
};

/// "2026-12-24 18:00" or "2026-12-24".
std::optional<LocalTime> dated(std::string_view text) {
  constexpr std::size_t date_bytes = std::string_view("2026-12-24").size();
  const std::string_view date = text.substr(0, std::min(text.size(), date_bytes));
  if (date.size() != date_bytes || date[4] != '-' || date[7] != '-') return std::nullopt;
  const auto year = number_in(date.substr(0, 4), 4, 4);
  const auto month = number_in(date.substr(5, 2), 2, 2);
  const auto day = number_in(date.substr(8, 2), 2, 2);
  constexpr int year_min = 1970;  // what comes before has no instant in a log
  if (!year || !month || !day || *year < year_min) return std::nullopt;
  const std::chrono::year_month_day civil{std::chrono::year(*year), std::chrono::month(static_cast<unsigned>(*month)),
                                          std::chrono::day(static_cast<unsigned>(*day))};
  if (!civil.ok()) return std::nullopt;
  const std::int64_t minute = std::chrono::sys_days(civil).time_since_epoch().count() * minutes_per_day;
  std::string_view rest = text.substr(date_bytes);
  if (rest.empty()) return LocalTime{minute, true};
  if (rest.front() != ' ' && rest.front() != 'T') return std::nullopt;
  const auto time = time_of_day(trimmed(rest.substr(1)));
  return time ? std::optional(LocalTime{minute + *time, false}) : std::nullopt;
}

std::string quoted(std::string_view text) {
  return "'" + std::string(text) + "'";
}

bool is_zone_name(std::string_view zone) {
  const auto is_upper = [](char c) { return c >= 'A' && c <= 'Z'; };
  const auto is_part = [&](char c) {
    return is_upper(c) || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '+' ||
           c == '/';
  };
  return !zone.empty() && zone.size() <= limits::name_bytes_max && is_upper(zone.front()) &&
         std::all_of(zone.begin(), zone.end(), is_part) && zone.back() != '/' &&
         zone.find("//") == std::string_view::npos;
}

/// Whether the span is for that stage.
bool is_for(const CalendarSpan& span, std::string_view stage) {
  return span.stages.empty() || std::find(span.stages.begin(), span.stages.end(), stage) != span.stages.end();
}

using Week = std::bitset<minutes_per_week>;

/// Requires: the span was checked.
void mark(Week& week, const CalendarSpan& span) {
  const auto spans = weekly_spans(span);
  for (const LocalSpan& each : *spans) {
    for (std::int64_t minute = each.from_minute; minute < each.until_minute; ++minute) {
      week.set(static_cast<std::size_t>(minute % minutes_per_week));
    }
  }
}

/// The first stage that is closed all week. Requires: the spans were checked.
std::optional<std::string> never_open(const Calendar& calendar, std::span<const std::string_view> stages) {
  for (const std::string_view stage : stages) {
    Week closed;
    const std::array<std::string_view, 1> alone = {stage};
    for (const OpenStages& group : open_stages(calendar, alone)) {
      Week open;
      for (const CalendarSpan* span : group.spans) mark(open, *span);
      closed |= ~open;
    }
    for (const CalendarSpan& span : calendar.closed) {
      if (is_for(span, stage)) mark(closed, span);
    }
    if (closed.all()) return std::string(stage);
  }
  return std::nullopt;
}

}  // namespace

Result<std::vector<LocalSpan>> weekly_spans(const CalendarSpan& span) {
  const auto from = time_of_day(span.from);
  const auto until = time_of_day(span.until);
  if (from && until) {
    if (*from == *until) return malformed("begins when it ends; a whole day is 00:00 to 24:00");
    if (*from == minutes_per_day) return malformed("begins at 24:00; write 00:00 of the next day");
    const auto days = days_in(span.days.empty() ? "mon-sun" : std::string_view(span.days));
    if (!days) return malformed("has the days " + quoted(span.days) + "; write them as in mon-thu, sat");
    std::vector<LocalSpan> spans;
    for (std::size_t day = 0; day < days->size(); ++day) {
      if (!(*days)[day]) continue;
      const std::int64_t midnight = static_cast<std::int64_t>(day) * minutes_per_day;
      spans.push_back({midnight + *from, midnight + *until + (*until > *from ? 0 : minutes_per_day)});
    }
    return spans;
  }
  const auto week_from = time_of_week(span.from);
  const auto week_until = time_of_week(span.until);
  if (week_from && week_until && span.days.empty()) {
    const std::int64_t begin = *week_from % minutes_per_week;
    const std::int64_t end = *week_until;
    if (begin == end % minutes_per_week) return malformed("begins when it ends");
    return std::vector<LocalSpan>{{begin, end > begin ? end : end + minutes_per_week}};
  }
  if (week_from && week_until) return malformed("has `days`, but its times name days themselves");
  const bool is_from = !from && !week_from;
  return malformed("has " + quoted(is_from ? span.from : span.until) + " as `" + (is_from ? "from" : "until") + "`; " +
                   ((from && week_until) || (week_from && until)
                        ? "its times must both name a day, or both not"
                        : "write a time of the week such as 'fri 16:00', or of each day such as '22:00'"));
}

Result<LocalSpan> dated_span(const CalendarSpan& span) {
  const auto from = dated(span.from);
  const auto until = dated(span.until);
  if (!from || !until) {
    return malformed("has " + quoted(from ? span.until : span.from) + " as `" + (from ? "until" : "from") +
                     "`; write a date such as 2026-12-24, or a date and time such as '2026-12-24 18:00'");
  }
  const LocalSpan covered{from->minute, until->minute + (until->is_date ? minutes_per_day : 0)};
  if (covered.until_minute <= covered.from_minute) return malformed("ends before it begins");
  // A plan ends there, and no time after the year 9999 can be written down.
  constexpr std::chrono::sys_days last{std::chrono::year(9999) / 1 / 1};
  if (covered.until_minute > last.time_since_epoch().count() * minutes_per_day) {
    return malformed("ends after the year 9998; what is to rest for good is held by `pawl hold`");
  }
  return covered;
}

bool is_calendar_text(std::string_view text) {
  return days_in(text) || time_of_day(text) || time_of_week(text) || dated(text);
}

std::vector<OpenStages> open_stages(const Calendar& calendar, std::span<const std::string_view> stages) {
  std::vector<OpenStages> groups;
  for (const std::string_view stage : stages) {
    std::vector<const CalendarSpan*> own;
    std::vector<const CalendarSpan*> general;
    for (const CalendarSpan& span : calendar.open) {
      if (span.stages.empty()) general.push_back(&span);
      if (!span.stages.empty() && is_for(span, stage)) own.push_back(&span);
    }
    const std::vector<const CalendarSpan*>& spans = own.empty() ? general : own;
    if (spans.empty()) continue;
    const auto same = std::find_if(groups.begin(), groups.end(), [&](const auto& each) { return each.spans == spans; });
    OpenStages& group = same == groups.end() ? groups.emplace_back(OpenStages{.stages = {}, .spans = spans}) : *same;
    group.stages.emplace_back(stage);
  }
  if (groups.size() == 1 && groups.front().stages.size() == stages.size()) groups.front().stages.clear();
  return groups;
}

std::optional<std::string> calendar_span_problem(const CalendarSpan& span, bool is_weekly,
                                                 std::span<const std::string_view> stages) {
  const std::string subject = "has the span " + quoted(in_words(span, is_weekly)) + ", which ";
  if (is_weekly) {
    if (const auto spans = weekly_spans(span); !spans) return subject + spans.error().message;
  } else {
    if (!span.days.empty()) return subject + "has `days`, but is not weekly";
    if (const auto covered = dated_span(span); !covered) return subject + covered.error().message;
  }
  if (span.reason.size() > limits::calendar_reason_bytes_max) {
    return subject + "has a reason of " + std::to_string(span.reason.size()) + " bytes; the limit is " +
           std::to_string(limits::calendar_reason_bytes_max);
  }
  if (span.stages.size() > limits::stages_max) {
    return subject + "names more than " + std::to_string(limits::stages_max) + " stages";
  }
  for (const std::string& stage : span.stages) {
    if (std::find(stages.begin(), stages.end(), stage) != stages.end()) continue;
    const auto meant = nearest_of(stage, stages);
    return subject + "names " + quoted(stage) + ", which is not a stage" +
           (meant ? "; did you mean " + quoted(*meant) + "?" : std::string());
  }
  return std::nullopt;
}

std::optional<std::string> calendar_problem(const Calendar& calendar, std::span<const std::string_view> stages) {
  if (!is_zone_name(calendar.zone)) {
    return "has " + quoted(calendar.zone) + " as `zone`; write a name of the time zone database, such as Europe/Berlin";
  }
  if (calendar.closed.empty() && calendar.open.empty() && calendar.freezes.empty()) {
    return "has none of `closed`, `open` and `freezes`; leave it out if nothing is closed";
  }
  struct List {
    const char* name;
    const std::vector<CalendarSpan>& spans;
    bool is_weekly;
  };
  const std::array<List, 3> lists = {
      {{"closed", calendar.closed, true}, {"open", calendar.open, true}, {"freezes", calendar.freezes, false}}};
  for (const List& list : lists) {
    if (list.spans.size() > limits::calendar_spans_max) {
      return "has " + std::to_string(list.spans.size()) + " spans in `" + list.name + "`; the limit is " +
             std::to_string(limits::calendar_spans_max);
    }
    for (const CalendarSpan& span : list.spans) {
      if (auto problem = calendar_span_problem(span, list.is_weekly, stages)) return problem;
    }
  }
  if (const auto stage = never_open(calendar, stages)) {
    return "never opens for stage " + quoted(*stage) + ": its weekly spans close it all week";
  }
  return std::nullopt;
}

std::string in_words(const CalendarSpan& span, bool is_weekly) {
  const bool is_daily = is_weekly && span.days.empty() && time_of_day(span.from).has_value();
  return (is_daily ? "every day " : span.days.empty() ? "" : span.days + ' ') + span.from + " to " + span.until;
}

}  // namespace pawl
