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
  enum class Mode {
    /// Makes the log where there is none, and holds the folder's lock until it is destroyed.
    write,
    /// Takes no lock and writes nothing: also beside a daemon that writes. Shows what was durable when it was opened.
    read_only,
  };

  /// `missing`: no log there (read_only); `busy`: another process writes, named by its pid; `malformed`: a folder that
  /// is not pawl's; `unsupported`: a newer format; `damaged`: names the first seq that cannot be read.
  /// `files` outlives the log.
  static Result<std::unique_ptr<RocksLog>> open(const std::string& dir, Mode mode, Files& files = disk_files());
  ~RocksLog() override;

  Result<void> append(const Batch& batch, Seq expected_next) override;
  Result<void> read(Seq from, const std::function<bool(RecordBytes)>& each) override;
  Result<void> checkpoint(const StoredCheckpoint& checkpoint) override;
  /// In a folder that a daemon is writing to, this may be the batch that was on its way.
  std::optional<Seq> torn_at() const override;
  std::vector<Seq> checkpoints() override;
  Result<StoredCheckpoint> load_checkpoint(Seq seq) override;
  Result<std::vector<std::uint8_t>> archived(TaskId task) override;
  Result<void> read_archive(TaskId from, const std::function<bool(TaskId, RecordBytes)>& each) override;

  /// Says in DIR/sealed that all up to here is durable, so that damage to the last records is never taken for a torn
  /// tail. For when the log falls idle, and at its end: two syncs. Threads: as append().
  Result<void> seal();

  /// Makes a data folder of its own in `target`, which must not exist yet: tables are hard-linked where the file
  /// system allows. It holds at least what was durable at the call. Threads: any, beside an append.
  Result<void> backup(const std::string& target);

  /// The last durable record. Threads: any.
  Seq last_seq() const;

 private:
  struct Impl;
  explicit RocksLog(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace pawl
