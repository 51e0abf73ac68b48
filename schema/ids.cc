#include "schema/ids.h"

#include <charconv>

namespace pawl {

std::optional<TaskId> task_of_key(std::string_view key) {
  constexpr std::string_view prefix = "task:";
  if (!key.starts_with(prefix)) return std::nullopt;
  const std::string_view digits = key.substr(prefix.size());
  std::uint64_t id = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), id);
  if (error != std::errc() || end != digits.data() + digits.size() || digits.starts_with('0')) return TaskId{0};
  return TaskId{id};
}

}  // namespace pawl
