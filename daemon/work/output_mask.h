// Secrets, kept out of what a command prints. Linked into the daemon and into the keeper's program, so it uses nothing
// but the C library, and all its memory is one mapping that is made before the command begins.
//
// A secret is looked for line by line: each of its lines that is long enough is a word, and each place in the output
// that a word covers is replaced. Words that overlap are one place. What may be the beginning of a word is held back
// until more is printed, so that a word is found however it is cut into chunks; that is never more than the longest
// word has.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace pawl {

/// Anything shorter would be hidden in text that has nothing to do with it.
constexpr std::size_t masked_bytes_min = 8;
/// Of one secret.
constexpr std::size_t masked_bytes_max = 64 * 1024;
/// What one call of OutputMask::pass() takes.
constexpr std::size_t mask_chunk_bytes = 256 * 1024;
constexpr std::string_view mask_text = "***";

class OutputMask {
 public:
  OutputMask() = default;
  OutputMask(const OutputMask&) = delete;
  OutputMask& operator=(const OutputMask&) = delete;
  ~OutputMask();

  /// Once, before pass(). The secrets are copied. False, with errno, if there is no memory for them, or one is too
  /// long.
  bool learn(const char* const* secrets, std::size_t count);

  /// Whether bytes follow that may complete the beginning of a word.
  enum class Rest { follows, none };
  /// Takes up to mask_chunk_bytes bytes, and writes to `out` what can be shown of all that it was given so far: how
  /// much that is. Requires: `out` has room for mask_room_bytes.
  std::size_t pass(const char* bytes, std::size_t count, char* out, Rest rest);

 private:
  struct Word {
    const char* text;
    std::uint32_t length;
    std::int32_t prefix;  // the longest word that this one begins with; -1: none
  };
  struct Found {
    std::size_t length = 0;  // of the longest word that stands there; 0: none does
    bool may_go_on = false;  // a longer one may, once more is printed
  };
  Found look(const char* at, std::size_t left) const;
  bool may_begin(const char* at) const;
  void index();

  void* memory_ = nullptr;
  std::size_t memory_bytes_ = 0;
  Word* words_ = nullptr;  // in the order of their bytes
  std::size_t word_count_ = 0;
  char* held_ = nullptr;  // what is not decided yet, and room for a chunk behind it
  std::size_t held_count_ = 0;
  std::size_t hidden_ = 0;                        // bytes from the first held one on that a word covers
  std::array<std::uint64_t, 1024> beginnings_{};  // a bit for each hash of the first bytes of a word
};

constexpr std::size_t mask_room_bytes = mask_chunk_bytes + masked_bytes_max + mask_text.size();

}  // namespace pawl
