#include "daemon/work/path_component.h"

#include <openssl/sha.h>

#include <array>

#include "schema/hex.h"

namespace pawl {
namespace {

constexpr std::size_t component_bytes_max = 200;  // the 255 that file systems allow, less our suffixes

}  // namespace

std::string path_component_of(const std::string& name) {
  std::string component;
  for (const char c : name) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
                       (c == '-' && !component.empty()) || (c == '.' && !component.empty());
    if (plain) {
      component += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    component += '%';
    component += "0123456789ABCDEF"[byte >> 4];
    component += "0123456789ABCDEF"[byte & 15];
  }
  if (component.size() <= component_bytes_max && !component.empty()) return component;
  // Too long with its escapes: a hash distinguishes it from similar names, and no name without a hash can look like it.
  std::array<unsigned char, SHA256_DIGEST_LENGTH> hash{};
  ::SHA256(reinterpret_cast<const unsigned char*>(name.data()), name.size(), hash.data());
  component = component.substr(0, 100) + "%";
  append_hex(component, hash);
  return component;
}

}  // namespace pawl
