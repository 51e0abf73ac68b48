#include "schema/number.h"

#include <charconv>
#include <string>
#include <system_error>

namespace pawl {

Result<std::uint64_t> read_number(std::string_view text, std::string_view what) {
  std::uint64_t number = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failed != std::errc() || end != text.data() + text.size()) {
    return Error{ErrorCode::malformed, std::string(what) + ": '" + std::string(text) + "' is not a whole number"};
  }
  return number;
}

}  // namespace pawl
