#include "store/data_dir.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <system_error>
#include <thread>
#include <vector>

#include "store/folder_guard.h"
#include "store/key_format.h"
#include "store/os/file_lock.h"
#include "store/os/inner_file.h"
#include "store/os/system_error.h"

namespace pawl {
namespace {

// What pawl itself creates next to the log, and so may exist before there is a log; and what a new file system
// contains.
constexpr std::array<std::string_view, 13> expected_entries = {
    "LOCK",      "log",   "log.new", "logs", "lost+found", "member", "member.new",
    "pawl.sock", "probe", "repos",   "runs", "steps",      "work"};

/// The pid in the lock file.
std::string named_in(const Descriptor& file) {
  std::array<char, 32> text{};
  const ssize_t bytes = ::pread(file.get(), text.data(), text.size() - 1, 0);
  std::string pid(text.data(), bytes > 0 ? static_cast<std::size_t>(bytes) : 0);
  while (!pid.empty() && pid.back() == '\n') pid.pop_back();
  return pid;
}

/// False if this cannot be determined: the holder may have just taken the lock and not yet written its pid.
bool has_ended(const std::string& process) {
  pid_t pid = 0;
  const auto [rest, failed] = std::from_chars(process.data(), process.data() + process.size(), pid);
  if (failed != std::errc() || rest != process.data() + process.size() || pid <= 0) return false;
  return ::kill(pid, 0) != 0 && errno == ESRCH;
}

}  // namespace

Result<DirLock> DirLock::take(const std::string& dir, std::chrono::milliseconds patience) {
  const std::string path = dir + "/LOCK";
  // Close-on-exec: a command that outlives the daemon must not keep the folder from the next daemon.
  Descriptor folder(::open(dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder) return system_error(dir, "open");
  struct stat about {};
  if (::fstat(folder.get(), &about) != 0) return system_error(dir, "fstat");
  // Check the open folder, so that the folder checked is the one written to.
  PAWL_TRY(check_folder(about, dir));
  PAWL_TRY(check_entries(folder, dir));
  Descriptor file = open_below(folder, "LOCK", O_RDWR | O_CREAT, 0640);
  if (!file) return inner_error(path);
  PAWL_TRY(check_written(file, path));
  const auto end = std::chrono::steady_clock::now() + patience;
  bool has_folder = false;
  while (true) {
    has_folder = try_lock(folder);
    const bool is_kept_off = !has_folder && errno == EWOULDBLOCK;
    if (!is_kept_off && try_lock(file)) break;
    if (errno != EWOULDBLOCK) return system_error(path, "flock");
    const std::string holder = named_in(file);
    if (!has_ended(holder) || std::chrono::steady_clock::now() >= end) {
      return Error{ErrorCode::busy, dir + " is in use by process " + (holder.empty() ? "with an unknown pid" : holder)};
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  const std::string pid = std::to_string(::getpid()) + "\n";
  if (::ftruncate(file.get(), 0) != 0) return system_error(path, "truncate");
  if (::write(file.get(), pid.data(), pid.size()) != static_cast<ssize_t>(pid.size()))
    return system_error(path, "write");
  DirLock lock(std::filesystem::absolute(dir).lexically_normal().string(), std::move(folder), std::move(file),
               has_folder);
  lock.narrowed_ = PAWL_TRY(narrow_folder(lock.folder_, dir));
  return lock;
}

Result<void> DirLock::enter() const {
  if (::fchdir(folder_.get()) != 0) return system_error(name_, "chdir");
  return {};
}

Result<void> DirLock::check_name() const {
  struct stat held {};
  struct stat named {};
  if (::fstat(folder_.get(), &held) != 0) return {};
  const bool is_there = ::stat(name_.c_str(), &named) == 0;
  // A failing disk or server reports EIO or ESTALE for a folder that has not moved.
  if (!is_there && errno != ENOENT && errno != ENOTDIR) return {};
  if (is_there && held.st_dev == named.st_dev && held.st_ino == named.st_ino) return {};
  return Error{ErrorCode::replaced, name_ + " is no longer the folder that this process holds: it was " +
                                        (is_there ? "replaced by another folder" : "moved away or removed")};
}

Result<void> make_data_dir(const std::string& dir, Files& files) {
  std::vector<std::string> absent;  // deepest first
  std::filesystem::path there = std::filesystem::absolute(dir).lexically_normal();
  if (!there.has_filename()) there = there.parent_path();  // for "data/"
  for (; !PAWL_TRY(files.exists(there.string())); there = there.parent_path()) absent.push_back(there.string());
  const bool has_log = PAWL_TRY(files.exists(dir + "/log/CURRENT"));
  // A record is durable only if the path to it is. Existing folders may be left from a start that was killed before it
  // could sync them; that is ruled out if there is a log, or if we may not write in the parent.
  const std::string above = there.parent_path().string();
  if (!has_log && files.check_writable(above)) PAWL_TRY(files.sync(above));
  for (auto path = absent.rbegin(); path != absent.rend(); ++path) {
    PAWL_TRY(files.make_dir(*path));
    PAWL_TRY(files.sync(std::filesystem::path(*path).parent_path().string()));
  }

  PAWL_TRY(files.check_owned(dir));
  const std::vector<std::string> entries = PAWL_TRY(files.names_in(dir));
  for (const std::string& entry : entries) {
    if (entry == "sealed" ||
        std::find(expected_entries.begin(), expected_entries.end(), entry) != expected_entries.end())
      continue;
    if (entry == "sealed.new") continue;  // a seal that a crash left unrenamed
    if (has_log) continue;                // Other people's files next to a log do no harm.
    return Error{ErrorCode::malformed,
                 dir + " is not a pawl data folder (it has no log/) and is not empty: it contains '" + entry + "'"};
  }
  return {};
}

Result<void> write_seal(const std::string& dir, Seq seq, Files& files) {
  const std::string path = dir + "/sealed";
  const std::string fresh = path + ".new";
  PAWL_TRY(files.write(fresh, encode_seal(seq)));
  PAWL_TRY(files.sync(fresh));
  PAWL_TRY(files.rename(fresh, path));
  return files.sync(dir);
}

Result<Seq> read_seal(const std::string& dir, Files& files) {
  const std::string path = dir + "/sealed";
  const Result<std::string> bytes = files.read(path);
  if (!bytes && bytes.error().code == ErrorCode::missing) return Seq{};
  if (!bytes) return bytes.error();
  Result<Seq> seq = decode_seal(*bytes);
  if (!seq) return Error{seq.error().code, path + ": " + seq.error().message};
  return seq;
}

Result<FreeSpace> free_space(const std::string& dir) {
  struct statvfs info {};
  if (::statvfs(dir.c_str(), &info) != 0) return system_error(dir, "statvfs");
  FreeSpace space{.bytes = std::uint64_t{info.f_bavail} * info.f_frsize};
  // File systems that create inodes on demand report a total of 0.
  if (info.f_files != 0) space.inodes = info.f_favail;
  return space;
}

Result<void> probe_writable(const std::string& dir, TimeUs now) {
  const std::string path = dir + "/probe";
  Descriptor file = open_below(dir, "probe", O_WRONLY | O_CREAT, 0640);
  // A copy of the folder by hard links, made at any time, must keep its own content, so replace the file.
  if (has_other_name(file) && remove_inner(path)) file = open_below(dir, "probe", O_WRONLY | O_CREAT | O_EXCL, 0640);
  if (!file) return inner_error(path);
  PAWL_TRY(check_written(file, path));
  // Its length is constant for centuries, so an overwrite never leaves part of the old content.
  const std::string text = std::to_string(now.us) + "\n";
  if (::pwrite(file.get(), text.data(), text.size(), 0) != static_cast<ssize_t>(text.size()))
    return system_error(path, "write");
  if (::fsync(file.get()) != 0) return system_error(path, "fsync");
  return {};
}

std::optional<TimeUs> read_probe(const std::string& dir) {
  const Descriptor file = open_below(dir, "probe", O_RDONLY);
  std::array<char, 32> text{};
  const ssize_t bytes = file ? ::pread(file.get(), text.data(), text.size(), 0) : -1;
  if (bytes < 2 || text[static_cast<std::size_t>(bytes) - 1] != '\n') return std::nullopt;
  TimeUs time;
  const char* const end = text.data() + bytes - 1;
  const auto [rest, failed] = std::from_chars(text.data(), end, time.us);
  if (failed != std::errc() || rest != end || time.us <= 0) return std::nullopt;
  return time;
}

}  // namespace pawl
