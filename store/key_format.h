// Keys and framing of everything that a log stores; no other file knows them. docs/FORMAT.md defines them.
//
// A batch is one value, a block: this reads back 20 times faster than one value per record, and has one checksum.
// Integers are little-endian in values and big-endian in keys, so that byte order is numeric order.
//
//   block       ::= "pawlblk\n" version:u32 count:u32 first:u64 synced:u64 payload_bytes:u64 entry* checksum:u64
//   entry       ::= length:u32 zero:u32 record zeros            (to a multiple of 8)
//   checkpoint  ::= "pawlchk\n" version:u32 zero:u32 seq:u64 payload_bytes:u64 fb::Checkpoint checksum:u64
//   archived    ::= fb::Archived task:u64 checksum:u64
//   seal        ::= "pawlseal" version:u32 zero:u32 seq:u64 checksum:u64
//
// checksum is XXH3 (64 bits, seed 0) over all bytes before it. It comes last, so that a truncated value is never valid.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "store/archive.h"
#include "store/checkpoint_store.h"

namespace pawl {

/// The format that this program writes, and the newest that it reads.
constexpr std::uint32_t format_version = 1;

/// How many checkpoints a log keeps: if one is bad, an earlier one may still be good.
constexpr std::size_t checkpoints_kept = 3;

/// 8 bytes, big-endian: the keys of blocks (first seq), checkpoints (seq) and archived tasks (id).
std::string encode_key(std::uint64_t number);
/// None unless the key has 8 bytes.
std::optional<std::uint64_t> decode_key(std::string_view key);

/// Four bytes, little-endian: a format version in the `meta` family.
std::string encode_version(std::uint32_t version);
std::optional<std::uint32_t> decode_version(std::string_view bytes);

/// Replaces `out` with the block of `records`. `synced` is the last seq that was durable before this block was written.
/// Requires: at least one record; their seqs are consecutive from `first`. A record that skips seqs therefore begins a
/// block.
void encode_block(std::span<const RecordBytes> records, Seq first, Seq synced, std::string& out);

/// A checked block: a view of the bytes that it was decoded from.
struct Block {
  Seq first{};
  Seq last{};
  Seq synced{};
  std::string_view entries;
};

/// `unsupported`: a newer version; `damaged`: not what was written. The message says what is wrong, not where.
Result<Block> decode_block(std::string_view bytes);

/// The first seq that may follow the record `last`, to compare with `first`, the first seq of a block or batch that
/// begins with `record`. Only `record` itself can allow seqs to be skipped.
Seq first_after(Seq last, Seq first, RecordBytes record);
Seq first_after(Seq last, const Block& block);

/// Reads the records of blocks, one block after another. FlatBuffers need alignment; an unaligned block is copied to a
/// reusable buffer.
class BlockReader {
 public:
  /// Calls `each` for every record of the block from `from` on, in order, until it returns false, and then returns
  /// false itself. The bytes are valid until the next call.
  bool read(const Block& block, Seq from, const std::function<bool(RecordBytes)>& each);

 private:
  std::vector<std::uint64_t> aligned_;
};

/// The total size, from its header, of the block that begins with `bytes`; none if they do not begin like a block.
std::optional<std::uint64_t> stated_block_bytes(std::string_view bytes);

/// Whether these bytes look like a block whose end is missing.
bool is_cut_block(std::string_view bytes);

/// The complete blocks anywhere in `bytes`, whatever is between them: what a damaged file still proves.
struct FoundBlocks {
  Seq lowest{};   // first seq of any block; 0 if there is none
  Seq highest{};  // the highest seq in any block, or that a block records as synced before it
};
void find_blocks(std::string_view bytes, FoundBlocks& found);

std::string encode_checkpoint(const StoredCheckpoint& checkpoint);
Result<StoredCheckpoint> decode_checkpoint(std::string_view bytes, Seq seq);

std::string encode_archived(const ArchivedBytes& archived);
/// The fb::Archived buffer, with the alignment of a vector.
Result<std::vector<std::uint8_t>> decode_archived(std::string_view bytes, TaskId task);

std::string encode_seal(Seq seq);
Result<Seq> decode_seal(std::string_view bytes);

}  // namespace pawl
