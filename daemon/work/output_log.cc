#include "daemon/work/output_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <sstream>
#include <string_view>

#include "daemon/work/stored_output.h"
#include "store/os/inner_file.h"

namespace pawl {
namespace {

constexpr std::size_t last_line_bytes_max = 240;
/// How much to search for the last line: git prints up to ten lines of advice after an error.
constexpr std::size_t last_lines_bytes = 2048;
constexpr std::string_view advice_of_git = "hint: ";

/// Commands can write there: a link of theirs would make us write elsewhere, and a pipe would block us.
constexpr int open_flags = O_WRONLY | O_APPEND;

}  // namespace

void LogFile::say(const std::string& text) {
  // Goes after the command's output: a keeper may have begun further parts.
  const auto stored = StoredOutput::look_at(path_);
  const std::string before = stored ? stored->end(1) : std::string();
  const std::string line = (before.empty() || before == "\n" ? "pawl: " : "\npawl: ") + text + "\n";
  const Descriptor last = stored ? open_inner(stored->last_file().string(), open_flags) : Descriptor();
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
  if (last.size() > last_line_bytes_max) {
    const auto is_within_character = [](char byte) { return (static_cast<unsigned char>(byte) & 0xC0) == 0x80; };
    std::size_t begin = last.size() - last_line_bytes_max;
    while (begin < last.size() && is_within_character(last[begin])) ++begin;
    last.erase(0, begin);
  }
  return last;
}

Result<std::shared_ptr<OutputLog>> open_log(const std::string& path, LogAge age) {
  PAWL_TRY(make_inner_folders(std::filesystem::path(path).parent_path().string()));
  const int make = age == LogAge::is_new ? O_CREAT | O_EXCL : O_CREAT;
  Descriptor log = open_inner(path, open_flags | make, 0640);
  // A second hard link means that another party also has the file, and must not get this output.
  if (has_other_name(log) && remove_inner(path)) log = open_inner(path, open_flags | O_CREAT | O_EXCL, 0640);
  if (!log && errno == EEXIST) return Error{ErrorCode::busy, path + ": already exists"};
  if (!log) return Error{ErrorCode::io, inner_error(path).message};
  PAWL_TRY(check_written(log, path));
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
