#include "engine/state/settings.h"

#include <gtest/gtest.h>

#include <map>

#include "schema/proposal.h"

namespace pawl {
namespace {

std::string shown(const SettingValue& value) {
  if (const bool* flag = std::get_if<bool>(&value)) return *flag ? "true" : "false";
  if (const std::int64_t* number = std::get_if<std::int64_t>(&value)) return std::to_string(*number);
  if (const std::string* text = std::get_if<std::string>(&value)) return "'" + *text + "'";
  std::string list = "[";
  for (const std::string& each : std::get<std::vector<std::string>>(value)) list += each + ",";
  return list + "]";
}

TEST(SettingKeys, have_the_defaults_that_old_logs_were_decided_by) {
  std::map<std::string, std::string> defaults;
  for (const SettingKey& key : setting_keys()) defaults[std::string(key.name)] = shown(key.get({}));
  const std::map<std::string, std::string> contract = {
      {"reaper.enabled", "true"},          {"reaper.interval_s", "60"},       {"reaper.dead_ticks", "2"},
      {"reaper.finalize_grace_s", "300"},  {"reaper.max_running_s", "5400"},  {"reaper.finalizer_liveness", "true"},
      {"queue.max_concurrency", "1"},      {"queue.serial_per_repo", "true"}, {"job.max_attempts", "2"},
      {"reconciler.enabled", "true"},      {"reconciler.interval_s", "120"},  {"pipeline.max_rollbacks", "3"},
      {"ownership.enabled", "true"},       {"ownership.repos", "[]"},         {"lease.reclaim_enabled", "true"},
      {"lease.merge_ttl_s", "1800"},       {"stop.enabled", "true"},          {"stop.kill_after_s", "10"},
      {"recovery.max_interruptions", "5"},
  };
  for (const auto& [key, value] : contract) EXPECT_EQ(defaults[key], value) << key;
}

TEST(SettingKeys, are_found_by_name_alone) {
  for (const SettingKey& key : setting_keys()) EXPECT_EQ(setting_named(key.name), &key);
  for (const char* name : {"", "a", "reaper", "reaper.", "reaper.enabled2", "zzz"}) {
    EXPECT_EQ(setting_named(name), nullptr) << name;
  }
  std::string_view last;
  for (const SettingKey& key : setting_keys()) {
    EXPECT_LT(last, key.name);
    last = key.name;
  }
}

TEST(SettingKeys, take_their_own_type_and_no_other_and_keep_what_was_before) {
  for (const SettingKey& key : setting_keys()) {
    const std::int64_t number = key.name == "output.max_bytes" ? 70'000 : 7;
    const std::vector<SettingValue> values = {true, number, std::string("7"), std::vector<std::string>{"shop"}};
    const std::size_t type = key.get({}).index();
    for (const SettingValue& value : values) {
      Settings settings;
      const bool taken = key.set(settings, value);
      if (key.type == "word") {
        EXPECT_FALSE(taken) << key.name << " accepts only a few words";
        continue;
      }
      EXPECT_EQ(taken, value.index() == type) << key.name << " " << shown(value);
      EXPECT_EQ(shown(key.get(settings)), taken ? shown(value) : shown(key.get({}))) << key.name;
    }
  }
}

TEST(SettingKeys, of_numbers_take_exactly_the_range_that_they_say) {
  for (const SettingKey& key : setting_keys()) {
    if (!std::holds_alternative<std::int64_t>(key.get({}))) continue;
    long long min = -1;
    long long max = -1;
    const std::string form(key.form);
    const std::size_t from = form.find("from ");
    ASSERT_NE(from, std::string::npos) << key.name;
    // NOLINTNEXTLINE(cert-err34-c): a non-number leaves fewer than two
    ASSERT_EQ(std::sscanf(form.c_str() + from, "from %lld to %lld", &min, &max), 2) << key.name;
    Settings settings;
    EXPECT_TRUE(key.set(settings, std::int64_t{min})) << key.name;
    EXPECT_TRUE(key.set(settings, std::int64_t{max})) << key.name;
    EXPECT_FALSE(key.set(settings, std::int64_t{min - 1})) << key.name;
    EXPECT_FALSE(key.set(settings, std::int64_t{max + 1})) << key.name;
    EXPECT_EQ(shown(key.get(settings)), std::to_string(max)) << key.name;
  }
}

TEST(SettingKeys, of_repositories_take_different_names) {
  const SettingKey& key = *setting_named("ownership.repos");
  Settings settings;
  EXPECT_TRUE(key.set(settings, std::vector<std::string>{"shop", "other"}));
  EXPECT_FALSE(key.set(settings, std::vector<std::string>{"shop", "shop"}));
  EXPECT_FALSE(key.set(settings, std::vector<std::string>{""}));
  EXPECT_FALSE(key.set(settings, std::vector<std::string>{std::string(201, 'a')}));
  EXPECT_TRUE(key.set(settings, std::vector<std::string>{}));
}

TEST(SettingKeys, of_repositories_take_a_thousand_of_them) {
  std::vector<std::string> repos;
  for (int n = 0; n < 1024; ++n) repos.push_back("repo-" + std::to_string(n));
  Settings settings;
  const SettingKey& key = *setting_named("ownership.repos");
  EXPECT_TRUE(key.set(settings, SettingValue(repos)));
  repos.emplace_back("one-more");
  EXPECT_FALSE(key.set(settings, SettingValue(repos)));
  EXPECT_FALSE(key.set(settings, SettingValue(true)));
}

TEST(SettingsOwnership, is_checked_within_its_scope_while_it_is_on) {
  Settings settings;
  EXPECT_TRUE(settings.ownership_checked("shop"));
  settings.ownership.repos = {"shop"};
  EXPECT_TRUE(settings.ownership_checked("shop"));
  EXPECT_FALSE(settings.ownership_checked("other"));
  settings.ownership.enabled = false;
  EXPECT_FALSE(settings.ownership_checked("shop"));
  settings.ownership.repos.clear();
  EXPECT_FALSE(settings.ownership_checked("shop"));
}

TEST(SettingValues, survive_the_way_through_an_event) {
  const std::vector<SettingValue> values = {false,
                                            true,
                                            std::int64_t{0},
                                            std::int64_t{-5},
                                            std::string("text"),
                                            std::vector<std::string>{"shop", "other"},
                                            std::vector<std::string>{}};
  for (const SettingValue& value : values) {
    fb::SettingChangedT event;
    event.key = "key";
    event.value = std::make_unique<fb::SettingValueT>(setting_value_event(value));
    const Proposal record = propose({.boot = "b", .actor = "a", .key = {}, .request = {}}, event);
    EXPECT_EQ(setting_value_from(*record.record().event_as_SettingChanged()->value()), value) << shown(value);
  }
}

TEST(SettingValues, without_anything_are_no_value_of_any_setting) {
  flatbuffers::FlatBufferBuilder builder;
  builder.Finish(fb::CreateSettingValue(builder));
  const SettingValue value = setting_value_from(*flatbuffers::GetRoot<fb::SettingValue>(builder.GetBufferPointer()));
  for (const SettingKey& key : setting_keys()) {
    Settings settings;
    EXPECT_FALSE(key.set(settings, value)) << key.name;
  }
}

}  // namespace
}  // namespace pawl
