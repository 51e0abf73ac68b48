#include "schema/nearest.h"

#include <algorithm>
#include <array>

namespace pawl {
namespace {

constexpr std::size_t length_max = 64;
using EditRow = std::array<std::size_t, length_max + 1>;

/// The number of edits that turn `from` into `to`. Requires: neither is longer than length_max.
std::size_t edits_between(std::string_view from, std::string_view to) {
  // Of the full table of prefix pairs, only three rows are needed at a time: a swap looks two rows back.
  EditRow two_back{};
  EditRow one_back{};
  EditRow row{};
  for (std::size_t j = 0; j <= to.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= from.size(); ++i) {
    two_back = one_back;
    one_back = row;
    row[0] = i;
    for (std::size_t j = 1; j <= to.size(); ++j) {
      const std::size_t replaced = one_back[j - 1] + (from[i - 1] == to[j - 1] ? 0 : 1);
      row[j] = std::min({replaced, one_back[j] + 1, row[j - 1] + 1});
      const bool is_swap = i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1];
      if (is_swap) row[j] = std::min(row[j], two_back[j - 2] + 1);
    }
  }
  return row[to.size()];
}

}  // namespace

std::optional<std::string_view> nearest_of(std::string_view word, std::span<const std::string_view> known) {
  std::optional<std::string_view> nearest;
  std::size_t fewest = 0;
  if (word.size() > length_max) return nearest;
  for (const std::string_view candidate : known) {
    if (candidate.size() > length_max) continue;
    const std::size_t edits = edits_between(word, candidate);
    if (edits * 3 > candidate.size() || (nearest && edits >= fewest)) continue;
    nearest = candidate;
    fewest = edits;
  }
  return nearest;
}

}  // namespace pawl
