// Calls about jobs: for workers, which claim and report, and for those who watch.
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "daemon/api/call.h"
#include "engine/json/state_json.h"
#include "engine/rules/claim.h"
#include "schema/json/json_text.h"
#include "schema/json/record_json.h"
#include "schema/limits.h"
#include "store/os/descriptor.h"

namespace pawl {
namespace {

namespace json = boost::json;

constexpr std::size_t agents_per_claim_max = limits::agents_max;
constexpr std::int64_t log_bytes_per_answer_max = 1024 * 1024;

Look showing_job(JobId job) {
  return [job](const SeenDecision& seen, Shown& shown) { show_job(seen, job, shown); };
}

/// A claim, for as long as it waits for a job.
struct Claim {
  Shop& shop;
  std::vector<std::string> agents;
  fb::JobClaimedT event;
  Asker asker;
  Waits::Time deadline;
  std::shared_ptr<const std::atomic<bool>> gone;
  HttpReply reply;
};

/// How soon a claim looks again that passed over a job because of a process of an earlier attempt: no record says when
/// that is gone.
constexpr std::chrono::seconds passed_over_interval{1};

struct Choice {
  std::optional<JobId> job;
  bool passed_over = false;  // there is another that only waits for an earlier process to be gone
};

/// The queued job, lowest id first, that those agents may have now.
Choice choose_job(const State& state, const std::vector<std::string>& agents,
                  const std::function<bool(JobId)>& is_passed_over) {
  Choice choice;
  if (state.indexes.running.size() >= static_cast<std::size_t>(state.settings().queue.max_concurrency)) return choice;
  for (const JobId id : state.indexes.queued) {
    const Job& job = *state.jobs.find(id);
    if (std::find(agents.begin(), agents.end(), job.agent) == agents.end()) continue;
    if (claim_outcome(state, id) != Outcome::accepted) continue;
    if (is_passed_over && is_passed_over(id)) {
      choice.passed_over = true;
      continue;
    }
    choice.job = id;
    break;
  }
  return choice;
}

JobId claimed_in(const SeenDecision& seen, JobId resolved) {
  return seen.decision.first ? seen.decision.first->job : resolved;
}

void try_claim(std::shared_ptr<Claim> claim, Waits::Wake wake) {
  if (claim->gone && claim->gone->load()) return;  // A job given to nobody would stay with nobody.
  Shop& shop = claim->shop;
  const std::uint64_t generation = shop.claim_waits.generation();
  const auto choice = std::make_shared<Choice>();
  write(shop,
        {.group = propose_group(claim->asker, claim->event),
         .look = [choice](const SeenDecision& seen,
                          Shown& shown) { show_job(seen, claimed_in(seen, choice->job.value_or(JobId{0})), shown); },
         .resolve =
             [claim, choice](const State& state, Group& group) {
               *choice = choose_job(state, claim->agents, claim->shop.services.is_passed_over);
               if (!choice->job) return false;
               // The event was built before it could be known; a forced default makes the field settable in place.
               static_cast<fb::JobClaimed*>(group.front().mutable_record().mutable_event())
                   ->mutate_job(raw(*choice->job));
               return true;
             },
         .nothing =
             [claim, choice, generation, wake] {
               const auto now = std::chrono::steady_clock::now();
               const bool is_over = wake == Waits::Wake::stopped || now >= claim->deadline;
               if (is_over) {
                 HttpResponse response;
                 response.status = 204;
                 return claim->reply(std::move(response));
               }
               const auto until =
                   choice->passed_over ? std::min(claim->deadline, now + passed_over_interval) : claim->deadline;
               claim->shop.claim_waits.park(generation, until, [claim](Waits::Wake why) { try_claim(claim, why); });
             }},
        claim->reply);
}

Result<std::vector<std::string>> agents_in(json::object& body) {
  const Error wrong{ErrorCode::malformed, "field \"agents\" must be a list of 1 to " +
                                              std::to_string(agents_per_claim_max) + " names of agents"};
  const json::value value = body["agents"];
  body.erase("agents");
  if (!value.is_array() || value.get_array().empty() || value.get_array().size() > agents_per_claim_max) return wrong;
  std::vector<std::string> agents;
  for (const json::value& agent : value.get_array()) {
    if (!agent.is_string()) return wrong;
    agents.emplace_back(agent.get_string().data(), agent.get_string().size());
  }
  return agents;
}

/// A report of a run on itself.
void write_report(Call call, fb::Event type, const BodyFields& fields) {
  const auto id = call.id(0, Outcome::unknown_job);
  if (!id) return;
  auto body = read_body(call.request.body, fields);
  if (!body) return call.refuse(body.error());
  body->emplace("job", *id);
  auto proposal = proposal_from_json(call.asker, type, *body, Reading::asked);
  if (!proposal) return call.refuse(proposal.error());
  Group group;
  group.push_back(std::move(*proposal));
  write(call.shop, {.group = std::move(group), .look = showing_job(JobId{*id})}, std::move(call.reply));
}

/// Finds a job, in memory or in the archive, and calls `found` on a thread that may block.
void with_job(const Call& call, std::function<void(Shop&, const Job&, const HttpReply&)> found) {
  const auto id = call.id(0, Outcome::unknown_job);
  if (!id) return;
  const auto shown = std::make_shared<Shown>();
  call.sequencer().read(
      [shown, job = JobId{*id}](const State& state) {
        const Decision none;
        show_job({.state = state, .decision = none, .archived = {}}, job, *shown);
      },
      [&shop = call.shop, shown, reply = call.reply, found = std::move(found)] {
        shop.workers.post([&shop, shown, reply, found] {
          fetch_archived(shop.services.archive, *shown);
          if (!shown->job) return reply(http_error(404, "unknown_job", "no job of that id was ever queued"));
          found(shop, *shown->job, reply);
        });
      });
}

/// Agents can write where their logs are: neither a link is followed that leads elsewhere, nor is a pipe waited for.
HttpResponse log_piece(const std::filesystem::path& path, std::int64_t from) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  struct stat about {};
  if (!file || ::fstat(file.get(), &about) != 0 || !S_ISREG(about.st_mode)) {
    return http_error(404, "no_log", "the job has no captured output");
  }
  const std::int64_t begin = std::min<std::int64_t>(from, about.st_size);
  HttpResponse response{.content_type = "text/plain; charset=utf-8", .body = {}};
  response.body.resize(static_cast<std::size_t>(std::min(about.st_size - begin, log_bytes_per_answer_max)));
  const ssize_t got = ::pread(file.get(), response.body.data(), response.body.size(), begin);
  response.body.resize(static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
  response.headers.emplace_back("Pawl-Log-Next", std::to_string(begin + std::ssize(response.body)));
  return response;
}

}  // namespace

void jobs_claim(Call call) {
  auto body = read_body(call.request.body, {.required = {"agents", "owner"}, .optional = {"wait_s"}});
  if (!body) return call.refuse(body.error());
  const auto wait_s = take_integer(*body, "wait_s", 0, limits::wait_s_max);
  if (!wait_s) return call.refuse(wait_s.error());
  body->erase("wait_s");
  auto agents = agents_in(*body);
  if (!agents) return call.refuse(agents.error());
  body->emplace("job", 0);
  const auto proposal = proposal_from_json(call.asker, fb::Event::JobClaimed, *body, Reading::asked);
  if (!proposal) return call.refuse(proposal.error());

  fb::JobClaimedT event;
  proposal->record().event_as_JobClaimed()->UnPackTo(&event);
  Asker asker = call.asker;
  asker.boot = event.owner->boot_id;
  asker.actor = event.owner->actor;
  try_claim(std::make_shared<Claim>(
                Claim{.shop = call.shop,
                      .agents = std::move(*agents),
                      .event = std::move(event),
                      .asker = std::move(asker),
                      .deadline = std::chrono::steady_clock::now() + std::chrono::seconds(wait_s->value_or(0)),
                      .gone = call.request.gone,
                      .reply = std::move(call.reply)}),
            Waits::Wake::again);
}

void jobs_started(Call call) {
  write_report(std::move(call), fb::Event::RunStarted, {.required = {"attempt", "pid", "pid_start"}});
}

void jobs_exited(Call call) {
  write_report(std::move(call), fb::Event::RunExited, {.required = {"attempt", "exit_code"}});
}

void jobs_finished(Call call) {
  const auto id = call.id(0, Outcome::unknown_job);
  if (!id) return;
  auto body = read_body(call.request.body, {.required = {"attempt", "result"}});
  if (!body) return call.refuse(body.error());
  fb::Event type = fb::Event::JobFinished;
  const json::value& result = body->at("result");
  if (result.is_string() && result.get_string() == "done") {
    // No worker ends its job as done: what it has done is for the gate to say, so it is an exit code of 0.
    body->erase("result");
    body->emplace("exit_code", 0);
    type = fb::Event::RunExited;
  }
  body->emplace("job", *id);
  auto proposal = proposal_from_json(call.asker, type, *body, Reading::asked);
  if (!proposal) return call.refuse(proposal.error());
  Group group;
  group.push_back(std::move(*proposal));
  write(call.shop, {.group = std::move(group), .look = showing_job(JobId{*id})}, std::move(call.reply));
}

void jobs_list(Call call) {
  const auto query = Query::read(call.request.query, {"limit", "after", "status", "task"});
  if (!query) return call.refuse(query.error());
  const auto limit = query->integer("limit", 1, static_cast<std::int64_t>(limits::rows_per_read_max));
  if (!limit) return call.refuse(limit.error());
  const auto after = query->integer("after", 0, INT64_MAX);
  if (!after) return call.refuse(after.error());
  const auto task = query->integer("task", 1, INT64_MAX);
  if (!task) return call.refuse(task.error());
  std::optional<JobStatus> status;
  if (const auto wanted = query->text("status")) {
    for (const JobStatus each : fb::EnumValuesJobStatus()) {
      if (*wanted == fb::EnumNameJobStatus(each)) status = each;
    }
    if (!status) {
      return call.refuse(
          {ErrorCode::malformed, "query parameter \"status\" must be queued, running, done, failed or cancelled"});
    }
  }
  read_json(call, [status, task = *task, after = JobId{static_cast<std::uint64_t>(after->value_or(0))},
                   limit = static_cast<std::size_t>(limit->value_or(limits::rows_per_read_max))](const State& state,
                                                                                                 std::string& out) {
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
  with_job(call, [](Shop&, const Job& job, const HttpReply& reply) {
    HttpResponse response;
    append_json(response.body, job);
    reply(std::move(response));
  });
}

void jobs_log(Call call) {
  const auto query = Query::read(call.request.query, {"attempt", "from"});
  if (!query) return call.refuse(query.error());
  const auto attempt = query->integer("attempt", 1, INT64_MAX);
  if (!attempt) return call.refuse(attempt.error());
  const auto from = query->integer("from", 0, INT64_MAX);
  if (!from) return call.refuse(from.error());
  with_job(call, [attempt = *attempt, from = from->value_or(0)](Shop& shop, const Job& job, const HttpReply& reply) {
    const std::uint64_t wanted = attempt ? static_cast<std::uint64_t>(*attempt) : job.attempts;
    const std::string name = "job-" + std::to_string(raw(job.id)) + "-" + std::to_string(wanted) + ".log";
    reply(log_piece(shop.services.logs_folder / name, from));
  });
}

}  // namespace pawl
