#include "daemon/api/batch_request.h"

#include <boost/json/array.hpp>
#include <boost/json/monotonic_resource.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <algorithm>
#include <utility>

#include "daemon/http/request_head.h"
#include "schema/json/json_in_words.h"
#include "schema/json/read_json.h"
#include "schema/limits.h"

namespace pawl {
namespace {

namespace json = boost::json;

/// A body within a batch may be nested as deeply as alone.
constexpr std::size_t batch_depth_max = json_depth_max + 3;

Error unreadable(std::string message) {
  return {ErrorCode::malformed, std::move(message)};
}

// Texts that are known to be JSON, which need only be cut.

std::string_view skip_space(std::string_view text) {
  return text.substr(std::min(text.find_first_not_of(" \t\r\n"), text.size()));
}

std::size_t end_of_string(std::string_view text) {
  std::size_t at = 1;
  while (text[at] != '"') at += text[at] == '\\' ? 2U : 1U;
  return at + 1;
}

/// Takes the value that `rest` begins with.
std::string_view take_value(std::string_view& rest) {
  rest = skip_space(rest);
  std::size_t end = 0;
  std::size_t depth = 0;
  do {
    const char c = rest[end];
    if (c == '"') {
      end += end_of_string(rest.substr(end));
      continue;
    }
    if (c == '{' || c == '[') ++depth;
    if (c == '}' || c == ']') --depth;
    ++end;
  } while (depth > 0);
  // A number or a word goes on up to what must follow it.
  if (rest[end - 1] != '"' && rest[end - 1] != '}' && rest[end - 1] != ']') {
    end = std::min(rest.find_first_of(",]} \t\r\n"), rest.size());
  }
  const std::string_view value = rest.substr(0, end);
  rest = skip_space(rest.substr(end));
  return value;
}

/// The values of a list, or of an object's members, in their order.
std::vector<std::string_view> values_in(std::string_view text) {
  std::vector<std::string_view> values;
  const bool is_object = text.front() == '{';
  std::string_view rest = skip_space(text.substr(1));
  while (rest.front() != '}' && rest.front() != ']') {
    if (is_object) {
      take_value(rest);
      rest.remove_prefix(1);  // the colon
    }
    values.push_back(take_value(rest));
    if (rest.front() == ',') rest.remove_prefix(1);
  }
  return values;
}

/// What HTTP would not have brought.
Result<void> check_batched_header(std::string_view name, const json::value& value) {
  if (!value.is_string()) return unreadable("header " + quoted_json(name) + " must be a string");
  const std::string_view text = view(value.get_string());
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; };
  if (std::any_of(text.begin(), text.end(), is_control)) {
    return unreadable("header " + quoted_json(name) + " must not contain a control character");
  }
  if (text.starts_with(' ') || text.ends_with(' ')) {
    return unreadable("header " + quoted_json(name) + " must not begin or end with a space");
  }
  return {};
}

bool is_same_header(std::string_view one, std::string_view other) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  return std::equal(one.begin(), one.end(), other.begin(), other.end(),
                    [&](char a, char b) { return lower(a) == lower(b); });
}

Result<void> read_headers(const json::value& value, BatchedRequest& request) {
  if (value.is_null()) return {};
  const json::object* headers = value.if_object();
  if (!headers) return unreadable(R"(field "headers" must be an object of headers by name)");
  struct Header {
    std::string_view name;
    std::string* text;
    bool is_read = false;
  };
  std::vector<Header> known{
      {"Idempotency-Key", &request.idempotency_key}, {"Pawl-Actor", &request.actor}, {"Pawl-Boot", &request.boot}};
  for (const auto& member : *headers) {
    const std::string_view name = view(member.key());
    const auto header =
        std::find_if(known.begin(), known.end(), [&](const Header& each) { return is_same_header(each.name, name); });
    if (header == known.end()) {
      return unreadable("unknown header " + quoted_json(name) +
                        R"(; in a batch there are: "Idempotency-Key", "Pawl-Actor", "Pawl-Boot")");
    }
    if (std::exchange(header->is_read, true)) return unreadable("header " + quoted_json(name) + " is given twice");
    if (member.value().is_null()) continue;
    PAWL_TRY(check_batched_header(name, member.value()));
    *header->text = view(member.value().get_string());
  }
  return {};
}

