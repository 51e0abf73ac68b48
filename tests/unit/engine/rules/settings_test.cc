// Changes of settings: every refusal in the order of SPEC §4.
#include "tests/unit/engine/rules.h"

namespace pawl {
namespace {

using SettingChanged = Rules;

TEST_F(SettingChanged, unknown_setting) {
  refuses(Outcome::unknown_setting, setting_changed("reaper.mood", true));
  refuses(Outcome::unknown_setting, setting_changed("", true));
}

TEST_F(SettingChanged, bad_value) {
  const Decided& decided = refuses(Outcome::bad_value, setting_changed("reaper.enabled", std::string("true")));
  EXPECT_EQ(decided.applied[0].detail, "reaper.enabled takes true or false");
  refuses(Outcome::bad_value, setting_changed("reaper.enabled", std::int64_t{1}));
  refuses(Outcome::bad_value, setting_changed("reaper.dead_ticks", std::int64_t{0}));
  refuses(Outcome::bad_value, setting_changed("reaper.dead_ticks", std::string("2")));
  refuses(Outcome::bad_value, setting_changed("ownership.repos", std::string("")));
  refuses(Outcome::bad_value, setting_changed("ownership.repos", std::vector<std::string>{""}));
}

TEST_F(SettingChanged, bad_value_that_breaks_a_pipeline_in_use) {
  refuses(Outcome::bad_value, setting_changed("reaper.max_running_s", std::int64_t{3'420}));
  must(setting_changed("reaper.max_running_s", std::int64_t{3'421}));
  refuses(Outcome::bad_value, setting_changed("reaper.finalize_grace_s", std::int64_t{301}));
  refuses(Outcome::bad_value, setting_changed("lease.merge_ttl_s", std::int64_t{1'320}));
  must(setting_changed("lease.merge_ttl_s", std::int64_t{1'321}));
}

TEST_F(SettingChanged, bad_value_of_a_group_is_borne_by_its_last_setting) {
  const auto group = [](std::int64_t last_s) {
    return propose_group(requester({}), setting_changed("reaper.max_running_s", std::int64_t{100}),
                         setting_changed("reaper.finalize_grace_s", std::int64_t{0}),
                         setting_changed("reaper.max_running_s", last_s));
  };
  const std::uint64_t digest = state.digest();
  const Decided& refused = ask(group(3'120));
  EXPECT_EQ(refused.outcome, Outcome::bad_value);
  EXPECT_EQ(refused.deciding, 2u);
  EXPECT_EQ(refused.applied[0].outcome, Outcome::skipped);
  EXPECT_EQ(refused.applied[1].outcome, Outcome::skipped);
  EXPECT_EQ(state.digest(), digest);
  EXPECT_EQ(state.settings().reaper.max_running_s, 5400);
  EXPECT_EQ(ask(group(3'121)).outcome, Outcome::accepted);
  EXPECT_EQ(state.settings().reaper.max_running_s, 3'121);
}

TEST_F(SettingChanged, bad_value_of_a_type_is_borne_by_the_setting_itself) {
  const Decided& refused = ask(propose_group(requester({}), setting_changed("job.max_attempts", std::int64_t{0}),
                                             setting_changed("job.max_attempts", std::int64_t{3})));
  EXPECT_EQ(refused.outcome, Outcome::bad_value);
  EXPECT_EQ(refused.deciding, 0u);
}

TEST_F(SettingChanged, accepted_is_in_force_from_here_on) {
  const TaskId before = create();
  set("job.max_attempts", std::int64_t{7});
  EXPECT_EQ(job(job_of(before)).max_attempts, 2u);
  EXPECT_EQ(job(job_of(create())).max_attempts, 7u);
}

TEST_F(SettingChanged, accepted_list_can_be_emptied_again) {
  set("ownership.repos", std::vector<std::string>{"shop", "other"});
  EXPECT_EQ(state.settings().ownership.repos.size(), 2u);
  const Decided& decided = must(setting_changed("ownership.repos", std::vector<std::string>{}));
  EXPECT_TRUE(state.settings().ownership.repos.empty());
  EXPECT_NE(decided.records[0].record().event_as_SettingChanged()->value()->list(), nullptr);
}

}  // namespace
}  // namespace pawl
