// What pawld tells of its own log: stories, two positions compared, incidents.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <future>

#include "daemon/api/log_audit.h"
#include "tests/unit/daemon/served.h"
#include "tools/forensics/recorded_log.h"

namespace pawl {
namespace {

class TellingRoutes : public Served {
 protected:
  ~TellingRoutes() override {
    if (audit) audit->stop();
    stop();
  }

  void start_audit(int percent = 100) {
    audit = std::make_unique<LogAudit>(*log, LogAudit::Options{.percent = percent});
    audit->start();
    services_audit = audit.get();
    serve();
  }

  /// A setting makes a restart of the worker fail its job: the task is blocked because of record `cause`.
  std::uint64_t cause_an_incident() {
    worker("w");
    post("/v1/settings", R"({"recovery.max_interruptions":0})");
    const std::uint64_t cause = last_seq();
    create("SHOP-1");
    claim("w", "analyst");
    post("/v1/boots", R"({"name":"w","boot_id":"w-again","pid":8,"pid_start":8,"host":"h","version":"1"})");
    EXPECT_EQ(get("/v1/tasks/1").at("/blocked"), "\"job_failed\"");
    return cause;
  }

  std::unique_ptr<LogAudit> audit;
};

TEST_F(TellingRoutes, story_is_what_explain_says) {
  create("SHOP-1");
  worker("w");
  claim("w", "analyst");
  lease("task:1", "w");
  lease("task:1", "x");
  const Answer story = get("/v1/tasks/1/story");
  EXPECT_EQ(story.status, 200) << story.body;
  EXPECT_EQ(story.at("/subject"), "\"task 1\"");
  EXPECT_EQ(story.at("/entries/0/says"), "\"creates a task for SHOP-1 of shop, branch b: task 1 on analysis\"");
  EXPECT_EQ(story.at("/tasks/0/stage"), "\"analysis\"");
  EXPECT_EQ(story.at("/spans/0/kind"), "\"job\"");
}

TEST_F(TellingRoutes, story_ends_at_a_position) {
  create("SHOP-1");
  const std::uint64_t seq = last_seq();
  post("/v1/tasks/1/note", R"({"text":"later"})");
  const Answer then = get("/v1/tasks/1/story?at=" + std::to_string(seq));
  EXPECT_EQ(then.at("/entries/1"), "missing");
  EXPECT_EQ(then.at("/log_records"), "1") << "it is told from the state before the task's first record";
  EXPECT_NE(get("/v1/tasks/1/story").at("/entries/1"), "missing");
  EXPECT_EQ(get("/v1/tasks/1/story?at=" + std::to_string(seq - 1)).code(), "unknown_task");
  EXPECT_EQ(get("/v1/tasks/9/story").code(), "unknown_task");
  EXPECT_EQ(get("/v1/tasks/1/story?at=999").code(), "beyond_end");
}

TEST_F(TellingRoutes, story_of_an_ended_task_ends_with_its_last_record) {
  create("SHOP-1");
  post("/v1/tasks/1/cancel", "{}");
  create("SHOP-2");
  const Answer story = get("/v1/tasks/1/story");
  EXPECT_EQ(story.at("/tasks/0/stage"), "\"cancelled\"");
  EXPECT_EQ(story.body.find("SHOP-2"), std::string::npos);
}

TEST_F(TellingRoutes, story_of_each_task_of_a_batch_begins_with_it) {
  create("SHOP-1");
  const Answer many = post("/v1/batch", R"({"requests":[
      {"method":"POST","path":"/v1/tasks","body":{"work_item":"SHOP-2","repo":"shop"}},
      {"method":"POST","path":"/v1/tasks","body":{"work_item":"SHOP-3","repo":"shop"}}]})");
  ASSERT_EQ(many.status, 200) << many.body;
  for (const char* task : {"2", "3"}) {
    const Answer story = get("/v1/tasks/" + std::string(task) + "/story");
    EXPECT_NE(story.at("/entries/0/says").find("creates a task for SHOP-" + std::string(task)), std::string::npos)
        << story.body;
  }
}

