// One request on its way through the routes: what its functions share. For daemon/routes*.cc alone.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "daemon/api/access.h"
#include "daemon/api/answers.h"
#include "daemon/api/counters.h"
#include "daemon/api/log_memory.h"
#include "daemon/api/narrow.h"
#include "daemon/api/record_lines.h"
#include "daemon/api/requests.h"
#include "daemon/api/route_table.h"
#include "daemon/api/routes.h"
#include "daemon/api/waits.h"
#include "daemon/http/http.h"
#include "daemon/thread_pool.h"

namespace pawl {

/// A reader of a long history or two shall not hold up those who follow the log.
constexpr unsigned worker_threads = 4;

/// What the routes own together.
struct Shop {
  explicit Shop(Services services_) : services(std::move(services_)), workers(worker_threads) {}

  const Services services;
  Totals totals;
  std::atomic<bool> is_ending{false};
  Waits record_waits;  // for any record
  Waits claim_waits;   // for what may have freed or queued a job
  LogMemory memory{services.journal};
  RecordLines lines;
  Whereabouts places{services.sequencer, services.archive};
  ThreadPool workers;
};

/// What its route's row says was read and checked before the route's function sees it.
struct Call {
  Shop& shop;
  const HttpRequest& request;  // lives until the route returns
  HttpReply reply;
  Asker asker;
  Role role = Role::none;  // of who asks
  /// What is kept from who asks; null: nothing.
  std::shared_ptr<const Narrow> narrow = nullptr;
  const Route& route;
  std::string param = {};  // of the path, decoded
  std::uint64_t id = 0;    // the same, where the row says that it is one
  RequestBody body = {};
  RequestQuery query = {};
  bool is_of_webhook = false;  // its sender learns nothing of a refusal

  Sequencer& sequencer() const { return shop.services.sequencer; }
  void refuse(const Error& error) const;  // 400
};

/// Reads body and query by the call's route, and calls its function or refuses, also what a narrow token may not name.
/// Requires: `param` and `id` are set.
void run(Call call);

/// The refusal of a write that the disk would not take, or nothing.
std::optional<HttpResponse> no_room(const Readiness& readiness, RouteRoom room);

/// The event that the body's fields make up; none after the request was refused. `id_field`: the event's field that the
/// id in the path goes into; empty: there is none.
std::optional<Proposal> propose_asked(Call& call, fb::Event type, std::string_view id_field = {});

using Look = std::function<void(const SeenDecision&, Shown&)>;

/// Proposes, and answers with what `look` showed.
struct Writing {
  Group group;
  Look look;
  int status_accepted = 200;
  std::function<bool(const State&, Group&)> resolve = {};
  /// Status of an accepted answer, where it depends on what it came to. May be empty.
  std::function<int(const Shown&)> status = {};
  /// Kept until the answer is out: a lock that has to be held until the record is durable.
  std::shared_ptr<void> keep = nullptr;
  /// Where there was nothing to propose. May be empty if resolve never says so.
  std::function<void()> nothing = {};
  /// Takes a refusal back, where what is in the archive by now shows that what was asked for stands already. May be
  /// empty.
  std::function<void(Decision&, const Shown&)> amend = {};
};
void write(Shop& shop, Writing writing, HttpReply reply);

/// Finds the job of the call, in memory or in the archive, and calls `found` on a thread that may block.
void with_job(const Call& call, std::function<void(Shop&, const Job&, const HttpReply&)> found);

/// Answers with what `look` appends to the body, read from the state. `look` copies and formats: for small answers.
void read_json(const Call& call, std::function<void(const State&, std::string&)> look);

/// What became of the deliveries, by source: an object. Null: none can be taken.
void append_webhooks(std::string& out, const Webhooks* webhooks);

/// For the sequencer's thread. `state` and `shop` outlive it.
CounterSources counter_sources(const State& state, const Shop& shop);
/// What GET /queue says to who has that role.
void append_queue(std::string& out, const State& state, const Shop& shop, Role role);

}  // namespace pawl
