// A checkpoint as on disk, and an archived task. The checksum, and the digest over the rows, are corrected as well, so
// that made-up rows reach the checks behind them.
#include <xxhash.h>

#include <cstring>
#include <vector>

#include "engine/json/state_json.h"
#include "store/checkpoint.h"
#include "store/key_format.h"
#include "store/rows_in_checkpoint.h"
#include "tests/fuzz/fuzz.h"

namespace pawl::fuzz {
namespace {

/// The digest that the state would compute for these rows. Requires: verified, with known enums.
std::uint64_t digest_of(const fb::Checkpoint& checkpoint) {
  std::uint64_t digest = checkpoint.archived_digest() + row_hash(RowKind::ids, unpack_row(*checkpoint.ids()));
  const auto add = [&](RowKind kind, const auto& rows) {
    for (const auto* row : rows) digest += row_hash(kind, unpack_row(*row));
  };
  add(RowKind::task, *checkpoint.tasks());
  add(RowKind::job, *checkpoint.jobs());
  add(RowKind::lease, *checkpoint.leases());
  add(RowKind::boot, *checkpoint.boots());
  add(RowKind::setting, *checkpoint.settings());
  add(RowKind::pipeline, *checkpoint.pipelines());
  return digest;
}

/// Whether it had a structure that can hold a digest.
bool mend_digest(std::vector<std::uint8_t>& bytes) {
  flatbuffers::Verifier verifier(bytes.data(), bytes.size());
  if (bytes.size() < 8 || !fb::CheckpointBufferHasIdentifier(bytes.data()) || !fb::VerifyCheckpointBuffer(verifier)) {
    return false;
  }
  fb::Checkpoint& checkpoint = *fb::GetMutableCheckpoint(bytes.data());
  if (!check_enums(checkpoint)) return false;
  return checkpoint.mutate_digest(digest_of(checkpoint));
}

void read_state(const std::vector<std::uint8_t>& bytes) {
  const auto restored = unpack_checkpoint(bytes);
  if (!restored) return PAWL_ASSERT(!restored.error().message.empty());
  // An accepted checkpoint can be written again, and gives the same state.
  const StoredCheckpoint packed = pack_checkpoint(restored->state, restored->chain);
  const auto again = unpack_checkpoint(packed.bytes);
  if (!again) assertion_failed(again.error().message.c_str(), __FILE__, __LINE__);
  PAWL_ASSERT(again->state.digest() == restored->state.digest());
  PAWL_ASSERT(pack_checkpoint(again->state, again->chain).bytes == packed.bytes);
  std::string json;
  PAWL_ASSERT(write_state_json(restored->state, {}, [&](std::string_view piece) { json += piece; }));
}

}  // namespace

void checkpoint(Bytes input) {
  std::string framed(text_of(input));
  if (framed.size() > 32) {
    std::uint64_t seq = 0;
    std::memcpy(&seq, framed.data() + 16, sizeof seq);
    if (framed.size() >= 40) {
      const std::uint64_t checksum = XXH3_64bits(framed.data(), framed.size() - 8);
      std::memcpy(framed.data() + framed.size() - 8, &checksum, sizeof checksum);
    }
    const auto stored = decode_checkpoint(framed, Seq{seq});
    if (stored) PAWL_ASSERT(encode_checkpoint(*stored).size() == framed.size());
  }
  if (input.size() <= 40) return;
  // Without its frame, in the form that readers of a log's checkpoint get.
  std::vector<std::uint8_t> bytes(input.begin() + 32, input.end() - 8);
  read_state(bytes);
  if (mend_digest(bytes)) read_state(bytes);
  if (const auto archived = unpack_archived(bytes)) {
    const ArchivedBytes packed = pack_archived(archived->rows, archived->seq);
    const auto again = unpack_archived(packed.bytes);
    PAWL_ASSERT(again && again->rows.task.hash == archived->rows.task.hash);
  }
}

}  // namespace pawl::fuzz
