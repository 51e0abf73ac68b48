// The end of a log that was found, judged: is something missing that once was durable?
//
// A torn tail is what a crash leaves of a batch that nobody was ever told of; it is dropped. Everything else that
// cannot be read is damage, and stops whoever reads. The two look alike from the end that is left, so the judgement
// is made from all that can be known, and doubt counts as damage.
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
// @C: a cut is what a crash leaves; bytes that are all there and wrong are not. The last, unsealed batch of a crashed
// log is thus protected against all damage but that which makes it look cut.
#pragma once

#include <optional>
#include <string>

#include "schema/ids.h"
#include "schema/result.h"

namespace pawl {

enum class LogEnd { clean, cut_short, wrong_bytes };

struct TailEvidence {
  Seq last{};     // the last record that can be read, from the first on without a gap
  Seq highest{};  // the highest seq that any whole block has or names, wherever it stands
  Seq sealed{};   // by the seal; 0 if there is none
  LogEnd end = LogEnd::clean;
};

/// The first seq of a torn tail; none if the log is whole; `damaged` naming the first seq that cannot be read.
/// `what`: the log's place, for the message.
Result<std::optional<Seq>> judge_tail(const TailEvidence& evidence, const std::string& what);

/// `damaged` at that seq, in the one wording that all of store uses.
Error damaged_at(Seq seq, const std::string& what, const std::string& why);

}  // namespace pawl
