#include "tools/commands/tokens_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "schema/limits.h"
#include "store/os/descriptor.h"
#include "store/os/file_io.h"
#include "store/os/guarded_file.h"
#include "store/os/random.h"
#include "store/os/regular_file.h"
#include "store/os/system_error.h"

namespace pawl {
namespace {

/// The file, locked, if it exists: it keeps that name while it is held.
Result<Descriptor> hold(const std::string& path) {
  for (;;) {
    auto file = open_regular_file(path);
    if (!file && file.error().code == ErrorCode::missing) return Descriptor();
    if (!file) return file.error();
    if (::flock(file->get(), LOCK_EX) != 0) return system_error(path, "lock");
    struct stat held {};
    struct stat named {};
    if (::fstat(file->get(), &held) != 0) return system_error(path, "stat");
    const bool is_named =
        ::stat(path.c_str(), &named) == 0 && named.st_dev == held.st_dev && named.st_ino == held.st_ino;
    if (is_named) return std::move(*file);
  }
}

/// A new file, removed unless it is moved into place.
class FreshFile {
 public:
  explicit FreshFile(std::string path) : path_(std::move(path)) {}
  FreshFile(const FreshFile&) = delete;
  FreshFile& operator=(const FreshFile&) = delete;
  ~FreshFile() {
    if (file_) ::unlink(path_.c_str());
  }

  /// Writes `text`, with the owner and mode of the file to replace, if there is one.
  Result<void> write(const std::string& text, const Descriptor& old) {
    file_ = Descriptor(::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!file_) return system_error(path_, "open");
    struct stat as {};
    if (old) {
      if (::fstat(old.get(), &as) != 0) return system_error(path_, "stat");
      if (::fchown(file_.get(), as.st_uid, as.st_gid) != 0) return system_error(path_, "chown");
      if (::fchmod(file_.get(), as.st_mode & 0777) != 0) return system_error(path_, "chmod");
    }
    PAWL_TRY(write_all(file_, text, path_));
    if (::fsync(file_.get()) != 0) return system_error(path_, "sync");
    return {};
  }

  Result<void> replace(const std::string& path) {
    if (::rename(path_.c_str(), path.c_str()) != 0) return system_error(path, "rename");
    file_.close();
    return {};
  }

  /// Moves it into place where no file exists; false if one has appeared meanwhile.
  Result<bool> begin(const std::string& path) {
    const bool is_there = ::link(path_.c_str(), path.c_str()) != 0;
    if (is_there && errno != EEXIST) return system_error(path, "link");
    return !is_there;
  }

 private:
  std::string path_;
  Descriptor file_;
};

Result<void> sync_folder(const std::filesystem::path& folder) {
  const Descriptor opened(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!opened || ::fsync(opened.get()) != 0) return system_error(folder.string(), "sync");
  return {};
}

/// False: the file did not exist, but appeared meanwhile.
Result<bool> edit_once(const std::string& real, const std::string& path, const EditTokens& edit) {
  const Descriptor old = PAWL_TRY(hold(real));
  const std::string text =
      old ? PAWL_TRY(read_guarded_file(real, Guard::unwritable, limits::tokens_file_bytes_max)) : std::string();
  const Tokens tokens = PAWL_TRY(parse_tokens(text, path));
  const std::string edited = PAWL_TRY(edit(text, tokens));
  if (edited.size() > limits::tokens_file_bytes_max) {
    return Error{ErrorCode::malformed, path + ": it would be too long for a file of tokens"};
  }
  const Tokens after = PAWL_TRY(parse_tokens(edited, path));
  PAWL_ASSERT(!after.empty());
  FreshFile fresh(real + ".new-" + random_hex());
  PAWL_TRY(fresh.write(edited, old));
  if (!old) return fresh.begin(real);
  PAWL_TRY(fresh.replace(real));
  return true;
}

}  // namespace

Result<void> edit_tokens(const std::string& path, const EditTokens& edit) {
  // Otherwise the link itself would be replaced, and other links to the file would keep the old content.
  std::error_code unknown;
  const std::filesystem::path canonical = std::filesystem::weakly_canonical(path, unknown);
  const std::string real = unknown ? path : canonical.string();
  while (!PAWL_TRY(edit_once(real, path, edit))) {
  }
  return sync_folder(std::filesystem::absolute(real).parent_path());
}

std::string without_line(const std::string& text, std::size_t line) {
  std::size_t begin = 0;
  for (std::size_t number = 1; number < line; ++number) begin = text.find('\n', begin) + 1;
  const std::size_t end = text.find('\n', begin);
  return text.substr(0, begin) + (end == std::string::npos ? std::string() : text.substr(end + 1));
}

}  // namespace pawl
