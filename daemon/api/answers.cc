#include "daemon/api/answers.h"

#include "engine/json/state_json.h"
#include "schema/json/json_text.h"
#include "schema/printable.h"
#include "store/checkpoint.h"

namespace pawl {
namespace {

/// The name of an object's member in an answer.
std::string_view name_of(Noun noun) {
  switch (noun) {
    case Noun::task:
      return "task";
    case Noun::job:
      return "job";
    case Noun::lease:
      return "lease";
    case Noun::boot:
      return "boot";
    case Noun::settings:
      return "settings";
    case Noun::pipeline:
      return "pipeline";
    case Noun::repo:
      return "repo";
    case Noun::none:
      return "";
  }
  return "";
}

template <class Row>
void append_row(std::string& out, const std::optional<Row>& row) {
  if (row) {
    append_json(out, *row);
  } else {
    out += "null";
  }
}

Noun concerned(Outcome outcome, const Shown& shown) {
  const Ending ending = row_of(outcome).ending;
  const bool is_about_lease = ending == Ending::holder || ending == Ending::lease;
  return is_about_lease && shown.lease ? Noun::lease : shown.noun;
}

std::string stands_at(const Shown& shown) {
  if (!shown.task) return {};
  return ": task " + std::to_string(raw(shown.task->id)) + " is at version " +
         std::to_string(raw(shown.task->version)) + ", on stage '" + shown.task->stage + "'";
}

std::string held_by(const Shown& shown) {
  if (!shown.lease) return {};
  const Owner& owner = shown.lease->owner;
  return ": " + shown.lease->key + " is held by " + owner.actor + ", pid " + std::to_string(owner.pid) + ", of boot " +
         owner.boot_id;
}

std::string job_state(const Shown& shown) {
  if (!shown.job) return {};
  return ": job " + std::to_string(raw(shown.job->id)) + " is " + fb::EnumNameJobStatus(shown.job->status) +
         ", attempt " + std::to_string(shown.job->attempts);
}

/// For people. docs/API.md has the exact conditions.
std::string sentence(Outcome outcome, const Shown& shown) {
  const OutcomeRow& row = row_of(outcome);
  const std::string sentence(row.sentence);
  switch (row.ending) {
    case Ending::task:
      return sentence + stands_at(shown);
    case Ending::job:
      return sentence + job_state(shown);
    case Ending::block:
      return sentence + (shown.task ? ": " + shown.task->blocked : std::string());
    case Ending::holder:
      return sentence + held_by(shown);
    case Ending::lease:
    case Ending::nothing:
      break;
  }
  return sentence;
}

void write_refusal(HttpResponse& response, const Decision& decision, const Shown& shown) {
  response.status = row_of(decision.outcome).http_status;
  // Existing boots, leases or tasks have to end first.
  if (response.status == 429) response.headers.emplace_back("Retry-After", "10");
  std::string& out = response.body;
  out += R"({"error":{"code":)";
  append_json_text(out, name(decision.outcome));
  out += R"(,"message":)";
  std::string message = sentence(decision.outcome, shown);
  if (!decision.detail.empty()) message += ": " + decision.detail;
  append_json_text(out, printable_lines(message));
  out += R"(,"current":)";
  append_object(out, shown, concerned(decision.outcome, shown));
  out += R"(,"seq":)";
  append_json_integer(out, raw(decision.seq));
  out += R"(,"folded":)";
  append_json_bool(out, decision.way == Decision::Way::folded);
  out += "}}";
}

}  // namespace

void show_task(const SeenDecision& seen, TaskId id, Shown& shown) {
  shown.noun = Noun::task;
  if (const Task* task = seen.state.tasks.find(id)) {
    shown.task = *task;
  } else if (seen.state.given_out(id)) {
    for (const ArchivedTask& archived : seen.archived) {
      if (archived.task.id == id) shown.task = archived.task;
    }
    if (!shown.task) shown.archived_task = id;
  }
  if (const Lease* lease = seen.state.lease(task_key(id))) shown.lease = *lease;
}

void show_job(const SeenDecision& seen, JobId id, Shown& shown) {
  shown.noun = Noun::job;
  if (const Job* job = seen.state.jobs.find(id)) {
    shown.job = *job;
    return;
  }
  for (const ArchivedTask& archived : seen.archived) {
    for (const Job& job : archived.jobs) {
      if (job.id == id) shown.job = job;
    }
  }
  if (!shown.job && seen.state.given_out(id)) shown.archived_job = id;
}

void show_lease(const SeenDecision& seen, const std::string& key, Shown& shown) {
  shown.noun = Noun::lease;
  if (const Lease* lease = seen.state.lease(key)) shown.lease = *lease;
  shown.token = seen.decision.granted(key);
  if (seen.decision.first && raw(seen.decision.first->token) != 0) shown.token = seen.decision.first->token;
}

void show_boot(const SeenDecision& seen, const std::string& boot_id, Shown& shown) {
  shown.noun = Noun::boot;
  if (const Boot* boot = seen.state.boots.find(boot_id)) shown.boot = *boot;
}

void append_json(std::string& out, const RepoRow& repo) {
  out += '{';
  append_json_member(out, "repo");
  append_json_text(out, repo.repo);
  append_json_member(out, "url");
  append_json_text_or_null(out, repo.url);
  append_json_member(out, "by");
  append_json_text(out, repo.given == repo.url ? "--repo" : "pawl repos");
  out += '}';
}

void append_object(std::string& out, const Shown& shown, Noun noun) {
  switch (noun) {
    case Noun::task:
      return append_row(out, shown.task);
    case Noun::job:
      return append_row(out, shown.job);
    case Noun::lease:
      return append_row(out, shown.lease);
    case Noun::boot:
      return append_row(out, shown.boot);
    case Noun::settings:
      return append_row(out, shown.settings);
    case Noun::pipeline:
      return append_row(out, shown.pipeline);
    case Noun::repo:
      return append_row(out, shown.repo);
    case Noun::none:
      out += "null";
  }
}

void write_answer(HttpResponse& response, const Decision& decision, const Shown& shown, int status_accepted) {
  response.body.clear();
  if (decision.way == Decision::Way::superseded) {
    response = superseded_answer();
    return;
  }
  if (decision.way == Decision::Way::mismatched) {
    response = http_error(422, "idempotency_mismatch",
                          "this Idempotency-Key was used with another request, which was answered with seq " +
                              std::to_string(raw(decision.seq)));
    return;
  }
  if (decision.way == Decision::Way::replayed) response.headers.emplace_back("Idempotency-Replayed", "true");
  if (decision.outcome != Outcome::accepted) return write_refusal(response, decision, shown);
  response.status = status_accepted;
  std::string& out = response.body;
  out += R"({"seq":)";
  append_json_integer(out, raw(decision.seq));
  if (shown.token) {
    out += R"(,"token":)";
    append_json_integer(out, raw(*shown.token));
  }
  if (shown.cancel_requested) {
    out += R"(,"cancel_requested":)";
    append_json_text_or_null(out, *shown.cancel_requested);
  }
  if (shown.branch_begins) {
    append_json_member(out, "branch_begins");
    const std::optional<bool>& begins = *shown.branch_begins;
    out += begins ? (*begins ? "true" : "false") : "null";
  }
  if (shown.noun != Noun::none) {
    out += ',';
    append_json_text(out, name_of(shown.noun));
    out += ':';
    append_object(out, shown, shown.noun);
  }
  out += '}';
}

HttpResponse unknown_answer(Outcome outcome) {
  return http_error(404, name(outcome), row_of(outcome).sentence);
}

HttpResponse superseded_answer() {
  HttpResponse response = http_error(
      503, "stepped_down",
      "another daemon now writes the log: this one decided nothing and is shutting down; ask the current one");
  response.headers.emplace_back("Retry-After", "10");
  return response;
}

void fetch_archived(Archive& archive, Shown& shown) {
  if (shown.archived_task && !shown.task) {
    if (const auto bytes = archive.find(*shown.archived_task)) {
      if (auto archived = unpack_archived(*bytes)) shown.task = std::move(archived->rows.task);
    }
  }
  if (shown.archived_job && !shown.job) {
    // A job's id does not reveal its task, and a request for such an old job can wait for a walk.
    const auto read = archive.walk(TaskId{1}, [&](TaskId, RecordBytes bytes) {
      if (auto archived = unpack_archived(bytes)) {
        for (Job& job : archived->rows.jobs) {
          if (job.id == *shown.archived_job) shown.job = std::move(job);
        }
      }
      return !shown.job;
    });
    if (!read) shown.job.reset();
  }
}

}  // namespace pawl
