// The settings that live in the log (SPEC §10), so that a replay decides by what was in force then.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "event_generated.h"
#include "schema/outcome.h"

namespace pawl {

using SettingValue = std::variant<bool, std::int64_t, std::string, std::vector<std::string>>;

/// All settings, at their defaults.
struct Settings {
  struct {
    bool enabled = true;
    std::int64_t interval_s = 60;
    std::int64_t dead_ticks = 2;
    std::int64_t finalize_grace_s = 300;
    std::int64_t max_running_s = 5400;
    bool finalizer_liveness = true;
  } reaper;
  struct {
    std::int64_t max_concurrency = 1;
    bool serial_per_repo = true;
  } queue;
  struct {
    std::int64_t max_attempts = 2;
  } job;
  struct {
    bool enabled = true;
    std::int64_t interval_s = 120;
  } reconciler;
  struct {
    std::int64_t max_rollbacks = 3;
  } pipeline;
  struct {
    bool enabled = true;
    std::vector<std::string> repos;  // empty: all
  } ownership;
  struct {
    bool reclaim_enabled = true;
    std::int64_t merge_ttl_s = 1800;
  } lease;
  struct {
    bool enabled = true;
    std::int64_t kill_after_s = 10;
  } stop;
  struct {
    std::int64_t max_interruptions = 5;
  } recovery;

  /// Whether leases and versions are checked for this repository: the kill switch and its scope (SPEC §7).
  bool ownership_checked(std::string_view repo) const;
};

/// One setting: its name, how it is read, and how it is set.
struct SettingKey {
  std::string_view name;
  SettingValue (*get)(const Settings&);
  /// False if the value is of the wrong type or out of range; the settings are then untouched.
  bool (*set)(Settings&, const SettingValue&);
  std::string_view form;  // for people: "a whole number from 1 to 86400"
};

/// All of them, in the order of their names.
const std::vector<SettingKey>& setting_keys();
/// Null if there is none of that name.
const SettingKey* setting_named(std::string_view name);

/// A value without any field, which only a log that something else wrote can hold, is an empty text: no setting's
/// value.
SettingValue setting_value_from(const fb::SettingValue& value);
fb::SettingValueT setting_value_event(const SettingValue& value);

}  // namespace pawl
