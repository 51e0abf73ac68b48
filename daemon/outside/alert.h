// One alert: an event that people should look at, as named facts.
//
// Every destination gets the same facts under the same names: as PAWL_ALERT_… in a command's environment, as {…} in the
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
  Seq seq{};           // 0: no record
  TimeUs time;
  std::string boot;
  std::string actor;
  std::string principal = {};  // the authenticated requester; empty: the daemon itself

  // What it is about, from the record or from look_up().
  std::optional<TaskId> task;
  std::optional<JobId> job;
  std::string lease;  // its key
  std::string work_item;
  std::string repo;
  std::string branch;
  std::string stage;  // at the time of look_up(), soon after the record
  std::string what;   // for an alert without a record: a sentence for people
  std::string words;  // what led to a block, where the reason does not say it
  std::string data;   // the daemon's data folder, for its own log; empty: not known
};

/// Alerts since the daemon's start, by outcome, counted per destination: an alert that the command took and the webhook
/// refused is one sent and one failed.
struct AlertCounts {
  std::uint64_t sent = 0;
  std::uint64_t failed = 0;   // refused, or the last try failed
  std::uint64_t dropped = 0;  // the queue was full, or undelivered at shutdown
  std::uint64_t queued = 0;   // now
};

/// The alerts that a record raises. Cheap: runs on the thread that publishes records.
std::vector<Alert> alerts_of(const Published& published);

/// Fills in what the state knows beyond the record. A task that has left memory stays without a name.
void look_up(const State& state, Alert& alert);
/// The same from the archive, for a task that the state no longer has. Blocks for a read.
void look_up_archived(Archive& archive, Alert& alert);

/// An alert that someone asked for, to see whether alerts arrive: nothing has happened. `by`: who asked.
Alert test_alert(TimeUs now, const std::string& boot, const std::string& actor, const std::string& by);

/// Identifies an alert wherever it arrives: 16 hexadecimal digits, the same for each try. Two alerts of one record
/// differ, and so do two alerts without one.
std::string id_of(const Alert& alert);

/// "record 12", or "no record".
std::string record_of(const Alert& alert);

/// The command that reports on the alert's record: "pawl incident 12", to be run with PAWL_DATA set. Empty if the alert
/// is about no record; one about a repository's origin has the seq of the last record, which has nothing to do with it.
std::string incident_command(const Alert& alert);
/// The same with the data folder, to be run as it is.
std::string incident_command_in_full(const Alert& alert);

/// One fact. Absent facts are included, so that a list has every name.
struct AlertFact {
  enum class Kind { text, integer };

  std::string_view name;
  Kind kind = Kind::text;
  std::string value;  // empty: absent
};

/// All facts, always the same names in the same order; first "summary", a sentence for people. The texts are made
/// printable for display (schema/printable.h); the record has the exact bytes.
std::vector<AlertFact> facts_of(const Alert& alert);

}  // namespace pawl
