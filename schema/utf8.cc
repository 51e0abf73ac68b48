#include "schema/utf8.h"

#include <cstdint>

namespace pawl {
namespace {

std::uint8_t unit_at(std::string_view text, std::size_t at) {
  return static_cast<std::uint8_t>(text[at]);
}

}  // namespace

std::size_t character_bytes(std::string_view text, std::size_t at) {
  const std::uint8_t first = unit_at(text, at);
  if (first < 0x80) return 1;
  if (first < 0xC2 || first > 0xF4) return 0;
  const std::size_t bytes = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  if (text.size() - at < bytes) return 0;
  std::uint8_t low = 0x80;
  std::uint8_t high = 0xBF;
  if (first == 0xE0) low = 0xA0;   // below this, two bytes would do
  if (first == 0xED) high = 0x9F;  // surrogates
  if (first == 0xF0) low = 0x90;
  if (first == 0xF4) high = 0x8F;  // beyond U+10FFFF
  if (unit_at(text, at + 1) < low || unit_at(text, at + 1) > high) return 0;
  for (std::size_t i = 2; i < bytes; ++i) {
    if ((unit_at(text, at + i) & 0xC0) != 0x80) return 0;
  }
  return bytes;
}

char32_t code_point(std::string_view character) {
  const std::uint8_t first = unit_at(character, 0);
  if (first < 0x80) return first;
  // 110xxxxx, 1110xxxx or 11110xxx, then six bits from each following byte.
  char32_t point = first & (0x7FU >> character.size());
  for (std::size_t i = 1; i < character.size(); ++i) point = point << 6 | (unit_at(character, i) & 0x3FU);
  return point;
}

}  // namespace pawl
