// How one alert reaches somebody: a command, or a webhook. Queues and retries are daemon/outside/alerts.h's.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "daemon/outside/alert.h"
#include "daemon/outside/alert_options.h"
#include "daemon/work/system.h"
#include "schema/result.h"

namespace pawl {

/// What became of one try.
struct AlertDelivery {
  enum class How {
    delivered,
    refused,  // and would be again: it is not tried again
    later,    // nobody there, no time, an error on their side
  };
  How how = How::delivered;
  std::string why = {};                       // in one line, without secrets; when not delivered
  std::chrono::milliseconds not_before = {};  // when they said how long to wait
};

/// Somebody whom alerts go to. Blocks for a bounded time; `call_off` ends it early. Threads: one at a time.
struct AlertDestination {
  std::string name;  // for logs: "command", "webhook at HOST"
  std::function<AlertDelivery(const Alert& alert, const CallOff& call_off)> deliver;
};

/// Those that the options name, none or one or two. Everything that can be known to be wrong beforehand is an error
/// here. The command works in the data folder; what it says goes to DIR/logs/alert-command.log.
Result<std::vector<AlertDestination>> alert_destinations(const AlertOptions& options, const std::string& data_folder);

}  // namespace pawl
