// The world's origins: commits, each with its parent, and branches that people push to, rewind and force-push; and what
// pawl has fetched of them.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tests/world/scheduler.h"

namespace pawl::hostile {

using Commit = std::uint64_t;  // 0: none

/// A branch of an origin by name; an empty name is origin's default branch.
using Branch = std::pair<std::string, std::string>;

class Branches {
 public:
  /// A new commit on top of another.
  Commit commit_on(Commit before);
  /// Whether `later` contains `earlier`.
  bool has(Commit later, Commit earlier) const;
  Commit before(Commit commit) const { return commit == 0 ? 0 : parents_[commit - 1]; }

  /// Where a branch points; 0 if it does not exist.
  Commit head(const Branch& branch) const;
  void set(const Branch& branch, Commit head) { heads_[branch] = head; }
  void remove(const Branch& branch) { heads_.erase(branch); }
  const std::map<Branch, Commit>& heads() const { return heads_; }

 private:
  std::vector<Commit> parents_;
  std::map<Branch, Commit> heads_;
};

/// What pawl knows of one origin: its branches as last fetched, and since when it has known each to point there.
struct Mirrored {
  struct Head {
    Commit commit = 0;
    Us since = 0;
  };
  std::map<std::string, Head> branches;
};

/// A worktree: its own clone of what was fetched.
struct Tree {
  std::string boot;     // the boot that prepared it
  Commit head = 0;      // checked out
  bool is_own = false;  // it contains something that origin never had
  bool is_damaged = false;
  bool is_excused = false;  // it was damaged after a gate judged it
};

}  // namespace pawl::hostile
