// For whom the files are that this process makes.
#pragma once

#include <sys/types.h>

#include <optional>

namespace pawl {

/// What a private file mask takes away: others have nothing, and the group may read.
constexpr mode_t private_mask = 027;

/// From here on all files that this process makes are of mode 0640 at most, and folders of 0750; RocksDB's and git's
/// too, which ask for more. A umask that takes away more stays. To be called once, before there are threads.
void keep_files_private();
/// The umask from before that: what commands are given back, whose files are none of pawl's. None if it was not called.
std::optional<mode_t> umask_before();

/// The same for as long as this lives: for a command that makes a data folder.
class PrivateFiles {
 public:
  PrivateFiles();
  ~PrivateFiles();
  PrivateFiles(const PrivateFiles&) = delete;
  PrivateFiles& operator=(const PrivateFiles&) = delete;

 private:
  mode_t before_;
};

}  // namespace pawl
