// From calendars to instants: through both changes of the clock, in zones of all kinds.
#include "daemon/pipeline_plan.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "schema/limits.h"

namespace pawl {
namespace {

TimeUs at(const std::string& text) {
  return *parse_rfc3339(text + ":00Z");
}

Pipeline pipeline_with(Calendar calendar) {
  Pipeline pipeline;
  pipeline.name = "x";
  pipeline.stages = {{.name = "work", .to = "deploy"}, {.name = "deploy", .to = "done"}};
  pipeline.calendar = std::move(calendar);
  return pipeline;
}

CalendarPlan plan(const Calendar& calendar, const std::string& now) {
  const auto zone = Zone::named(calendar.zone);
  EXPECT_TRUE(zone) << zone.error().message;
  return plan_of(pipeline_with(calendar), *zone, at(now));
}

/// The first windows, in UTC: "2026-12-04T15:00 2026-12-07T07:00".
std::vector<std::string> windows(const Calendar& calendar, const std::string& now, std::size_t count) {
  std::vector<std::string> told;
  for (const FreezeWindow& window : plan(calendar, now).windows) {
    if (told.size() == count) break;
    told.push_back(rfc3339(window.from).substr(0, 16) + ' ' + rfc3339(window.until).substr(0, 16));
  }
  return told;
}

using Windows = std::vector<std::string>;

Calendar weekends(const std::string& zone) {
  return {.zone = zone, .closed = {{.from = "fri 16:00", .until = "mon 08:00"}}};
}

TEST(CalendarPlans, follow_the_clock_into_summer_and_out_of_it) {
  EXPECT_EQ(windows(weekends("Europe/Berlin"), "2027-03-20T12:00", 3),
            (Windows{"2027-03-19T15:00 2027-03-22T07:00", "2027-03-26T15:00 2027-03-29T06:00",
                     "2027-04-02T14:00 2027-04-05T06:00"}));
  EXPECT_EQ(windows(weekends("Europe/Berlin"), "2027-10-26T12:00", 2),
            (Windows{"2027-10-29T14:00 2027-11-01T07:00", "2027-11-05T15:00 2027-11-08T07:00"}));
}

TEST(CalendarPlans, follow_it_in_the_south_and_where_it_is_never_set) {
  EXPECT_EQ(windows(weekends("Australia/Sydney"), "2027-04-01T00:00", 2),
            (Windows{"2027-04-02T05:00 2027-04-04T22:00", "2027-04-09T06:00 2027-04-11T22:00"}));
  EXPECT_EQ(windows(weekends("Australia/Sydney"), "2027-09-30T00:00", 1),
            (Windows{"2027-10-01T06:00 2027-10-03T21:00"}));
  EXPECT_EQ(windows(weekends("Asia/Kolkata"), "2027-03-25T00:00", 1), (Windows{"2027-03-26T10:30 2027-03-29T02:30"}));
  EXPECT_EQ(windows(weekends("America/Phoenix"), "2027-03-12T00:00", 1),
            (Windows{"2027-03-12T23:00 2027-03-15T15:00"}));
  EXPECT_EQ(windows(weekends("UTC"), "2027-03-25T00:00", 1), (Windows{"2027-03-26T16:00 2027-03-29T08:00"}));
}

TEST(CalendarPlans, follow_a_change_of_half_an_hour) {
  const Calendar nights{.zone = "Australia/Lord_Howe", .closed = {{.from = "01:45", .until = "06:00"}}};
  // On April 4th 02:00 becomes 01:30: the night's beginning comes twice, and the first counts.
  EXPECT_EQ(windows(nights, "2027-04-02T20:00", 2),
            (Windows{"2027-04-03T14:45 2027-04-03T19:30", "2027-04-04T15:15 2027-04-04T19:30"}));
}

TEST(CalendarPlans, close_for_longer_where_a_local_time_comes_twice) {
  const Calendar closed{.zone = "Europe/Berlin", .closed = {{.from = "02:15", .until = "02:45"}}};
  EXPECT_EQ(windows(closed, "2027-10-30T12:00", 2),
            (Windows{"2027-10-31T00:15 2027-10-31T01:45", "2027-11-01T01:15 2027-11-01T01:45"}));
  const Calendar open{.zone = "Europe/Berlin", .open = {{.from = "01:30", .until = "02:30"}}};
  // Closed until the last 01:30, which comes once, and again from the first 02:30 on.
  EXPECT_EQ(windows(open, "2027-10-30T12:00", 2),
            (Windows{"2027-10-30T00:30 2027-10-30T23:30", "2027-10-31T00:30 2027-11-01T00:30"}));
  const Calendar never_that_night{.zone = "Europe/Berlin", .open = {{.from = "02:15", .until = "02:45"}}};
  EXPECT_EQ(windows(never_that_night, "2027-10-30T12:00", 2),
            (Windows{"2027-10-30T00:45 2027-11-01T01:15", "2027-11-01T01:45 2027-11-02T01:15"}));
}

TEST(CalendarPlans, take_a_skipped_time_as_the_instant_of_the_change) {
  const Calendar from_it{.zone = "Europe/Berlin", .closed = {{.from = "02:30", .until = "05:00"}}};
  EXPECT_EQ(windows(from_it, "2027-03-27T12:00", 1), (Windows{"2027-03-28T01:00 2027-03-28T03:00"}));
  const Calendar within_it{.zone = "Europe/Berlin", .closed = {{.from = "02:10", .until = "02:50"}}};
  EXPECT_EQ(windows(within_it, "2027-03-27T12:00", 1), (Windows{"2027-03-29T00:10 2027-03-29T00:50"}))
      << "there is no such night on the 28th";
}

TEST(CalendarPlans, keep_the_window_that_has_begun) {
  EXPECT_EQ(windows(weekends("Europe/Berlin"), "2026-12-06T12:00", 1), (Windows{"2026-12-04T15:00 2026-12-07T07:00"}));
  EXPECT_EQ(windows(weekends("Europe/Berlin"), "2026-12-07T06:59", 1), (Windows{"2026-12-04T15:00 2026-12-07T07:00"}));
  EXPECT_EQ(windows(weekends("Europe/Berlin"), "2026-12-07T07:00", 1), (Windows{"2026-12-11T15:00 2026-12-14T07:00"}));
  const Calendar open{.zone = "UTC", .open = {{.from = "tue 10:00", .until = "tue 12:00"}}};
  EXPECT_EQ(windows(open, "2026-12-06T12:00", 2),
            (Windows{"2026-12-01T12:00 2026-12-08T10:00", "2026-12-08T12:00 2026-12-15T10:00"}));
}

TEST(CalendarPlans, join_days_that_touch) {
  const Calendar calendar{.zone = "Europe/Berlin", .closed = {{.days = "sat, sun", .from = "00:00", .until = "24:00"}}};
  EXPECT_EQ(windows(calendar, "2027-03-25T12:00", 1), (Windows{"2027-03-26T23:00 2027-03-28T22:00"}));
}

TEST(CalendarPlans, say_why_in_local_time) {
  const CalendarPlan made =
      plan({.zone = "Europe/Berlin",
            .closed = {{.from = "fri 16:00", .until = "mon 08:00", .reason = "the weekend"}},
            .open = {{.days = "tue", .from = "10:00", .until = "12:00", .stages = {"deploy"}},
                     {.days = "thu", .from = "10:00", .until = "12:00", .stages = {"deploy"}}},
            .freezes = {{.from = "2026-12-24", .until = "2027-01-02", .reason = "holidays", .stages = {"work"}}}},
           "2026-12-23T12:00");
  std::vector<std::string> told;
  for (const FreezeWindow& window : made.windows) {
    std::string text = window.reason;
    for (const std::string& stage : window.stages) text += " [" + stage + "]";
    if (std::find(told.begin(), told.end(), text) == told.end()) told.push_back(text);
  }
  EXPECT_EQ(told, (Windows{"closed outside of tue 10:00 to 12:00, thu 10:00 to 12:00 Europe/Berlin [deploy]",
                           "2026-12-24 to 2027-01-02 Europe/Berlin: holidays [work]",
                           "closed fri 16:00 to mon 08:00 Europe/Berlin: the weekend"}));
}

TEST(CalendarPlans, reach_sixty_days_ahead_and_to_the_end_of_time_without_weekly_spans) {
  const CalendarPlan weekly = plan(weekends("UTC"), "2026-12-01T00:00");
  EXPECT_EQ(weekly.planned_until, plus_s(at("2026-12-01T00:00"), plan_ahead_s));
  EXPECT_EQ(weekly.windows.size(), 9u);
  const CalendarPlan dated =
      plan({.zone = "UTC", .freezes = {{.from = "2030-01-01", .until = "2030-01-02"}}}, "2026-12-01T00:00");
  EXPECT_EQ(dated.windows.size(), 1u);
  EXPECT_EQ(rfc3339(dated.planned_until), "9999-01-01T00:00:00.000000Z");
  const CalendarPlan over =
      plan({.zone = "UTC", .freezes = {{.from = "2026-01-01", .until = "2026-01-02"}}}, "2026-12-01T00:00");
  EXPECT_TRUE(over.windows.empty());
}

TEST(CalendarPlans, end_where_no_more_windows_fit_into_a_record) {
  std::vector<CalendarSpan> nights;
  for (int i = 0; i < 24; ++i) {
    nights.push_back({.from = std::to_string(i) + ":10", .until = std::to_string(i) + ":20"});
  }
  const CalendarPlan many = plan({.zone = "UTC", .closed = nights}, "2026-12-01T00:00");
  EXPECT_EQ(many.windows.size(), limits::freeze_windows_max);
  EXPECT_EQ(rfc3339(many.planned_until), "2027-01-11T16:10:00.000000Z") << "1,000 windows, 24 a day";
  EXPECT_LT(many.windows.back().from, many.planned_until);
}

FreezeRow row_of(const CalendarPlan& made) {
  return {.pipeline = "x", .windows = made.windows, .planned_until = made.planned_until};
}

TEST(CalendarPlans, are_news_if_they_differ_or_the_last_one_ends) {
  const Calendar calendar = weekends("Europe/Berlin");
  const CalendarPlan first = plan(calendar, "2026-12-01T00:00");
  const FreezeRow row = row_of(first);
  EXPECT_TRUE(is_news(first, nullptr, at("2026-12-01T00:00")));
  EXPECT_FALSE(is_news(first, &row, at("2026-12-01T00:00")));
  for (const char* later : {"2026-12-05T00:00", "2026-12-07T07:00", "2027-01-22T23:00"}) {
    EXPECT_FALSE(is_news(plan(calendar, later), &row, at(later))) << later;
  }
  EXPECT_TRUE(is_news(plan(calendar, "2027-01-23T01:00"), &row, at("2027-01-23T01:00"))) << "a week is left";
  EXPECT_TRUE(is_news(plan(calendar, "2027-03-01T00:00"), &row, at("2027-03-01T00:00"))) << "it has run out";
  EXPECT_TRUE(is_news(plan(weekends("Europe/Lisbon"), "2026-12-01T00:00"), &row, at("2026-12-01T00:00")));
  const CalendarPlan nothing{.windows = {}, .planned_until = first.planned_until};
  EXPECT_FALSE(is_news(nothing, nullptr, at("2026-12-01T00:00")));
  EXPECT_TRUE(is_news(nothing, &row, at("2026-12-01T00:00")));
}

TEST(Zones, unknown_ones_are_named_with_the_nearest) {
  const auto message = [](const std::string& name) {
    const auto zone = Zone::named(name);
    return zone ? "known" : zone.error().message;
  };
  EXPECT_EQ(message("Europe/Berlin"), "known");
  EXPECT_EQ(message("UTC"), "known");
  EXPECT_EQ(message("America/New_Yrok"),
            "'America/New_Yrok' is not a zone of this machine's time zone database; did you mean 'America/New_York'?");
  for (const char* name : {"localtime", "Fixed/UTC+01:00:00", "", "posix/Europe/Berlin", "tzdata.zi"}) {
    EXPECT_NE(message(name), "known") << name;
  }
}

}  // namespace
}  // namespace pawl
