// POST /v1/batch: each of its requests is answered as if it had come alone, and one sync does for all.
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "daemon/api/batch_request.h"
#include "daemon/api/route_table.h"
#include "schema/hex.h"
#include "schema/limits.h"
#include "tests/unit/daemon/comes_true.h"
#include "tests/unit/daemon/served.h"

namespace pawl {
namespace {

std::string request(const std::string& method, const std::string& path, const std::string& body = {},
                    const std::string& headers = {}) {
  return R"({"method":")" + method + R"(","path":")" + path + '"' + (body.empty() ? "" : R"(,"body":)" + body) +
         (headers.empty() ? "" : R"(,"headers":)" + headers) + '}';
}

std::string batch_of(const std::vector<std::string>& requests) {
  std::string body;
  for (const std::string& each : requests) body += (body.empty() ? "" : ",") + each;
  return R"({"requests":[)" + body + "]}";
}

std::string note(int task, const std::string& text, const std::string& headers = {}) {
  return request("POST", "/v1/tasks/" + std::to_string(task) + "/note", R"({"text":")" + text + R"("})", headers);
}

class BatchRoute : public Served {
 protected:
  Answer batch(const std::vector<std::string>& requests, const Headers& headers = {}) {
    return post("/v1/batch", batch_of(requests), headers);
  }
  static std::string item(std::size_t number, const std::string& pointer) {
    return "/items/" + std::to_string(number) + pointer;
  }
  static std::string statuses(const Answer& answer) {
    std::string out;
    for (std::size_t i = 0; answer.at(item(i, "/status")) != "missing"; ++i) {
      out += (i == 0 ? "" : " ") + answer.at(item(i, "/status"));
    }
    return out;
  }
  /// The answer to a batch that arrives while another thread decides, and how many appends it took. That thread then
  /// goes on with what has come, as with requests of many clients.
  std::pair<Answer, int> counted(const std::vector<std::string>& requests, const Headers& headers = {}) {
    std::promise<void> decides;
    std::promise<void> goes_on;
    std::thread busy([&] {
      sequencer->look([&, is_first = true](const State&) mutable {
        if (!std::exchange(is_first, false)) return;
        decides.set_value();
        goes_on.get_future().wait();
      });
    });
    decides.get_future().wait();
    int appends = 0;
    const auto subscription = sequencer->subscribe([&](auto&&) { ++appends; });
    std::future<Answer> begun;
    {
      const Sequencer::ServesSoon at_the_end_of_the_turn;
      begun = begin("POST", "/v1/batch", batch_of(requests), headers);
    }
    goes_on.set_value();
    busy.join();
    api->serve();
    Answer answer = begun.get();
    sequencer->unsubscribe(subscription);
    return {std::move(answer), appends};
  }
  std::string record(std::uint64_t seq) { return get("/v1/events?limit=1&after=" + std::to_string(seq - 1)).body; }
};

TEST_F(BatchRoute, requests_are_answered_in_order_and_each_sees_those_before_it) {
  create("W-1");
  worker("w");
  const std::string token = std::to_string(last_seq() + 1);
  const Answer answer = batch({request("POST", "/v1/leases", R"({"key":"k","owner":)" + owner("w") + "}"),
                               request("POST", "/v1/leases", R"({"key":"k","owner":)" + owner("w") + "}"),
                               note(1, "noted"), request("DELETE", "/v1/leases/k?token=" + token),
                               request("GET", "/v1/tasks/1"), request("GET", "/v1/settings")});
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(statuses(answer), "201 409 200 200 200 200") << answer.body;
  EXPECT_EQ(answer.at(item(0, "/body/token")), token);
  EXPECT_EQ(answer.at(item(1, "/body/error/code")), "\"lease_held\"") << "a refusal changes nothing for the others";
  EXPECT_EQ(answer.at(item(2, "/body/task/id")), "1");
  EXPECT_EQ(answer.at(item(3, "/body/lease")), "null");
  EXPECT_EQ(answer.at(item(4, "/body/work_item")), "\"W-1\"");
  EXPECT_NE(answer.at(item(5, "/body/settings")), "missing");
  EXPECT_EQ(answer.at(item(0, "/headers")), "null");
}

TEST_F(BatchRoute, answers_are_those_of_the_same_requests_alone) {
  create("W-1");
  create("W-2");
  const std::string alone = post("/v1/tasks/1/note", R"({"text":"a"})").body;
  const Answer answer = batch({note(1, "a"), note(99, "a"), request("GET", "/v1/tasks/x"), request("GET", "/nowhere"),
                               request("DELETE", "/v1/tasks/1"), note(1, ""), request("POST", "/v1/tasks/1/note")});
  EXPECT_EQ(statuses(answer), "200 404 404 404 405 400 400") << answer.body;
  EXPECT_EQ(answer.at(item(0, "/body/task/work_item")), "\"W-1\"");
  EXPECT_NE(alone.find(R"("work_item":"W-1")"), std::string::npos);
  EXPECT_EQ(answer.at(item(4, "/headers/Allow")), "\"GET, HEAD\"");
  EXPECT_EQ(answer.at(item(6, "/body/error/message")), R"("field \"text\" is missing")");
}

TEST_F(BatchRoute, all_its_writes_are_made_durable_with_one_append) {
  std::vector<std::string> requests;
  for (int i = 1; i <= 64; ++i) {
    requests.push_back(request("POST", "/v1/tasks", R"({"work_item":"W-)" + std::to_string(i) + R"(","repo":"shop"})"));
  }
  const auto [answer, appends] = counted(requests);
  EXPECT_EQ(appends, 1);
  EXPECT_EQ(answer.at(item(0, "/body/task/id")), "1");
  EXPECT_EQ(answer.at(item(63, "/body/task/id")), "64");
  EXPECT_EQ(answer.at(item(63, "/status")), "201");
  // One that looks first has the place that it asked for, and costs appends of its own.
  worker("w");
  const auto [mixed, several] =
      counted({note(1, "a"), note(2, "b"), request("DELETE", "/v1/boots/w"), note(3, "c"),
               request("POST", "/v1/jobs/claim", R"({"agents":["analyst"],"owner":)" + owner("w") + "}")});
  EXPECT_EQ(statuses(mixed), "200 200 200 200 409") << "the boot has ended before the claim" << mixed.body;
  EXPECT_GE(several, 3);
}

TEST_F(BatchRoute, records_are_as_if_the_requests_had_come_alone) {
  create("W-1");
  worker("w");
  worker("v");
  const Answer answer = batch({note(1, "a", R"({"Pawl-Actor":"ann","Pawl-Boot":"v","Idempotency-Key":"one"})"),
                               note(1, "b"), note(1, "c", R"({"pawl-boot":"","PAWL-ACTOR":null})")},
                              {.actor = "bob", .boot = "w"});
  EXPECT_EQ(statuses(answer), "200 200 200") << answer.body;
  const std::uint64_t last = last_seq();
  const Answer alone = post("/v1/tasks/1/note", R"({"text":"d"})", {.actor = "ann", .boot = "v", .key = "two"});
  EXPECT_EQ(alone.status, 200);
  for (const std::uint64_t seq : {last - 2, last + 1}) {
    EXPECT_NE(record(seq).find(R"("boot":"v","actor":"ann")"), std::string::npos) << record(seq);
    EXPECT_NE(record(seq).find(R"("key":")"), std::string::npos) << record(seq);
    EXPECT_NE(record(seq).find(R"("principal":"uid")"), std::string::npos) << record(seq);
  }
  EXPECT_NE(record(last - 1).find(R"("boot":"w","actor":"bob")"), std::string::npos) << "those of the batch";
  EXPECT_NE(record(last).find(R"("boot":")" + boot + R"(","actor":"bob")"), std::string::npos) << record(last);
}

TEST_F(BatchRoute, keys_are_those_of_the_requests_whether_repeated_in_a_batch_or_alone) {
  create("W-1");
  const std::string sent = "{ \"text\" : \"a \\u00e9 } ]\" }";
  const std::string keyed = R"({"Idempotency-Key":"k"})";
  const std::string target = "/v1/tasks/1/note";
  const Answer first = batch({request("POST", target, sent, keyed), request("POST", target, sent, keyed)});
  EXPECT_EQ(statuses(first), "200 200") << first.body;
  EXPECT_EQ(first.at(item(0, "/body/seq")), first.at(item(1, "/body/seq")));
  EXPECT_EQ(first.at(item(1, "/headers/Idempotency-Replayed")), "\"true\"");
  const Answer alone = post(target, sent, {.key = "k"});
  EXPECT_EQ(alone.status, 200) << "the same bytes are the same request" << alone.body;
  EXPECT_EQ(alone.at("/seq"), first.at(item(0, "/body/seq")));
  EXPECT_EQ(batch({request("POST", target, R"({"text":"b"})", keyed)}).at(item(0, "/status")), "422");
  const Answer whole = post("/v1/batch", batch_of({note(1, "a")}), {.key = "k"});
  EXPECT_EQ(whole.status, 400);
  EXPECT_NE(whole.body.find("give one to each"), std::string::npos) << whole.body;
}

TEST_F(BatchRoute, what_waits_or_is_long_is_refused_by_itself) {
  create("W-1");
  worker("w");
  const std::string claim = R"({"agents":["none"],"owner":)" + owner("w");
  const std::uint64_t before = last_seq();
  const Answer answer =
      batch({request("POST", "/v1/batch", batch_of({note(1, "a")})), request("GET", "/v1/events"),
             request("GET", "/v1/events?wait_s=1"), request("POST", "/v1/jobs/claim", claim + R"(,"wait_s":1})"),
             request("POST", "/v1/jobs/claim", claim + R"(,"wait_s":0})"), request("GET", "/v1/tasks/1/log"),
             request("POST", "/webhooks/generic", "{}"), request("POST", "/v1/tasks/1/advance"),
             request("GET", "/v1/tasks"), request("POST", "/v1/reaper/run"), note(1, "a")});
  EXPECT_EQ(statuses(answer), "400 400 400 400 204 400 400 400 400 400 200") << answer.body;
  for (const std::size_t refused : {0U, 1U, 2U, 3U, 5U, 6U, 7U, 8U, 9U}) {
    EXPECT_EQ(answer.at(item(refused, "/body/error/code")), "\"not_in_batch\"") << answer.body;
  }
  EXPECT_EQ(answer.at(item(4, "/body")), "null");
  EXPECT_EQ(last_seq(), before + 1);
}

TEST(BatchOfRoutes, what_answers_with_many_objects_is_in_none) {
  for (const Route& route : routes()) {
    const auto shape = route.answer.shape;
    const bool is_one = shape == RouteAnswer::Shape::written || shape == RouteAnswer::Shape::object ||
                        shape == RouteAnswer::Shape::members;
    EXPECT_TRUE(is_one || route.in_batch == InBatch::no) << route.method << ' ' << route.path;
    if (route.in_batch == InBatch::no) continue;
    EXPECT_TRUE(route.form != BodyForm::delivery && route.form != BodyForm::batch) << route.path;
    EXPECT_NE(route.role, Role::none) << route.path;
    for (const Field& field : route.query) EXPECT_NE(field.name, "wait_s") << route.path;
  }
}

TEST_F(BatchRoute, order_is_kept_around_calls_that_ask_elsewhere) {
  branch_answer = [](const auto&, const std::string& branch) {
    return FoundBranch{.is = branch == "gone" ? FoundBranch::Is::absent : FoundBranch::Is::there, .nearest = {}};
  };
  const auto submit = [](const std::string& work_item, const std::string& branch) {
    return request("POST", "/v1/tasks",
                   R"({"work_item":")" + work_item + R"(","repo":"shop")" +
                       (branch.empty() ? "" : R"(,"branch":")" + branch + '"') + "}");
  };
  const Answer answer =
      batch({submit("W-1", ""), submit("W-2", "first"), note(2, "to the second"), submit("W-3", "gone"),
             submit("W-4", ""), note(4, "to the fourth"), request("GET", "/v1/head")});
  EXPECT_EQ(statuses(answer), "201 201 200 201 201 200 200") << answer.body;
  EXPECT_EQ(answer.at(item(1, "/body/task/id")), "2");
  EXPECT_EQ(answer.at(item(4, "/body/task/id")), "4");
  EXPECT_EQ(answer.at(item(6, "/body/seq")), answer.at(item(5, "/body/seq"))) << "it is the last by then";
  EXPECT_EQ(branches_asked.load(), 2);
}

TEST_F(BatchRoute, nothing_is_done_of_what_cannot_be_read_and_the_message_says_where) {
  create("W-1");
  const std::uint64_t before = last_seq();
  const std::string good = note(1, "a");
  const std::map<std::string, std::string> bad = {
      {R"("x")", "requests[1]: must be an object"},
      {R"({"path":"/v1/tasks/1"})", "requests[1]: field \"method\" is missing"},
      {R"({"method":"GET"})", "requests[1]: field \"path\" is missing"},
      {R"({"method":"PUT","path":"/"})", "requests[1]: field \"method\" must be"},
      {R"({"method":7,"path":"/"})", "requests[1]: field \"method\" must be"},
      {R"({"method":"GET","path":"v1"})", "requests[1]: field \"path\" must be"},
      {R"({"method":"GET","path":"http://h/v1"})", "requests[1]: field \"path\" must be"},
      {R"({"method":"GET","path":"/a b"})", "requests[1]: field \"path\" must be"},
      {R"({"method":"GET","path":"/)" + std::string(limits::header_bytes_max, 'a') + R"("})",
       "requests[1]: field \"path\" is longer"},
      {R"({"method":"GET","path":"/","verb":1})", "requests[1]: unknown field \"verb\""},
      {R"({"method":"GET","path":"/","body":[1]})", "requests[1]: field \"body\" must be an object"},
      {R"({"method":"GET","path":"/","headers":[]})", "requests[1]: field \"headers\" must be"},
      {R"({"method":"GET","path":"/","headers":{"Accept":"x"}})", "requests[1]: unknown header \"Accept\""},
      {R"({"method":"GET","path":"/","headers":{"Authorization":"x"}})", "requests[1]: unknown header"},
      {R"({"method":"GET","path":"/","headers":{"Pawl-Actor":1}})", "must be a string"},
      {R"({"method":"GET","path":"/","headers":{"Pawl-Actor":"a\nb"}})", "control character"},
      {R"({"method":"GET","path":"/","headers":{"Pawl-Actor":" a"}})", "a space"},
      {R"({"method":"GET","path":"/","headers":{"Pawl-Actor":"a","pawl-actor":"b"}})", "given twice"},
      {R"({"method":"GET","path":"/","path":"/"})", "path"},
  };
  for (const auto& [each, why] : bad) {
    const Answer answer = batch({good, each});
    EXPECT_EQ(answer.status, 400) << each;
    EXPECT_EQ(answer.code(), "malformed") << each;
    EXPECT_NE(boost::json::parse(answer.body).at("error").at("message").as_string().find(why), std::string::npos)
        << answer.body;
  }
  for (const char* body : {"", "{}", "[]", "7", R"({"requests":{}})", R"({"requests":[]})", R"({"requests":7})",
                           R"({"requests":[],"more":1})", R"({"requests":[{])"}) {
    EXPECT_EQ(post("/v1/batch", body).status, 400) << body;
  }
  EXPECT_EQ(batch(std::vector(limits::requests_per_batch_max + 1, good)).status, 400);
  EXPECT_EQ(last_seq(), before);
  EXPECT_EQ(batch(std::vector(limits::requests_per_batch_max, request("GET", "/v1/tasks/1"))).status, 200);
}

TEST_F(BatchRoute, bodies_are_cut_out_byte_for_byte) {
  const std::string body =
      "\t{ \"requests\" : [ {\"body\": {\"a\":[1,{\"b\":\"}\\\"]\"}], \"c\" : -1.5e3 } , \"method\":\"POST\"\r\n,"
      "\"p\\u0061th\":\"/x?y=%20\",\"headers\":{} }, {\"method\":\"GET\",\"path\":\"/\",\"body\":null}]}\n";
  const auto read = read_batch({.method = "POST", .path = "/v1/batch", .actor = "ann", .body = body});
  ASSERT_TRUE(read) << read.error().message;
  ASSERT_EQ(read->size(), 2U);
  EXPECT_EQ(read->at(0).body, R"({"a":[1,{"b":"}\"]"}], "c" : -1.5e3 })");
  EXPECT_EQ(read->at(0).target, "/x?y=%20");
  EXPECT_EQ(read->at(0).actor, "ann");
  EXPECT_EQ(read->at(1).body, "");
}

