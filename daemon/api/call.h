// One request to the routes, and what their functions share. Only for daemon/api/routes*.cc.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "daemon/api/access.h"
#include "daemon/api/answers.h"
#include "daemon/api/counters.h"
#include "daemon/api/log_memory.h"
#include "daemon/api/long_polls.h"
#include "daemon/api/narrow.h"
#include "daemon/api/past_reads.h"
#include "daemon/api/record_lines.h"
#include "daemon/api/requests.h"
#include "daemon/api/route_table.h"
#include "daemon/api/routes.h"
#include "daemon/http/http.h"
#include "daemon/thread_pool.h"

namespace pawl {

/// Several, so that a reader or two of a long history do not delay requests that follow the log.
constexpr unsigned worker_threads = 4;

/// How many reports of incidents may wait for one that is made; more are refused.
constexpr int reports_max = 8;

/// What all routes share.
struct RouteContext {
  explicit RouteContext(Services services_);

  const Services services;
  Totals totals;
  std::atomic<bool> is_ending{false};
  /// For any record. The pause keeps a thousand streams to some tenth of the machine, however much is written.
  LongPolls record_waits{std::chrono::microseconds(100)};
  LongPolls claim_waits;  // for a job, by agent
  LogMemory memory{services.journal};
  RecordLines lines;
  Whereabouts places{services.sequencer, services.archive, services.index};
  ThreadPool workers;
  PastReads past{services.journal, services.checkpoints};
  OneByOne reports{reports_max};
};

/// A state of the past, while a call that asked for it is carried out on the thread for that (daemon/api/past_reads.h).
class PastReader final : public StateReader {
 public:
  explicit PastReader(const State& state) : state_(state) {}
  void look(const std::function<void(const State&)>& look) override { look(state_); }
  const State& state() const { return state_; }

 private:
  const State& state_;
};

/// A call, read and checked against its route's row before the route's function sees it.
struct Call {
  RouteContext& context;
  const HttpRequest& request;  // lives until the route returns
  HttpReply reply;
  Requester requester;
  Role role = Role::none;  // the requester's
  /// The requester's limits; null: none.
  std::shared_ptr<const Narrow> narrow = nullptr;
  const Route& route;
  std::string param = {};  // from the path, decoded
  std::uint64_t id = 0;    // the same as a number, if the row says that it is an id
  RequestBody body = {};
  RequestQuery query = {};
  const Permit* permit = nullptr;  // the requester's, as long as `request` lives; null if that has been left
  bool is_of_webhook = false;      // a refusal is not reported to its sender
  PastReader* past = nullptr;      // the state that the call is about, with `at`; null: the present one

  Sequencer& sequencer() const { return context.services.sequencer; }
  void refuse(const Error& error) const;  // 400

  // For calls that may be about the past (position_name). With `past`, all of this happens before it returns.

  /// Reads the state that the call is about, as Sequencer::read() does.
  void read_state(std::function<void(const State&)> look, std::function<void()> done) const;
  /// Does what may block, on another thread. `work` gets the state that the call is about.
  void work(std::function<void(StateReader&)> work) const;
  /// The last record of the state of the past; no_end for the present.
  Seq upto() const { return past ? past->state().last_seq : no_end; }
};

/// Checks what does not depend on body and query: the path, what the permit allows, whether the daemon can carry it out
/// now. None if this refused the request.
std::optional<Call> admitted(RouteContext& context, const HttpRequest& request, const Permit& permit, HttpReply reply);

/// Reads query and body as the route's row says. False if this refused the request.
bool read(Call& call);

/// Whether refuse_narrow() has something to say.
bool is_limited(const Call& call);
/// The refusal if a narrow token may not make the call, or nothing. May block. Requires: is_limited() and read().
std::optional<HttpResponse> refuse_narrow(const Call& call);

/// The refusal of a position beyond the last durable record, or nothing.
std::optional<HttpResponse> refuse_beyond(const Call& call, std::int64_t at);
/// 503: too much waits for one of the threads that look back.
HttpResponse too_many_past();

/// Calls the route's function; if the call is about the past, on the thread for that, once its state is found. Refuses
/// a position that the log has not reached, and more such calls than may wait. Requires: read().
void carry_out(Call call);

/// Reads body and query as the route's row says, then calls the route's function or refuses, including what a narrow
/// token may not name. Requires: `param` and `id` are set.
void run(Call call);

/// The refusal of a write for lack of disk space or a read-only folder, or nothing.
std::optional<HttpResponse> no_room(const Readiness& readiness, RouteRoom room);

/// The event made from the body's fields; none if this refused the request. `id_field`: the event's field for the id in
/// the path; empty: none.
std::optional<Proposal> propose_asked(Call& call, fb::Event type, std::string_view id_field = {});

using Look = std::function<void(const SeenDecision&, ResponseRows&)>;

/// Proposes a group, and answers with what `look` copied.
struct Writing {
  Group group;
  Look look;
  int status_accepted = 200;
  std::function<bool(const State&, Group&)> resolve = {};
  /// Status of an accepted answer, if it depends on the result. May be empty.
  std::function<int(const ResponseRows&)> status = {};
  /// Kept until the record is durable, such as a lock.
  std::shared_ptr<void> keep = nullptr;
  /// Called if there was nothing to propose. May be empty if `resolve` never returns false.
  std::function<void()> nothing = {};
  /// Turns a refusal into acceptance if the archive shows that the request already has its effect. May be empty.
  std::function<void(Decision&, const ResponseRows&)> amend = {};
};
void write(RouteContext& context, Writing writing, HttpReply reply);

/// Finds the call's job, in memory or in the archive, and calls `found` on a thread that may block.
void with_job(const Call& call, std::function<void(RouteContext&, const Job&, const HttpReply&)> found);

/// Answers with what `look` appends to the body, read from the state. `look` copies and formats: for small answers.
void read_json(const Call& call, std::function<void(const State&, std::string&)> look);

/// An object with the counts of deliveries by source; `null` if webhooks are off.
void append_webhooks(std::string& out, const Webhooks* webhooks);
/// A body for that path was refused for its length; counted if it is a webhook's.
void count_too_long(Webhooks& webhooks, std::string_view path);

/// For the sequencer's thread. `state` and `shop` outlive it.
CounterSources counter_sources(const State& state, const RouteContext& context);
/// The answer to GET /queue, for a reader of that role.
void append_queue(std::string& out, const State& state, const RouteContext& context, Role role);

}  // namespace pawl
