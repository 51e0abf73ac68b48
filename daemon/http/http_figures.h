// How many requests were answered, how, and how fast: by route. For display only.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <string_view>

#include "daemon/histogram.h"

namespace pawl {

/// Threads: any.
class HttpFigures {
 public:
  /// The statuses that are counted by themselves; others share one place.
  static constexpr std::array statuses{200, 201, 202, 204, 400, 401, 403, 404, 405, 408, 409, 410,
                                       413, 414, 417, 422, 429, 431, 500, 501, 502, 503, 504};
  struct Place {
    std::array<std::atomic<std::uint64_t>, statuses.size() + 1> by_status{};  // the last: any other status
    Histogram seconds{bounds_of_requests};                                    // in microseconds
  };

  /// `place_of` names a request's place, below `places`. The last place is that of bytes that are not a request.
  HttpFigures(std::size_t places, std::function<std::size_t(std::string_view method, std::string_view path)> place_of)
      : place_of_(std::move(place_of)), places_(places) {}

  std::size_t place_of(std::string_view method, std::string_view path) const { return place_of_(method, path); }
  std::size_t last_place() const { return places_.size() - 1; }

  /// Requires: a place that place_of() returned, or last_place().
  void answered(std::size_t place, int status, std::chrono::nanoseconds took) {
    const auto found = std::find(statuses.begin(), statuses.end(), status) - statuses.begin();
    places_[place].by_status[static_cast<std::size_t>(found)].fetch_add(1, std::memory_order_relaxed);
    const auto us = std::chrono::duration_cast<std::chrono::microseconds>(took).count();
    places_[place].seconds.add(static_cast<std::uint64_t>(std::max<std::int64_t>(us, 0)));
  }

  const std::deque<Place>& places() const { return places_; }

 private:
  const std::function<std::size_t(std::string_view, std::string_view)> place_of_;
  std::deque<Place> places_;
};

}  // namespace pawl