TEST_F(BatchRoute, room_and_the_end_of_the_daemon_are_looked_at_for_each) {
  create("W-1");
  worker("w");
  const std::string claim = R"({"agents":["analyst"],"owner":)" + owner("w") + "}";
  const std::vector<std::string> requests = {note(1, "a"), request("POST", "/v1/tasks/1/cancel"),
                                             request("GET", "/v1/tasks/1")};
  has_space = false;
  const Answer full = batch(requests);
  EXPECT_EQ(statuses(full), "503 200 200") << full.body;
  EXPECT_EQ(full.at(item(0, "/headers/Retry-After")), "\"10\"");
  has_space = true;
  create("W-2");
  api->begin_end();
  const Answer ending = batch({request("POST", "/v1/jobs/claim", claim), note(2, "b")});
  EXPECT_EQ(statuses(ending), "503 200") << ending.body;
  EXPECT_EQ(ending.at(item(0, "/body/error/code")), "\"ending\"");
}

TEST_F(BatchRoute, a_claim_that_goes_unheard_is_given_back) {
  create("W-1");
  worker("w");
  const Answer answer =
      batch({request("POST", "/v1/jobs/claim", R"({"agents":["analyst"],"owner":)" + owner("w") + "}"), note(1, "a")});
  EXPECT_EQ(answer.at(item(0, "/body/job/id")), "1") << answer.body;
  ASSERT_TRUE(undelivered);
  undelivered();
  EXPECT_TRUE(comes_true([&] { return get("/v1/jobs/1").at("/status") == "\"queued\""; }));
}

