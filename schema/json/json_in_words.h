// How errors refer to JSON values.
#pragma once

#include <boost/json/fwd.hpp>
#include <boost/json/string.hpp>

#include <string>
#include <string_view>

namespace pawl {

inline std::string_view view(boost::json::string_view text) {
  return {text.data(), text.size()};
}

/// As a JSON string; only the beginning of a long one.
std::string quoted_json(std::string_view text);

/// "a number", "a list".
std::string_view kind_of(const boost::json::value& value);

}  // namespace pawl
