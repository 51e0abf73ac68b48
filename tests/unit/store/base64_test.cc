#include "store/base64.h"

#include <gtest/gtest.h>

namespace pawl {
namespace {

TEST(Base64, the_vectors_of_rfc_4648) {
  const std::pair<std::string, std::string> vectors[] = {{"", ""},
                                                         {"f", "Zg=="},
                                                         {"fo", "Zm8="},
                                                         {"foo", "Zm9v"},
                                                         {"foob", "Zm9vYg=="},
                                                         {"fooba", "Zm9vYmE="},
                                                         {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, encoded] : vectors) {
    const std::vector<std::uint8_t> bytes(plain.begin(), plain.end());
    EXPECT_EQ(base64(bytes), encoded);
    EXPECT_EQ(base64_decoded(encoded), bytes);
  }
}

TEST(Base64, what_it_would_not_write_it_does_not_read) {
  for (const std::string_view bad :
       {"Z", "Zg", "Zg=", "Zh==", "Zm9=", "Z===", "====", "Zm 9", "Zm9\n", " Zm9v  ", "Zm9v\n\n\n\n", "Zg==Zg=="}) {
    EXPECT_FALSE(base64_decoded(bad)) << bad;
  }
}

TEST(Base64, what_is_long_goes_piece_by_piece) {
  std::vector<std::uint8_t> bytes(7 * 1024 * 1024);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(i * 31 >> 3);
  const std::string text = base64(bytes);
  EXPECT_TRUE(text.ends_with("==") && text.find('=') == text.size() - 2);
  EXPECT_TRUE(base64_decoded(text) == bytes);
  // Only the end of all is padded, not that of a piece.
  constexpr std::size_t piece = 4 * 1024 * 1024;
  for (const std::size_t at : {std::size_t{0}, piece - 4, piece}) {
    std::string wrong = text;
    wrong.replace(at, 4, "Zg==");
    EXPECT_FALSE(base64_decoded(wrong)) << at;
  }
}

}  // namespace
}  // namespace pawl
