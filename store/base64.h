// Base64 (RFC 4648 §4, with padding), by OpenSSL: checkpoints in exported lines, signing tokens of webhooks.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace pawl {

std::string base64(std::span<const std::uint8_t> bytes);
/// None unless `text` is exactly what base64() makes of some bytes.
std::optional<std::vector<std::uint8_t>> base64_decoded(std::string_view text);

}  // namespace pawl