TEST_F(BatchRoute, it_counts_as_many_requests_as_it_has) {
  create("W-1");
  const std::uint64_t before = last_seq();
  std::size_t asked = 0;
  bool may = true;
  const std::string body = batch_of({note(1, "a"), note(1, "b"), note(1, "c")});
  const auto send = [&] {
    std::promise<HttpResponse> promise;
    api->handle({.method = "POST",
                 .path = "/v1/batch",
                 .body = body,
                 .takes_more =
                     [&](std::size_t count) {
                       asked += count;
                       return may;
                     }},
                [&](HttpResponse response) { promise.set_value(std::move(response)); });
    return promise.get_future().get();
  };
  may = false;
  const HttpResponse refused = send();
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(refused.headers.at(0), std::pair(std::string("Retry-After"), std::string("1")));
  EXPECT_EQ(asked, 2U) << "the first was counted when it came";
  EXPECT_EQ(last_seq(), before);
  may = true;
  EXPECT_EQ(send().status, 200);
  EXPECT_EQ(last_seq(), before + 3);
}

/// As in narrow_test.cc: who may do what holds for each request.
class BatchOfTokens : public BatchRoute {
 protected:
  BatchOfTokens() {
    const auto line = [](const std::string& name, const std::string& more) {
      return name + " " + more + " " + hex(hash_of_token(name)) + (name == "narrow" ? " repos=shop\n" : "\n");
    };
    access.replace(
        parse_tokens(line("narrow", "operate") + line("reader", "read") + line("worker", "work"), "file").value());
    services_access = &access;
    restart();
    post("/v1/tasks", R"({"work_item":"B-1","repo":"bank"})");
    post("/v1/tasks", R"({"work_item":"S-2","repo":"shop"})");
    post("/v1/tasks", R"({"work_item":"S-3","repo":"shop"})");
  }
  static Headers as(const std::string& name) {
    return {.authorization = name.empty() ? "" : "Bearer " + name, .transport = Transport::tcp};
  }

