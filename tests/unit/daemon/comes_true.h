// Waiting for what other threads and processes bring about.
#pragma once

#include <chrono>
#include <functional>
#include <thread>

namespace pawl {

/// Whether the condition holds within two minutes: a generous bound, reached only by a failure.
inline bool comes_true(const std::function<bool()>& condition) {
  const auto bound = std::chrono::steady_clock::now() + std::chrono::seconds(120);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > bound) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

}  // namespace pawl
