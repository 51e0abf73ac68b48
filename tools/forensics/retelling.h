// A log's records proposed once more, in a story that may have gone another way: who asked then asks again, with the
// tokens, attempts and jobs that this story gave him in place of those that the log gave him.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "engine/policies/machine.h"
#include "tools/forensics/recorded_log.h"

namespace pawl {

class Retelling {
 public:
  Retelling(const RecordedLog& log, const State& begun);

  /// To be called with each record of the log, told again or not.
  void hear(const RecordedEvent& event);
  /// The record, to be proposed in a story that stands at `state`.
  Proposal proposal_of(const RecordedEvent& recorded, const State& state) const;
  /// What came of records that were proposed as one group and accepted.
  void told(const std::vector<const RecordedEvent*>& events, const Decision& decision, const State& after);

  JobPlaces& jobs() { return jobs_; }
  /// The same job in this story; none if it did not come to it.
  std::optional<JobId> job_of(std::uint64_t recorded) const;
  /// What a record's token on a key is here.
  std::optional<std::uint64_t> token_of(const fb::Record& record, const std::string& key,
                                        std::optional<std::uint64_t> recorded, const State& state) const;
  /// The leases that a speaker took for a task and that the log does not give back, because there nothing was granted.
  std::vector<std::pair<std::string, std::uint64_t>> unreturned(const fb::Record& speaker, TaskId task,
                                                                const State& state) const;

 private:
  using Speaker = std::pair<std::string, std::string>;  // boot, actor
  struct Grant {
    std::uint64_t token = 0;
    TaskId task{0};             // that it was taken for
    bool is_in_the_log = true;  // granted there too
  };

  std::uint64_t attempt_of(std::uint64_t job, std::uint64_t recorded) const;

  const RecordedLog& log_;
  JobPlaces jobs_;
  std::map<std::uint64_t, std::uint64_t> recorded_attempts_;  // by the log's job
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::uint64_t> attempts_;
  std::map<std::pair<std::string, std::uint64_t>, std::uint64_t> tokens_;  // by key and the log's token
  std::map<std::uint64_t, std::uint64_t> starts_;                          // by the log's seq
  std::map<std::pair<Speaker, std::string>, Grant> grants_;
};

/// The task that a record is about, by its fields, its key or its job in the log; none if it is about none.
std::optional<TaskId> task_of(const RecordedLog& log, const fb::Record& record);

}  // namespace pawl
