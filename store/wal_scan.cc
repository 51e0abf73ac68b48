#include "store/wal_scan.h"

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "store/data_dir.h"

namespace pawl {
namespace {

constexpr std::size_t piece_bytes = 32 * 1024;
constexpr std::size_t piece_head_bytes = 7;

}  // namespace

std::string without_heads(std::string_view file) {
  std::string content;
  content.reserve(file.size());
  for (std::size_t at = 0; at < file.size(); at += piece_bytes) {
    const std::string_view piece = file.substr(at, piece_bytes);
    content.append(piece.substr(std::min(piece.size(), piece_head_bytes)));
  }
  return content;
}

Result<FoundBlocks> blocks_in_wal(const std::string& log_dir) {
  FoundBlocks found;
  std::error_code error;
  for (std::filesystem::directory_iterator at(log_dir, error), end; !error && at != end; at.increment(error)) {
    if (at->path().extension() != ".log") continue;
    const Result<std::string> bytes = read_file(at->path().string());
    if (!bytes && bytes.error().code == ErrorCode::missing) continue;
    if (!bytes) return bytes.error();
    find_blocks(without_heads(*bytes), found);
  }
  if (error) {
    return Error{error == std::errc::no_such_file_or_directory ? ErrorCode::missing : ErrorCode::io,
                 log_dir + ": cannot be listed: " + error.message()};
  }
  return found;
}

}  // namespace pawl
