#include "store/memory_log.h"

#include <algorithm>
#include <utility>

#include "store/key_format.h"
#include "store/tail.h"

namespace pawl {
namespace {

constexpr const char* memory_place = "memory log";

LogEnd end_of(std::string_view rest) {
  if (rest.empty()) return LogEnd::clean;
  return is_cut_block(rest) ? LogEnd::cut_short : LogEnd::wrong_bytes;
}

}  // namespace

void MemoryDisk::lose_unsynced() {
  blocks.resize(std::min(blocks.size(), synced_bytes));
  for (const TaskId task : unsynced_archive) archive.erase(task);
  unsynced_archive.clear();
  index.clear();
}

MemoryLog::MemoryLog() : disk_(std::make_shared<MemoryDisk>()) {}

Result<std::unique_ptr<MemoryLog>> MemoryLog::open(std::shared_ptr<MemoryDisk> disk) {
  std::unique_ptr<MemoryLog> log(new MemoryLog(std::move(disk)));
  PAWL_TRY(log->load());
  return log;
}

Result<void> MemoryLog::load() {
  const MutexLock lock(mutex_);
  TailEvidence evidence;
  if (!disk_->seal.empty()) evidence.sealed = PAWL_TRY(decode_seal(disk_->seal));

  std::string_view rest = disk_->blocks;
  while (!rest.empty()) {
    const auto stated = stated_block_bytes(rest);
    if (!stated || *stated > rest.size()) break;
    const Result<Block> block = decode_block(rest.substr(0, *stated));
    if (!block && block.error().code == ErrorCode::unsupported) return block.error();
    if (!block || block->first != first_after(evidence.last, *block)) break;
    block_at_.push_back({block->first, disk_->blocks.size() - rest.size(), *stated});
    evidence.last = block->last;
    rest.remove_prefix(*stated);
  }
  FoundBlocks beyond;
  find_blocks(rest, beyond);
  evidence.highest = beyond.highest;
  evidence.end = end_of(rest);
  torn_at_ = PAWL_TRY(judge_tail(evidence, memory_place));

  disk_->blocks.resize(disk_->blocks.size() - rest.size());
  disk_->synced_bytes = disk_->blocks.size();
  disk_->unsynced_archive.clear();
  durable_.advance(evidence.last);
  return {};
}

Result<void> MemoryLog::append(const Batch& batch, Seq expected_next) {
  const MutexLock lock(mutex_);
  if (failed_) return Error{ErrorCode::io, "memory log: an earlier append failed"};
  const Seq last = durable_.last();
  const Seq first = first_after(last, expected_next, batch.records.front());
  if (expected_next != first) {
    return Error{ErrorCode::superseded, "memory log: the next record is " + std::to_string(raw(first)) + ", not " +
                                            std::to_string(raw(expected_next))};
  }
  std::string block;
  encode_block(batch.records, first, last, block);
  if (appends_to_failure_ && --*appends_to_failure_ == 0) {
    failed_ = true;
    switch (failure_) {
      case Failure::nothing_written:
        break;
      case Failure::half_written:
        disk_->blocks.append(block, 0, block.size() / 2);
        break;
      case Failure::not_synced:
        disk_->blocks.append(block);
        for (const ArchivedBytes& archived : batch.archived) {
          disk_->archive[archived.task] = encode_archived(archived);
          disk_->unsynced_archive.push_back(archived.task);
        }
        break;
    }
    return Error{ErrorCode::io, "memory log: failed on request"};
  }
  if (disk_->room && block.size() > *disk_->room) {
    failed_ = true;
    disk_->blocks.append(block, 0, std::exchange(*disk_->room, 0));
    return Error{ErrorCode::io, "memory log: the disk is full"};
  }

  block_at_.push_back({first, disk_->blocks.size(), block.size()});
  disk_->blocks.append(block);
  if (disk_->room) *disk_->room -= block.size();
  disk_->synced_bytes = disk_->blocks.size();
  for (const ArchivedBytes& archived : batch.archived) disk_->archive[archived.task] = encode_archived(archived);
  durable_.advance(static_cast<Seq>(raw(first) + batch.records.size() - 1));
  return {};
}

Result<void> MemoryLog::read(Seq from, const std::function<bool(RecordBytes)>& each) {
  from = std::max(from, Seq{1});
  BlockReader reader;
  Seq last{};  // of the last block read, if any
  std::size_t index = 0;
  std::string bytes;
  while (true) {
    {
      // One block at a time, so that an append never waits for a reader.
      const MutexLock lock(mutex_);
      if (last == Seq{}) {
        if (from > durable_.last()) return {};
        const auto after = std::upper_bound(block_at_.begin(), block_at_.end(), from,
                                            [](Seq seq, const BlockAt& block) { return seq < block.first; });
        PAWL_ASSERT(after != block_at_.begin());
        index = static_cast<std::size_t>(after - block_at_.begin()) - 1;
        last = static_cast<Seq>(raw(block_at_[index].first) - 1);
      }
      if (index == block_at_.size()) return {};
      const BlockAt& at = block_at_[index++];
      bytes.assign(disk_->blocks, at.offset, at.length);
    }
    const Result<Block> block = decode_block(bytes);
    if (!block) return damaged_at(std::max(from, next(last)), memory_place, block.error().message);
    if (block->first != first_after(last, *block))
      return damaged_at(next(last), memory_place, "there is another block in its place");
    if (!reader.read(*block, from, each)) return {};
    last = block->last;
  }
}

Result<void> MemoryLog::follow(Seq from, const std::function<bool(RecordBytes)>& each, std::stop_token stop) {
  return durable_.follow(*this, from, each, stop);
}

Result<void> MemoryLog::store(const StoredCheckpoint& checkpoint) {
  const MutexLock lock(mutex_);
  disk_->checkpoints[checkpoint.seq] = encode_checkpoint(checkpoint);
  while (disk_->checkpoints.size() > checkpoints_kept) disk_->checkpoints.erase(disk_->checkpoints.begin());
  return {};
}

std::vector<Seq> MemoryLog::list() {
  const MutexLock lock(mutex_);
  std::vector<Seq> seqs;
  for (auto at = disk_->checkpoints.rbegin(); at != disk_->checkpoints.rend(); ++at) seqs.push_back(at->first);
  return seqs;
}

Result<StoredCheckpoint> MemoryLog::load(Seq seq) {
  const MutexLock lock(mutex_);
  const auto found = disk_->checkpoints.find(seq);
  if (found == disk_->checkpoints.end()) {
    return Error{ErrorCode::missing, "there is no checkpoint " + std::to_string(raw(seq))};
  }
  return decode_checkpoint(found->second, seq);
}

Result<std::vector<std::uint8_t>> MemoryLog::find(TaskId task) {
  const MutexLock lock(mutex_);
  const auto found = disk_->archive.find(task);
  if (found == disk_->archive.end()) {
    return Error{ErrorCode::missing, "task " + std::to_string(raw(task)) + " is not in the archive"};
  }
  return decode_archived(found->second, task);
}

Result<void> MemoryLog::walk(TaskId from, const std::function<bool(TaskId, RecordBytes)>& each) {
  for (TaskId wanted = from;;) {
    TaskId task{};
    std::string bytes;
    {
      const MutexLock lock(mutex_);
      const auto found = disk_->archive.lower_bound(wanted);
      if (found == disk_->archive.end()) return {};
      task = found->first;
      bytes = found->second;
    }
    const std::vector<std::uint8_t> archived = PAWL_TRY(decode_archived(bytes, task));
    if (!each(task, archived)) return {};
    wanted = next(task);
  }
}

Result<void> MemoryLog::add(std::span<const IndexEntry> entries) {
  const MutexLock lock(mutex_);
  for (const IndexEntry& entry : entries) disk_->index.insert_or_assign(entry.key, entry.value);
  return {};
}

Result<void> MemoryLog::scan(std::string_view from,
                             const std::function<bool(std::string_view key, std::string_view value)>& each) {
  const MutexLock lock(mutex_);
  for (auto at = disk_->index.lower_bound(from); at != disk_->index.end(); ++at) {
    if (!each(at->first, at->second)) break;
  }
  return {};
}

Result<void> MemoryLog::clear() {
  const MutexLock lock(mutex_);
  disk_->index.clear();
  return {};
}

Result<void> MemoryLog::seal() {
  const MutexLock lock(mutex_);
  disk_->seal = encode_seal(durable_.last());
  return {};
}

void MemoryLog::fail_append(std::size_t nth, Failure failure) {
  const MutexLock lock(mutex_);
  PAWL_ASSERT(nth > 0);
  appends_to_failure_ = nth;
  failure_ = failure;
}

}  // namespace pawl