Result<void> read_method(const json::value& value, BatchedRequest& request) {
  if (value.is_string()) request.method = view(value.get_string());
  for (const char* method : {"GET", "POST", "DELETE"}) {
    if (request.method == method) return {};
  }
  return unreadable(R"(field "method" must be "GET", "POST" or "DELETE")");
}

Result<void> read_path(const json::value& value, BatchedRequest& request) {
  if (value.is_string()) request.target = view(value.get_string());
  const bool is_path = request.target.starts_with('/') && parse_target(request.target).has_value();
  if (!is_path) {
    return unreadable(R"(field "path" must be a path, with or without a query, such as "/v1/tasks/7": percent-encode )"
                      "what is not allowed in URIs");
  }
  if (request.target.size() > limits::header_bytes_max) {
    return unreadable("field \"path\" is longer than " + std::to_string(limits::header_bytes_max) + " bytes");
  }
  return {};
}

Result<BatchedRequest> read_request(const json::value& value, std::string_view text, const HttpRequest& batch) {
  const json::object* fields = value.if_object();
  if (!fields) return unreadable(R"(must be an object with "method", "path" and, if wanted, "body" and "headers")");
  BatchedRequest request{.actor = std::string(batch.actor), .boot = std::string(batch.boot)};
  const std::vector<std::string_view> texts = values_in(text);
  std::size_t at = 0;
  for (const auto& member : *fields) {
    const std::string_view name = view(member.key());
    const std::string_view as_sent = texts[at++];
    if (name == "method") {
      PAWL_TRY(read_method(member.value(), request));
    } else if (name == "path") {
      PAWL_TRY(read_path(member.value(), request));
    } else if (name == "headers") {
      PAWL_TRY(read_headers(member.value(), request));
    } else if (name != "body") {
      return unreadable("unknown field " + quoted_json(name) +
                        R"(; a request has: "method", "path", "body", "headers")");
    } else if (member.value().is_object()) {
      request.body = as_sent;
    } else if (!member.value().is_null()) {
      return unreadable(R"(field "body" must be an object)");
    }
  }
  if (request.method.empty()) return unreadable(R"(field "method" is missing)");
  if (request.target.empty()) return unreadable(R"(field "path" is missing)");
  return request;
}

}  // namespace

Result<std::vector<BatchedRequest>> read_batch(const HttpRequest& batch) {
  const std::string wanted =
      "the body must be {\"requests\": […]}, with 1 to " + std::to_string(limits::requests_per_batch_max) + " requests";
  if (!batch.idempotency_key.empty()) {
    return unreadable("a batch has no Idempotency-Key: give one to each of its requests, in its \"headers\"");
  }
  if (batch.body.empty()) return unreadable(wanted);
  const json::value body = PAWL_TRY(
      parse_json(batch.body, {.depth_max = batch_depth_max,
                              .storage = json::make_shared_resource<json::monotonic_resource>(batch.body.size())}));
  const json::object* object = body.if_object();
  if (!object) return unreadable(wanted);
  for (const auto& member : *object) {
    if (member.key() != "requests") {
      return unreadable("unknown field " + quoted_json(view(member.key())) + R"(; this call has: "requests")");
    }
  }
  const json::value* list = object->if_contains("requests");
  if (!list || !list->is_array() || list->get_array().empty()) return unreadable(wanted);
  const json::array& values = list->get_array();
  if (values.size() > limits::requests_per_batch_max) {
    return unreadable(wanted + ": these are " + std::to_string(values.size()));
  }
  const std::vector<std::string_view> texts = values_in(values_in(skip_space(batch.body)).front());
  std::vector<BatchedRequest> requests;
  requests.reserve(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    auto request = read_request(values[i], texts[i], batch);
    if (!request) return unreadable("requests[" + std::to_string(i) + "]: " + request.error().message);
    requests.push_back(*std::move(request));
  }
  return requests;
}

}  // namespace pawl
