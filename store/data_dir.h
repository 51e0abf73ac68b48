// The data folder around the log: who holds it, up to where it is sealed, and how much space is left.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "schema/ids.h"
#include "schema/result.h"
#include "schema/time.h"
#include "store/files.h"
#include "store/os/descriptor.h"

namespace pawl {

/// The right to write in a data folder: flock(2) on the folder itself, which cannot be removed while it is held, and on
/// DIR/LOCK, which contains the holder's pid. Both locks end with the process, however it ends; the file stays.
///
/// The lock holds the folder, not its name: the folder may be moved away and another put in its place.
class DirLock {
 public:
  /// Requires: the folder exists. `busy` names the pid. `malformed` if the folder belongs to another user, if others
  /// may write in it, or if anything that pawl opens in it is a link (store/folder_guard.h); the message says how to
  /// fix it. If the named process has already ended, waits for up to `patience`: a command that it was starting shares
  /// the lock until it has closed its inherited descriptors.
  static Result<DirLock> take(const std::string& dir, std::chrono::milliseconds patience = std::chrono::seconds(5));

  /// Whether the folder itself could be locked. On NFS it cannot, and only DIR/LOCK keeps others out.
  bool has_folder() const { return has_folder_; }
  /// Permissions that were removed from others: sentences for people, usually none.
  const std::vector<std::string>& narrowed() const { return narrowed_; }
  /// Makes it this process's working folder: from then on "." always leads to it.
  Result<void> enter() const;
  /// `replaced` if the name it was opened by now leads elsewhere or nowhere. A failed check is not treated as evidence.
  Result<void> check_name() const;

 private:
  DirLock(std::string name, Descriptor folder, Descriptor file, bool has_folder)
      : name_(std::move(name)), folder_(std::move(folder)), file_(std::move(file)), has_folder_(has_folder) {}

  std::string name_;  // absolute
  Descriptor folder_;
  Descriptor file_;
  bool has_folder_;
  std::vector<std::string> narrowed_;
};

/// Creates the folder if it does not exist. `malformed` if it is neither empty nor a pawl data folder, so that pawl's
/// files are never mixed with others; also if it belongs to another user, or others may write in it.
Result<void> make_data_dir(const std::string& dir, Files& files = disk_files());

/// Records, durably and all or nothing, that the log in `dir` is durable up to `seq`.
Result<void> write_seal(const std::string& dir, Seq seq, Files& files = disk_files());
/// 0 if the log was never sealed.
Result<Seq> read_seal(const std::string& dir, Files& files = disk_files());

/// The free space available to an unprivileged process on a folder's file system.
struct FreeSpace {
  std::uint64_t bytes = 0;
  /// How many more files can be created; none if the file system has no such limit.
  std::optional<std::uint64_t> inodes = std::nullopt;
};
Result<FreeSpace> free_space(const std::string& dir);

/// Writes to DIR/probe that a daemon is alive at `now`, in the log's time, and syncs it. Only a write detects a file
/// system that has become read-only: statvfs(3) still reports free space. Blocks for as long as the disk does.
Result<void> probe_writable(const std::string& dir, TimeUs now);
/// The time last written there; none if there is no readable one.
std::optional<TimeUs> read_probe(const std::string& dir);

}  // namespace pawl
