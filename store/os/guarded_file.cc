#include "store/os/guarded_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "store/os/regular_file.h"

namespace pawl {
namespace {

constexpr std::size_t secret_bytes_max = 4096;

Result<void> check_guard(const std::string& path, int fd, Guard guard) {
  struct stat about {};
  if (::fstat(fd, &about) != 0) return Error{ErrorCode::io, path + ": " + std::strerror(errno)};
  switch (guard) {
    case Guard::unwritable:
      if ((about.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        return Error{ErrorCode::malformed, path + ": others may write this file: run chmod go-w on it"};
      }
      if (about.st_uid != 0 && about.st_uid != ::geteuid()) {
        return Error{ErrorCode::malformed, path + ": belongs to another user, who may write it"};
      }
      return {};
    case Guard::unreadable:
      if ((about.st_mode & (S_IROTH | S_IWOTH)) != 0) {
        return Error{ErrorCode::malformed, path + ": others may read or write this file: run chmod o= on it"};
      }
      return {};
  }
  return {};
}

}  // namespace

Result<std::string> read_guarded_file(const std::string& path, Guard guard, std::size_t bytes_max) {
  const Descriptor file = PAWL_TRY(open_regular_file(path));
  // Check the open file, so that the file checked is the one read.
  PAWL_TRY(check_guard(path, file.get(), guard));
  std::string bytes = PAWL_TRY(read_up_to(file, path, bytes_max));
  if (bytes.size() > bytes_max) {
    return Error{ErrorCode::malformed, path + ": is longer than " + std::to_string(bytes_max) + " bytes"};
  }
  return bytes;
}

Result<std::string> read_secret(const std::string& path) {
  std::string secret = PAWL_TRY(read_guarded_file(path, Guard::unreadable, secret_bytes_max));
  // Editors and `echo` end a file with a line end; no tool that generates secrets puts one into them.
  while (!secret.empty() && (secret.back() == '\n' || secret.back() == '\r')) secret.pop_back();
  if (secret.empty()) return Error{ErrorCode::malformed, path + ": is empty"};
  return secret;
}

}  // namespace pawl
