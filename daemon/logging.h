// Messages for those who run the daemon, on stderr. What happened to tasks is in the log of records, not here.
#pragma once

#include <memory>

#include "daemon/message_writer.h"

namespace pawl {

enum class LogForm {
  text,  // for a terminal: printable, a line each
  json,  // one object a line, {"time","level","message"}, for a service
};

/// Sets spdlog's default logger: whoever says something never waits for whoever reads stderr. Call once, before any
/// thread logs, with the signals blocked that no thread shall take. Returns what writes the lines.
std::shared_ptr<MessageWriter> start_logging(LogForm form);

}  // namespace pawl
