// GET /v1/stuck: which tasks are stuck, since when and because of whom; and which only wait their turn.
#include "tests/unit/daemon/served.h"

namespace pawl {
namespace {

class Stucks : public Served {};

TEST_F(Stucks, lists_what_does_not_move_and_what_would_free_it) {
  create("W-1");
  create("W-2");
  worker("w");
  claim("w", "analyst");
  const Answer waits = get("/v1/stuck");
  EXPECT_EQ(waits.at("/items"), "[]") << "one runs, the other waits for it";
  EXPECT_EQ(waits.at("/waiting"), "2");
  EXPECT_EQ(waits.at("/held"), "{}");
  EXPECT_EQ(waits.at("/next"), "null");
  const Answer all = get("/v1/stuck?all=true");
  EXPECT_EQ(all.at("/items/0/reason"), "\"running\"");
  EXPECT_EQ(all.at("/items/0/waits"), "true");
  EXPECT_EQ(all.at("/items/1/reason"), "\"serial_gate\"");
  dead_pid = 7;
  const Answer dead = get("/v1/stuck?limit=1");
  EXPECT_EQ(dead.at("/items/0/reason"), "\"owner_dead\"");
  EXPECT_EQ(dead.at("/items/0/waits"), "false");
  EXPECT_EQ(dead.at("/items/0/frees"), "\"pawl reap\"");
  EXPECT_EQ(dead.at("/items/0/owner/pid"), "7");
  EXPECT_EQ(dead.at("/next"), "1");
  EXPECT_EQ(get("/v1/stuck?after=1&all=true").at("/items/0/task"), "2");
  EXPECT_EQ(get("/v1/stuck?limit=0").status, 400);
  EXPECT_EQ(get("/v1/stuck?all=maybe").status, 400);
}

TEST_F(Stucks, a_switch_is_named_once_and_the_tasks_that_wait_for_it_are_counted) {
  create("W-1");
  post("/v1/tasks", R"({"work_item":"W-2","repo":"depot"})");
  post("/v1/settings", R"({"queue.max_concurrency":2,"queue.serial_per_repo":false})");
  worker("w");
  claim("w", "analyst");
  claim("w", "analyst");
  now_us = 5 * us_per_s;
  post("/v1/settings", R"({"reaper.enabled":false})", {.actor = "ines"});
  dead_pid = 7;
  const Answer held = get("/v1/stuck");
  EXPECT_EQ(held.at("/items/0/reason"), "\"switched_off\"");
  EXPECT_EQ(held.at("/items/0/task"), "null");
  EXPECT_EQ(held.at("/items/0/since"), "\"2026-01-01T00:00:05.000000Z\"");
  EXPECT_EQ(held.at("/items/0/by"), "\"ines\"");
  EXPECT_EQ(held.at("/items/0/frees"), "\"pawl settings reaper.enabled=true\"");
  EXPECT_EQ(held.at("/items/1"), "missing") << "not one line per task";
  EXPECT_EQ(held.at("/held/reaper.enabled"), "2");
  EXPECT_EQ(get("/v1/stuck?all=true").at("/items/1/held_by"), "\"reaper.enabled\"");
  EXPECT_EQ(get("/v1/stuck?after=1").at("/items"), "[]") << "the switch is named on the first page";
  now_us = 9 * us_per_s;
  post("/v1/settings", R"({"reaper.enabled":true})", {.actor = "otto"});
  post("/v1/settings", R"({"reaper.enabled":false})", {.actor = "otto"});
  EXPECT_EQ(get("/v1/stuck").at("/items/0/by"), "\"otto\"") << "the last one counts";
}

TEST_F(Stucks, since_when_a_task_is_blocked_is_read_from_the_log) {
  create("W-1");
  now_us = 3 * us_per_s;
  worker("w");
  claim("w", "analyst");
  now_us = 7 * us_per_s;
  ASSERT_EQ(post("/v1/jobs/1/finished", R"({"attempt":1,"result":"failed"})", {.boot = "w"}).status, 200);
  now_us = 20 * us_per_s;
  post("/v1/tasks", R"({"work_item":"W-2","repo":"depot"})");
  const Answer failed = get("/v1/stuck");
  EXPECT_EQ(failed.at("/items/0/since"), "\"2026-01-01T00:00:07.000000Z\"");
  EXPECT_EQ(failed.at("/items/0/detail"), "\"job_failed\"");
  std::ofstream(logs_folder + "/job-1-1.log") << "begun\nno compiler\n";
  EXPECT_EQ(get("/v1/stuck").at("/items/0/detail"), "\"job_failed; the agent's last line: no compiler\"");
  restart();
  EXPECT_EQ(get("/v1/stuck").at("/items/0/since"), "\"2026-01-01T00:00:07.000000Z\"");
}

TEST_F(Stucks, an_owner_that_cannot_be_seen_is_said_to_be_so) {
  create("W-1");
  worker("w");
  claim("w", "analyst");
  lease("task:1", "w");
  post("/v1/jobs/1/exited", R"({"attempt":1,"exit_code":0})", {.boot = "w"});
  now_us = 301 * us_per_s;
  EXPECT_EQ(get("/v1/stuck").at("/items/0/reason"), "\"owner_alive\"");
  unseen_pid = 7;
  const Answer unseen = get("/v1/stuck");
  EXPECT_EQ(unseen.at("/items/0/reason"), "\"owner_unseen\"");
  EXPECT_EQ(unseen.at("/items/0/frees"), "\"pawl release --work-item 'W-1' --repo 'shop'\"");
}

TEST_F(Stucks, a_full_disk_is_named) {
  has_space = false;
  const Answer full = get("/v1/stuck");
  EXPECT_EQ(full.at("/items/0/reason"), "\"disk_full\"");
  EXPECT_EQ(full.at("/items/0/task"), "null");
}

/// Its time-out would show it too, but only when it expires: the bound is half of that.
TEST_F(Stucks, a_claim_that_waits_is_refused_when_its_own_boot_ends) {
  for (const std::string name : {"ended", "replaced"}) {
    worker(name);
    auto waiting = begin("POST", "/v1/jobs/claim", R"({"agents":["analyst"],"wait_s":60,"owner":)" + owner(name) + "}");
    if (name == "ended") {
      ASSERT_EQ(ask("DELETE", "/v1/boots/ended").status, 200);
    } else {
      const std::string next = R"({"name":"replaced","boot_id":"next","pid":8,"pid_start":1,"host":"h","version":"1"})";
      ASSERT_EQ(post("/v1/boots", next).status, 201);
    }
    ASSERT_EQ(waiting.wait_for(std::chrono::seconds(30)), std::future_status::ready) << name;
    const Answer woken = waiting.get();
    EXPECT_EQ(woken.status, 409);
    EXPECT_EQ(woken.code(), "stale_boot");
  }
}

TEST_F(Stucks, a_claim_of_a_boot_that_is_stale_is_refused_at_once) {
  worker("w");
  ASSERT_EQ(ask("DELETE", "/v1/boots/w").status, 200);
  const Answer again = claim("w", "analyst");
  EXPECT_EQ(again.code(), "stale_boot") << "though no job is queued";
  EXPECT_EQ(claim("nobody", "analyst").code(), "unknown_boot");
  worker("w2");
  EXPECT_EQ(claim("w2", "analyst").status, 204);
}

}  // namespace
}  // namespace pawl
