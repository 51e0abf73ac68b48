#include "daemon/api/answers.h"

#include "engine/json/state_json.h"
#include "schema/json/json_text.h"
#include "schema/printable.h"
#include "store/checkpoint.h"

namespace pawl {
namespace {

/// The name of an object's member in an answer.
std::string_view name_of(ResourceKind kind) {
  switch (kind) {
    case ResourceKind::task:
      return "task";
    case ResourceKind::job:
      return "job";
    case ResourceKind::lease:
      return "lease";
    case ResourceKind::boot:
      return "boot";
    case ResourceKind::settings:
      return "settings";
    case ResourceKind::pipeline:
      return "pipeline";
    case ResourceKind::repo:
      return "repo";
    case ResourceKind::none:
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

ResourceKind concerned(Outcome outcome, const ResponseRows& rows) {
  const Ending ending = row_of(outcome).ending;
  const bool is_about_lease = ending == Ending::holder || ending == Ending::lease;
  return is_about_lease && rows.lease ? ResourceKind::lease : rows.kind;
}

std::string stands_at(const ResponseRows& rows) {
  if (!rows.task) return {};
  return ": task " + std::to_string(raw(rows.task->id)) + " is at version " + std::to_string(raw(rows.task->version)) +
         ", on stage '" + rows.task->stage + "'";
}

std::string held_by(const ResponseRows& rows) {
  if (!rows.lease) return {};
  const Owner& owner = rows.lease->owner;
  return ": " + rows.lease->key + " is held by " + owner.actor + ", pid " + std::to_string(owner.pid) + ", of boot " +
         owner.boot_id;
}

std::string job_state(const ResponseRows& rows) {
  if (!rows.job) return {};
  return ": job " + std::to_string(raw(rows.job->id)) + " is " + fb::EnumNameJobStatus(rows.job->status) +
         ", attempt " + std::to_string(rows.job->attempts);
}

/// For people. docs/API.md has the exact conditions.
std::string sentence(Outcome outcome, const ResponseRows& rows) {
  if (outcome == Outcome::not_owner && rows.kind == ResourceKind::task) {
    return "another boot started that step, and only its starter may report how it ended: by its Pawl-Boot, or with "
           "the "
           "token of the lease at the start" +
           stands_at(rows);
  }
  const OutcomeRow& row = row_of(outcome);
  const std::string sentence(row.sentence);
  switch (row.ending) {
    case Ending::task:
      return sentence + stands_at(rows);
    case Ending::job:
      return sentence + job_state(rows);
    case Ending::block:
      return sentence + (rows.task ? ": " + rows.task->blocked : std::string());
    case Ending::holder:
      return sentence + held_by(rows);
    case Ending::lease:
    case Ending::nothing:
      break;
  }
  return sentence;
}

void write_refusal(HttpResponse& response, const Decision& decision, const ResponseRows& rows) {
  response.status = row_of(decision.outcome).http_status;
  // Existing boots, leases or tasks have to end first.
  if (response.status == 429) response.headers.emplace_back("Retry-After", "10");
  std::string& out = response.body;
  out += R"({"error":{"code":)";
  append_json_text(out, name(decision.outcome));
  out += R"(,"message":)";
  std::string message = sentence(decision.outcome, rows);
  if (!decision.detail.empty()) message += ": " + decision.detail;
  append_json_text(out, printable_lines(message));
  out += R"(,"current":)";
  append_object(out, rows, concerned(decision.outcome, rows));
  out += R"(,"seq":)";
  append_json_integer(out, raw(decision.seq));
  out += R"(,"folded":)";
  append_json_bool(out, decision.source == Decision::AnswerSource::folded);
  out += "}}";
}

}  // namespace

void show_task(const SeenDecision& seen, TaskId id, ResponseRows& rows) {
  rows.kind = ResourceKind::task;
  if (const Task* task = seen.state.tasks.find(id)) {
    rows.task = *task;
  } else if (seen.state.given_out(id)) {
    for (const ArchivedTask& archived : seen.archived) {
      if (archived.task.id == id) rows.task = archived.task;
    }
    if (!rows.task) rows.archived_task = id;
  }
  // Only a refusal shows it.
  if (seen.decision.outcome == Outcome::accepted) return;
  if (const Lease* lease = seen.state.lease(task_key(id))) rows.lease = *lease;
}

void show_job(const SeenDecision& seen, JobId id, ResponseRows& rows) {
  rows.kind = ResourceKind::job;
  if (const Job* job = seen.state.jobs.find(id)) {
    rows.job = *job;
    return;
  }
  for (const ArchivedTask& archived : seen.archived) {
    for (const Job& job : archived.jobs) {
      if (job.id == id) rows.job = job;
    }
  }
  if (!rows.job && seen.state.given_out(id)) rows.archived_job = id;
}

void show_lease(const SeenDecision& seen, const std::string& key, ResponseRows& rows) {
  rows.kind = ResourceKind::lease;
  if (const Lease* lease = seen.state.lease(key)) rows.lease = *lease;
  rows.token = seen.decision.granted(key);
  if (seen.decision.first && raw(seen.decision.first->token) != 0) rows.token = seen.decision.first->token;
}

void show_boot(const SeenDecision& seen, const std::string& boot_id, ResponseRows& rows) {
  rows.kind = ResourceKind::boot;
  if (const Boot* boot = seen.state.boots.find(boot_id)) rows.boot = *boot;
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

void append_object(std::string& out, const ResponseRows& rows, ResourceKind kind) {
  switch (kind) {
    case ResourceKind::task:
      return append_row(out, rows.task);
    case ResourceKind::job:
      return append_row(out, rows.job);
    case ResourceKind::lease:
      return append_row(out, rows.lease);
    case ResourceKind::boot:
      return append_row(out, rows.boot);
    case ResourceKind::settings:
      return append_row(out, rows.settings);
    case ResourceKind::pipeline:
      return append_row(out, rows.pipeline);
    case ResourceKind::repo:
      return append_row(out, rows.repo);
    case ResourceKind::none:
      out += "null";
  }
}

void write_answer(HttpResponse& response, const Decision& decision, const ResponseRows& rows, int status_accepted) {
  response.body.clear();
  if (decision.source == Decision::AnswerSource::superseded) {
    response = superseded_answer();
    return;
  }
  if (decision.source == Decision::AnswerSource::mismatched) {
    response = http_error(422, "idempotency_mismatch",
                          "this Idempotency-Key was used with another request, which was answered with seq " +
                              std::to_string(raw(decision.seq)));
    return;
  }
  if (decision.source == Decision::AnswerSource::replayed) {
    response.headers.emplace_back("Idempotency-Replayed", "true");
  }
  if (decision.outcome != Outcome::accepted) return write_refusal(response, decision, rows);
  response.status = status_accepted;
  std::string& out = response.body;
  out.reserve(1024);  // most rows fit
  out += R"({"seq":)";
  append_json_integer(out, raw(decision.seq));
  if (rows.token) {
    out += R"(,"token":)";
    append_json_integer(out, raw(*rows.token));
  }
  if (rows.cancel_requested) {
    out += R"(,"cancel_requested":)";
    append_json_text_or_null(out, *rows.cancel_requested);
  }
  if (rows.branch_begins) {
    append_json_member(out, "branch_begins");
    const std::optional<bool>& begins = *rows.branch_begins;
    out += begins ? (*begins ? "true" : "false") : "null";
  }
  if (rows.kind != ResourceKind::none) {
    out += ',';
    append_json_text(out, name_of(rows.kind));
    out += ':';
    append_object(out, rows, rows.kind);
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

void fetch_archived(Archive& archive, LogIndex* index, ResponseRows& rows) {
  if (rows.archived_task && !rows.task) {
    if (const auto bytes = archive.find(*rows.archived_task)) {
      if (auto archived = unpack_archived(*bytes)) rows.task = std::move(archived->rows.task);
    }
  }
  if (rows.archived_job && !rows.job) {
    // A job's id does not reveal its task.
    const auto read = walk_for_job(archive, index, *rows.archived_job, [&](TaskId, RecordBytes bytes) {
      if (auto archived = unpack_archived(bytes)) {
        for (Job& job : archived->rows.jobs) {
          if (job.id == *rows.archived_job) rows.job = std::move(job);
        }
      }
      return !rows.job;
    });
    if (!read) rows.job.reset();
  }
}

}  // namespace pawl
