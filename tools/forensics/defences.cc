#include "tools/forensics/defences.h"

#include <algorithm>
#include <map>
#include <tuple>

namespace pawl {
namespace {

struct Candidate {
  Change change;
  std::optional<Seq> undoes;
};

/// Output, quotas and branches decide nothing about who may do what: trying them costs a replay each.
bool can_matter(const SettingKey& key) {
  return !key.name.starts_with("output.") && !key.name.starts_with("quota.") && key.name != "stop.delete_branch" &&
         key.name != "pipeline.default";
}

/// What a setting had, change by change. The first entry is what the log began with.
struct Values {
  std::vector<SettingValue> values;
  std::vector<Seq> set_by;  // one less: the record that began each later value
};

std::map<std::string, Values> values_in(const RecordedLog& log) {
  const Settings begun = beginning_of(log).state.settings();
  std::map<std::string, Values> all;
  for (const SettingKey& key : setting_keys()) all[std::string(key.name)].values = {key.get(begun)};
  for (const RecordedGroup& group : log.groups) {
    for (const RecordedEvent& event : group) {
      const auto* changed = event.record().event_as_SettingChanged();
      if (!changed || !event.is_accepted() || !setting_named(changed->key()->string_view())) continue;
      Values& values = all[changed->key()->str()];
      values.values.push_back(setting_value_from(*changed->value()));
      values.set_by.push_back(event.seq());
    }
  }
  return all;
}

std::vector<Candidate> candidates(const RecordedLog& log) {
  std::vector<Candidate> found;
  const std::map<std::string, Values> all = values_in(log);
  for (const SettingKey& key : setting_keys()) {
    if (!can_matter(key)) continue;
    const Values& values = all.at(std::string(key.name));
    const SettingValue standard = key.get(Settings());
    const auto add = [&](const SettingValue& value, std::optional<Seq> undoes) {
      const bool is_there = std::any_of(found.begin(), found.end(), [&](const Candidate& each) {
        return each.change.key == &key && each.change.value == value;
      });
      if (!is_there) found.push_back({{&key, value}, undoes});
    };
    for (std::size_t i = 0; i < values.set_by.size(); ++i) {
      const SettingValue& before = values.values[i];
      const bool* flag = std::get_if<bool>(&before);
      const bool is_switched_off = flag && before != standard;
      if (before != values.values[i + 1] && !is_switched_off) add(before, values.set_by[i]);
    }
    const auto other = std::find_if(values.values.begin(), values.values.end(),
                                    [&](const SettingValue& value) { return value != standard; });
    if (other == values.values.end()) continue;
    const auto index = other - values.values.begin();
    add(standard, index == 0 ? std::nullopt : std::optional(values.set_by[static_cast<std::size_t>(index) - 1]));
  }
  return found;
}

std::int64_t grace_at_most(const RecordedLog& log) {
  std::int64_t most = 0;
  for (const SettingValue& value : values_in(log).at("reaper.finalize_grace_s").values)
    most = std::max(most, std::get<std::int64_t>(value));
  return most;
}

/// A grace that no setting of the log had: doubled until it is enough, or more than the pipelines allow.
std::optional<Defence> longer_grace(const RecordedLog& log, const InQuestion& question) {
  const SettingKey* key = setting_named("reaper.finalize_grace_s");
  std::optional<Defence> last;
  for (std::int64_t grace = std::max<std::int64_t>(1, grace_at_most(log)) * 2;; grace *= 2) {
    const Change change{key, SettingValue(grace)};
    Settings scratch;
    if (!key->set(scratch, change.value)) return last;
    auto retold = retell(log, {change});
    if (!retold) return last;
    Judged judged = judge(log, question, *retold);
    const bool is_enough = judged.verdict == WhatIfVerdict::prevented;
    last = Defence{change, std::nullopt, std::move(*retold), std::move(judged)};
    if (is_enough) return last;
  }
}

/// Without the cause, the other story may end before the bad end does. It was prevented all the same if that story
/// lacks a record that led there.
Judged by_its_chain(const Finding& incident, const Retold& retold, Judged judged) {
  if (judged.verdict == WhatIfVerdict::not_prevented && retold.turns.empty()) {
    return {WhatIfVerdict::not_known,
            "no recorded decision differs, and the log does not say what else would have run"};
  }
  if (judged.verdict != WhatIfVerdict::not_known) return judged;
  for (const Seq seq : incident.followed_by) {
    if (std::find(retold.lost.begin(), retold.lost.end(), seq) == retold.lost.end()) continue;
    return {WhatIfVerdict::prevented, record_name(seq) + ", which led there, does not happen"};
  }
  return judged;
}

}  // namespace

Result<std::vector<Defence>> defences_against(const RecordedLog& log, const InQuestion& question) {
  std::vector<Defence> all;
  for (const Candidate& candidate : candidates(log)) {
    auto retold = retell(log, {candidate.change});
    if (!retold) continue;  // with the log's other settings or pipelines it may not be
    Judged judged = judge(log, question, *retold);
    if (candidate.undoes == question.finding.seq) judged = by_its_chain(question.finding, *retold, std::move(judged));
    all.push_back({candidate.change, candidate.undoes, std::move(*retold), std::move(judged)});
  }
  const auto prevents = [](const Defence& each) { return each.judged.verdict == WhatIfVerdict::prevented; };
  if (std::none_of(all.begin(), all.end(), prevents)) {
    if (auto grace = longer_grace(log, question)) all.push_back(std::move(*grace));
  }
  const auto rank = [&](const Defence& each) {
    return std::tuple(each.judged.verdict != WhatIfVerdict::prevented, each.undoes != question.finding.seq,
                      each.judged.verdict != WhatIfVerdict::not_known);
  };
  std::stable_sort(all.begin(), all.end(),
                   [&](const Defence& left, const Defence& right) { return rank(left) < rank(right); });
  return all;
}

}  // namespace pawl
