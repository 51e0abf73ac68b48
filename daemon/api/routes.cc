#include "daemon/api/routes.h"

#include <algorithm>
#include <span>

#include "daemon/api/call.h"
#include "schema/json/json_text.h"

namespace pawl {
namespace {

/// The refusal of a request without the role it needs, or nothing.
std::optional<HttpResponse> refusal(const Permit& permit, Role needed) {
  if (permit.role >= needed) return std::nullopt;
  if (permit.role == Role::none) {
    HttpResponse response = http_error(401, "unauthorized", "a valid bearer token is required");
    response.headers.emplace_back("WWW-Authenticate", "Bearer realm=\"pawl\"");
    return response;
  }
  return http_error(403, "forbidden",
                    "token '" + permit.holder + "' has the role " + std::string(name(permit.role)) +
                        ", but this call needs " + std::string(name(needed)));
}

/// The refusal of a call that a narrow token may never make, or nothing.
std::optional<HttpResponse> refusal(const Permit& permit, Reach reach) {
  if (!permit.scope || reach != Reach::everything) return std::nullopt;
  return http_error(403, "forbidden",
                    "token '" + permit.holder + "' is limited (" + text_of(*permit.scope) +
                        "), and this call is only for tokens without limits");
}

HttpResponse method_not_allowed(std::string_view path) {
  const std::string methods = methods_of(path);
  HttpResponse response = http_error(405, "method_not_allowed", std::string(path) + " takes " + methods + " only");
  response.headers.emplace_back("Allow", methods);
  return response;
}

}  // namespace

std::optional<HttpResponse> no_room(const Readiness& readiness, RouteRoom room) {
  const bool is_full = room == RouteRoom::reserve ? !readiness.has_reserve : !readiness.has_space;
  if (!is_full && readiness.can_write) return std::nullopt;
  HttpResponse response =
      is_full
          ? http_error(503, "disk_full",
                       "the log has too little free space, in bytes or inodes: until there is more, nothing new can "
                       "begin; calls that end or free something are accepted as long as possible, and reads still work")
          : http_error(503, "not_writable",
                       "the data folder is not writable, perhaps because its file system became read-only: until it "
                       "is, writes are refused, but reads still work");
  response.headers.emplace_back("Retry-After", "10");
  return response;
}

namespace {

HttpResponse ending_answer() {
  HttpResponse response = http_error(503, "ending", "this daemon is shutting down: nothing new can begin");
  response.headers.emplace_back("Retry-After", "10");
  return response;
}

/// Decodes the segment for the `{…}` of the route's path. False if this refused the request.
bool read_param(std::string_view param, Call& call) {
  const bool has_param = !param.empty();
  if (!has_param) return true;
  auto decoded = percent_decoded(param);
  if (!decoded || !is_json_text(*decoded)) {
    call.refuse({ErrorCode::malformed, "'" + std::string(param) + "' is not percent-encoded UTF-8"});
    return false;
  }
  call.param = std::move(*decoded);
  if (!call.route.unknown_id) return true;
  // An id that is not a number was never given out.
  const auto id = id_of(call.param);
  if (!id) {
    call.reply(
        http_error(404, name(*call.route.unknown_id), "'" + call.param + "' is not an id that was ever given out"));
  }
  call.id = id.value_or(0);
  return id.has_value();
}

void count(Totals& totals, const Published& published) {
  if (published.applied.outcome != Outcome::accepted) return;
  if (const auto* reaped = published.record.event_as_JobReaped()) {
    totals.reaped.fetch_add(1);
    totals.last_reaped_job.store(reaped->job());
  }
  if (published.record.event_as_LeaseReclaimed()) totals.leases_reclaimed.fetch_add(1);
}

/// Whether a waiting claim may belong to a boot that is now stale.
bool ends_a_boot(const Published& published) {
  const fb::Event type = published.record.event_type();
  return published.applied.outcome == Outcome::accepted &&
         (type == fb::Event::BootStarted || type == fb::Event::BootEnded);
}

}  // namespace

struct Api::Impl {
  explicit Impl(Services services) : context(std::move(services)) {}

