// Reads JSON into a document, with the limits that outside input needs.
#pragma once

#include <boost/json/fwd.hpp>
#include <boost/json/storage_ptr.hpp>

#include <cstddef>
#include <span>
#include <string_view>

#include "schema/result.h"

namespace pawl {

/// The default nesting depth of objects and arrays.
constexpr std::size_t json_depth_max = 16;

/// How to read a text.
struct JsonReading {
  std::size_t depth_max = json_depth_max;
  /// The members to read; sorted. All others are skipped at every level, with their contents: those must only be JSON
  /// and no deeper than `depth_max`. Empty: every member is read.
  std::span<const std::string_view> names = {};
  /// Where the document lives. A monotonic resource suits one that is read and thrown away.
  boost::json::storage_ptr storage = {};
};

/// Parses `text` as exactly one JSON value. `malformed` names the position (byte, from 1) and what is wrong: not JSON,
/// not UTF-8, nested too deeply, a duplicate key. The caller limits the length of `text`.
Result<boost::json::value> parse_json(std::string_view text, const JsonReading& reading = {});

}  // namespace pawl
