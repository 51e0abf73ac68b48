// Histograms and counts for metrics: written by the threads that do the work, read by any, without a lock.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace pawl {

/// Upper bounds of buckets, rising: of whole numbers, or of microseconds.
using Bounds = std::span<const std::uint64_t>;

/// What the daemon does itself: 50 µs to 10 s.
inline constexpr std::array<std::uint64_t, 14> bounds_of_moments{
    50, 100, 250, 500, 1'000, 2'500, 5'000, 10'000, 25'000, 50'000, 100'000, 500'000, 2'500'000, 10'000'000};
/// Work and waits: 1 s to a day.
inline constexpr std::array<std::uint64_t, 12> bounds_of_work{
    1'000'000,     5'000'000,     15'000'000,    60'000'000,     180'000'000,    600'000'000,
    1'800'000'000, 3'600'000'000, 7'200'000'000, 14'400'000'000, 28'800'000'000, 86'400'000'000};
/// Requests, with long polls: 500 µs to 60 s.
inline constexpr std::array<std::uint64_t, 12> bounds_of_requests{
    500, 1'000, 2'500, 5'000, 10'000, 25'000, 100'000, 500'000, 1'000'000, 5'000'000, 30'000'000, 60'000'000};
/// Records in a batch, up to limits::batch_records_max.
inline constexpr std::array<std::uint64_t, 7> bounds_of_batches{1, 4, 16, 64, 256, 1'024, 4'096};

/// Threads: any.
class Histogram {
 public:
  static constexpr std::size_t bounds_max = 14;

  /// The bounds outlive it. Requires: at most bounds_max of them.
  explicit Histogram(Bounds bounds) : bounds_(bounds) {}

  void add(std::uint64_t value) {
    const auto bucket = std::lower_bound(bounds_.begin(), bounds_.end(), value) - bounds_.begin();
    counts_[static_cast<std::size_t>(bucket)].fetch_add(1, std::memory_order_relaxed);
    sum_.fetch_add(value, std::memory_order_relaxed);
  }

  struct Seen {
    Bounds bounds;
    std::vector<std::uint64_t> counts;  // of each bucket by itself; the last has what is above all bounds
    std::uint64_t sum = 0;
  };
  /// A value that is being added meanwhile may be missing from the sum, or from the counts.
  Seen look() const {
    Seen seen{.bounds = bounds_, .counts = {}, .sum = sum_.load(std::memory_order_relaxed)};
    for (std::size_t i = 0; i <= bounds_.size(); ++i) seen.counts.push_back(counts_[i].load(std::memory_order_relaxed));
    return seen;
  }

 private:
  const Bounds bounds_;
  std::array<std::atomic<std::uint64_t>, bounds_max + 1> counts_{};
  std::atomic<std::uint64_t> sum_{0};
};

/// The label of what is not named: beyond a bound, or unknown.
inline constexpr std::string_view other_label = "other";

/// A `Value` for each of the first `names_max` names that come; the rest share the one of other_label. Names are never
/// forgotten, so that no series ends while the daemon runs.
template <class Value>
class Named {
 public:
  static constexpr std::size_t names_max = 64;

  /// `arguments` make each value.
  template <class... Arguments>
  explicit Named(Arguments... arguments)
      : make_([arguments...](std::string_view name) { return std::make_unique<Entry>(name, arguments...); }),
        other_(std::string(other_label), arguments...) {}

  /// Allocates only for a name that is new. Threads: one at a time.
  Value& of(std::string_view name) {
    const std::size_t count = count_.load(std::memory_order_relaxed);
    for (std::size_t i = 0; i < count; ++i) {
      if (entries_[i]->name == name) return entries_[i]->value;
    }
    is_other_used_.store(is_other_used_.load() || count == names_max || name == other_label);
    if (count == names_max || name == other_label) return other_.value;
    entries_[count] = make_(name);
    count_.store(count + 1, std::memory_order_release);
    return entries_[count]->value;
  }

  /// Calls `look` with each name and value. Threads: any.
  template <class Look>
  void each(Look look) const {
    const std::size_t count = count_.load(std::memory_order_acquire);
    for (std::size_t i = 0; i < count; ++i) look(entries_[i]->name, entries_[i]->value);
    if (is_other_used_.load()) look(other_.name, other_.value);
  }

 private:
  struct Entry {
    template <class... Arguments>
    explicit Entry(std::string_view name_, Arguments... arguments) : name(name_), value(arguments...) {}
    const std::string name;
    Value value;
  };

  const std::function<std::unique_ptr<Entry>(std::string_view)> make_;
  std::array<std::unique_ptr<Entry>, names_max> entries_;
  std::atomic<std::size_t> count_{0};
  std::atomic<bool> is_other_used_{false};
  Entry other_;
};

}  // namespace pawl
