// Messages on stderr for the people who run the daemon. The event log, not this, records what happened to tasks.
#pragma once

#include <memory>

#include "daemon/message_writer.h"
#include "daemon/notice.h"

namespace pawl {

enum class LogForm {
  text,  // for a terminal: one printable line each, "12:00:00 warning [task 3 job 7 seq 99] …"
  json,  // for a service: one object per line, {"time","level","task","job","seq","message"}
};

// What a message is about is in its line, as far as it is known: in JSON as numbers. Threads: any.
void say_info(const Notice& message);
void say_warning(const Notice& message);
void say_error(const Notice& message);

/// Sets spdlog's default logger. Logging never waits for the reader of stderr. Call once, before any thread logs, with
/// the signals blocked that the writer's thread must not receive. Returns the writer of the lines.
std::shared_ptr<MessageWriter> start_logging(LogForm form);

}  // namespace pawl
