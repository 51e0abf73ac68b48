#include "tests/fuzz/reapplied.h"

#include "engine/rules/group.h"
#include "store/checkpoint.h"
#include "tests/fuzz/story.h"

namespace pawl::fuzz {
namespace {

const fb::Record& record_in(const std::vector<std::uint8_t>& bytes) {
  return *fb::GetRecord(bytes.data());
}

}  // namespace

ReappliedLog::ReappliedLog() : state_(story_state()) {}

void ReappliedLog::take(std::vector<std::uint8_t> record) {
  fb::Stamp& stamp = *fb::GetMutableRecord(record.data())->mutable_stamp();
  const bool begins = group_.empty() || stamp.group() % 2 == 0;
  if (begins) apply_group();
  stamp.mutate_seq(raw(state_.last_seq) + group_.size() + 1);
  stamp.mutate_group(raw(state_.last_seq) + 1);
  stamp.mutate_rules(rules_version);
  group_.push_back(std::move(record));
}

void ReappliedLog::apply_group() {
  if (group_.empty()) return;
  std::vector<const fb::Record*> records;
  for (const std::vector<std::uint8_t>& bytes : group_) records.push_back(&record_in(bytes));
  const std::uint64_t before = state_.digest();
  const Reapplied reapplied = reapply(state_, records);
  PAWL_ASSERT(reapplied.applied.size() == group_.size());
  const bool accepted =
      reapplied.applied.front().outcome == Outcome::accepted && reapplied.applied.back().outcome == Outcome::accepted;
  PAWL_ASSERT(accepted || state_.digest() == before);
  group_.clear();
}

void ReappliedLog::finish() {
  apply_group();
  const StoredCheckpoint packed = pack_checkpoint(state_, Chain{});
  const auto restored = unpack_checkpoint(packed.bytes);
  if (!restored) assertion_failed(restored.error().message.c_str(), __FILE__, __LINE__);
  PAWL_ASSERT(restored->state.digest() == state_.digest());
  PAWL_ASSERT(pack_checkpoint(restored->state, Chain{}).bytes == packed.bytes);
}

}  // namespace pawl::fuzz
