#include "tools/forensics/defences.h"

#include <algorithm>
#include <map>
#include <tuple>

namespace pawl {
namespace {

/// How many likely ones are tried.
constexpr std::size_t likely_max = 3;

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
  const Settings begun = log.beginning().state.settings();
  std::map<std::string, Values> all;
  for (const SettingKey& key : setting_keys()) all[std::string(key.name)].values = {key.get(begun)};
  for (const RecordedEvent& event : log.settings()) {
    const auto* changed = event.record().event_as_SettingChanged();
    if (!setting_named(changed->key()->string_view())) continue;
    Values& values = all[changed->key()->str()];
    values.values.push_back(setting_value_from(*changed->value()));
    values.set_by.push_back(event.seq());
  }
  return all;
}

std::vector<Change> candidates(const RecordedLog& log) {
  std::vector<Change> found;
  const std::map<std::string, Values> all = values_in(log);
  for (const SettingKey& key : setting_keys()) {
    if (!can_matter(key)) continue;
    const Values& values = all.at(std::string(key.name));
    const SettingValue standard = key.get(Settings());
    const auto add = [&](const SettingValue& value, std::optional<Seq> undoes) {
      const auto is_same = [&](const Change& each) {
        return each.key == &key && each.value == value && each.undoes == undoes;
      };
      if (std::none_of(found.begin(), found.end(), is_same)) found.push_back({&key, value, undoes});
    };
    for (std::size_t i = 0; i < values.set_by.size(); ++i) {
      const SettingValue& before = values.values[i];
      const bool* flag = std::get_if<bool>(&before);
      const bool is_switched_off = flag && before != standard;
      if (before != values.values[i + 1] && !is_switched_off) add(before, values.set_by[i]);
    }
    const auto is_other = [&](const SettingValue& value) { return value != standard; };
    const bool is_tried = std::any_of(found.begin(), found.end(),
                                      [&](const Change& each) { return each.key == &key && each.value == standard; });
    if (!is_tried && std::any_of(values.values.begin(), values.values.end(), is_other)) add(standard, std::nullopt);
  }
  return found;
}

std::int64_t grace_at_most(const RecordedLog& log) {
  std::int64_t most = 0;
  for (const SettingValue& value : values_in(log).at("reaper.finalize_grace_s").values)
    most = std::max(most, std::get<std::int64_t>(value));
  return most;
}

Defence judged_defence(const RecordedLog& log, const InQuestion& question, const Change& change, Retold retold) {
  Judged judged = judge(log, question, retold);
  const bool is_cause = change.undoes == question.finding.seq;
  if (is_cause && judged.verdict == WhatIfVerdict::not_prevented && retold.turns.empty()) {
    judged = {WhatIfVerdict::not_known,
              "no recorded decision differs, and the log does not say what else would have run"};
  }
  return {change, std::move(retold), std::move(judged)};
}

/// A grace that no setting of the log had: doubled until it is enough, or more than the pipelines allow.
Result<std::optional<Defence>> longer_grace(const RecordedLog& log, const InQuestion& question) {
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
    last = Defence{change, std::move(*retold), std::move(judged)};
    if (is_enough) return last;
  }
}

/// The candidates, those that the incident has to do with first.
std::vector<Change> by_distance(const RecordedLog& log, const Finding& finding) {
  std::vector<Change> all = candidates(log);
  const auto distance = [&](const Change& each) {
    const std::vector<Seq>& chain = finding.followed_by;
    const Seq undone = each.undoes.value_or(Seq{0});
    const bool is_in_chain = std::find(chain.begin(), chain.end(), undone) != chain.end();
    // Then the last changes before it.
    return std::tuple(undone != finding.seq, !is_in_chain, undone > finding.seq, ~raw(undone));
  };
  std::stable_sort(all.begin(), all.end(),
                   [&](const Change& one, const Change& other) { return distance(one) < distance(other); });
  return all;
}

}  // namespace

Result<Defences> defences_against(const RecordedLog& log, const InQuestion& question, Effort effort) {
  Defences all;
  std::vector<Change> left = by_distance(log, question.finding);
  const auto prevents = [](const Defence& each) { return each.judged.verdict == WhatIfVerdict::prevented; };
  const bool is_likely = effort == Effort::likely;
  while (!left.empty()) {
    const bool is_found = std::any_of(all.tried.begin(), all.tried.end(), [&](const Defence& each) {
      return prevents(each) && each.change.undoes == question.finding.seq;
    });
    if (is_likely && (is_found || all.tried.size() >= likely_max)) break;
    // Alone, the first one is cheap if it ends early, and often enough; others are told together.
    const std::size_t next = !is_likely ? left.size() : all.tried.empty() ? 1 : likely_max - all.tried.size();
    std::vector<std::vector<Change>> lists;
    for (std::size_t i = 0; i < std::min(next, left.size()); ++i) lists.push_back({left[i]});
    auto told = PAWL_TRY(retell_each(log, lists));
    for (std::size_t i = 0; i < told.size(); ++i) {
      if (told[i]) all.tried.push_back(judged_defence(log, question, left[i], std::move(*told[i])));
    }
    left.erase(left.begin(), left.begin() + static_cast<std::ptrdiff_t>(lists.size()));
  }
  all.untried = std::move(left);
  if (effort == Effort::all && std::none_of(all.tried.begin(), all.tried.end(), prevents)) {
    if (auto grace = PAWL_TRY(longer_grace(log, question))) all.tried.push_back(std::move(*grace));
  }
  const auto rank = [&](const Defence& each) {
    return std::tuple(!prevents(each), each.change.undoes != question.finding.seq,
                      each.judged.verdict != WhatIfVerdict::not_known);
  };
  std::stable_sort(all.tried.begin(), all.tried.end(),
                   [&](const Defence& left_one, const Defence& right_one) { return rank(left_one) < rank(right_one); });
  return all;
}

}  // namespace pawl
