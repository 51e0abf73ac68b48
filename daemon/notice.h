// A message for the people who run the daemon, and what it is about.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "schema/ids.h"

namespace pawl {

/// Shown as fields of their own, so that programs find all messages about a task.
struct NoticeTopic {
  std::optional<TaskId> task = std::nullopt;
  std::optional<JobId> job = std::nullopt;
  std::optional<Seq> seq = std::nullopt;
};

struct Notice {
  Notice(std::string text_, NoticeTopic about_ = {}) : text(std::move(text_)), about(about_) {}
  Notice(const char* text_) : text(text_) {}
  /// For those who show the text alone.
  operator const std::string&() const { return text; }

  std::string text;
  NoticeTopic about;
};

}  // namespace pawl
