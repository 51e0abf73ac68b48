#include "daemon/api/answers.h"

#include "engine/json/state_json.h"
#include "schema/json/json_text.h"
#include "store/checkpoint.h"

namespace pawl {
namespace {

/// The members of an answer, in the order of their first mention.
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

/// Whether the refusal speaks of a lease rather than of the object asked about.
bool is_about_lease(Outcome outcome) {
  return outcome == Outcome::lease_held || outcome == Outcome::stale_token || outcome == Outcome::lease_required;
}

Noun concerned(Outcome outcome, const Shown& shown) {
  if (is_about_lease(outcome) && shown.lease) return Noun::lease;
  return shown.noun;
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
  switch (outcome) {
    case Outcome::accepted:
      return "accepted";
    case Outcome::skipped:
      return "another event of the group was refused";
    case Outcome::stale_boot:
      return "the boot that asks has ended: a later one of its name has started, or it was ended";
    case Outcome::unknown_task:
      return "no task of that id was ever created";
    case Outcome::unknown_job:
      return "no job of that id was ever queued";
    case Outcome::unknown_boot:
      return "no boot of that id was ever registered";
    case Outcome::reserved_name:
      return "that name is the daemon's own";
    case Outcome::duplicate_boot_id:
      return "a boot of that id is registered already: each start needs a fresh one";
    case Outcome::bad_pipeline:
      return "the pipeline is not sound";
    case Outcome::unknown_setting:
      return "there is no such setting";
    case Outcome::bad_value:
      return "the value does not suit the setting";
    case Outcome::duplicate_work_item:
      return "a live task has this work item" + stands_at(shown);
    case Outcome::relaunch:
      return "a live task has this work item, and is further on than the first stage" + stands_at(shown);
    case Outcome::unknown_pipeline:
      return "there is no pipeline of that name";
    case Outcome::unknown_stage:
      return "the pipeline has no stage of that name";
    case Outcome::terminal:
      return "the task is finished, for good" + stands_at(shown);
    case Outcome::version_conflict:
      return "the task has moved on" + stands_at(shown);
    case Outcome::no_such_edge:
      return "no edge leads there from the stage as it stands" + stands_at(shown);
    case Outcome::committed:
      return "an irreversible step of the crossing has begun: the task leaves over that edge only" + stands_at(shown);
    case Outcome::outcome_unknown:
      return "a step of the task has begun, and is not known to have ended" + stands_at(shown);
    case Outcome::steps_unfinished:
      return "not all steps of the edge are done" + stands_at(shown);
    case Outcome::blocked:
      return "the task is blocked" + (shown.task ? ": " + shown.task->blocked : std::string());
    case Outcome::lease_required:
      return "only the holder of the task's lease may do this, and none was named";
    case Outcome::lease_held:
      return "somebody holds the lease" + held_by(shown);
    case Outcome::stale_token:
      return "the token is not that of the lease now held" + held_by(shown);
    case Outcome::cancel_requested:
      return "the task is to be cancelled: nothing new is begun for it";
    case Outcome::not_held:
      return "nobody holds a lease on that key";
    case Outcome::no_agent:
      return "the task's stage has no agent" + stands_at(shown);
    case Outcome::already_queued:
      return "a job of this version is queued or running" + stands_at(shown);
    case Outcome::not_queued:
      return "the job is not queued" + job_state(shown);
    case Outcome::superseded:
      return "the job is of an earlier version of its task" + job_state(shown);
    case Outcome::dependency:
      return "a task that this one depends on is not finished";
    case Outcome::serial_gate:
      return "another job runs for this repository";
    case Outcome::limit:
      return "as many jobs run as may";
    case Outcome::not_running:
      return "the job is not running" + job_state(shown);
    case Outcome::stale_attempt:
      return "the job is at another attempt" + job_state(shown);
    case Outcome::no_such_step:
      return "no edge of the pipeline that leads there has a step of that name";
    case Outcome::already_done:
      return "the step is done" + stands_at(shown);
    case Outcome::not_started:
      return "no start of that step is open" + stands_at(shown);
    case Outcome::not_blocked:
      return "the task is not blocked" + stands_at(shown);
  }
  return {};
}

void write_refusal(HttpResponse& response, const Decision& decision, const Shown& shown) {
  response.status = status_of(decision.outcome);
  std::string& out = response.body;
  out += R"({"error":{"code":)";
  append_json_text(out, name(decision.outcome));
  out += R"(,"message":)";
  std::string message = sentence(decision.outcome, shown);
  if (!decision.detail.empty()) message += ": " + decision.detail;
  append_json_text(out, message);
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

int status_of(Outcome outcome) {
  switch (outcome) {
    case Outcome::unknown_task:
    case Outcome::unknown_job:
    case Outcome::unknown_boot:
      return 404;
    case Outcome::reserved_name:
    case Outcome::bad_pipeline:
    case Outcome::unknown_setting:
    case Outcome::bad_value:
    case Outcome::unknown_pipeline:
    case Outcome::unknown_stage:
      return 422;
    case Outcome::accepted:
    case Outcome::skipped:
    case Outcome::stale_boot:
    case Outcome::duplicate_boot_id:
    case Outcome::duplicate_work_item:
    case Outcome::relaunch:
    case Outcome::terminal:
    case Outcome::version_conflict:
    case Outcome::no_such_edge:
    case Outcome::committed:
    case Outcome::outcome_unknown:
    case Outcome::steps_unfinished:
    case Outcome::blocked:
    case Outcome::lease_required:
    case Outcome::lease_held:
    case Outcome::stale_token:
    case Outcome::cancel_requested:
    case Outcome::not_held:
    case Outcome::no_agent:
    case Outcome::already_queued:
    case Outcome::not_queued:
    case Outcome::superseded:
    case Outcome::dependency:
    case Outcome::serial_gate:
    case Outcome::limit:
    case Outcome::not_running:
    case Outcome::stale_attempt:
    case Outcome::no_such_step:
    case Outcome::already_done:
    case Outcome::not_started:
    case Outcome::not_blocked:
      return 409;
  }
  return 409;
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
  if (shown.noun != Noun::none) {
    out += ',';
    append_json_text(out, name_of(shown.noun));
    out += ':';
    append_object(out, shown, shown.noun);
  }
  out += '}';
}

HttpResponse superseded_answer() {
  HttpResponse response = http_error(503, "superseded",
                                     "another writer has the log: this daemon decided nothing, and is ending; ask the "
                                     "one that writes now");
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
    // Ids of jobs say nothing of their task, and who asks for a job that long ago can wait for a walk.
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
