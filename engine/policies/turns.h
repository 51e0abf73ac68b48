// Who is served before a queued job that only waits its turn (SPEC §4). For people only: it decides nothing.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "engine/state/state.h"

namespace pawl {

/// The jobs that are served before another.
struct JobsAhead {
  std::size_t count = 0;
  bool is_more = false;      // the count ended before the job was reached
  std::vector<JobId> first;  // the first of them, in the order of their turns
};

/// The jobs ahead of one that waits for a claim, for a slot or behind the serial gate. Of a claim those of its agent
/// count, of a slot those of every agent, of the gate those of its repository; jobs that wait for anything else are not
/// ahead of it. `is_shown`: which of them may be named; empty: all. Requires: the job is queued.
[[nodiscard]] JobsAhead jobs_ahead_of(const State& state, const Job& job, TimeUs now,
                                      const std::function<bool(const Job&)>& is_shown = {});
/// "2 jobs are ahead: job 12 of task 4 (priority 5), job 7 of task 2"; "it is next".
[[nodiscard]] std::string in_words(const State& state, const JobsAhead& ahead);

/// How many are ahead of each job that waits its turn, in one look at the first `jobs_max` of the queue; those beyond
/// are not in it.
[[nodiscard]] std::map<JobId, std::size_t> turns_of_jobs(const State& state, TimeUs now, std::size_t jobs_max);

}  // namespace pawl
