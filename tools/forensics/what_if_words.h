// The decisions of both sides of a what-if, with their evidence, in words.
#pragma once

#include <string>

#include "engine/policies/reaper.h"
#include "tools/forensics/recorded_log.h"

namespace pawl {

/// What a pass of the reaper sees of a job and its task.
struct ReapLook {
  TaskView view;
  RunningJob running;
  ReapObservation observation;
};

/// "reaper defers job 1 of task 1: exit code 0, 360 s ago (grace 300 s); lease task:1 is held by monitor, alive".
std::string in_words(const ReapLook& look, const ReapDecision& decision);
/// The same for a pass without a record: "reaper leaves job 1 …", or that there was no pass. `settings`: the log's.
std::string recorded_in_words(const ReapLook& look, const ReapDecision& by_log, const Settings& settings);
/// "StepStarted by monitor, task 1, to deploy, step merge".
std::string named_in_words(const fb::Record& record);
/// The same; for a reap, with its evidence.
std::string recorded_in_words(const RecordedEvent& event);

}  // namespace pawl
