// A command's output, made safe for a terminal.
#include "tools/commands/terminal_text.h"

#include <gtest/gtest.h>

namespace pawl {
namespace {

std::string given(std::string_view text) {
  TerminalText terminal;
  const std::string begun = terminal.take(text);
  return begun + terminal.end();
}

TEST(TerminalText, texts_lines_tabs_and_colours_go_through) {
  for (const char* text : {"", "plain\n\tgrün 日本 \U0001F600\n", "a\r\nb"}) {
    std::string seen = text;
    if (const auto at = seen.find('\r'); at != std::string::npos) seen.erase(at, 1);
    EXPECT_EQ(given(text), seen);
  }
  for (const char* colour : {"\x1b[m", "\x1b[0m", "\x1b[1;31m", "\x1b[38;5;8m", "\x1b[48;2;8;8;8m", "\x1b[38:2::1:2:3m",
                             "\x1b[4:3m", "\x1b[58;5;8;4m"}) {
    EXPECT_EQ(given(std::string(colour) + "x"), std::string(colour) + "x\x1b[0m") << "put back at the end";
  }
}

TEST(TerminalText, whatever_else_is_shown) {
  const std::pair<const char*, const char*> each[] = {
      {"\x1b[2J", "\\x1b[2J"},                             // clears
      {"\x1b[1A\x1b[2K", "\\x1b[1A\\x1b[2K"},              // moves up and overwrites
      {"\x1b]0;title\x07", "\\x1b]0;title\\x07"},          // renames the window
      {"\x1b]52;c;QQ==\x1b\\", "\\x1b]52;c;QQ==\\x1b\\"},  // fills the clipboard
      {"\x1b[6n", "\\x1b[6n"},                             // makes the terminal type
      {"\x1bP+q\x1b\\", "\\x1bP+q\\x1b\\"},
      {"\x1b[8mhidden", "\\x1b[8mhidden"},
      {"\x1b[31;8mhidden", "\\x1b[31;8mhidden"},
      {"\x1b[?25l", "\\x1b[?25l"},
      {"\x1b[>4;1m", "\\x1b[>4;1m"},  // ends with m, but is not a colour
      {"\x1b\x1b[0mx", "\\x1b\x1b[0mx\x1b[0m"},
      {"100 %\rok", "100 %\\x0dok"},
      {"a\bb\x7f", "a\\x08b\\x7f"},
      {"\u009B2J", "\\u{9b}2J"},
      {"\x9B"
       "2J",
       "\\x9b2J"},
      {"if (\u202E)", "if (\\u{202e})"},
      {"\x1b", "\\x1b"},
      {"\x1b[31", "\\x1b[31"},
      {"cut \xE2\x82", "cut \\xe2\\x82"},
  };
  for (const auto& [text, seen] : each) EXPECT_EQ(given(text), seen);
  const std::string endless = "\x1b[" + std::string(100, '1');
  EXPECT_EQ(given(endless + "m"), "\\x1b[" + std::string(100, '1') + "m");
}

TEST(TerminalText, where_it_is_cut_makes_no_difference) {
  const std::string text =
      "a\x1b[1;31mred\x1b[0m\r\n\xE2\x82\xAC \U0001F600 \xF0\x9F x\x1b[2J\r\x1b]0;t\x07 "
      "\u202E\x9B\xE0\xA0\x80\xED\x9F\xBF\xF4\x8F\xBF\xBD\x1b";
  const std::string whole = given(text);
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    TerminalText terminal;
    std::string out = terminal.take(text.substr(0, cut));
    out += terminal.take(text.substr(cut));
    EXPECT_EQ(out + terminal.end(), whole) << cut;
  }
  TerminalText terminal;
  std::string out;
  for (const char c : text) out += terminal.take({&c, 1});
  EXPECT_EQ(out + terminal.end(), whole);
}

}  // namespace
}  // namespace pawl
