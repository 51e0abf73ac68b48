#include "schema/hex.h"

namespace pawl {

void append_hex(std::string& out, std::span<const std::uint8_t> bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  for (const std::uint8_t byte : bytes) {
    out += digits[byte >> 4];
    out += digits[byte & 15];
  }
}

std::string hex(std::span<const std::uint8_t> bytes) {
  std::string out;
  out.reserve(2 * bytes.size());
  append_hex(out, bytes);
  return out;
}

std::string hex(std::uint64_t value) {
  std::uint8_t bytes[8];
  for (std::uint8_t& byte : bytes) {
    byte = static_cast<std::uint8_t>(value >> 56);
    value <<= 8;
  }
  return hex(bytes);
}

bool read_hex(std::string_view digits, std::span<std::uint8_t> bytes) {
  if (digits.size() != 2 * bytes.size()) return false;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const char high = digits[2 * i];
    const char low = digits[2 * i + 1];
    if (hex_value(high) < 0 || hex_value(low) < 0) return false;
    if ((high >= 'A' && high <= 'F') || (low >= 'A' && low <= 'F')) return false;
    bytes[i] = static_cast<std::uint8_t>(hex_value(high) * 16 + hex_value(low));
  }
  return true;
}

int hex_value(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
  return -1;
}

}  // namespace pawl
