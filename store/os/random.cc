#include "store/os/random.h"

#include <sys/random.h>

#include <array>
#include <cerrno>

#include "schema/hex.h"
#include "schema/result.h"

namespace pawl {
namespace {

std::array<std::uint8_t, 16> random_bytes() {
  std::array<std::uint8_t, 16> bytes{};
  std::size_t have = 0;
  while (have < bytes.size()) {
    const ssize_t got = ::getrandom(bytes.data() + have, bytes.size() - have, 0);
    PAWL_ASSERT(got > 0 || errno == EINTR);
    if (got > 0) have += static_cast<std::size_t>(got);
  }
  return bytes;
}

}  // namespace

std::string random_hex() {
  return hex(random_bytes());
}

std::string random_uuid() {
  std::array<std::uint8_t, 16> bytes = random_bytes();
  bytes[6] = static_cast<std::uint8_t>((bytes[6] & 0x0F) | 0x40);  // version 4
  bytes[8] = static_cast<std::uint8_t>((bytes[8] & 0x3F) | 0x80);  // variant 1
  std::string id = hex(bytes);
  for (const std::size_t at : {8U, 13U, 18U, 23U}) id.insert(at, 1, '-');
  return id;
}

}  // namespace pawl
