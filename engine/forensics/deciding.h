// By which value a record was decided, and which record set that value: "2 interruptions > 1
// (recovery.max_interruptions, set by 269)". Derived from the records, for `pawl check`, `explain` and `incident`;
// nothing here decides anything.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "engine/rules/apply.h"
#include "engine/state/state.h"
#include "record_generated.h"

namespace pawl {

/// One comparison that decided a record.
struct DecidedBy {
  enum class What : std::uint8_t {
    interruptions,    // of a job, by restarts
    attempts,         // of a job, that count
    jobs_of_version,  // that the reconciler queued
    rollbacks,        // of a task
    exited,           // seconds since the agent's exit
    claimed,          // seconds since the claim
    claim_quiet,      // seconds since the claim was last renewed
    lease_quiet,      // seconds since the lease was last renewed
    lease_held,       // seconds since the lease was taken
    dead_passes,      // passes in a row that found the process dead
    running,          // jobs at that time
    repo_running,     // a job of the same repository
    pause,            // seconds before the next attempt
    pause_left,       // seconds of it that were left
    not_counted,      // seconds of a clock gap within one of the above
    owner_ended,      // the end of the owner's boot
    owner_gone,       // the owner's process
    same_commit,      // a red gate, twice in a row
  };
  enum class By : std::uint8_t {
    default_value,  // nothing has changed the setting
    record,         // `set_by`
    before_log,     // what the log begins with has it
    chosen,         // by the holder, in `set_by`
  };
  What what{};
  By by{};
  bool is_passed = true;  // the limit was
  std::int64_t value = 0;
  std::int64_t limit = 0;
  std::string_view setting = {};  // of setting_keys(); empty: of none
  Seq set_by{};
};

/// "2 interruptions > 1 (recovery.max_interruptions, set by 269)", "… (job.max_attempts, the default)".
std::string in_words(const DecidedBy& decided);

/// Follows a log, and tells of each record by which values it was decided. Holds what is live, not the past.
class DecidingValues {
 public:
  /// What a log that begins with a checkpoint has already.
  void begin(const State& state);
  /// What decided an accepted reap, reclaim, end of a job or block, or a claim refused by a limit, in order of
  /// importance; empty for all other records. `after` is the state after the record's group. Call it before see().
  std::vector<DecidedBy> of(const fb::Record& record, const Applied& applied, const State& after) const;
  /// Takes every record, in order.
  void see(const fb::Record& record, const Applied& applied, const State& after);

 private:
  struct Setting {
    SettingValue value;
    Seq set_by{};
    bool is_before = false;
  };
  struct Span {
    Seq from{};
    TimeUs begun;
  };
  struct LiveJob {
    Setting max_attempts;  // in force when it was queued; set_by 0: the default
    Span claimed;
    Span renewed;
    Span exited;
    std::optional<std::int64_t> ttl_s;
    Seq ttl_by{};
    std::string boot;
  };
  struct LiveLease {
    Span taken;
    Span renewed;
    std::optional<std::int64_t> ttl_s;
    DecidedBy::By ttl_from = DecidedBy::By::chosen;
    bool is_merge_ttl = false;
    Seq ttl_by{};
    std::string boot;
  };

  Setting setting(std::string_view key) const;
  std::int64_t number(std::string_view key) const;
  DecidedBy against(DecidedBy::What what, std::int64_t value, std::string_view key) const;
  static DecidedBy against(DecidedBy::What what, std::int64_t value, std::string_view key, const Setting& setting);
  std::int64_t lasted_s(const Span& span, TimeUs now) const;
  void add_gap(std::vector<DecidedBy>& all, const Span& span) const;
  DecidedBy owner(const std::string& boot) const;
  void add_retry(std::vector<DecidedBy>& all, JobId id, const State& after) const;
  void of_reap(std::vector<DecidedBy>& all, const fb::Record& record, const fb::JobReaped& event,
               const State& after) const;
  void of_reclaim(std::vector<DecidedBy>& all, const fb::Record& record, const fb::LeaseReclaimed& event) const;
  void of_block(std::vector<DecidedBy>& all, const Effect& effect, const fb::Record& record, const State& after) const;
  void of_refusal(std::vector<DecidedBy>& all, const fb::Record& record, Outcome outcome, const State& after) const;
  void see_lease(const fb::Record& record, const fb::LeaseAcquired& event, const State& after);
  void see_effects(const Applied& applied);

  struct Gap {
    Seq seq{};
    std::int64_t us = 0;
  };
  std::map<std::string, Setting, std::less<>> settings_;
  std::map<JobId, LiveJob> jobs_;
  std::map<std::string, LiveLease, std::less<>> leases_;
  std::map<std::string, std::string> boot_in_force_;  // by name
  std::map<std::string, Seq> boot_ends_;              // of boots that hold something
  std::vector<Gap> gaps_;
};

}  // namespace pawl
