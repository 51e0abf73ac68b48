#include "daemon/api/call.h"

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <algorithm>
#include <utility>

#include "daemon/api/figures.h"
#include "schema/json/record_json.h"
#include "schema/limits.h"
#include "schema/subject.h"

namespace pawl {
namespace {

HttpResponse outside(const Call& call, const std::string& what) {
  return http_error(
      403, "forbidden",
      what + " is outside the limits of " + call.requester.principal + ": " + text_of(call.narrow->scope()));
}

std::optional<HttpResponse> refuse_key(const Call& call, std::string_view key) {
  if (call.narrow->has_key(key)) return std::nullopt;
  const bool is_of_task = task_of_key(key) && !call.narrow->scope().repos.empty();
  return is_of_task ? unknown_answer(Outcome::unknown_task) : outside(call, "that key");
}

/// The key that the call is about; none if it is malformed, which the route's function refuses.
std::optional<std::string> key_of(const Call& call) {
  if (!call.param.empty()) return call.param;
  if (call.route.method != "POST") return std::string(call.query.text("key").value_or(""));
  const boost::json::value* key = call.body.fields().if_contains("key");
  if (!key || !key->is_string()) return std::nullopt;
  return std::string(key->get_string().data(), key->get_string().size());
}

std::optional<HttpResponse> refuse_submission(const Call& call) {
  const boost::json::value* repo = call.body.fields().if_contains("repo");
  if (repo && repo->is_string()) {
    const std::string name(repo->get_string().data(), repo->get_string().size());
    if (!call.narrow->scope().has_repo(name)) return outside(call, "that repository");
  }
  const boost::json::value* waits_for = call.body.fields().if_contains("depends_on");
  if (!waits_for || !waits_for->is_array()) return std::nullopt;
  for (const boost::json::value& each : waits_for->get_array()) {
    boost::system::error_code is_no_id;
    const auto id = each.to_number<std::uint64_t>(is_no_id);
    if (!is_no_id && !call.narrow->has(TaskId{id})) return unknown_answer(Outcome::unknown_task);
  }
  return std::nullopt;
}

std::optional<HttpResponse> refuse_claim(const Call& call) {
  for (const std::string& agent : call.body.names("agents")) {
    if (!call.narrow->scope().has_agent(agent)) return outside(call, "that agent");
  }
  return std::nullopt;
}

}  // namespace

std::optional<HttpResponse> refuse_narrow(const Call& call) {
  switch (call.route.reach) {
    case Reach::everything:
      return outside(call, "this call");
    case Reach::task:
      return call.narrow->has(TaskId{call.id}) ? std::nullopt : std::optional(unknown_answer(Outcome::unknown_task));
    case Reach::job:
      return call.narrow->has(JobId{call.id}) ? std::nullopt : std::optional(unknown_answer(Outcome::unknown_job));
    case Reach::key:
      if (const auto key = key_of(call)) return refuse_key(call, *key);
      return std::nullopt;
    case Reach::submits:
      return refuse_submission(call);
    case Reach::claims:
      return refuse_claim(call);
    case Reach::open:
    case Reach::filtered:
      return std::nullopt;
  }
  return std::nullopt;
}

namespace {

/// A call for another thread: the request itself ends before.
std::shared_ptr<Call> kept_for_later(Call call) {
  struct Kept {
    HttpRequest request;  // all that is left of it is whether the client is gone
    std::optional<Call> call;
  };
  const auto kept = std::make_shared<Kept>();
  kept->request.gone = call.request.gone;
  kept->call.emplace(Call{.context = call.context,
                          .request = kept->request,
                          .reply = std::move(call.reply),
                          .requester = std::move(call.requester),
                          .role = call.role,
                          .narrow = std::move(call.narrow),
                          .route = call.route,
                          .param = std::move(call.param),
                          .id = call.id,
                          .body = std::move(call.body),
                          .query = std::move(call.query)});
  return {kept, &*kept->call};
}

/// Checks the objects that the call names, on a thread that may block, and continues if they are within the token's
/// limits.
void run_narrow(Call call) {
  RouteContext& context = call.context;
  context.workers.post([later = kept_for_later(std::move(call))] {
    if (auto refused = refuse_narrow(*later)) return later->reply(*std::move(refused));
    carry_out(std::move(*later));
  });
}

/// A write that is waiting for its decision.
struct PendingWrite {
  RouteContext& context;
  Writing writing;  // except `group` and `resolve`, which the sequencer has
  HttpReply reply;
  std::optional<ShareKind> share;  // that it asks for more of
  std::string principal;
  ResponseRows rows = {};
};

void answer_write(const std::shared_ptr<PendingWrite>& pending, Decision decision) {
  const Writing& writing = pending->writing;
  if (writing.amend) writing.amend(decision, pending->rows);
  HttpResponse response;
  response.status = writing.status ? writing.status(pending->rows) : writing.status_accepted;
  // The connection's thread formats the rows as JSON, not the thread that makes records durable.
  response.format = [pending, decision = std::move(decision), status = response.status](HttpResponse& out) {
    write_answer(out, decision, pending->rows, status);
  };
  pending->reply(std::move(response));
}

/// Runs on the thread that makes records durable: must not block.
void finish_write(const std::shared_ptr<PendingWrite>& pending, std::optional<Decision> decision) {
  pending->writing.keep.reset();
  if (!decision) return pending->writing.nothing();
  if (decision->outcome == Outcome::quota && pending->share) {
    pending->context.services.share_book->refuse(*pending->share, pending->principal);
  }
  const ResponseRows& rows = pending->rows;
  if (!rows.archived_task && !rows.archived_job) return answer_write(pending, *std::move(decision));
  pending->context.workers.post([pending, decision = *std::move(decision)] {
    fetch_archived(pending->context.services.archive, pending->context.services.index, pending->rows);
    answer_write(pending, decision);
  });
}

/// What the group asks for more of; none: nothing that is shared.
std::optional<ShareKind> share_of(const Group& group) {
  for (const Proposal& proposal : group) {
    const fb::Event type = proposal.record().event_type();
    if (type == fb::Event::BootStarted) return ShareKind::boots;
    if (type == fb::Event::LeaseAcquired) return ShareKind::leases;
    if (type == fb::Event::TaskCreated) return ShareKind::tasks;
  }
  return std::nullopt;
}

}  // namespace

void Call::refuse(const Error& error) const {
  reply(http_error(400, "malformed", error.message));
}

bool read(Call& call) {
  auto query = RequestQuery::read(call.request.query, call.route);
  auto body = query ? RequestBody::read(call.request.body, call.route) : Result<RequestBody>(RequestBody());
  if (!query || !body) {
    call.refuse(query ? body.error() : query.error());
    return false;
  }
  call.query = std::move(*query);
  call.body = std::move(*body);
  return true;
}

bool is_limited(const Call& call) {
  return call.narrow && call.route.reach != Reach::open && call.route.reach != Reach::filtered;
}

void run(Call call) {
  if (!read(call)) return;
  if (is_limited(call)) return run_narrow(std::move(call));
  carry_out(std::move(call));
}

std::optional<HttpResponse> refuse_beyond(const Call& call, std::int64_t at) {
  const Seq end = call.sequencer().durable_seq();
  if (Seq{static_cast<std::uint64_t>(at)} <= end) return std::nullopt;
  return http_error(
      404, "beyond_end",
      "the log ends with record " + std::to_string(raw(end)) + "; record " + std::to_string(at) + " is still to come");
}

HttpResponse too_many_past() {
  HttpResponse response =
      http_error(503, "too_many_past", "too many requests about the past wait already: one is answered at a time");
  response.headers.emplace_back("Retry-After", "1");
  return response;
}

void carry_out(Call call) {
  const bool may_ask = std::any_of(call.route.query.begin(), call.route.query.end(),
                                   [](const Field& field) { return field.name == position_name; });
  const auto at = may_ask ? call.query.integer(position_name) : std::nullopt;
  if (!at) return call.route.function(std::move(call));
  if (auto refused = refuse_beyond(call, *at)) return call.reply(*std::move(refused));
  RouteContext& context = call.context;
  const HttpReply reply = call.reply;
  const auto later = kept_for_later(std::move(call));
  const auto go_on = [later](const State& state) {
    PastReader past(state);
    later->past = &past;
    later->route.function(*later);
  };
  const auto failed = [reply](const Error& error) { reply(http_error(500, "io", error.message)); };
  if (context.past.post(Seq{static_cast<std::uint64_t>(*at)}, go_on, failed)) return;
  reply(too_many_past());
}

std::optional<Proposal> propose_asked(Call& call, fb::Event type, std::string_view id_field) {
  boost::json::object& fields = call.body.event_fields();
  if (!id_field.empty()) fields.emplace(boost::json::string_view(id_field.data(), id_field.size()), call.id);
  auto proposal = proposal_from_json(call.requester, type, fields, Reading::asked);
  if (proposal) return std::move(*proposal);
  call.refuse(proposal.error());
  return std::nullopt;
}

void write(RouteContext& context, Writing writing, HttpReply reply) {
  Group group = std::move(writing.group);
  auto resolve = std::move(writing.resolve);
  const auto share = share_of(group);
  std::string principal = group.empty() ? std::string() : principal_of(group.front().record());
  const auto pending = std::make_shared<PendingWrite>(
      PendingWrite{context, std::move(writing), std::move(reply), share, std::move(principal)});
  context.services.sequencer.submit(
      {.group = std::move(group),
       .resolve = std::move(resolve),
       .look = [pending](const SeenDecision& seen) { pending->writing.look(seen, pending->rows); },
       .done = [pending](std::optional<Decision> decision) { finish_write(pending, std::move(decision)); }});
}

void Call::read_state(std::function<void(const State&)> look, std::function<void()> done) const {
  if (!past) return sequencer().read(std::move(look), std::move(done));
  look(past->state());
  done();
}

void Call::work(std::function<void(StateReader&)> work) const {
  if (past) return work(*past);
  context.workers.post([work = std::move(work), &sequencer = sequencer()] { work(sequencer); });
}

namespace {

Services with_figures(Services services) {
  if (!services.figures) services.figures = std::make_shared<DaemonFigures>(services.boot_id);
  return services;
}

}  // namespace

RouteContext::RouteContext(Services services_)
    : services(with_figures(std::move(services_))), workers(worker_threads) {}

void read_json(const Call& call, std::function<void(const State&, std::string&)> look) {
  const auto body = std::make_shared<std::string>();
  call.read_state(
      [body, look = std::move(look)](const State& state) {
        body->clear();
        look(state, *body);
      },
      [body, reply = call.reply] {
        HttpResponse response;
        response.body = std::move(*body);
        reply(std::move(response));
      });
}

}  // namespace pawl
