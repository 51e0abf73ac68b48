// GET /metrics: every answer is read by a parser of the format, and what it says is true.
#include <gtest/gtest.h>

#include <thread>

#include "daemon/api/call.h"
#include "daemon/api/exposition.h"
#include "daemon/api/figures.h"
#include "daemon/api/route_table.h"
#include "tests/unit/daemon/api/exposition_parser.h"
#include "tests/unit/daemon/served.h"

namespace pawl {
namespace {

using Labels = std::map<std::string, std::string>;

class Metrics : public Served {
 protected:
  Metrics() {
    sequencer_made = [this] {
      sequencer->subscribe([this](std::span<const Published> records) { figures->records.take(records); });
    };
    measured = [this](const BatchTimes& times) { figures->records.take(times); };
    start_afresh("daemon-2");
  }

  /// Another start of the daemon, which counts from 0.
  void start_afresh(const std::string& boot_id) {
    stop();
    figures = std::make_shared<DaemonFigures>(boot_id);
    services_figures = figures;
    start();
  }

  ParsedExposition scrape(const std::string& accept = {}) {
    const Answer answer = ask("GET", "/metrics", "", {.accept = accept});
    EXPECT_EQ(answer.status, 200) << answer.body;
    return ExpositionParser(answer.body, answer.body.ends_with("# EOF\n")).families();
  }

  /// The value of a sample; "none" if there is none.
  std::string value(const std::string& name, const Labels& labels = {}) {
    for (const auto& [family, parsed] : scrape()) {
      for (const ParsedSample& sample : parsed.samples) {
        if (sample.name == name && sample.labels == labels) return sample.value;
      }
    }
    return "none";
  }

