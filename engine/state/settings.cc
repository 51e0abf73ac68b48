#include "engine/state/settings.h"

#include <algorithm>
#include <set>

#include "schema/limits.h"

namespace pawl {

bool Settings::ownership_checked(std::string_view repo) const {
  if (!ownership.enabled) return false;
  return ownership.repos.empty() ||
         std::find(ownership.repos.begin(), ownership.repos.end(), repo) != ownership.repos.end();
}

namespace {

// Each maker takes the member as a lambda, so that one line names a setting once for reading and for writing.

template <auto Member>
SettingKey flag(std::string_view name) {
  return {name, [](const Settings& settings) { return SettingValue(Member(settings)); },
          [](Settings& settings, const SettingValue& value) {
            const bool* given = std::get_if<bool>(&value);
            if (!given) return false;
            Member(settings) = *given;
            return true;
          },
          "true or false"};
}

template <auto Member, std::int64_t Min, std::int64_t Max>
SettingKey number(std::string_view name, std::string_view form) {
  return {name, [](const Settings& settings) { return SettingValue(Member(settings)); },
          [](Settings& settings, const SettingValue& value) {
            const std::int64_t* given = std::get_if<std::int64_t>(&value);
            if (!given || *given < Min || *given > Max) return false;
            Member(settings) = *given;
            return true;
          },
          form};
}

constexpr std::size_t listed_repos_max = 1024;

/// Names of repositories: none empty, none too long, none twice.
template <auto Member>
SettingKey repos(std::string_view name) {
  return {name, [](const Settings& settings) { return SettingValue(Member(settings)); },
          [](Settings& settings, const SettingValue& value) {
            const auto* given = std::get_if<std::vector<std::string>>(&value);
            if (!given || given->size() > listed_repos_max) return false;
            const auto has_good_size = [](const std::string& repo) {
              return !repo.empty() && repo.size() <= limits::repo_bytes_max;
            };
            if (!std::all_of(given->begin(), given->end(), has_good_size)) return false;
            if (std::set<std::string>(given->begin(), given->end()).size() != given->size()) return false;
            Member(settings) = *given;
            return true;
          },
          "a list of at most 1024 different names of repositories, each of 1 to 200 bytes; empty for all"};
}

constexpr std::int64_t day_s = 24 * 3600;
static_assert(listed_repos_max == 1024 && limits::repo_bytes_max == 200, "the form above says so");
static_assert(30 * day_s > limits::timeout_s_max, "a ceiling has room above the longest time-out");

std::vector<SettingKey> make_setting_keys() {
  return {number < [](auto& s) -> auto& {return s.job.max_attempts;
}
, 1, 1000 > ("job.max_attempts", "a whole number from 1 to 1000"), number < [](auto& s) -> auto& {
  return s.lease.merge_ttl_s;
}
, 1,
    30 * day_s > ("lease.merge_ttl_s",
                  "whole seconds from 1 to 2592000, more than what an edge with an exclusive step may take"),
    flag < [](auto& s) -> auto& {
  return s.lease.reclaim_enabled;
}
> ("lease.reclaim_enabled"), flag < [](auto& s) -> auto& {
  return s.ownership.enabled;
}
> ("ownership.enabled"), repos < [](auto& s) -> auto& {
  return s.ownership.repos;
}
> ("ownership.repos"), number < [](auto& s) -> auto& {
  return s.pipeline.max_rollbacks;
}
, 0, 1000 > ("pipeline.max_rollbacks", "a whole number from 0 to 1000"), number < [](auto& s) -> auto& {
  return s.queue.max_concurrency;
}
, 1, 1024 > ("queue.max_concurrency", "a whole number from 1 to 1024"), flag < [](auto& s) -> auto& {
  return s.queue.serial_per_repo;
}
> ("queue.serial_per_repo"), number < [](auto& s) -> auto& {
  return s.reaper.dead_ticks;
}
, 1, 1000 > ("reaper.dead_ticks", "a whole number from 1 to 1000"), flag < [](auto& s) -> auto& {
  return s.reaper.enabled;
}
> ("reaper.enabled"), number < [](auto& s) -> auto& {
  return s.reaper.finalize_grace_s;
}
, 0, 7 * day_s > ("reaper.finalize_grace_s", "whole seconds from 0 to 604800"), flag < [](auto& s) -> auto& {
  return s.reaper.finalizer_liveness;
}
> ("reaper.finalizer_liveness"), number < [](auto& s) -> auto& {
  return s.reaper.interval_s;
}
, 1, day_s > ("reaper.interval_s", "whole seconds from 1 to 86400"), number < [](auto& s) -> auto& {
  return s.reaper.max_running_s;
}
, 1, 30 * day_s > ("reaper.max_running_s", "whole seconds from 1 to 2592000, more than what any stage may take"),
    flag < [](auto& s) -> auto& {
  return s.reconciler.enabled;
}
> ("reconciler.enabled"), number < [](auto& s) -> auto& {
  return s.reconciler.interval_s;
}
, 1, day_s > ("reconciler.interval_s", "whole seconds from 1 to 86400"), number < [](auto& s) -> auto& {
  return s.recovery.max_interruptions;
}
, 0, 1000 > ("recovery.max_interruptions", "a whole number from 0 to 1000"), flag < [](auto& s) -> auto& {
  return s.stop.enabled;
}
> ("stop.enabled"), number < [](auto& s) -> auto& {
  return s.stop.kill_after_s;
}
, 0, 3600 > ("stop.kill_after_s", "whole seconds from 0 to 3600"),
};  // namespace
}  // namespace pawl

}  // namespace

const std::vector<SettingKey>& setting_keys() {
  static const std::vector<SettingKey> keys = make_setting_keys();
  return keys;
}

const SettingKey* setting_named(std::string_view name) {
  const std::vector<SettingKey>& keys = setting_keys();
  const auto found = std::lower_bound(keys.begin(), keys.end(), name,
                                      [](const SettingKey& key, std::string_view wanted) { return key.name < wanted; });
  return found != keys.end() && found->name == name ? &*found : nullptr;
}

SettingValue setting_value_from(const fb::SettingValue& value) {
  if (value.flag().has_value()) return *value.flag();
  if (value.number().has_value()) return *value.number();
  if (!value.list()) return value.text() ? value.text()->str() : std::string();
  std::vector<std::string> list;
  for (const flatbuffers::String* text : *value.list()) list.push_back(text->str());
  return list;
}

namespace {

struct EventFields {
  fb::SettingValueT& event;

  void operator()(bool value) { event.flag = value; }
  void operator()(std::int64_t value) { event.number = value; }
  // A value without anything is the empty list (schema/proposal.h). So an empty text becomes a list of it: neither
  // is the value of any setting.
  void operator()(const std::string& value) {
    if (value.empty()) {
      event.list = {value};
    } else {
      event.text = value;
    }
  }
  void operator()(const std::vector<std::string>& value) { event.list = value; }
};

}  // namespace

fb::SettingValueT setting_value_event(const SettingValue& value) {
  fb::SettingValueT event;
  std::visit(EventFields{event}, value);
  return event;
}

}  // namespace pawl
