#include "daemon/http/share_book.h"

#include <algorithm>

namespace pawl {
namespace {

/// As many as there may be tokens. Refusals of further principals count without the name.
constexpr std::size_t names_max = 1'000;
constexpr std::size_t most_shown = 10;

std::chrono::seconds second_of(ShareBook::Time now) {
  return std::chrono::floor<std::chrono::seconds>(now.time_since_epoch());
}

}  // namespace

std::string_view name(ShareKind kind) {
  switch (kind) {
    case ShareKind::connections:
      return "connections";
    case ShareKind::streams:
      return "streams";
    case ShareKind::polls:
      return "polls";
    case ShareKind::requests:
      return "requests";
    case ShareKind::bytes:
      return "bytes";
    case ShareKind::boots:
      return "boots";
    case ShareKind::leases:
      return "leases";
    case ShareKind::tasks:
      return "tasks";
  }
  return "";
}

void ShareBook::take_requests(Time now, std::size_t count) {
  const MutexLock lock(mutex_);
  const std::chrono::seconds second = second_of(now);
  if (second > second_) {
    in_second_before_ = second - second_ == std::chrono::seconds(1) ? in_second_ : 0;
    in_second_ = 0;
    second_ = second;
  }
  in_second_ += count;
}

std::uint64_t ShareBook::last_second(Time now) const {
  const MutexLock lock(mutex_);
  const std::chrono::seconds since = second_of(now) - second_;
  if (since.count() <= 0) return in_second_before_;
  return since == std::chrono::seconds(1) ? in_second_ : 0;
}

void ShareBook::refuse(ShareKind kind, const std::string& principal) {
  refused_[index(kind)].fetch_add(1);
  if (principal.empty()) return;
  const MutexLock lock(mutex_);
  if (refused_by_.size() < names_max || refused_by_.contains(principal)) ++refused_by_[principal];
}

std::vector<ShareBook::Refused> ShareBook::refused_most() const {
  std::vector<Refused> most;
  {
    const MutexLock lock(mutex_);
    for (const auto& [principal, count] : refused_by_) most.push_back({.principal = principal, .count = count});
  }
  std::stable_sort(most.begin(), most.end(), [](const Refused& a, const Refused& b) { return a.count > b.count; });
  most.resize(std::min(most.size(), most_shown));
  return most;
}

}  // namespace pawl
