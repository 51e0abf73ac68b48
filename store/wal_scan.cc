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

bool has_hole(std::string_view file) {
  for (std::size_t at = 0; at + piece_head_bytes <= file.size();) {
    const std::size_t left = piece_bytes - at % piece_bytes;
    if (left < piece_head_bytes) {  // too short for a header: the next one follows
      at += left;
      continue;
    }
    const std::string_view head = file.substr(at, piece_head_bytes);
    if (head.find_first_not_of('\0') == std::string_view::npos) {
      return file.find_first_not_of('\0', at) != std::string_view::npos;
    }
    // Checksum (4), length (2), type (1), then that many bytes.
    at += piece_head_bytes + static_cast<unsigned char>(head[4]) + 256U * static_cast<unsigned char>(head[5]);
  }
  return false;
}

Result<FoundInWal> blocks_in_wal(const std::string& log_dir, Files& files) {
  FoundInWal found;
  std::string newest;
  const std::vector<std::string> names = PAWL_TRY(files.names_in(log_dir));
  for (const std::string& name : names) {
    if (!name.ends_with(".log")) continue;
    const Result<std::string> bytes = files.read(log_dir + "/" + name);
    if (!bytes && bytes.error().code == ErrorCode::missing) continue;
    if (!bytes) return bytes.error();
    find_blocks(without_heads(*bytes), found);
    // Names are numbers, zero-padded to six digits.
    if (std::pair(name.size(), name) < std::pair(newest.size(), newest)) continue;
    newest = name;
    found.has_hole = has_hole(*bytes);
  }
  return found;
}

}  // namespace pawl
