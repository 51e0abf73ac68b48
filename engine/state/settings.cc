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

/// The text about a setting in docs/SETTINGS.md.
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
  std::string_view also = {};  // a further constraint on the value
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

/// The name of a pipeline. The rules check that it exists.
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
          .form = "the name of a defined pipeline",
          .type = "text",
          .range = "the name of a pipeline",
          .does = words.does,
          .depends = words.depends};
}

/// A setting that the rules have known only since version 2.
SettingKey since_rules_2(SettingKey key) {
  key.rules = 2;
  return key;
}

/// A number that could not be so high in version 1.
SettingKey higher_since_rules_2(std::int64_t max_before, SettingKey key) {
  key.max_in_rules_1 = max_before;
  return key;
}

constexpr std::size_t listed_repos_max = 1024;

/// Repository names: none empty, too long or repeated.
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
          .form = "a list of at most 1024 different repository names of 1 to 200 bytes each; empty for all",
          .type = "list of texts",
          .range = "at most 1024 different names of 1 to 200 bytes; empty: all",
          .does = words.does,
          .depends = words.depends};
}

constexpr std::int64_t day_s = 24 * 3600;
static_assert(listed_repos_max == 1024 && limits::repo_bytes_max == 200,
              "the form and the range above state these numbers");
static_assert(30 * day_s > limits::timeout_s_max, "the ceiling must be able to exceed the longest time-out");

