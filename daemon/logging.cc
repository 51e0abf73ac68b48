#include "daemon/logging.h"

#include <spdlog/formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "schema/json/json_text.h"
#include "schema/printable.h"

namespace pawl {
namespace {

/// What the message that this thread is saying is about: spdlog has no fields to carry it, and calls its sinks on the
/// thread that logs.
thread_local NoticeTopic spoken_of;

/// "[task 3 job 7 seq 99] ": before the text, so that no text can pretend to it. Empty if nothing is known.
std::string words_of(const NoticeTopic& about) {
  std::string words;
  const auto add = [&words](std::string_view name, const auto& id) {
    if (id) words += (words.empty() ? "[" : " ") + std::string(name) + ' ' + std::to_string(raw(*id));
  };
  add("task", about.task);
  add("job", about.job);
  add("seq", about.seq);
  return words.empty() ? words : words + "] ";
}

void say(spdlog::level::level_enum level, const Notice& message) {
  spoken_of = message.about;
  spdlog::log(level, "{}", message.text);
  spoken_of = {};
}

/// spdlog's patterns cannot escape a message, so this formats the lines itself.
class JsonLines final : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& out) override {
    const auto since = message.time.time_since_epoch();
    const TimeUs time{std::chrono::duration_cast<std::chrono::microseconds>(since).count()};
    const spdlog::string_view_t level = spdlog::level::to_string_view(message.level);
    std::string line = R"({"time":)";
    append_json_time(line, time);
    line += R"(,"level":)";
    append_json_text(line, {level.data(), level.size()});
    if (spoken_of.task) append_json_member(line, "task", raw(*spoken_of.task));
    if (spoken_of.job) append_json_member(line, "job", raw(*spoken_of.job));
    if (spoken_of.seq) append_json_member(line, "seq", raw(*spoken_of.seq));
    line += R"(,"message":)";
    append_json_text(line, {message.payload.data(), message.payload.size()});
    line += "}\n";
    out.append(line.data(), line.data() + line.size());
  }
  std::unique_ptr<spdlog::formatter> clone() const override { return std::make_unique<JsonLines>(); }
};

/// The terminal's colour code for a level.
std::string_view colour_of(spdlog::level::level_enum level) {
  switch (level) {
    case spdlog::level::critical:
      return "\033[1m\033[41m";
    case spdlog::level::err:
      return "\033[31m\033[1m";
    case spdlog::level::warn:
      return "\033[33m\033[1m";
    case spdlog::level::info:
      return "\033[32m";
    case spdlog::level::trace:
    case spdlog::level::debug:
    case spdlog::level::off:
    case spdlog::level::n_levels:
      return "";
  }
  return "";
}

/// Formats messages; the writer's thread writes them.
class WriterSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  WriterSink(std::shared_ptr<MessageWriter> writer, LogForm form)
      : writer_(std::move(writer)), form_(form), is_coloured_(::isatty(STDERR_FILENO) == 1) {}

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    if (untold_ > 0) {
      const std::string text =
          std::to_string(untold_) + " messages before this one were dropped: stderr was not being read";
      const NoticeTopic about = std::exchange(spoken_of, {});
      if (writer_->take(line_of({message.logger_name, spdlog::level::warn, text}))) untold_ = 0;
      spoken_of = about;
    }
    if (!writer_->take(line_of(message))) ++untold_;
  }
  void flush_() override {}

 private:
  std::string line_of(spdlog::details::log_msg message) {
    // JSON is for programs, and exact. A text line is for people: quoted content must not hide a line or start another.
    const std::string seen = form_ == LogForm::text
                                 ? words_of(spoken_of) + printable({message.payload.data(), message.payload.size()})
                                 : std::string();
    if (form_ == LogForm::text) message.payload = seen;
    spdlog::memory_buf_t buffer;
    formatter_->format(message, buffer);
    std::string line(buffer.data(), buffer.size());
    if (is_coloured_ && message.color_range_end > message.color_range_start) {
      line.insert(message.color_range_end, "\033[m");
      line.insert(message.color_range_start, colour_of(message.level));
    }
    return line;
  }

  const std::shared_ptr<MessageWriter> writer_;
  const LogForm form_;
  const bool is_coloured_;
  std::uint64_t untold_ = 0;  // dropped since the last such message
};

}  // namespace

void say_info(const Notice& message) {
  say(spdlog::level::info, message);
}

void say_warning(const Notice& message) {
  say(spdlog::level::warn, message);
}

void say_error(const Notice& message) {
  say(spdlog::level::err, message);
}

std::shared_ptr<MessageWriter> start_logging(LogForm form) {
  auto writer = std::make_shared<MessageWriter>(STDERR_FILENO);
  auto logger = std::make_shared<spdlog::logger>("pawld", std::make_shared<WriterSink>(writer, form));
  if (form == LogForm::json) {
    logger->set_formatter(std::make_unique<JsonLines>());
  } else {
    logger->set_pattern("%H:%M:%S %^%l%$ %v");
  }
  spdlog::set_default_logger(std::move(logger));
  return writer;
}

}  // namespace pawl
