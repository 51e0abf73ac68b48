#include "tools/forensics/replayer.h"

#include <algorithm>
#include <utility>

#include "engine/json/state_json.h"
#include "schema/json/json_text.h"
#include "schema/limits.h"
#include "store/chain.h"

namespace pawl {
namespace {

std::string outcome_text(Outcome outcome, bool unchecked) {
  return std::string(name(outcome)) + (unchecked ? ", unchecked" : "");
}

/// Two long lines from a little before the place where they part.
Difference parting(Seq seq, std::string_view recorded, std::string_view recomputed) {
  constexpr std::size_t before = 40;
  constexpr std::size_t shown = 120;
  const auto parted = std::mismatch(recorded.begin(), recorded.end(), recomputed.begin(), recomputed.end());
  const auto at = static_cast<std::size_t>(parted.first - recorded.begin());
  const std::size_t from = at > before ? at - before : 0;
  const auto cut = [&](std::string_view line) {
    std::string out = from > 0 ? "..." : "";
    out += line.substr(std::min(from, line.size()), shown);
    return out + (line.size() > from + shown ? "..." : "");
  };
  return {seq, "form of the line, from byte " + std::to_string(at + 1), cut(recorded), cut(recomputed)};
}

}  // namespace

Replayer::Replayer(State state, Chain chain, EachGroup each)
    : state_(std::move(state)), chain_(chain), each_(std::move(each)) {}

Result<void> Replayer::add(std::vector<std::uint8_t> bytes, std::string line) {
  PAWL_ASSERT(!difference_);
  const fb::Record& record = *PAWL_TRY(view_record(bytes));
  const fb::Stamp& stamp = *record.stamp();
  const std::string where = "record " + std::to_string(stamp.seq());
  const std::uint64_t expected = raw(state_.last_seq) + group_.size() + 1;
  if (stamp.seq() != expected) {
    return Error{ErrorCode::damaged, where + " stands where " + std::to_string(expected) + " should"};
  }
  if (stamp.rules() == 0 || stamp.rules() > rules_version) {
    return Error{ErrorCode::unsupported, where + " was decided by rules " + std::to_string(stamp.rules()) +
                                             "; this program knows up to " + std::to_string(rules_version)};
  }
  const bool begins = stamp.group() == stamp.seq();
  const bool continues = !group_.empty() && stamp.group() == fb::GetRecord(group_.front().bytes.data())->stamp()->seq();
  if (!begins && !continues) {
    return Error{ErrorCode::damaged, where + " says that its group begins at " + std::to_string(stamp.group()) +
                                         ", which is not the group before it"};
  }
  if (begins) apply();
  if (difference_) return {};
  if (group_.size() == limits::group_records_max) {
    return Error{ErrorCode::damaged, where + ": its group is too long"};
  }
  const Chain chain = chain_after(chain_, record);
  chain_ = chain_of(record);
  group_.push_back({std::move(bytes), std::move(line), chain});
  return {};
}

Result<void> Replayer::finish() {
  apply();
  return {};
}

void Replayer::apply() {
  if (group_.empty()) return;
  std::vector<const fb::Record*> group;
  group.reserve(group_.size());
  for (const Waiting& waiting : group_) group.push_back(fb::GetRecord(waiting.bytes.data()));
  const Reapplied reapplied = reapply(state_, group);
  difference_ = difference_in(group, reapplied);
  if (difference_) return;
  records_ += group.size();
  std::vector<Item> items;
  items.reserve(group.size());
  for (std::size_t i = 0; i < group.size(); ++i) items.push_back({*group[i], reapplied.applied[i]});
  if (each_) each_(items, reapplied.archived);
  group_.clear();
}

std::optional<Difference> Replayer::difference_in(std::span<const fb::Record* const> group,
                                                  const Reapplied& reapplied) const {
  std::string line;
  for (std::size_t i = 0; i < group.size(); ++i) {
    const Seq seq{group[i]->stamp()->seq()};
    if (reapplied.divergence && reapplied.divergence->seq == seq) {
      const Divergence& found = *reapplied.divergence;
      const std::string recorded = outcome_text(found.recorded, found.recorded_unchecked);
      const std::string recomputed = outcome_text(found.recomputed, found.recomputed_unchecked);
      if (recorded != recomputed) return Difference{seq, "outcome", recorded, recomputed};
      return Difference{seq, "digest", hex(found.recorded_digest), hex(found.recomputed_digest)};
    }
    const Chain chain = chain_of(*group[i]);
    if (chain != group_[i].chain) return Difference{seq, "chain", hex(chain), hex(group_[i].chain)};
    if (group_[i].line.empty()) continue;
    line.clear();
    append_record_line(line, *group[i], reapplied.applied[i].effects);
    if (line != group_[i].line) return parting(seq, group_[i].line, line);
  }
  return std::nullopt;
}

}  // namespace pawl
