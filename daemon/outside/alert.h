// One alert: what happened that somebody should look at, as facts with names.
//
// Whoever is told gets the same facts under the same names: as PAWL_ALERT_… in a command's environment, as {…} in the
// template of a body.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "store/commit/sequencer.h"

namespace pawl {

struct Alert {
  std::string reason;  // of the effect: "job_failed", "lease_reclaimed:forced", why a task is blocked
  std::string type;    // the event of the record
  Seq seq{};           // 0: there is no record
  TimeUs time;
  std::string boot;
  std::string actor;
  std::string principal = {};  // who is known to have asked; empty: the daemon itself

  // What it is about, as far as the record says it, or look_up() found it.
  std::optional<TaskId> task;
  std::optional<JobId> job;
  std::string lease;  // its key
  std::string work_item;
  std::string repo;
  std::string branch;
  std::string stage;  // when it was looked up, which is soon after the record
  std::string what;   // of what has no record: a sentence for people
};

/// What became of alerts since the daemon's start. A destination counts each of them: one that a command got and a
/// webhook refused is one sent and one failed.
struct AlertCounts {
  std::uint64_t sent = 0;
  std::uint64_t failed = 0;   // refused, or tried as often as it may
  std::uint64_t dropped = 0;  // for want of room, or left at the end
  std::uint64_t queued = 0;   // now
};

/// The alerts that are due for a record. Cheap: for the thread that publishes records.
std::vector<Alert> alerts_of(const Published& published);

/// Fills in what the state knows and the record does not say. A task that has left memory stays without a name.
void look_up(const State& state, Alert& alert);
/// The same from the archive, where the state did not know the task. Blocks for a read of it.
void look_up_archived(Archive& archive, Alert& alert);

/// "record 12", or that there is none.
std::string record_of(const Alert& alert);

/// One fact. Absent ones are there too, so that a list of facts has every name.
struct AlertFact {
  enum class Kind { text, integer };

  std::string_view name;
  Kind kind = Kind::text;
  std::string value;  // empty: there is none
};

/// All facts, always the same names in the same order; first "summary", a sentence for people. They are shown to
/// people, so texts are printable (schema/printable.h); what is exact is the record.
std::vector<AlertFact> facts_of(const Alert& alert);

}  // namespace pawl
