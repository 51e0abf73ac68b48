// Chance, the same on every machine and with every compiler: std::uniform_int_distribution promises neither. Never put
// two rolls into one expression: the compiler would choose their order.
#pragma once

#include <cstdint>
#include <vector>

namespace pawl::hostile {

/// SplitMix64.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : state_(seed) {}

  /// From 0 to `sides` - 1.
  std::uint64_t roll(std::uint64_t sides) {
    state_ += 0x9e3779b97f4a7c15;
    std::uint64_t mixed = state_;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
    return (mixed ^ (mixed >> 31)) % sides;
  }
  bool one_in(std::uint64_t sides) { return roll(sides) == 0; }
  bool percent(std::uint64_t chance) { return roll(100) < chance; }
  /// Both ends included.
  std::int64_t between(std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(roll(static_cast<std::uint64_t>(high - low) + 1));
  }
  template <class Row>
  const Row& pick(const std::vector<Row>& rows) {
    return rows[roll(rows.size())];
  }

 private:
  std::uint64_t state_;
};

}  // namespace pawl::hostile
