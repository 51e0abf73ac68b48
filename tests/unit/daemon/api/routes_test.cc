// Calls that do not concern tasks.
#include <sys/stat.h>

#include <thread>

#include "tests/unit/daemon/served.h"
#include "tests/unit/store/commit/another_writer.h"

namespace pawl {
namespace {

class Routes : public Served {};

TEST_F(Routes, unknown_paths_are_404_and_other_methods_405_with_allow) {
  EXPECT_EQ(get("/v2/tasks").status, 404);
  EXPECT_EQ(get("/v1/tasks/").status, 404);
  EXPECT_EQ(get("/nothing.json").status, 404);
  EXPECT_EQ(get("/nothing").status, 404);
  const Answer wrong = ask("PUT", "/v1/tasks");
  EXPECT_EQ(wrong.status, 405);
  EXPECT_EQ(wrong.header("Allow"), "POST, GET, HEAD");
  EXPECT_EQ(ask("DELETE", "/v1/tasks/1").header("Allow"), "GET, HEAD");
  EXPECT_EQ(get("/v1/jobs/claim").header("Allow"), "POST") << "'claim' is not a job id";
}

TEST_F(Routes, a_lease_is_granted_once_renewed_listed_and_released) {
  worker("w");
  const Answer granted = lease("any key/1", "w", R"(,"ttl_s":60,"edge":"a->b")");
  EXPECT_EQ(granted.status, 201) << granted.body;
  EXPECT_EQ(granted.at("/token"), granted.at("/seq"));
  EXPECT_EQ(granted.at("/lease/ttl"), "60");
  EXPECT_EQ(granted.at("/lease/owner/actor"), "\"worker\"");
  const Answer held = lease("any key/1", "w");
  EXPECT_EQ(held.status, 409);
  EXPECT_EQ(held.code(), "lease_held");
  EXPECT_EQ(held.at("/error/current/owner/pid"), "7");
  const Answer renewed = lease("any key/1", "w", R"(,"token":)" + granted.at("/token"));
  EXPECT_EQ(renewed.at("/token"), granted.at("/token"));
  EXPECT_EQ(get("/v1/leases").at("/items/0/key"), "\"any key/1\"");
  EXPECT_EQ(ask("DELETE", "/v1/leases/any%20key%2F1").status, 400) << "an owner is required";
  EXPECT_EQ(ask("DELETE", "/v1/leases/any%20key%2F1?token=1").code(), "stale_token");
  EXPECT_EQ(ask("DELETE", "/v1/leases/any%20key%2F1?token=" + granted.at("/token")).at("/lease"), "null");
  EXPECT_EQ(ask("DELETE", "/v1/leases/any%20key%2F1?token=1").code(), "not_held");
  EXPECT_EQ(lease("k", "nobody").status, 404);
  EXPECT_EQ(lease("k", "nobody").code(), "unknown_boot");
  EXPECT_EQ(lease("k", "w", R"(,"ttl_s":0)").status, 400);
  EXPECT_EQ(post("/v1/leases", R"({"key":"k"})").status, 400);
}

TEST_F(Routes, lease_whose_key_has_a_slash_is_given_back_without_a_path_of_its_own) {
  worker("w");
  const Answer granted = lease("repo:group/shop", "w");
  const std::string token = granted.at("/token");
  EXPECT_EQ(ask("DELETE", "/v1/leases?token=" + token).status, 400) << "which?";
  EXPECT_EQ(ask("DELETE", "/v1/leases?key=repo:group/shop").status, 400) << "an owner is required";
  EXPECT_EQ(ask("DELETE", "/v1/leases?key=repo:group/shop&token=99").code(), "stale_token");
  EXPECT_EQ(ask("DELETE", "/v1/leases?key=repo%3Agroup%2Fshop&token=" + token).at("/lease"), "null");
  EXPECT_EQ(ask("DELETE", "/v1/leases?key=repo:group/shop&token=" + token).code(), "not_held");
}

TEST_F(Routes, a_lease_asked_for_again_under_its_key_returns_its_token) {
  worker("w");
  const std::string body = R"({"key":"k","owner":)" + owner("w") + "}";
  const Answer first = post("/v1/leases", body, {.key = "once"});
  const Answer again = post("/v1/leases", body, {.key = "once"});
  EXPECT_EQ(again.status, 201);
  EXPECT_EQ(again.at("/token"), first.at("/token"));
}

TEST_F(Routes, an_operator_frees_a_transition_lease_by_force) {
  create("W-1", R"(,"stage":"deploy-staging")");
  worker("w");
  EXPECT_EQ(post("/transition-lease/release?work_item=W-1", "").code(), "not_held");
  lease("task:1", "w");
  EXPECT_EQ(post("/transition-lease/release?work_item=W-1", "").status, 200);
  EXPECT_EQ(get("/v1/leases").at("/items"), "[]");
  EXPECT_EQ(post("/transition-lease/release?work_item=W-9", "").status, 404);
  EXPECT_EQ(post("/transition-lease/release", "").status, 400);
  post("/v1/tasks", R"({"work_item":"W-1","repo":"other"})");
  EXPECT_EQ(post("/transition-lease/release?work_item=W-1", "").status, 400) << "which repository?";
  EXPECT_EQ(post("/transition-lease/release?work_item=W-1&repo=other", "").code(), "not_held");
}

TEST_F(Routes, boots_register_under_their_own_name_only) {
  worker("w");
  const std::string rest = R"(,"pid":7,"pid_start":1,"host":"h","version":"1"})";
  const Answer reserved = post("/v1/boots", R"({"name":"pawld","boot_id":"x")" + rest, {.boot = "x"});
  EXPECT_EQ(reserved.status, 422);
  EXPECT_EQ(reserved.code(), "reserved_name");
  EXPECT_EQ(post("/v1/boots", R"({"name":"w","boot_id":"w")" + rest).code(), "duplicate_boot_id");
  EXPECT_EQ(post("/v1/boots", R"({"name":"w"})").status, 400);
  worker("v");
  EXPECT_EQ(ask("DELETE", "/v1/boots/v").at("/boot/stale"), "true");
  EXPECT_EQ(ask("DELETE", "/v1/boots/v?reason=tired").status, 400);
  EXPECT_EQ(ask("DELETE", "/v1/boots/nobody").status, 404);
  EXPECT_EQ(ask("DELETE", "/v1/boots/" + boot).status, 422) << "the daemon's own boot";
  EXPECT_EQ(lease("k", "v").code(), "stale_boot");
  EXPECT_EQ(post("/v1/tasks", R"({"work_item":"W","repo":"r"})", {.boot = "v"}).code(), "stale_boot");
}

TEST_F(Routes, a_worker_claims_reports_and_finishes) {
  create("W-1");
  worker("w");
  EXPECT_EQ(claim("w", "developer").status, 204);
  const Answer claimed = claim("w", "analyst");
  EXPECT_EQ(claimed.status, 200);
  EXPECT_EQ(claimed.at("/job/id"), "1");
  EXPECT_EQ(claimed.at("/job/attempts"), "1");
  EXPECT_EQ(claimed.at("/job/run/owner/boot_id"), "\"w\"");
  EXPECT_EQ(post("/v1/jobs/1/started", R"({"attempt":1,"pid":42,"pid_start":5})", {.boot = "w"}).at("/job/pid"), "42");
  EXPECT_EQ(post("/v1/jobs/1/started", R"({"attempt":2,"pid":42,"pid_start":5})", {.boot = "w"}).code(),
            "stale_attempt");
  const Answer done = post("/v1/jobs/1/finished", R"({"attempt":1,"result":"done"})", {.boot = "w"});
  EXPECT_EQ(done.at("/job/exit_code"), "0") << "done is an exit code of 0, for the monitor to judge";
  EXPECT_EQ(done.at("/job/status"), "\"running\"");
  EXPECT_EQ(post("/v1/jobs/1/exited", R"({"attempt":1,"exit_code":0})", {.boot = "w"}).status, 200);
  EXPECT_EQ(post("/v1/jobs/1/finished", R"({"attempt":1,"result":"retry"})").at("/job/status"), "\"done\"")
      << "work that exited with 0 is not redone";
  EXPECT_EQ(post("/v1/jobs/1/finished", R"({"attempt":1,"result":"retry"})").code(), "not_running");
  EXPECT_EQ(post("/v1/jobs/1/finished", R"({"attempt":1,"result":"maybe"})").status, 400);
  EXPECT_EQ(post("/v1/jobs/9/finished", R"({"attempt":1,"result":"retry"})").status, 404);
  create("W-2");
  EXPECT_EQ(claim("nobody", "analyst").code(), "unknown_boot");
  EXPECT_EQ(post("/v1/jobs/claim", R"({"agents":[],"owner":)" + owner("w") + "}").status, 400);
  EXPECT_EQ(post("/v1/jobs/claim", R"({"agents":["a"],"wait_s":61,"owner":)" + owner("w") + "}").status, 400);
}

TEST_F(Routes, the_same_exit_again_is_answered_as_the_first_and_not_recorded) {
  create("W-1");
  worker("w");
  claim("w", "analyst");
  const Answer first = post("/v1/jobs/1/exited", R"({"attempt":1,"exit_code":7})", {.boot = "w"});
  EXPECT_EQ(first.status, 200);
  const auto seq = last_seq();
  for (const std::string& speaker : {std::string("w"), std::string()}) {
    const Answer again = post("/v1/jobs/1/exited", R"({"attempt":1,"exit_code":7})", {.boot = speaker});
    EXPECT_EQ(again.status, 200);
    EXPECT_EQ(again.at("/seq"), first.at("/seq"));
    EXPECT_EQ(again.at("/job/exit_code"), "7");
  }
  EXPECT_EQ(last_seq(), seq);
  EXPECT_EQ(post("/v1/jobs/1/exited", R"({"attempt":1,"exit_code":0})", {.boot = "w"}).code(), "already_exited");
  EXPECT_EQ(post("/v1/jobs/1/finished", R"({"attempt":1,"result":"done"})", {.boot = "w"}).code(), "already_exited");
  worker("other");
  const Answer foreign = post("/v1/jobs/1/exited", R"({"attempt":1,"exit_code":7})", {.boot = "other"});
  EXPECT_EQ(foreign.code(), "not_owner");
  EXPECT_NE(foreign.body.find("another boot owns that attempt of the job"), std::string::npos) << foreign.body;
}

TEST_F(Routes, an_exit_is_remembered_also_of_a_job_that_ended) {
  create("W-1");
  worker("w");
  claim("w", "analyst");
  const Answer first = post("/v1/jobs/1/exited", R"({"attempt":1,"exit_code":7})", {.boot = "w"});
  post("/v1/tasks/1/cancel", "{}");
  post("/v1/jobs/1/finished", R"({"attempt":1,"result":"cancelled"})", {.boot = "w"});
  const Answer again = post("/v1/jobs/1/exited", R"({"attempt":1,"exit_code":7})", {.boot = "w"});
  EXPECT_EQ(again.status, 200) << "its task is in the archive by now";
  EXPECT_EQ(again.at("/seq"), first.at("/seq"));
  EXPECT_EQ(again.at("/job/status"), "\"cancelled\"");
  EXPECT_EQ(post("/v1/jobs/1/exited", R"({"attempt":1,"exit_code":8})", {.boot = "w"}).code(), "not_running");
}

TEST_F(Routes, a_claim_whose_answer_got_lost_is_answered_with_the_same_job) {
  create("W-1");
  worker("w");
  const Answer first = claim("w", "analyst", {.key = "c1"});
  EXPECT_EQ(first.at("/job/id"), "1");
  const Answer again = claim("w", "analyst", {.key = "c1"});
  EXPECT_EQ(again.at("/seq"), first.at("/seq"));
  EXPECT_EQ(again.at("/job/id"), "1");
}

TEST_F(Routes, a_claim_that_nobody_hears_of_is_given_back_and_counts_for_nothing) {
  create("W-1");
  worker("w");
  ASSERT_EQ(claim("w", "analyst").at("/job/attempts"), "1");
  ASSERT_TRUE(undelivered);
  undelivered();
  const Answer again = claim("w", "analyst");
  EXPECT_EQ(again.at("/job/attempts"), "2") << "the fence does not shrink";
  EXPECT_EQ(again.at("/job/returned"), "1");
  EXPECT_EQ(again.at("/job/interruptions"), "0");
  EXPECT_EQ(again.at("/job/not_before_at"), "null") << "and there is no pause";
}

TEST_F(Routes, a_claim_under_a_key_is_kept_for_whoever_asks_again) {
  create("W-1");
  worker("w");
  claim("w", "analyst", {.key = "once"});
  EXPECT_FALSE(undelivered);
}

TEST_F(Routes, a_claim_that_ended_before_is_not_given_back) {
  create("W-1");
  worker("w");
  claim("w", "analyst");
  const auto give_back = undelivered;
  post("/v1/jobs/1/started", R"({"attempt":1,"pid":42,"pid_start":5})", {.boot = "w"});
  give_back();
  EXPECT_EQ(get("/v1/jobs/1").at("/status"), "\"running\"");
}

TEST_F(Routes, a_claim_with_a_time_is_renewed_and_hears_of_a_cancel) {
  create("W-1");
  worker("w");
  const std::string asked = R"({"agents":["analyst"],"ttl_s":30,"owner":)" + owner("w") + "}";
  const Answer claimed = post("/v1/jobs/claim", asked);
  ASSERT_EQ(claimed.status, 200) << claimed.body;
  EXPECT_EQ(claimed.at("/job/run/ttl"), "30");
  now_us = 20 * us_per_s;
  const Answer kept = post("/v1/jobs/1/renew", R"({"attempt":1})", {.boot = "w"});
  EXPECT_EQ(kept.status, 200);
  EXPECT_EQ(kept.at("/cancel_requested"), "null");
  EXPECT_EQ(kept.at("/job/run/renewed_at"), "\"2026-01-01T00:00:20.000000Z\"");
  post("/v1/tasks/1/cancel", R"({"reason":"not wanted"})");
  EXPECT_EQ(post("/v1/jobs/1/renew", R"({"attempt":1})", {.boot = "w"}).at("/cancel_requested"), "\"not wanted\"");
  worker("other");
  EXPECT_EQ(post("/v1/jobs/1/renew", R"({"attempt":1})", {.boot = "other"}).code(), "not_owner");
  EXPECT_EQ(post("/v1/jobs/1/renew", R"({"attempt":2})", {.boot = "w"}).code(), "stale_attempt");
  post("/v1/jobs/1/exited", R"({"attempt":1,"exit_code":0})", {.boot = "w"});
  EXPECT_EQ(post("/v1/jobs/1/renew", R"({"attempt":1})", {.boot = "w"}).code(), "already_exited");
  EXPECT_EQ(post("/v1/jobs/claim", R"({"agents":["analyst"],"ttl_s":0,"owner":)" + owner("w") + "}").status, 400);
}

TEST_F(Routes, a_daemon_that_is_about_to_end_begins_nothing_and_takes_reports) {
  create("W-1");
  worker("w");
  claim("w", "analyst");
  create("W-2");
  auto waiting = begin("POST", "/v1/jobs/claim", R"({"agents":["nobody"],"wait_s":60,"owner":)" + owner("w") + "}");
  api->begin_end();
  ASSERT_EQ(waiting.wait_for(std::chrono::seconds(30)), std::future_status::ready);
  EXPECT_EQ(waiting.get().status, 204);
  EXPECT_EQ(claim("w", "analyst").code(), "ending");
  EXPECT_EQ(claim("w", "analyst").status, 503);
  EXPECT_EQ(post("/v1/tasks/2/advance", "{}").code(), "ending");
  EXPECT_EQ(get("/readyz").status, 503);
  EXPECT_EQ(get("/readyz").at("/reason"), "\"ending\"");
  EXPECT_EQ(get("/healthz").status, 200);
  EXPECT_EQ(post("/v1/jobs/1/exited", R"({"attempt":1,"exit_code":0})", {.boot = "w"}).status, 200);
  EXPECT_EQ(create("W-3").status, 201);
}

TEST_F(Routes, a_claim_waits_until_there_is_a_job) {
  worker("w");
  auto waiting = begin("POST", "/v1/jobs/claim", R"({"agents":["analyst"],"wait_s":60,"owner":)" + owner("w") + "}");
  EXPECT_EQ(create("W-1").status, 201);
  ASSERT_EQ(waiting.wait_for(std::chrono::seconds(30)), std::future_status::ready);
  EXPECT_EQ(waiting.get().at("/job/id"), "1");
}

TEST_F(Routes, two_jobs_that_become_free_at_once_go_to_two_waiting_claims) {
  create("W-1");
  post("/v1/tasks", R"({"work_item":"W-2","repo":"shop","depends_on":[1]})");
  post("/v1/tasks", R"({"work_item":"W-3","repo":"web","depends_on":[1]})");
  post("/v1/settings", R"({"queue.max_concurrency":8})");
  worker("v");
  worker("w");
  EXPECT_EQ(claim("v", "analyst").at("/job/id"), "1");
  const auto waits = [&](const std::string& name) {
    return begin("POST", "/v1/jobs/claim", R"({"agents":["analyst"],"wait_s":60,"owner":)" + owner(name) + "}");
  };
  auto first = waits("v");
  auto second = waits("w");
  post("/v1/jobs/1/finished", R"({"attempt":1,"result":"failed"})", {.boot = "v"});
  EXPECT_EQ(post("/v1/tasks/1/cancel", "").status, 200);
  ASSERT_EQ(first.wait_for(std::chrono::seconds(30)), std::future_status::ready);
  ASSERT_EQ(second.wait_for(std::chrono::seconds(30)), std::future_status::ready);
  const std::string got = first.get().at("/job/id") + second.get().at("/job/id");
  EXPECT_TRUE(got == "23" || got == "32") << got;
}

TEST_F(Routes, waiting_claims_are_answered_when_the_daemon_ends) {
  worker("w");
  auto waiting = begin("POST", "/v1/jobs/claim", R"({"agents":["analyst"],"wait_s":60,"owner":)" + owner("w") + "}");
  auto events = begin("GET", "/v1/events?wait_s=60&after=" + std::to_string(last_seq()));
  api->stop();
  ASSERT_EQ(waiting.wait_for(std::chrono::seconds(30)), std::future_status::ready);
  EXPECT_EQ(waiting.get().status, 204);
  ASSERT_EQ(events.wait_for(std::chrono::seconds(30)), std::future_status::ready);
}

TEST_F(Routes, a_job_with_a_process_left_is_passed_over) {
  create("W-1");
  worker("w");
  skipped = 1;
  EXPECT_EQ(claim("w", "analyst").status, 204);
  EXPECT_EQ(get("/queue").at("/queued/0/reason"), "\"previous_alive\"");
  auto waiting = begin("POST", "/v1/jobs/claim", R"({"agents":["analyst"],"wait_s":60,"owner":)" + owner("w") + "}");
  skipped = 0;
  ASSERT_EQ(waiting.wait_for(std::chrono::seconds(30)), std::future_status::ready)
      << "the wake-up comes without a record that it is gone";
  EXPECT_EQ(waiting.get().at("/job/id"), "1");
}

TEST_F(Routes, jobs_are_listed_by_status_and_task_and_found_when_archived) {
  create("W-1");
  create("W-2");
  worker("w");
  claim("w", "analyst");
  EXPECT_EQ(get("/v1/jobs?status=running").at("/items/0/id"), "1");
  EXPECT_EQ(get("/v1/jobs?task=2").at("/items/0/id"), "2");
  EXPECT_EQ(get("/v1/jobs?limit=1").at("/next"), "1");
  EXPECT_EQ(get("/v1/jobs?status=odd").status, 400);
  post("/v1/tasks/2/cancel", "");
  EXPECT_EQ(get("/v1/jobs/2").at("/status"), "\"cancelled\"");
  EXPECT_EQ(get("/v1/jobs/3").status, 404);
}

TEST_F(Routes, a_jobs_output_is_read_in_pieces) {
  create("W-1");
  worker("w");
  claim("w", "analyst");
  EXPECT_EQ(get("/v1/jobs/1/log").code(), "no_log");
  std::ofstream(logs_folder + "/job-1-1.log") << "hello world";
  const Answer whole = get("/v1/jobs/1/log");
  EXPECT_EQ(whole.body, "hello world");
  EXPECT_EQ(whole.header("Pawl-Log-Next"), "11");
  EXPECT_EQ(get("/v1/jobs/1/log?from=6").body, "world");
  EXPECT_EQ(get("/v1/jobs/1/log?from=99").body, "");
  EXPECT_EQ(get("/v1/jobs/1/log?attempt=2").status, 404);
}

TEST_F(Routes, what_an_agent_put_in_the_place_of_its_log_is_not_shown) {
  create("W-1");
  worker("w");
  claim("w", "analyst");
  std::ofstream(logs_folder + "/secret") << "s3cret";
  std::filesystem::create_symlink(logs_folder + "/secret", logs_folder + "/job-1-1.log");
  EXPECT_EQ(get("/v1/jobs/1/log").code(), "no_log");
  std::filesystem::remove(logs_folder + "/job-1-1.log");
  // Opening this pipe would block until someone writes to it.
  ASSERT_EQ(::mkfifo((logs_folder + "/job-1-1.log").c_str(), 0600), 0);
  EXPECT_EQ(get("/v1/jobs/1/log").code(), "no_log");
}

TEST_F(Routes, stream_of_events_goes_on_only_after_a_seq) {
  const auto asked = [&](const std::string& id) {
    return ask("GET", "/v1/events", {}, {.accept = "text/event-stream", .last_event_id = id}).status;
  };
  EXPECT_EQ(asked("2"), 200);
  EXPECT_EQ(asked("9223372036854775806"), 200);
  for (const char* id : {"0", "-1", "x", "9223372036854775807", "18446744073709551615"}) {
    EXPECT_EQ(asked(id), 400) << id;
  }
}

TEST_F(Routes, events_are_json_lines_and_can_be_waited_for) {
  const Answer all = get("/v1/events");
  EXPECT_EQ(all.header("Pawl-Next"), "2");
  EXPECT_EQ(std::count(all.body.begin(), all.body.end(), '\n'), 2);
  EXPECT_NE(all.body.find(R"("type":"BootStarted")"), std::string::npos);
  EXPECT_EQ(get("/v1/events?limit=1&after=1").header("Pawl-Next"), "2");
  EXPECT_EQ(get("/v1/events?after=2").body, "");
  auto waiting = begin("GET", "/v1/events?after=2&wait_s=60");
  create("W-1");
  ASSERT_EQ(waiting.wait_for(std::chrono::seconds(30)), std::future_status::ready);
  const Answer answer = waiting.get();
  EXPECT_NE(answer.body.find(R"("type":"TaskCreated")"), std::string::npos);
  EXPECT_EQ(get("/v1/events?after=-1").status, 400);
  EXPECT_EQ(get("/v1/events?wait_s=61").status, 400);
}

TEST_F(Routes, events_are_the_same_byte_for_byte_whoever_read_them_before) {
  for (int i = 0; i < 5; ++i) create("W-" + std::to_string(i));
  restart();
  const std::string tail = get("/v1/events?after=4").body;
  const std::string whole = get("/v1/events").body;
  EXPECT_TRUE(whole.ends_with(tail));
  EXPECT_EQ(get("/v1/events").body, whole);
  create("W-5");
  const std::string more = get("/v1/events").body;
  EXPECT_TRUE(more.starts_with(whole));
  EXPECT_EQ(std::count(more.begin(), more.end(), '\n'), static_cast<std::ptrdiff_t>(last_seq()));
  restart();
  EXPECT_TRUE(get("/v1/events").body.starts_with(more)) << "read from the log itself";
  std::string by_one;
  for (std::uint64_t after = 0; after < last_seq(); ++after) {
    by_one += get("/v1/events?limit=1&after=" + std::to_string(after)).body;
  }
  EXPECT_EQ(by_one, get("/v1/events").body);
}

TEST_F(Routes, settings_change_together_or_not_at_all) {
  const Answer changed = post("/v1/settings", R"({"queue.max_concurrency":3,"ownership.repos":["shop"]})");
  EXPECT_EQ(changed.status, 200) << changed.body;
  EXPECT_EQ(changed.at("/settings/queue.max_concurrency"), "3");
  const Answer unknown = post("/v1/settings", R"({"queue.max_concurrency":4,"colour":"red"})");
  EXPECT_EQ(unknown.status, 422);
  EXPECT_EQ(unknown.code(), "unknown_setting");
  const Answer bad = post("/v1/settings", R"({"queue.max_concurrency":"many"})");
  EXPECT_EQ(bad.code(), "bad_value");
  EXPECT_EQ(post("/v1/settings", R"({"queue.max_concurrency":{}})").status, 400);
  EXPECT_EQ(post("/v1/settings", "{}").status, 400);
  EXPECT_EQ(get("/v1/settings").at("/settings/queue.max_concurrency"), "3");
}

TEST_F(Routes, pipelines_are_defined_or_refused_with_the_reason) {
  const std::string good = R"({"name":"short","agents":[{"name":"a"}],
    "stages":[{"name":"one","agent":"a","to":"done"}]})";
  const Answer defined = post("/v1/pipelines", good);
  EXPECT_EQ(defined.status, 201) << defined.body;
  EXPECT_EQ(defined.at("/pipeline/in_force"), "true");
  EXPECT_EQ(get("/v1/pipelines").json().at("items").as_array().size(), 2u);
  const Answer bad = post("/v1/pipelines", R"({"name":"short","stages":[{"name":"one","to":"nowhere"}]})");
  EXPECT_EQ(bad.status, 422);
  EXPECT_EQ(bad.code(), "bad_pipeline");
  EXPECT_NE(bad.body.find("nowhere"), std::string::npos);
  EXPECT_EQ(post("/v1/pipelines", R"({"name":"short","stages":[{"name":"one","to":"done","x":1}]})").status, 400);
}

