// pawld's start options, from command line, environment or configuration file, in this order of precedence. Settings
// that affect decisions are in the log instead (engine/state/settings.h).
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "daemon/http/server.h"
#include "daemon/logging.h"
#include "daemon/outside/alert_options.h"
#include "daemon/outside/forge_options.h"
#include "daemon/outside/webhooks.h"

namespace pawl {

struct Options {
  std::filesystem::path data;
  std::optional<TcpAddress> listen;
  std::filesystem::path socket;              // default: DIR/pawl.sock
  std::vector<std::string> pipelines;        // files
  std::map<std::string, std::string> repos;  // name → URL to clone from; empty: no origin
  LogForm log = LogForm::text;
  std::chrono::seconds drain{0};  // how long agents may go on at shutdown
  int audit_percent = 5;          // of one core, for what `pawl check` finds in the log; 0: off
  AlertOptions alerts;
  WebhookConfig webhooks;
  ForgeTargets forges;
  std::optional<std::filesystem::path> tokens;  // the file
  bool accept_clock = false;                    // trust the wall clock over the log
  std::vector<std::string> notes;               // to log at the start: values given but not used
  /// Printed instead of serving: --help, --version.
  std::optional<std::string> answer;
};

/// The repositories as recorded in the log: without credentials.
std::map<std::string, std::string> repos_for_log(const Options& options);

/// The value of an environment variable, or null.
using Environment = std::function<const char*(const char*)>;

/// `malformed` names the option, and where it was given.
Result<Options> read_options(std::span<const char* const> arguments, const Environment& environment);

}  // namespace pawl
