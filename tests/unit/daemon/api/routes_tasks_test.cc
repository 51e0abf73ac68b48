#include "store/os/process_identity.h"
#include "tests/unit/daemon/served.h"

namespace pawl {
namespace {

class TaskRoutes : public Served {};

TEST_F(TaskRoutes, a_task_is_created_shown_and_listed) {
  const Answer created = create("W-1");
  EXPECT_EQ(created.status, 201);
  EXPECT_EQ(created.at("/seq"), "3");
  EXPECT_EQ(created.at("/task/id"), "1");
  EXPECT_EQ(created.at("/task/stage"), "\"analysis\"");
  EXPECT_EQ(created.at("/task/version"), "1");
  EXPECT_EQ(created.at("/task/last/actor"), "\"operator\"");
  EXPECT_EQ(created.at("/task/blocked"), "null");
  EXPECT_EQ(get("/v1/tasks/1").at("/work_item"), "\"W-1\"");
  EXPECT_EQ(get("/v1/tasks").at("/items/0/id"), "1");
}

TEST_F(TaskRoutes, who_asks_is_in_the_headers) {
  worker("w");
  const Answer created = post("/v1/tasks", R"({"work_item":"W-1","repo":"shop"})", {.actor = "webhook", .boot = "w"});
  EXPECT_EQ(created.at("/task/last"), R"({"seq":4,"boot":"w","actor":"webhook"})");
}

TEST_F(TaskRoutes, malformed_requests_name_the_field_and_change_nothing) {
  create("W-1");
  const std::uint64_t before = last_seq();
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "\"work_item\""},
      {"{", "byte"},
      {"[]", "object"},
      {R"({"work_item":"W","repo":"r","colour":1})", "\"colour\""},
      {R"({"work_item":"W","repo":7})", "repo"},
      {R"({"work_item":"W","repo":""})", "repo"},
      {R"({"work_item":"W","repo":"../x"})", "repo"},
      {R"({"work_item":"W","repo":"a//b"})", "repo"},
      {R"({"work_item":"W","repo":"a/"})", "repo"},
      {R"({"work_item":"W","repo":"-x"})", "repo"},
      {R"({"work_item":"W","repo":"r","branch":"-x"})", "branch"},
      {R"({"work_item":"W","repo":"r","branch":"a\u0007"})", "branch"},
      {R"({"work_item":"W","repo":"r","branch":"a:b"})", R"(field \"branch\" must not contain ':')"},
      {R"({"work_item":"W","repo":"r","branch":"@{-1}"})", R"(field \"branch\" must not contain '@{')"},
      {R"({"work_item":"W","repo":"r","branch":"*"})", R"(field \"branch\" must not contain '*')"},
      {R"({"work_item":"W","repo":"r\u200b"})", R"(field \"repo\" must not contain \\u{200b})"},
      {R"({"work_item":"W\u202e","repo":"r"})", R"(work_item: must not contain \\u{202e})"},
      {R"({"work_item":"W","work_item":"V","repo":"r"})", "work_item"},
      {R"({"work_item":")" + std::string(201, 'w') + R"(","repo":"r"})", "work_item"},
      {R"({"work_item":"W","repo":"r","depends_on":"1"})", "depends_on"},
      {R"({"work_item":"W","repo":"r","depends_on":[-1]})", "depends_on"},
  };
  for (const auto& [body, named] : cases) {
    const Answer answer = post("/v1/tasks", body);
    EXPECT_EQ(answer.status, 400) << body;
    EXPECT_EQ(answer.code(), "malformed") << body;
    EXPECT_NE(answer.body.find(named.front() == '"' ? named.substr(1, named.size() - 2) : named), std::string::npos)
        << body << " → " << answer.body;
  }
  EXPECT_EQ(last_seq(), before);
}

TEST_F(TaskRoutes, malformed_headers_and_queries_are_refused) {
  EXPECT_EQ(ask("GET", "/v1/tasks", "", {.actor = std::string(33, 'a')}).status, 400);
  EXPECT_EQ(ask("GET", "/v1/tasks", "", {.actor = "\xFF"}).status, 400);
  EXPECT_EQ(ask("GET", "/v1/tasks", "", {.actor = "oper\u200Bator"}).status, 400);
  EXPECT_EQ(ask("GET", "/v1/tasks", "", {.boot = std::string(65, 'a')}).status, 400);
  EXPECT_EQ(ask("GET", "/v1/tasks", "", {.key = std::string(65, 'a')}).status, 400);
  EXPECT_EQ(get("/v1/tasks?colour=red").status, 400);
  EXPECT_EQ(get("/v1/tasks?limit=0").status, 400);
  EXPECT_EQ(get("/v1/tasks?limit=257").status, 400);
  EXPECT_EQ(get("/v1/tasks?limit=1&limit=2").status, 400);
  EXPECT_EQ(get("/v1/tasks?stage=%zz").status, 400);
  EXPECT_EQ(get("/v1/leases/%zz").status, 405);
  EXPECT_EQ(ask("DELETE", "/v1/leases/%zz?token=1").status, 400);
}

TEST_F(TaskRoutes, every_refusal_of_creation_has_its_status_and_object) {
  create("W-1");
  const Answer duplicate = create("W-1");
  EXPECT_EQ(duplicate.status, 409);
  EXPECT_EQ(duplicate.code(), "duplicate_work_item");
  EXPECT_EQ(duplicate.at("/error/current/id"), "1");
  EXPECT_EQ(duplicate.at("/error/seq"), "4");
  EXPECT_EQ(duplicate.at("/error/folded"), "false");
  move(1, "development", 1);
  EXPECT_EQ(create("W-1").code(), "relaunch");
  EXPECT_EQ(create("W-2", R"(,"pipeline":"nope")").status, 422);
  EXPECT_EQ(create("W-2", R"(,"pipeline":"nope")").code(), "unknown_pipeline");
  EXPECT_EQ(create("W-2", R"(,"stage":"nope")").code(), "unknown_stage");
  const auto words = [this](const std::string& more) { return create("W-2", more).at("/error/message"); };
  EXPECT_NE(words(R"(,"pipeline":"delivry")").find("'delivry' is not a pipeline; did you mean 'delivery'?"),
            std::string::npos)
      << words(R"(,"pipeline":"delivry")");
  EXPECT_NE(words(R"(,"stage":"reveiw")").find("'reveiw' is not a stage of 'delivery'; did you mean 'review'?"),
            std::string::npos)
      << words(R"(,"stage":"reveiw")");
  EXPECT_EQ(create("W-2", R"(,"depends_on":[9])").status, 404);
  EXPECT_EQ(create("W-2", R"(,"depends_on":[9])").code(), "unknown_task");
}

TEST_F(TaskRoutes, every_refusal_of_a_transition_has_its_status_and_object) {
  create("W-1");
  EXPECT_EQ(move(9, "development", 1).status, 404);
  EXPECT_EQ(move(9, "development", 1).code(), "unknown_task");
  EXPECT_EQ(post("/v1/tasks/none/transition", "{}").status, 404);
  EXPECT_EQ(post("/v1/tasks/1/transition", R"({"to":"development"})").status, 400) << "expected_version is required";

  const Answer conflict = move(1, "development", 7);
  EXPECT_EQ(conflict.status, 409);
  EXPECT_EQ(conflict.code(), "version_conflict");
  EXPECT_EQ(conflict.at("/error/current/version"), "1");
  EXPECT_EQ(conflict.at("/error/current/stage"), "\"analysis\"");
  EXPECT_NE(conflict.body.find("at version 1, on stage 'analysis'"), std::string::npos);
  EXPECT_NE(conflict.body.find(": version 7 was expected"), std::string::npos) << conflict.body;
  const Answer elsewhere = move(1, "review", 1);
  EXPECT_EQ(elsewhere.code(), "no_such_edge");
  EXPECT_NE(elsewhere.body.find("no edge from 'analysis' to 'review'; this stage leads to 'development'\""),
            std::string::npos)
      << elsewhere.body;
  EXPECT_EQ(move(1, "development", 1).status, 200);

  create("W-2", R"(,"stage":"deploy-staging")");
  EXPECT_EQ(move(2, "deploy", 1).code(), "steps_unfinished");
  worker("w");
  EXPECT_EQ(lease("task:2", "w").status, 201);
  const Answer held = move(2, "development", 1);
  EXPECT_EQ(held.code(), "lease_held");
  EXPECT_EQ(held.at("/error/current/owner/boot_id"), "\"w\"");
  EXPECT_EQ(held.at("/error/current/key"), "\"task:2\"");
  EXPECT_EQ(move(2, "development", 1, R"(,"token":1)").code(), "stale_token");

  EXPECT_EQ(post("/v1/tasks/1/cancel", "").status, 200);
  const Answer finished = move(1, "review", 3);
  EXPECT_EQ(finished.code(), "terminal");
  EXPECT_EQ(finished.at("/error/current/stage"), "\"cancelled\"") << "from the archive";
}

TEST_F(TaskRoutes, cancel_is_200_at_once_or_202_while_it_stands) {
  create("W-1");
  const Answer at_once = post("/v1/tasks/1/cancel", R"({"reason":"enough"})");
  EXPECT_EQ(at_once.status, 200);
  EXPECT_EQ(at_once.at("/task/stage"), "\"cancelled\"");
  EXPECT_EQ(post("/v1/tasks/1/cancel", "").code(), "terminal");

  create("W-2", R"(,"stage":"deploy-staging")");
  worker("w");
  const Answer granted = lease("task:2", "w");
  const Answer deferred = post("/v1/tasks/2/cancel", R"({"reason":"enough"})");
  EXPECT_EQ(deferred.status, 202);
  EXPECT_EQ(deferred.at("/task/cancel_requested"), "\"enough\"");
  EXPECT_EQ(deferred.at("/task/stage"), "\"deploy-staging\"");
  EXPECT_EQ(ask("DELETE", "/v1/leases/task%3A2?token=" + granted.at("/token")).status, 200);
  EXPECT_EQ(get("/v1/tasks/2").at("/stage"), "\"cancelled\"");
}

TEST_F(TaskRoutes, finished_tasks_are_still_found) {
  create("W-1");
  create("W-2");
  create("W-3");
  post("/v1/tasks/2/cancel", "");
  EXPECT_EQ(get("/v1/tasks/2").at("/stage"), "\"cancelled\"");
  const Answer all = get("/v1/tasks?limit=2");
  EXPECT_EQ(all.at("/items/1/id"), "2");
  EXPECT_EQ(all.at("/next"), "2");
  const Answer rest = get("/v1/tasks?limit=2&after=2");
  EXPECT_EQ(rest.at("/items/0/id"), "3");
  EXPECT_EQ(rest.at("/next"), "null");
  EXPECT_EQ(get("/v1/tasks?stage=cancelled").at("/items/0/id"), "2");
  EXPECT_EQ(get("/v1/tasks?stage=cancelled").at("/items/1"), "missing");
  EXPECT_EQ(get("/v1/tasks?stage=analysis&work_item=W-3").at("/items/0/id"), "3");
  EXPECT_EQ(get("/v1/tasks?repo=other").at("/items"), "[]");
  EXPECT_EQ(get("/v1/tasks/4").status, 404);
  EXPECT_EQ(get("/v1/tasks/0").code(), "unknown_task");
}

TEST_F(TaskRoutes, a_list_longer_than_one_look_is_complete) {
  for (int i = 0; i < 600; ++i) create("W-" + std::to_string(i));
  std::string after = "0";
  std::size_t count = 0;
  for (int page = 0; page < 10 && after != "null"; ++page) {
    const Answer answer = get("/v1/tasks?limit=250&after=" + after);
    count += answer.json().at("items").as_array().size();
    after = answer.at("/next");
  }
  EXPECT_EQ(count, 600u);
  EXPECT_EQ(after, "null");
  EXPECT_EQ(get("/v1/tasks?work_item=W-599").at("/items/0/id"), "600");
}

TEST_F(TaskRoutes, history_is_what_speaks_of_the_task_its_jobs_and_its_lease) {
  create("W-0");
  create("W-1");
  worker("w");
  claim("w", "analyst");
  move(1, "development", 1);
  lease("task:2", "w");
  lease("job:2", "w");  // a key like any other, whatever it looks like
  lease("job:none", "w");
  post("/v1/tasks/2/note", R"({"text":"hm"})");
  post("/v1/tasks/2/cancel", "");
  const auto types = [&](const std::string& target) {
    std::string all;
    const boost::json::value page = get(target).json();
    for (const auto& item : page.at("items").as_array()) all += std::string(item.at("type").as_string()) + " ";
    return all;
  };
  EXPECT_EQ(types("/v1/tasks/1/history"), "TaskCreated JobClaimed StageTransition ");
  EXPECT_EQ(types("/v1/tasks/2/history"), "TaskCreated LeaseAcquired TaskNote CancelRequested ");
  const Answer page = get("/v1/tasks/2/history?limit=2");
  EXPECT_EQ(page.json().at("items").as_array().size(), 2u);
  EXPECT_EQ(types("/v1/tasks/2/history?limit=2&after=" + page.at("/next")), "TaskNote CancelRequested ");
  EXPECT_EQ(get("/v1/tasks/9/history").status, 404);
}

TEST_F(TaskRoutes, advance_goes_through_the_one_path_and_says_what_happened) {
  create("W-1");
  advance_answer = [](const AdvanceRequest& request) {
    EXPECT_EQ(raw(request.task), 1u);
    EXPECT_EQ(raw(request.version), 1u);
    EXPECT_EQ(request.requester.actor, "monitor");
    return AdvanceAnswer{
        .result = AdvanceResult::gate_red, .seq = Seq{3}, .outcome = Outcome::accepted, .reason = "no"};
  };
  const Answer red = post("/v1/tasks/1/advance", "", {.actor = "monitor"});
  EXPECT_EQ(red.status, 200);
  EXPECT_EQ(red.at("/result"), "\"gate_red\"");
  EXPECT_EQ(red.at("/reason"), "\"no\"");
  EXPECT_EQ(red.at("/seq"), "3");
  EXPECT_EQ(red.at("/task/id"), "1");
  advance_answer = [](const AdvanceRequest&) {
    return AdvanceAnswer{.result = AdvanceResult::waiting,
                         .awaited = Awaited::command,
                         .outcome = Outcome::accepted,
                         .reason = "no_command"};
  };
  EXPECT_EQ(post("/v1/tasks/1/advance", "").code(), "no_command");
  EXPECT_EQ(post("/v1/tasks/1/advance", R"({"expected_version":2})").code(), "version_conflict");
  EXPECT_EQ(post("/v1/tasks/9/advance", "").status, 404);
  post("/v1/tasks/1/cancel", "");
  EXPECT_EQ(post("/v1/tasks/1/advance", "").code(), "terminal");
}

TEST_F(TaskRoutes, notes_gates_and_unblocking_are_recorded) {
  create("W-1");
  EXPECT_EQ(post("/v1/tasks/1/note", R"({"text":"hello"})").status, 200);
  EXPECT_EQ(post("/v1/tasks/1/note", "{}").status, 400);
  EXPECT_EQ(post("/v1/tasks/9/note", R"({"text":"hello"})").code(), "unknown_task");
  const std::string broke = R"({"gate":"analysis","version":1,"passed":null,"reason":"broke"})";
  const Answer of_a_guest = post("/v1/tasks/1/gate", broke);
  EXPECT_EQ(of_a_guest.status, 200);
  EXPECT_EQ(of_a_guest.at("/task/gate"), "null") << "it does not have the task in hand, so its report has no effect";
  worker("w");
  lease("task:1", "w");
  const Answer gate = post("/v1/tasks/1/gate", broke, {.boot = "w"});
  EXPECT_EQ(gate.at("/task/gate/reason"), "\"broke\"");
  EXPECT_EQ(gate.at("/task/gate/passed"), "null");
  EXPECT_EQ(post("/v1/tasks/1/unblock", "").code(), "not_blocked");
}

TEST_F(TaskRoutes, retry_unblocks_and_queues) {
  create("W-1");
  EXPECT_EQ(post("/v1/tasks/1/retry", "").code(), "already_queued");
  worker("w");
  claim("w", "analyst");
  EXPECT_EQ(post("/v1/jobs/1/finished", R"({"attempt":1,"result":"failed"})").status, 200);
  EXPECT_EQ(get("/v1/tasks/1").at("/blocked"), "\"job_failed\"");
  const Answer retried = post("/v1/tasks/1/retry", R"({"reason":"again"})");
  EXPECT_EQ(retried.status, 200);
  EXPECT_EQ(retried.at("/task/blocked"), "null");
  EXPECT_EQ(get("/v1/jobs/2").at("/status"), "\"queued\"");
}

TEST_F(TaskRoutes, retry_of_what_nobody_works_on_lets_it_go_on) {
  create("W-1", R"(,"stage":"deploy")");
  EXPECT_EQ(post("/v1/tasks/1/retry", "").code(), "no_agent");
  fb::TaskBlockedT blocked;
  blocked.task = 1;
  blocked.version = 1;
  blocked.reason = "diverged";
  const Requester executor{.boot = boot, .actor = "executor", .key = {}, .request = std::nullopt};
  ASSERT_EQ(sequencer->propose(propose_group(executor, blocked)).outcome, Outcome::accepted);
  const Answer retried = post("/v1/tasks/1/retry", "");
  EXPECT_EQ(retried.status, 200) << retried.body;
  EXPECT_EQ(retried.at("/task/blocked"), "null");
}

class NoLock final : public StepLock {};

TEST_F(TaskRoutes, steps_are_journalled_by_lease_holders_and_resolved_by_operators) {
  create("W-1", R"(,"stage":"deploy-staging")");
  // On the daemon's host, where its locks are evidence.
  ASSERT_EQ(post("/v1/boots",
                 R"({"name":"w","boot_id":"w","pid":7,"pid_start":1,"version":"1","host":")" + this_host() + "\"}")
                .status,
            201);
  const std::string token = lease("task:1", "w").at("/token");
  const std::string repo_token = lease("repo:shop", "w").at("/token");
  const auto step = [&](const std::string& more) { return post("/v1/tasks/1/steps", "{" + more + "}", {.boot = "w"}); };
  EXPECT_EQ(step(R"("type":"StepStolen","version":1,"step":"merge")").status, 400);
  EXPECT_EQ(step(R"("type":"StepStarted","version":1,"step":"merge")").status, 400) << "where to?";
  EXPECT_EQ(step(R"("type":"StepStarted","version":1,"step":"merge","to":"deploy")").code(), "lease_required");
  EXPECT_EQ(step(R"("type":"StepStarted","version":1,"step":"nope","to":"deploy")").code(), "no_such_step");
  const Answer started = step(R"("type":"StepStarted","version":1,"step":"merge","to":"deploy","run":"r1","token":)" +
                              token + R"(,"repo_token":)" + repo_token);
  ASSERT_EQ(started.status, 200) << started.body;
  EXPECT_EQ(started.at("/task/steps/0/state"), "\"started\"");
  const std::string compared = "/v1/compare?from=1&to=" + std::to_string(last_seq());
  for (const std::string& path :
       {std::string("/v1/tasks/1"), std::string("/v1/tasks/1/history"), std::string("/v1/events?after=0"),
        std::string("/v1/tasks"), std::string("/v1/tasks/1/story"), compared}) {
    EXPECT_EQ(get(path).status, 200) << path;
    EXPECT_EQ(get(path).body.find("\"r1\""), std::string::npos)
        << path << " shows the name by which a process is found";
  }

