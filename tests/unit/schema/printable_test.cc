// How foreign text is shown to people.
#include "schema/printable.h"

#include <gtest/gtest.h>

#include "schema/utf8.h"

namespace pawl {
namespace {

TEST(Printable, what_is_seen_stays) {
  for (const char* text : {"", "plain ~!\\", "grün", "日本語", "עברית", "العربية", "\U0001F600", "⚠\uFE0F", "e\u0301",
                           "\\x1b \\u{202e}", "\u0600\u0661", "\uE000"}) {
    EXPECT_EQ(printable(text), text);
    EXPECT_EQ(unseen_in(text).has_value(), std::string_view(text).find("\uFE0F") != std::string_view::npos) << text;
  }
}

TEST(Printable, controls_of_ascii_are_shown_by_their_byte) {
  EXPECT_EQ(printable("a\x1b[31mb\x7f\r\b"), "a\\x1b[31mb\\x7f\\x0d\\x08");
  EXPECT_EQ(printable(std::string_view("a\0b", 3)), "a\\x00b");
}

TEST(Printable, an_end_of_a_line_is_a_blank_in_a_line_and_an_end_among_lines) {
  EXPECT_EQ(printable("a\n\tb"), "a  b");
  EXPECT_EQ(printable_lines("a\n\tb\x1b\u2028"), "a\n\tb\\x1b\\u{2028}");
}

TEST(Printable, other_unseen_characters_are_shown_by_their_number) {
  const std::pair<const char*, const char*> each[] = {
      {"\u0080", "\\u{80}"},       {"\u009B", "\\u{9b}"},   {"\u00AD", "\\u{ad}"},        {"\u034F", "\\u{34f}"},
      {"\u061C", "\\u{61c}"},      {"\u115F", "\\u{115f}"}, {"\u1160", "\\u{1160}"},      {"\u180E", "\\u{180e}"},
      {"\u200B", "\\u{200b}"},     {"\u200F", "\\u{200f}"}, {"\u2028", "\\u{2028}"},      {"\u2029", "\\u{2029}"},
      {"\u202A", "\\u{202a}"},     {"\u202E", "\\u{202e}"}, {"\u2060", "\\u{2060}"},      {"\u2064", "\\u{2064}"},
      {"\u2066", "\\u{2066}"},     {"\u2069", "\\u{2069}"}, {"\u3164", "\\u{3164}"},      {"\uFE00", "\\u{fe00}"},
      {"\uFEFF", "\\u{feff}"},     {"\uFFA0", "\\u{ffa0}"}, {"\U000E0001", "\\u{e0001}"}, {"\U000E007F", "\\u{e007f}"},
      {"\U000E0100", "\\u{e0100}"}};
  for (const auto& [character, shown] : each) {
    EXPECT_EQ(printable("a" + std::string(character) + "b"), "a" + std::string(shown) + "b");
    EXPECT_EQ(unseen_in("a" + std::string(character) + "b"), shown);
  }
  EXPECT_EQ(printable("\xEF\xBF\xBE \xF4\x8F\xBF\xBF"), "\\u{fffe} \\u{10ffff}") << "noncharacters";
}

TEST(Printable, bytes_that_are_no_utf8_are_shown_one_by_one_and_what_is_around_them_stays) {
  EXPECT_EQ(printable("grün \x9B"
                      "31m \xC3"),
            "grün \\x9b31m \\xc3");
  EXPECT_EQ(printable("\xED\xA0\x80"), "\\xed\\xa0\\x80") << "half of a surrogate pair";
  EXPECT_EQ(printable("\xC0\x9B"), "\\xc0\\x9b") << "ESC in a form that some decoders accept";
  EXPECT_EQ(unseen_in("a\xFF"), "\\xff");
}

TEST(Printable, what_is_printable_is_not_changed_again) {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  all += "\u202E\u2028\uFEFF\U000E0041 end";
  const std::string once = printable(all);
  EXPECT_EQ(printable(once), once);
  EXPECT_EQ(printable_lines(once), once);
}

TEST(Printable, a_name_has_no_ends_of_lines_and_no_style_of_emoji) {
  EXPECT_EQ(unseen_in("a\nb"), "\\x0a");
  EXPECT_EQ(unseen_in("shop\uFE0E"), "\\u{fe0e}");
  EXPECT_EQ(unseen_in("shop \U0001F6D2"), std::nullopt);
}

TEST(Utf8, code_points_are_what_the_bytes_say) {
  for (const auto& [character, point] :
       {std::pair("\x7F", U'\x7F'), std::pair("\u0080", U'\u0080'), std::pair("ü", U'ü'),
        std::pair("\u0800", U'\u0800'), std::pair("\uFFFD", U'\uFFFD'), std::pair("\U00010000", U'\U00010000'),
        std::pair("\U0010FFFD", U'\U0010FFFD')}) {
    EXPECT_EQ(code_point(character), point);
    EXPECT_EQ(character_bytes(character, 0), std::string_view(character).size());
  }
}

}  // namespace
}  // namespace pawl