TEST_F(Routes, a_pipeline_that_is_posted_is_nobodys_file_and_says_how_many_live_tasks_are_of_its_name) {
  const std::string good = R"({"name":"delivery","branch":"create","env":[{"name":"CI","value":"1"},
    {"name":"EMPTY","value":""},{"name":"TOKEN","file":"/srv/token"}],"stages":[{"name":"one","to":"done"}]})";
  create("W-1");
  const Answer defined = post("/v1/pipelines", good);
  EXPECT_EQ(defined.status, 201) << defined.body;
  EXPECT_EQ(defined.at("/pipeline/given"), "false");
  EXPECT_EQ(defined.at("/pipeline/definition/branch"), "\"create\"");
  EXPECT_EQ(defined.at("/pipeline/definition/env/2/file"), "\"/srv/token\"");
  const Answer listed = get("/v1/pipelines");
  EXPECT_EQ(listed.at("/items/0/definition/name"), "\"delivery\"");
  EXPECT_EQ(listed.at("/items/0/live_tasks"), "1") << "of the previous definition";
  EXPECT_EQ(post("/v1/pipelines", R"({"name":"x","given":true,"stages":[{"name":"one","to":"done"}]})").status, 400);
}

TEST_F(Routes, a_pipeline_whose_program_is_not_there_is_refused_with_its_place) {
  const auto with = [](const std::string& program) {
    return R"({"name":"short","stages":[{"name":"one","to":"done","steps":[{"name":"merge","run":[")" + program +
           R"("],"timeout_s":60}]}]})";
  };
  for (const std::string program : {"/none/merge", "no-such-program"}) {
    const Answer bad = post("/v1/pipelines", with(program));
    EXPECT_EQ(bad.status, 422) << bad.body;
    EXPECT_EQ(bad.code(), "bad_pipeline");
    EXPECT_NE(bad.body.find("'run' of step 'merge' of stage 'one': " + program), std::string::npos) << bad.body;
  }
  EXPECT_EQ(post("/v1/pipelines", with("bin/merge")).status, 201)
      << "a program in the worktree is looked up when it starts";
  const std::string program = logs_folder + "/merge";
  std::ofstream(program) << "#!/bin/sh\n";
  std::filesystem::permissions(program, std::filesystem::perms::owner_all);
  EXPECT_EQ(post("/v1/pipelines", with(program), {.key = "k"}).status, 201);
  std::filesystem::remove(program);
  EXPECT_EQ(post("/v1/pipelines", with(program), {.key = "k"}).status, 201) << "the accepted answer is repeated";
  EXPECT_EQ(post("/v1/pipelines", with(program), {.key = "l"}).status, 422);
}