  const std::string finished =
      R"("type":"StepFinished","version":1,"step":"merge","outcome":"did_not_happen","started":)" + started.at("/seq");
  EXPECT_EQ(step(finished + R"(,"by":"operator")").status, 400) << "neither past the step's lock nor by a worker";
  EXPECT_EQ(step(finished + R"(,"by":"probe")").code(), "not_daemon");
  worker("other");
  const Answer foreign = post("/v1/tasks/1/steps", "{" + finished + R"(,"by":"command"})", {.boot = "other"});
  EXPECT_EQ(foreign.code(), "not_owner");
  EXPECT_EQ(
      foreign.at("/error/message"),
      "\"another boot started that step, and only its starter may report how it ended: by its Pawl-Boot, or with the "
      "token of the lease at the start: task 1 is at version 1, on stage 'deploy-staging'\"");
  EXPECT_EQ(post("/v1/tasks/1/resolve", R"({"step":"merge","happened":false})").code(), "previous_alive");
  EXPECT_EQ(post("/v1/tasks/1/resolve", R"({"step":"retest","happened":true})").code(), "not_started");
  EXPECT_EQ(post("/v1/tasks/1/resolve", R"({"step":"merge"})").status, 400);
  EXPECT_EQ(post("/v1/tasks/1/resolve", R"({"step":"merge","happened":"yes"})").status, 400);
  step_lock = std::make_shared<NoLock>();
  const Answer resolved = post("/v1/tasks/1/resolve", R"({"step":"merge","happened":false,"reason":"looked"})");
  EXPECT_EQ(resolved.status, 200) << resolved.body;
  EXPECT_EQ(resolved.at("/task/steps/0/state"), "\"did_not_happen\"");
  EXPECT_EQ(step_lock.use_count(), 1) << "the lock is released";
}

