#include "engine/state/calendar.h"

#include <gtest/gtest.h>

#include <array>

#include "schema/limits.h"

namespace pawl {
namespace {

constexpr std::array<std::string_view, 3> stages = {"work", "review", "deploy"};

/// "mon 22:00-tue 06:00, …" as minutes, or the problem.
std::string weekly(const CalendarSpan& span) {
  const auto spans = weekly_spans(span);
  if (!spans) return spans.error().message;
  std::string text;
  for (const LocalSpan& each : *spans) {
    text += (text.empty() ? "" : ", ") + std::to_string(each.from_minute) + "-" + std::to_string(each.until_minute);
  }
  return text;
}

constexpr int day = 24 * 60;

std::string of_days(const std::vector<int>& days, int from, int until) {
  std::string text;
  for (const int each : days) {
    text += (text.empty() ? "" : ", ") + std::to_string(each * day + from) + "-" + std::to_string(each * day + until);
  }
  return text;
}

TEST(CalendarSpans, of_a_week_name_its_days) {
  EXPECT_EQ(weekly({.from = "fri 16:00", .until = "mon 08:00"}), of_days({4}, 16 * 60, 3 * day + 8 * 60));
  EXPECT_EQ(weekly({.from = "Monday 8:05", .until = "FRI 24:00"}), of_days({0}, 8 * 60 + 5, 5 * day));
  EXPECT_EQ(weekly({.from = "sun 24:00", .until = "mon 01:00"}), of_days({0}, 0, 60));
}

TEST(CalendarSpans, of_days_may_end_on_the_next) {
  EXPECT_EQ(weekly({.from = "22:00", .until = "06:00"}), of_days({0, 1, 2, 3, 4, 5, 6}, 22 * 60, day + 6 * 60));
  EXPECT_EQ(weekly({.days = "mon-wed, sat", .from = "09:00", .until = "17:00"}),
            of_days({0, 1, 2, 5}, 9 * 60, 17 * 60));
  EXPECT_EQ(weekly({.days = "sat-mon", .from = "00:00", .until = "24:00"}), of_days({0, 5, 6}, 0, day));
}

TEST(CalendarSpans, that_cannot_be_read_say_what_to_write) {
  const std::string weekday = "write a time of the week such as 'fri 16:00', or of each day such as '22:00'";
  EXPECT_EQ(weekly({.from = "25:00", .until = "06:00"}), "has '25:00' as `from`; " + weekday);
  EXPECT_EQ(weekly({.from = "22:00", .until = "6"}), "has '6' as `until`; " + weekday);
  EXPECT_EQ(weekly({.from = "fry 16:00", .until = "mon 08:00"}), "has 'fry 16:00' as `from`; " + weekday);
  EXPECT_EQ(weekly({.from = "fri 16:60", .until = "mon 08:00"}), "has 'fri 16:60' as `from`; " + weekday);
  EXPECT_EQ(weekly({.from = "24:01", .until = "06:00"}), "has '24:01' as `from`; " + weekday);
  EXPECT_EQ(weekly({.from = "-1:00", .until = "06:00"}), "has '-1:00' as `from`; " + weekday);
  EXPECT_EQ(weekly({.from = "fri 16:00", .until = "08:00"}),
            "has '08:00' as `until`; its times must both name a day, or both not");
  EXPECT_EQ(weekly({.days = "mon-thru", .from = "22:00", .until = "06:00"}),
            "has the days 'mon-thru'; write them as in mon-thu, sat");
  EXPECT_EQ(weekly({.days = "mon,,tue", .from = "22:00", .until = "06:00"}),
            "has the days 'mon,,tue'; write them as in mon-thu, sat");
  EXPECT_EQ(weekly({.days = "mon", .from = "fri 16:00", .until = "mon 08:00"}),
            "has `days`, but its times name days themselves");
  EXPECT_EQ(weekly({.from = "08:00", .until = "08:00"}), "begins when it ends; a whole day is 00:00 to 24:00");
  EXPECT_EQ(weekly({.from = "fri 16:00", .until = "fri 16:00"}), "begins when it ends");
  EXPECT_EQ(weekly({.from = "mon 00:00", .until = "sun 24:00"}), "begins when it ends");
  EXPECT_EQ(weekly({.from = "24:00", .until = "06:00"}), "begins at 24:00; write 00:00 of the next day");
}

std::string once(const std::string& from, const std::string& until) {
  const auto span = dated_span({.from = from, .until = until});
  return span ? std::to_string(span->from_minute) + "-" + std::to_string(span->until_minute) : span.error().message;
}

TEST(CalendarSpans, with_dates_take_the_whole_day_where_no_time_is_given) {
  constexpr int eve = 20811;  // 2026-12-24, in days since 1970
  EXPECT_EQ(once("2026-12-24", "2026-12-26"), std::to_string(eve * day) + "-" + std::to_string((eve + 3) * day));
  EXPECT_EQ(once("2026-12-24 18:00", "2026-12-24T20:30"),
            std::to_string(eve * day + 18 * 60) + "-" + std::to_string(eve * day + 20 * 60 + 30));
  EXPECT_EQ(once("1970-01-01", "1970-01-01"), "0-" + std::to_string(day));
  EXPECT_EQ(once("2026-12-24", "2026-12-23"), "ends before it begins");
  EXPECT_TRUE(once("2026-12-24", "9998-12-31").starts_with(std::to_string(eve * day)));
  EXPECT_EQ(once("2026-12-24", "9999-12-31"),
            "ends after the year 9998; what is to rest for good is held by `pawl hold`");
  EXPECT_EQ(once("2026-12-24 18:00", "2026-12-24 18:00"), "ends before it begins");
  const std::string form = "; write a date such as 2026-12-24, or a date and time such as '2026-12-24 18:00'";
  EXPECT_EQ(once("2026-02-29", "2026-03-01"), "has '2026-02-29' as `from`" + form);
  EXPECT_EQ(once("2026-12-24", "26.12.2026"), "has '26.12.2026' as `until`" + form);
  EXPECT_EQ(once("2026-12-24 18:00:00", "2026-12-25"), "has '2026-12-24 18:00:00' as `from`" + form);
  EXPECT_EQ(once("1969-12-31", "2026-12-25"), "has '1969-12-31' as `from`" + form);
  EXPECT_EQ(once("2026-12-24x18:00", "2026-12-25"), "has '2026-12-24x18:00' as `from`" + form);
}

std::string problem(const Calendar& calendar) {
  return calendar_problem(calendar, stages).value_or("");
}

TEST(Calendars, name_a_zone_and_stages_that_are_there) {
  EXPECT_EQ(problem({.zone = "Europe/Berlin", .closed = {{.from = "22:00", .until = "06:00", .stages = {"deploy"}}}}),
            "");
  EXPECT_EQ(problem({.zone = "Europe/Berlin", .closed = {{.from = "22:00", .until = "06:00", .stages = {"deplyo"}}}}),
            "has the span 'every day 22:00 to 06:00', which names 'deplyo', which is not a stage; did you mean "
            "'deploy'?");
  for (const char* zone :
       {"", "berlin", "Europe/", "/Europe", "Europe//Berlin", "Europe/../etc", "Über", "localtime"}) {
    EXPECT_TRUE(problem({.zone = zone, .closed = {{.from = "1:00", .until = "2:00"}}})
                    .starts_with("has '" + std::string(zone) + "' as `zone`"))
        << zone;
  }
  EXPECT_EQ(problem({.zone = "UTC", .freezes = {{.days = "mon", .from = "2026-12-24", .until = "2026-12-26"}}}),
            "has the span 'mon 2026-12-24 to 2026-12-26', which has `days`, but is not weekly");
  const std::string long_reason(limits::calendar_reason_bytes_max + 1, 'x');
  EXPECT_NE(problem({.zone = "UTC", .closed = {{.from = "1:00", .until = "2:00", .reason = long_reason}}}), "");
  const std::vector<CalendarSpan> many(limits::calendar_spans_max + 1, {.from = "1:00", .until = "2:00"});
  EXPECT_EQ(problem({.zone = "UTC", .closed = many}), "has 33 spans in `closed`; the limit is 32");
}

TEST(Calendars, that_close_nothing_are_refused) {
  EXPECT_EQ(problem({.zone = "UTC"}), "has none of `closed`, `open` and `freezes`; leave it out if nothing is closed");
}

TEST(Calendars, that_never_open_are_refused) {
  const std::string never = "never opens for stage 'work': its weekly spans close it all week";
  EXPECT_EQ(problem({.zone = "UTC", .closed = {{.from = "00:00", .until = "24:00"}}}), never);
  EXPECT_EQ(
      problem({.zone = "UTC", .closed = {{.from = "00:00", .until = "12:00"}, {.from = "11:00", .until = "24:00"}}}),
      never);
  EXPECT_EQ(
      problem({.zone = "UTC", .closed = {{.from = "00:00", .until = "12:00"}, {.from = "12:01", .until = "24:00"}}}),
      "");
  EXPECT_EQ(problem({.zone = "UTC",
                     .closed = {{.from = "08:00", .until = "20:00"}},
                     .open = {{.from = "09:00", .until = "17:00"}}}),
            never);
  EXPECT_EQ(problem({.zone = "UTC",
                     .closed = {{.days = "sat, sun", .from = "00:00", .until = "24:00", .stages = {"deploy"}}},
                     .open = {{.days = "sat", .from = "09:00", .until = "17:00", .stages = {"deploy"}}}}),
            "never opens for stage 'deploy': its weekly spans close it all week");
}

std::string groups(const Calendar& calendar) {
  std::string text;
  for (const OpenStages& group : open_stages(calendar, stages)) {
    text += "[";
    for (const std::string& stage : group.stages) text += stage + " ";
    for (const CalendarSpan* span : group.spans) text += "(" + in_words(*span, true) + ")";
    text += "]";
  }
  return text;
}

TEST(Calendars, open_spans_of_a_stage_replace_those_of_all) {
  const CalendarSpan all{.days = "mon-fri", .from = "08:00", .until = "18:00"};
  const CalendarSpan tuesday{.days = "tue", .from = "10:00", .until = "12:00", .stages = {"deploy"}};
  const CalendarSpan thursday{.days = "thu", .from = "10:00", .until = "12:00", .stages = {"deploy"}};
  EXPECT_EQ(groups({.zone = "UTC", .open = {all}}), "[(mon-fri 08:00 to 18:00)]");
  EXPECT_EQ(groups({.zone = "UTC", .open = {tuesday, all, thursday}}),
            "[work review (mon-fri 08:00 to 18:00)][deploy (tue 10:00 to 12:00)(thu 10:00 to 12:00)]");
  EXPECT_EQ(groups({.zone = "UTC", .open = {tuesday}}), "[deploy (tue 10:00 to 12:00)]");
  EXPECT_EQ(groups({.zone = "UTC"}), "");
}

TEST(Calendars, texts_that_say_when_are_known) {
  for (const char* text : {"mon-thu, sat", "fri 16:00", "22:00", "2026-12-24", "2026-12-24 18:00"}) {
    EXPECT_TRUE(is_calendar_text(text)) << text;
  }
  for (const char* text : {"", "secret", "fri", "2026-12-24 secret", "fri secret", "22:00 x"}) {
    EXPECT_EQ(is_calendar_text(text), std::string_view(text) == "fri") << text;
  }
}

}  // namespace
}  // namespace pawl
