// The log on RocksDB, in DIR/log: the embedded default.
//
// Opening decides what the log still holds. A survey comes first, which writes nothing: the log is opened for reading
// under RocksDB's strictest rule, and what can be read is held against the seal and against what stands in the
// write-ahead files (store/tail.h has the judgement). Only a log that is whole, or that lacks no more than a torn tail,
// is then opened for writing. The price is that write-ahead files, 64 MiB at most, are read twice at a start.
#pragma once

#include "store/files.h"
#include "store/log.h"

namespace pawl {

class RocksLog final : public Log {
 public:
  using Mode = LogMode;

  /// As open_log(). `files` outlives the log.
  static Result<std::unique_ptr<RocksLog>> open(const std::string& dir, Mode mode, Files& files = disk_files());
  /// As open_log().
  static Result<std::unique_ptr<RocksLog>> open(std::shared_ptr<const DirLock> held);
  ~RocksLog() override;

  Result<void> append(const Batch& batch, Seq expected_next) override;
  Result<void> read(Seq from, const std::function<bool(RecordBytes)>& each) override;
  Result<void> follow(Seq from, const std::function<bool(RecordBytes)>& each, std::stop_token stop) override;
  Seq last_seq() const override;
  /// In DIR/sealed: two syncs.
  Result<void> seal() override;
  /// In a folder that a daemon is writing to, this may be the batch that was on its way.
  std::optional<Seq> torn_at() const override;

  Result<void> store(const StoredCheckpoint& checkpoint) override;
  std::vector<Seq> list() override;
  Result<StoredCheckpoint> load(Seq seq) override;

  Result<std::vector<std::uint8_t>> find(TaskId task) override;
  Result<void> walk(TaskId from, const std::function<bool(TaskId, RecordBytes)>& each) override;

  /// Makes a data folder of its own in `target`, which must not exist yet: tables are hard-linked where the file
  /// system allows. It holds at least what was durable at the call. Threads: any, beside an append.
  Result<void> backup(const std::string& target);

 private:
  struct Impl;
  explicit RocksLog(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace pawl
