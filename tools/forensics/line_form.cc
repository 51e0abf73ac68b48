#include "tools/forensics/line_form.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "engine/json/state_json.h"

namespace pawl {
namespace {

/// Cuts two long lines to start a little before the first difference.
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
  return {.kind = Difference::Kind::form,
          .seq = seq,
          .what = "form of the line, from byte " + std::to_string(at + 1),
          .recorded = cut(recorded),
          .recomputed = cut(recomputed)};
}

}  // namespace

std::optional<Difference> form_of_line(const AppliedGroup& group, std::size_t index) {
  const std::string& recorded = group.read[index].line;
  if (recorded.empty()) return std::nullopt;
  std::string line;
  append_record_line(line, group.records[index].record, group.records[index].applied.effects);
  if (line == recorded) return std::nullopt;
  return parting(group.read[index].seq(), recorded, line);
}

ReplicaPolicy proving_policy(std::function<void(const AppliedGroup&)> each) {
  return {.broken_chain = ReplicaPolicy::BrokenChain::show, .compare = form_of_line, .each = std::move(each)};
}

}  // namespace pawl
