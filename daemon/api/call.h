// One request on its way through the routes: what its functions share. For daemon/routes*.cc alone.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "daemon/api/answers.h"
#include "daemon/api/requests.h"
#include "daemon/api/routes.h"
#include "daemon/api/waits.h"
#include "daemon/http/http.h"
#include "daemon/thread_pool.h"

namespace pawl {

/// What happened since the daemon's start, counted from the durable records.
struct Totals {
  std::atomic<std::uint64_t> reaped{0};
  std::atomic<std::uint64_t> last_reaped_job{0};
  std::atomic<std::uint64_t> leases_reclaimed{0};
  std::atomic<std::uint64_t> advances_deferred{0};  // asked for over HTTP, by webhooks too
};

/// A reader of a long history or two shall not hold up those who follow the log.
constexpr unsigned worker_threads = 4;

/// What the routes own together.
struct Shop {
  explicit Shop(Services services_) : services(std::move(services_)), workers(worker_threads) {}

  const Services services;
  Totals totals;
  Waits record_waits;  // for any record
  Waits claim_waits;   // for what may have freed or queued a job
  ThreadPool workers;
};

struct Call {
  Shop& shop;
  const HttpRequest& request;  // lives until the route returns
  HttpReply reply;
  Asker asker;
  std::vector<std::string> params = {};  // of the path, decoded, in order

  Sequencer& sequencer() const { return shop.services.sequencer; }
  void refuse(const Error& error) const;  // 400
  /// The id in the path's parameter, or none after it was refused: an id that is no number was never given out.
  std::optional<std::uint64_t> id(std::size_t param, Outcome unknown) const;
};

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
};
void write(Shop& shop, Writing writing, HttpReply reply);

/// Answers with what `look` appends to the body, read from the state. `look` copies and formats: for small answers.
void read_json(const Call& call, std::function<void(const State&, std::string&)> look);

/// What became of the deliveries, by source: an object. Null: none can be taken.
void append_webhooks(std::string& out, const Webhooks* webhooks);

// The routes, by noun.
void tasks_create(Call call);
void tasks_list(Call call);
void tasks_get(Call call);
void tasks_history(Call call);
void tasks_transition(Call call);
void tasks_advance(Call call);
void tasks_cancel(Call call);
void tasks_resolve(Call call);
void tasks_retry(Call call);
void tasks_unblock(Call call);
void tasks_note(Call call);
void tasks_gate(Call call);
void tasks_steps(Call call);
void leases_acquire(Call call);
void leases_list(Call call);
void leases_release(Call call);
void leases_force(Call call);
void boots_start(Call call);
void boots_list(Call call);
void boots_end(Call call);
void jobs_claim(Call call);
void jobs_started(Call call);
void jobs_exited(Call call);
void jobs_finished(Call call);
void jobs_list(Call call);
void jobs_get(Call call);
void jobs_log(Call call);
void events_get(Call call);
void settings_get(Call call);
void settings_set(Call call);
void pipelines_list(Call call);
void pipelines_define(Call call);
void queue_get(Call call);
void reaper_run(Call call);
void stuck_list(Call call);
void webhooks_gitea(Call call);
void webhooks_plane(Call call);
void healthz_get(Call call);
void readyz_get(Call call);

}  // namespace pawl
