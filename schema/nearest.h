// "Did you mean …?": the known word that somebody most likely meant to type.
#pragma once

#include <optional>
#include <span>
#include <string_view>

namespace pawl {

/// The word among `known` with the fewest single-character edits (insert, remove, replace, swap of two neighbours) from
/// `word`; the first of them where several are equally near. None if even that one differs in more than a third of its
/// characters, or if `word` is longer than 64 bytes: that is no slip of a finger.
std::optional<std::string_view> nearest_of(std::string_view word, std::span<const std::string_view> known);

}  // namespace pawl
