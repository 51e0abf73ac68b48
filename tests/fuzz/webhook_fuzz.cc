// Deliveries that are rightly signed: the first byte says by whom, the first line which event, the second which
// delivery, and the rest is the body.
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

/// Posts it, and waits for the answer.
void post(WebhookSource source, const WebhookHeaders& headers, std::string_view body) {
  const std::string prefix = source == WebhookSource::gitea ? "X-Gitea-" : "X-Plane-";
  const std::string path = "/webhooks/" + std::string(name(source));
  const HttpRequest request{
      .method = "POST", .path = path, .body = body, .header = [&](std::string_view name) -> std::string_view {
        if (name == prefix + "Event") return headers.event;
        if (name == prefix + "Delivery") return headers.delivery;
        if (name == prefix + "Signature") return headers.signature;
        return {};
      }};
  std::promise<void> answered;
  fresh_served().handle(request, [&](const HttpResponse&) { answered.set_value(); });
  answered.get_future().wait();
}

}  // namespace

void webhook(Bytes input) {
  if (input.empty()) return;
  const WebhookSource source = input.front() % 2 == 0 ? WebhookSource::gitea : WebhookSource::plane;
  std::string_view body = text_of(input.subspan(1));
  WebhookHeaders headers;
  headers.event = take_line(body);
  headers.delivery = take_line(body);
  const std::string signature = webhook_signature(source == WebhookSource::gitea ? gitea_secret : plane_secret, body);
  headers.signature = signature;

  const WebhookConfig config = webhook_config();
  PAWL_ASSERT(check_signature(source, body, signature, config) == SignatureCheck::right);
  const WebhookSource other = source == WebhookSource::gitea ? WebhookSource::plane : WebhookSource::gitea;
  PAWL_ASSERT(check_signature(other, body, signature, config) == SignatureCheck::wrong);

  const auto call = parse_webhook(source, headers, body, config);
  if (call) {
    PAWL_ASSERT(!call->key.empty() && call->key.size() <= limits::idempotency_key_bytes_max);
    PAWL_ASSERT(call->what.size() <= limits::note_bytes_max);
    // The same delivery again is the same request.
    const auto again = parse_webhook(source, headers, body, config);
    PAWL_ASSERT(again && again->key == call->key && again->request == call->request);
  }
  post(source, headers, body);
}

}  // namespace pawl::fuzz