/// The rows, in name order.
std::vector<SettingKey> make_setting_keys() {
  using S = Settings;
  return {
      since_rules_2(word("gate.unchanged", &S::gate, &S::Gate::unchanged, {"block", "retry"},
                         {"what happens when a gate is red twice in a row on the same commit: `block` blocks the task; "
                          "`retry` rolls it back or tries it again, as for any red gate",
                          "the commit is known only for gates that the daemon runs in a git worktree"})),
      number("job.max_attempts", &S::job, &S::Job::max_attempts, {1, 1000},
             {"how many times a job is tried, and how many jobs the reconciler queues for one version of a task",
              "a job keeps the value in force when it was queued"}),
      since_rules_2(
          number("job.retry_delay_max_s", &S::job, &S::Job::retry_delay_max_s, {0, day_s},
                 {"the longest pause between two attempts of a job", "`job.retry_delay_s` doubles up to this"})),
      since_rules_2(number("job.retry_delay_s", &S::job, &S::Job::retry_delay_s, {0, day_s},
                           {"the pause before a job's next attempt, if its last one counted as an attempt; it doubles "
                            "after each further one; 0: no pause",
                            "at most `job.retry_delay_max_s`; after an interruption by a restart there is no pause"})),
      number("lease.merge_ttl_s", &S::lease, &S::Lease::merge_ttl_s,
             {1, 30 * day_s, "more than the time budget of any edge with an exclusive step"},
             {"the ttl of the repository lease that an exclusive step (the merge) needs",
              "must be more than gate + steps + probes of each edge with an exclusive step (SPEC §3), else "
              "`bad_value`; leases already held keep their ttl"}),
      flag("lease.reclaim_enabled", &S::lease, &S::Lease::reclaim_enabled,
           {"whether a lease is reclaimed once its owner is dead or its ttl has expired",
            "off: such leases stay until they are released by hand or `reaper.max_running_s` has passed"}),
      since_rules_2(number("output.logs_max_age_s", &S::output, &S::Output::logs_max_age_s, {0, 3650 * day_s},
                           {"how long the output of finished tasks is kept; 0: for as long as there is room",
                            "output of live tasks is always kept"})),
      since_rules_2(
          number("output.logs_max_bytes", &S::output, &S::Output::logs_max_bytes, {0, limits::output_bytes_bound_max},
                 {"how much output is kept in total; the oldest output of finished tasks is deleted first; 0: no limit",
                  "output of live tasks is always kept"})),
      since_rules_2(number(
          "output.max_bytes", &S::output, &S::Output::max_bytes,
          {limits::output_bytes_bound_min, limits::output_bytes_bound_max},
          {"how much of the output of one run is kept: its head and its tail",
           "applies to runs that start after the change; not to commands with an `output_max_bytes` of their own"})),
      flag("ownership.enabled", &S::ownership, &S::Ownership::enabled,
           {"whether leases and versions are checked at all (the kill switch)",
            "off: transitions are accepted unchecked, and marked unchecked in the log; leases grant nothing"}),
      repos("ownership.repos", &S::ownership, &S::Ownership::repos,
            {"the repositories for which leases and versions are checked",
             "applies only while `ownership.enabled` is on"}),
      since_rules_2(pipeline_name("pipeline.default", &S::pipeline, &S::Pipeline::fallback,
                                  {"the pipeline for a submission that names none",
                                   "set at a daemon's first start if it is given exactly one file"})),
      number("pipeline.max_rollbacks", &S::pipeline, &S::Pipeline::max_rollbacks, {0, 1000},
             {"how many times a task may roll back; the next rollback blocks it as `max_rollbacks`",
              "a task's rollbacks are counted from its creation"}),
      since_rules_2(word("queue.cancelled_dependency", &S::queue, &S::Queue::cancelled_dependency, {"release", "hold"},
                         {"what happens to a task when one of its dependencies is cancelled: `release` lets it go on; "
                          "`hold` makes it wait for an operator",
                          "hold: `pawl stuck` names it as `dependency`, and `pawl unblock` releases it"})),
      higher_since_rules_2(1024,
                           number("queue.max_concurrency", &S::queue, &S::Queue::max_concurrency, {1, 1'000'000},
                                  {"how many jobs run at once, in all repositories together",
                                   "when lowered, running jobs go on and no new job starts until fewer are running"})),
      since_rules_2(number(
          "queue.priority_s", &S::queue, &S::Queue::priority_s, {0, day_s},
          {"how much earlier a task's jobs count as queued for each level of its priority; 0: priorities are ignored",
           "a job is overtaken only by jobs that were queued at most 200 times this after it (SPEC §4)"})),
      flag("queue.serial_per_repo", &S::queue, &S::Queue::serial_per_repo,
           {"whether a repository has at most one running job", "jobs already running go on"}),
      since_rules_2(number("quota.boots", &S::quota, &S::Quota::boots, {1, 1'000'000},
                           {"how many boots may be in force at once: workers and lease holders",
                            "further boots are refused as `quota`; the daemon's own boot is never refused"})),
      since_rules_2(number("quota.leases", &S::quota, &S::Quota::leases, {1, 1'000'000},
                           {"how many leases may be held at once", "like `quota.boots`"})),
      since_rules_2(number("quota.share_percent", &S::quota, &S::Quota::share_percent, {1, 100},
                           {"how much of each quota one token may use, or one user of the socket, or one sender of "
                            "webhooks",
                            "when lowered, nothing already held is taken away"})),
      since_rules_2(number("quota.tasks", &S::quota, &S::Quota::tasks, {1, 10'000'000},
                           {"how many tasks may be live at once", "like `quota.boots`"})),
      number("reaper.dead_ticks", &S::reaper, &S::Reaper::dead_ticks, {1, 1000},
             {"after how many passes in a row find a job's process dead the job is reaped (tier 1)",
              "together with `reaper.interval_s`, determines how soon a dead job is found"}),
      flag("reaper.enabled", &S::reaper, &S::Reaper::enabled,
           {"whether the reaper runs automatically; `pawl reap` works either way",
            "off: `/readyz` does not check the reaper"}),
      number("reaper.finalize_grace_s", &S::reaper, &S::Reaper::finalize_grace_s, {0, 7 * day_s},
             {"how long a job's monitor has to finish the job after its exit, before the reaper does",
              "counts towards the budget that must stay below `reaper.max_running_s` (SPEC §3), else `bad_value`"}),
      flag("reaper.finalizer_liveness", &S::reaper, &S::Reaper::finalizer_liveness,
           {"whether a monitor's finalizer mark protects a job from the reaper where ownership is not checked",
            "applies only on `deploy-staging`, for repositories that `ownership.*` does not cover"}),
      number("reaper.interval_s", &S::reaper, &S::Reaper::interval_s, {1, day_s},
             {"time between two passes of the reaper",
              "`/readyz` is 503 `reaper_stalled` when the last pass is older than twice this"}),
      number("reaper.max_running_s", &S::reaper, &S::Reaper::max_running_s,
             {1, 30 * day_s, "more than the time budget of any stage"},
             {"the ceiling: a job that runs longer is reaped, whoever owns it (tier 3)",
              "must be more than agent + gate + steps + probes of each stage + `reaper.finalize_grace_s` (SPEC §3), "
              "else `bad_value`; also the age at which a lease without a job is reclaimed"}),
      flag("reconciler.enabled", &S::reconciler, &S::Reconciler::enabled,
           {"whether the reconciler advances tasks that nothing else drives",
            "off: `pawl stuck` shows tasks that wait for it as `reconciler_off`"}),
      number("reconciler.interval_s", &S::reconciler, &S::Reconciler::interval_s, {1, day_s},
             {"time between two passes of the reconciler",
              "a record that leaves a task with nothing to drive it also wakes the reconciler at once"}),
      number("recovery.max_interruptions", &S::recovery, &S::Recovery::max_interruptions, {0, 1000},
             {"how many times restarts may interrupt a job before it fails",
              "interruptions do not count as attempts towards `job.max_attempts`"}),
      since_rules_2(word("stop.delete_branch", &S::stop, &S::Stop::delete_branch, {"created", "always", "never"},
                         {"which branch a cancel deletes at origin: `created` only one that the task itself created "
                          "there, `always` any, `never` none",
                          "the default branch, a branch that a live task works on, and a branch that has moved since "
                          "pawl last saw it are never deleted"})),
      flag("stop.enabled", &S::stop, &S::Stop::enabled,
           {"whether a cancel ends the running agent and cleans up its worktree and branch",
            "off: agents run to their own end; the first start with it on catches up"}),
      number("stop.kill_after_s", &S::stop, &S::Stop::kill_after_s, {0, 3600},
             {"time between SIGTERM and SIGKILL when agents, gates and steps are stopped",
              "also limits the wait for a lock that an earlier process holds (at least 1 s)"}),
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
  // A value without any field means the empty list (schema/proposal.h). An empty text therefore becomes a list that
  // contains it; neither is valid for any setting.
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
