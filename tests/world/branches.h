// Origins as the world has them: commits, each with the one before it, and branches that people push to, rewind and
// push over; and what pawl fetched of them.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tests/world/scheduler.h"

namespace pawl::hostile {

using Commit = std::uint64_t;  // 0: none

/// A branch by its origin and its name; without a name it is origin's default branch.
using Branch = std::pair<std::string, std::string>;

class Branches {
 public:
  /// A new commit on top of another.
  Commit commit_on(Commit before);
  /// Whether `later` has `earlier` in it.
  bool has(Commit later, Commit earlier) const;
  Commit before(Commit commit) const { return commit == 0 ? 0 : parents_[commit - 1]; }

  /// Where a branch stands; 0 if there is none.
  Commit head(const Branch& branch) const;
  void set(const Branch& branch, Commit head) { heads_[branch] = head; }
  void remove(const Branch& branch) { heads_.erase(branch); }
  const std::map<Branch, Commit>& heads() const { return heads_; }

 private:
  std::vector<Commit> parents_;
  std::map<Branch, Commit> heads_;
};

/// What pawl knows of one origin: its branches as they were fetched last, and since when it knows each to stand there.
struct Mirrored {
  struct Head {
    Commit commit = 0;
    Us since = 0;
  };
  std::map<std::string, Head> branches;
};

/// A worktree: its own clone of what was fetched.
struct Tree {
  std::string boot;     // that prepared it
  Commit head = 0;      // that is checked out
  bool is_own = false;  // it has something that origin never had
  bool is_damaged = false;
  bool is_excused = false;  // it was damaged since a gate judged it
};

}  // namespace pawl::hostile
