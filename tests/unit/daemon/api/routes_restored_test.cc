// The routes over a log that was restored from a backup (SPEC §5).
#include "store/restore.h"
#include "tests/unit/daemon/served.h"

namespace pawl {
namespace {

class RestoredRoutes : public Served {
 protected:
  RestoredRoutes() {
    post("/v1/tasks", R"({"work_item":"W-1","repo":"shop"})");
    post("/v1/tasks", R"({"work_item":"W-2","repo":"shop","stage":"deploy"})");
    from = last_seq();
    stop();
    {
      const auto restored = MemoryLog::open(disk).value();
      next = raw(go_on_restored(*restored, 1000, {}).value().next_seq);
    }
    start();
  }
  std::string after(std::uint64_t seq) const { return "/v1/events?after=" + std::to_string(seq); }

  std::uint64_t from = 0;
  std::uint64_t next = 0;
};

TEST_F(RestoredRoutes, events_after_a_seq_that_was_left_out_are_gone) {
  EXPECT_EQ(next, from + 1001);
  const std::string begin = "{\"seq\":" + std::to_string(next) + ',';
  EXPECT_TRUE(get(after(from)).body.starts_with(begin));
  EXPECT_TRUE(get(after(next - 1)).body.starts_with(begin));
  EXPECT_FALSE(get(after(next)).body.starts_with(begin));
  for (const std::uint64_t seq : {from + 1, from + 500, next - 2}) {
    const Answer answer = get(after(seq));
    EXPECT_EQ(answer.status, 410);
    EXPECT_EQ(answer.code(), "gone");
    EXPECT_EQ(answer.at("/error/next"), std::to_string(next));
    EXPECT_EQ(
        ask("GET", "/v1/events", {}, {.accept = "text/event-stream", .last_event_id = std::to_string(seq)}).status,
        410);
  }
  const Answer all = get("/v1/events");
  EXPECT_NE(all.body.find("\"type\":\"LogRestored\""), std::string::npos);
}

TEST_F(RestoredRoutes, the_head_is_where_the_last_record_stands_in_the_chain) {
  for (int i = 0; i < 2; ++i) {
    const Answer head = get("/v1/head");
    EXPECT_EQ(head.status, 200);
    const Answer last = get(after(last_seq() - 1));
    for (const char* name : {"/seq", "/time", "/digest", "/chain"}) EXPECT_EQ(head.at(name), last.at(name)) << name;
    EXPECT_EQ(head.json().as_object().size(), 4u) << head.body;
    EXPECT_EQ(post("/v1/tasks/1/note", R"({"text":"and on"})").status, 200);
  }
}

TEST_F(RestoredRoutes, ids_that_were_left_out_are_unknown) {
  EXPECT_EQ(get("/v1/tasks/3").code(), "unknown_task");
  EXPECT_EQ(get("/v1/jobs/500").code(), "unknown_job");
  EXPECT_EQ(post("/v1/tasks/3/note", R"({"text":"?"})").code(), "unknown_task");
  EXPECT_EQ(post("/v1/tasks", R"({"work_item":"W-3","repo":"shop"})").at("/task/id"), "1003");
  EXPECT_EQ(get("/v1/tasks/1003").status, 200);
  EXPECT_EQ(get("/v1/tasks/1").at("/blocked"), "\"restored\"");
}

TEST_F(RestoredRoutes, a_step_that_happened_in_what_is_lost_is_resolved_without_a_start) {
  EXPECT_EQ(post("/v1/tasks/2/resolve", R"({"step":"deploy","happened":false})").code(), "not_started");
  EXPECT_EQ(post("/v1/tasks/2/resolve", R"({"step":"merge","happened":true})").code(), "no_such_step");
  const Answer answer = post("/v1/tasks/2/resolve", R"({"step":"deploy","happened":true})");
  EXPECT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(answer.at("/task/steps/0/state"), "\"done\"");
  // There may be more: the decision itself is another call.
  EXPECT_EQ(answer.at("/task/blocked"), "\"restored\"");
  EXPECT_EQ(post("/v1/tasks/2/unblock", "{}").at("/task/blocked"), "null");
}

TEST_F(RestoredRoutes, a_cancel_waits_for_the_word) {
  EXPECT_EQ(post("/v1/tasks/1/cancel", "{}").status, 202);
  EXPECT_EQ(get("/v1/tasks/1").at("/stage"), "\"analysis\"");
  EXPECT_EQ(post("/v1/tasks/1/unblock", "{}").at("/task/stage"), "\"cancelled\"");
}

}  // namespace
}  // namespace pawl
