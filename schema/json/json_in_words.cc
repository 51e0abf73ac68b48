#include "schema/json/json_in_words.h"

#include <boost/json/value.hpp>

#include "schema/json/json_text.h"

namespace pawl {

std::string quoted_json(std::string_view text) {
  constexpr std::size_t shown_bytes_max = 80;
  std::string out;
  append_json_text(out, text.substr(0, shown_bytes_max));
  return out;
}

std::string_view kind_of(const boost::json::value& value) {
  using boost::json::kind;
  switch (value.kind()) {
    case kind::null:
      return "null";
    case kind::bool_:
      return "a boolean";
    case kind::int64:
    case kind::uint64:
      return "a number";
    case kind::double_:
      return "a number that is not whole";
    case kind::string:
      return "a string";
    case kind::array:
      return "a list";
    case kind::object:
      return "an object";
  }
  return "?";
}

}  // namespace pawl
