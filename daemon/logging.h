// Messages on stderr for the people who run the daemon. The event log, not this, records what happened to tasks.
#pragma once

#include <memory>

#include "daemon/message_writer.h"

namespace pawl {

enum class LogForm {
  text,  // for a terminal: one printable line each
  json,  // for a service: one object per line, {"time","level","message"}
};

/// Sets spdlog's default logger. Logging never waits for the reader of stderr. Call once, before any thread logs, with
/// the signals blocked that the writer's thread must not receive. Returns the writer of the lines.
std::shared_ptr<MessageWriter> start_logging(LogForm form);

}  // namespace pawl
