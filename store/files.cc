#include "store/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>

#include "store/folder_guard.h"
#include "store/os/descriptor.h"
#include "store/os/file_io.h"
#include "store/os/inner_file.h"
#include "store/os/system_error.h"

namespace pawl {
namespace {

class DiskFiles final : public Files {
 public:
  rocksdb::Env* rocksdb_env() override { return nullptr; }

  Result<std::string> read(const std::string& path) override {
    // A copy that is only read may contain links, but they must lead to files.
    const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    struct stat about {};
    if (!file || ::fstat(file.get(), &about) != 0) return system_error(path, "open");
    if (!S_ISREG(about.st_mode)) return Error{ErrorCode::io, path + " is not a regular file"};
    return read_to_end(file, path);
  }

  Result<void> write(const std::string& path, std::string_view bytes) override { return write_inner(path, bytes); }

  Result<void> sync(const std::string& path) override {
    const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file) return system_error(path, "open");
    if (::fsync(file.get()) != 0) return system_error(path, "fsync");
    return {};
  }

  Result<void> rename(const std::string& from, const std::string& to) override {
    if (std::rename(from.c_str(), to.c_str()) != 0) return system_error(to, "rename");
    return {};
  }

  Result<bool> make_dir(const std::string& path) override {
    if (::mkdir(path.c_str(), 0750) == 0) return true;
    std::error_code error;
    if (errno == EEXIST && std::filesystem::is_directory(path, error)) return false;
    return system_error(path, "mkdir");
  }

  Result<bool> exists(const std::string& path) override {
    struct stat info {};
    if (::stat(path.c_str(), &info) == 0) return true;
    if (errno == ENOENT) return false;
    return system_error(path, "stat");
  }

  Result<std::vector<std::string>> names_in(const std::string& dir) override {
    std::vector<std::string> names;
    std::error_code error;
    for (std::filesystem::directory_iterator at(dir, error), end; !error && at != end; at.increment(error)) {
      names.push_back(at->path().filename().string());
    }
    if (error) {
      return Error{error == std::errc::no_such_file_or_directory ? ErrorCode::missing : ErrorCode::io,
                   dir + ": cannot be listed: " + error.message()};
    }
    return names;
  }

  void remove_all(const std::string& path) override {
    std::error_code error;
    std::filesystem::remove_all(path, error);
  }

  Result<void> check_writable(const std::string& folder) override {
    if (::access(folder.c_str(), R_OK | W_OK | X_OK) != 0) return system_error(folder, "is not writable");
    return {};
  }

  Result<void> check_owned(const std::string& folder) override {
    struct stat about {};
    if (::stat(folder.c_str(), &about) != 0) return system_error(folder, "stat");
    return check_folder(about, folder);
  }

  Result<void> check_readable(const std::string& folder) override {
    if (::access(folder.c_str(), R_OK | X_OK) != 0) return system_error(folder, "is not readable");
    const std::vector<std::string> names = PAWL_TRY(names_in(folder));
    for (const std::string& name : names) {
      const std::string path = folder + "/" + name;
      // A writer moves files, so one that disappears meanwhile is not an error.
      if (::access(path.c_str(), R_OK) != 0 && errno != ENOENT) return system_error(path, "is not readable");
    }
    return {};
  }
};

}  // namespace

Files& disk_files() {
  static DiskFiles files;
  return files;
}

}  // namespace pawl
