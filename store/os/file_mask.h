// Permissions of the files that this process creates.
#pragma once

#include <sys/types.h>

#include <optional>

namespace pawl {

/// The private umask: nothing for others, read-only for the group.
constexpr mode_t private_mask = 027;

/// From here on all files that this process creates have at most mode 0640, and folders 0750, including those of
/// RocksDB and git, which request more. A stricter umask is kept. Call once, before there are threads.
void keep_files_private();
/// The umask before that call, which commands get back because their files are not pawl's. None if it was not called.
std::optional<mode_t> umask_before();

/// The same for the lifetime of this object: for a command that creates a data folder.
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
