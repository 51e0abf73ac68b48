// Forms of text that reports on a log and the commands' tables share: aligned columns, values, durations.
#pragma once

#include <boost/json/fwd.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace pawl {

/// How many columns a printable text takes on a screen: two for each East Asian wide character and most emoji, none for
/// a combining accent.
std::size_t width_of(std::string_view text);
/// `text`, padded with blanks on the right to that width.
std::string padded(std::string text, std::size_t width);

/// A value as a cell: null is "-", strings are bare, lists and objects are compact JSON. Times stay in UTC, as in the
/// log: it may come from anywhere.
std::string recorded_cell(const boost::json::value& value);

/// "0.42 s", "12.3 s", "3 min 05 s", "2 h 03 min"
std::string duration(std::int64_t us);

}  // namespace pawl
