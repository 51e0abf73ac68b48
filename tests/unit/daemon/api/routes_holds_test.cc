// Held places and planned freezes over HTTP.
#include "tests/unit/daemon/served.h"

namespace pawl {
namespace {

class HoldRoutes : public Served {
 protected:
  static constexpr TimeUs start_time{1'767'225'600 * us_per_s};

  void plan(const std::string& pipeline, const std::vector<FreezeWindow>& windows) {
    fb::FreezePlannedT planned;
    planned.pipeline = pipeline;
    planned.planned_until = start_time.us + 1'000 * us_per_s;
    for (const FreezeWindow& window : windows) {
      auto made = std::make_unique<fb::FreezeWindowT>();
      made->from = window.from.us;
      made->until = window.until.us;
      made->reason = window.reason;
      made->stages = window.stages;
      planned.windows.push_back(std::move(made));
    }
    const Requester daemon{.boot = boot, .actor = "pawld", .key = {}, .request = std::nullopt};
    ASSERT_EQ(sequencer->propose(propose_group(daemon, planned)).outcome, Outcome::accepted);
  }
};

TEST_F(HoldRoutes, held_places_are_listed_until_they_are_over_or_lifted) {
  EXPECT_EQ(get("/v1/holds").at("/items"), "[]");
  ASSERT_EQ(post("/v1/holds", R"({"place":"stage:review","reason":"the reviewers are away"})").status, 201);
  ASSERT_EQ(post("/v1/holds", R"({"place":"agent:developer","until":"2026-01-01T00:01:00Z"})").status, 201);
  const Answer listed = get("/v1/holds");
  EXPECT_EQ(listed.at("/items/0/place"), R"("agent:developer")");
  EXPECT_EQ(listed.at("/items/0/until_at"), R"("2026-01-01T00:01:00.000000Z")");
  EXPECT_EQ(listed.at("/items/1/place"), R"("stage:review")");
  EXPECT_EQ(listed.at("/items/1/reason"), R"("the reviewers are away")");
  EXPECT_EQ(listed.at("/items/1/until_at"), "null");
  EXPECT_EQ(listed.at("/items/1/active"), "true");
  EXPECT_EQ(listed.at("/items/1/freeze"), "false");
  EXPECT_EQ(listed.at("/items/1/stages"), "[]");
  now_us = 61 * us_per_s;
  EXPECT_EQ(get("/v1/holds").at("/items/0/place"), R"("stage:review")");
  ASSERT_EQ(ask("DELETE", "/v1/holds?place=stage:review").status, 200);
  EXPECT_EQ(get("/v1/holds").at("/items"), "[]");
}

TEST_F(HoldRoutes, planned_freezes_are_listed_with_their_stages_before_they_begin_and_until_they_are_over) {
  const auto after = [](std::int64_t seconds) { return TimeUs{start_time.us + seconds * us_per_s}; };
  plan("delivery",
       {{.from = after(60), .until = after(120), .reason = "the weekend", .stages = {}},
        {.from = after(200), .until = after(300), .reason = "stocktaking", .stages = {"deploy", "review"}}});
  const Answer before = get("/v1/holds");
  EXPECT_EQ(before.at("/items/0/place"), R"("pipeline:delivery")");
  EXPECT_EQ(before.at("/items/0/freeze"), "true");
  EXPECT_EQ(before.at("/items/0/active"), "false");
  EXPECT_EQ(before.at("/items/0/stages"), "[]");
  EXPECT_EQ(before.at("/items/1/stages"), R"(["deploy","review"])");
  now_us = 60 * us_per_s;
  EXPECT_EQ(get("/v1/holds").at("/items/0/active"), "true");
  now_us = 120 * us_per_s;
  EXPECT_EQ(get("/v1/holds").at("/items/0/reason"), R"("stocktaking")");
  EXPECT_EQ(get("/v1/holds").at("/items/1"), "missing");
}

}  // namespace
}  // namespace pawl
