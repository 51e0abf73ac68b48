// How one alert is delivered: by a command, a webhook or a mail server. daemon/outside/alerts.h has queues and retries.
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

/// The result of one try.
struct AlertDelivery {
  enum class How {
    delivered,
    refused,  // permanently: not retried
    later,    // no answer, a time-out, or an error at the destination
  };
  How how = How::delivered;
  /// If not delivered: one line, without secrets. If delivered: a remark, or empty.
  std::string why = {};
  std::chrono::milliseconds not_before = {};  // if the destination said how long to wait
};

/// A receiver of alerts. `deliver` blocks for a bounded time; `call_off` ends it early. Threads: one at a time.
struct AlertDestination {
  std::string name;  // for messages: "command", "webhook at HOST", "mail server at HOST"
  std::function<AlertDelivery(const Alert& alert, const CancelToken& cancel_token)> deliver;
};

/// The destinations in the options: none, or up to one of each kind. Every mistake that can be detected at the start is
/// an error here. The command runs in the data folder; its output goes to DIR/logs/alert-command.log.
Result<std::vector<AlertDestination>> alert_destinations(const AlertOptions& options, const std::string& data_folder);

}  // namespace pawl
