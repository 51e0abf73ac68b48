// Bytes as lower-case hex digits: digests, chains, hashes, random ids.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace pawl {

/// Two digits for each byte.
void append_hex(std::string& out, std::span<const std::uint8_t> bytes);
std::string hex(std::span<const std::uint8_t> bytes);
/// 16 digits, the most significant first.
std::string hex(std::uint64_t value);

/// Fills `bytes` from exactly two lower-case digits each. Returns false, and leaves `bytes` unspecified, for any other
/// text.
[[nodiscard]] bool read_hex(std::string_view digits, std::span<std::uint8_t> bytes);
/// The value of one digit of either case, -1 for any other character.
int hex_value(char digit);

}  // namespace pawl
