#include "schema/json/read_json.h"

#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/value.hpp>
#include <boost/json/value_stack.hpp>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

namespace pawl {
namespace {

namespace json = boost::json;

/// Builds the document, and stops at the second of two equal keys: Boost's own would silently keep the last.
class Handler {
 public:
  static constexpr std::size_t max_object_size = json::object::max_size();
  static constexpr std::size_t max_array_size = json::array::max_size();
  static constexpr std::size_t max_key_size = json::string::max_size();
  static constexpr std::size_t max_string_size = json::string::max_size();

  bool on_document_begin(json::error_code&) { return true; }
  bool on_document_end(json::error_code&) { return true; }
  bool on_object_begin(json::error_code&) {
    first_key_.push_back(keys_.size());
    return true;
  }
  bool on_object_end(std::size_t count, json::error_code&) {
    keys_.resize(first_key_.back());
    first_key_.pop_back();
    stack.push_object(count);
    return true;
  }
  bool on_array_begin(json::error_code&) { return true; }
  bool on_array_end(std::size_t count, json::error_code&) {
    stack.push_array(count);
    return true;
  }
  bool on_key_part(json::string_view part, std::size_t, json::error_code&) {
    key_.append(part.data(), part.size());
    stack.push_chars(part);
    return true;
  }
  bool on_key(json::string_view part, std::size_t, json::error_code& failed) {
    key_.append(part.data(), part.size());
    const auto begin = keys_.begin() + static_cast<std::ptrdiff_t>(first_key_.back());
    if (keys_.size() - first_key_.back() >= keys_per_object_max || std::find(begin, keys_.end(), key_) != keys_.end()) {
      refused_key = key_;
      failed = json::error::extra_data;
      return false;
    }
    keys_.push_back(key_);
    key_.clear();
    stack.push_key(part);
    return true;
  }
  bool on_string_part(json::string_view part, std::size_t, json::error_code&) {
    stack.push_chars(part);
    return true;
  }
  bool on_string(json::string_view part, std::size_t, json::error_code&) {
    stack.push_string(part);
    return true;
  }
  bool on_number_part(json::string_view, json::error_code&) { return true; }
  bool on_int64(std::int64_t value, json::string_view, json::error_code&) {
    stack.push_int64(value);
    return true;
  }
  bool on_uint64(std::uint64_t value, json::string_view, json::error_code&) {
    stack.push_uint64(value);
    return true;
  }
  bool on_double(double value, json::string_view, json::error_code&) {
    stack.push_double(value);
    return true;
  }
  bool on_bool(bool value, json::error_code&) {
    stack.push_bool(value);
    return true;
  }
  bool on_null(json::error_code&) {
    stack.push_null();
    return true;
  }
  bool on_comment_part(json::string_view, json::error_code&) { return true; }
  bool on_comment(json::string_view, json::error_code&) { return true; }

  json::value_stack stack;
  std::optional<std::string> refused_key;

 private:
  static constexpr std::size_t keys_per_object_max = 256;  // no object of ours has more, and the search is linear

  std::string key_;                     // of which parts have come
  std::vector<std::string> keys_;       // of all objects that are open
  std::vector<std::size_t> first_key_;  // for each of them, where its keys begin
};

Error malformed(std::size_t byte, const std::string& what) {
  return {ErrorCode::malformed, "at byte " + std::to_string(byte + 1) + ": " + what};
}

}  // namespace

Result<json::value> parse_json(std::string_view text) {
  json::parse_options options;
  options.max_depth = json_depth_max;
  json::basic_parser<Handler> parser(options);
  parser.handler().stack.reset();
  json::error_code failed;
  const std::size_t used = parser.write_some(false, text.data(), text.size(), failed);
  if (failed) {
    Handler& handler = parser.handler();
    if (handler.refused_key) {
      return malformed(used, "the key \"" + *handler.refused_key + "\" is there twice, or there are too many");
    }
    if (failed == json::error::too_deep) return malformed(used, "nested too deeply");
    if (failed == json::error::incomplete) return malformed(used, "this is no whole JSON value");
    return malformed(used, "this is no JSON (" + failed.message() + ")");
  }
  if (text.find_first_not_of(" \t\r\n", used) != std::string_view::npos) {
    return malformed(used, "something follows the JSON value");
  }
  return parser.handler().stack.release();
}

}  // namespace pawl
