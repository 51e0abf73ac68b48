// How pawld's parts reach each other: through functions, so that no part depends on another.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "daemon/api/routes.h"
#include "daemon/work/executor.h"

namespace pawl {

class Alerts;
class Clock;
class Forges;
class Log;
class LogIndex;
class MessageWriter;
class ReaperLoop;
class SpaceWatch;
class System;

/// What the executor uses. Everything referred to outlives it.
struct ExecutorParts {
  Sequencer& sequencer;
  Archive& archive;
  Alerts& alerts;
  SpaceWatch& space;
  std::string boot_id;  // the daemon's
  std::shared_ptr<Origins> origins;
  bool has_old_trees = false;
};
Executor::Options executor_options(const ExecutorParts& parts);

/// What the routes use. Everything referred to outlives the Api.
struct ServiceParts {
  Sequencer& sequencer;
  Log& log;
  LogIndex& index;
  Clock& clock;
  System& system;
  Executor& executor;
  ReaperLoop& reaper;
  Alerts& alerts;
  Forges& forges;
  SpaceWatch& space;
  MessageWriter& messages;
  Webhooks& webhooks;
  const Access& access;
  std::shared_ptr<ShareBook> share_book;
  std::shared_ptr<const DaemonFigures> figures;
  LogAudit& audit;
  std::string boot_id;  // the daemon's
  std::filesystem::path logs_folder;
  std::filesystem::path log_folder;  // the log's own
  Seq torn_from{};                   // see Services
};
/// Raises alerts about what has no record, at the time of the call. Everything referred to outlives it.
std::function<void(Alert)> raise_from(Alerts& alerts, Sequencer& sequencer, const std::string& boot_id);

Services services_of(const ServiceParts& parts);

}  // namespace pawl
