// Waits for the effects of other threads and processes.
#pragma once

#include <chrono>
#include <functional>
#include <thread>

namespace pawl {

/// Whether the condition becomes true within two minutes: a generous bound that only a failing test reaches.
inline bool comes_true(const std::function<bool()>& condition) {
  const auto bound = std::chrono::steady_clock::now() + std::chrono::seconds(120);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > bound) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

}  // namespace pawl