TEST_F(TaskRoutes, an_idempotency_key_gets_the_first_answer_also_after_a_restart) {
  const std::string body = R"({"work_item":"W-1","repo":"shop"})";
  const Answer first = post("/v1/tasks", body, {.key = "k"});
  EXPECT_EQ(first.status, 201);
  for (int round = 0; round < 2; ++round) {
    const Answer again = post("/v1/tasks", body, {.key = "k"});
    EXPECT_EQ(again.status, 201);
    EXPECT_EQ(again.at("/seq"), first.at("/seq"));
    EXPECT_EQ(again.at("/task/id"), "1");
    EXPECT_EQ(again.header("Idempotency-Replayed"), "true");
    const Answer other = post("/v1/tasks", R"({"work_item":"W-2","repo":"shop"})", {.key = "k"});
    EXPECT_EQ(other.status, 422);
    EXPECT_EQ(other.code(), "idempotency_mismatch");
    restart();
  }
  EXPECT_EQ(get("/v1/tasks").json().at("items").as_array().size(), 1u);
}

TEST_F(TaskRoutes, a_refusal_under_a_key_is_answered_again_though_it_would_now_be_accepted) {
  create("W-1");
  const std::string body = R"({"to":"review","expected_version":2})";
  EXPECT_EQ(post("/v1/tasks/1/transition", body, {.key = "k"}).code(), "version_conflict");
  move(1, "development", 1);
  const Answer again = post("/v1/tasks/1/transition", body, {.key = "k"});
  EXPECT_EQ(again.code(), "version_conflict");
  EXPECT_EQ(again.at("/error/current/version"), "2") << "objects in their current state";
}

TEST_F(TaskRoutes, equal_refusals_are_folded) {
  create("W-1");
  for (int i = 0; i < 32; ++i) EXPECT_EQ(move(1, "development", 9).at("/error/folded"), "false");
  const Answer folded = move(1, "development", 9);
  EXPECT_EQ(folded.status, 409);
  EXPECT_EQ(folded.at("/error/folded"), "true");
  EXPECT_EQ(folded.at("/error/seq"), "4");
}

}  // namespace
}  // namespace pawl
