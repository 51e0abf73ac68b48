// Keys and framing of everything that a log stores; the only place that knows them. docs/FORMAT.md is the definition.
//
// A batch is one value, a block: it is read back 20 times faster than one value a record, and has one checksum. All
// integers in values are little-endian; in keys big-endian, so that the order of the bytes is that of the numbers.
//
//   block       ::= "pawlblk\n" version:u32 count:u32 first:u64 synced:u64 payload_bytes:u64 entry* checksum:u64
//   entry       ::= length:u32 zero:u32 record zeros            (to a multiple of 8)
//   checkpoint  ::= "pawlchk\n" version:u32 zero:u32 seq:u64 payload_bytes:u64 fb::Checkpoint checksum:u64
//   archived    ::= fb::Archived task:u64 checksum:u64
//   seal        ::= "pawlseal" version:u32 zero:u32 seq:u64 checksum:u64
//
// checksum is XXH3 (64 bits, seed 0) over all bytes before it. It stands at the end, so that a value that was cut is
// never whole.
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

/// What this program writes, and the newest that it reads.
constexpr std::uint32_t format_version = 1;

/// How many checkpoints a log keeps: one may be bad, and the one before it still be good.
constexpr std::size_t checkpoints_kept = 3;

/// 8 bytes, big-endian: of blocks (first seq), checkpoints (seq) and archived tasks (id).
std::string encode_key(std::uint64_t number);
/// None if these are no 8 bytes.
std::optional<std::uint64_t> decode_key(std::string_view key);

/// Four bytes, little-endian: a version in the log's own table.
std::string encode_version(std::uint32_t version);
std::optional<std::uint32_t> decode_version(std::string_view bytes);

/// Replaces `out` by the block of `records`. `synced`: the last seq that was durable before this block was written.
/// Requires: at least one record; their seqs count up from `first`. So a record that leaves seqs out begins a block.
void encode_block(std::span<const RecordBytes> records, Seq first, Seq synced, std::string& out);

/// A block that was checked. Views the bytes that it was decoded from.
struct Block {
  Seq first{};
  Seq last{};
  Seq synced{};
  std::string_view entries;
};

/// `unsupported`: of a newer version; `damaged`: not what was written. The message says what, not where.
Result<Block> decode_block(std::string_view bytes);

/// The first seq of what may follow the record `last`; for `first` to be held against, that of a block or a batch which
/// begins with `record`. Only what that says can allow seqs to be left out.
Seq first_after(Seq last, Seq first, RecordBytes record);
Seq first_after(Seq last, const Block& block);

/// The records of blocks, one block after the other. FlatBuffers want to be aligned; a block that is not is copied to
/// a buffer that is reused.
class BlockReader {
 public:
  /// Calls `each` for every record of the block from `from` on, in order, until it returns false; then answers false
  /// itself. The bytes live until the next call.
  bool read(const Block& block, Seq from, const std::function<bool(RecordBytes)>& each);

 private:
  std::vector<std::uint64_t> aligned_;
};

/// The size of the whole block that begins with `bytes`, as its head states it; none if they do not begin like one.
std::optional<std::uint64_t> stated_block_bytes(std::string_view bytes);

/// Whether these bytes are a block whose end is missing, as far as one can tell.
bool is_cut_block(std::string_view bytes);

/// The whole blocks that stand anywhere in `bytes`, whatever is between them: what a damaged file still proves.
struct FoundBlocks {
  Seq lowest{};   // first seq of any block; 0 if there is none
  Seq highest{};  // the highest seq that is there, or that a block says was synced before it
};
void find_blocks(std::string_view bytes, FoundBlocks& found);

std::string encode_checkpoint(const StoredCheckpoint& checkpoint);
Result<StoredCheckpoint> decode_checkpoint(std::string_view bytes, Seq seq);

std::string encode_archived(const ArchivedBytes& archived);
/// The fb::Archived buffer, aligned as any vector is.
Result<std::vector<std::uint8_t>> decode_archived(std::string_view bytes, TaskId task);

std::string encode_seal(Seq seq);
Result<Seq> decode_seal(std::string_view bytes);

}  // namespace pawl
