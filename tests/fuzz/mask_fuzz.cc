// Secrets in output: masked alike however it is cut, and never readable in it.
#include <array>
#include <memory>

#include "daemon/work/output_mask.h"
#include "tests/fuzz/fuzz.h"

namespace pawl::fuzz {

/// The first lines of the input are secrets; the rest is output, in chunks whose size the first byte gives.
void mask(Bytes input) {
  const std::string_view text = text_of(input);
  const std::size_t first = text.find('\0');
  if (first == std::string_view::npos || first + 2 > text.size()) return;
  const std::string secret(text.substr(0, first));
  const std::string_view printed = text.substr(first + 2);
  const std::size_t chunk = static_cast<unsigned char>(text[first + 1]) + 1u;
  const auto room = std::make_unique<std::array<char, mask_room_bytes>>();
  const auto masked = [&](std::size_t size) {
    OutputMask mask;
    const char* const pointer = secret.c_str();
    std::string shown;
    if (!mask.learn(&pointer, 1)) return shown;
    for (std::size_t at = 0; at < printed.size(); at += size) {
      const std::string_view piece = printed.substr(at, size);
      shown.append(room->data(), mask.pass(piece.data(), piece.size(), room->data(), OutputMask::Rest::follows));
    }
    return shown.append(room->data(), mask.pass(nullptr, 0, room->data(), OutputMask::Rest::none));
  };
  const std::string shown = masked(chunk);
  PAWL_ASSERT(shown == masked(mask_chunk_bytes));
  const bool is_one_line = secret.find('\n') == std::string::npos && secret.find('\r') == std::string::npos;
  const bool is_apart = secret.find('*') == std::string::npos;  // of the mask
  if (is_one_line && is_apart && secret.size() >= masked_bytes_min) {
    PAWL_ASSERT(shown.find(secret) == std::string::npos);
  }
}

}  // namespace pawl::fuzz