TEST_F(Routes, queue_shows_what_runs_what_waits_and_why) {
  create("W-1");
  create("W-2");
  worker("w");
  claim("w", "analyst");
  const Answer queue = get("/queue");
  EXPECT_EQ(queue.at("/jobs/running"), "1");
  EXPECT_EQ(queue.at("/jobs/queued"), "1");
  EXPECT_EQ(queue.at("/running/0/id"), "1");
  EXPECT_EQ(queue.at("/queued/0/reason"), "\"serial_gate\"");
  EXPECT_EQ(queue.at("/tasks/by_stage/analysis"), "2");
  for (const std::string field :
       {"enabled", "interval", "interval_s", "last_run_ts", "reaped_total", "last_reaped", "lease_reclaimed_total",
        "finalizer_liveness_enabled", "finalizer_defers_total", "finalizer_owned"}) {
    EXPECT_NE(queue.at("/reaper/" + field), "missing") << field;
  }
  EXPECT_EQ(queue.at("/reaper/last_run_ts"), "null");
  for (const std::string field : {"active", "leases", "reclaimed_total", "defers_total"}) {
    EXPECT_NE(queue.at("/transition_lease/" + field), "missing") << field;
  }
  EXPECT_NE(queue.at("/stop/enabled"), "missing");
  EXPECT_EQ(queue.at("/reconciler/enabled"), "true");
  EXPECT_EQ(queue.at("/reconciler/passes_total"), "3");
  EXPECT_EQ(queue.at("/reconciler/last_run_ts"), "null");
  EXPECT_EQ(queue.at("/transition_lease/defers_total"), "2");
}

