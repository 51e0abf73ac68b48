#include "schema/json/json_text.h"

#include <array>
#include <charconv>

#include "schema/hex.h"

namespace pawl {
namespace {

constexpr std::string_view replacement = "\xEF\xBF\xBD";  // U+FFFD

std::uint8_t byte_at(std::string_view text, std::size_t at) {
  return static_cast<std::uint8_t>(text[at]);
}

/// How many bytes the well-formed character at `at` has; 0 if there is none (Unicode 15, table 3-7).
std::size_t character_bytes(std::string_view text, std::size_t at) {
  const std::uint8_t first = byte_at(text, at);
  if (first < 0x80) return 1;
  if (first < 0xC2 || first > 0xF4) return 0;
  const std::size_t bytes = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  if (text.size() - at < bytes) return 0;
  std::uint8_t low = 0x80;
  std::uint8_t high = 0xBF;
  if (first == 0xE0) low = 0xA0;   // else it would have fitted into two bytes
  if (first == 0xED) high = 0x9F;  // surrogates
  if (first == 0xF0) low = 0x90;
  if (first == 0xF4) high = 0x8F;  // beyond U+10FFFF
  if (byte_at(text, at + 1) < low || byte_at(text, at + 1) > high) return 0;
  for (std::size_t i = 2; i < bytes; ++i) {
    if ((byte_at(text, at + i) & 0xC0) != 0x80) return 0;
  }
  return bytes;
}

bool is_plain(std::uint8_t byte) {
  return byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
}

void append_escaped(std::string& out, std::uint8_t byte) {
  switch (byte) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\b':
      out += "\\b";
      return;
    case '\f':
      out += "\\f";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      out += "\\u00";
      append_hex(out, {&byte, 1});
  }
}

template <std::integral Integer>
void append_integer(std::string& out, Integer value) {
  std::array<char, 24> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  out.append(digits.data(), end);
}

}  // namespace

void append_json_text(std::string& out, std::string_view text) {
  out += '"';
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t start = at;
    while (at < text.size() && is_plain(byte_at(text, at))) ++at;
    out.append(text.substr(start, at - start));
    if (at == text.size()) break;
    const std::size_t bytes = character_bytes(text, at);
    if (bytes == 0) {
      out += replacement;
      ++at;
    } else if (bytes == 1) {
      append_escaped(out, byte_at(text, at));
      ++at;
    } else {
      out.append(text.substr(at, bytes));
      at += bytes;
    }
  }
  out += '"';
}

void append_json_text_or_null(std::string& out, std::string_view text) {
  if (text.empty()) {
    out += "null";
  } else {
    append_json_text(out, text);
  }
}

void append_json_integer(std::string& out, std::int64_t value) {
  append_integer(out, value);
}
void append_json_integer(std::string& out, std::uint64_t value) {
  append_integer(out, value);
}

void append_json_time(std::string& out, TimeUs time) {
  out += '"';
  out += rfc3339(time);
  out += '"';
}

void append_json_hex(std::string& out, std::uint64_t value) {
  out += '"';
  out += hex(value);
  out += '"';
}

void append_json_hex(std::string& out, std::span<const std::uint8_t> bytes) {
  out += '"';
  append_hex(out, bytes);
  out += '"';
}

bool is_json_text(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t bytes = character_bytes(text, at);
    if (bytes == 0 || text[at] == '\0') return false;
    at += bytes;
  }
  return true;
}

void append_json_member(std::string& out, std::string_view name) {
  if (out.back() != '{') out += ',';
  append_json_text(out, name);
  out += ':';
}

void append_json_member(std::string& out, std::string_view name, std::uint64_t value) {
  append_json_member(out, name);
  append_json_integer(out, value);
}

void append_json_member(std::string& out, std::string_view name, std::int64_t value) {
  append_json_member(out, name);
  append_json_integer(out, value);
}

void append_json_member(std::string& out, std::string_view name, bool value) {
  append_json_member(out, name);
  append_json_bool(out, value);
}

}  // namespace pawl
