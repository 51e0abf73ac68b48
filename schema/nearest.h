// "Did you mean …?": finds the known word that was most likely meant.
#pragma once

#include <optional>
#include <span>
#include <string_view>

namespace pawl {

/// The word in `known` that is the fewest single-character edits (insert, remove, replace, swap two neighbours) away
/// from `word`; the first one if several are equally near. None if even that one differs in more than a third of its
/// characters, or if `word` is longer than 64 bytes: that is not a typing error.
std::optional<std::string_view> nearest_of(std::string_view word, std::span<const std::string_view> known);

}  // namespace pawl
