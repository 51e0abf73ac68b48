#include "daemon/outside/web_call.h"

#include <curl/curl.h>

#include <algorithm>
#include <array>
#include <utility>

#include "daemon/outside/curl_parts.h"

namespace pawl {
namespace {

struct Kept {
  std::string text;
  std::size_t bytes_max;
};

std::size_t keep_answer(char* bytes, std::size_t size, std::size_t count, void* into) {
  Kept& kept = *static_cast<Kept*>(into);
  const std::size_t room = kept.bytes_max - std::min(kept.bytes_max, kept.text.size());
  kept.text.append(bytes, std::min(room, size * count));
  return size * count;
}

}  // namespace

struct WebCaller::Impl {
  std::string ca_file;
  CurlHandle handle{curl_easy_init()};
};

WebCaller::WebCaller(std::string ca_file) : impl_(std::make_unique<Impl>()) {
  impl_->ca_file = std::move(ca_file);
  PAWL_ASSERT(impl_->handle);
}

WebCaller::~WebCaller() = default;
WebCaller::WebCaller(WebCaller&&) noexcept = default;

WebAnswer WebCaller::call(const WebRequest& request, const CancelToken& cancel_token, std::size_t body_bytes_max) {
  CurlList headers;
  bool complete = append(headers, "Expect:");
  for (const std::string& header : request.headers) complete = complete && append(headers, header);
  if (!complete) return {.why = "out of memory"};

  Kept kept{.text = {}, .bytes_max = body_bytes_max};
  std::array<char, CURL_ERROR_SIZE> reason{};
  CURL* const handle = impl_->handle.get();
  curl_easy_reset(handle);  // resets the options only: the connection stays open
  set_common_options(handle, impl_->ca_file, cancel_token, reason);
  curl_easy_setopt(handle, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(handle, CURLOPT_USERAGENT, "pawl");
  curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers.get());
  if (request.method == "GET") {
    curl_easy_setopt(handle, CURLOPT_HTTPGET, 1L);
  } else {
    curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
    curl_easy_setopt(handle, CURLOPT_POSTFIELDS, request.body.data());
    curl_easy_setopt(handle, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  }
  curl_easy_setopt(handle, CURLOPT_FRESH_CONNECT, request.is_sent_once ? 1L : 0L);
  curl_easy_setopt(handle, CURLOPT_TIMEOUT, static_cast<long>(limits::alert_post_timeout_s));
  curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, keep_answer);
  curl_easy_setopt(handle, CURLOPT_WRITEDATA, &kept);
  const CURLcode code = curl_easy_perform(handle);
  if (code != CURLE_OK) return {.why = why_of(code, reason)};

  long status = 0;
  curl_off_t wait_s = 0;
  curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
  curl_easy_getinfo(handle, CURLINFO_RETRY_AFTER, &wait_s);
  const std::int64_t bounded_s = std::clamp<std::int64_t>(wait_s, 0, limits::alert_backoff_s_max);
  return {
      .status = static_cast<int>(status), .body = std::move(kept.text), .not_before = std::chrono::seconds(bounded_s)};
}

std::string words_of(const WebAnswer& answer) {
  if (answer.status == 0) return answer.why;
  constexpr std::size_t bytes_shown = 200;
  return "HTTP " + std::to_string(answer.status) + ": " + in_one_line(answer.body.substr(0, bytes_shown));
}

std::string without(std::string text, const std::vector<std::string>& secrets) {
  constexpr std::size_t bytes_min = 4;
  constexpr std::string_view mark = "(secret)";
  for (const std::string& secret : secrets) {
    if (secret.size() < bytes_min) continue;
    for (std::size_t at = 0; (at = text.find(secret, at)) != std::string::npos; at += mark.size()) {
      text.replace(at, secret.size(), mark);
    }
  }
  return text;
}

std::string in_one_line(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](char byte) { return (byte >= 0 && byte < ' ') || byte == 127; }, ' ');
  return text;
}

std::string host_of(const std::string& url) {
  const CurlUrl parsed(curl_url());
  PAWL_ASSERT(parsed);
  if (curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), 0) != CURLUE_OK) return "?";
  return part_of(parsed.get(), CURLUPART_HOST).value_or("?");
}

}  // namespace pawl
