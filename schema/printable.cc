#include "schema/printable.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <iterator>

#include "schema/hex.h"
#include "schema/utf8.h"

namespace pawl {
namespace {

struct UnseenRange {
  char32_t first;
  char32_t last;
};

// From Unicode 15.1: the categories Cc, Cf, Zl and Zp, everything with Default_Ignorable_Code_Point, assigned or not,
// and the noncharacters. Excluded are the visible characters in Cf (Prepended_Concatenation_Mark, such as U+0600),
// U+FE0E and U+FE0F. tests/tidy/unseen compares this list with Unicode's.
constexpr std::array unseen = {
    UnseenRange{0x0000, 0x001F},    // controls
    UnseenRange{0x007F, 0x009F},    //
    UnseenRange{0x00AD, 0x00AD},    // soft hyphen
    UnseenRange{0x034F, 0x034F},    // combining grapheme joiner
    UnseenRange{0x061C, 0x061C},    // Arabic letter mark
    UnseenRange{0x115F, 0x1160},    // Hangul fillers
    UnseenRange{0x17B4, 0x17B5},    // Khmer inherent vowels
    UnseenRange{0x180B, 0x180F},    // Mongolian selectors and vowel separator
    UnseenRange{0x200B, 0x200F},    // zero width, direction marks
    UnseenRange{0x2028, 0x202E},    // line and paragraph separators, direction embeddings and overrides
    UnseenRange{0x2060, 0x206F},    // word joiner, invisible operators, isolates, deprecated controls
    UnseenRange{0x3164, 0x3164},    // Hangul filler
    UnseenRange{0xFDD0, 0xFDEF},    // noncharacters
    UnseenRange{0xFE00, 0xFE0D},    // variation selectors
    UnseenRange{0xFEFF, 0xFEFF},    // zero width no-break space
    UnseenRange{0xFFA0, 0xFFA0},    // halfwidth Hangul filler
    UnseenRange{0xFFF0, 0xFFFB},    // interlinear annotation
    UnseenRange{0x13430, 0x1343F},  // Egyptian format controls
    UnseenRange{0x1BCA0, 0x1BCA3},  // shorthand format controls
    UnseenRange{0x1D173, 0x1D17A},  // musical format controls
    UnseenRange{0xE0000, 0xE0FFF},  // tags, variation selectors
};

/// U+FE0E: shown as text; U+FE0F: as an emoji.
bool is_style(char32_t character) {
  return character == 0xFE0E || character == 0xFE0F;
}

bool is_seen_ascii(char c) {
  return c >= 0x20 && c < 0x7F;
}

std::string by_byte(char c) {
  const auto byte = static_cast<std::uint8_t>(c);
  std::string out = "\\x";
  append_hex(out, {&byte, 1});
  return out;
}

std::string by_number(char32_t character) {
  if (character < 0x80) return by_byte(static_cast<char>(character));
  const std::string digits = hex(std::uint64_t{character});
  return "\\u{" + digits.substr(std::min(digits.find_first_not_of('0'), digits.size() - 2)) + '}';
}

enum class Lines { one, several };

std::string shown(std::string_view text, Lines lines) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t start = at;
    while (at < text.size() && is_seen_ascii(text[at])) ++at;
    out += text.substr(start, at - start);
    if (at == text.size()) break;
    const char first = text[at];
    const std::size_t bytes = character_bytes(text, at);
    const std::string_view character = text.substr(at, bytes);
    at += std::max<std::size_t>(bytes, 1);
    if (first == '\n' || first == '\t') {
      out += lines == Lines::one ? ' ' : first;
    } else if (bytes == 0) {
      out += by_byte(first);
    } else if (const char32_t point = code_point(character); is_unseen(point)) {
      out += by_number(point);
    } else {
      out += character;
    }
  }
  return out;
}

}  // namespace

bool is_unseen(char32_t character) {
  if ((character & 0xFFFE) == 0xFFFE) return true;  // the last two code points of each plane are noncharacters
  const auto after = std::upper_bound(unseen.begin(), unseen.end(), character,
                                      [](char32_t point, const UnseenRange& range) { return point < range.first; });
  return after != unseen.begin() && character <= std::prev(after)->last;
}

std::string printable(std::string_view text) {
  return shown(text, Lines::one);
}

std::string printable_lines(std::string_view text) {
  return shown(text, Lines::several);
}

std::optional<std::string> unseen_in(std::string_view name) {
  for (std::size_t at = 0; at < name.size();) {
    const std::size_t bytes = character_bytes(name, at);
    if (bytes == 0) return by_byte(name[at]);
    const char32_t point = code_point(name.substr(at, bytes));
    if (is_unseen(point) || is_style(point)) return by_number(point);
    at += bytes;
  }
  return std::nullopt;
}

std::string in_quotes(std::string_view text) {
  return "'" + std::string(text) + "'";
}

}  // namespace pawl
