#include "daemon/logging.h"

#include <spdlog/formatter.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include "schema/json/json_text.h"

namespace pawl {
namespace {

/// A pattern cannot escape what a message holds, so lines are written by hand.
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
    line += R"(,"message":)";
    append_json_text(line, {message.payload.data(), message.payload.size()});
    line += "}\n";
    out.append(line.data(), line.data() + line.size());
  }
  std::unique_ptr<spdlog::formatter> clone() const override { return std::make_unique<JsonLines>(); }
};

}  // namespace

void start_logging(LogForm form) {
  auto sink = std::make_shared<spdlog::sinks::stderr_color_sink_mt>();
  auto logger = std::make_shared<spdlog::logger>("pawld", std::move(sink));
  if (form == LogForm::json) {
    logger->set_formatter(std::make_unique<JsonLines>());
  } else {
    logger->set_pattern("%H:%M:%S %^%l%$ %v");
  }
  spdlog::set_default_logger(std::move(logger));
}

}  // namespace pawl
