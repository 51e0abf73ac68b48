// Masks secrets in a command's output. Linked into the daemon and into the keeper's program, so it uses only the C
// library, and all its memory is one mapping made before the command begins.
//
// It searches for a secret line by line: each line of it that is long enough is a word, and each occurrence of a word
// in the output is replaced. Overlapping words count as one occurrence. Output that may be the beginning of a word is
// held back until more arrives, so a word is found however it is cut into chunks; that is never more than the longest
// word.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace pawl {

/// Masking anything shorter would hide unrelated text.
constexpr std::size_t masked_bytes_min = 8;
/// Limit for one secret.
constexpr std::size_t masked_bytes_max = 64 * 1024;
/// Limit for one call of OutputMask::pass().
constexpr std::size_t mask_chunk_bytes = 256 * 1024;
constexpr std::string_view mask_text = "***";

class OutputMask {
 public:
  OutputMask() = default;
  OutputMask(const OutputMask&) = delete;
  OutputMask& operator=(const OutputMask&) = delete;
  ~OutputMask();

  /// Call once, before pass(). Copies the secrets. False, with errno set, if memory runs out or a secret is too long.
  bool learn(const char* const* secrets, std::size_t count);

  /// Whether more bytes follow, which may complete the beginning of a word.
  enum class Rest { follows, none };
  /// Takes up to mask_chunk_bytes bytes, writes to `out` what can now be shown of all input so far, and returns its
  /// length. Requires: `out` has room for mask_room_bytes.
  std::size_t pass(const char* bytes, std::size_t count, char* out, Rest rest);

 private:
  struct Word {
    const char* text;
    std::uint32_t length;
    std::int32_t prefix;  // the longest word that this one begins with; -1: none
  };
  struct Found {
    std::size_t length = 0;  // of the longest word found there; 0: none
    bool may_go_on = false;  // a longer word may follow, once more is printed
  };
  Found look(const char* at, std::size_t left) const;
  bool may_begin(const char* at) const;
  void index();

  void* memory_ = nullptr;
  std::size_t memory_bytes_ = 0;
  Word* words_ = nullptr;  // sorted by their bytes
  std::size_t word_count_ = 0;
  char* held_ = nullptr;  // undecided output, with room for a chunk after it
  std::size_t held_count_ = 0;
  std::size_t hidden_ = 0;                        // how many bytes, from the first held one, a word covers
  std::array<std::uint64_t, 1024> beginnings_{};  // one bit per hash of a word's first bytes
};

constexpr std::size_t mask_room_bytes = mask_chunk_bytes + masked_bytes_max + mask_text.size();

}  // namespace pawl
