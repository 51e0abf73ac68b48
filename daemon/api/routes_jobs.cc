// Calls about jobs: for workers, which claim and report, and for observers.
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <algorithm>
#include <map>
#include <span>

#include "daemon/api/call.h"
#include "engine/json/state_json.h"
#include "engine/rules/claim.h"
#include "schema/json/json_text.h"
#include "schema/json/record_json.h"
#include "schema/limits.h"

namespace pawl {
namespace {

namespace json = boost::json;

Look showing_job(JobId job) {
  return [job](const SeenDecision& seen, ResponseRows& rows) { show_job(seen, job, rows); };
}

/// A claim that may wait for a job.
struct Claim {
  RouteContext& context;
  std::vector<std::string> agents;
  std::shared_ptr<const Narrow> narrow;  // null: it may get any job
  fb::JobClaimedT event;
  Requester requester;
  LongPolls::Time deadline;
  std::shared_ptr<const std::atomic<bool>> gone;
  std::function<void(HttpResponse)> waits;
  HttpReply reply;
};

/// How soon a claim retries after skipping a job because of a process of an earlier attempt: no record says when that
/// process is gone.
constexpr std::chrono::seconds skipped_interval{1};

struct Choice {
  std::optional<JobId> job;
  std::uint64_t attempt = 0;                      // the attempt it was handed out as
  bool skipped = false;                           // another job only waits for an earlier process to go
  Outcome refusal = Outcome::accepted;            // of the requester, if there is no job to refuse
  std::map<std::string, TimeUs> pause_ends = {};  // by agent: when the next pause of a job ends
};

/// The queued job whose turn it is, of those that the agents may claim now.
Choice choose_job(const State& state, const std::vector<std::string>& agents, const Narrow* narrow, TimeUs now,
                  const std::function<bool(JobId)>& is_skipped) {
  Choice choice;
  if (state.indexes.running.size() >= static_cast<std::size_t>(state.settings().queue.max_concurrency)) return choice;
  for (const std::string& agent : agents) {
    const auto end = next_pause_end(state, std::span(&agent, 1), now);
    if (end) choice.pause_ends.emplace(agent, *end);
  }
  const JobId first = first_claimable(state, agents, {}, now, [&](JobId id) {
    if (narrow && !narrow->has(state, *state.jobs.find(id))) return ClaimableJobs::Look::pass_over;
    if (!is_skipped || !is_skipped(id)) return ClaimableJobs::Look::take;
    choice.skipped = true;
    return ClaimableJobs::Look::pass_over;
  });
  if (first != JobId{0}) choice.job = first;
  return choice;
}

/// Returns a job whose claim was never delivered. A claim with a key is kept, since its sender repeats the request.
void return_claim(RouteContext& context, JobId job, std::uint64_t attempt) {
  fb::ClaimReturnedT event;
  event.job = raw(job);
  event.attempt = attempt;
  const Requester requester{
      .boot = context.services.boot_id, .actor = std::string(daemon_name), .key = {}, .request = {}};
  context.services.sequencer.submit(
      {.group = propose_group(requester, event), .resolve = {}, .look = {}, .done = [](auto&&) {}});
}

/// A repeated claim gets the job of the first one, but the token may be narrower by now.
void hide_outside(const Narrow* narrow, const State& state, ResponseRows& rows) {
  if (!narrow || (rows.job && narrow->has(state, *rows.job))) return;
  rows.job.reset();
  rows.archived_job.reset();
}

JobId claimed_in(const SeenDecision& seen, JobId resolved) {
  return seen.decision.first ? seen.decision.first->job : resolved;
}

/// Waits until there may be a job. What no record tells is looked at again in time, whichever claim is waiting by then.
void wait_for_job(std::shared_ptr<Claim> claim, LongPolls::Turn looked, const Choice& choice, TimeUs log_now);

/// `wake`, `turn`: what woke it; `again` and 0 at first.
void try_claim(std::shared_ptr<Claim> claim, LongPolls::Wake wake, LongPolls::Turn turn) {
  RouteContext& context = claim->context;
  // A job claimed for a disconnected client would be lost.
  if (claim->gone && claim->gone->load()) return context.claim_waits.pass_on(claim->agents, turn);
  const LongPolls::Turn looked = context.claim_waits.turn();
  const auto choice = std::make_shared<Choice>();
  const TimeUs log_now = context.services.sequencer.now();
  write(context,
        {.group = propose_group(claim->requester, claim->event),
         .look =
             [claim, choice](const SeenDecision& seen, ResponseRows& rows) {
               show_job(seen, claimed_in(seen, choice->job.value_or(JobId{0})), rows);
               hide_outside(claim->narrow.get(), seen.state, rows);
               const bool is_given = seen.decision.outcome == Outcome::accepted && rows.job;
               if (is_given) choice->attempt = rows.job->attempts;
             },
         .resolve =
             [claim, choice, log_now](const State& state, Group& group) {
               *choice =
                   choose_job(state, claim->agents, claim->narrow.get(), log_now, claim->context.services.is_skipped);
               // Refuse a requester that may not claim at once, not only when a job arrives.
               const Boot* boot = state.boots.find(claim->requester.boot);
               if (!boot) choice->refusal = Outcome::unknown_boot;
               if (boot && boot->stale) choice->refusal = Outcome::stale_boot;
               if (!choice->job) return false;
               // The event was built before the job was known; a forced default makes the field settable in place.
               static_cast<fb::JobClaimed*>(group.front().mutable_record().mutable_event())
                   ->mutate_job(raw(*choice->job));
               return true;
             },
         .nothing =
             [claim, choice, looked, wake, turn, log_now] {
               const bool is_refused = choice->refusal != Outcome::accepted;
               // What this claim may not have, another may.
               if (is_refused || claim->narrow) claim->context.claim_waits.pass_on(claim->agents, turn);
               if (is_refused) {
                 const OutcomeRow& row = row_of(choice->refusal);
                 return claim->reply(http_error(row.http_status, row.name, std::string(row.sentence)));
               }
               const bool is_over =
                   wake == LongPolls::Wake::stopped || std::chrono::steady_clock::now() >= claim->deadline;
               HttpResponse nothing;
               nothing.status = 204;
               if (is_over) return claim->reply(std::move(nothing));
               if (claim->waits) claim->waits(std::move(nothing));
               wait_for_job(claim, looked, *choice, log_now);
             }},
        [claim, choice, turn](HttpResponse response) {
          claim->context.claim_waits.pass_on(claim->agents, turn);  // there may be more jobs than this one
          if (claim->requester.key.empty() && choice->attempt > 0) {
            response.undelivered = [claim, choice] { return_claim(claim->context, *choice->job, choice->attempt); };
          }
          claim->reply(std::move(response));
        });
}

void wait_for_job(std::shared_ptr<Claim> claim, LongPolls::Turn looked, const Choice& choice, TimeUs log_now) {
  LongPolls& waits = claim->context.claim_waits;
  const auto now = std::chrono::steady_clock::now();
  for (const auto& [agent, end] : choice.pause_ends) {
    waits.notify_at(agent, now + std::chrono::microseconds(end.us - log_now.us));
  }
  if (choice.skipped) {
    for (const std::string& agent : claim->agents) waits.notify_at(agent, now + skipped_interval);
  }
  waits.wait({.seen = looked,
              .deadline = claim->deadline,
              .gone = claim->gone,
              .wake = [claim](LongPolls::Wake why, LongPolls::Turn turn) { try_claim(claim, why, turn); },
              .keys = claim->agents});
}

void write_report(Call call, fb::Event type) {
  auto proposal = propose_asked(call, type, "job");
  if (!proposal) return;
  Group group;
  group.push_back(std::move(*proposal));
  write(call.context, {.group = std::move(group), .look = showing_job(JobId{call.id})}, std::move(call.reply));
}

/// Whether the attempt's recorded exit is this one: a repeated report gets the first answer.
bool is_recorded(const Job& job, std::uint64_t attempt, std::int64_t exit_code) {
  return job.run && job.attempts == attempt && job.run->exit_seq && job.run->exit_code == exit_code;
}

/// Proposes an exit unless it is already recorded: clients that follow the log would mistake a second record for a
/// second exit.
void write_exit(Call call) {
  auto proposal = propose_asked(call, fb::Event::RunExited, "job");
  if (!proposal) return;
  const fb::RunExited& exit = *proposal->record().event_as_RunExited();
  struct ReportedExit {
    JobId job;
    std::uint64_t attempt;
    std::int64_t exit_code;
    std::string boot;
    std::string daemon_boot;
    ResponseRows rows = {};
    Decision first = {};
  };
  const auto asked = std::make_shared<ReportedExit>(ReportedExit{.job = JobId{call.id},
                                                                 .attempt = exit.attempt(),
                                                                 .exit_code = exit.exit_code(),
                                                                 .boot = call.requester.boot,
                                                                 .daemon_boot = call.context.services.boot_id});
  const auto is_known = [asked](const Job& job) {
    const bool may_ask = job.run && (job.run->owner.boot_id == asked->boot || asked->boot == asked->daemon_boot);
    return may_ask && is_recorded(job, asked->attempt, asked->exit_code);
  };
  Group group;
  group.push_back(std::move(*proposal));
  write(call.context,
        {.group = std::move(group),
         .look = showing_job(asked->job),
         .resolve =
             [asked, is_known](const State& state, Group&) {
               const Job* job = state.jobs.find(asked->job);
               if (!job || !is_known(*job)) return true;
               asked->first.seq = *job->run->exit_seq;
               show_job({.state = state, .decision = asked->first, .archived = {}}, asked->job, asked->rows);
               return false;
             },
         .nothing =
             [asked, reply = call.reply] {
               HttpResponse response;
               response.format = [asked](HttpResponse& out) { write_answer(out, asked->first, asked->rows, 200); };
               reply(std::move(response));
             },
         .amend =
             [is_known](Decision& decision, const ResponseRows& rows) {
               if (decision.outcome != Outcome::not_running || !rows.job || !is_known(*rows.job)) return;
               decision = {.seq = *rows.job->run->exit_seq, .effects = {}, .detail = {}};
             }},
        call.reply);
}

}  // namespace

void with_job(const Call& call, std::function<void(RouteContext&, const Job&, const HttpReply&)> found) {
  const auto rows = std::make_shared<ResponseRows>();
  call.read_state(
      [rows, job = JobId{call.id}](const State& state) {
        const Decision none;
        show_job({.state = state, .decision = none, .archived = {}}, job, *rows);
      },
      [&context = call.context, rows, reply = call.reply, found = std::move(found)] {
        context.workers.post([&context, rows, reply, found] {
          fetch_archived(context.services.archive, context.services.index, *rows);
          if (!rows->job) return reply(unknown_answer(Outcome::unknown_job));
          found(context, *rows->job, reply);
        });
      });
}

void jobs_claim(Call call) {
  const std::int64_t wait_s = *call.body.integer("wait_s");
  const auto ttl_s = call.body.integer("ttl_s");
  std::vector<std::string> agents = call.body.names("agents");
  call.body.event_fields().emplace("job", 0);  // chosen when the claim is decided
  if (ttl_s) call.body.event_fields().emplace("ttl", *ttl_s);
  const auto proposal = propose_asked(call, fb::Event::JobClaimed);
  if (!proposal) return;

  fb::JobClaimedT event;
  proposal->record().event_as_JobClaimed()->UnPackTo(&event);
  Requester requester = call.requester;
  requester.boot = event.owner->boot_id;
  requester.actor = event.owner->actor;
  try_claim(std::make_shared<Claim>(Claim{.context = call.context,
                                          .agents = std::move(agents),
                                          .narrow = call.narrow,
                                          .event = std::move(event),
                                          .requester = std::move(requester),
                                          .deadline = std::chrono::steady_clock::now() + std::chrono::seconds(wait_s),
                                          .gone = call.request.gone,
                                          .waits = call.request.waits,
                                          .reply = std::move(call.reply)}),
            LongPolls::Wake::again, 0);
}

void jobs_report(Call call) {
  const fb::Event type = call.route.events.front();
  write_report(std::move(call), type);
}

void jobs_renew(Call call) {
  auto proposal = propose_asked(call, fb::Event::ClaimRenewed, "job");
  if (!proposal) return;
  Group group;
  group.push_back(std::move(*proposal));
  write(call.context,
        {.group = std::move(group),
         .look =
             [job = JobId{call.id}](const SeenDecision& seen, ResponseRows& rows) {
               show_job(seen, job, rows);
               const Task* task = rows.job ? seen.state.tasks.find(rows.job->task) : nullptr;
               rows.cancel_requested = task ? task->cancel_requested : std::string();
             }},
        std::move(call.reply));
}

void jobs_exited(Call call) {
  write_exit(std::move(call));
}

void jobs_finished(Call call) {
  json::object& fields = call.body.event_fields();
  const json::value& result = fields.at("result");
  if (!result.is_string() || result.get_string() != "done") {
    return write_report(std::move(call), fb::Event::JobFinished);
  }
  // A worker cannot end its job as done: the gate decides that, so success is exit code 0.
  fields.erase("result");
  fields.emplace("exit_code", 0);
  write_exit(std::move(call));
}

void jobs_list(Call call) {
  std::optional<JobStatus> status;
  if (const auto wanted = call.query.text("status")) {
    for (const JobStatus each : fb::EnumValuesJobStatus()) {
      if (*wanted == fb::EnumNameJobStatus(each)) status = each;
    }
  }
  read_json(call, [status, narrow = call.narrow, task = call.query.integer("task"),
                   after = JobId{static_cast<std::uint64_t>(call.query.number("after"))},
                   limit = static_cast<std::size_t>(call.query.number("limit"))](const State& state, std::string& out) {
    out = R"({"items":[)";
    std::optional<JobId> next;
    std::size_t count = 0;
    std::size_t seen = 0;
    JobId last = after;
    for (auto at = state.jobs.rows().upper_bound(after); at != state.jobs.rows().end(); ++at) {
      if (count == limit || ++seen > limits::rows_per_read_max) {
        next = last;
        break;
      }
      last = at->first;
      const Job& job = at->second;
      if (narrow && !narrow->has(state, job)) continue;
      if (status && job.status != *status) continue;
      if (task && raw(job.task) != static_cast<std::uint64_t>(*task)) continue;
      if (count++ > 0) out += ',';
      append_json(out, job);
    }
    out += R"(],"next":)";
    out += next ? std::to_string(raw(*next)) : "null";
    out += '}';
  });
}

void jobs_get(Call call) {
  with_job(call, [](RouteContext&, const Job& job, const HttpReply& reply) {
    HttpResponse response;
    append_json(response.body, job);
    reply(std::move(response));
  });
}

}  // namespace pawl
