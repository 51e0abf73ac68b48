#include "store/key_format.h"

#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <cstring>

namespace pawl {
namespace {

// Values are read and written by copying; a big-endian machine would have to swap the bytes in both directions.
static_assert(std::endian::native == std::endian::little);

constexpr std::string_view block_magic = "pawlblk\n";
constexpr std::string_view checkpoint_magic = "pawlchk\n";
constexpr std::string_view seal_magic = "pawlseal";

constexpr std::size_t block_head_bytes = 40;
constexpr std::size_t checkpoint_head_bytes = 32;
constexpr std::size_t seal_bytes = 32;
constexpr std::size_t checksum_bytes = 8;
constexpr std::size_t entry_head_bytes = 8;

template <class Integer>
void put(std::string& out, Integer value) {
  char bytes[sizeof(value)];
  std::memcpy(bytes, &value, sizeof(value));
  out.append(bytes, sizeof(value));
}

template <class Integer>
Integer get(std::string_view bytes, std::size_t at) {
  Integer value;
  PAWL_ASSERT(at + sizeof(value) <= bytes.size());
  std::memcpy(&value, bytes.data() + at, sizeof(value));
  return value;
}

constexpr std::size_t padded(std::size_t bytes) {
  return (bytes + 7) & ~std::size_t{7};
}

void put_checksum(std::string& out) {
  put(out, std::uint64_t{XXH3_64bits(out.data(), out.size())});
}

bool checksum_is_right(std::string_view bytes) {
  if (bytes.size() < checksum_bytes) return false;
  const std::size_t covered = bytes.size() - checksum_bytes;
  return get<std::uint64_t>(bytes, covered) == XXH3_64bits(bytes.data(), covered);
}

Error damaged(std::string what) {
  return {ErrorCode::damaged, std::move(what)};
}

Result<void> check_version(std::string_view bytes, std::string_view what) {
  const auto version = get<std::uint32_t>(bytes, 8);
  if (version <= format_version && version > 0) return {};
  return Error{ErrorCode::unsupported, std::string(what) + " of format " + std::to_string(version) +
                                           "; this program reads up to " + std::to_string(format_version)};
}

// Checks that the entries tile the payload, so that no later code has to.
bool entries_are_sound(std::string_view entries, std::uint32_t count) {
  std::size_t at = 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    if (entries.size() - at < entry_head_bytes) return false;
    const std::size_t bytes = padded(get<std::uint32_t>(entries, at));
    if (entries.size() - at - entry_head_bytes < bytes) return false;
    at += entry_head_bytes + bytes;
  }
  return at == entries.size();
}

}  // namespace

std::string encode_key(std::uint64_t number) {
  std::string key(8, '\0');
  for (std::size_t i = 0; i < key.size(); ++i) key[i] = static_cast<char>(number >> (8 * (key.size() - 1 - i)));
  return key;
}

std::optional<std::uint64_t> decode_key(std::string_view key) {
  if (key.size() != 8) return std::nullopt;
  std::uint64_t number = 0;
  for (const char c : key) number = number << 8 | static_cast<std::uint8_t>(c);
  return number;
}

std::string encode_version(std::uint32_t version) {
  std::string bytes;
  put(bytes, version);
  return bytes;
}

std::optional<std::uint32_t> decode_version(std::string_view bytes) {
  if (bytes.size() != sizeof(std::uint32_t)) return std::nullopt;
  return get<std::uint32_t>(bytes, 0);
}

