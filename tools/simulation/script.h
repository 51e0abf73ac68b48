// The language of `pawl simulate` (SPEC §13): one JSON object per line, each a time and what happens then.
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "schema/ids.h"
#include "schema/proposal.h"
#include "schema/result.h"
#include "schema/time.h"

namespace pawl {

/// Where `at` counts from: 2026-01-01T00:00:00Z.
constexpr TimeUs script_start{1'767'225'600 * us_per_s};

struct ScriptLine {
  enum class Kind { propose, set, world, tick_reaper, tick_reconciler, restart, show_state, show_queue, expect };

  std::uint64_t number = 0;  // in the file, from 1
  TimeUs at;
  Kind kind{};
  std::vector<boost::json::object> events;  // propose: one, or those of a group
  std::string actor;                        // propose
  std::string boot;                         // propose; empty: the daemon's
  std::string principal;                    // propose; empty: none
  boost::json::object content;              // set, world, expect
};

/// Reads a script from a file, or from standard input if `path` is "-". Checks all of it before any of it is played;
/// `malformed` names file and line.
Result<std::vector<ScriptLine>> read_script(const std::string& path);

/// Resolves a script's references: "@task:1" is the token held on that key, "@step:1:merge" the seq of that step's open
/// start. None: nothing is held or open.
struct References {
  std::function<std::optional<Token>(const std::string& key)> token;
  std::function<std::optional<Seq>(TaskId task, const std::string& step)> start;
};

/// The default proposer, for lines of a script that name none.
struct Speakers {
  std::string boot;      // the daemon's
  std::int64_t pid = 0;  // of the proposing process
  std::string host;      // of all boots
};

/// The group that a line proposes: kinds propose and set. `malformed` names the field.
Result<Group> group_of(const ScriptLine& line, const Speakers& speakers, const References& references);

}  // namespace pawl
