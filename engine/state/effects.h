// What apply() asks the world to do, as values. Effects are not stored: a reader of the log recomputes them by applying
// it. Only the daemon carries them out, and only for live records.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace pawl {

enum class EffectKind : std::uint8_t {
  task,           // id: a task was created
  job_queued,     // id
  job_cancelled,  // id: a queued job that will never run
  lease_granted,  // key, token
  lease_freed,    // key, token
  blocked,        // id: task; text: reason
  end_group,      // id: job; pid of its process group, 0 if none is known
  alert,          // text: reason
};

constexpr std::string_view name(EffectKind kind) {
  switch (kind) {
    case EffectKind::task:
      return "task";
    case EffectKind::job_queued:
      return "job_queued";
    case EffectKind::job_cancelled:
      return "job_cancelled";
    case EffectKind::lease_granted:
      return "lease_granted";
    case EffectKind::lease_freed:
      return "lease_freed";
    case EffectKind::blocked:
      return "blocked";
    case EffectKind::end_group:
      return "end_group";
    case EffectKind::alert:
      return "alert";
  }
  return "?";
}

struct Effect {
  EffectKind kind;
  std::uint64_t id = 0;   // task or job
  std::string text = {};  // key or reason
  std::uint64_t token = 0;
  std::int64_t pid = 0;
  std::uint64_t task = 0;  // of the job whose process group is to be ended
  friend bool operator==(const Effect&, const Effect&) = default;
};

using Effects = std::vector<Effect>;

}  // namespace pawl
