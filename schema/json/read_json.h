// Reading JSON into a document, with the bounds that everything from outside needs.
#pragma once

#include <boost/json/fwd.hpp>

#include <cstddef>
#include <span>
#include <string_view>

#include "schema/result.h"

namespace pawl {

/// Objects and arrays within each other, unless a caller says otherwise.
constexpr std::size_t json_depth_max = 16;

/// How a text is read.
struct JsonReading {
  std::size_t depth_max = json_depth_max;
  /// Members with other names are skipped at every level, with all that they hold: they have to be JSON and no deeper
  /// than `depth_max`, and nothing more is asked of them. Sorted. Empty: every member is read.
  std::span<const std::string_view> names = {};
};

/// Parses one JSON value that fills `text`. `malformed` names the place (byte, from 1) and what is wrong: no JSON,
/// not UTF-8, nested too deeply, a key twice in one object. How long `text` may be is the caller's bound.
Result<boost::json::value> parse_json(std::string_view text, const JsonReading& reading = {});

}  // namespace pawl
