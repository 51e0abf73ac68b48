// The file system under a data folder: the operations that the log needs.
//
// RocksDB alone does not make a log durable: the seal and the path to the folder are written separately. Both use the
// same file system, so that a test that cuts the power cuts it for both, between any two steps. DIR/LOCK is separate
// (store/data_dir.h): a lock ends with its process and has nothing to lose.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "schema/result.h"

namespace rocksdb {
class Env;
}

namespace pawl {

class Files {
 public:
  virtual ~Files() = default;

  /// The same files for RocksDB; null: RocksDB's default.
  virtual rocksdb::Env* rocksdb_env() = 0;

  /// The whole content of a file. `missing` if there is none.
  virtual Result<std::string> read(const std::string& path) = 0;
  /// Creates a file, accessible to its owner and group only. An existing file with that name is removed first and never
  /// written into. Neither content nor directory entry is durable before sync().
  virtual Result<void> write(const std::string& path, std::string_view bytes) = 0;
  /// Makes the content of a file, or the entries of a folder, durable.
  virtual Result<void> sync(const std::string& path) = 0;
  /// Atomically replaces any file named `to`. Durable once the folder is synced.
  virtual Result<void> rename(const std::string& from, const std::string& to) = 0;
  /// Creates a folder, accessible to its owner and group only: it will contain what agents print and what they are
  /// asked to do. Returns false if the folder already exists.
  virtual Result<bool> make_dir(const std::string& path) = 0;
  /// `io` if it cannot be determined: a file that may not be examined is not missing.
  virtual Result<bool> exists(const std::string& path) = 0;
  virtual Result<std::vector<std::string>> names_in(const std::string& dir) = 0;
  /// Recursive; whatever cannot be removed stays.
  virtual void remove_all(const std::string& path) = 0;

  // Permissions, on file systems that have them.

  /// `io` names the folder if this process may not read and write its contents.
  virtual Result<void> check_writable(const std::string& /*folder*/) { return {}; }
  /// Like check_folder() (store/folder_guard.h).
  virtual Result<void> check_owned(const std::string& /*folder*/) { return {}; }
  /// `io` names the first file, or the folder itself, that this process may not read.
  virtual Result<void> check_readable(const std::string& /*folder*/) { return {}; }
};

/// The real disk.
Files& disk_files();

}  // namespace pawl
