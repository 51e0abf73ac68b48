// Decides whether the end of a log is clean, torn or damaged: is anything missing that was once durable?
//
// A torn tail is what a crash leaves of a batch that was never reported to anyone; it is dropped. Anything else that
// cannot be read is damage, and stops the reader. The remaining end may look the same in both cases, so the decision
// uses all available evidence, and doubt counts as damage.
//
//      | a whole block | the seal, or a block,| how the readable part ends | judgement
//      | stands beyond | names a seq beyond   |                            |
//   ---|---------------|----------------------|----------------------------|------------------------------
//   @A | yes           | any                  | any                        | damaged at last + 1
//   @B | no            | yes                  | any                        | damaged at last + 1
//   @C | no            | no                   | wrong bytes                | damaged at last + 1
//   @D | no            | no                   | cut short                  | torn tail, dropped from last + 1
//   @E | no            | no                   | clean                      | nothing is missing
//
// @C: a crash leaves a truncated block, never a complete one with wrong bytes. So even the last, unsealed batch of a
// crashed log is protected against all damage except damage that makes it look truncated.
#pragma once

#include <optional>
#include <string>

#include "schema/ids.h"
#include "schema/result.h"

namespace pawl {

enum class LogEnd { clean, cut_short, wrong_bytes };

struct TailEvidence {
  Seq last{};     // the last record that can be read without a gap from the first
  Seq highest{};  // the highest seq that any complete block contains or names, wherever it is
  Seq sealed{};   // from the seal; 0 if there is none
  LogEnd end = LogEnd::clean;
};

/// The first seq of a torn tail; none if the log is complete; `damaged` names the first seq that cannot be read. `what`
/// is the log's location, for the message.
Result<std::optional<Seq>> judge_tail(const TailEvidence& evidence, const std::string& what);

/// `damaged` at that seq, in the wording used throughout store.
Error damaged_at(Seq seq, const std::string& what, const std::string& why);

}  // namespace pawl
