#include "daemon/work/output_log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <sstream>
#include <string_view>

#include "daemon/work/stored_output.h"

namespace pawl {
namespace {

constexpr std::size_t last_line_bytes_max = 240;
/// What is looked through for it: git prints up to ten lines of advice behind what went wrong.
constexpr std::size_t last_lines_bytes = 2048;
constexpr std::string_view advice_of_git = "hint: ";

/// Commands can write there: a link that they made would have us write elsewhere, and a pipe would have us wait.
constexpr int open_flags = O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;

}  // namespace

void LogFile::say(const std::string& text) {
  // Behind what the command has said: a keeper may have begun further parts.
  const auto stored = StoredOutput::look_at(path_);
  const std::string before = stored ? stored->end(1) : std::string();
  const std::string line = (before.empty() || before == "\n" ? "pawl: " : "\npawl: ") + text + "\n";
  const Descriptor last(stored ? ::open(stored->last_file().c_str(), open_flags) : -1);
  [[maybe_unused]] const ssize_t written = ::write(last ? last.get() : file_.get(), line.data(), line.size());
}

std::string LogFile::last_line() const {
  const auto stored = StoredOutput::look_at(path_);
  if (!stored) return {};
  std::istringstream end(stored->end(last_lines_bytes));
  std::string last;
  std::string advice;
  for (std::string line; std::getline(end, line);) {
    while (!line.empty() && (line.back() == ' ' || line.back() == '\r')) line.pop_back();
    if (!line.empty()) (line.starts_with(advice_of_git) ? advice : last) = line;
  }
  if (last.empty()) last = advice;
  if (last.size() > last_line_bytes_max) last.erase(0, last.size() - last_line_bytes_max);
  return last;
}

Result<std::shared_ptr<OutputLog>> open_log(const std::string& path, LogAge age) {
  std::error_code ignored;  // what matters is whether the file can be opened
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), ignored);
  const int make = age == LogAge::is_new ? O_CREAT | O_EXCL : O_CREAT;
  Descriptor log(::open(path.c_str(), open_flags | make, 0640));
  if (!log && errno == EEXIST) return Error{ErrorCode::busy, path + ": is there already"};
  if (!log) return Error{ErrorCode::io, path + ": " + std::strerror(errno)};
  struct stat about {};
  if (::fstat(log.get(), &about) != 0 || !S_ISREG(about.st_mode)) return Error{ErrorCode::io, path + ": is no file"};
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  ::fcntl(log.get(), F_OFD_SETLK, &lock);
  return std::shared_ptr<OutputLog>(std::make_shared<LogFile>(std::move(log), path));
}

bool empty_log(const OutputLog& log) {
  std::error_code error;
  std::filesystem::remove_all(parts_of(log.path()), error);
  return ::ftruncate(log.descriptor(), 0) == 0 && !error;
}

}  // namespace pawl
