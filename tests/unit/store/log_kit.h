// Helpers for log tests: a temporary folder, a writer that fills a log as the daemon does, and verbs to inspect the
// result.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "engine/rules/group.h"
#include "store/chain.h"
#include "store/checkpoint.h"
#include "store/journal.h"

namespace pawl {

/// A fresh folder, removed on destruction.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  std::string path(const std::string& name = "") const { return name.empty() ? path_ : path_ + "/" + name; }

 private:
  std::string path_;
};

std::string content_of(const std::string& path);
void write_file(const std::string& path, const std::string& bytes);
/// The one write-ahead file of a RocksDB that is closed and was never flushed.
std::string wal_of(const std::string& dir);
/// Every file under `dir` with its content: shows that nothing changed.
std::vector<std::pair<std::string, std::string>> files_in(const std::string& dir);

/// Decides, chains and appends as the sequencer does, a batch at a time.
class Writer {
 public:
  explicit Writer(Journal& journal) : journal_(journal) {}
  /// Continues where a log ends.
  Writer(Journal& journal, State state, Chain chain);

  /// Decides a group, into the current batch.
  Decided& decide(Group group);
  /// Appends the current batch.
  Result<void> append();
  /// Both, expecting success.
  void write(Group group);

  /// Boots the daemon, into the current batch.
  void start(const std::string& boot_id = "boot-1");
  /// start(), and the default pipeline: one batch, two records.
  void boot(const std::string& boot_id = "boot-1");
  /// One batch, one record.
  void create_task(const std::string& work_item);
  /// One batch, one record: a restore that skips that many seqs; no other boot continues.
  void restore(std::uint64_t seqs);
  /// One batch: cancels a task that has no lease, which archives it.
  void cancel_task(TaskId task);

  const State& state() const { return state_; }
  const Chain& chain() const { return chain_; }
  Requester requester(const std::string& actor = "operator") const;

 private:
  Journal& journal_;
  State state_;
  Chain chain_{};
  TimeUs now_{1'000'000};
  std::string boot_;
  std::vector<Decided> pending_;
};

fb::TaskCreatedT task_created(const std::string& work_item);
/// A small accepted event: a batch of a few bytes.
fb::SettingChangedT max_attempts(std::int64_t number);
fb::TaskNoteT task_note(TaskId task, const std::string& text);

/// Everything readable from `from` on, as bytes; fails the test if the read ends in an error.
std::vector<std::vector<std::uint8_t>> records_in(Journal& journal, Seq from = Seq{1});
Seq seq_of(const std::vector<std::uint8_t>& record);

}  // namespace pawl
