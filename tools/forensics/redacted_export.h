// Writes a log with its names replaced (redaction.h), decided again by the rules: for `pawl export log --redact`.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "tools/forensics/log_source.h"

namespace pawl {

/// Whole groups: from the one that contains `from` to the last one that ends at or before `to`.
struct RedactedRange {
  std::optional<Moment> from;
  std::optional<Moment> to;
};

/// Gives `write` exported lines, one after another: the mark, a checkpoint if they do not begin at 1, the records.
/// Returns how many. All of it before the range is read too, and replaced by
/// the same texts. `damaged`: it differs from the rules; `unsupported`: a newer version wrote some of it; `malformed`:
/// a record whose outcome rests on a text that was replaced. Nothing more is written then.
Result<std::uint64_t> write_redacted(const LogWalker& walker, const RedactedRange& range,
                                     const std::function<void(std::string_view)>& write);

}  // namespace pawl
