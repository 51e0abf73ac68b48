// Turns a decision into an HTTP answer: status, and the resulting object or the refusal with the object concerned.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/http/http.h"
#include "store/archive.h"
#include "store/commit/sequencer.h"
#include "store/log_index.h"

namespace pawl {

/// What kind of object a call is about.
enum class ResourceKind { task, job, lease, boot, settings, pipeline, repo, none };

/// The rows that an answer shows: the sequencer copies them, another thread formats them.
struct ResponseRows {
  ResourceKind kind = ResourceKind::none;
  std::optional<Task> task = std::nullopt;
  std::optional<TaskId> archived_task = std::nullopt;  // it is in the archive: fetch it on a thread that may block
  std::optional<Job> job = std::nullopt;
  std::optional<JobId> archived_job = std::nullopt;
  std::optional<Lease> lease = std::nullopt;
  std::optional<Boot> boot = std::nullopt;
  std::optional<Settings> settings = std::nullopt;
  std::optional<PipelineRow> pipeline = std::nullopt;
  std::optional<RepoRow> repo = std::nullopt;
  std::optional<Token> token = std::nullopt;  // granted to the requester
  /// For heartbeats: why the task is to be cancelled; empty: it is not.
  std::optional<std::string> cancel_requested = std::nullopt;
  /// For a new task: whether it begins its branch; inner nullopt: unknown.
  std::optional<std::optional<bool>> branch_begins = std::nullopt;
};

/// `{"repo":…,"url":…,"by":…}`
void append_json(std::string& out, const RepoRow& repo);

/// Look functions: each copies what an answer about that object needs. For the sequencer's thread.
void show_task(const SeenDecision& seen, TaskId id, ResponseRows& rows);
void show_job(const SeenDecision& seen, JobId id, ResponseRows& rows);
void show_lease(const SeenDecision& seen, const std::string& key, ResponseRows& rows);
void show_boot(const SeenDecision& seen, const std::string& boot_id, ResponseRows& rows);

/// Appends the object of `kind`, or null.
void append_object(std::string& out, const ResponseRows& rows, ResourceKind kind);

/// Writes `{"seq":…,"<kind>":…}` or the refusal.
void write_answer(HttpResponse& response, const Decision& decision, const ResponseRows& rows, int status_accepted);

/// 404 with the outcome's own sentence. The same for an absent id and for one that the token must not see.
HttpResponse unknown_answer(Outcome outcome);

/// 503: another daemon writes the log now, so this one no longer decides anything.
HttpResponse superseded_answer();

/// Fills in rows from the archive. Blocks for a read; without an index (null), for a walk if a job is asked for. A row
/// not found stays empty.
void fetch_archived(Archive& archive, LogIndex* index, ResponseRows& rows);

}  // namespace pawl