TEST_F(Routes, without_space_writes_are_503_and_reads_go_on) {
  create("W-1");
  has_space = false;
  const Answer refused = create("W-2");
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.code(), "disk_full");
  EXPECT_EQ(get("/v1/tasks/1").status, 200);
  EXPECT_EQ(get("/readyz").status, 503);
  EXPECT_EQ(get("/readyz").at("/reason"), "\"disk_full\"");
  EXPECT_EQ(get("/healthz").status, 200);
  has_space = true;
  EXPECT_EQ(get("/readyz").at("/ready"), "true");
  EXPECT_EQ(create("W-2").status, 201);
}

TEST_F(Routes, in_the_reserve_what_ends_something_is_taken_and_nothing_is_begun) {
  create("W-1");
  worker("w");
  claim("w", "analyst");
  const std::string token = lease("task:1", "w").at("/token");
  has_space = false;
  for (const Answer& refused :
       {create("W-2"), claim("w", "analyst"), lease("repo:shop", "w"), move(1, "development", 1),
        post("/v1/tasks/1/note", R"({"text":"n"})"), post("/v1/tasks/1/advance", "{}"),
        post("/v1/tasks/1/steps", R"({"type":"StepStarted","version":1,"step":"merge","to":"x"})", {.boot = "w"})}) {
    EXPECT_EQ(refused.code(), "disk_full");
  }
  EXPECT_EQ(lease("task:1", "w", ",\"token\":" + token).status, 201) << "a renewal does not start work";
  EXPECT_EQ(post("/v1/jobs/1/exited", R"({"attempt":1,"exit_code":1})", {.boot = "w"}).status, 200);
  EXPECT_EQ(post("/v1/settings", R"({"queue.max_concurrency":2})").status, 200);
  EXPECT_EQ(ask("DELETE", "/v1/leases/task%3A1?token=" + token).status, 200);
  EXPECT_EQ(post("/v1/tasks/1/resolve", R"({"step":"merge","happened":true})").status, 409) << "already decided";
  EXPECT_LT(post("/v1/tasks/1/cancel", "{}").status, 300);
  has_reserve = false;
  EXPECT_EQ(post("/v1/settings", R"({"queue.max_concurrency":3})").code(), "disk_full");
}

