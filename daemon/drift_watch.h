// How far the wall clock is from the log's time. Only reported to people; nothing depends on it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace pawl {

/// In whole seconds, positive if the wall clock is ahead; none if the drift is a minute or less.
std::optional<std::int64_t> drift_to_tell(std::int64_t drift_us);

/// Warns once when the clocks are more than a minute apart, and once when they agree again. Threads: one.
class DriftWatch {
 public:
  explicit DriftWatch(std::function<void(const std::string&)> warn) : warn_(std::move(warn)) {}
  void look(std::int64_t drift_us);

 private:
  const std::function<void(const std::string&)> warn_;
  bool is_told_ = false;
};

}  // namespace pawl
