#include "tools/commands/terminal_text.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <vector>

#include "schema/printable.h"
#include "schema/utf8.h"

namespace pawl {
namespace {

constexpr char escape = '\x1b';
constexpr std::string_view colours_off = "\x1b[0m";
constexpr std::size_t sequence_bytes_max = 64;  // more than any colour needs

/// The numbers in `38;5;196`. Anything after a colon belongs to the number before it.
std::vector<int> numbers_in(std::string_view parameters) {
  std::vector<int> numbers;
  for (std::size_t begin = 0; begin <= parameters.size();) {
    const std::size_t end = std::min(parameters.find(';', begin), parameters.size());
    int number = 0;
    std::from_chars(parameters.data() + begin, parameters.data() + end, number);
    numbers.push_back(number);
    begin = end + 1;
  }
  return numbers;
}

/// Whether the parameters of "select graphic rendition" make text invisible: 8 does, unless it is part of a colour.
bool conceals(std::string_view parameters) {
  constexpr int conceal = 8;
  const std::vector<int> numbers = numbers_in(parameters);
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    if (numbers[i] == conceal) return true;
    const bool is_colour = numbers[i] == 38 || numbers[i] == 48 || numbers[i] == 58;
    if (!is_colour || i + 1 == numbers.size()) continue;
    if (numbers[i + 1] == 5)
      i += 2;  // of a palette
    else if (numbers[i + 1] == 2)
      i += 4;  // red, green, blue
  }
  return false;
}

/// The length in bytes of the colour at the start of `text`: ESC [ numbers m. 0: not a colour; none: not known yet.
std::optional<std::size_t> colour_bytes(std::string_view text) {
  if (text.size() == 1) return std::nullopt;
  if (text[1] != '[') return 0;
  const std::size_t end = text.find_first_not_of("0123456789;:", 2);
  if (end == std::string_view::npos) {
    return text.size() < sequence_bytes_max ? std::nullopt : std::optional<std::size_t>(0);
  }
  if (text[end] != 'm' || end >= sequence_bytes_max || conceals(text.substr(2, end - 2))) return 0;
  return end + 1;
}

/// Whether `text`, which does not begin with a whole character, could still become one.
bool may_be_cut(std::string_view text) {
  constexpr std::string_view rest = "\x80\x80\x80";
  for (const char low : {'\x80', '\x90', '\xA0'}) {
    for (std::size_t more = 1; more < 4 && text.size() + more <= 4; ++more) {
      const std::string whole = std::string(text) + low + std::string(rest.substr(0, more - 1));
      if (character_bytes(whole, 0) == whole.size()) return true;
    }
  }
  return false;
}

}  // namespace

std::string TerminalText::take(std::string_view piece) {
  held_ += piece;
  const std::string_view text = held_;
  std::string out;
  std::size_t at = 0;
  while (at < text.size()) {
    const auto is_plain = [](char c) { return (c >= 0x20 && c < 0x7F) || c == '\n' || c == '\t'; };
    const auto plain_end = std::find_if_not(text.begin() + static_cast<std::ptrdiff_t>(at), text.end(), is_plain);
    const auto plain_bytes = static_cast<std::size_t>(plain_end - text.begin()) - at;
    out += text.substr(at, plain_bytes);
    at += plain_bytes;
    if (at == text.size()) break;
    const std::string_view rest = text.substr(at);
    if (rest.front() == escape) {
      const auto colour = colour_bytes(rest);
      if (!colour) break;
      out += *colour > 0 ? std::string(rest.substr(0, *colour)) : printable(rest.substr(0, 1));
      has_colours_ = has_colours_ || *colour > 0;
      at += std::max<std::size_t>(*colour, 1);
      continue;
    }
    if (rest.front() == '\r') {
      if (rest.size() == 1) break;
      // Part of a line end on some systems; alone it would overwrite the line.
      if (rest[1] != '\n') out += printable(rest.substr(0, 1));
      ++at;
      continue;
    }
    const std::size_t bytes = character_bytes(rest, 0);
    if (bytes == 0 && rest.size() < 4 && may_be_cut(rest)) break;
    const std::size_t taken = std::max<std::size_t>(bytes, 1);
    out += printable(rest.substr(0, taken));
    at += taken;
  }
  held_.erase(0, at);
  return out;
}

std::string TerminalText::end() {
  std::string out = printable(held_);
  held_.clear();
  if (has_colours_) out += colours_off;
  has_colours_ = false;
  return out;
}

}  // namespace pawl
