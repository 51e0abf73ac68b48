// The differences in the state between two moments of a log, row by row and field by field.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

#include "engine/state/state.h"

namespace pawl {

struct RowName {
  enum class Kind { task, job, lease, boot, pipeline, setting, hold, freeze };
  Kind kind{};
  std::uint64_t id = 0;  // of tasks, jobs and pipelines
  std::string key;       // of all other rows
  friend auto operator<=>(const RowName&, const RowName&) = default;
};

/// Rows by name, as JSON.
using StateRows = std::map<RowName, std::string>;

/// Of the rows that differ, at most `count` from the one at `first` on.
struct DifferencePart {
  std::size_t first = 0;
  std::size_t count = SIZE_MAX;
};

/// All rows in memory, and every setting, defaults included.
StateRows rows_of(const State& state);
/// A task and its jobs as they were when they left memory.
void add_rows(StateRows& rows, const ArchivedTask& archived);

/// "task 1: stage "review" -> "testing"", a line for each field. Empty if nothing changed.
std::string difference_in_words(const StateRows& before, const StateRows& after);
/// `[{"row":"task","id":1,"before":{…},"after":{…}},…]`: whole rows, null on a side that lacks it.
std::string difference_in_json(const StateRows& before, const StateRows& after, DifferencePart part = {});
/// How many rows differ.
std::size_t count_differences(const StateRows& before, const StateRows& after);

}  // namespace pawl
