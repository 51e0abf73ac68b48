// Files inside one of our folders, where a command or an intruder may have replaced the expected file with a link or a
// pipe. No link on the path is followed, and nothing here blocks.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <string>
#include <string_view>

#include "schema/result.h"
#include "store/os/descriptor.h"

namespace pawl {

/// Opens `below` (such as "logs/task-1/x.log") relative to the folder, without following any link: each folder on the
/// path is opened relative to its parent. The path of the folder itself is trusted. O_CLOEXEC, O_NOFOLLOW and
/// O_NONBLOCK are added to `flags`. If there is none, errno says why; ELOOP if there is a link.
Descriptor open_below(const std::string& folder, const std::string& below, int flags, mode_t mode = 0);
/// The same, relative to an open folder.
Descriptor open_below(const Descriptor& folder, const std::string& below, int flags, mode_t mode = 0);

/// The same for a single path. A relative path is below the working folder, which a daemon holds (DirLock::enter()): no
/// link on it is followed at all. In an absolute path only the last component may not be a link.
Descriptor open_inner(const std::string& path, int flags, mode_t mode = 0);

/// The error for a failed open_inner(): `missing` or `io`, with an explanation if it is a link.
Error inner_error(const std::string& path);

/// `io` unless the open file is a regular file.
Result<void> check_file(const Descriptor& file, const std::string& path);
/// Whether the file has more than one name (a hard link).
bool has_other_name(const Descriptor& file);
/// Also `io` unless it has exactly one name: writing to a hard-linked file also writes elsewhere.
Result<void> check_written(const Descriptor& file, const std::string& path);

/// Creates the folder and its parents with mode 0750; like open_inner(), it does not accept a link as a folder.
Result<void> make_inner_folders(const std::string& path);

/// Removes a directory entry, even a link; does not follow links.
bool remove_inner(const std::string& path);

/// The whole content of a file opened with open_below(); `malformed` if it is longer than `bytes_max`.
Result<std::string> read_below(const std::string& folder, const std::string& below, std::size_t bytes_max);
/// Like write_inner().
Result<void> write_below(const std::string& folder, const std::string& below, std::string_view bytes);
/// Appends to an existing file.
Result<void> append_below(const std::string& folder, const std::string& below, std::string_view bytes);

/// Creates or replaces a file. An existing file is removed first, so that nothing is ever written into it.
Result<void> write_inner(const std::string& path, std::string_view bytes, mode_t mode = 0640);

}  // namespace pawl
