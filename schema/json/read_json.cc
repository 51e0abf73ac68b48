#include "schema/json/read_json.h"

#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/value.hpp>
#include <boost/json/value_stack.hpp>

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <vector>

namespace pawl {
namespace {

namespace json = boost::json;

/// Builds the document, and stops at a duplicate key: Boost's own handler would silently keep the last value.
class Handler {
 public:
  static constexpr std::size_t max_object_size = json::object::max_size();
  static constexpr std::size_t max_array_size = json::array::max_size();
  static constexpr std::size_t max_key_size = json::string::max_size();
  static constexpr std::size_t max_string_size = json::string::max_size();

  explicit Handler(std::span<const std::string_view> names)
      : stack(json::storage_ptr(), unfinished_.data(), unfinished_.size()), names_(names) {
    keys_.reserve(8);
    first_key_.reserve(4);
  }

  bool on_document_begin(json::error_code&) { return true; }
  bool on_document_end(json::error_code&) { return true; }
  bool on_object_begin(json::error_code&) {
    if (!enter()) return true;
    first_key_.push_back(keys_.size());
    return true;
  }
  bool on_object_end(std::size_t, json::error_code&) {
    if (!leave()) return true;
    stack.push_object(keys_.size() - first_key_.back());  // those not skipped
    keys_.resize(first_key_.back());
    first_key_.pop_back();
    return true;
  }
  bool on_array_begin(json::error_code&) {
    enter();
    return true;
  }
  bool on_array_end(std::size_t count, json::error_code&) {
    if (leave()) stack.push_array(count);
    return true;
  }
  bool on_key_part(json::string_view part, std::size_t, json::error_code&) {
    if (!skipping_) key_.append(part.data(), part.size());
    return true;
  }
  bool on_key(json::string_view part, std::size_t, json::error_code& failed) {
    if (skipping_) return true;
    key_.append(part.data(), part.size());
    if (!names_.empty() && !std::binary_search(names_.begin(), names_.end(), std::string_view(key_))) {
      key_.clear();
      skipping_ = true;
      return true;
    }
    const auto begin = keys_.begin() + static_cast<std::ptrdiff_t>(first_key_.back());
    const bool is_duplicate = std::find(begin, keys_.end(), key_) != keys_.end();
    if (is_duplicate || keys_.size() - first_key_.back() >= keys_per_object_max) {
      refused = is_duplicate ? "duplicate key \"" + key_ + '"'
                             : "more than " + std::to_string(keys_per_object_max) + " keys in one object";
      failed = json::error::extra_data;
      return false;
    }
    stack.push_key(key_);
    keys_.push_back(key_);
    key_.clear();
    return true;
  }
  bool on_string_part(json::string_view part, std::size_t, json::error_code&) {
    if (!skipping_) stack.push_chars(part);
    return true;
  }
  bool on_string(json::string_view part, std::size_t, json::error_code&) {
    if (is_read()) stack.push_string(part);
    return true;
  }
  bool on_number_part(json::string_view, json::error_code&) { return true; }
  bool on_int64(std::int64_t value, json::string_view, json::error_code&) {
    if (is_read()) stack.push_int64(value);
    return true;
  }
  bool on_uint64(std::uint64_t value, json::string_view, json::error_code&) {
    if (is_read()) stack.push_uint64(value);
    return true;
  }
  bool on_double(double value, json::string_view, json::error_code&) {
    if (is_read()) stack.push_double(value);
    return true;
  }
  bool on_bool(bool value, json::error_code&) {
    if (is_read()) stack.push_bool(value);
    return true;
  }
  bool on_null(json::error_code&) {
    if (is_read()) stack.push_null();
    return true;
  }
  bool on_comment_part(json::string_view, json::error_code&) { return true; }
  bool on_comment(json::string_view, json::error_code&) { return true; }

  // Values whose object or list is not complete yet; more of them than fit go on the heap.
  std::array<unsigned char, 1024> unfinished_;
  json::value_stack stack;
  std::optional<std::string> refused;  // what is wrong with a key

 private:
  static constexpr std::size_t keys_per_object_max = 256;  // none of our objects has more, and the search is linear

  /// For each complete value: whether to read it. If it is a skipped member's value, the skipping ends.
  bool is_read() {
    if (!skipping_) return true;
    skipping_ = skipped_depth_ > 0;
    return false;
  }
  /// At the start of an object or array: whether to read it.
  bool enter() {
    if (skipping_) ++skipped_depth_;
    return !skipping_;
  }
  /// At its end: likewise.
  bool leave() {
    if (skipping_) --skipped_depth_;
    return is_read();
  }

  std::span<const std::string_view> names_;
  bool skipping_ = false;               // inside the value of a skipped member
  std::size_t skipped_depth_ = 0;       // objects and arrays open inside it
  std::string key_;                     // the parts received so far
  std::vector<std::string> keys_;       // of all open objects
  std::vector<std::size_t> first_key_;  // for each of them, where its keys begin
};

Error malformed(std::size_t byte, const std::string& what) {
  return {ErrorCode::malformed, "at byte " + std::to_string(byte + 1) + ": " + what};
}

}  // namespace

Result<json::value> parse_json(std::string_view text, const JsonReading& reading) {
  json::parse_options options;
  options.max_depth = reading.depth_max;
  json::basic_parser<Handler> parser(options, reading.names);
  parser.handler().stack.reset(reading.storage);
  json::error_code failed;
  const std::size_t used = parser.write_some(false, text.data(), text.size(), failed);
  if (failed) {
    Handler& handler = parser.handler();
    if (handler.refused) return malformed(used, *handler.refused);
    if (failed == json::error::too_deep) {
      return malformed(used, "nested too deeply: more than " + std::to_string(reading.depth_max) + " levels");
    }
    if (failed == json::error::incomplete) return malformed(used, "the JSON value is incomplete");
    return malformed(used, "not valid JSON (" + failed.message() + ")");
  }
  if (text.find_first_not_of(" \t\r\n", used) != std::string_view::npos) {
    return malformed(used, "unexpected text after the JSON value");
  }
  return parser.handler().stack.release();
}

}  // namespace pawl
