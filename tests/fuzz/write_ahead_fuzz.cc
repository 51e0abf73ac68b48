// The end of a log: consecutive blocks, whole, cut or wrong. The first byte says what was sealed.
#include <cstring>

#include "store/key_format.h"
#include "store/memory_log.h"
#include "store/open.h"
#include "store/wal_scan.h"
#include "tests/fuzz/fuzz.h"

namespace pawl::fuzz {

void write_ahead(Bytes input) {
  if (input.empty()) return;
  const std::uint64_t sealed = input.front();
  const std::string_view file = text_of(input.subspan(1));

  FoundBlocks scattered;
  find_blocks(without_heads(file), scattered);
  FoundBlocks found;
  find_blocks(file, found);
  PAWL_ASSERT(found.lowest <= found.highest);

  const auto disk = std::make_shared<MemoryDisk>();
  disk->blocks = file;
  disk->synced_bytes = file.size();
  if (sealed > 0) disk->seal = encode_seal(Seq{sealed});
  const auto log = MemoryLog::open(disk);
  if (!log) return PAWL_ASSERT(!log.error().message.empty());
  // A log that opens has every record that any whole block contains or names, and everything that was sealed.
  PAWL_ASSERT((*log)->last_seq() >= found.highest && raw((*log)->last_seq()) >= sealed);
  PAWL_ASSERT(!(*log)->torn_at() || *(*log)->torn_at() == next((*log)->last_seq()));

  Seq last{};
  const Result<void> read = (*log)->read(Seq{1}, [&](RecordBytes) {
    last = next(last);
    return true;
  });
  PAWL_ASSERT(read && last == (*log)->last_seq());
  const auto opened = open_state(**log);
  PAWL_ASSERT(opened || !opened.error().message.empty());
  if (opened) PAWL_ASSERT(opened->state.last_seq == last);
}

}  // namespace pawl::fuzz
