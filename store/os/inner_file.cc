#include "store/os/inner_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <string_view>

#include "store/os/file_io.h"
#include "store/os/regular_file.h"
#include "store/os/system_error.h"

namespace pawl {
namespace {

constexpr int held_flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
constexpr mode_t folder_mode = 0750;

/// For "a/b/c" with `from` at its start: the folder that contains c, and "c".
struct WayTo {
  Descriptor folder;
  std::string name;
};

enum class Absent { stays, is_made };

/// Whether the name in the folder is a link: openat(2) reports ENOTDIR for a link where it expects a folder.
bool is_link(int folder, const std::string& name) {
  struct stat about {};
  return ::fstatat(folder, name.c_str(), &about, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(about.st_mode);
}

Descriptor folder_in(int folder, const std::string& name) {
  Descriptor opened(::openat(folder, name.c_str(), held_flags | O_NOFOLLOW));
  if (!opened && errno == ENOTDIR) errno = is_link(folder, name) ? ELOOP : ENOTDIR;
  return opened;
}

/// If there is none, errno says why.
WayTo place_of(Descriptor folder, std::string_view below, Absent absent) {
  WayTo place{.folder = std::move(folder), .name = {}};
  while (place.folder) {
    while (below.starts_with('/')) below.remove_prefix(1);
    const std::size_t slash = below.find('/');
    place.name = below.substr(0, slash);
    if (slash == std::string_view::npos) break;
    below.remove_prefix(slash);
    if (place.name == ".") continue;
    if (absent == Absent::is_made) ::mkdirat(place.folder.get(), place.name.c_str(), folder_mode);
    place.folder = folder_in(place.folder.get(), place.name);
  }
  return place;
}

WayTo inner_place(const std::string& path, Absent absent) {
  if (!path.starts_with('/')) return place_of(Descriptor(::open(".", held_flags)), path, absent);
  const std::size_t slash = path.rfind('/');
  if (absent == Absent::is_made) {
    std::error_code ignored;  // all that matters is whether it can be opened
    std::filesystem::create_directories(path.substr(0, slash + 1), ignored);
  }
  return {.folder = Descriptor(::open(path.substr(0, slash + 1).c_str(), held_flags)), .name = path.substr(slash + 1)};
}

Descriptor open_at(const WayTo& place, int flags, mode_t mode) {
  if (!place.folder) return {};
  return Descriptor(
      ::openat(place.folder.get(), place.name.c_str(), flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, mode));
}

Result<void> write_at(const WayTo& place, const std::string& path, std::string_view bytes, mode_t mode) {
  if (!place.folder) return inner_error(path);
  ::unlinkat(place.folder.get(), place.name.c_str(), 0);
  const Descriptor file = open_at(place, O_WRONLY | O_CREAT | O_EXCL, mode);
  if (!file) return system_error(path, "open");
  return write_all(file, bytes, path);
}

}  // namespace

Descriptor open_below(const std::string& folder, const std::string& below, int flags, mode_t mode) {
  return open_at(place_of(Descriptor(::open(folder.c_str(), held_flags)), below, Absent::stays), flags, mode);
}

Descriptor open_below(const Descriptor& folder, const std::string& below, int flags, mode_t mode) {
  return open_at(place_of(Descriptor(::fcntl(folder.get(), F_DUPFD_CLOEXEC, 3)), below, Absent::stays), flags, mode);
}

Descriptor open_inner(const std::string& path, int flags, mode_t mode) {
  return open_at(inner_place(path, Absent::stays), flags, mode);
}

Error inner_error(const std::string& path) {
  if (errno != ELOOP) return system_error(path, "open");
  return {ErrorCode::io, path + ": this path, or a folder on it, is a link, and links are not followed here"};
}

Result<void> check_file(const Descriptor& file, const std::string& path) {
  struct stat about {};
  if (::fstat(file.get(), &about) != 0) return system_error(path, "fstat");
  if (!S_ISREG(about.st_mode)) return Error{ErrorCode::io, path + " is not a regular file"};
  return {};
}

bool has_other_name(const Descriptor& file) {
  struct stat about {};
  return ::fstat(file.get(), &about) == 0 && S_ISREG(about.st_mode) && about.st_nlink > 1;
}

Result<void> check_written(const Descriptor& file, const std::string& path) {
  PAWL_TRY(check_file(file, path));
  if (!has_other_name(file)) return {};
  return Error{ErrorCode::io, path + " has another name (a hard link), so writing to it would also write there"};
}

Result<void> make_inner_folders(const std::string& path) {
  const WayTo place = inner_place(path, Absent::is_made);
  if (!place.folder) return inner_error(path);
  if (::mkdirat(place.folder.get(), place.name.c_str(), folder_mode) == 0) return {};
  const bool is_there = errno == EEXIST && folder_in(place.folder.get(), place.name);
  return is_there ? Result<void>() : inner_error(path);
}

bool remove_inner(const std::string& path) {
  const WayTo place = inner_place(path, Absent::stays);
  return place.folder && ::unlinkat(place.folder.get(), place.name.c_str(), 0) == 0;
}

Result<void> write_inner(const std::string& path, std::string_view bytes, mode_t mode) {
  return write_at(inner_place(path, Absent::stays), path, bytes, mode);
}

Result<std::string> read_below(const std::string& folder, const std::string& below, std::size_t bytes_max) {
  const std::string path = folder + "/" + below;
  const Descriptor file = open_below(folder, below, O_RDONLY);
  if (!file) return inner_error(path);
  PAWL_TRY(check_file(file, path));
  std::string bytes = PAWL_TRY(read_up_to(file, path, bytes_max));
  if (bytes.size() > bytes_max) return Error{ErrorCode::malformed, path + ": is too long"};
  return bytes;
}

Result<void> write_below(const std::string& folder, const std::string& below, std::string_view bytes) {
  return write_at(place_of(Descriptor(::open(folder.c_str(), held_flags)), below, Absent::stays), folder + "/" + below,
                  bytes, 0640);
}

Result<void> append_below(const std::string& folder, const std::string& below, std::string_view bytes) {
  const std::string path = folder + "/" + below;
  const Descriptor file = open_below(folder, below, O_WRONLY | O_APPEND);
  if (!file) return inner_error(path);
  PAWL_TRY(check_written(file, path));
  return write_all(file, bytes, path);
}

}  // namespace pawl
