// UTF-8, character by character.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace pawl {

/// The length in bytes of the well-formed character at `at`; 0 if there is none (Unicode 15, table 3-7). Requires: `at`
/// is within the text.
std::size_t character_bytes(std::string_view text, std::size_t at);

/// The code point of a well-formed character. Requires: `character` is exactly one.
char32_t code_point(std::string_view character);

}  // namespace pawl
