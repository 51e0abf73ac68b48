#include "daemon/work/output_pump.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

namespace pawl {
namespace {

constexpr std::size_t chunk_bytes = mask_chunk_bytes;
constexpr std::int64_t look_at_room_ms = 1000;
constexpr std::int64_t look_again_ms = 250;
/// Even with the maximum number of keepers, writes between two checks cannot push free space below the log's floor.
constexpr std::size_t look_at_room_bytes = 256 * 1024;

std::array<char, chunk_bytes> chunk;
std::array<char, mask_room_bytes> shown;

std::int64_t monotonic_ms() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::int64_t>(now.tv_sec) * 1000 + now.tv_nsec / 1'000'000;
}

std::int64_t size_of(int file) {
  struct stat about {};
  return ::fstat(file, &about) == 0 ? about.st_size : 0;
}

struct PartName {
  explicit PartName(std::int64_t begin) {
    std::snprintf(text.data(), text.size(), "%0*lld", output_part_digits, static_cast<long long>(begin));
  }
  std::array<char, output_part_digits + 2> text{};
};

int make_parts_folder(int folder, const char* name) {
  std::array<char, 512> path{};
  const int length = std::snprintf(path.data(), path.size(), "%s%s", name, output_parts_suffix);
  if (length < 0 || length >= static_cast<int>(path.size())) return -1;
  if (::mkdirat(folder, path.data(), 0750) != 0 && errno != EEXIST) return -1;
  return ::openat(folder, path.data(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

}  // namespace

OutputPump::OutputPump(const PumpOptions& options)
    : options_(options), out_(options.log), out_size_(size_of(options.log)) {
  ::fcntl(options_.pipe, F_SETFL, O_NONBLOCK);
}

void OutputPump::pump() {
  take(chunk_bytes);
}

void OutputPump::drain() {
  int there = 0;
  if (options_.pipe < 0 || ::ioctl(options_.pipe, FIONREAD, &there) != 0) return;
  for (std::size_t left = static_cast<std::size_t>(std::max(there, 0)); left > 0;) {
    const std::size_t taken = take(left);
    if (taken == 0) return;
    left -= taken;
  }
}

void OutputPump::finish() {
  drain();
  let_go();
  if (left_out_ > 0) begin_part();
}

/// Returns how much it took; 0 if nothing is available.
std::size_t OutputPump::take(std::size_t bytes_max) {
  if (options_.pipe < 0) return 0;
  const ssize_t got = ::read(options_.pipe, chunk.data(), std::min(bytes_max, chunk.size()));
  if (got < 0) return 0;
  if (got == 0) {
    ::close(options_.pipe);
    options_.pipe = -1;
    let_go();
    return 0;
  }
  show(chunk.data(), static_cast<std::size_t>(got), OutputMask::Rest::follows);
  return static_cast<std::size_t>(got);
}

void OutputPump::let_go() {
  show(nullptr, 0, OutputMask::Rest::none);
}

void OutputPump::show(const char* bytes, std::size_t count, OutputMask::Rest rest) {
  if (!options_.mask) return keep(bytes, count);
  keep(shown.data(), options_.mask->pass(bytes, count, shown.data(), rest));
}

void OutputPump::keep(const char* bytes, std::size_t count) {
  while (count > 0 && has_room()) {
    const bool is_full = out_size_ >= part_bytes_max();
    if ((left_out_ > 0 || is_full) && !begin_part()) break;
    const auto room = static_cast<std::size_t>(part_bytes_max() - out_size_);
    const ssize_t written = ::write(out_, bytes, std::min({count, room, look_at_room_bytes}));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) break;
    bytes += written;
    count -= static_cast<std::size_t>(written);
    out_size_ += written;
    written_since_look_ += static_cast<std::size_t>(written);
  }
  if (count == 0) return;
  if (!is_short_) {
    is_short_ = true;  // Whatever made the write fail, do not retry for each of a million lines.
    next_look_ms_ = monotonic_ms() + look_again_ms;
  }
  left_out_ += static_cast<std::int64_t>(count);
  gone_ += static_cast<std::int64_t>(count);
}

bool OutputPump::has_room() {
  const std::int64_t now = monotonic_ms();
  if (now < next_look_ms_ && (is_short_ || written_since_look_ < look_at_room_bytes)) return !is_short_;
  struct statvfs found {};
  // If the free space cannot be read, the disk does not count as full: a write that fails reports it anyway.
  const bool is_known = ::fstatvfs(options_.log, &found) == 0;
  const std::uint64_t bytes = static_cast<std::uint64_t>(found.f_bavail) * found.f_frsize;
  // Hysteresis: resuming takes more room than stopping, so that it does not resume for one line at a time.
  const std::uint64_t bytes_min = is_short_ ? options_.free_bytes_min / 8 * 9 : options_.free_bytes_min;
  const bool counts_inodes = found.f_files > 0;
  is_short_ = is_known && (bytes < bytes_min || (counts_inodes && found.f_favail < options_.free_inodes_min));
  next_look_ms_ = now + (is_short_ ? look_again_ms : look_at_room_ms);
  written_since_look_ = 0;
  return !is_short_;
}

/// The head gets half of the limit, and all parts together the other half.
std::int64_t OutputPump::part_bytes_max() const {
  const std::int64_t half = options_.bytes_max / 2;
  return part_count_ == 0 ? half : half / output_parts_max;
}

bool OutputPump::begin_part() {
  if (parts_ < 0) parts_ = make_parts_folder(options_.folder, options_.name);
  if (parts_ < 0) return false;
  // From the file's size, not from a count of our writes: the daemon adds lines of its own.
  const std::int64_t begin = out_begin_ + size_of(out_) + left_out_;
  const int made = ::openat(parts_, PartName(begin).text.data(),
                            O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640);
  if (made < 0) return false;
  if (part_count_ == output_parts_max) drop_oldest_part();
  begins_[static_cast<std::size_t>(part_count_++)] = begin;
  if (out_ != options_.log) ::close(out_);
  out_ = made;
  out_begin_ = begin;
  out_size_ = 0;
  left_out_ = 0;
  if (gone_ > 0) note_gap();
  return true;
}

void OutputPump::drop_oldest_part() {
  const PartName oldest(begins_[0]);
  struct stat about {};
  if (::fstatat(parts_, oldest.text.data(), &about, AT_SYMLINK_NOFOLLOW) == 0) gone_ += about.st_size;
  ::unlinkat(parts_, oldest.text.data(), 0);
  std::copy(begins_.begin() + 1, begins_.end(), begins_.begin());
  --part_count_;
}

/// For people who read the files directly with `cat NAME NAME.parts/*`: the first part says what is missing.
void OutputPump::note_gap() const {
  const int note = ::openat(parts_, PartName(0).text.data(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
  if (note < 0) return;
  std::array<char, 80> line{};
  const int length =
      std::snprintf(line.data(), line.size(), "\npawl: %lld bytes are not kept\n", static_cast<long long>(gone_));
  [[maybe_unused]] const ssize_t written = ::pwrite(note, line.data(), static_cast<std::size_t>(length), 0);
  ::close(note);
}

}  // namespace pawl
