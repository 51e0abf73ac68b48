// Proposes a log's records again, in a story that may have gone differently: each requester asks again, with this
// story's tokens, attempts and jobs in place of the log's.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "engine/policies/machine.h"
#include "tools/forensics/recorded_log.h"

namespace pawl {

class ReplayWithChanges {
 public:
  ReplayWithChanges(const RecordedLog& log, const State& begun);

  /// Must be called with each record of the log, whether proposed again or not.
  void hear(const RecordedEvent& event);
  /// Takes an accepted record of the log and its effects, in a story that does not differ from the log yet.
  void follow(const RecordedEvent& event);
  /// The record, to be proposed in a story whose state is `state`.
  Proposal proposal_of(const RecordedEvent& recorded, const State& state) const;
  /// The same for a change of a setting, with another value.
  static Proposal proposal_with(const RecordedEvent& recorded, const SettingKey& key, const SettingValue& value);
  /// Takes the result of records that were proposed as one group and accepted.
  void answered(const std::vector<const RecordedEvent*>& events, const Decision& decision, const State& after);

  JobPlaces& jobs() { return jobs_; }
  /// The same job in this story; none if this story does not have it.
  std::optional<JobId> job_of(std::uint64_t recorded) const;
  /// A lease of this story with the ttl that was asked for in the log.
  Lease as_recorded(Lease lease) const;
  /// This story's token in place of a record's token on a key.
  std::optional<std::uint64_t> token_of(const fb::Record& record, const std::string& key,
                                        std::optional<std::uint64_t> recorded, const State& state) const;
  /// The leases that a requester took for a task here and that the log never releases, since it did not grant them.
  std::vector<std::pair<std::string, std::uint64_t>> unreturned(const fb::Record& speaker, TaskId task,
                                                                const State& state) const;

 private:
  using Speaker = std::pair<std::string, std::string>;  // boot, actor
  struct Grant {
    std::uint64_t token = 0;
    TaskId task{0};             // the task that it was taken for
    bool is_in_the_log = true;  // the log granted it too
  };

  std::uint64_t attempt_of(std::uint64_t job, std::uint64_t recorded) const;
  /// The daemon takes the lease on a repository for lease.merge_ttl_s: in this story, for what that is here.
  void retime(const fb::Record& record, fb::LeaseAcquiredT& lease, const State& state) const;

  const RecordedLog& log_;
  std::int64_t recorded_merge_ttl_s_;  // as the log's settings had it
  JobPlaces jobs_;
  std::map<std::uint64_t, std::uint64_t> recorded_attempts_;  // by the log's job
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::uint64_t> attempts_;
  std::map<std::pair<std::string, std::uint64_t>, std::uint64_t> tokens_;  // by key and the log's token
  std::map<std::uint64_t, std::uint64_t> starts_;                          // by the log's seq
  std::map<std::pair<Speaker, std::string>, Grant> grants_;
  std::set<std::tuple<TaskId, Speaker, std::string>> grants_unlogged_;  // those that the log did not grant
  std::map<std::string, std::int64_t> recorded_ttls_s_;                 // by key, where the ttl here is another
};

}  // namespace pawl