TEST_F(TellingRoutes, two_positions_are_compared_row_by_row) {
  create("SHOP-1");
  const std::uint64_t from = last_seq();
  create("SHOP-2");
  post("/v1/tasks/1/cancel", "{}");
  const std::string both = "/v1/compare?from=" + std::to_string(from) + "&to=" + std::to_string(last_seq());
  const Answer changed = get(both);
  EXPECT_EQ(changed.status, 200) << changed.body;
  EXPECT_EQ(changed.at("/rows/0/row"), "\"task\"");
  EXPECT_EQ(changed.at("/rows/0/before/stage"), "\"analysis\"");
  EXPECT_EQ(changed.at("/rows/0/after/stage"), "\"cancelled\"") << "though it has left memory";
  EXPECT_EQ(changed.at("/rows/1/before"), "null");
  EXPECT_EQ(changed.at("/rows_total"), "4") << "two tasks, and a job of each: " << changed.body;
  EXPECT_EQ(get(both + "&limit=1").at("/rows/1"), "missing");
  EXPECT_EQ(get(both + "&limit=1").at("/rows_total"), "4");
  EXPECT_EQ(get(both + "&limit=2&skip=1").at("/rows/0"), changed.at("/rows/1"));
  EXPECT_EQ(get(both + "&limit=2&skip=1").at("/rows/1"), changed.at("/rows/2"));
  EXPECT_EQ(get(both + "&limit=2&skip=3").at("/rows/1"), "missing");
  EXPECT_EQ(get(both + "&skip=4").at("/rows"), "[]");
  EXPECT_EQ(get(both + "&skip=4").at("/rows_total"), "4");

  const std::string here = std::to_string(from);
  EXPECT_EQ(get("/v1/compare?from=" + here + "&to=" + here).at("/rows"), "[]");
  EXPECT_EQ(get("/v1/compare?from=" + here + "&to=1").code(), "malformed");
  EXPECT_EQ(get("/v1/compare?from=1&to=999").code(), "beyond_end");
  EXPECT_EQ(get("/v1/compare?from=1").code(), "malformed");
  EXPECT_EQ(get("/v1/compare?from=0&to=1").code(), "malformed");
}

TEST_F(TellingRoutes, incidents_are_found_while_the_log_grows) {
  start_audit();
  EXPECT_EQ(get("/v1/incidents").at("/findings"), "[]");
  const std::uint64_t cause = cause_an_incident();
  Answer found;
  do {
    found = get("/v1/incidents");
  } while (found.at("/audited") != std::to_string(last_seq()));
  EXPECT_EQ(found.at("/head"), std::to_string(last_seq()));
  EXPECT_EQ(found.at("/percent"), "100");
  EXPECT_EQ(found.at("/culprit"), std::to_string(cause));
  EXPECT_EQ(found.at("/findings/0/kind"), "\"incident\"");
  EXPECT_EQ(found.at("/findings/0/seq"), std::to_string(cause));
  EXPECT_EQ(found.at("/findings/0/type"), "\"SettingChanged\"");
  EXPECT_EQ(found.at("/findings_total"), "1");
  EXPECT_EQ(found.at("/ended/0/task"), "1");
  EXPECT_EQ(found.at("/ended/0/cause"), std::to_string(cause));
  const Answer next = get("/v1/incidents?skip=1");
  EXPECT_EQ(next.at("/findings"), "[]");
  EXPECT_EQ(next.at("/findings_total"), "1");
  EXPECT_EQ(next.at("/ended/0"), found.at("/ended/1"));
  EXPECT_NE(get("/metrics").body.find("pawl_audit_findings{kind=\"incident\"} 1"), std::string::npos);

  // Its task's story knows of it.
  EXPECT_EQ(get("/v1/tasks/1/story").at("/findings/0/seq"), std::to_string(cause));
}

TEST_F(TellingRoutes, audit_that_is_off_says_so) {
  cause_an_incident();
  const Answer none = get("/v1/incidents");
  EXPECT_EQ(none.status, 200);
  EXPECT_EQ(none.at("/percent"), "0");
  EXPECT_EQ(none.at("/audited"), "null");
  start_audit(0);
  EXPECT_EQ(get("/v1/incidents").at("/percent"), "0");
}

