// The data folder around the log: who has it, up to where it was sealed, how much room is left.
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

/// The right to write in a data folder: flock(2) on the folder itself, which nobody can remove from under it, and on
/// DIR/LOCK, which holds the pid of who has it. Both end with the process, however that ends; the file stays.
///
/// What is held is the folder, whatever becomes of its name: it may be moved away, and another put in its place.
class DirLock {
 public:
  /// `busy` names the pid. The folder exists. `malformed` if it is another user's, if others may write in it, or if a
  /// link stands in the place of anything that pawl opens in it (store/folder_guard.h): each with what mends it. If
  /// whoever is named there has ended, `patience` is how long it is waited for: a command that it was about to start
  /// has the lock too, until it has closed what it inherited.
  static Result<DirLock> take(const std::string& dir, std::chrono::milliseconds patience = std::chrono::seconds(5));

  /// Whether the folder itself could be locked. On NFS it cannot, and DIR/LOCK alone keeps others off.
  bool has_folder() const { return has_folder_; }
  /// What others could do with it, and may not any more: sentences for people, mostly none.
  const std::vector<std::string>& narrowed() const { return narrowed_; }
  /// Makes it the folder that this process works in: from then on "." leads to it, and to nothing else.
  Result<void> enter() const;
  /// `replaced` if the name that it was taken by leads elsewhere by now, or nowhere. What cannot be asked is no
  /// evidence.
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

/// Makes the folder where there is none. `malformed` if it is no data folder of pawl and not empty either: nothing is
/// ever mixed with somebody else's files. Also if it is another user's, or others may write in it.
Result<void> make_data_dir(const std::string& dir, Files& files = disk_files());

/// Says, durably and all or nothing, that the log in `dir` is durable up to `seq`.
Result<void> write_seal(const std::string& dir, Seq seq, Files& files = disk_files());
/// 0 if the log was never sealed.
Result<Seq> read_seal(const std::string& dir, Files& files = disk_files());

/// What a process without privileges may still use where a folder is.
struct FreeSpace {
  std::uint64_t bytes = 0;
  /// How many files may still be made; none where the file system does not count them.
  std::optional<std::uint64_t> inodes = std::nullopt;
};
Result<FreeSpace> free_space(const std::string& dir);

/// Writes to DIR/probe that a daemon lives at `now`, by the log's time, and syncs it. A file system that has turned
/// read-only shows in no other way: statvfs(3) goes on to report free space. Blocks for as long as the disk does.
Result<void> probe_writable(const std::string& dir, TimeUs now);
/// What was written there last; none if there is nothing that can be read as that.
std::optional<TimeUs> read_probe(const std::string& dir);

}  // namespace pawl