  std::shared_ptr<DaemonFigures> figures;
};

TEST_F(Metrics, both_forms_are_well_formed_and_have_the_same_numbers) {
  create("W-1");
  worker("w");
  claim("w", "analyst");
  const ParsedExposition plain = scrape();
  const ParsedExposition open = scrape("application/openmetrics-text;version=1.0.0");
  EXPECT_EQ(plain.size(), open.size());
  EXPECT_EQ(plain.at("pawl_tasks_live").samples.front().value, "1");
  EXPECT_EQ(open.at("pawl_tasks_live").samples.front().value, "1");
  EXPECT_EQ(plain.at("pawl_tasks_done_total").type, "counter");
  EXPECT_EQ(open.at("pawl_tasks_done").samples.front().name, "pawl_tasks_done_total");
  EXPECT_EQ(open.at("pawl_reaper_interval_seconds").unit, "seconds");
  EXPECT_EQ(plain.at("pawl_build_info").samples.front().labels.at("version"), "test");
  EXPECT_EQ(open.at("pawl_build").type, "info");
}

TEST_F(Metrics, accept_chooses_the_form) {
  const auto is_open = [](const std::string& accept) {
    return exposition_form(accept) == ExpositionForm::open_metrics;
  };
  EXPECT_TRUE(is_open("application/openmetrics-text"));
  EXPECT_TRUE(
      is_open("application/openmetrics-text; version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
              "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"))
      << "as Prometheus sends it";
  EXPECT_TRUE(is_open("text/plain;q=0.3, Application/OpenMetrics-Text; version=\"1.0.0\"; q=0.3"));
  for (const char* plain :
       {"", "*/*", "text/plain", "application/json", "application/openmetrics-text;version=2.0.0",
        "application/openmetrics-text;q=0", "application/openmetrics-text;q=0.2,text/plain", "application/openmetrics",
        ",;=,q=,;;;q=1;version", "\"", "application/openmetrics-text;q=0.000, */*"}) {
    EXPECT_FALSE(is_open(plain)) << plain;
  }
}

TEST_F(Metrics, answer_names_its_form) {
  std::promise<std::string> type;
  api->handle({.method = "GET", .path = "/metrics", .accept = "application/openmetrics-text"},
              [&](const HttpResponse& response) { type.set_value(response.content_type); });
  EXPECT_EQ(type.get_future().get(), "application/openmetrics-text; version=1.0.0; charset=utf-8");
  EXPECT_EQ(content_type(ExpositionForm::prometheus), "text/plain; version=0.0.4; charset=utf-8");
}

TEST_F(Metrics, other_methods_are_refused) {
  EXPECT_EQ(post("/metrics", "").status, 405);
  EXPECT_EQ(ask("DELETE", "/metrics").header("Allow"), "GET, HEAD");
}

TEST_F(Metrics, events_are_counted_by_who_requested_them) {
  create("W-1");
  worker("w");
  lease("task:1", "w", R"(,"edge":"x")");
  EXPECT_EQ(move(1, "development", 9).status, 409);
  EXPECT_EQ(value("pawl_events_total", {{"type", "TaskCreated"}, {"outcome", "accepted"}, {"actor", "operator"}}), "1");
  EXPECT_EQ(
      value("pawl_events_total", {{"type", "StageTransition"}, {"outcome", "version_conflict"}, {"actor", "operator"}}),
      "1");
}

TEST_F(Metrics, clients_actor_and_boot_are_no_labels) {
  worker("w");
  for (const char* actor : {"reaper", "mine", "quo\"te", "back\\slash"}) {
    post("/v1/tasks", R"({"work_item":")" + std::to_string(raw(sequencer->durable_seq())) + R"(","repo":"r"})",
         {.actor = actor});
  }
  EXPECT_EQ(value("pawl_events_total", {{"type", "TaskCreated"}, {"outcome", "accepted"}, {"actor", "operator"}}), "4");
  claim("w", "analyst", {.boot = "w"});
  EXPECT_EQ(value("pawl_events_total", {{"type", "JobClaimed"}, {"outcome", "accepted"}, {"actor", "worker"}}), "1");
}

TEST_F(Metrics, times_are_those_of_the_records) {
  create("W-1");
  worker("w");
  now_us = 70 * us_per_s;
  claim("w", "analyst");
  now_us = 100 * us_per_s;
  EXPECT_EQ(post("/v1/jobs/1/exited", R"({"attempt":1,"exit_code":0})", {.boot = "w"}).status, 200);
  EXPECT_EQ(value("pawl_job_queue_seconds_sum", {{"agent", "analyst"}}), "70");
  EXPECT_EQ(value("pawl_job_queue_seconds_bucket", {{"agent", "analyst"}, {"le", "60.0"}}), "0");
  EXPECT_EQ(value("pawl_job_queue_seconds_bucket", {{"agent", "analyst"}, {"le", "180.0"}}), "1");
  EXPECT_EQ(value("pawl_job_run_seconds_sum", {{"agent", "analyst"}}), "30");
  EXPECT_EQ(value("pawl_job_run_seconds_count", {{"agent", "analyst"}}), "1");
}

TEST_F(Metrics, step_is_measured_from_its_start_and_a_crossing_from_its_lease) {
  create("W-1", R"(,"stage":"deploy")");
  worker("w");
  const Answer held = lease("task:1", "w");
  const std::string token = held.at("/token");
  now_us = 10 * us_per_s;
  const std::string place = R"("version":1,"step":"deploy",)";
  const Answer started =
      post("/v1/tasks/1/steps", R"({"type":"StepStarted",)" + place + R"("to":"done","token":)" + token + "}",
           {.boot = "w"});
  ASSERT_EQ(started.status, 200) << started.body;
  now_us = 35 * us_per_s;
  const Answer ended = post(
      "/v1/tasks/1/steps",
      R"({"type":"StepFinished",)" + place + R"("outcome":"done","by":"command","started":)" + started.at("/seq") + "}",
      {.boot = "w"});
  ASSERT_EQ(ended.status, 200) << ended.body;
  now_us = 36 * us_per_s;
  const Answer moved =
      post("/v1/tasks/1/transition", R"({"to":"done","expected_version":1,"token":)" + token + "}", {.boot = "w"});
  ASSERT_EQ(moved.status, 200) << moved.body;
  EXPECT_EQ(value("pawl_step_seconds_sum", {{"step", "deploy"}}), "25");
  EXPECT_EQ(value("pawl_crossing_seconds_sum", {{"stage", "deploy"}}), "36");
  EXPECT_EQ(value("pawl_steps_unmeasured_total"), "0");
}

TEST_F(Metrics, step_that_began_before_the_start_is_not_measured) {
  create("W-1", R"(,"stage":"deploy")");
  worker("w");
  const std::string token = lease("task:1", "w").at("/token");
  const Answer started =
      post("/v1/tasks/1/steps",
           R"({"type":"StepStarted","version":1,"step":"deploy","to":"done","token":)" + token + "}", {.boot = "w"});
  ASSERT_EQ(started.status, 200) << started.body;
  start_afresh("daemon-3");
  ASSERT_EQ(post("/v1/tasks/1/steps",
                 R"({"type":"StepFinished","version":1,"step":"deploy","outcome":"done","by":"command","started":)" +
                     started.at("/seq") + "}",
                 {.boot = "w"})
                .status,
            200);
  EXPECT_EQ(value("pawl_steps_unmeasured_total"), "1");
  EXPECT_EQ(value("pawl_step_seconds_count", {{"step", "deploy"}}), "none");
}

TEST_F(Metrics, rollbacks_blocks_and_jobs_by_agent) {
  create("W-1", R"(,"stage":"review")");
  create("W-2");
  worker("w");
  claim("w", "analyst");
  EXPECT_EQ(value("pawl_jobs", {{"state", "running"}, {"agent", "analyst"}}), "1");
  EXPECT_EQ(value("pawl_jobs", {{"state", "queued"}, {"agent", "reviewer"}}), "1");
  EXPECT_EQ(move(1, "development", 1).status, 200);
  EXPECT_EQ(value("pawl_rollbacks_total", {{"stage", "review"}}), "1");
  EXPECT_EQ(post("/v1/jobs/2/finished", R"({"attempt":1,"result":"failed"})", {.boot = "w"}).status, 200);
  EXPECT_EQ(value("pawl_blocks_total", {{"reason", "job_failed"}}), "1");
  EXPECT_EQ(value("pawl_tasks_blocked"), "1");
}

TEST_F(Metrics, leases_on_tasks_are_counted_apart) {
  create("W-1");
  worker("w");
  lease("task:1", "w");
  lease("deploy:x", "w");
  EXPECT_EQ(value("pawl_transition_leases"), "1");
  EXPECT_EQ(value("pawl_leases"), "2");
}

TEST_F(Metrics, batches_are_measured_before_they_are_answered) {
  const auto batches = [this] { return std::stoi(value("pawl_batch_records_count")); };
  const int before = batches();
  create("W-1");
  EXPECT_EQ(batches(), before + 1);
  EXPECT_EQ(value("pawl_sync_seconds_count"), value("pawl_batch_records_count"));
  EXPECT_EQ(value("pawl_log_durable_seq"), value("pawl_log_seq"));
}

TEST_F(Metrics, drift_of_the_clock_may_be_negative) {
  Counter drift;
  for (const Counter& counter : counters()) {
    if (counter.name == "pawl_clock_drift_seconds") drift = counter;
  }
  const std::string text =
      exposition_of({{.counter = &drift, .values = {{{}, -1'500'000}}}}, ExpositionForm::prometheus);
  EXPECT_TRUE(text.ends_with("\npawl_clock_drift_seconds -1.5\n")) << text;
}

TEST_F(Metrics, labels_are_escaped) {
  Counter counter{
      .name = "pawl_x", .kind = Counter::Kind::gauge, .unit = "", .help = "a \\ b\nc \"d\"", .labels = {"agent"}};
  const std::string hostile = "a\"b\\c\nd{e},f=\"";
  const std::vector<Family> families{{.counter = &counter, .values = {{{hostile}, 1}}}};
  const auto plain = ExpositionParser(exposition_of(families, ExpositionForm::prometheus), false).families();
  EXPECT_EQ(plain.at("pawl_x").samples.front().labels.at("agent"), hostile);
  EXPECT_EQ(plain.at("pawl_x").help, R"(a \\ b\nc "d")");
  const auto open = ExpositionParser(exposition_of(families, ExpositionForm::open_metrics), true).families();
  EXPECT_EQ(open.at("pawl_x").help, R"(a \\ b\nc \"d\")");
}

/// The bound that docs/METRICS.md states, for each counter.
void expect_within_bounds(const ParsedExposition& parsed) {
  for (const Counter& counter : counters()) {
    const auto family = parsed.find(std::string(counter.name));
    if (family == parsed.end()) continue;
    EXPECT_LE(family->second.samples.size(), lines_max(counter)) << counter.name;
  }
}

std::string pipeline_of(int number) {
  const std::string n = std::to_string(number);
  return R"({"name":"p)" + n + R"(","agents":[{"name":"a)" + n + R"("}],"stages":[{"name":"s)" + n + R"(","agent":"a)" +
         n + R"(","to":"t)" + n + R"("},{"name":"t)" + n + R"(","to":"done","rollback":"s)" + n + R"("}]})";
}