TEST_F(TellingRoutes, incident_is_reported_from_any_of_its_records) {
  const std::uint64_t cause = cause_an_incident();
  for (const std::uint64_t seq : {cause, last_seq()}) {
    const Answer report = get("/v1/incidents/" + std::to_string(seq));
    EXPECT_EQ(report.status, 200) << report.body;
    EXPECT_EQ(report.at("/incident/seq"), std::to_string(cause));
    EXPECT_EQ(report.at("/defences/0/change"), "\"recovery.max_interruptions=5\"");
    EXPECT_EQ(report.at("/defences/0/verdict"), "\"prevented\"");
    EXPECT_EQ(report.at("/stories/0/subject"), "\"task 1\"");
  }
  EXPECT_EQ(get("/v1/incidents/1").code(), "no_incident");
  EXPECT_EQ(get("/v1/incidents/999").code(), "beyond_end");
  EXPECT_EQ(get("/v1/incidents/99999999999999999999").code(), "malformed");
  EXPECT_EQ(get("/v1/incidents/x").code(), "malformed");
}

TEST_F(TellingRoutes, page_of_an_incident_is_a_file_to_keep) {
  const std::string cause = std::to_string(cause_an_incident());
  const Answer page = get("/v1/incidents/" + cause + "/page");
  EXPECT_EQ(page.header("Content-Disposition"), "attachment; filename=\"incident-" + cause + ".html\"");
  EXPECT_EQ(page.header("Content-Security-Policy"), "sandbox allow-scripts") << "it is a page of no site";
  EXPECT_TRUE(page.body.starts_with("<!doctype html>")) << page.body.substr(0, 80);
  EXPECT_NE(page.body.find("recovery.max_interruptions"), std::string::npos);
}

TEST_F(TellingRoutes, redacted_log_of_an_incident_shows_the_same_incident) {
  create("SHOP-0");
  const std::string cause = std::to_string(cause_an_incident());
  create("SHOP-2");
  const Answer cut = get("/v1/incidents/" + cause + "/log");
  EXPECT_EQ(cut.header("Content-Disposition"), "attachment; filename=\"incident-" + cause + ".jsonl\"");
  EXPECT_EQ(cut.body.find("SHOP"), std::string::npos) << "names are replaced";
  const std::string file = testing::TempDir() + "pawl-incident-" + std::to_string(::getpid()) + ".jsonl";
  std::ofstream(file) << cut.body;
  const auto read = RecordedLog::read_part(file);
  std::filesystem::remove(file);
  ASSERT_TRUE(read.has_value()) << read.error().message;
  const Findings findings = read->audit().findings();
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(std::to_string(raw(findings.front().seq)), cause);
}

TEST(LogAudit, rests_for_as_long_as_its_part_of_a_core_asks_for) {
  EXPECT_EQ(rest_us(5'000, 5), 95'000);
  EXPECT_EQ(rest_us(5'000, 50), 5'000);
  EXPECT_EQ(rest_us(5'000, 100), 0);
}

TEST_F(TellingRoutes, audit_in_steps_finds_what_it_finds_at_once) {
  cause_an_incident();
  LogAuditor whole(*log);
  while (*whole.step(1000)) {
  }
  LogAuditor steps(*log);
  std::size_t taken = 0;
  while (*steps.step(1)) ++taken;
  EXPECT_GT(taken, 5U);
  const auto at_once = whole.conclude();
  const auto in_steps = steps.conclude();
  EXPECT_EQ(raw(in_steps->audited), last_seq());
  ASSERT_EQ(in_steps->findings.size(), at_once->findings.size());
  EXPECT_EQ(in_steps->findings.front().what, at_once->findings.front().what);
  EXPECT_FALSE(*steps.step(1)) << "the log has not grown";
  EXPECT_EQ(steps.conclude()->findings.size(), at_once->findings.size()) << "looking again adds nothing";
}

TEST_F(TellingRoutes, requests_are_answered_when_the_audit_ends) {
  start_audit(1);
  std::promise<std::shared_ptr<const AuditView>> asked;
  audit->ask([&](auto view) { asked.set_value(std::move(view)); });
  asked.get_future().get();
  audit->stop();
  std::promise<std::shared_ptr<const AuditView>> late;
  audit->ask([&](auto view) { late.set_value(std::move(view)); });
  EXPECT_EQ(late.get_future().get(), nullptr);
}

}  // namespace
}  // namespace pawl
