// From a decision to an HTTP answer: status, the object as it then stands, or the refusal with the object concerned.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/http/http.h"
#include "store/archive.h"
#include "store/commit/sequencer.h"

namespace pawl {

/// What kind of object a call is about.
enum class Noun { task, job, lease, boot, settings, pipeline, repo, none };

/// The rows that an answer shows: copied by the sequencer, written out elsewhere.
struct Shown {
  Noun noun = Noun::none;
  std::optional<Task> task = std::nullopt;
  std::optional<TaskId> archived_task = std::nullopt;  // it is in the archive: to be fetched by whoever may block
  std::optional<Job> job = std::nullopt;
  std::optional<JobId> archived_job = std::nullopt;
  std::optional<Lease> lease = std::nullopt;
  std::optional<Boot> boot = std::nullopt;
  std::optional<Settings> settings = std::nullopt;
  std::optional<PipelineRow> pipeline = std::nullopt;
  std::optional<RepoRow> repo = std::nullopt;
  std::optional<Token> token = std::nullopt;  // granted to the asker
  /// For who keeps a claim: why its task is to be cancelled; empty: it is not.
  std::optional<std::string> cancel_requested = std::nullopt;
  /// For who creates a task: whether its branch begins with it; empty inside: that is not known.
  std::optional<std::optional<bool>> branch_begins = std::nullopt;
};

/// `{"repo":…,"url":…,"by":…}`
void append_json(std::string& out, const RepoRow& repo);

/// Looks: what an answer about that object needs. For the sequencer's thread.
void show_task(const SeenDecision& seen, TaskId id, Shown& shown);
void show_job(const SeenDecision& seen, JobId id, Shown& shown);
void show_lease(const SeenDecision& seen, const std::string& key, Shown& shown);
void show_boot(const SeenDecision& seen, const std::string& boot_id, Shown& shown);

/// Appends the object of `noun`, or null.
void append_object(std::string& out, const Shown& shown, Noun noun);

/// Writes `{"seq":…,"<noun>":…}` or the refusal.
void write_answer(HttpResponse& response, const Decision& decision, const Shown& shown, int status_accepted);

/// 503: another writer has the log, so nothing is decided here any more.
HttpResponse superseded_answer();

/// Fills in what is in the archive. Blocks for a read of it. A row that is nowhere stays empty.
void fetch_archived(Archive& archive, Shown& shown);

}  // namespace pawl