  Access access{std::nullopt, [] { return TimeUs{1'767'225'600 * us_per_s}; }};
};

TEST_F(BatchOfTokens, each_request_needs_its_role) {
  const std::vector<std::string> requests = {request("GET", "/v1/tasks/1"), note(1, "a"),
                                             request("POST", "/v1/tasks/1/cancel"),
                                             request("POST", "/v1/jobs/1/renew", R"({"attempt":1})")};
  EXPECT_EQ(batch(requests, as("")).status, 401);
  EXPECT_EQ(batch(requests, as("unknown")).status, 401);
  EXPECT_EQ(statuses(batch(requests, as("reader"))), "200 403 403 403");
  EXPECT_EQ(statuses(batch(requests, as("worker"))), "200 200 403 403") << "without a boot it does not speak for one";
  EXPECT_NE(record(last_seq()).find("token:worker"), std::string::npos) << record(last_seq());
}

TEST_F(BatchOfTokens, a_narrow_token_reaches_what_it_reaches_alone_and_with_one_append) {
  const std::vector<std::string> requests = {note(2, "a"),
                                             note(1, "a"),
                                             note(3, "b"),
                                             request("GET", "/v1/tasks/1"),
                                             request("POST", "/v1/settings", R"({"stop.enabled":true})"),
                                             request("POST", "/v1/tasks", R"({"work_item":"n","repo":"bank"})"),
                                             note(2, "c")};
  const std::uint64_t before = last_seq();
  const auto [answer, appends] = counted(requests, as("narrow"));
  EXPECT_EQ(statuses(answer), "200 404 200 404 403 403 200") << answer.body;
  EXPECT_EQ(answer.at(item(1, "/body/error/code")), "\"unknown_task\"");
  EXPECT_EQ(appends, 1);
  EXPECT_EQ(last_seq(), before + 3);
  // What an earlier request of the batch made is there for a later one, also within limits.
  const Answer made =
      batch({request("POST", "/v1/tasks", R"({"work_item":"n","repo":"shop"})"), note(4, "made")}, as("narrow"));
  EXPECT_EQ(statuses(made), "201 200") << made.body;
}

}  // namespace
}  // namespace pawl
