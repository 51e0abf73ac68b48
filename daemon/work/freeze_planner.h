// Records when pipelines are frozen: the calendars of the definitions in force, as instants (SPEC §4).
//
// It plans some 60 days ahead: when a definition with another calendar comes into force, before the start claims
// anything, and again a week before the plan ends. Nothing depends on its punctuality: where a plan ends, the rules
// hold the pipeline until there is another, so a machine that slept past the end finds its pipelines frozen, and not
// open.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "daemon/notice.h"
#include "daemon/work/system.h"
#include "store/commit/desk.h"

namespace pawl {

class FreezePlanner {
 public:
  struct Options {
    std::string boot_id;  // of this daemon
    /// Called with messages for people that are not in any record. From any thread. May be empty.
    std::function<void(const Notice&)> warn = {};
  };

  /// Both outlive it.
  FreezePlanner(Desk& desk, System& system, Options options);
  /// Stops it.
  ~FreezePlanner();

  /// Plans what has to be planned now. Blocks. The error names the first pipeline that cannot be planned; the others
  /// are.
  Result<void> plan();

  /// Plans again when it has to, on a thread of its own. After the first plan().
  void start();
  void stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pawl
