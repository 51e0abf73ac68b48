#include "tools/commands/turn.h"

#include "schema/json/json_text.h"
#include "schema/limits.h"
#include "tools/commands/output.h"
#include "tools/forensics/log_source.h"

namespace pawl {
namespace {

Result<std::int64_t> priority_in(const std::string& text) {
  const bool is_negative = text.starts_with('-');
  const auto number = read_number(text.substr(is_negative ? 1 : 0), "the priority");
  if (!number || *number > static_cast<std::uint64_t>(limits::priority_max)) {
    return Error{ErrorCode::malformed, "'" + text + "' is not a priority: those are whole numbers from -" +
                                           std::to_string(limits::priority_max) + " to " +
                                           std::to_string(limits::priority_max)};
  }
  const auto level = static_cast<std::int64_t>(*number);
  return is_negative ? -level : level;
}

}  // namespace

Result<std::string> turn_members(const std::optional<std::string>& priority,
                                 const std::optional<std::string>& not_before) {
  std::string out;
  if (priority) out += ",\"priority\":" + std::to_string(PAWL_TRY(priority_in(*priority)));
  if (not_before == "now") return out + ",\"clear_not_before\":true";
  if (!not_before) return out;
  const auto time = time_from(*not_before);
  if (!time) {
    return Error{ErrorCode::malformed, "--not-before: '" + *not_before +
                                           "' is not a time such as 2026-12-24T18:00:00Z or '2026-12-24 18:00:00 "
                                           "+01:00', nor 'now'"};
  }
  out += ",\"not_before\":";
  append_json_time(out, *time);
  return out;
}

}  // namespace pawl
