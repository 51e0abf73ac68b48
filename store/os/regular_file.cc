#include "store/os/regular_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace pawl {
namespace {

Error failed(const std::string& path) {
  return {errno == ENOENT ? ErrorCode::missing : ErrorCode::io, path + ": " + std::strerror(errno)};
}

Result<void> check_kind(const std::string& path, mode_t mode) {
  if (S_ISREG(mode)) return {};
  const char* what = "is a device, but must be a regular file";
  if (S_ISDIR(mode)) what = "is a folder, but must be a regular file";
  if (S_ISSOCK(mode)) what = "is a socket, but must be a regular file";
  // A shell's `<(…)` can be read only once, not again on SIGHUP.
  if (S_ISFIFO(mode)) what = "is a pipe, as from `<(…)`: write the content to a file with mode 0600 and name that file";
  return Error{ErrorCode::malformed, path + ": " + what};
}

}  // namespace

Result<Descriptor> open_regular_file(const std::string& path) {
  struct stat about {};
  // Check before opening: opening a device may have side effects.
  if (::stat(path.c_str(), &about) != 0) return failed(path);
  PAWL_TRY(check_kind(path, about.st_mode));
  Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!file || ::fstat(file.get(), &about) != 0) return failed(path);
  // Check the open file too: it may have been replaced meanwhile.
  PAWL_TRY(check_kind(path, about.st_mode));
  return file;
}

Result<std::string> read_up_to(const Descriptor& file, const std::string& path, std::size_t bytes_max) {
  std::string bytes(bytes_max + 1, '\0');
  std::size_t have = 0;
  while (have < bytes.size()) {
    const ssize_t got = ::read(file.get(), bytes.data() + have, bytes.size() - have);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Error{ErrorCode::io, path + ": " + std::strerror(errno)};
    if (got == 0) break;
    have += static_cast<std::size_t>(got);
  }
  bytes.resize(have);
  return bytes;
}

Result<std::string> read_regular_file(const std::string& path, std::size_t bytes_max) {
  const Descriptor file = PAWL_TRY(open_regular_file(path));
  std::string bytes = PAWL_TRY(read_up_to(file, path, bytes_max));
  if (bytes.size() > bytes_max) {
    return Error{ErrorCode::malformed, path + ": is longer than " + std::to_string(bytes_max) + " bytes"};
  }
  return bytes;
}

}  // namespace pawl
