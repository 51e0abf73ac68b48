// What pawld is told at its start: by command line, environment or configuration file, in this order of weight.
// Settings that decide something live in the log instead (engine/state/settings.h).
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
#include "daemon/outside/webhooks.h"

namespace pawl {

struct Options {
  std::filesystem::path data;
  std::optional<TcpAddress> listen;
  std::filesystem::path socket;              // DIR/pawl.sock if none was named
  std::vector<std::string> pipelines;        // files
  std::map<std::string, std::string> repos;  // name → where it is cloned from; empty: nowhere
  LogForm log = LogForm::text;
  std::chrono::seconds drain{0};  // how long agents may go on once the daemon is to end
  AlertOptions alerts;
  WebhookConfig webhooks;
  std::optional<std::filesystem::path> tokens;  // the file
  bool accept_clock = false;                    // the wall clock is right, whatever the log says
  std::vector<std::string> notes;               // to be said at the start: what was named, and is not used
  /// To be printed instead of serving: --help, --version.
  std::optional<std::string> answer;
};

/// The repositories as the log is told of them: without credentials.
std::map<std::string, std::string> repos_for_log(const Options& options);

/// The value of an environment variable, or null.
using Environment = std::function<const char*(const char*)>;

/// `malformed` names the option, and where it was given.
Result<Options> read_options(std::span<const char* const> arguments, const Environment& environment);

}  // namespace pawl
