// Correctly signed deliveries: the first byte selects the source, the first line is the event, the second the delivery,
// and the rest is the body.
#include <future>

#include "daemon/outside/webhooks.h"
#include "schema/json/json_text.h"
#include "schema/limits.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/served.h"

namespace pawl::fuzz {
namespace {

std::string_view take_line(std::string_view& text) {
  const std::string_view line = text.substr(0, text.find('\n'));
  text.remove_prefix(std::min(text.size(), line.size() + 1));
  return line;
}

/// With the secret configured for the source.
std::string signature_of(WebhookSource source, std::string_view body, const WebhookConfig& config) {
  const std::string& secret = *secret_of(source, config);
  if (source == WebhookSource::gitlab) return secret;
  return (source == WebhookSource::github ? "sha256=" : "") + webhook_signature(secret, body);
}

std::string_view header_of(WebhookSource source, const WebhookHeaders& headers, std::string_view name) {
  if (source == WebhookSource::gitlab)
    return name == "X-Gitlab-Token" ? headers.token : name == "Idempotency-Key" ? headers.delivery : "";
  if (name.ends_with("Event")) return headers.event;
  if (name.ends_with("Delivery")) return headers.delivery;
  return name.find("Signature") == std::string_view::npos ? "" : headers.signature;
}

/// Posts it, and waits for the answer: a correctly signed delivery is answered 2xx, whatever it says.
void post(WebhookSource source, const WebhookHeaders& headers, std::string_view body) {
  const std::string path = "/webhooks/" + std::string(name(source));
  const HttpRequest request{
      .method = "POST", .path = path, .body = body, .header = [&](std::string_view name) -> std::string_view {
        return header_of(source, headers, name);
      }};
  std::promise<int> answered;
  fresh_served().handle(request, [&](const HttpResponse& response) { answered.set_value(response.status); });
  const int status = answered.get_future().get();
  PAWL_ASSERT(status >= 200 && status < 300);
}

}  // namespace

void webhook(Bytes input) {
  if (input.empty()) return;
  const WebhookSource source = webhook_sources[input.front() % webhook_sources.size()];
  std::string_view body = text_of(input.subspan(1));
  WebhookHeaders headers;
  headers.event = take_line(body);
  headers.delivery = take_line(body);
  const WebhookConfig config = webhook_config();
  const std::string signature = signature_of(source, body, config);
  headers.signature = signature;
  headers.token = signature;

  PAWL_ASSERT(check_signature(source, body, headers, config) == SignatureCheck::right);
  for (const WebhookSource other : webhook_sources) {
    PAWL_ASSERT(other == source || check_signature(other, body, headers, config) == SignatureCheck::wrong);
  }

  const auto call = parse_webhook(source, headers, body, config);
  if (call) {
    PAWL_ASSERT((source == WebhookSource::generic || !call->key.empty()) &&
                call->key.size() <= limits::idempotency_key_bytes_max);
    PAWL_ASSERT(call->what.size() <= limits::note_bytes_max);
    // The same delivery again is the same request.
    const auto again = parse_webhook(source, headers, body, config);
    PAWL_ASSERT(again && again->key == call->key && again->request == call->request);
  }
  post(source, headers, body);
}

}  // namespace pawl::fuzz
