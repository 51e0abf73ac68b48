#include "schema/json/json_text.h"

#include <gtest/gtest.h>

namespace pawl {
namespace {

std::string text(std::string_view content) {
  std::string out;
  append_json_text(out, content);
  return out;
}

TEST(JsonText, plain_text_is_quoted) {
  EXPECT_EQ(text("deploy-staging"), R"("deploy-staging")");
}

TEST(JsonText, quotes_backslashes_and_controls_are_escaped) {
  EXPECT_EQ(text("a\"b\\c"), R"("a\"b\\c")");
  EXPECT_EQ(text("\b\f\n\r\t"), R"("\b\f\n\r\t")");
  EXPECT_EQ(text(std::string_view("\0\x1f\x7f", 3)), "\"\\u0000\\u001f\x7f\"");
}

TEST(JsonText, utf8_stays_as_it_is) {
  EXPECT_EQ(text("Gate: grün 漢 😀"), "\"Gate: grün 漢 😀\"");
}

TEST(JsonText, what_is_not_utf8_is_replaced_byte_by_byte) {
  EXPECT_EQ(text("a\xFFz"), "\"a\xEF\xBF\xBDz\"");
  EXPECT_EQ(text("\xC0\x80"), "\"\xEF\xBF\xBD\xEF\xBF\xBD\"");                  // overlong
  EXPECT_EQ(text("\xED\xA0\x80"), "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"");  // a surrogate
  EXPECT_EQ(text("\xE6\xBC"), "\"\xEF\xBF\xBD\xEF\xBF\xBD\"");                  // cut off
}

TEST(JsonText, is_json_text_wants_utf8_without_zero_bytes) {
  EXPECT_TRUE(is_json_text(""));
  EXPECT_TRUE(is_json_text("grün\n"));
  EXPECT_FALSE(is_json_text("\xFF"));
  EXPECT_FALSE(is_json_text(std::string_view("a\0b", 3)));
  EXPECT_FALSE(is_json_text("\xF4\x90\x80\x80"));  // beyond U+10FFFF
}

TEST(JsonText, integers_keep_their_sign_and_their_64_bits) {
  std::string out;
  append_json_integer(out, std::int64_t{-1});
  out += ' ';
  append_json_integer(out, ~std::uint64_t{0});
  EXPECT_EQ(out, "-1 18446744073709551615");
}

TEST(JsonText, hex_has_all_its_digits_in_lower_case) {
  std::string out;
  append_json_hex(out, std::uint64_t{0xABC});
  EXPECT_EQ(out, "\"0000000000000abc\"");
}

TEST(JsonText, empty_text_can_be_null) {
  std::string out;
  append_json_text_or_null(out, "");
  append_json_text_or_null(out, "x");
  EXPECT_EQ(out, "null\"x\"");
}

}  // namespace
}  // namespace pawl
