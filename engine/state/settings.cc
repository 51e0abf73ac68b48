#include "engine/state/settings.h"

#include <algorithm>
#include <set>

#include "schema/limits.h"
#include "schema/nearest.h"

namespace pawl {

bool Settings::ownership_checked(std::string_view repo) const {
  if (!ownership.enabled) return false;
  return ownership.repos.empty() ||
         std::find(ownership.repos.begin(), ownership.repos.end(), repo) != ownership.repos.end();
}

namespace {

/// What docs/SETTINGS.md says of a setting.
struct SettingWords {
  std::string_view does;
  std::string_view depends;
};

template <class Value, class Group>
std::function<SettingValue(const Settings&)> getter(Group Settings::*group, Value Group::*member) {
  return [group, member](const Settings& settings) { return SettingValue(settings.*group.*member); };
}

template <class Group>
SettingKey flag(std::string_view name, Group Settings::*group, bool Group::*member, const SettingWords& words) {
  return {.name = name,
          .get = getter(group, member),
          .set =
              [group, member](Settings& settings, const SettingValue& value) {
                const bool* given = std::get_if<bool>(&value);
                if (!given) return false;
                settings.*group.*member = *given;
                return true;
              },
          .form = "true or false",
          .type = "boolean",
          .range = "true, false",
          .does = words.does,
          .depends = words.depends};
}

struct Range {
  std::int64_t min;
  std::int64_t max;
  std::string_view also = {};  // what the value has to fit besides
};

template <class Group>
SettingKey number(std::string_view name, Group Settings::*group, std::int64_t Group::*member, const Range& range,
                  const SettingWords& words) {
  const bool is_seconds = name.ends_with("_s");
  const std::string from_to = std::to_string(range.min) + " to " + std::to_string(range.max);
  const std::string also = range.also.empty() ? "" : ", " + std::string(range.also);
  return {.name = name,
          .get = getter(group, member),
          .set =
              [group, member, range](Settings& settings, const SettingValue& value) {
                const std::int64_t* given = std::get_if<std::int64_t>(&value);
                if (!given || *given < range.min || *given > range.max) return false;
                settings.*group.*member = *given;
                return true;
              },
          .form = (is_seconds ? "whole seconds from " : "a whole number from ") + from_to + also,
          .type = is_seconds ? "seconds" : "integer",
          .range = from_to + also,
          .does = words.does,
          .depends = words.depends};
}

template <class Group>
SettingKey word(std::string_view name, Group Settings::*group, std::string Group::*member,
                std::vector<std::string> words, const SettingWords& about) {
  std::string form;
  std::string range;
  for (const std::string& each : words) {
    form += (form.empty() ? "" : " or ") + each;
    range += (range.empty() ? "" : ", ") + each;
  }
  return {.name = name,
          .get = getter(group, member),
          .set =
              [group, member, words = std::move(words)](Settings& settings, const SettingValue& value) {
                const std::string* given = std::get_if<std::string>(&value);
                if (!given || std::find(words.begin(), words.end(), *given) == words.end()) return false;
                settings.*group.*member = *given;
                return true;
              },
          .form = std::move(form),
          .type = "word",
          .range = std::move(range),
          .does = about.does,
          .depends = about.depends};
}

/// The name of a pipeline. Whether there is one of that name is for the rules to say.
template <class Group>
SettingKey pipeline_name(std::string_view name, Group Settings::*group, std::string Group::*member,
                         const SettingWords& words) {
  return {.name = name,
          .get = getter(group, member),
          .set =
              [group, member](Settings& settings, const SettingValue& value) {
                const std::string* given = std::get_if<std::string>(&value);
                if (!given || given->empty() || given->size() > limits::name_bytes_max) return false;
                settings.*group.*member = *given;
                return true;
              },
          .form = "the name of a pipeline that is defined",
          .type = "text",
          .range = "the name of a pipeline",
          .does = words.does,
          .depends = words.depends};
}

/// One that the rules know only since version 2.
SettingKey since_rules_2(SettingKey key) {
  key.rules = 2;
  return key;
}

constexpr std::size_t listed_repos_max = 1024;

/// Names of repositories: none empty, none too long, none twice.
bool are_repos(const std::vector<std::string>& names) {
  if (names.size() > listed_repos_max) return false;
  const auto has_good_size = [](const std::string& repo) {
    return !repo.empty() && repo.size() <= limits::repo_bytes_max;
  };
  if (!std::all_of(names.begin(), names.end(), has_good_size)) return false;
  return std::set<std::string>(names.begin(), names.end()).size() == names.size();
}

template <class Group>
SettingKey repos(std::string_view name, Group Settings::*group, std::vector<std::string> Group::*member,
                 const SettingWords& words) {
  return {.name = name,
          .get = getter(group, member),
          .set =
              [group, member](Settings& settings, const SettingValue& value) {
                const auto* given = std::get_if<std::vector<std::string>>(&value);
                if (!given || !are_repos(*given)) return false;
                settings.*group.*member = *given;
                return true;
              },
          .form = "a list of at most 1024 different names of repositories, each of 1 to 200 bytes; empty for all",
          .type = "list of texts",
          .range = "at most 1024 different names of 1 to 200 bytes; empty: all",
          .does = words.does,
          .depends = words.depends};
}

constexpr std::int64_t day_s = 24 * 3600;
constexpr std::int64_t bytes_max = 1LL << 50;
static_assert(listed_repos_max == 1024 && limits::repo_bytes_max == 200, "the form and the range above say so");
static_assert(30 * day_s > limits::timeout_s_max, "a ceiling has room above the longest time-out");

/// The rows, in the order of their names.
std::vector<SettingKey> make_setting_keys() {
  using S = Settings;
  return {
      since_rules_2(
          word("gate.unchanged", &S::gate, &S::Gate::unchanged, {"block", "retry"},
               {"what follows when a gate is red for the second time in a row on the same commit: the task is "
                "blocked, or goes back or is tried again as for any red gate",
                "a commit is known only of gates that the daemon runs in a git worktree"})),
      number("job.max_attempts", &S::job, &S::Job::max_attempts, {1, 1000},
             {"how often a job is tried, and how many jobs the reconciler queues for one version of a task",
              "a job keeps the number that held when it was queued"}),
      since_rules_2(number("job.retry_delay_max_s", &S::job, &S::Job::retry_delay_max_s, {0, day_s},
                           {"the longest pause between two tries of a job", "what `job.retry_delay_s` doubles up to"})),
      since_rules_2(number("job.retry_delay_s", &S::job, &S::Job::retry_delay_s, {0, day_s},
                           {"how long a job waits before its next try, when its last one counted as an attempt; twice "
                            "as long after each further one; 0: not at all",
                            "at most `job.retry_delay_max_s`; a restart's interruption is followed at once"})),
      number("lease.merge_ttl_s", &S::lease, &S::Lease::merge_ttl_s,
             {1, 30 * day_s, "more than what an edge with an exclusive step may take"},
             {"how long the lease on a repository lasts that an exclusive step (the merge) needs",
              "more than gate + steps + probes of each edge with an exclusive step (SPEC §3), else `bad_value`; "
              "leases already held keep theirs"}),
      flag("lease.reclaim_enabled", &S::lease, &S::Lease::reclaim_enabled,
           {"whether a lease is taken back once its owner is dead or its ttl ran out",
            "off: such leases stay until they are released by hand or `reaper.max_running_s` is over"}),
      since_rules_2(number("output.logs_max_age_s", &S::output, &S::Output::logs_max_age_s, {0, 3650 * day_s},
                           {"how long the output of ended tasks is kept; 0: as long as there is room",
                            "output of live tasks is always kept"})),
      since_rules_2(number("output.logs_max_bytes", &S::output, &S::Output::logs_max_bytes, {0, bytes_max},
                           {"how much output is kept in all; of ended tasks the oldest goes first; 0: no bound",
                            "output of live tasks is always kept"})),
      since_rules_2(number(
          "output.max_bytes", &S::output, &S::Output::max_bytes, {64 * 1024, bytes_max},
          {"how much of the output of one run is kept: its head and its tail", "of runs that begin from then on"})),
      flag("ownership.enabled", &S::ownership, &S::Ownership::enabled,
           {"whether leases and versions are checked at all: the kill switch",
            "off: transitions are accepted unchecked and marked so in the log, and leases grant nothing"}),
      repos("ownership.repos", &S::ownership, &S::Ownership::repos,
            {"the repositories for which leases and versions are checked",
             "counts only while `ownership.enabled` is on"}),
      since_rules_2(pipeline_name("pipeline.default", &S::pipeline, &S::Pipeline::fallback,
                                  {"the pipeline of a submission that names none",
                                   "set at the first start of a daemon that is given exactly one file"})),
      number("pipeline.max_rollbacks", &S::pipeline, &S::Pipeline::max_rollbacks, {0, 1000},
             {"how often a task may fall back; the rollback after that blocks it as `max_rollbacks`",
              "tasks count their rollbacks from their beginning"}),
      since_rules_2(word("queue.cancelled_dependency", &S::queue, &S::Queue::cancelled_dependency, {"release", "hold"},
                         {"what becomes of a task when one that it depends on is cancelled: it goes on, or waits for "
                          "a word",
                          "hold: `pawl stuck` names it as `dependency`, and `pawl unblock` releases it"})),
      number("queue.max_concurrency", &S::queue, &S::Queue::max_concurrency, {1, 1024},
             {"how many jobs run at once, of all repositories together",
              "lowered: jobs that run go on, and nothing new starts until there are fewer"}),
      flag("queue.serial_per_repo", &S::queue, &S::Queue::serial_per_repo,
           {"whether a repository has at most one running job", "jobs that run already go on"}),
      since_rules_2(number("quota.boots", &S::quota, &S::Quota::boots, {1, 1'000'000},
                           {"how many boots may be in force at once: workers, and holders of leases",
                            "more are refused as `quota`; the daemon's own is never refused"})),
      since_rules_2(number("quota.leases", &S::quota, &S::Quota::leases, {1, 1'000'000},
                           {"how many leases may be held at once", "as `quota.boots`"})),
      since_rules_2(number("quota.share_percent", &S::quota, &S::Quota::share_percent, {1, 100},
                           {"how much of each quota one token may have, or one user of the socket, or one sender of "
                            "webhooks",
                            "what somebody has already stays"})),
      since_rules_2(number("quota.tasks", &S::quota, &S::Quota::tasks, {1, 10'000'000},
                           {"how many tasks may be under way at once", "as `quota.boots`"})),
      number("reaper.dead_ticks", &S::reaper, &S::Reaper::dead_ticks, {1, 1000},
             {"after how many passes in a row that find its process dead a job is reaped (tier 1)",
              "with `reaper.interval_s`: how soon a dead job is found"}),
      flag("reaper.enabled", &S::reaper, &S::Reaper::enabled,
           {"whether the reaper runs by itself; `pawl reap` works all the same",
            "off: `/readyz` does not judge the reaper"}),
      number("reaper.finalize_grace_s", &S::reaper, &S::Reaper::finalize_grace_s, {0, 7 * day_s},
             {"how long after a job's exit its monitor has to finish it, before the reaper does",
              "part of the budget below `reaper.max_running_s` (SPEC §3), else `bad_value`"}),
      flag("reaper.finalizer_liveness", &S::reaper, &S::Reaper::finalizer_liveness,
           {"whether a monitor's mark keeps the reaper off a job where ownership is not checked",
            "counts only on `deploy-staging`, for repositories that `ownership.*` leaves out"}),
      number("reaper.interval_s", &S::reaper, &S::Reaper::interval_s, {1, day_s},
             {"time between two passes of the reaper",
              "`/readyz` is 503 `reaper_stalled` when the last pass is older than twice this"}),
      number("reaper.max_running_s", &S::reaper, &S::Reaper::max_running_s,
             {1, 30 * day_s, "more than what any stage may take"},
             {"the ceiling: whatever runs longer is reaped, whoever owns it (tier 3)",
              "more than agent + gate + steps + probes of each stage + `reaper.finalize_grace_s` (SPEC §3), else "
              "`bad_value`; also reclaims leases that old without a job"}),
      flag("reconciler.enabled", &S::reconciler, &S::Reconciler::enabled,
           {"whether tasks that nothing drives are driven on",
            "off: `pawl stuck` shows what waits for it as `reconciler_off`"}),
      number(
          "reconciler.interval_s", &S::reconciler, &S::Reconciler::interval_s, {1, day_s},
          {"time between two passes of the reconciler", "a record that leaves a task standing wakes it at once, too"}),
      number("recovery.max_interruptions", &S::recovery, &S::Recovery::max_interruptions, {0, 1000},
             {"how often restarts may interrupt a job before it fails",
              "interruptions do not count as attempts of `job.max_attempts`"}),
      since_rules_2(word("stop.delete_branch", &S::stop, &S::Stop::delete_branch, {"created", "always", "never"},
                         {"which branch at origin a cancel deletes: one that the task began there itself, any, or none",
                          "never the default branch, nor one that a live task works on, nor one that has moved since "
                          "pawl saw it"})),
      flag("stop.enabled", &S::stop, &S::Stop::enabled,
           {"whether a cancel ends the running agent and cleans up its worktree and branch",
            "off: agents come to their own end; the first start with it on catches up"}),
      number("stop.kill_after_s", &S::stop, &S::Stop::kill_after_s, {0, 3600},
             {"time between SIGTERM and SIGKILL for agents, gates and steps that are to end",
              "also bounds the wait for a lock that an earlier process holds (at least 1 s)"}),
  };
}

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

std::string no_setting_named(std::string_view name) {
  std::vector<std::string_view> names;
  for (const SettingKey& key : setting_keys()) names.push_back(key.name);
  const auto meant = nearest_of(name, names);
  return "'" + std::string(name) + "' is not a setting" +
         (meant ? "; did you mean '" + std::string(*meant) + "'?" : ";") + " `pawl settings` lists them all";
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
