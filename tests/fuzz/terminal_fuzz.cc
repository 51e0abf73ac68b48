// Command output on a terminal: the same however it is cut, and without anything that a terminal would obey.
#include "schema/printable.h"
#include "schema/utf8.h"
#include "tests/fuzz/fuzz.h"
#include "tools/commands/terminal_text.h"

namespace pawl::fuzz {
namespace {

/// The length in bytes of the colour sequence at the start of `text`; 0: none.
std::size_t colour_at(std::string_view text) {
  if (!text.starts_with("\x1b[")) return 0;
  const std::size_t end = text.find_first_not_of("0123456789;:", 2);
  return end != std::string_view::npos && text[end] == 'm' ? end + 1 : 0;
}

}  // namespace

/// Prints it in chunks whose size the first byte gives.
void terminal(Bytes input) {
  const std::string_view text = text_of(input);
  if (text.empty()) return;
  const std::size_t chunk = static_cast<unsigned char>(text.front()) + 1U;
  const std::string_view printed = text.substr(1);
  const auto shown = [&](std::size_t size) {
    TerminalText terminal;
    std::string out;
    for (std::size_t at = 0; at < printed.size(); at += size) out += terminal.take(printed.substr(at, size));
    return out + terminal.end();
  };
  const std::string out = shown(chunk);
  PAWL_ASSERT(out == shown(printed.size() + 1));
  for (std::size_t at = 0; at < out.size();) {
    if (const std::size_t colour = colour_at(std::string_view(out).substr(at)); colour > 0) {
      at += colour;
      continue;
    }
    const std::size_t bytes = character_bytes(out, at);
    PAWL_ASSERT(bytes > 0);
    const char32_t point = code_point(std::string_view(out).substr(at, bytes));
    PAWL_ASSERT(point == U'\n' || point == U'\t' || !is_unseen(point));
    at += bytes;
  }
  const std::string once = printable(printed);
  PAWL_ASSERT(printable(once) == once && printable_lines(once) == once);
}

}  // namespace pawl::fuzz
