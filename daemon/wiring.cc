#include "daemon/wiring.h"

#include <spdlog/spdlog.h>

#include <utility>

#include "daemon/drift_watch.h"
#include "daemon/logging.h"
#include "daemon/message_writer.h"
#include "daemon/outside/alerts.h"
#include "daemon/outside/forges.h"
#include "daemon/space_watch.h"
#include "daemon/version.h"
#include "daemon/work/real_world.h"
#include "daemon/work/reaper_loop.h"
#include "daemon/work/system.h"
#include "engine/policies/stuck.h"
#include "store/commit/clock.h"
#include "store/log.h"
#include "store/log_index.h"
#include "store/os/process_identity.h"

namespace pawl {
namespace {

Alert alert_of_executor(Sequencer& sequencer, const std::string& boot_id, std::string reason) {
  Alert alert;
  alert.reason = std::move(reason);
  alert.seq = sequencer.durable_seq();
  alert.time = sequencer.now();
  alert.boot = boot_id;
  alert.actor = "executor";
  return alert;
}

/// Files come and go while they are counted.
std::uint64_t bytes_in(const std::filesystem::path& folder) {
  std::uint64_t bytes = 0;
  std::error_code failure;
  for (std::filesystem::directory_iterator at(folder, failure), end; !failure && at != end; at.increment(failure)) {
    std::error_code gone;
    if (const std::uint64_t size = at->file_size(gone); !gone) bytes += size;
  }
  return bytes;
}

}  // namespace

std::function<void(Alert)> raise_from(Alerts& alerts, Sequencer& sequencer, const std::string& boot_id) {
  return [&alerts, &sequencer, boot_id](Alert alert) {
    alert.time = sequencer.now();
    alert.boot = boot_id;
    alerts.raise(std::move(alert));
  };
}

Executor::Options executor_options(const ExecutorParts& parts) {
  return {.boot_id = parts.boot_id,
          .origins = parts.origins,
          .has_old_trees = parts.has_old_trees,
          .archive = parts.archive,
          .warn = say_warning,
          .origin_alert =
              [&alerts = parts.alerts, &sequencer = parts.sequencer, boot_id = parts.boot_id](
                  const std::string& repo, const OriginTrouble& trouble) {
                spdlog::warn("origin of '{}': {}", repo, trouble.words);
                Alert alert =
                    alert_of_executor(sequencer, boot_id, std::string(trouble.reason()) + ": " + trouble.words);
                alert.repo = repo;
                alerts.raise(std::move(alert));
              },
          .variable_alert =
              [&alerts = parts.alerts, &sequencer = parts.sequencer, boot_id = parts.boot_id](
                  TaskId task, const std::string& words) {
                Alert alert =
                    alert_of_executor(sequencer, boot_id, std::string(stuck_reason::variable_missing) + ": " + words);
                alert.task = task;
                alerts.raise(std::move(alert));
              },
          .has_room = [&space = parts.space] { return space.look().has_space; }};
}

Services services_of(const ServiceParts& parts) {
  return {
      .sequencer = parts.sequencer,
      .journal = parts.log,
      .archive = parts.log,
      .index = &parts.index,
      .checkpoints = &parts.log,
      .boot_id = parts.boot_id,
      .version = std::string(program_version),
      .logs_folder = parts.logs_folder,
      .torn_from = parts.torn_from,
      .advance =
          [&executor = parts.executor](AdvanceRequest request, std::function<void(AdvanceAnswer)> done) {
            executor.advance(std::move(request), std::move(done));
          },
      .lock_step =
          [&executor = parts.executor](StepKey place, std::string run,
                                       std::function<void(std::shared_ptr<StepLock>)> done) {
            executor.lock_step(std::move(place), std::move(run), std::move(done));
          },
      .blind = blindness(),
      .take_side = [&executor = parts.executor](
                       TaskId task, Side side,
                       std::function<void(Result<Worktree>)> done) { executor.take_side(task, side, std::move(done)); },
      .find_branch =
          [&executor = parts.executor](const std::string& repo, const std::string& branch,
                                       std::function<void(FoundBranch)> done) {
            executor.find_branch(repo, branch, std::move(done));
          },
      .is_skipped = [&executor = parts.executor](JobId job) { return executor.is_skipped(job); },
      .origin_trouble = [&executor = parts.executor](const std::string& repo) { return executor.origin_trouble(repo); },
      .origin_troubles = [&executor = parts.executor] { return executor.origin_troubles(); },
      .missing_variable = [&executor = parts.executor](TaskId task) { return executor.missing_variable(task); },
      .fetching_since = [&executor = parts.executor](TaskId task) { return executor.fetching_since(task); },
      .is_alive = [&executor = parts.executor](const Owner& owner,
                                               const Boot& boot) { return executor.world().is_alive(owner, boot); },
      .is_seen =
          [&system = parts.system, boot_id = parts.boot_id](const Owner& owner, const Boot& boot) {
            if (owner.boot_id == boot_id) return true;
            const std::optional<std::int64_t> start =
                owner.pid == boot.pid ? std::optional(boot.pid_start) : std::nullopt;
            const Liveness seen = system.liveness_of(boot.host, owner.pid, start);
            return seen == Liveness::alive || seen == Liveness::dead;
          },
      .readiness =
          [&space = parts.space, &clock = parts.clock] {
            Readiness readiness = space.look();
            readiness.clock_drift_us = clock.drift_us();
            readiness.clock_drift_s = drift_to_tell(readiness.clock_drift_us);
            return readiness;
          },
      .reconciler_totals = [&executor = parts.executor] { return executor.reconciler_totals(); },
      .reaper_totals = [&reaper = parts.reaper] { return reaper.totals(); },
      .run_reaper =
          [&reaper = parts.reaper](std::function<void(const ReaperPass&)> done) { reaper.pass_now(std::move(done)); },
      .alert_counts = [&alerts = parts.alerts] { return alerts.counts(); },
      .forge_counts = [&forges = parts.forges] { return forges.counts(); },
      .raise_alert = [&alerts = parts.alerts](Alert alert) { alerts.raise(std::move(alert)); },
      .test_alert = [&alerts = parts.alerts](Alert alert,
                                             AlertTested done) { alerts.test(std::move(alert), std::move(done)); },
      .warn = say_warning,
      .messages_dropped = [&messages = parts.messages] { return messages.dropped(); },
      .webhooks = &parts.webhooks,
      .access = &parts.access,
      .share_book = parts.share_book,
      .figures = parts.figures,
      .audit = &parts.audit,
      .log_bytes = [folder = parts.log_folder] { return bytes_in(folder); },
  };
}

}  // namespace pawl
