// However the output is cut, masking matches a naive search.
#include "daemon/work/output_mask.h"

#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <sstream>
#include <string>
#include <vector>

namespace pawl {
namespace {

using Strings = std::vector<std::string>;

/// Masks a text that comes in chunks of these sizes, followed by one with the rest.
std::string seen_of(const Strings& secrets, const std::string& text, const std::vector<std::size_t>& chunks = {}) {
  std::vector<const char*> pointers;
  for (const std::string& secret : secrets) pointers.push_back(secret.c_str());
  OutputMask mask;
  EXPECT_TRUE(mask.learn(pointers.data(), pointers.size()));
  const auto room = std::make_unique<std::array<char, mask_room_bytes>>();
  std::string shown;
  const auto pass = [&](std::string_view piece, OutputMask::Rest rest) {
    shown.append(room->data(), mask.pass(piece.data(), piece.size(), room->data(), rest));
  };
  std::size_t at = 0;
  for (const std::size_t size : chunks) {
    const std::string_view piece = std::string_view(text).substr(at, size);
    pass(piece, OutputMask::Rest::follows);
    at += piece.size();
  }
  while (at < text.size()) {
    const std::string_view piece = std::string_view(text).substr(at, mask_chunk_bytes);
    pass(piece, OutputMask::Rest::follows);
    at += piece.size();
  }
  pass({}, OutputMask::Rest::none);
  return shown;
}

/// The same by trying each line of each secret at each position.
std::string naively_masked(const Strings& secrets, const std::string& text) {
  Strings words;
  for (const std::string& secret : secrets) {
    std::istringstream lines(secret);
    for (std::string line; std::getline(lines, line);) {
      while (line.ends_with('\r')) line.pop_back();
      if (line.size() >= 8) words.push_back(line);
    }
  }
  std::string shown;
  std::size_t hidden_to = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    std::size_t to = at;
    for (const std::string& word : words) {
      if (text.compare(at, word.size(), word) == 0) to = std::max(to, at + word.size());
    }
    if (to > at && hidden_to <= at) shown += "***";
    hidden_to = std::max(hidden_to, to);
    if (hidden_to <= at) shown += text[at];
  }
  return shown;
}

TEST(OutputMask, a_secret_is_replaced_wherever_it_stands) {
  EXPECT_EQ(seen_of({"hunter2hunter2"}, "a hunter2hunter2 b hunter2hunter2\nhunter2hunter2"), "a *** b ***\n***");
  EXPECT_EQ(seen_of({"correct-horse"}, "correct-horsecorrect-horse"), "******")
      << "adjacent ones are masked separately";
}

TEST(OutputMask, a_secret_of_less_than_eight_bytes_is_left_alone) {
  EXPECT_EQ(seen_of({"1234567", "12345678"}, "1234567 12345678 "), "1234567 *** ");
}

TEST(OutputMask, each_line_of_a_secret_that_is_long_enough_is_one) {
  const std::string key = "-----BEGIN-----\nMIIEvQIBADANBg\nshort\nkqhkiG9w0BAQ\r\n";
  EXPECT_EQ(seen_of({key}, "MIIEvQIBADANBg|kqhkiG9w0BAQ|short|-----BEGIN-----\n"), "***|***|short|***\n");
}

TEST(OutputMask, of_two_that_begin_alike_the_longest_is_taken) {
  EXPECT_EQ(seen_of({"abcdefgh", "abcdefghijkl"}, "abcdefghijkl abcdefghij abcdefgh"), "*** ***ij ***");
}

TEST(OutputMask, secrets_that_overlap_are_one_place) {
  EXPECT_EQ(seen_of({"abcdefgh", "efghijkl"}, "-abcdefghijkl-"), "-***-");
}

TEST(OutputMask, a_secret_is_found_however_it_is_cut) {
  const std::string text = "token: correct-horse-battery\n";
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    EXPECT_EQ(seen_of({"correct-horse-battery"}, text, {cut}), "token: ***\n") << cut;
  }
  EXPECT_EQ(seen_of({"correct-horse-battery"}, text, std::vector<std::size_t>(text.size(), 1)), "token: ***\n");
}

TEST(OutputMask, the_beginning_of_a_secret_is_held_back_and_shown_at_the_end) {
  EXPECT_EQ(seen_of({"correct-horse-battery"}, "correct-horse", {5}), "correct-horse");
}

TEST(OutputMask, what_has_no_line_end_is_shown_as_it_comes) {
  const std::string secret(masked_bytes_max, 'x');
  OutputMask mask;
  const char* const pointer = secret.c_str();
  ASSERT_TRUE(mask.learn(&pointer, 1));
  const auto room = std::make_unique<std::array<char, mask_room_bytes>>();
  const std::string chunk(mask_chunk_bytes, 'y');
  std::size_t shown = 0;
  for (int i = 0; i < 16; ++i) {
    shown += mask.pass(chunk.data(), chunk.size(), room->data(), OutputMask::Rest::follows);
    EXPECT_EQ(shown, (static_cast<std::size_t>(i) + 1) * chunk.size());
  }
}

TEST(OutputMask, a_secret_that_is_too_long_is_refused) {
  const std::string secret(masked_bytes_max + 1, 'x');
  OutputMask mask;
  const char* const pointer = secret.c_str();
  EXPECT_FALSE(mask.learn(&pointer, 1));
}

/// Made of two letters only, so that there are many overlaps and common prefixes.
TEST(OutputMask, any_text_in_any_chunks_is_masked_as_by_a_naive_reader) {
  std::mt19937 random(20260615);
  const auto number = [&](std::size_t most) { return std::uniform_int_distribution<std::size_t>(0, most)(random); };
  const auto letters = [&](std::size_t length, std::string_view of) {
    std::string text;
    while (text.size() < length) text += of[number(of.size() - 1)];
    return text;
  };
  for (int round = 0; round < 4000; ++round) {
    Strings secrets;
    for (std::size_t i = number(5) + 1; i > 0; --i) secrets.push_back(letters(number(24), "aaab\n\r"));
    if (number(1) == 0) secrets.push_back(secrets[0] + letters(number(9), "ab"));
    std::string text = letters(number(200), number(1) == 0 ? "aaaab\n" : "ab\n");
    for (const std::string& secret : secrets) text.insert(number(text.size()), secret);
    std::vector<std::size_t> chunks;
    for (std::size_t at = 0; at < text.size(); at += chunks.back()) chunks.push_back(number(30) + 1);
    ASSERT_EQ(seen_of(secrets, text, chunks), naively_masked(secrets, text)) << "round " << round;
  }
}

}  // namespace
}  // namespace pawl
