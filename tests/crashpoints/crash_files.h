// An in-memory file system, for RocksDB and for the other files of store, that records every step that would change a
// disk. It can lose power, or fail one step. Only DIR/LOCK is on the real disk, in a folder with the same path.
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

  /// Waits until RocksDB has no background work under way. Without this, the order of steps would differ each time:
  /// legal, but not reproducible.
  void wait_for_quiet();

  /// The number of steps tried so far.
  std::size_t steps() const;
  /// The steps that were done; with the power off none is.
  const std::vector<Step>& trace() const;
  const Tree& tree() const;

  enum class Trouble { io_error, no_space };
  /// Makes the nth step from now on (0: the next) fail. A failing write has written half.
  void fail_step(std::size_t nth, Trouble trouble);
  /// Nothing more reaches the disk: every attempt to change it fails.
  void power_off();

  struct State;

 private:
  std::shared_ptr<State> state_;
};

}  // namespace pawl::crash