  RouteContext context;
  std::uint64_t subscription = 0;
};

Api::Api(Services services) : impl_(std::make_unique<Impl>(std::move(services))) {
  impl_->subscription =
      impl_->context.services.sequencer.subscribe([context = &impl_->context](std::span<const Published> batch) {
        FreedClaims freed;
        for (const Published& published : batch) {
          count(context->totals, published);
          const FreedClaims& frees = published.applied.frees;
          freed.all = freed.all || frees.all || ends_a_boot(published);
          freed.agents.insert(frees.agents.begin(), frees.agents.end());
        }
        context->record_waits.notify();
        if (freed.all) return context->claim_waits.notify();
        for (const std::string& agent : freed.agents) context->claim_waits.notify(agent);
      });
}

Api::~Api() {
  stop();
}

void Api::begin_end() {
  impl_->context.is_ending.store(true);
  impl_->context.claim_waits.stop();
}

void Api::stop() {
  if (impl_->subscription == 0) return;
  impl_->context.services.sequencer.unsubscribe(std::exchange(impl_->subscription, 0));
  impl_->context.record_waits.stop();
  impl_->context.claim_waits.stop();
  impl_->context.past.stop();
  impl_->context.reports.stop();
  impl_->context.workers.stop();
}

void Api::serve() {
  impl_->context.services.sequencer.serve();
}

void Api::body_was_too_long(std::string_view path) {
  if (Webhooks* const webhooks = impl_->context.services.webhooks) count_too_long(*webhooks, path);
}

void Api::handle(const HttpRequest& request, HttpReply reply) {
  const Access* access = impl_->context.services.access;
  const Permit permit =
      access
          ? access->permit_of(request)
          : Permit{
                .role = Role::operate, .holder = {}, .principal = principal_without_token(request), .scope = nullptr};
  if (auto call = admitted(impl_->context, request, permit, std::move(reply))) run(*std::move(call));
}

std::optional<Call> admitted(RouteContext& context, const HttpRequest& request, const Permit& permit, HttpReply reply) {
  const FoundRoute found = find_route(request.method, request.path);
  const auto refuse = [&reply](HttpResponse response) {
    reply(std::move(response));
    return std::nullopt;
  };
  // Only callers who may read learn which paths exist.
  if (auto refused = refusal(permit, found.route ? found.route->role : Role::read)) return refuse(*std::move(refused));
  if (!found.is_path_known) {
    return refuse(http_error(404, "no_such_path", "nothing at " + std::string(request.path)));
  }
  if (!found.route) return refuse(method_not_allowed(request.path));
  const Route& route = *found.route;
  if (auto refused = refusal(permit, route.reach)) return refuse(*std::move(refused));
  // The daemon's own boot does not speak for a worker either.
  if (request.boot.empty() || request.boot == context.services.boot_id) {
    if (auto refused = refusal(permit, route.role_without_boot)) return refuse(*std::move(refused));
  }
  // The process's health can still be queried, but its data is no longer current.
  if (route.path != "/healthz" && context.services.sequencer.is_superseded()) {
    return refuse(superseded_answer());
  }
  if (route.begins_work && context.is_ending.load()) return refuse(ending_answer());
  // Each request of a batch says what it needs.
  if (route.kind == RouteKind::writes && route.form != BodyForm::batch) {
    if (auto refused = no_room(context.services.readiness(), route.room)) return refuse(*std::move(refused));
  }
  // A delivery's headers do not identify the requester, so a malformed header must not get it refused.
  const bool is_delivery = route.form == BodyForm::delivery;
  Result<Requester> requester = requester_of(is_delivery ? HttpRequest{} : request, context.services.boot_id);
  if (!requester) return refuse(http_error(400, "malformed", requester.error().message));
  requester->principal = permit.principal;
  Call call{.context = context,
            .request = request,
            .reply = std::move(reply),
            .requester = std::move(*requester),
            .role = permit.role,
            .route = route,
            .permit = &permit};
  if (permit.scope) call.narrow = std::make_shared<const Narrow>(permit.scope, permit.principal, context.places);
  if (!read_param(found.param, call)) return std::nullopt;
  return call;
}

}  // namespace pawl
