// The settings (SPEC §10). They live in the log, so a replay decides by the settings that were in force at the time.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
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
  struct Reaper {
    bool enabled = true;
    std::int64_t interval_s = 60;
    std::int64_t dead_ticks = 2;
    std::int64_t finalize_grace_s = 300;
    std::int64_t max_running_s = 5400;
    bool finalizer_liveness = true;
  };
  struct Queue {
    std::int64_t max_concurrency = 1;
    bool serial_per_repo = true;
    std::string cancelled_dependency = "release";  // or "hold"
    std::int64_t priority_s = 600;                 // 0: priorities are ignored
  };
  struct Job {
    std::int64_t max_attempts = 2;
    std::int64_t retry_delay_s = 10;
    std::int64_t retry_delay_max_s = 600;
  };
  struct Reconciler {
    bool enabled = true;
    std::int64_t interval_s = 120;
  };
  struct Pipeline {
    std::int64_t max_rollbacks = 3;
    std::string fallback = "delivery";  // `pipeline.default`: for a submission that names none
  };
  struct Gate {
    std::string unchanged = "block";  // or "retry"
  };
  struct Output {
    std::int64_t max_bytes = 64LL << 20;
    std::int64_t logs_max_bytes = 10LL << 30;    // 0: no limit
    std::int64_t logs_max_age_s = 90LL * 86400;  // 0: no limit
  };
  struct Quota {
    std::int64_t boots = 2048;
    std::int64_t leases = 16'384;
    std::int64_t tasks = 65'536;
    std::int64_t share_percent = 50;
  };
  struct Ownership {
    bool enabled = true;
    std::vector<std::string> repos;  // empty: all
  };
  struct Lease {
    bool reclaim_enabled = true;
    std::int64_t merge_ttl_s = 1800;
  };
  struct Stop {
    bool enabled = true;
    std::int64_t kill_after_s = 10;
    std::string delete_branch = "created";  // or "always", "never"
  };
  struct Recovery {
    std::int64_t max_interruptions = 5;
  };

  Reaper reaper;
  Queue queue;
  Job job;
  Reconciler reconciler;
  Pipeline pipeline;
  Gate gate;
  Output output;
  Ownership ownership;
  Lease lease;
  Stop stop;
  Recovery recovery;
  Quota quota;

  /// Whether leases and versions are checked for this repository: the kill switch and its scope (SPEC §7).
  bool ownership_checked(std::string_view repo) const;
};

/// One setting: its name, how to read and set it, and its text for docs/SETTINGS.md.
struct SettingKey {
  std::string_view name;
  std::function<SettingValue(const Settings&)> get;
  /// Returns false, and changes nothing, if the value has the wrong type or is out of range.
  std::function<bool(Settings&, const SettingValue&)> set;
  std::string form;  // for people: "a whole number from 1 to 86400"
  std::string_view type;
  std::string range;
  std::string_view does;     // what it does: one line
  std::string_view depends;  // what depends on it, and its constraints: one line
  std::uint32_t rules = 1;   // the first version of the rules that knows it; earlier ones refuse its name
  std::optional<std::int64_t> max_in_rules_1 = std::nullopt;  // if later ones take higher numbers
};

/// All of them, in the order of their names.
const std::vector<SettingKey>& setting_keys();
/// Null if there is no such setting.
const SettingKey* setting_named(std::string_view name);
/// The message for an unknown setting: suggests the name that was probably meant, and says where all are listed.
std::string no_setting_named(std::string_view name);

/// An empty fb::SettingValue (possible only in a foreign log) reads as "", which no setting accepts.
SettingValue setting_value_from(const fb::SettingValue& value);
fb::SettingValueT setting_value_event(const SettingValue& value);

}  // namespace pawl
