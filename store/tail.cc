#include "store/tail.h"

namespace pawl {

Error damaged_at(Seq seq, const std::string& what, const std::string& why) {
  return {ErrorCode::damaged, what + ": record " + std::to_string(raw(seq)) + " cannot be read: " + why};
}

Result<std::optional<Seq>> judge_tail(const TailEvidence& evidence, const std::string& what) {
  const Seq missing = next(evidence.last);
  if (evidence.highest > evidence.last) {  // @A, and @B by a block
    return damaged_at(missing, what,
                      "records up to " + std::to_string(raw(evidence.highest)) + " were written after it");
  }
  if (evidence.sealed > evidence.last) {  // @B by the seal
    return damaged_at(missing, what, "the log was sealed at " + std::to_string(raw(evidence.sealed)));
  }
  switch (evidence.end) {
    case LogEnd::wrong_bytes:  // @C
      return damaged_at(missing, what, "its bytes are not those that were written");
    case LogEnd::cut_short:  // @D
      return std::optional<Seq>(missing);
    case LogEnd::clean:  // @E
      return std::optional<Seq>();
  }
  return std::optional<Seq>();
}

}  // namespace pawl