TEST_F(Routes, a_wall_clock_far_from_the_logs_time_is_told_of_and_stops_nobody) {
  EXPECT_EQ(get("/readyz").at("/clock_drift_s"), "null");
  EXPECT_EQ(get("/readyz").at("/blind"), "null");
  clock_drift_s = -7200;
  EXPECT_EQ(get("/readyz").status, 200);
  EXPECT_EQ(get("/readyz").at("/clock_drift_s"), "-7200");
}

TEST_F(Routes, where_the_folder_cannot_be_written_writes_are_503_and_reads_go_on) {
  create("W-1");
  can_write = false;
  EXPECT_EQ(create("W-2").code(), "not_writable");
  EXPECT_EQ(create("W-2").header("Retry-After"), "10");
  EXPECT_EQ(get("/v1/tasks/1").status, 200);
  EXPECT_EQ(get("/readyz").status, 503);
  EXPECT_EQ(get("/readyz").at("/reason"), "\"not_writable\"");
  can_write = true;
  EXPECT_EQ(get("/readyz").at("/ready"), "true");
  EXPECT_EQ(create("W-2").status, 201);
}

TEST_F(Routes, when_another_writer_has_the_log_all_but_healthz_is_503_stepped_down) {
  create("W-1");
  write_as_another(*log, boot);
  const Answer lost = create("W-2");
  EXPECT_EQ(lost.status, 503);
  EXPECT_EQ(lost.code(), "stepped_down");
  EXPECT_EQ(lost.header("Retry-After"), "10");
  EXPECT_EQ(create("W-3").code(), "stepped_down");
  EXPECT_EQ(get("/v1/tasks/1").code(), "stepped_down");
  EXPECT_EQ(get("/readyz").status, 503);
  EXPECT_EQ(get("/healthz").status, 200);
}

