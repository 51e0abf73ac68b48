#include "daemon/work/output_log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

namespace pawl {
namespace {

constexpr std::streamoff last_line_bytes_max = 240;

}  // namespace

void LogFile::say(const std::string& text) {
  const std::string line = "pawl: " + text + "\n";
  [[maybe_unused]] const ssize_t written = ::write(file_.get(), line.data(), line.size());
}

std::int64_t LogFile::bytes() const {
  return ::lseek(file_.get(), 0, SEEK_END);
}

std::string LogFile::last_line(std::int64_t from) const {
  std::ifstream log(path_, std::ios::binary);
  log.seekg(0, std::ios::end);
  log.seekg(std::max<std::streamoff>(from, log.tellg() - last_line_bytes_max));
  std::string last;
  for (std::string line; std::getline(log, line);) {
    while (!line.empty() && (line.back() == ' ' || line.back() == '\r')) line.pop_back();
    if (!line.empty()) last = line;
  }
  return last;
}

Result<std::shared_ptr<OutputLog>> open_log(const std::string& path) {
  std::error_code ignored;  // what matters is whether the file can be opened
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), ignored);
  // Commands can write there: a link that they made would have us write elsewhere, and a pipe would have us wait.
  Descriptor log(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0640));
  if (!log) return Error{ErrorCode::io, path + ": " + std::strerror(errno)};
  struct stat about {};
  if (::fstat(log.get(), &about) != 0 || !S_ISREG(about.st_mode)) return Error{ErrorCode::io, path + ": is no file"};
  return std::shared_ptr<OutputLog>(std::make_shared<LogFile>(std::move(log), path));
}

}  // namespace pawl
