// A log in memory: the same contract as the one on disk, for simulations and tests. What stands on its "disk" is the
// same blocks, one after the other, so that every byte of it can be cut off or turned; and it fails when it is told.
#pragma once

#include <cstddef>
#include <map>
#include <vector>

#include "store/durable_seq.h"
#include "store/log.h"
#include "store/os/mutex.h"

namespace pawl {

/// What outlives a crash. Changed by tests while no log is open on it.
struct MemoryDisk {
  std::string blocks;            // as store/key_format.h frames them, without a gap
  std::size_t synced_bytes = 0;  // of `blocks`
  std::string seal;
  std::map<Seq, std::string> checkpoints;
  std::map<TaskId, std::string> archive;
  std::vector<TaskId> unsynced_archive;
  std::optional<std::size_t> room;  // bytes until it is full; none: it never is

  /// What a power cut does: all that no sync made durable is gone.
  void lose_unsynced();
};

class MemoryLog final : public Log {
 public:
  /// An empty log on a disk of its own.
  MemoryLog();
  /// As RocksLog::open: `damaged` names the seq, a torn tail is dropped and told by torn_at().
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

  /// How far an append gets that fails.
  enum class Failure { nothing_written, half_written, not_synced };
  /// Lets the nth append from here on fail (1: the next), and all after it.
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
  std::vector<BlockAt> block_at_ PAWL_GUARDED_BY(mutex_);  // in their order
  std::optional<std::size_t> appends_to_failure_ PAWL_GUARDED_BY(mutex_);
  Failure failure_ PAWL_GUARDED_BY(mutex_) = Failure::nothing_written;
  bool failed_ PAWL_GUARDED_BY(mutex_) = false;
};

}  // namespace pawl
