#include "engine/state/digest.h"

#include <xxhash.h>

namespace pawl {

std::uint64_t detail::hash_bytes(const std::string& bytes) {
  return XXH3_64bits(bytes.data(), bytes.size());
}

}  // namespace pawl
