// The identity of a data folder's daemon among all machines: a random id, bound to this folder on this machine.
//
// Host names repeat, and so do the machine ids of one image. So a new id is generated if the folder is not the one the
// id was generated for: a copy, or a folder on another machine. The id tells a log which earlier boots ran on this same
// machine, and so which kernels have ended (SPEC §2). Two machines that are identical in everything checked (one
// machine snapshot running twice) cannot be distinguished.
#pragma once

#include <string>

#include "schema/result.h"

namespace pawl {

struct Member {
  std::string id;         // 32 hex digits
  std::string copied_of;  // the id found in the folder, if it belonged to another folder; else empty
  /// Whether it distinguishes this machine from another that also has the folder. Without a machine id it does not, and
  /// then it is not known which kernels have ended.
  bool has_machine = false;
};

/// Reads DIR/member, or creates it durably. Requires: the folder's lock is held (store/data_dir.h).
Result<Member> member_of(const std::string& dir);

}  // namespace pawl
