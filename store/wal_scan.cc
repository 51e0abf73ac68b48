#include "store/wal_scan.h"

#include <algorithm>
#include <vector>

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

Result<FoundBlocks> blocks_in_wal(const std::string& log_dir, Files& files) {
  FoundBlocks found;
  const std::vector<std::string> names = PAWL_TRY(files.names_in(log_dir));
  for (const std::string& name : names) {
    if (!name.ends_with(".log")) continue;
    const Result<std::string> bytes = files.read(log_dir + "/" + name);
    if (!bytes && bytes.error().code == ErrorCode::missing) continue;
    if (!bytes) return bytes.error();
    find_blocks(without_heads(*bytes), found);
  }
  return found;
}

}  // namespace pawl