void encode_block(std::span<const RecordBytes> records, Seq first, Seq synced, std::string& out) {
  PAWL_ASSERT(!records.empty());
  std::size_t payload = 0;
  for (const RecordBytes record : records) payload += entry_head_bytes + padded(record.size());

  PAWL_ASSERT(payload <= UINT32_MAX);  // 65,536 records of 2 MiB, the limits at the edges, are never proposed at once

  out.clear();
  out.reserve(block_head_bytes + payload + checksum_bytes);
  out.append(block_magic);
  put(out, format_version);
  put(out, static_cast<std::uint32_t>(records.size()));
  put(out, raw(first));
  put(out, raw(synced));
  put(out, std::uint64_t{payload});
  std::uint64_t seq = raw(first);
  for (const RecordBytes record : records) {
    PAWL_ASSERT(fb::GetRecord(record.data())->stamp()->seq() == seq);
    ++seq;
    put(out, static_cast<std::uint32_t>(record.size()));
    put(out, std::uint32_t{0});
    out.append(reinterpret_cast<const char*>(record.data()), record.size());
    out.append(padded(record.size()) - record.size(), '\0');
  }
  put_checksum(out);
}

std::optional<std::uint64_t> stated_block_bytes(std::string_view bytes) {
  if (bytes.size() < block_head_bytes || !bytes.starts_with(block_magic)) return std::nullopt;
  const auto payload = get<std::uint64_t>(bytes, 32);
  if (payload > UINT32_MAX) return std::nullopt;  // RocksDB cannot store a larger value
  return block_head_bytes + payload + checksum_bytes;
}

bool is_cut_block(std::string_view bytes) {
  if (const auto stated = stated_block_bytes(bytes)) return *stated > bytes.size();
  return bytes.size() < block_head_bytes && block_magic.starts_with(bytes.substr(0, block_magic.size()));
}

Result<Block> decode_block(std::string_view bytes) {
  const auto stated = stated_block_bytes(bytes);
  if (!stated) return damaged("not a block");
  // Check the version first: a newer version may have a different layout from here on.
  if (get<std::uint32_t>(bytes, 8) > format_version) PAWL_TRY(check_version(bytes, "a block"));
  if (*stated != bytes.size()) return damaged("the length of a block differs from the one in its header");
  if (!checksum_is_right(bytes)) return damaged("the checksum of a block is wrong");
  const auto count = get<std::uint32_t>(bytes, 12);
  const auto first = get<std::uint64_t>(bytes, 16);
  const std::string_view entries = bytes.substr(block_head_bytes, bytes.size() - block_head_bytes - checksum_bytes);
  if (count == 0 || first == 0 || first > UINT64_MAX - count || !entries_are_sound(entries, count)) {
    return damaged("the header of a block contradicts its content");
  }
  return Block{Seq{first}, Seq{first + count - 1}, Seq{get<std::uint64_t>(bytes, 24)}, entries};
}

bool BlockReader::read(const Block& block, Seq from, const std::function<bool(RecordBytes)>& each) {
  const char* entries = block.entries.data();
  if (reinterpret_cast<std::uintptr_t>(entries) % alignof(std::uint64_t) != 0) {
    aligned_.resize(block.entries.size() / sizeof(std::uint64_t));  // entries are padded to this size
    std::memcpy(aligned_.data(), entries, block.entries.size());
    entries = reinterpret_cast<const char*>(aligned_.data());
  }
  const std::string_view bytes(entries, block.entries.size());
  std::size_t at = 0;
  for (Seq seq = block.first; seq <= block.last; seq = next(seq)) {
    const std::size_t length = get<std::uint32_t>(bytes, at);
    at += entry_head_bytes;
    if (seq >= from) {
      if (!each(RecordBytes(reinterpret_cast<const std::uint8_t*>(bytes.data()) + at, length))) return false;
    }
    at += padded(length);
  }
  return true;
}

Seq first_after(Seq last, Seq first, RecordBytes record) {
  if (first == next(last)) return first;
  const auto viewed = view_record(record);
  return viewed ? seq_after(last, **viewed) : next(last);
}

Seq first_after(Seq last, const Block& block) {
  Seq first = next(last);
  if (block.first == first) return first;
  BlockReader().read(block, block.first, [&](RecordBytes record) {
    first = first_after(last, block.first, record);
    return false;
  });
  return first;
}

