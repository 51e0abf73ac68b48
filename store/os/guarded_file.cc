#include "store/os/guarded_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "store/os/descriptor.h"

namespace pawl {
namespace {

constexpr std::size_t secret_bytes_max = 4096;

Result<void> check_guard(const std::string& path, int fd, Guard guard) {
  struct stat about {};
  if (::fstat(fd, &about) != 0) return Error{ErrorCode::io, path + ": " + std::strerror(errno)};
  switch (guard) {
    case Guard::unwritable:
      if ((about.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        return Error{ErrorCode::malformed, path + ": others may write this file: chmod go-w it"};
      }
      if (about.st_uid != 0 && about.st_uid != ::geteuid()) {
        return Error{ErrorCode::malformed, path + ": belongs to somebody else, who may write it"};
      }
      return {};
    case Guard::unreadable:
      if ((about.st_mode & (S_IROTH | S_IWOTH)) != 0) {
        return Error{ErrorCode::malformed, path + ": others may read or write this file: chmod o= it"};
      }
      return {};
  }
  return {};
}

/// Up to `bytes_max` bytes, or one more than that where there are more.
Result<std::string> read_some_more_than(const std::string& path, int fd, std::size_t bytes_max) {
  std::string bytes(bytes_max + 1, '\0');
  std::size_t have = 0;
  while (have < bytes.size()) {
    const ssize_t got = ::read(fd, bytes.data() + have, bytes.size() - have);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Error{ErrorCode::io, path + ": " + std::strerror(errno)};
    if (got == 0) break;
    have += static_cast<std::size_t>(got);
  }
  bytes.resize(have);
  return bytes;
}

}  // namespace

Result<std::string> read_guarded_file(const std::string& path, Guard guard, std::size_t bytes_max) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return Error{errno == ENOENT ? ErrorCode::missing : ErrorCode::io, path + ": " + std::strerror(errno)};
  // Asked of the open file: what is checked is what is read.
  const Result<void> guarded = check_guard(path, file.get(), guard);
  if (!guarded) return guarded.error();
  Result<std::string> bytes = read_some_more_than(path, file.get(), bytes_max);
  if (bytes && bytes->size() > bytes_max) {
    return Error{ErrorCode::malformed, path + ": is longer than " + std::to_string(bytes_max) + " bytes"};
  }
  return bytes;
}

Result<std::string> read_secret(const std::string& path) {
  std::string secret = PAWL_TRY(read_guarded_file(path, Guard::unreadable, secret_bytes_max));
  // Editors and `echo` end a file with a line's end; no tool that makes secrets puts one into them.
  while (!secret.empty() && (secret.back() == '\n' || secret.back() == '\r')) secret.pop_back();
  if (secret.empty()) return Error{ErrorCode::malformed, path + ": is empty"};
  return secret;
}

}  // namespace pawl
