// Who a data folder's daemon is among all machines: a random id, bound to this folder on this machine.
//
// Host names repeat, and so do machine ids of one image. So the id is drawn afresh where the folder is another one than
// the id was drawn for: a copy, or a folder on another machine. By it a log knows which earlier boots were this very
// machine's, and so whose kernel has ended (SPEC §2). Two machines that are alike in all that is asked (a snapshot of a
// whole machine that runs twice) cannot be told apart.
#pragma once

#include <string>

#include "schema/result.h"

namespace pawl {

struct Member {
  std::string id;         // 32 hex digits
  std::string copied_of;  // the id that stood in the folder, if it was another folder's; else empty
  /// Whether it tells this machine from another one that has the folder too. Without a machine id it does not, and
  /// then nothing is known of kernels that have ended.
  bool has_machine = false;
};

/// Reads DIR/member, or makes it: durable when this returns. Requires: the folder's lock is held (store/data_dir.h).
Result<Member> member_of(const std::string& dir);

}  // namespace pawl