TEST_F(Routes, claim_that_waits_is_503_superseded_when_the_daemon_ends) {
  worker("w");
  auto waiting = begin("POST", "/v1/jobs/claim", R"({"agents":["analyst"],"wait_s":60,"owner":)" + owner("w") + "}");
  write_as_another(*log, boot);
  EXPECT_EQ(create("W-1").code(), "stepped_down");
  api->stop();
  const Answer claim = waiting.get();
  EXPECT_EQ(claim.status, 503);
  EXPECT_EQ(claim.code(), "stepped_down");
}

TEST_F(Routes, reaper_that_does_not_come_round_is_not_ready) {
  reaper.since_pass_s = 2 * 60;
  EXPECT_EQ(get("/readyz").status, 200) << "twice its bound is still within it";
  reaper.since_pass_s = 2 * 60 + 1;
  const Answer stalled = get("/readyz");
  EXPECT_EQ(stalled.status, 503);
  EXPECT_EQ(stalled.at("/reason"), "\"reaper_stalled\"");
  EXPECT_EQ(stalled.at("/reaper_age_s"), "121");
  reaper.since_pass_s = 0;
  reaper.oldest_past_ceiling_s = 5401;
  EXPECT_EQ(get("/readyz").at("/reason"), "\"job_past_ceiling\"");
  post("/v1/settings", R"({"reaper.enabled":false})");
  EXPECT_EQ(get("/readyz").status, 200) << "a reaper that is switched off does not affect readiness";
}

