// When an origin that does not answer is retried, and when an alert is sent.
#include "daemon/work/origin_weather.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "daemon/work/real_system.h"

namespace pawl {
namespace {

using std::chrono::seconds;

/// Time and origin's answers are under the test's control.
class MadeUpOrigin final : public RealSystem {
 public:
  MadeUpOrigin() : RealSystem({.data_folder = testing::TempDir()}) {}

  Deadline now() const override { return now_; }
  TimeUs wall_time() const override { return TimeUs{now_.time_since_epoch() / std::chrono::microseconds(1)}; }
  Fetched fetch_origin(const std::string& /*repo*/, Deadline until, const CancelToken* /*off*/) override {
    ++asked;
    asked_until = until;
    now_ += takes;
    return answer;
  }
  void pass(seconds time) { now_ += time; }

  Fetched answer{.end = FetchEnd::unreachable, .words = "no route to host"};
  seconds takes{0};
  int asked = 0;
  Deadline asked_until;

 private:
  Deadline now_{seconds(1000)};
};

class OriginWeatherTest : public testing::Test {
 protected:
  Fetched fetch(const std::string& repo = "shop") { return weather.fetch(repo, seconds(120), nullptr); }
  seconds pause(const std::string& repo = "shop") {
    return std::chrono::duration_cast<seconds>(weather.next_try(repo) - system.now());
  }
  /// As waiting callers do: as soon as they may.
  void fetch_when_due() {
    system.pass(pause());
    fetch();
  }

  MadeUpOrigin system;
  std::vector<std::string> alerts;
  OriginWeather weather{system, [this](const std::string& repo, const OriginTrouble& trouble) {
                          alerts.push_back(repo + ": " + trouble.words);
                        }};
};

TEST_F(OriginWeatherTest, an_origin_that_answers_is_asked_each_time) {
  system.answer = {};
  EXPECT_EQ(fetch().end, FetchEnd::fetched);
  EXPECT_EQ(fetch().end, FetchEnd::fetched);
  EXPECT_EQ(system.asked, 2);
  EXPECT_EQ(system.asked_until, system.now() + seconds(120));
  EXPECT_FALSE(weather.trouble("shop"));
}

TEST_F(OriginWeatherTest, one_that_is_away_is_asked_again_after_2_s_and_doubled_up_to_a_minute) {
  fetch();
  std::vector<seconds> pauses{pause()};
  for (int i = 0; i < 7; ++i) {
    fetch_when_due();
    pauses.push_back(pause());
  }
  const std::vector<seconds> expected{seconds(2),  seconds(4),  seconds(8),  seconds(16),
                                      seconds(32), seconds(60), seconds(60), seconds(60)};
  EXPECT_EQ(pauses, expected);
}

TEST_F(OriginWeatherTest, until_then_all_who_come_are_answered_without_asking) {
  fetch();
  const Fetched fetched = fetch();
  EXPECT_EQ(system.asked, 1);
  EXPECT_EQ(fetched.end, FetchEnd::unreachable);
  EXPECT_EQ(fetched.words, "no route to host");
  EXPECT_EQ(fetch("depot").end, FetchEnd::unreachable) << "another repository is asked";
  EXPECT_EQ(system.asked, 2);
}

TEST_F(OriginWeatherTest, those_who_come_to_one_end_together_are_one_try) {
  system.takes = seconds(1);
  fetch();
  system.pass(seconds(2));
  // Both began when it was due; the second one gets the same result a moment later.
  const Deadline due = system.now();
  fetch();
  EXPECT_EQ(weather.next_try("shop"), due + seconds(1) + seconds(4));
  fetch();
  EXPECT_EQ(weather.next_try("shop"), due + seconds(1) + seconds(4));
}

TEST_F(OriginWeatherTest, people_are_told_once_after_ten_minutes) {
  fetch();
  system.pass(seconds(598));
  fetch();
  EXPECT_TRUE(alerts.empty());
  system.pass(seconds(4));
  fetch();
  EXPECT_EQ(alerts, std::vector<std::string>{"shop: no route to host"});
  fetch_when_due();
  EXPECT_EQ(alerts.size(), 1U);
}

TEST_F(OriginWeatherTest, of_a_refusal_they_are_told_at_once_also_after_weather) {
  fetch();
  system.answer = {.end = FetchEnd::refused, .words = "Authentication failed"};
  fetch_when_due();
  EXPECT_EQ(alerts, std::vector<std::string>{"shop: Authentication failed"});
  fetch_when_due();
  EXPECT_EQ(alerts.size(), 1U);
  EXPECT_TRUE(weather.trouble("shop")->is_refused);
}

TEST_F(OriginWeatherTest, an_answer_ends_it_and_the_next_time_is_told_of_as_the_first_was) {
  system.answer = {.end = FetchEnd::refused, .words = "Authentication failed"};
  fetch();
  const Fetched away = system.answer;
  system.answer = {};
  fetch_when_due();
  EXPECT_FALSE(weather.trouble("shop"));
  EXPECT_TRUE(weather.troubles().empty());
  system.answer = away;
  fetch();
  EXPECT_EQ(alerts.size(), 2U);
  EXPECT_EQ(pause(), seconds(2));
}

TEST_F(OriginWeatherTest, the_trouble_is_as_old_as_its_first_try) {
  const TimeUs first = system.wall_time();
  fetch();
  fetch_when_due();
  EXPECT_EQ(weather.trouble("shop")->since.us, first.us);
}

TEST_F(OriginWeatherTest, a_fetch_that_was_called_off_says_nothing_of_origin) {
  system.answer = {.end = FetchEnd::called_off, .words = "called off"};
  EXPECT_EQ(fetch().end, FetchEnd::called_off);
  EXPECT_FALSE(weather.trouble("shop"));
}

}  // namespace
}  // namespace pawl
