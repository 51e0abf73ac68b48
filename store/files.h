// The file system under a data folder, as far as the log asks of it.
//
// What makes a log durable is not RocksDB's alone: the seal, and the way to the folder, are written beside it. Both ask
// the same file system, so that a test that cuts the power cuts it for both, between any two steps. DIR/LOCK stands
// apart (store/data_dir.h): a lock ends with its process and has nothing to lose.
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

  /// For RocksDB, the same files; null: its own way to the disk.
  virtual rocksdb::Env* rocksdb_env() = 0;

  /// The whole content of a file. `missing` if there is none.
  virtual Result<std::string> read(const std::string& path) = 0;
  /// Makes a file, for its owner and group alone; what bore the name goes first, and is never written into. Not
  /// durable, nor is its name.
  virtual Result<void> write(const std::string& path, std::string_view bytes) = 0;
  /// Makes durable what a file holds, or the entries of a folder.
  virtual Result<void> sync(const std::string& path) = 0;
  /// All or nothing, in the place of what bore the name. Durable once the folder is synced.
  virtual Result<void> rename(const std::string& from, const std::string& to) = 0;
  /// For its owner and group alone: what agents print is in there, and what they are asked to do. Answers false if
  /// there is a folder of that name already.
  virtual Result<bool> make_dir(const std::string& path) = 0;
  /// `io` if that cannot be known: what may not be looked at is not missing.
  virtual Result<bool> exists(const std::string& path) = 0;
  virtual Result<std::vector<std::string>> names_in(const std::string& dir) = 0;
  /// With all that is in it; what cannot be removed stays.
  virtual void remove_all(const std::string& path) = 0;

  // Rights, where files have any.

  /// `io` names the folder if this process may not read and write what is in it.
  virtual Result<void> check_writable(const std::string& /*folder*/) { return {}; }
  /// As check_folder() (store/folder_guard.h).
  virtual Result<void> check_owned(const std::string& /*folder*/) { return {}; }
  /// `io` names the first file of the folder, or the folder itself, that this process may not read.
  virtual Result<void> check_readable(const std::string& /*folder*/) { return {}; }
};

/// The disk.
Files& disk_files();

}  // namespace pawl
