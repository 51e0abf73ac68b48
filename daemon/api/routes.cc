#include "daemon/api/routes.h"

#include <algorithm>
#include <span>

#include "daemon/api/call.h"
#include "schema/json/json_text.h"

namespace pawl {
namespace {

/// Whether a call may change the state: such are refused while there is no space for the log.
enum class Kind { reads, writes };

struct Route {
  std::string_view method;
  std::string_view path;  // `{}` stands for any one segment
  Kind kind;
  Role role;  // that it takes, at least
  void (*function)(Call);
};

/// What is for `none` has a signature of its own, or tells nothing that a port which answers would not.
constexpr Route routes[] = {
    {"POST", "/v1/tasks", Kind::writes, Role::operate, tasks_create},
    {"GET", "/v1/tasks", Kind::reads, Role::read, tasks_list},
    {"GET", "/v1/tasks/{}", Kind::reads, Role::read, tasks_get},
    {"GET", "/v1/tasks/{}/history", Kind::reads, Role::read, tasks_history},
    {"POST", "/v1/tasks/{}/transition", Kind::writes, Role::work, tasks_transition},
    {"POST", "/v1/tasks/{}/advance", Kind::writes, Role::work, tasks_advance},
    {"POST", "/v1/tasks/{}/cancel", Kind::writes, Role::operate, tasks_cancel},
    {"POST", "/v1/tasks/{}/resolve", Kind::writes, Role::operate, tasks_resolve},
    {"POST", "/v1/tasks/{}/retry", Kind::writes, Role::operate, tasks_retry},
    {"POST", "/v1/tasks/{}/unblock", Kind::writes, Role::operate, tasks_unblock},
    {"POST", "/v1/tasks/{}/note", Kind::writes, Role::work, tasks_note},
    {"POST", "/v1/tasks/{}/gate", Kind::writes, Role::work, tasks_gate},
    {"POST", "/v1/tasks/{}/steps", Kind::writes, Role::work, tasks_steps},
    {"POST", "/v1/leases", Kind::writes, Role::work, leases_acquire},
    {"GET", "/v1/leases", Kind::reads, Role::read, leases_list},
    {"DELETE", "/v1/leases/{}", Kind::writes, Role::work, leases_release},
    {"POST", "/v1/boots", Kind::writes, Role::work, boots_start},
    {"GET", "/v1/boots", Kind::reads, Role::read, boots_list},
    {"DELETE", "/v1/boots/{}", Kind::writes, Role::work, boots_end},
    {"POST", "/v1/jobs/claim", Kind::writes, Role::work, jobs_claim},
    {"GET", "/v1/jobs", Kind::reads, Role::read, jobs_list},
    {"GET", "/v1/jobs/{}", Kind::reads, Role::read, jobs_get},
    {"GET", "/v1/jobs/{}/log", Kind::reads, Role::read, jobs_log},
    {"POST", "/v1/jobs/{}/started", Kind::writes, Role::work, jobs_started},
    {"POST", "/v1/jobs/{}/exited", Kind::writes, Role::work, jobs_exited},
    {"POST", "/v1/jobs/{}/finished", Kind::writes, Role::work, jobs_finished},
    {"GET", "/v1/events", Kind::reads, Role::read, events_get},
    {"GET", "/v1/settings", Kind::reads, Role::read, settings_get},
    {"POST", "/v1/settings", Kind::writes, Role::operate, settings_set},
    {"GET", "/v1/pipelines", Kind::reads, Role::read, pipelines_list},
    {"POST", "/v1/pipelines", Kind::writes, Role::operate, pipelines_define},
    {"POST", "/transition-lease/release", Kind::writes, Role::operate, leases_force},
    {"POST", "/v1/reaper/run", Kind::writes, Role::operate, reaper_run},
    {"GET", "/v1/stuck", Kind::reads, Role::read, stuck_list},
    {"GET", "/queue", Kind::reads, Role::read, queue_get},
    {"POST", "/webhooks/gitea", Kind::writes, Role::none, webhooks_gitea},
    {"POST", "/webhooks/plane", Kind::writes, Role::none, webhooks_plane},
    {"GET", "/healthz", Kind::reads, Role::none, healthz_get},
    {"GET", "/readyz", Kind::reads, Role::none, readyz_get},
};

std::string_view next_segment(std::string_view& path) {
  const std::size_t slash = std::min(path.find('/', 1), path.size());
  const std::string_view segment = path.substr(1, slash - 1);
  path.remove_prefix(slash);
  return segment;
}

/// Whether the path is of that form; `params` gets the raw segments that stand for `{}`.
bool matches(std::string_view form, std::string_view path, std::vector<std::string_view>& params) {
  params.clear();
  while (!form.empty() && !path.empty()) {
    const std::string_view wanted = next_segment(form);
    const std::string_view segment = next_segment(path);
    if (wanted == "{}") {
      if (segment.empty()) return false;
      params.push_back(segment);
    } else if (wanted != segment) {
      return false;
    }
  }
  return form.empty() && path.empty();
}

/// The most literal route wins: `/v1/jobs/claim` is no job's id.
const Route* find_route(const HttpRequest& request, std::vector<std::string_view>& params, std::string& allowed) {
  const Route* found = nullptr;
  std::vector<std::string_view> candidate;
  bool literal_seen = false;
  for (const Route& route : routes) {
    if (!matches(route.path, request.path, candidate)) continue;
    const bool literal = candidate.empty();
    if (literal_seen && !literal) continue;
    if (literal && !literal_seen) {
      literal_seen = true;
      found = nullptr;
      allowed.clear();
    }
    allowed += (allowed.empty() ? "" : ", ") + std::string(route.method);
    if (route.method == "GET") allowed += ", HEAD";
    if (route.method == request.method) {
      found = &route;
      params = candidate;
    }
  }
  return found;
}

/// What may free a job for a claim, or queue one. Many more wake-ups than needed would cost each waiting claim a look.
bool may_help_a_claim(const Published& published) {
  if (published.applied.outcome != Outcome::accepted) return false;
  switch (published.record.event_type()) {
    case fb::Event::NONE:
    case fb::Event::PipelineDefined:
    case fb::Event::LeaseAcquired:
    case fb::Event::LeaseReleased:
    case fb::Event::LeaseReclaimed:
    case fb::Event::JobClaimed:
    case fb::Event::RunStarted:
    case fb::Event::RunExited:
    case fb::Event::FinalizerMarked:
    case fb::Event::FinalizerCleared:
    case fb::Event::GateEvaluated:
    case fb::Event::StepStarted:
    case fb::Event::StepFinished:
    case fb::Event::TaskBlocked:
    case fb::Event::CancelRequested:
    case fb::Event::TaskNote:
    case fb::Event::RefusalsFolded:
      return false;
    case fb::Event::BootStarted:
    case fb::Event::BootEnded:
    case fb::Event::SettingChanged:
    case fb::Event::TaskCreated:
    case fb::Event::StageTransition:
    case fb::Event::JobQueued:
    case fb::Event::JobFinished:
    case fb::Event::JobReaped:
    case fb::Event::TaskUnblocked:
    case fb::Event::TaskCancelled:
      return true;
  }
  return true;
}

/// The refusal of a request that may not do what it asks for, or nothing.
std::optional<HttpResponse> refusal(const Permit& permit, Role needed) {
  if (permit.role >= needed) return std::nullopt;
  if (permit.role == Role::none) {
    HttpResponse response = http_error(401, "unauthorized", "a token that is known here is needed, as bearer token");
    response.headers.emplace_back("WWW-Authenticate", "Bearer realm=\"pawl\"");
    return response;
  }
  return http_error(403, "forbidden",
                    "token '" + permit.holder + "' has the role " + std::string(name(permit.role)) +
                        ", and this takes " + std::string(name(needed)));
}

void count(Totals& totals, const Published& published) {
  if (published.applied.outcome != Outcome::accepted) return;
  if (const auto* reaped = published.record.event_as_JobReaped()) {
    totals.reaped.fetch_add(1);
    totals.last_reaped_job.store(reaped->job());
  }
  if (published.record.event_as_LeaseReclaimed()) totals.leases_reclaimed.fetch_add(1);
}

}  // namespace

struct Api::Impl {
  explicit Impl(Services services) : shop(std::move(services)) {}

