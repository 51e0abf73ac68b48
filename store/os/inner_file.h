// What lies in a folder of ours, where a command, or who else has got in, may have put a link or a pipe in the
// place of what we expect. On the way there no link is followed, and nothing is waited for.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <string>
#include <string_view>

#include "schema/result.h"
#include "store/os/descriptor.h"

namespace pawl {

/// Opens `below` (such as "logs/task-1/x.log") from the folder on, without following any link: each folder of the way
/// is opened in the one before. How the folder itself is named is for who named it. To `flags` come O_CLOEXEC,
/// O_NOFOLLOW and O_NONBLOCK. None: errno says why; ELOOP where there is a link.
Descriptor open_below(const std::string& folder, const std::string& below, int flags, mode_t mode = 0);
/// The same from a folder that is held open.
Descriptor open_below(const Descriptor& folder, const std::string& below, int flags, mode_t mode = 0);

/// The same for a name in one piece. A relative one is below the folder that this process works in, which a daemon
/// holds (DirLock::enter()): no link on it is followed at all. Of an absolute one the last part alone is no link.
Descriptor open_inner(const std::string& path, int flags, mode_t mode = 0);

/// An error for what open_inner() failed with: `missing` or `io`, in a sentence where it is a link.
Error inner_error(const std::string& path);

/// `io` unless what is open there is a regular file.
Result<void> check_file(const Descriptor& file, const std::string& path);
/// Whether it is a file with more than one name (a hard link).
bool has_other_name(const Descriptor& file);
/// Also unless it has one name: what is written into a file with another one is
/// written elsewhere too.
Result<void> check_written(const Descriptor& file, const std::string& path);

/// Makes the folder, and those on the way to it, with 0750; as open_inner(), no link is taken for one.
Result<void> make_inner_folders(const std::string& path);

/// Removes a name, be it of a link; not through one.
bool remove_inner(const std::string& path);

/// The whole of a file that open_below() opens; `malformed` if it is longer than `bytes_max`.
Result<std::string> read_below(const std::string& folder, const std::string& below, std::size_t bytes_max);
/// As write_inner().
Result<void> write_below(const std::string& folder, const std::string& below, std::string_view bytes);
/// Adds to a file that is there.
Result<void> append_below(const std::string& folder, const std::string& below, std::string_view bytes);

/// Replaces a file, or makes it. What stood there goes first, so that nothing is ever written into it.
Result<void> write_inner(const std::string& path, std::string_view bytes, mode_t mode = 0640);

}  // namespace pawl
