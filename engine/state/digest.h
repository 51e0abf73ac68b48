// The hash of one row: XXH3 (64 bits) over a tag for its kind and its canonical encoding (schema/canonical.h). The
// digest of the state is the sum of the row hashes modulo 2^64, so the cost of a change is proportional to the rows it
// touches.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <variant>
#include <vector>

#include "engine/state/rows.h"
#include "schema/canonical.h"

namespace pawl {

/// The kind of a row, hashed before the row so that equal bytes of two kinds differ. On disk: never change a number.
enum class RowKind : std::uint8_t {
  ids = 1,
  task = 2,
  job = 3,
  lease = 4,
  boot = 5,
  setting = 6,
  pipeline = 7,
  repo = 8,
  hold = 9,
  freeze = 10
};

namespace detail {

/// Writes the fields that visit() names. A text is always written, even if empty; an absent optional and an `env`
/// without variables leave no trace. A setting is written as the index of its kind (flag, number, text, list) and its
/// value.
class CanonicalRowWriter {
 public:
  explicit CanonicalRowWriter(CanonicalWriter& writer) : writer_(writer) {}

  template <class T>
  void operator()(int id, const char*, const T& value) {
    if (is_absent(value)) return;
    writer_.field(static_cast<std::uint16_t>(id));
    write(value);
  }
  void end() { writer_.end(); }

 private:
  template <class T>
  static bool is_absent(const std::optional<T>& value) {
    return !value.has_value();
  }
  static bool is_absent(const Variables& env) { return env.empty(); }
  template <class T>
  static bool is_absent(const T&) {
    return false;
  }

  void write(const std::string& value) { writer_.text(value); }
  void write(TimeUs value) { writer_.integer(static_cast<std::uint64_t>(value.us)); }
  template <class T>
  void write(const std::optional<T>& value) {
    write(*value);
  }
  void write(bool value) { writer_.integer(value ? 1 : 0); }
  void write(const SettingValue& value) {
    writer_.integer(value.index());
    std::visit([this](const auto& held) { write(held); }, value);
  }
  template <class T>
  void write(const std::shared_ptr<const T>& value) {
    write(*value);
  }
  template <class T>
  void write(const std::vector<T>& values) {
    writer_.count(values.size());
    for (const T& value : values) write(value);
  }
  template <class T>
  void write(const T& value) {
    if constexpr (std::is_enum_v<T> || std::is_integral_v<T>) {
      writer_.integer(static_cast<std::uint64_t>(value));
    } else {
      CanonicalRowWriter inner(writer_);
      visit(value, inner);
      inner.end();
    }
  }

  CanonicalWriter& writer_;
};

std::uint64_t hash_bytes(const std::string& bytes);

}  // namespace detail

template <class Row>
std::uint64_t row_hash(RowKind kind, const Row& row) {
  thread_local std::string bytes;  // reused: a row is hashed on every change
  bytes.clear();
  bytes.push_back(static_cast<char>(kind));
  {
    CanonicalWriter written(bytes);
    detail::CanonicalRowWriter writer(written);
    visit(row, writer);
    writer.end();
  }
  return detail::hash_bytes(bytes);
}

}  // namespace pawl