void find_blocks(std::string_view bytes, FoundBlocks& found) {
  for (std::size_t at = bytes.find(block_magic); at != std::string_view::npos;) {
    std::size_t skip = 1;
    const std::string_view rest = bytes.substr(at);
    const auto stated = stated_block_bytes(rest);
    if (stated && *stated <= rest.size()) {
      if (const Result<Block> block = decode_block(rest.substr(0, *stated))) {
        if (found.lowest == Seq{} || block->first < found.lowest) found.lowest = block->first;
        found.highest = std::max({found.highest, block->last, block->synced});
        skip = *stated;  // what looks like a block inside a block is user text
      }
    }
    at = bytes.find(block_magic, at + skip);
  }
}

std::string encode_checkpoint(const StoredCheckpoint& checkpoint) {
  std::string out;
  out.reserve(checkpoint_head_bytes + checkpoint.bytes.size() + checksum_bytes);
  out.append(checkpoint_magic);
  put(out, format_version);
  put(out, std::uint32_t{0});
  put(out, raw(checkpoint.seq));
  put(out, std::uint64_t{checkpoint.bytes.size()});
  out.append(reinterpret_cast<const char*>(checkpoint.bytes.data()), checkpoint.bytes.size());
  put_checksum(out);
  return out;
}

Result<StoredCheckpoint> decode_checkpoint(std::string_view bytes, Seq seq) {
  const std::string where = "checkpoint " + std::to_string(raw(seq)) + ": ";
  if (bytes.size() < checkpoint_head_bytes + checksum_bytes || !bytes.starts_with(checkpoint_magic)) {
    return damaged(where + "not a checkpoint");
  }
  if (get<std::uint32_t>(bytes, 8) > format_version) PAWL_TRY(check_version(bytes, where + "a checkpoint"));
  if (!checksum_is_right(bytes)) return damaged(where + "its checksum is wrong");
  const std::string_view payload =
      bytes.substr(checkpoint_head_bytes, bytes.size() - checkpoint_head_bytes - checksum_bytes);
  if (get<std::uint64_t>(bytes, 16) != raw(seq) || get<std::uint64_t>(bytes, 24) != payload.size()) {
    return damaged(where + "its seq differs from its key");
  }
  return StoredCheckpoint{seq, {payload.begin(), payload.end()}};
}

std::string encode_archived(const ArchivedBytes& archived) {
  std::string out;
  out.reserve(archived.bytes.size() + 2 * checksum_bytes);
  out.append(reinterpret_cast<const char*>(archived.bytes.data()), archived.bytes.size());
  put(out, raw(archived.task));
  put_checksum(out);
  return out;
}

Result<std::vector<std::uint8_t>> decode_archived(std::string_view bytes, TaskId task) {
  const std::string where = "archived task " + std::to_string(raw(task)) + ": ";
  if (bytes.size() < 2 * checksum_bytes || !checksum_is_right(bytes)) return damaged(where + "its checksum is wrong");
  const std::string_view payload = bytes.substr(0, bytes.size() - 2 * checksum_bytes);
  if (get<std::uint64_t>(bytes, payload.size()) != raw(task)) return damaged(where + "its id differs from its key");
  return std::vector<std::uint8_t>(payload.begin(), payload.end());
}

std::string encode_seal(Seq seq) {
  std::string out;
  out.append(seal_magic);
  put(out, format_version);
  put(out, std::uint32_t{0});
  put(out, raw(seq));
  put_checksum(out);
  return out;
}

Result<Seq> decode_seal(std::string_view bytes) {
  if (bytes.size() != seal_bytes || !bytes.starts_with(seal_magic) || !checksum_is_right(bytes)) {
    return damaged("not a seal, or damaged");
  }
  PAWL_TRY(check_version(bytes, "a seal"));
  return Seq{get<std::uint64_t>(bytes, 16)};
}

}  // namespace pawl
