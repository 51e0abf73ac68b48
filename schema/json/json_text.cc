#include "schema/json/json_text.h"

#include <array>
#include <charconv>

#include "schema/hex.h"
#include "schema/utf8.h"

namespace pawl {
namespace {

constexpr std::string_view replacement = "\xEF\xBF\xBD";  // U+FFFD

std::uint8_t byte_at(std::string_view text, std::size_t at) {
  return static_cast<std::uint8_t>(text[at]);
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

void append_json_texts(std::string& out, std::span<const std::string> texts) {
  out += '[';
  for (const std::string& text : texts) {
    if (out.back() != '[') out += ',';
    append_json_text(out, text);
  }
  out += ']';
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