  Shop shop;
  std::uint64_t subscription = 0;
};

Api::Api(Services services) : impl_(std::make_unique<Impl>(std::move(services))) {
  impl_->subscription =
      impl_->shop.services.sequencer.subscribe([shop = &impl_->shop](std::span<const Published> batch) {
        bool helps = false;
        for (const Published& published : batch) {
          count(shop->totals, published);
          helps = helps || may_help_a_claim(published);
        }
        shop->record_waits.notify();
        if (helps) shop->claim_waits.notify();
      });
}

Api::~Api() {
  stop();
}

void Api::stop() {
  if (impl_->subscription == 0) return;
  impl_->shop.services.sequencer.unsubscribe(std::exchange(impl_->subscription, 0));
  impl_->shop.record_waits.stop();
  impl_->shop.claim_waits.stop();
  impl_->shop.workers.stop();
}

void Api::handle(const HttpRequest& request, HttpReply reply) {
  std::vector<std::string_view> raw_params;
  std::string allowed;
  const Route* route = find_route(request, raw_params, allowed);
  const Access* access = impl_->shop.services.access;
  const Permit permit = access ? access->permit_of(request) : Permit{.role = Role::operate};
  // What there is and what not is for readers to know.
  if (auto refused = refusal(permit, route ? route->role : Role::read)) return reply(*std::move(refused));
  if (!route && allowed.empty()) {
    return reply(http_error(404, "no_such_path", "there is nothing at " + std::string(request.path)));
  }
  if (!route) {
    HttpResponse response =
        http_error(405, "method_not_allowed", std::string(request.path) + " takes " + allowed + " only");
    response.headers.emplace_back("Allow", allowed);
    return reply(std::move(response));
  }
  // How the process is can still be asked; what it knows is no longer the truth.
  if (route->function != healthz_get && impl_->shop.services.sequencer.is_superseded()) {
    return reply(superseded_answer());
  }
  if (route->kind == Kind::writes && !impl_->shop.services.readiness().has_space) {
    HttpResponse response = http_error(503, "disk_full",
                                       "there is too little free space for the log: nothing is "
                                       "written until there is more, but all can be read");
    response.headers.emplace_back("Retry-After", "10");
    return reply(std::move(response));
  }
  Result<Asker> asker = asker_of(request, impl_->shop.services.boot_id);
  if (!asker) return reply(http_error(400, "malformed", asker.error().message));
  Call call{.shop = impl_->shop, .request = request, .reply = std::move(reply), .asker = std::move(*asker)};
  for (const std::string_view param : raw_params) {
    const auto decoded = percent_decoded(param);
    if (!decoded || !is_json_text(*decoded)) {
      return call.refuse({ErrorCode::malformed, "'" + std::string(param) + "' is not percent-encoded UTF-8"});
    }
    call.params.push_back(*decoded);
  }
  route->function(std::move(call));
}

}  // namespace pawl