TEST_F(Routes, reaper_runs_when_asked_and_tells_what_it_did) {
  reaper_pass = {.jobs = 7, .reaped = 1, .finishing = 2, .deferred = 3, .leases_reclaimed = 4, .troubles = 5};
  const Answer ran = post("/v1/reaper/run", "{}");
  EXPECT_EQ(ran.status, 200);
  EXPECT_EQ(ran.at("/pass"), R"({"jobs":7,"reaped":1,"finishing":2,"deferred":3,"leases_reclaimed":4,"troubles":5})");
  EXPECT_EQ(post("/v1/reaper/run", R"({"when":"now"})").status, 400);
  reaper = {.passes = 9, .defers = 8, .troubles = 6, .last_pass = TimeUs{1'767'225'600 * us_per_s}};
  const Answer queue = get("/queue");
  EXPECT_EQ(queue.at("/reaper/last_run_ts"), "\"2026-01-01T00:00:00.000000Z\"");
  EXPECT_EQ(queue.at("/reaper/finalizer_defers_total"), "8");
  EXPECT_EQ(queue.at("/reaper/passes_total"), "9");
  EXPECT_EQ(queue.at("/reaper/troubles_total"), "6");
  EXPECT_EQ(queue.at("/transition_lease/defers_total"), "10") << "including the reconciler's two";
}

TEST_F(Routes, finalizer_owns_what_has_exited_while_its_lease_is_held) {
  create("W-1");
  worker("w");
  claim("w", "analyst");
  EXPECT_EQ(get("/queue").at("/reaper/finalizer_owned"), "[]");
  lease("task:1", "w");
  EXPECT_EQ(get("/queue").at("/reaper/finalizer_owned"), "[]") << "the job is still running";
  post("/v1/jobs/1/exited", R"({"attempt":1,"exit_code":0})", {.boot = "w"});
  EXPECT_EQ(get("/queue").at("/reaper/finalizer_owned"), "[1]");
}

TEST_F(Routes, sixteen_race_for_one_transition_and_one_wins) {
  for (int round = 1; round <= 20; ++round) {
    create("W-" + std::to_string(round));
    std::vector<std::future<Answer>> racers;
    for (int i = 0; i < 16; ++i) {
      racers.push_back(begin("POST", "/v1/tasks/" + std::to_string(round) + "/transition",
                             R"({"to":"development","expected_version":1})", {.actor = "racer-" + std::to_string(i)}));
    }
    int won = 0;
    for (auto& racer : racers) {
      const Answer answer = racer.get();
      if (answer.status == 200) {
        ++won;
        continue;
      }
      EXPECT_EQ(answer.status, 409);
      EXPECT_EQ(answer.code(), "version_conflict");
      EXPECT_NE(answer.at("/error/current/last/actor").find("racer-"), std::string::npos)
          << "the answer names the winner";
    }
    EXPECT_EQ(won, 1);
  }
  std::size_t lost = 0;
  EXPECT_TRUE(log->read(Seq{1}, [&](RecordBytes bytes) {
    const auto outcome = Outcome{view_record(bytes).value()->stamp()->outcome()};
    if (outcome == Outcome::version_conflict) ++lost;
    return true;
  }));
  EXPECT_EQ(lost, 20u * 15u) << "each lost race is in the log";
}

}  // namespace
}  // namespace pawl
