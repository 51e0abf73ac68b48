#include "store/base64.h"

#include <openssl/evp.h>

#include <algorithm>

namespace pawl {
namespace {

// OpenSSL counts in an int, and a checkpoint may be longer than that.
constexpr std::size_t base64_piece_bytes = std::size_t{3} * 1024 * 1024;
constexpr std::size_t piece_letters = base64_piece_bytes / 3 * 4;

}  // namespace

std::string base64(std::span<const std::uint8_t> bytes) {
  std::string out((bytes.size() + 2) / 3 * 4 + 1, '\0');  // with the zero that OpenSSL puts behind it
  std::size_t length = 0;
  for (; !bytes.empty(); bytes = bytes.subspan(std::min(base64_piece_bytes, bytes.size()))) {
    length += static_cast<std::size_t>(EVP_EncodeBlock(reinterpret_cast<unsigned char*>(&out[length]), bytes.data(),
                                                       static_cast<int>(std::min(base64_piece_bytes, bytes.size()))));
  }
  out.resize(length);
  return out;
}

std::optional<std::vector<std::uint8_t>> base64_decoded(std::string_view text) {
  std::vector<std::uint8_t> out;
  out.reserve(text.size() / 4 * 3);
  while (!text.empty()) {
    const std::string_view piece = text.substr(0, piece_letters);
    text.remove_prefix(piece.size());
    std::vector<std::uint8_t> bytes(piece.size() / 4 * 3);
    const int length = EVP_DecodeBlock(bytes.data(), reinterpret_cast<const unsigned char*>(piece.data()),
                                       static_cast<int>(piece.size()));
    if (length < 0 || (piece.back() == '=' && !text.empty())) return std::nullopt;
    const std::size_t padding = piece.ends_with("==") ? 2 : piece.ends_with('=') ? 1 : 0;
    bytes.resize(static_cast<std::size_t>(length) - padding);
    // OpenSSL overlooks white space around it, '=' in its midst, and bits that no byte has.
    if (base64(bytes) != piece) return std::nullopt;
    out.insert(out.end(), bytes.begin(), bytes.end());
  }
  return out;
}

}  // namespace pawl
