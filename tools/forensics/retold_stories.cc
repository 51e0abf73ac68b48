// Several stories of one log, told in few readings.
//
// All stories of a round take the log's groups in lockstep. A story that undoes a record is the log's until then: so
// long a trunk follows the log, and the story branches off there with a copy of what the trunk knows. A story that has
// ended makes room for the next one: at its horizon, or when a later change has set the same setting and all is as in
// the log again.
#include <algorithm>
#include <memory>

#include "tools/forensics/what_if.h"
#include "tools/forensics/what_if_story.h"

namespace pawl {
namespace {

/// Each holds a state, and what check remembers of the log so far.
constexpr std::size_t stories_at_once = 4;

/// The record at which the story may leave the log; 0: before the first.
Seq begin_of(const std::vector<Change>& changes) {
  Seq begin = no_end;
  for (const Change& change : changes) begin = std::min(begin, change.undoes.value_or(Seq{0}));
  return changes.empty() ? Seq{0} : begin;
}

class Round {
 public:
  /// `pending`: the stories that were not told yet, by where they begin.
  Round(const RecordedLog& log, const std::vector<std::vector<Change>>& all, std::vector<std::size_t>& pending,
        std::vector<std::optional<Result<Retold>>>& told)
      : log_(log), all_(all), pending_(pending), told_(told) {}

  Result<void> read() {
    start([&](std::size_t index) { return begin_of(all_[index]) < log_.first(); },
          [&](std::size_t index) {
            return std::make_unique<WhatIf>(log_, all_[index], log_.beginning(), log_.beginning());
          });
    if (!pending_.empty()) {
      trunk_ = std::make_unique<WhatIf>(log_, std::vector<Change>(), log_.beginning(), log_.beginning());
    }
    PAWL_TRY(
        log_.walk([this](const RecordedGroup& group, const AppliedGroup& applied) { return add(group, applied); }));
    while (!stories_.empty()) finish(stories_.begin());
    return {};
  }

 private:
  struct Story {
    std::size_t index = 0;
    std::unique_ptr<WhatIf> story;
  };
  using Stories = std::vector<Story>;

  template <class Begins, class Make>
  void start(Begins begins, Make make) {
    for (auto at = pending_.begin(); at != pending_.end() && stories_.size() < stories_at_once;) {
      if (!begins(*at)) {
        ++at;
        continue;
      }
      stories_.push_back({*at, make(*at)});
      at = pending_.erase(at);
    }
  }

  /// Whether a later group can matter.
  bool add(const RecordedGroup& group, const AppliedGroup& applied) {
    const Seq first = group.front().seq();
    const Seq last = group.back().seq();
    if (trunk_) {
      start([&](std::size_t index) { return begin_of(all_[index]) >= first && begin_of(all_[index]) <= last; },
            [&](std::size_t index) { return std::make_unique<WhatIf>(*trunk_, all_[index]); });
      const bool is_needed = std::any_of(pending_.begin(), pending_.end(),
                                         [&](std::size_t index) { return begin_of(all_[index]) > last; });
      if (is_needed) {
        trunk_->follow(group, applied);
      } else {
        trunk_.reset();
      }
    }
    for (auto at = stories_.begin(); at != stories_.end();) {
      const bool goes_on = at->story->add(group);
      const bool is_told = goes_on && at->story->is_the_log_again(applied.state);
      if (is_told) told_[at->index] = at->story->finish_as_the_log();
      at = is_told ? stories_.erase(at) : goes_on ? std::next(at) : finish(at);
    }
    return trunk_ || !stories_.empty();
  }

  Stories::iterator finish(Stories::iterator at) {
    told_[at->index] = at->story->finish();
    return stories_.erase(at);
  }

  const RecordedLog& log_;
  const std::vector<std::vector<Change>>& all_;
  std::vector<std::size_t>& pending_;
  std::vector<std::optional<Result<Retold>>>& told_;
  std::unique_ptr<WhatIf> trunk_;  // null: no story begins after here
  Stories stories_;
};

}  // namespace

Result<std::vector<Result<Retold>>> retell_each(const RecordedLog& log, const std::vector<std::vector<Change>>& all) {
  std::vector<std::optional<Result<Retold>>> told(all.size());
  std::vector<std::size_t> pending(all.size());
  for (std::size_t i = 0; i < all.size(); ++i) pending[i] = i;
  std::stable_sort(pending.begin(), pending.end(),
                   [&](std::size_t one, std::size_t other) { return begin_of(all[one]) < begin_of(all[other]); });
  while (!pending.empty()) {
    const std::size_t before = pending.size();
    PAWL_TRY(Round(log, all, pending, told).read());
    PAWL_ASSERT(pending.size() < before);  // each undoes a record of the log
  }
  std::vector<Result<Retold>> stories;
  stories.reserve(told.size());
  for (auto& story : told) stories.push_back(std::move(*story));
  return stories;
}

Result<Retold> retell(const RecordedLog& log, const std::vector<Change>& changes) {
  auto told = PAWL_TRY(retell_each(log, {changes}));
  return std::move(told.front());
}

}  // namespace pawl
