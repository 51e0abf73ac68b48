// Command output over HTTP.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "daemon/work/output_log.h"
#include "daemon/work/stored_output.h"
#include "tests/unit/daemon/served.h"

namespace pawl {
namespace {

namespace fs = std::filesystem;

class RoutesLogs : public Served {
 protected:
  RoutesLogs() {
    create("W-1");
    worker("w");
    claim("w", "analyst");
  }
  void file(const std::string& name, const std::string& text) {
    const fs::path path = fs::path(logs_folder) / name;
    fs::create_directories(path.parent_path());
    std::ofstream(path) << text;
  }
  static std::string at(int second) { return "~20260101T0000" + std::to_string(second) + ".000000Z"; }
};

TEST_F(RoutesLogs, all_that_ran_for_a_task_is_listed_the_newest_first) {
  file("job-1-1.log", "agent\n");
  file("task-1/v2~review~gate" + at(10) + ".log", "first\n");
  file("task-1/v2~review~gate" + at(30) + ".log", "second\n");
  file("task-1/v3~deploy~step~merge" + at(20) + ".log", "merged\n");
  file("task-2/v1~review~gate" + at(10) + ".log", "of another\n");
  const Answer listed = get("/v1/tasks/1/logs");
  ASSERT_EQ(listed.status, 200) << listed.body;
  EXPECT_EQ(listed.at("/items/0/what"), "\"agent\"") << "created just now";
  EXPECT_EQ(listed.at("/items/0/name"), "\"analyst\"");
  EXPECT_EQ(listed.at("/items/0/run"), "\"job-1-1\"");
  EXPECT_EQ(listed.at("/items/0/attempt"), "1");
  EXPECT_EQ(listed.at("/items/1/run"), "\"v2~review~gate" + at(30) + "\"");
  EXPECT_EQ(listed.at("/items/1/bytes"), "7");
  EXPECT_EQ(listed.at("/items/1/attempt"), "null");
  EXPECT_EQ(listed.at("/items/1/began_at"), "\"2026-01-01T00:00:30.000000Z\"");
  EXPECT_NE(listed.at("/items/1/ended_at"), "null");
  EXPECT_EQ(listed.at("/items/2/what"), "\"step\"");
  EXPECT_EQ(listed.at("/items/2/name"), "\"merge\"");
  EXPECT_EQ(listed.at("/items/2/version"), "3");
  EXPECT_EQ(listed.at("/items/4"), "missing");
  EXPECT_EQ(listed.at("/next"), "null");

  const Answer first = get("/v1/tasks/1/logs?limit=2");
  EXPECT_EQ(first.at("/next"), "\"v2~review~gate" + at(30) + "\"");
  const Answer second = get("/v1/tasks/1/logs?limit=2&after=v2~review~gate" + at(30));
  EXPECT_EQ(second.at("/items/0/what"), "\"step\"");
  EXPECT_EQ(second.at("/items/1/run"), "\"v2~review~gate" + at(10) + "\"");
  EXPECT_EQ(get("/v1/tasks/7/logs").code(), "unknown_task");
}

TEST_F(RoutesLogs, newest_run_that_fits_is_shown_and_what_there_is_is_named) {
  EXPECT_EQ(get("/v1/tasks/1/log").code(), "no_log");
  file("task-1/v2~review~gate" + at(10) + ".log", "first\n");
  file("task-1/v2~review~gate" + at(30) + ".log", "second\n");
  file("task-1/v3~deploy~step~merge" + at(40) + ".log", "merged\n");
  file("task-1/v3~deploy~probe~merge" + at(50) + ".log", "yes\n");
  EXPECT_EQ(get("/v1/tasks/1/log").body, "yes\n");
  EXPECT_EQ(get("/v1/tasks/1/log?stage=review").body, "second\n");
  EXPECT_EQ(get("/v1/tasks/1/log?what=gate").body, "second\n");
  EXPECT_EQ(get("/v1/tasks/1/log?what=step&step=merge").body, "merged\n");
  EXPECT_EQ(get("/v1/tasks/1/log?step=merge").body, "yes\n");
  EXPECT_EQ(get("/v1/tasks/1/log?run=v2~review~gate" + at(10)).body, "first\n");
  const Answer none = get("/v1/tasks/1/log?stage=revue");
  EXPECT_EQ(none.code(), "no_log");
  EXPECT_NE(none.body.find("gate of review, probe merge of deploy, step merge of deploy"), std::string::npos)
      << none.body;
  EXPECT_EQ(get("/v1/tasks/1/log?what=dance").status, 400);
}

TEST_F(RoutesLogs, a_range_that_is_not_kept_is_named_and_from_counts_what_was_produced) {
  file("job-1-1.log", "head");
  file("job-1-1.log.parts/0000000000001234571", "tail\n");
  const Answer head = get("/v1/jobs/1/log");
  EXPECT_EQ(head.body, "head");
  EXPECT_EQ(head.header("Pawl-Log-Next"), "4");
  EXPECT_EQ(head.header("Pawl-Log-End"), "false");
  EXPECT_EQ(head.header("Pawl-Log-Skipped"), "");
  const Answer tail = get("/v1/jobs/1/log?from=4");
  EXPECT_EQ(tail.body, "\npawl: 1,234,567 bytes are not kept here\ntail\n");
  EXPECT_EQ(tail.header("Pawl-Log-From"), "1234571");
  EXPECT_EQ(tail.header("Pawl-Log-Skipped"), "4-1234571");
  EXPECT_EQ(tail.header("Pawl-Log-Next"), "1234576");
  EXPECT_EQ(tail.header("Pawl-Log-End"), "true");
  EXPECT_EQ(get("/v1/jobs/1/log?from=1234573").body, "il\n");
}

TEST_F(RoutesLogs, text_is_utf8_also_where_it_is_cut) {
  const auto open = open_log(logs_folder + "/job-1-1.log").value();
  file("job-1-1.log", "a\xE2\x82");
  const Answer cut = get("/v1/jobs/1/log");
  EXPECT_EQ(cut.body, "a") << "the rest of the character may follow";
  EXPECT_EQ(cut.header("Pawl-Log-Next"), "1");
  file("job-1-1.log", "a\xE2\x82\xAC\xFF");
  EXPECT_EQ(get("/v1/jobs/1/log?from=1").body, "\xE2\x82\xAC\xEF\xBF\xBD");
  EXPECT_EQ(get("/v1/jobs/1/log?from=2").body, "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
  EXPECT_EQ(get("/v1/jobs/1/log?from=2").header("Pawl-Log-Next"), "5");
}

TEST_F(RoutesLogs, a_character_that_never_came_whole_is_shown_at_the_end) {
  file("job-1-1.log", "a\xE2\x82");
  const Answer whole = get("/v1/jobs/1/log");
  EXPECT_EQ(whole.body, "a\xEF\xBF\xBD\xEF\xBF\xBD");
  EXPECT_EQ(whole.header("Pawl-Log-End"), "true");
}

TEST_F(RoutesLogs, who_follows_waits_for_more_and_is_told_of_the_end) {
  auto open = open_log(logs_folder + "/job-1-1.log").value();
  auto more = begin("GET", "/v1/jobs/1/log?wait_s=60");
  open->say("more");
  EXPECT_EQ(more.get().body, "pawl: more\n");
  auto end = begin("GET", "/v1/tasks/1/log?from=11&wait_s=60");
  open.reset();
  const Answer ended = end.get();
  EXPECT_EQ(ended.body, "");
  EXPECT_EQ(ended.header("Pawl-Log-Run"), "job-1-1");
  EXPECT_EQ(ended.header("Pawl-Log-End"), "true");
}

TEST_F(RoutesLogs, more_can_wait_than_there_are_threads_and_each_is_answered_at_the_end) {
  const auto open = open_log(logs_folder + "/job-1-1.log").value();
  std::vector<std::future<Answer>> waiting;
  for (int i = 0; i < 32; ++i) waiting.push_back(begin("GET", "/v1/jobs/1/log?wait_s=60"));
  EXPECT_EQ(get("/v1/jobs/1/log").header("Pawl-Log-End"), "false") << "the wait holds no thread";
  api->stop();
  for (auto& each : waiting) EXPECT_EQ(each.get().header("Pawl-Log-Next"), "0");
}

TEST_F(RoutesLogs, logs_of_an_archived_task_are_found) {
  file("job-1-1.log", "agent\n");
  post("/v1/jobs/1/finished", R"({"attempt":1,"result":"failed"})", {.boot = "w"});
  post("/v1/tasks/1/cancel", "{}");
  EXPECT_EQ(get("/v1/tasks/1/log?what=agent").body, "agent\n");
}

}  // namespace
}  // namespace pawl