TEST_F(Metrics, number_of_lines_is_bounded_whatever_is_defined) {
  post("/v1/settings", R"({"queue.max_concurrency":1000})");
  worker("w");
  constexpr int definitions = 200;
  for (int i = 1; i <= definitions; ++i) {
    ASSERT_EQ(post("/v1/pipelines", pipeline_of(i)).status, 201);
    const std::string n = std::to_string(i);
    ASSERT_EQ(
        post("/v1/tasks", R"({"work_item":"W)" + n + R"(","repo":"r)" + n + R"(","pipeline":"p)" + n + R"("})").status,
        201);
    if (i % 2 == 0) claim("w", "a" + n);
    ASSERT_EQ(move(i, "t" + n, 1).status, 200);
    ASSERT_EQ(move(i, "s" + n, 2).status, 200);
  }
  const ParsedExposition parsed = scrape();
  expect_within_bounds(parsed);
  const auto sum_of = [&](const std::string& family) {
    double sum = 0;
    for (const ParsedSample& sample : parsed.at(family).samples) sum += std::stod(sample.value);
    return sum;
  };
  EXPECT_EQ(sum_of("pawl_tasks_by_stage"), definitions) << "what is left out is counted under `other`";
  EXPECT_EQ(sum_of("pawl_rollbacks_total"), definitions);
  EXPECT_NE(value("pawl_rollbacks_total", {{"stage", "other"}}), "none");
  EXPECT_NE(value("pawl_jobs", {{"state", "queued"}, {"agent", "other"}}), "none");
  const ParsedFamily& waits = parsed.at("pawl_job_queue_seconds");
  EXPECT_EQ(waits.samples.size(), 65 * (bounds_of_work.size() + 3));
}

