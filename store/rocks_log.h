// The log on RocksDB, in DIR/log: the embedded default.
//
// Opening determines what the log still contains. First comes a scan, which writes nothing: it opens the log
// read-only under RocksDB's strictest rule, and compares what can be read with the seal and with the contents of the
// write-ahead files (store/tail.h decides). Only a log that is complete, or lacks nothing but a torn tail, is then
// opened for writing. The price is that the write-ahead files, at most 64 MiB, are read twice at a start.
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
  /// Writes DIR/sealed, with two syncs.
  Result<void> seal() override;
  /// In a folder that a daemon is writing to, this may be the batch being written.
  std::optional<Seq> torn_at() const override;

  Result<void> store(const StoredCheckpoint& checkpoint) override;
  std::vector<Seq> list() override;
  Result<StoredCheckpoint> load(Seq seq) override;

  Result<std::vector<std::uint8_t>> find(TaskId task) override;
  Result<void> walk(TaskId from, const std::function<bool(TaskId, RecordBytes)>& each) override;

  /// In DIR/index (store/rocks_index.h).
  Result<void> add(std::span<const IndexEntry> entries) override;
  Result<void> scan(std::string_view from,
                    const std::function<bool(std::string_view key, std::string_view value)>& each) override;
  Result<void> clear() override;

  /// Creates an independent data folder in `target`, which must not exist yet; tables are hard-linked if the file
  /// system allows it. It contains at least everything that was durable at the call. Threads: any, concurrently with an
  /// append.
  Result<void> backup(const std::string& target);

 private:
  struct Impl;
  explicit RocksLog(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace pawl
