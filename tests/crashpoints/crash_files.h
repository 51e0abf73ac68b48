// A file system in memory, for RocksDB and for what store writes beside it, that records every step that would change
// a disk. It can lose its power, or fail one step. DIR/LOCK alone is on the real disk, in a folder of the same path.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "store/files.h"
#include "tests/crashpoints/disk.h"

namespace pawl::crash {

class CrashFiles final : public Files {
 public:
  explicit CrashFiles(Tree tree);
  ~CrashFiles() override;

  rocksdb::Env* rocksdb_env() override;
  Result<std::string> read(const std::string& path) override;
  Result<void> write(const std::string& path, std::string_view bytes) override;
  Result<void> sync(const std::string& path) override;
  Result<void> rename(const std::string& from, const std::string& to) override;
  Result<bool> make_dir(const std::string& path) override;
  Result<bool> exists(const std::string& path) override;
  Result<std::vector<std::string>> names_in(const std::string& dir) override;
  void remove_all(const std::string& path) override;

  /// Waits until RocksDB has nothing under way in the background. Without it the order of steps would be another each
  /// time; legal, but not to be counted on.
  void wait_for_quiet();

  /// How many steps were tried so far.
  std::size_t steps() const;
  /// Of the steps that were done; with the power off none is.
  const std::vector<Step>& trace() const;
  const Tree& tree() const;

  enum class Trouble { io_error, no_space };
  /// Lets the nth step from now on (0: the next) fail. A write that fails has written half.
  void fail_step(std::size_t nth, Trouble trouble);
  /// Nothing more reaches the disk: what is told to change it, is told that it failed.
  void power_off();

  struct State;

 private:
  std::shared_ptr<State> state_;
};

}  // namespace pawl::crash