TEST_F(Metrics, thousand_repositories_are_no_series) {
  const auto lines = [this] {
    std::size_t count = 0;
    for (const auto& [name, family] : scrape()) count += family.samples.size();
    return count;
  };
  post("/v1/repos", R"({"repo":"r0"})");
  lines();
  const std::size_t before = lines();
  for (int i = 1; i < 1000; ++i) post("/v1/repos", R"({"repo":"r)" + std::to_string(i) + R"("})");
  EXPECT_EQ(lines(), before);
}

TEST(EventCounts, beyond_the_bound_an_event_counts_with_its_type_alone) {
  RecordFigures figures("daemon");
  std::vector<Group> groups;
  std::vector<Applied> applied(outcome_rows.size());
  for (std::size_t i = 0; i < outcome_rows.size(); ++i) applied[i].outcome = outcome_rows[i].outcome;
  std::uint64_t taken = 0;
  const auto take_all = [&](const auto& event) {
    for (const std::string_view actor : actor_labels) {
      const Requester requester{.boot = "daemon", .actor = std::string(actor), .key = {}, .request = {}};
      const Group group = propose_group(requester, event);
      for (const Applied& each : applied) {
        const Published published{.record = group.front().record(), .applied = each};
        figures.take({&published, 1});
        ++taken;
      }
    }
  };
  take_all(fb::TaskNoteT());
  take_all(fb::TaskUnblockedT());
  take_all(fb::CancelRequestedT());
  take_all(fb::TaskCancelledT());
  EXPECT_GT(taken, RecordFigures::events_told_max + 100);
  const auto events = figures.events();
  EXPECT_LE(events.size(), RecordFigures::events_told_max + 4);
  std::uint64_t counted = 0;
  bool is_other_seen = false;
  for (const RecordFigures::EventCount& each : events) {
    counted += each.count;
    is_other_seen = is_other_seen || (each.outcome == other_label && each.actor == other_label);
  }
  EXPECT_EQ(counted, taken) << "none is lost";
  EXPECT_TRUE(is_other_seen);
}

TEST(Histograms, bound_belongs_to_its_bucket) {
  constexpr std::array<std::uint64_t, 2> bounds{10, 20};
  Histogram histogram{bounds};
  for (const std::uint64_t value : {0U, 10U, 11U, 20U, 21U, 1000U}) histogram.add(value);
  const Histogram::Seen seen = histogram.look();
  EXPECT_EQ(seen.counts, (std::vector<std::uint64_t>{2, 2, 2}));
  EXPECT_EQ(seen.sum, 1062U);
}

TEST(Histograms, are_read_while_they_are_written) {
  Named<Histogram> histograms{Bounds(bounds_of_work)};
  std::atomic<bool> ends{false};
  std::thread reader([&] {
    std::uint64_t last = 0;
    while (!ends.load()) {
      std::uint64_t all = 0;
      histograms.each([&](const std::string&, const Histogram& histogram) {
        for (const std::uint64_t count : histogram.look().counts) all += count;
      });
      EXPECT_GE(all, last);
      last = all;
    }
  });
  for (int i = 0; i < 20'000; ++i) histograms.of("n" + std::to_string(i % 100)).add(1);
  ends.store(true);
  reader.join();
  std::size_t names = 0;
  histograms.each([&](const std::string&, const Histogram&) { ++names; });
  EXPECT_EQ(names, Named<Histogram>::names_max + 1);
}

}  // namespace
}  // namespace pawl
