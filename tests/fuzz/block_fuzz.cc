// A block as on disk, and its contents. Read twice: as it is, which the checksum rarely lets through, and with the
// checksum corrected, like damage that a checksum does not catch.
#include <xxhash.h>

#include <cstring>
#include <vector>

#include "schema/canonical.h"
#include "schema/json/json_text.h"
#include "schema/json/record_json.h"
#include "store/chain.h"
#include "store/key_format.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/reapplied.h"

namespace pawl::fuzz {
namespace {

/// The last 8 bytes become the checksum of all before them.
void mend_checksum(std::string& bytes) {
  if (bytes.size() < 8) return;
  const std::uint64_t checksum = XXH3_64bits(bytes.data(), bytes.size() - 8);
  std::memcpy(bytes.data() + bytes.size() - 8, &checksum, 8);
}

/// A record that passes says the same in each of its forms, if its texts can be JSON: the edges ensure that.
void check_forms(const fb::Record& record) {
  std::string canonical;
  canonical_record(record, canonical);
  std::string line;
  append_record_json(line, record, "[]");
  PAWL_ASSERT(is_json_text(line));
  const auto again = read_record_line(line);
  constexpr std::string_view replacement = "\xEF\xBF\xBD";
  if (!again || line.find(replacement) != std::string::npos) return;
  std::string canonical_again;
  canonical_record(again->record(), canonical_again);
  PAWL_ASSERT(canonical == canonical_again);
  PAWL_ASSERT(chain_after(Chain{}, record) == chain_after(Chain{}, again->record()));
}

void read_block(std::string_view bytes) {
  const Result<Block> block = decode_block(bytes);
  if (!block) return PAWL_ASSERT(!block.error().message.empty());
  PAWL_ASSERT(block->first <= block->last && block->entries.size() <= bytes.size());
  PAWL_ASSERT(!is_cut_block(bytes) && stated_block_bytes(bytes) == bytes.size());

  ReappliedLog log;
  BlockReader reader;
  std::uint64_t count = 0;
  std::vector<std::vector<std::uint8_t>> records;
  reader.read(*block, block->first, [&](RecordBytes record) {
    ++count;
    const auto viewed = view_record(record);
    if (!viewed) return PAWL_ASSERT(!viewed.error().message.empty()), true;
    check_forms(**viewed);
    records.emplace_back(record.begin(), record.end());
    return true;
  });
  PAWL_ASSERT(count == raw(block->last) - raw(block->first) + 1);
  for (std::vector<std::uint8_t>& record : records) log.take(std::move(record));
  log.finish();
}

}  // namespace

void block(Bytes input) {
  std::string bytes(text_of(input));
  read_block(bytes);
  mend_checksum(bytes);
  read_block(bytes);
  // One record without a block around it: a broken writer may have put it in a good block.
  const std::vector<std::uint64_t> aligned((input.size() + 7) / 8);
  if (input.empty()) return;
  std::memcpy(const_cast<std::uint64_t*>(aligned.data()), input.data(), input.size());
  const RecordBytes record(reinterpret_cast<const std::uint8_t*>(aligned.data()), input.size());
  if (const auto viewed = view_record(record)) {
    check_forms(**viewed);
    ReappliedLog log;
    log.take({record.begin(), record.end()});
    log.finish();
  }
}

}  // namespace pawl::fuzz
