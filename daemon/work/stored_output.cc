#include "daemon/work/stored_output.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "daemon/work/output_pump.h"
#include "store/os/descriptor.h"
#include "store/os/inner_file.h"

namespace pawl {
namespace {

namespace fs = std::filesystem;

struct OpenFile {
  Descriptor file;
  struct stat about {};
};

/// Commands can write there: a link of theirs would make us read elsewhere, and a pipe would block us.
Result<OpenFile> open_file(const fs::path& path) {
  OpenFile open{.file = open_inner(path.string(), O_RDONLY)};
  if (!open.file) return inner_error(path.string());
  if (::fstat(open.file.get(), &open.about) != 0 || !S_ISREG(open.about.st_mode)) {
    return Error{ErrorCode::io, path.string() + ": not a regular file"};
  }
  return open;
}

/// Whether another process holds the lock that open_log() takes.
bool is_locked(const Descriptor& file) {
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  return ::fcntl(file.get(), F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

TimeUs changed_at(const struct stat& about) {
  return {about.st_mtim.tv_sec * us_per_s + about.st_mtim.tv_nsec / 1000};
}

std::optional<std::int64_t> part_begin(const std::string& name) {
  std::int64_t begin = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), begin);
  const bool is_part = error == std::errc() && end == name.data() + name.size() && begin > 0 &&
                       name.size() == static_cast<std::size_t>(output_part_digits);
  return is_part ? std::optional(begin) : std::nullopt;
}

}  // namespace

fs::path parts_of(const fs::path& log) {
  return log.string() + output_parts_suffix;
}

Result<StoredOutput> StoredOutput::look_at(const fs::path& log) {
  StoredOutput found;
  const OpenFile head = PAWL_TRY(open_file(log));
  found.is_live_ = is_locked(head.file);  // First, so that output written before the lock's release is seen.
  std::error_code error;
  std::vector<std::pair<std::int64_t, fs::path>> parts;
  for (fs::directory_iterator entry(parts_of(log), error), end; !error && entry != end; entry.increment(error)) {
    if (const auto begin = part_begin(entry->path().filename().string())) parts.emplace_back(*begin, entry->path());
  }
  std::sort(parts.begin(), parts.end());
  struct stat about {};
  if (::fstat(head.file.get(), &about) != 0) return Error{ErrorCode::io, log.string() + ": " + std::strerror(errno)};
  found.files_.push_back({log, {0, about.st_size}});
  found.written_at_ = changed_at(about);
  for (auto& [begin, path] : parts) {
    const auto part = open_file(path);
    if (!part) continue;  // Deleted meanwhile: a new part replaces the oldest.
    found.files_.back().range.to = std::min(found.files_.back().range.to, begin);
    found.files_.push_back({std::move(path), {begin, begin + part->about.st_size}});
    found.written_at_ = std::max(found.written_at_, changed_at(part->about));
  }
  return found;
}

std::int64_t StoredOutput::kept() const {
  std::int64_t kept = 0;
  for (const File& file : files_) kept += file.range.bytes();
  return kept;
}

std::vector<OutputRange> StoredOutput::gaps() const {
  std::vector<OutputRange> gaps;
  for (std::size_t i = 1; i < files_.size(); ++i) {
    const OutputRange gap{files_[i - 1].range.to, files_[i].range.from};
    if (gap.bytes() > 0) gaps.push_back(gap);
  }
  return gaps;
}

StoredOutput::Piece StoredOutput::read(std::int64_t from, std::size_t bytes_max) const {
  const std::int64_t end = std::min(from, produced());
  Piece piece{.range = {end, end}, .bytes = {}};
  for (const File& file : files_) {
    if (file.range.to <= from) continue;
    if (piece.bytes.empty()) {
      piece.range.from = piece.range.to = std::max(from, file.range.from);
    } else if (file.range.from > piece.range.to) {
      break;
    }
    const auto opened = open_file(file.path);
    if (!opened) break;
    const auto want =
        std::min<std::size_t>(bytes_max - piece.bytes.size(), static_cast<std::size_t>(file.range.to - piece.range.to));
    const std::size_t had = piece.bytes.size();
    piece.bytes.resize(had + want);
    const ssize_t got = ::pread(opened->file.get(), piece.bytes.data() + had, want, piece.range.to - file.range.from);
    piece.bytes.resize(had + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    piece.range.to = piece.range.from + std::ssize(piece.bytes);
    if (piece.bytes.size() == bytes_max || piece.range.to < file.range.to) break;
  }
  return piece;
}

std::string StoredOutput::end(std::size_t bytes) const {
  std::string end;
  for (auto file = files_.rbegin(); file != files_.rend() && end.size() < bytes; ++file) {
    const auto from = std::max(file->range.from, file->range.to - static_cast<std::int64_t>(bytes - end.size()));
    end = read(from, static_cast<std::size_t>(file->range.to - from)).bytes + end;
    if (file != files_.rend() - 1 && (file + 1)->range.to < file->range.from) break;
  }
  return end;
}

namespace {

/// The length of the character at the start of `bytes`; 0 if there is none. `is_cut`: the character may continue after
/// the end.
std::size_t character_at(std::string_view bytes, bool& is_cut) {
  is_cut = false;
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t length = first < 0xC2 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : first < 0xF5 ? 4 : 0;
  if (length == 0) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if (i == bytes.size()) {
      is_cut = true;
      return 0;
    }
    unsigned char low = 0x80;
    unsigned char high = 0xBF;
    if (i == 1) {  // not overlong, not a surrogate, not beyond the last code point
      if (first == 0xE0) low = 0xA0;
      if (first == 0xED) high = 0x9F;
      if (first == 0xF0) low = 0x90;
      if (first == 0xF4) high = 0x8F;
    }
    if (byte(i) < low || byte(i) > high) return 0;
  }
  return length;
}

}  // namespace

std::string as_utf8(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size());
  while (!bytes.empty()) {
    bool is_cut = false;
    const std::size_t length = character_at(bytes, is_cut);
    text += length > 0 ? bytes.substr(0, length) : std::string_view("\xEF\xBF\xBD");
    bytes.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return text;
}

std::size_t incomplete_at_end(std::string_view bytes) {
  for (std::size_t count = 1; count <= std::min<std::size_t>(bytes.size(), 3); ++count) {
    bool is_cut = false;
    character_at(bytes.substr(bytes.size() - count), is_cut);
    if (is_cut) return count;
  }
  return 0;
}

}  // namespace pawl
