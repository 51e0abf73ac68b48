// Reading JSON into a document, with the bounds that everything from outside needs.
#pragma once

#include <boost/json/fwd.hpp>

#include <cstddef>
#include <string_view>

#include "schema/result.h"

namespace pawl {

/// Objects and arrays within each other.
constexpr std::size_t json_depth_max = 16;

/// Parses one JSON value that fills `text`. `malformed` names the place (byte, from 1) and what is wrong: no JSON,
/// not UTF-8, nested too deeply, a key twice in one object. How long `text` may be is the caller's bound.
Result<boost::json::value> parse_json(std::string_view text);

}  // namespace pawl
