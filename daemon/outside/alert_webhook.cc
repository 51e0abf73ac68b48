#include "daemon/outside/alert_webhook.h"

#include <curl/curl.h>

#include <algorithm>
#include <string_view>

namespace pawl {
namespace {

bool is_content_type(const std::string& header) {
  return curl_strnequal(header.c_str(), "content-type:", sizeof("content-type:") - 1) != 0;
}

std::string url_for(std::string url, const Alert& alert) {
  constexpr std::string_view place = "{id}";
  const std::string id = id_of(alert);
  for (std::size_t at = 0; (at = url.find(place, at)) != std::string::npos; at += id.size()) {
    url.replace(at, place.size(), id);
  }
  return url;
}

}  // namespace

AlertDelivery AlertWebhook::post(const Alert& alert, const CancelToken& cancel_token) {
  WebRequest request{.method = options_.method,
                     .url = url_for(options_.url, alert),
                     .headers = options_.headers,
                     .body = body_.fill(facts_of(alert))};
  if (raw(alert.seq) != 0) request.headers.push_back("Pawl-Alert: " + std::to_string(raw(alert.seq)));
  if (std::none_of(request.headers.begin(), request.headers.end(), is_content_type)) {
    request.headers.emplace_back("Content-Type: application/json");
  }
  const WebAnswer answer = caller_.call(request, cancel_token);
  if (answer.is_success()) return {};
  return {.how = answer.may_pass() ? AlertDelivery::How::later : AlertDelivery::How::refused,
          .why = without(words_of(answer), options_.secrets),
          .not_before = answer.not_before};
}

}  // namespace pawl
