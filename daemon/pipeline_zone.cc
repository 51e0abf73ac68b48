#include "daemon/pipeline_zone.h"

#include <absl/time/time.h>

#include <cstdlib>
#include <filesystem>
#include <string_view>
#include <vector>

#include "schema/nearest.h"

namespace pawl {
namespace {

namespace fs = std::filesystem;

/// Where the library reads it, too.
fs::path zone_folder() {
  const char* const named = std::getenv("TZDIR");
  return named && *named ? named : "/usr/share/zoneinfo";
}

/// Of all zones: names begin with a capital letter, and what else is in the folder does not.
std::vector<std::string> zone_names() {
  const fs::path folder = zone_folder();
  std::vector<std::string> names;
  std::error_code error;
  for (fs::recursive_directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    const std::string name = at->path().lexically_relative(folder).string();
    const bool is_zone = name.front() >= 'A' && name.front() <= 'Z';
    std::error_code gone;
    if (at->is_directory(gone)) {
      if (!is_zone) at.disable_recursion_pending();
    } else if (is_zone) {
      names.push_back(name);
    }
  }
  return names;
}

Error unknown_zone(const std::string& name) {
  const std::vector<std::string> names = zone_names();
  if (names.empty()) {
    return {ErrorCode::malformed, "the zone '" + name + "' cannot be read: " + zone_folder().string() +
                                      " has no time zone database; install the package tzdata"};
  }
  const std::vector<std::string_view> known(names.begin(), names.end());
  const auto meant = nearest_of(name, known);
  return {ErrorCode::malformed, "'" + name + "' is not a zone of this machine's time zone database" +
                                    (meant ? "; did you mean '" + std::string(*meant) + "'?" : std::string())};
}

}  // namespace

struct Zone::Rules {
  absl::TimeZone zone;
};

Result<Zone> Zone::named(const std::string& name) {
  const auto rules = std::make_shared<Rules>();
  // The library also takes paths and names of its own, such as "localtime" and "Fixed/UTC+01:00:00".
  const bool is_plain = !name.empty() && name.front() >= 'A' && name.front() <= 'Z' && !name.starts_with("Fixed/");
  if (!is_plain || !absl::LoadTimeZone(name, &rules->zone)) return unknown_zone(name);
  return Zone(rules);
}

Zone::Instants Zone::at(std::int64_t local_minute) const {
  using Kind = absl::TimeZone::TimeInfo;
  const absl::CivilMinute minute = absl::CivilMinute(1970, 1, 1) + local_minute;
  const Kind found = rules_->zone.At(absl::CivilSecond(minute));
  const auto instant = [](absl::Time time) { return TimeUs{absl::ToUnixMicros(time)}; };
  switch (found.kind) {
    case Kind::SKIPPED:
      return {.early = instant(found.trans), .late = instant(found.trans), .is_skipped = true};
    case Kind::REPEATED:
      return {.early = instant(found.pre), .late = instant(found.post)};
    case Kind::UNIQUE:
      break;
  }
  return {.early = instant(found.pre), .late = instant(found.pre)};
}

std::int64_t Zone::local_minute(TimeUs time) const {
  const absl::CivilSecond civil = rules_->zone.At(absl::FromUnixMicros(time.us)).cs;
  return absl::CivilMinute(civil) - absl::CivilMinute(1970, 1, 1);
}

std::string Zone::in_words(TimeUs time) const {
  return absl::FormatTime("%a %Y-%m-%d %H:%M", absl::FromUnixMicros(time.us), rules_->zone);
}

}  // namespace pawl
