// Folds what repeats itself in a story.
#include <algorithm>

#include "tools/forensics/explain_story.h"

namespace pawl {
namespace {

constexpr std::ptrdiff_t run_min = 4;

/// Whether both say the same of the same thing.
bool are_alike(const StoryEntry& left, const StoryEntry& right) {
  return left.type == right.type && left.lane == right.lane && left.outcome == right.outcome &&
         left.unchecked == right.unchecked && left.task == right.task && left.job == right.job &&
         left.narration.says == right.narration.says;
}

}  // namespace

void fold(Story& story, std::optional<Seq> subject) {
  const auto stands_alone = [&](const StoryEntry& entry) {
    const auto is_grave = [&](std::size_t i) { return story.findings[i].kind != Finding::Kind::unchecked; };
    return entry.seq == subject || std::any_of(entry.findings.begin(), entry.findings.end(), is_grave);
  };
  for (auto first = story.entries.begin(); first != story.entries.end();) {
    auto end = std::next(first);
    if (!stands_alone(*first)) {
      end = std::find_if(end, story.entries.end(),
                         [&](const StoryEntry& entry) { return stands_alone(entry) || !are_alike(*first, entry); });
    }
    if (end - first >= run_min) {
      std::for_each(std::next(first), end, [&](StoryEntry& entry) { entry.like = first->seq; });
    }
    first = end;
  }
}

}  // namespace pawl
