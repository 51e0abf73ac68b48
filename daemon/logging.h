// Messages for those who run the daemon, on stderr. What happened to tasks is in the log of records, not here.
#pragma once

namespace pawl {

enum class LogForm {
  text,  // for a terminal
  json,  // one object a line, {"time","level","message"}, for a service
};

/// Sets spdlog's default logger. Call once, before any thread logs.
void start_logging(LogForm form);

}  // namespace pawl
