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
#include <string>
#include <string_view>

#include "record_generated.h"
#include "schema/layout.h"

namespace pawl {

/// Writes the primitives of the encoding. Appends to a string that the caller owns and may reuse.
class CanonicalWriter {
 public:
  explicit CanonicalWriter(std::string& out) : out_(out) {}

  void field(std::uint16_t id) { put<2>(id); }  // from 1
  void end() { put<2>(0); }
  void integer(std::uint64_t value) { put<8>(value); }
  void count(std::size_t value) { put<4>(value); }
  void text(std::string_view value) {
    count(value.size());
    out_.append(value);
  }

 private:
  template <std::size_t bytes>
  void put(std::uint64_t value) {
    char buffer[bytes];
    for (std::size_t i = 0; i < bytes; ++i) buffer[i] = static_cast<char>(value >> (8 * i));
    out_.append(buffer, bytes);
  }

  std::string& out_;
};

/// Appends the encoding of a table. Requires: the buffer was verified.
void canonical_table(const flatbuffers::Table& table, const TableLayout& layout, std::string& out);

/// Appends what the chain hash covers: the whole record except the chain itself.
void canonical_record(const fb::Record& record, std::string& out);

}  // namespace pawl
