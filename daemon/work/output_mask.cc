#include "daemon/work/output_mask.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace pawl {
namespace {

constexpr int hash_bits = 16;

std::uint64_t hash_of(const char* bytes) {
  std::uint64_t first = 0;
  static_assert(sizeof first == masked_bytes_min);
  std::memcpy(&first, bytes, sizeof first);
  return (first * 0x9E3779B97F4A7C15) >> (64 - hash_bits);
}

/// Calls `each` with the lines of a secret that are long enough, without their line ends.
template <class Each>
void each_word(const char* secret, Each each) {
  for (const char* line = secret; *line;) {
    const std::size_t length = std::strcspn(line, "\n");
    std::size_t shown = length;
    while (shown > 0 && line[shown - 1] == '\r') --shown;
    if (shown >= masked_bytes_min) each(line, shown);
    line += length + (line[length] == '\n' ? 1 : 0);
  }
}

}  // namespace

OutputMask::~OutputMask() {
  if (memory_) ::munmap(memory_, memory_bytes_);
}

bool OutputMask::learn(const char* const* secrets, std::size_t count) {
  std::size_t words = 0;
  std::size_t bytes = 0;
  std::size_t longest = 0;
  for (std::size_t i = 0; i < count; ++i) {
    each_word(secrets[i], [&](const char*, std::size_t length) {
      ++words;
      bytes += length;
      longest = std::max(longest, length);
    });
  }
  if (words == 0) return true;
  if (longest > masked_bytes_max) {
    errno = E2BIG;
    return false;
  }
  memory_bytes_ = words * sizeof(Word) + bytes + longest + mask_chunk_bytes;
  void* memory = ::mmap(nullptr, memory_bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return false;
  memory_ = memory;
  words_ = static_cast<Word*>(memory_);
  char* text = reinterpret_cast<char*>(words_ + words);
  for (std::size_t i = 0; i < count; ++i) {
    each_word(secrets[i], [&](const char* word, std::size_t length) {
      std::memcpy(text, word, length);
      words_[word_count_++] = {text, static_cast<std::uint32_t>(length), -1};
      text += length;
    });
  }
  held_ = text;
  index();
  return true;
}

void OutputMask::index() {
  std::sort(words_, words_ + word_count_, [](const Word& one, const Word& other) {
    return std::string_view(one.text, one.length) < std::string_view(other.text, other.length);
  });
  for (std::size_t i = 0; i < word_count_; ++i) {
    Word& word = words_[i];
    const std::uint64_t hash = hash_of(word.text);
    beginnings_[hash / 64] |= std::uint64_t{1} << (hash % 64);
    // A word that is a prefix of this one is the previous word in order, or a prefix of that.
    std::int32_t prefix = static_cast<std::int32_t>(i) - 1;
    const auto begins_with = [&word](const Word& other) {
      return other.length <= word.length && std::memcmp(other.text, word.text, other.length) == 0;
    };
    while (prefix >= 0 && !begins_with(words_[prefix])) prefix = words_[prefix].prefix;
    word.prefix = prefix;
  }
}

bool OutputMask::may_begin(const char* at) const {
  const std::uint64_t hash = hash_of(at);
  return (beginnings_[hash / 64] >> (hash % 64)) & 1;
}

OutputMask::Found OutputMask::look(const char* at, std::size_t left) const {
  if (left >= masked_bytes_min && !may_begin(at)) return {};
  // The first word that sorts after the text at `at`. A word that begins with all of that text also sorts after it.
  const Word* const begin = words_;
  const Word* const end = words_ + word_count_;
  const Word* const next = std::partition_point(begin, end, [&](const Word& word) {
    const int order = std::memcmp(word.text, at, std::min<std::size_t>(word.length, left));
    return order < 0 || (order == 0 && word.length <= left);
  });
  Found found;
  found.may_go_on = next != end && next->length > left && std::memcmp(next->text, at, left) == 0;
  std::int32_t before = static_cast<std::int32_t>(next - words_) - 1;
  const auto stands_there = [&](const Word& word) {
    return word.length <= left && std::memcmp(word.text, at, word.length) == 0;
  };
  while (before >= 0 && !stands_there(words_[before])) before = words_[before].prefix;
  if (before >= 0) found.length = words_[before].length;
  return found;
}

std::size_t OutputMask::pass(const char* bytes, std::size_t count, char* out, Rest rest) {
  if (word_count_ == 0) {  // so nothing is held back
    if (count > 0) std::memcpy(out, bytes, count);
    return count;
  }
  if (count > 0) std::memcpy(held_ + held_count_, bytes, count);
  const std::size_t end = held_count_ + count;
  std::size_t at = 0;
  std::size_t written = 0;
  for (; at < end; ++at) {
    const Found found = look(held_ + at, end - at);
    if (found.may_go_on && rest == Rest::follows) break;
    if (found.length > 0 && hidden_ == 0) {
      std::memcpy(out + written, mask_text.data(), mask_text.size());
      written += mask_text.size();
    }
    hidden_ = std::max(hidden_, found.length);
    if (hidden_ > 0) {
      --hidden_;
    } else {
      out[written++] = held_[at];
    }
  }
  held_count_ = end - at;
  std::memmove(held_, held_ + at, held_count_);
  return written;
}

}  // namespace pawl
