#include "store/data_dir.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <vector>

#include "store/key_format.h"

namespace pawl {
namespace {

// What pawl itself puts beside the log, and so may stand there before there is one.
constexpr std::array<std::string_view, 8> own_entries = {"LOCK",  "log",  "logs",  "pawl.sock",
                                                         "repos", "runs", "steps", "work"};

Error system_error(const std::string& path, const char* what) {
  const int number = errno;
  return {number == ENOENT ? ErrorCode::missing : ErrorCode::io,
          path + ": " + what + ": " + std::generic_category().message(number)};
}

/// Closes at the end of the scope.
struct File {
  int fd;
  ~File() {
    if (fd >= 0) ::close(fd);
  }
};

Result<void> write_all(int fd, std::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return system_error(path, "write");
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

}  // namespace

Result<DirLock> DirLock::take(const std::string& dir) {
  const std::string path = dir + "/LOCK";
  // Close-on-exec: a command that outlives the daemon must not keep its folder from the next one.
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) return system_error(path, "open");
  DirLock lock(fd);
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return system_error(path, "flock");
    std::array<char, 32> text{};
    const ssize_t bytes = ::pread(fd, text.data(), text.size() - 1, 0);
    std::string pid(text.data(), bytes > 0 ? static_cast<std::size_t>(bytes) : 0);
    while (!pid.empty() && pid.back() == '\n') pid.pop_back();
    return Error{ErrorCode::busy, dir + " is in use by process " + (pid.empty() ? "of unknown pid" : pid)};
  }
  const std::string pid = std::to_string(::getpid()) + "\n";
  if (::ftruncate(fd, 0) != 0) return system_error(path, "truncate");
  PAWL_TRY(write_all(fd, pid, path));
  return lock;
}

DirLock::~DirLock() {
  if (fd_ >= 0) ::close(fd_);
}

Result<void> make_data_dir(const std::string& dir) {
  std::error_code error;
  std::vector<std::filesystem::path> made;  // the deepest first
  for (std::filesystem::path at = std::filesystem::absolute(dir).lexically_normal();
       !std::filesystem::exists(at, error); at = at.parent_path()) {
    made.push_back(at);
  }
  std::filesystem::create_directories(dir, error);
  if (error) return Error{ErrorCode::io, dir + ": cannot be made: " + error.message()};
  const bool has_log = PAWL_TRY(is_there(dir + "/log/CURRENT"));
  // A record is durable only if the way to it is.
  for (const std::filesystem::path& path : made) PAWL_TRY(sync_dir(path.parent_path().string()));

  for (std::filesystem::directory_iterator at(dir, error), end; !error && at != end; at.increment(error)) {
    const std::string entry = at->path().filename().string();
    if (entry == "sealed" || std::find(own_entries.begin(), own_entries.end(), entry) != own_entries.end()) continue;
    if (entry == "sealed.new") continue;  // a seal that a crash kept from its place
    if (has_log) continue;                // Somebody's notes beside a log do no harm.
    return Error{ErrorCode::malformed,
                 dir + " is no data folder of pawl, and not empty: it holds '" + entry + "' and no log"};
  }
  if (error) return Error{ErrorCode::io, dir + ": cannot be listed: " + error.message()};
  return {};
}

Result<bool> is_there(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) == 0) return true;
  if (errno == ENOENT) return false;
  return system_error(path, "stat");
}

Result<void> check_writable(const std::string& folder) {
  if (::access(folder.c_str(), R_OK | W_OK | X_OK) != 0) return system_error(folder, "not to be written");
  return {};
}

Result<void> check_readable(const std::string& folder) {
  if (::access(folder.c_str(), R_OK | X_OK) != 0) return system_error(folder, "not to be read");
  std::error_code error;
  for (std::filesystem::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    const std::string path = at->path().string();
    // Whoever writes here moves files: one that is gone meanwhile is nobody's trouble.
    if (::access(path.c_str(), R_OK) != 0 && errno != ENOENT) return system_error(path, "not to be read");
  }
  if (error) return Error{ErrorCode::io, folder + ": cannot be listed: " + error.message()};
  return {};
}

Result<void> write_seal(const std::string& dir, Seq seq) {
  const std::string path = dir + "/sealed";
  const std::string fresh = path + ".new";
  {
    const File file{::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)};
    if (file.fd < 0) return system_error(fresh, "open");
    PAWL_TRY(write_all(file.fd, encode_seal(seq), fresh));
    if (::fsync(file.fd) != 0) return system_error(fresh, "fsync");
  }
  if (::rename(fresh.c_str(), path.c_str()) != 0) return system_error(path, "rename");
  return sync_dir(dir);
}

Result<Seq> read_seal(const std::string& dir) {
  const std::string path = dir + "/sealed";
  const Result<std::string> bytes = read_file(path);
  if (!bytes && bytes.error().code == ErrorCode::missing) return Seq{};
  if (!bytes) return bytes.error();
  const Result<Seq> seq = decode_seal(*bytes);
  if (!seq) return Error{seq.error().code, path + ": " + seq.error().message};
  return seq;
}

Result<std::uint64_t> free_bytes(const std::string& dir) {
  struct statvfs info {};
  if (::statvfs(dir.c_str(), &info) != 0) return system_error(dir, "statvfs");
  return std::uint64_t{info.f_bavail} * info.f_frsize;
}

Result<void> sync_dir(const std::string& dir) {
  const File file{::open(dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (file.fd < 0) return system_error(dir, "open");
  if (::fsync(file.fd) != 0) return system_error(dir, "fsync");
  return {};
}

Result<std::string> read_file(const std::string& path) {
  const File file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.fd < 0) return system_error(path, "open");
  struct stat info {};
  if (::fstat(file.fd, &info) != 0) return system_error(path, "fstat");
  std::string bytes(static_cast<std::size_t>(info.st_size), '\0');
  std::size_t at = 0;
  while (at < bytes.size()) {
    const ssize_t got = ::read(file.fd, bytes.data() + at, bytes.size() - at);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return system_error(path, "read");
    if (got == 0) break;
    at += static_cast<std::size_t>(got);
  }
  bytes.resize(at);
  return bytes;
}

}  // namespace pawl
