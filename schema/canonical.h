// The canonical encoding: the bytes that the chain and the digest are computed over. FlatBuffers are not canonical (the
// same table can be laid out in many ways), and an exported JSON line has to prove the same thing as the record, so
// both are converted to this encoding first. docs/FORMAT.md defines it.
//
// A table is written as its present fields in the order of their ids, each as a 2-byte id (from 1) and its value, then
// a 2-byte zero. Absent fields leave no trace, so a field added by a later version does not change the hash of an older
// record. Every integer, enum and bool is 8 bytes, two's complement; text is a 4-byte length and its bytes; a vector is
// a 4-byte count and its elements. Everything is little-endian.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "record_generated.h"
#include "schema/layout.h"

namespace pawl {

/// Writes the primitives of the encoding. Appends to a string that the caller owns and may reuse; the string has what
/// was written once the writer is destroyed. Every row that changes and every record is hashed in this form, so the
/// string grows ahead, and appending to it is a store.
class CanonicalWriter {
 public:
  explicit CanonicalWriter(std::string& out) : out_(out), at_(out.data() + out.size()), end_(at_) {}
  ~CanonicalWriter() { out_.resize(written()); }
  CanonicalWriter(const CanonicalWriter&) = delete;
  CanonicalWriter& operator=(const CanonicalWriter&) = delete;

  void field(std::uint16_t id) { put(id); }  // from 1
  void end() { put(std::uint16_t{0}); }
  void integer(std::uint64_t value) { put(value); }
  void count(std::size_t value) { put(static_cast<std::uint32_t>(value)); }
  void text(std::string_view value) {
    count(value.size());
    value.copy(room(value.size()), value.size());
  }

 private:
  template <class Integer>
  [[gnu::always_inline]] void put(Integer value) {
    value = flatbuffers::EndianScalar(value);
    std::memcpy(room(sizeof value), &value, sizeof value);
  }
  [[gnu::always_inline]] char* room(std::size_t bytes) {
    if (static_cast<std::size_t>(end_ - at_) < bytes) grow(bytes);
    return std::exchange(at_, at_ + bytes);
  }
  void grow(std::size_t bytes);
  std::size_t written() const { return static_cast<std::size_t>(at_ - out_.data()); }

  std::string& out_;
  char* at_;   // behind what is written
  char* end_;  // of what the string has
};

/// Writes the encoding of a table. Requires: the buffer was verified.
void canonical_table(const flatbuffers::Table& table, const TableLayout& layout, CanonicalWriter& writer);

/// Appends what the chain hash covers: the whole record except the chain itself.
void canonical_record(const fb::Record& record, std::string& out);

}  // namespace pawl
