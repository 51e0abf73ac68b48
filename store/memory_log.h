// A log in memory, for simulations and tests: the same contract as the one on disk. Its "disk" holds the same blocks,
// one after another, so that a test can truncate it or flip any byte; and it fails on request.
#pragma once

#include <cstddef>
#include <map>
#include <vector>

#include "store/durable_seq.h"
#include "store/log.h"
#include "store/os/mutex.h"

namespace pawl {

/// What survives a crash. Tests may change it while no log has it open.
struct MemoryDisk {
  std::string blocks;            // framed as in store/key_format.h, without gaps
  std::size_t synced_bytes = 0;  // of `blocks`
  std::string seal;
  std::map<Seq, std::string> checkpoints;
  std::map<TaskId, std::string> archive;
  std::vector<TaskId> unsynced_archive;
  std::map<std::string, std::string, std::less<>> index;
  std::optional<std::size_t> room;  // bytes until it is full; none: unlimited

  /// Simulates a power cut: everything not made durable by a sync is lost.
  void lose_unsynced();
};

class MemoryLog final : public Log {
 public:
  /// An empty log on a new disk.
  MemoryLog();
  /// Like RocksLog::open: `damaged` names the seq; a torn tail is dropped and reported by torn_at().
  static Result<std::unique_ptr<MemoryLog>> open(std::shared_ptr<MemoryDisk> disk);

  Result<void> append(const Batch& batch, Seq expected_next) override;
  Result<void> read(Seq from, const std::function<bool(RecordBytes)>& each) override;
  Result<void> follow(Seq from, const std::function<bool(RecordBytes)>& each, std::stop_token stop) override;
  Seq last_seq() const override { return durable_.last(); }
  Result<void> seal() override;
  std::optional<Seq> torn_at() const override { return torn_at_; }

  Result<void> store(const StoredCheckpoint& checkpoint) override;
  std::vector<Seq> list() override;
  Result<StoredCheckpoint> load(Seq seq) override;

  Result<std::vector<std::uint8_t>> find(TaskId task) override;
  Result<void> walk(TaskId from, const std::function<bool(TaskId, RecordBytes)>& each) override;

  Result<void> add(std::span<const IndexEntry> entries) override;
  Result<void> scan(std::string_view from,
                    const std::function<bool(std::string_view key, std::string_view value)>& each) override;
  Result<void> clear() override;

  /// How far a failing append gets.
  enum class Failure { nothing_written, half_written, not_synced };
  /// Makes the nth append from now (1: the next) and all later ones fail.
  void fail_append(std::size_t nth, Failure failure);

  const std::shared_ptr<MemoryDisk>& disk() const { return disk_; }

 private:
  explicit MemoryLog(std::shared_ptr<MemoryDisk> disk) : disk_(std::move(disk)) {}
  Result<void> load();

  DurableSeq durable_;
  std::optional<Seq> torn_at_;  // set once, by load()
  mutable Mutex mutex_;         // guards what is on the disk, too
  const std::shared_ptr<MemoryDisk> disk_;
  struct BlockAt {
    Seq first{};
    std::size_t offset = 0;
    std::size_t length = 0;
  };
  std::vector<BlockAt> block_at_ PAWL_GUARDED_BY(mutex_);  // in order
  std::optional<std::size_t> appends_to_failure_ PAWL_GUARDED_BY(mutex_);
  Failure failure_ PAWL_GUARDED_BY(mutex_) = Failure::nothing_written;
  bool failed_ PAWL_GUARDED_BY(mutex_) = false;
};

}  // namespace pawl
