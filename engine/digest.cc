#include "engine/digest.h"

#include <xxhash.h>

namespace pawl {

std::uint64_t detail::hash_bytes(const std::string& bytes) {
  return XXH3_64bits(bytes.data(), bytes.size());
}

namespace {

/// Writes the value as the canonical encoding has it. Which of the four kinds it is stands before it: `true` and 1
/// have the same eight bytes.
struct ValueWriter {
  CanonicalWriter writer;

  void operator()(bool value) { writer.integer(value ? 1 : 0); }
  void operator()(std::int64_t value) { writer.integer(static_cast<std::uint64_t>(value)); }
  void operator()(const std::string& value) { writer.text(value); }
  void operator()(const std::vector<std::string>& values) {
    writer.count(values.size());
    for (const std::string& value : values) writer.text(value);
  }
};

/// The field ids of fb::SettingValue, which are on disk as well: never changed.
struct ValueKind {
  char operator()(bool) { return 1; }
  char operator()(std::int64_t) { return 2; }
  char operator()(const std::string&) { return 3; }
  char operator()(const std::vector<std::string>&) { return 4; }
};

}  // namespace

std::uint64_t setting_hash(const std::string& key, const SettingValue& value) {
  std::string bytes;
  bytes.push_back(static_cast<char>(RowKind::setting));
  CanonicalWriter(bytes).text(key);
  bytes.push_back(std::visit(ValueKind{}, value));
  std::visit(ValueWriter{CanonicalWriter(bytes)}, value);
  return detail::hash_bytes(bytes);
}

}  // namespace pawl
