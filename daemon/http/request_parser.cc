#include "daemon/http/request_parser.h"

#include <boost/beast/core/string.hpp>
#include <boost/beast/http/rfc7230.hpp>

#include <algorithm>

#include "schema/limits.h"
#include "schema/result.h"

namespace pawl {
namespace {

namespace http = boost::beast::http;

/// How much of a body's announced length is made room for before any of it has arrived.
constexpr std::uint64_t body_bytes_expected = 64 * 1024;

boost::beast::string_view beasts(std::string_view text) {
  return {text.data(), text.size()};
}

/// The header's index in `single_headers`; their number if it is none of them.
std::size_t index_of(boost::beast::string_view name) {
  const auto found = std::find_if(single_headers.begin(), single_headers.end(), [&](std::string_view each) {
    return each.size() == name.size() && boost::beast::iequals(beasts(each), name);
  });
  return static_cast<std::size_t>(found - single_headers.begin());
}

bool is_control(char c) {
  return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f;
}

}  // namespace

bool is_single_header(std::string_view name) {
  return index_of(beasts(name)) < single_headers.size();
}

std::optional<std::string> RequestParser::trouble() const {
  if (doubled_) return "there is more than one header " + std::string(single_headers[*doubled_]);
  if (has("Transfer-Encoding")) {
    if (!is_1_1()) return "HTTP/1.0 does not allow Transfer-Encoding";
    if (has("Content-Length")) return "there are both a Transfer-Encoding and a Content-Length";
    if (!boost::beast::iequals(beasts(header("Transfer-Encoding")), "chunked")) {
      return "the only supported Transfer-Encoding is chunked";
    }
  }
  // Beast also accepts a list of equal lengths.
  const std::string_view length = header("Content-Length");
  if (!std::all_of(length.begin(), length.end(), [](char c) { return c >= '0' && c <= '9'; })) {
    return "the Content-Length is not a number";
  }
  if (!target()) return "the request's target is not a valid path or http URL";
  if (!is_authority(header("Host"))) return "the Host header is not a valid host name";
  // Load balancers check health without Host; a read changes nothing.
  const bool only_reads = is_head() || method() == "GET";
  if (is_1_1() && !has("Host") && !only_reads) return "the Host header is missing";
  return std::nullopt;
}

std::optional<bool> RequestParser::expects_continue() const {
  if (!is_1_1() || !has("Expect")) return false;
  if (!boost::beast::iequals(beasts(header("Expect")), "100-continue")) return std::nullopt;
  return true;
}

bool RequestParser::has_successor() const {
  const std::string connection = list("Connection");
  if (connection.empty()) return is_1_1();
  http::token_list words(connection);
  return !words.exists("close") && (is_1_1() || words.exists("keep-alive"));
}

std::string_view RequestParser::header_named(std::string_view name) const {
  const std::size_t index = index_of(beasts(name));
  PAWL_ASSERT(index < single_.size());
  return at(single_[index].value);
}

std::string RequestParser::list(std::string_view name) const {
  std::string lines;
  for (const Other& other : others_) {
    if (!boost::beast::iequals(beasts(at(other.name)), beasts(name))) continue;
    if (!lines.empty()) lines += ", ";
    lines += at(other.value);
  }
  return lines;
}

RequestParser::Piece RequestParser::keep(Text text) {
  const Piece piece{static_cast<std::uint32_t>(head_.size()), static_cast<std::uint32_t>(text.size())};
  head_.append(text.data(), text.size());
  return piece;
}

void RequestParser::on_request_impl(http::verb /*verb*/, Text method, Text target, int version, Failure& /*failure*/) {
  head_.reserve(512);
  method_ = keep(method);
  target_text_ = keep(target);
  version_ = version;
}

void RequestParser::on_field_impl(http::field /*field*/, Text name, Text value, Failure& failure) {
  // A value follows its name, unless its line is folded (obs-fold): Beast joins folded lines in another buffer.
  const char* behind = name.data() + name.size() + 1;
  while (*behind == ' ' || *behind == '\t') ++behind;
  if (value.data() != behind) {
    failure = http::error::bad_obs_fold;
    return;
  }
  // No proxy has checked what follows the body: trailers do not count as headers.
  if (is_header_done()) return;
  const std::size_t index = index_of(name);
  if (index == single_.size()) {
    const Piece kept = keep(name);
    others_.push_back({kept, keep(value)});
    return;
  }
  Single& single = single_[index];
  if (!single.is_there) {
    single = {keep(value), true};
  } else if (!doubled_) {
    doubled_ = index;
  }
}

void RequestParser::on_body_init_impl(const Length& length, Failure& /*failure*/) {
  if (length) body_.reserve(static_cast<std::size_t>(std::min(*length, body_bytes_expected)));
}

std::size_t RequestParser::on_body_impl(Text piece, Failure& /*failure*/) {
  body_.append(piece.data(), piece.size());
  return piece.size();
}

void RequestParser::on_chunk_header_impl(std::uint64_t /*size*/, Text extensions, Failure& failure) {
  extension_bytes_ += extensions.size();
  // Within quotes Beast accepts any byte, even a bare LF, which ends a line for some parsers.
  if (std::any_of(extensions.begin(), extensions.end(), is_control)) failure = http::error::bad_chunk_extension;
  if (extension_bytes_ > limits::header_bytes_max) failure = http::error::header_limit;
}

std::size_t RequestParser::on_chunk_body_impl(std::uint64_t /*left*/, Text piece, Failure& failure) {
  return on_body_impl(piece, failure);
}

}  // namespace pawl
