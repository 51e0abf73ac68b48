// Carries out webhooks, through the same routes and the same path as all requests.
//
// A start is POST /v1/tasks, a stop is POST /v1/tasks/{id}/cancel, with their bodies; an advance or a note leaves a
// note in the log (delivery_notes.cc). Here the sources differ only by name.
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <utility>

#include "daemon/api/delivery.h"
#include "engine/json/state_json.h"
#include "schema/json/json_text.h"
#include "schema/json/read_json.h"
#include "schema/limits.h"
#include "schema/printable.h"

namespace pawl {
namespace {

/// Whether a refusal says that the request is already fulfilled: nothing is lost, so it raises no alert. Plane reports
/// some changes twice.
bool stands_already(std::string_view reason) {
  return reason == name(Outcome::duplicate_work_item) || reason == name(Outcome::relaunch);
}

/// Each refused stop is a kind of its own, so that none is folded into the alert of another.
std::string kind_of_refusal(const Delivery& delivery, std::string_view reason) {
  std::string kind = std::string(name(delivery.source)) + ":" + std::string(reason);
  if (const auto* stop = std::get_if<WebhookStop>(&delivery.call.action)) {
    for (const std::string& word : {stop->repos.front(), stop->work_item, stop->branch, stop->pull}) {
      kind += "\n" + word;
    }
  }
  if (const auto* refused = std::get_if<WebhookRefused>(&delivery.call.action)) kind += "\n" + refused->stop_of;
  return kind;
}

std::string_view asked_for(const WebhookAction& action, bool is_read) {
  if (!is_read) return "it cannot be read, and may have been a STOP";
  const auto* refused = std::get_if<WebhookRefused>(&action);
  const bool is_stop = std::holds_alternative<WebhookStop>(action) || (refused && !refused->stop_of.empty());
  return is_stop ? "it was a STOP" : "";
}

Alert alert_of(const Delivery& delivery, std::string_view reason, std::string what, TimeUs now) {
  Alert alert{.reason = "webhook_refused:" + std::string(reason),
              .time = now,
              .boot = delivery.context.services.boot_id,
              .actor = std::string(webhook_actor),
              .what = std::move(what)};
  if (const auto* stop = std::get_if<WebhookStop>(&delivery.call.action)) {
    alert.work_item = stop->work_item;
    alert.repo = stop->repos.front();
    alert.branch = stop->branch;
  } else if (const auto* start = std::get_if<WebhookStart>(&delivery.call.action)) {
    alert.work_item = start->work_item;
    alert.repo = start->repo;
    alert.branch = start->branch;
  }
  return alert;
}

std::string text_of_error(const boost::json::value& answer, std::string_view member) {
  if (!answer.is_object()) return {};
  const boost::json::value* error = answer.get_object().if_contains("error");
  if (!error || !error->is_object()) return {};
  const boost::json::value* text = error->get_object().if_contains(boost::json::string_view(member));
  return text && text->is_string() ? std::string(text->get_string()) : std::string();
}

std::optional<Seq> seq_of_error(const boost::json::value& answer) {
  const boost::json::value* error = answer.is_object() ? answer.get_object().if_contains("error") : nullptr;
  const boost::json::value* seq = error && error->is_object() ? error->get_object().if_contains("seq") : nullptr;
  if (!seq || !seq->is_int64()) return std::nullopt;
  return Seq{static_cast<std::uint64_t>(seq->get_int64())};
}

/// Calls a route as any client would, with a request of which only the body and the requester matter.
void pass_to(const SharedDelivery& delivery, const Route& route, const std::string& body, std::uint64_t id) {
  delivery->totals().calls.fetch_add(1);
  const HttpRequest request{.method = "POST", .body = body};
  run(Call{.context = delivery->context,
           .request = request,
           .reply =
               [delivery](HttpResponse response) {
                 // Not on the connection's thread: a refusal is reported even if the sender is gone.
                 delivery->context.workers.post([delivery, response = std::move(response)]() mutable {
                   if (const auto format = std::exchange(response.format, nullptr)) format(response);
                   delivery->settle(std::move(response));
                 });
               },
           .requester = delivery->requester,
           .route = route,
           .id = id,
           .is_of_webhook = true});
}

void create_task(const SharedDelivery& delivery, const WebhookStart& wanted) {
  std::string body = R"({"work_item":)";
  append_json_text(body, wanted.work_item);
  body += R"(,"repo":)";
  append_json_text(body, wanted.repo);
  body += R"(,"branch":)";
  append_json_text_or_null(body, wanted.branch);
  body += R"(,"pipeline":)";
  append_json_text_or_null(body, wanted.pipeline);
  body += R"(,"priority":)" + (wanted.priority ? std::to_string(*wanted.priority) : "null");
  body += R"(,"not_before":)";
  append_json_text_or_null(body, wanted.not_before);
  body += '}';
  pass_to(delivery, route_named("POST", "/v1/tasks"), body, 0);
}

/// The branch, or if it is not given, the pull request's. Empty after refusing the delivery.
std::string branch_of(const Delivery& delivery, const std::string& repo, const std::string& branch,
                      const std::string& pull) {
  if (!branch.empty()) return branch;
  std::string known = delivery.webhooks.branches.find(repo, pull);
  if (known.empty()) {
    delivery.refuse("unknown_branch", "no delivery since the daemon's start has named the branch of pull request " +
                                          pull + ": put the label on the pull request instead");
  }
  return known;
}

/// A start without a work item gets its branch's name, unless a live task works on that branch under another name.
void start(const SharedDelivery& delivery, const WebhookStart& wanted) {
  if (!wanted.work_item.empty()) return create_task(delivery, wanted);
  WebhookStart named = wanted;
  if (task_of_key(*delivery)) {
    // A repeated delivery gets its first answer, whatever it asks for.
    if (named.branch.empty()) named.branch = wanted.pull;
  } else {
    named.branch = branch_of(*delivery, wanted.repo, wanted.branch, wanted.pull);
    if (named.branch.empty()) return;
    if (!find_tasks(delivery->context.services.sequencer, {wanted.repo}, named.branch).tasks.empty()) {
      return delivery->ignore("a live task works on this branch");
    }
  }
  named.work_item = named.branch;
  create_task(delivery, named);
}

std::optional<TaskId> live_work_item(Sequencer& sequencer, const std::vector<std::string>& repos,
                                     const std::string& work_item) {
  return sequencer.ask([&](const State& state) -> std::optional<TaskId> {
    for (const std::string& repo : repos) {
      const auto found = state.indexes.live_work_items.find(std::pair(repo, work_item));
      if (found != state.indexes.live_work_items.end()) return found->second;
    }
    return std::nullopt;
  });
}

/// The one live task to stop; none after answering the delivery.
std::optional<TaskId> task_to_stop(const Delivery& delivery, const WebhookStop& wanted) {
  Sequencer& sequencer = delivery.context.services.sequencer;
  if (!wanted.work_item.empty()) {
    const auto task = live_work_item(sequencer, wanted.repos, wanted.work_item);
    if (!task) delivery.ignore("no live task has this work item");
    return task;
  }
  const std::string branch = branch_of(delivery, wanted.repos.front(), wanted.branch, wanted.pull);
  if (branch.empty()) return std::nullopt;
  const FoundTasks found = find_tasks(sequencer, wanted.repos, branch);
  if (found.tasks.size() == 1) return found.tasks.front();
  if (found.tasks.empty()) {
    delivery.ignore("no live task works there");
  } else {
    delivery.refuse("ambiguous_branch",
                    "more than one live task works on branch " + branch + ": stop the right one with `pawl cancel`");
  }
  return std::nullopt;
}

bool is_of_own_step(const Delivery& delivery, TaskId id) {
  return delivery.context.services.sequencer.ask([&](const State& state) {
    const Task* task = state.tasks.find(id);
    return task && has_own_step(*task);
  });
}

void stop(const SharedDelivery& delivery, const WebhookStop& wanted) {
  // If the delivery is a repeat, the task of its key: a repeated stop must not stop a later task.
  std::optional<TaskId> task = task_of_key(*delivery);
  if (!task) {
    task = task_to_stop(*delivery, wanted);
    if (!task) return;
    if (wanted.why == WebhookStop::Why::closed && is_of_own_step(*delivery, *task)) {
      return delivery->ignore("own_step");
    }
  }
  std::string body = R"({"reason":)";
  append_json_text(body, wanted.reason);
  body += '}';
  pass_to(delivery, route_named("POST", "/v1/tasks/{id}/cancel"), body, raw(*task));
}

void carry_out(const SharedDelivery& delivery) {
  const WebhookAction& action = delivery->call.action;
  if (const auto* ignored = std::get_if<WebhookIgnored>(&action)) return delivery->ignore(ignored->why);
  if (const auto* refused = std::get_if<WebhookRefused>(&action)) {
    return delivery->refuse("no_permission", refused->why);
  }
  delivery->context.workers.post([delivery] {
    const WebhookAction& call = delivery->call.action;
    if (const auto* wanted = std::get_if<WebhookStart>(&call)) return start(delivery, *wanted);
    if (const auto* wanted = std::get_if<WebhookStop>(&call)) return stop(delivery, *wanted);
    if (const auto* wanted = std::get_if<WebhookAdvance>(&call)) return advance_by(delivery, *wanted);
    if (const auto* wanted = std::get_if<WebhookNote>(&call)) return note_by(delivery, *wanted);
  });
}

HttpResponse not_configured(WebhookSource source) {
  const std::string which(name(source));
  return http_error(403, "webhook_not_configured",
                    "no secret is configured for " + which + ": start pawld with --" + which + "-secret-file");
}

void receive(Call call, WebhookSource source) {
  Webhooks* webhooks = call.context.services.webhooks;
  if (!webhooks) return call.reply(not_configured(source));
  WebhookTotals& totals = webhooks->totals(source);
  totals.received.fetch_add(1);
  const HttpRequest& request = call.request;
  const WebhookHeaders headers = webhook_headers(
      source, [&](std::string_view header) { return request.header ? request.header(header) : std::string_view(); });
  // Before looking at the body.
  switch (check_signature(source, request.body, headers, webhooks->config)) {
    case SignatureCheck::right:
      break;
    case SignatureCheck::not_configured:
      totals.not_configured.fetch_add(1);
      return call.reply(not_configured(source));
    case SignatureCheck::missing:
      totals.bad_signatures.fetch_add(1);
      return call.reply(http_error(401, "bad_signature", "the request is not signed"));
    case SignatureCheck::wrong:
      totals.bad_signatures.fetch_add(1);
      return call.reply(http_error(401, "bad_signature",
                                   "the signature does not match this body and the secret configured for " +
                                       std::string(name(source)) + "; the body must be sent as application/json"));
  }
  Delivery delivery{.context = call.context, .webhooks = *webhooks, .source = source, .reply = std::move(call.reply)};
  if (const std::size_t most = webhooks->config.body_bytes_max; request.body.size() > most) {
    totals.too_long.fetch_add(1);
    return delivery.refuse("body_too_large", "the body has " + std::to_string(request.body.size()) +
                                                 " bytes, and the limit is " + std::to_string(most) +
                                                 ": raise it with --webhook-body-bytes");
  }
  auto parsed = parse_webhook(source, headers, request.body, webhooks->config);
  if (!parsed) return delivery.refuse("malformed", parsed.error().message);
  // The signature says who asks, not headers that anyone on the way could add.
  delivery.requester = {.boot = call.context.services.boot_id,
                        .actor = std::string(webhook_actor),
                        .key = parsed->key,
                        .request = {},
                        .principal = "webhook:" + std::string(name(source))};
  if (!parsed->key.empty()) delivery.requester.request = parsed->request;
  delivery.call = std::move(*parsed);
  carry_out(std::make_shared<const Delivery>(std::move(delivery)));
}

}  // namespace

HttpResponse delivery_answer(int status, std::optional<Seq> seq, std::string_view result, std::string_view reason,
                             const ResponseRows& rows) {
  HttpResponse response;
  response.status = status;
  std::string& out = response.body;
  out = R"({"seq":)";
  out += seq ? std::to_string(raw(*seq)) : "null";
  out += R"(,"result":)";
  append_json_text(out, result);
  out += R"(,"reason":)";
  append_json_text_or_null(out, reason);
  out += R"(,"task":)";
  append_object(out, rows, ResourceKind::task);
  out += '}';
  return response;
}

void Delivery::ignore(std::string_view why) const {
  totals().ignored.fetch_add(1);
  reply(delivery_answer(202, std::nullopt, "ignored", why, {}));
}

void Delivery::refuse(std::string_view reason, const std::string& why, std::optional<Seq> seq) const {
  totals().refused.fetch_add(1);
  webhooks.refusals.count(reason);
  const bool is_read = !call.what.empty();
  std::string told = "a delivery of " + std::string(name(source)) + " was refused: " + why;
  if (is_read && why.find(call.what) == std::string::npos) told += " (" + call.what + ")";
  if (const std::string_view asked = asked_for(call.action, is_read); !asked.empty()) told += "; " + std::string(asked);
  const Services& services = context.services;
  if (services.warn) services.warn({std::string(reason) + ": " + told, {.seq = seq}});
  if (services.raise_alert && !stands_already(reason)) {
    const TimeUs now = services.sequencer.now();
    if (const auto folded = webhooks.refusals.alert_due(kind_of_refusal(*this, reason), now)) {
      if (*folded > 0) told += "; " + std::to_string(*folded) + " more like it were not alerted";
      services.raise_alert(alert_of(*this, reason, std::move(told), now));
    }
  }
  HttpResponse response = delivery_answer(202, seq, "refused", reason, {});
  response.body.pop_back();
  response.body += R"(,"message":)";
  append_json_text(response.body, printable_lines(why));
  response.body += '}';
  reply(std::move(response));
}

void Delivery::settle(HttpResponse response) const {
  if (response.status == 202) totals().deferred.fetch_add(1);  // a stop that has to wait
  if (response.status < 400 || response.status >= 500) return reply(std::move(response));
  const auto answer = parse_json(response.body);
  PAWL_ASSERT(answer.has_value());  // It is our own.
  refuse(text_of_error(*answer, "code"), text_of_error(*answer, "message"), seq_of_error(*answer));
}

void append_webhooks(std::string& out, const Webhooks* webhooks) {
  if (!webhooks) {
    out += "null";
    return;
  }
  out += '{';
  for (const WebhookSource source : webhook_sources) {
    append_json_member(out, name(source));
    out += '{';
    append_json_member(out, "configured", secret_of(source, webhooks->config).has_value());
    const WebhookTotals& totals = webhooks->totals(source);
    for (const auto& [member, total] :
         {std::pair{"received", &totals.received}, std::pair{"calls", &totals.calls},
          std::pair{"deferred", &totals.deferred}, std::pair{"ignored", &totals.ignored},
          std::pair{"refused", &totals.refused}, std::pair{"bad_signatures", &totals.bad_signatures},
          std::pair{"too_long", &totals.too_long}, std::pair{"not_configured", &totals.not_configured}}) {
      append_json_member(out, member, total->load());
    }
    out += '}';
  }
  append_json_member(out, "refusals");
  out += '{';
  for (const auto& [reason, count] : webhooks->refusals.counts()) append_json_member(out, reason, count);
  out += "}}";
}

void count_too_long(Webhooks& webhooks, std::string_view path) {
  for (const WebhookSource source : webhook_sources) {
    if (path == "/webhooks/" + std::string(name(source))) webhooks.totals(source).too_long.fetch_add(1);
  }
}

void webhooks_gitea(Call call) {
  receive(std::move(call), WebhookSource::gitea);
}

void webhooks_plane(Call call) {
  receive(std::move(call), WebhookSource::plane);
}

void webhooks_github(Call call) {
  receive(std::move(call), WebhookSource::github);
}

void webhooks_gitlab(Call call) {
  receive(std::move(call), WebhookSource::gitlab);
}

void webhooks_generic(Call call) {
  receive(std::move(call), WebhookSource::generic);
}

}  // namespace pawl
