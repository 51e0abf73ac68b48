#include "daemon/http/request_parser.h"

#include <boost/beast/core/string.hpp>
#include <boost/beast/http/rfc7230.hpp>

#include <algorithm>
#include <array>

#include "daemon/http/request_head.h"
#include "schema/limits.h"
#include "schema/result.h"

namespace pawl {
namespace {

namespace http = boost::beast::http;

/// Every header that pawl reads, except lists. header() takes no other name.
constexpr std::array<std::string_view, 27> single_headers = {
    "Authorization", "Content-Length", "Content-Type", "Expect", "Host", "Idempotency-Key", "Last-Event-ID", "Origin",
    "Pawl-Actor", "Pawl-Boot", "Transfer-Encoding",
    // Webhooks.
    "webhook-id", "webhook-signature", "webhook-timestamp", "X-Gitea-Delivery", "X-Gitea-Event", "X-Gitea-Signature",
    "X-GitHub-Delivery", "X-GitHub-Event", "X-Gitlab-Event", "X-Gitlab-Token", "X-Hub-Signature-256", "X-Pawl-Delivery",
    "X-Pawl-Signature", "X-Plane-Delivery", "X-Plane-Event", "X-Plane-Signature"};

std::string_view plain(boost::beast::string_view text) {
  return {text.data(), text.size()};
}

boost::beast::string_view beasts(std::string_view text) {
  return {text.data(), text.size()};
}

bool is_control(char c) {
  return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f;
}

}  // namespace

bool is_single_header(std::string_view name) {
  return std::any_of(single_headers.begin(), single_headers.end(),
                     [&](std::string_view each) { return boost::beast::iequals(beasts(each), beasts(name)); });
}

std::optional<std::string> RequestParser::trouble() const {
  const auto& head = get();
  // Beast keeps headers of one name adjacent.
  const auto doubled = std::adjacent_find(head.begin(), head.end(), [](const auto& a, const auto& b) {
    return boost::beast::iequals(a.name_string(), b.name_string()) && is_single_header(plain(a.name_string()));
  });
  if (doubled != head.end()) return "there is more than one header " + std::string(plain(doubled->name_string()));
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
  const std::optional<RequestTarget> target = pawl::parse_target(plain(head.target()));
  if (!target) return "the request's target is not a valid path or http URL";
  if (!is_authority(header("Host"))) return "the Host header is not a valid host name";
  // Load balancers check health without Host; a read changes nothing.
  const bool only_reads = is_head() || head.method() == http::verb::get;
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
  http::token_list words(connection);
  return !words.exists("close") && (is_1_1() || words.exists("keep-alive"));
}

bool RequestParser::has(std::string_view name) const {
  return get().find(beasts(name)) != get().end();
}

std::string_view RequestParser::header(std::string_view name) const {
  PAWL_ASSERT(is_single_header(name));
  const auto found = get().find(beasts(name));
  return found == get().end() ? std::string_view() : plain(found->value());
}

std::string RequestParser::list(std::string_view name) const {
  std::string lines;
  const auto [begin, end] = get().equal_range(beasts(name));
  for (auto line = begin; line != end; ++line) {
    if (!lines.empty()) lines += ", ";
    lines += plain(line->value());
  }
  return lines;
}

void RequestParser::on_field_impl(http::field field, Text name, Text value, Failure& failure) {
  // A value follows its name, unless its line is folded (obs-fold): Beast joins folded lines in another buffer.
  const char* behind = name.data() + name.size() + 1;
  while (*behind == ' ' || *behind == '\t') ++behind;
  if (value.data() != behind) {
    failure = http::error::bad_obs_fold;
    return;
  }
  // No proxy has checked what follows the body: trailers do not count as headers.
  if (!is_header_done()) get().insert(field, name, value);
}

void RequestParser::on_chunk_header_impl(std::uint64_t /*size*/, Text extensions, Failure& failure) {
  extension_bytes_ += extensions.size();
  // Within quotes Beast accepts any byte, even a bare LF, which ends a line for some parsers.
  if (std::any_of(extensions.begin(), extensions.end(), is_control)) failure = http::error::bad_chunk_extension;
  if (extension_bytes_ > limits::header_bytes_max) failure = http::error::header_limit;
}

}  // namespace pawl
