#include "tools/simulation/direct_machine.h"

namespace pawl {

Decision DirectMachine::propose(Group group) {
  Decided decided = decide(state_, std::move(group), now_, rules_);
  if (on_group) on_group(decided);
  Decision decision;
  decision.outcome = decided.outcome;
  decision.seq = Seq{decided.records[decided.deciding].record().stamp()->seq()};
  decision.unchecked = decided.applied[decided.deciding].unchecked;
  decision.detail = decided.applied[decided.deciding].detail;
  for (const Applied& applied : decided.applied) {
    decision.effects.insert(decision.effects.end(), applied.effects.begin(), applied.effects.end());
  }
  if (!keeps_records_) return decision;
  for (std::size_t i = 0; i < decided.records.size(); ++i) {
    lines_.push_back({std::move(decided.records[i]), std::move(decided.applied[i])});
  }
  for (ArchivedTask& task : decided.archived) archive_.push_back(std::move(task));
  return decision;
}

bool DirectMachine::replay() {
  State rebuilt;
  std::vector<const fb::Record*> group;
  for (std::size_t i = 0; i < lines_.size(); ++i) {
    group.push_back(&lines_[i].record.record());
    const bool last =
        i + 1 == lines_.size() || lines_[i + 1].record.record().stamp()->group() != group.front()->stamp()->group();
    if (!last) continue;
    if (reapply(rebuilt, group).divergence) return false;
    group.clear();
  }
  const bool same = rebuilt.digest() == state_.digest();
  state_ = std::move(rebuilt);
  return same;
}

}  // namespace pawl
