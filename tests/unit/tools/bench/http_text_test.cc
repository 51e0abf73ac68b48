#include "tools/bench/http_text.h"

#include <gtest/gtest.h>

#include <array>

namespace pawl::bench {
namespace {

const HttpTexts texts{
    .prefix = "/ci", .host = "localhost", .token = {}, .actor = "bench-", .boot = "b-1", .run = "r", .pid = 42};

std::string request(const Op& op, const HttpTexts& with = texts) {
  std::string out;
  append_request(out, with, op, 5);
  return out;
}

TEST(HttpText, a_write_has_its_body_and_length) {
  EXPECT_EQ(request({.verb = Verb::transition, .actor = 2, .task = 12, .version = 4, .token = 17}),
            "POST /ci/v1/tasks/12/transition HTTP/1.1\r\nHost: localhost\r\nPawl-Boot: b-1\r\nPawl-Actor: bench-3\r\n"
            "Content-Type: application/json\r\nContent-Length: 43\r\n\r\n"
            R"({"to":"s5","expected_version":4,"token":17})");
}

TEST(HttpText, the_last_stage_leads_to_done) {
  EXPECT_NE(request({.verb = Verb::transition, .task = 1, .version = 32}).find(R"("to":"done")"), std::string::npos);
}

TEST(HttpText, a_read_has_no_body_and_no_key) {
  HttpTexts keyed = texts;
  keyed.keys = true;
  keyed.token = "secret";
  EXPECT_EQ(request({.verb = Verb::task, .task = 12}, keyed),
            "GET /ci/v1/tasks/12 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer secret\r\nPawl-Boot: b-1\r\n"
            "Pawl-Actor: bench-1\r\n\r\n");
  EXPECT_NE(request({.verb = Verb::cancel, .task = 12}, keyed).find("Idempotency-Key: r-5\r\nContent-Length: 0\r\n"),
            std::string::npos);
}

TEST(HttpText, a_lease_without_a_task_has_a_key_of_its_actor) {
  EXPECT_NE(request({.verb = Verb::release, .actor = 3, .token = 9}).find("DELETE /ci/v1/leases/bench-r-3?token=9 "),
            std::string::npos);
  EXPECT_NE(request({.verb = Verb::acquire, .actor = 3}).find(R"("key":"bench-r-3")"), std::string::npos);
  EXPECT_NE(request({.verb = Verb::release, .task = 8, .token = 9}).find("/v1/leases/task%3A8?token=9 "),
            std::string::npos);
}

std::string answered(int status, const std::string& body) {
  return "HTTP/1.1 " + std::to_string(status) +
         " X\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

TEST(HttpText, an_answer_is_taken_once_it_is_complete) {
  const std::string whole = answered(201, R"({"seq":6,"token":6,"lease":{"key":"task:1","token":6}})");
  for (std::size_t length = 0; length < whole.size(); ++length) {
    const auto taken = take_answer(whole.substr(0, length), {.verb = Verb::acquire});
    ASSERT_TRUE(taken);
    EXPECT_FALSE(*taken) << length;
  }
  const auto taken = take_answer(whole + "HTTP/1.1 200", {.verb = Verb::acquire});
  ASSERT_TRUE(taken && *taken);
  EXPECT_EQ((*taken)->bytes, whole.size());
  EXPECT_EQ((*taken)->reply.token, 6U);
  EXPECT_EQ((*taken)->reply.kind, Reply::Kind::done);
}

TEST(HttpText, ids_are_read_from_submissions_and_claims) {
  const auto submitted = take_answer(
      answered(201, R"({"seq":3,"branch_begins":null,"task":{"id":12,"work_item":"a"}})"), {.verb = Verb::submit});
  EXPECT_EQ((*submitted)->reply.id, 12U);
  const auto claimed =
      take_answer(answered(200, R"({"seq":3,"job":{"id":7,"task":12,"attempts":2}})"), {.verb = Verb::claim});
  EXPECT_EQ((*claimed)->reply.id, 7U);
  EXPECT_EQ((*claimed)->reply.attempt, 2U);
  EXPECT_EQ((*take_answer("HTTP/1.1 204 No Content\r\n\r\n", {.verb = Verb::claim}))->reply.kind, Reply::Kind::empty);
}

TEST(HttpText, a_lost_race_is_told_from_an_error) {
  const auto kind_of = [](const std::string& code) {
    return (*take_answer(answered(409, R"({"error":{"code":")" + code + R"(","message":"…"}})"),
                         {.verb = Verb::acquire}))
        ->reply.kind;
  };
  EXPECT_EQ(kind_of("lease_held"), Reply::Kind::lost);
  EXPECT_EQ(kind_of("terminal"), Reply::Kind::lost);
  EXPECT_EQ(kind_of("quota"), Reply::Kind::failed);
  EXPECT_EQ((*take_answer(answered(502, "<html>"), {.verb = Verb::queue}))->reply.code, "HTTP status 502");
}

TEST(HttpText, a_batch_has_a_request_for_each_op) {
  HttpTexts keyed = texts;
  keyed.keys = true;
  const std::array ops{Op{.verb = Verb::task, .actor = 1, .task = 12}, Op{.verb = Verb::cancel, .actor = 2, .task = 7}};
  std::string out;
  append_batch(out, keyed, ops, 5);
  const std::string body =
      R"({"requests":[{"method":"GET","path":"/v1/tasks/12","headers":{"Pawl-Actor":"bench-2"},"body":null},)"
      R"({"method":"POST","path":"/v1/tasks/7/cancel","headers":{"Pawl-Actor":"bench-3","Idempotency-Key":"r-5"},)"
      R"("body":null}]})";
  EXPECT_EQ(out,
            "POST /ci/v1/batch HTTP/1.1\r\nHost: localhost\r\nPawl-Boot: b-1\r\nContent-Type: application/json\r\n"
            "Content-Length: " +
                std::to_string(body.size()) + "\r\n\r\n" + body);
}

TEST(HttpText, the_items_of_a_batch_are_told_apart) {
  const std::array ops{Op{.verb = Verb::acquire}, Op{.verb = Verb::claim}, Op{.verb = Verb::acquire}};
  const std::string whole = answered(
      200, R"({"items":[{"status":201,"headers":null,"body":{"seq":6,"token":6,"lease":{"key":"{\"status\":500"}}},)"
           R"({"status":204,"headers":null,"body":null},)"
           R"({"status":409,"headers":null,"body":{"error":{"code":"lease_held","message":"…"}}}]})");
  EXPECT_FALSE(*take_batch(whole.substr(0, whole.size() - 1), ops));
  const auto taken = take_batch(whole, ops);
  ASSERT_TRUE(taken && *taken);
  EXPECT_EQ((*taken)->bytes, whole.size());
  ASSERT_EQ((*taken)->replies.size(), 3U);
  EXPECT_EQ((*taken)->replies[0].token, 6U);
  EXPECT_EQ((*taken)->replies[1].kind, Reply::Kind::empty);
  EXPECT_EQ((*taken)->replies[2].kind, Reply::Kind::lost);
  const auto refused = take_batch(answered(429, R"({"error":{"code":"too_many_requests","message":"…"}})"), ops);
  EXPECT_EQ((*refused)->replies.size(), 3U);
  EXPECT_EQ((*refused)->replies[2].code, "too_many_requests");
  EXPECT_FALSE(take_batch(answered(200, R"({"items":[]})"), ops));
}

TEST(HttpText, another_server_is_malformed) {
  EXPECT_FALSE(take_answer("SSH-2.0-OpenSSH\r\n\r\n", {.verb = Verb::queue}));
}

}  // namespace
}  // namespace pawl::bench
