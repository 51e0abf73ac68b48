#include "tools/forensics/reading_progress.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "schema/time.h"

namespace pawl {
namespace {

/// For less, a line would only flicker.
constexpr std::int64_t quick_us = us_per_s;
constexpr std::size_t bar_width = 40;
constexpr std::uint64_t records_between_looks = 1000;

std::int64_t steady_us() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::microseconds>(now).count();
}

}  // namespace

ReadingProgress::ReadingProgress(std::string_view purpose)
    : ReadingProgress(purpose, !purpose.empty() && ::isatty(STDERR_FILENO) == 1 ? stderr : nullptr, steady_us) {}

ReadingProgress::ReadingProgress(std::string_view purpose, std::FILE* out, std::function<std::int64_t()> now_us)
    : purpose_(purpose), out_(out), now_us_(std::move(now_us)) {
  if (out_) begun_us_ = now_us_();
}

ReadingProgress::~ReadingProgress() {
  if (is_shown_) std::fputs("\r\x1b[K", out_);
  if (is_shown_) std::fflush(out_);
}

void ReadingProgress::show(std::uint64_t done, std::uint64_t total, std::uint64_t seq) {
  if (!out_) return;
  const std::uint64_t percent = total == 0 ? 0 : std::min<std::uint64_t>(100, done * 100 / total);
  const std::uint64_t at = total == 0 ? seq / records_between_looks : percent;
  if (at == shown_at_) return;
  shown_at_ = at;
  if (now_us_() - begun_us_ < quick_us) return;
  is_shown_ = true;
  if (total == 0) {
    std::fprintf(out_, "\r%s: record %llu", purpose_.c_str(), static_cast<unsigned long long>(seq));
  } else {
    std::string bar(bar_width * percent / 100, '#');
    bar.resize(bar_width, ' ');
    std::fprintf(out_, "\r%s [%s] %3llu %%  record %llu", purpose_.c_str(), bar.c_str(),
                 static_cast<unsigned long long>(percent), static_cast<unsigned long long>(seq));
  }
  std::fflush(out_);
}

}  // namespace pawl
