// Decisions of both sides of a what-if, with their evidence, for people.
#pragma once

#include <string>

#include "engine/policies/reaper.h"
#include "tools/forensics/recorded_log.h"

namespace pawl {

/// What a pass of the reaper sees of a job, and where it stands.
struct ReapLook {
  TaskView view;
  RunningJob running;
  ReapSight sight;
};

/// "reaper defers job 1 of task 1: exit code 0, 360 s ago (grace 300 s); lease task:1 is held by monitor, alive".
std::string in_words(const ReapLook& look, const ReapDecision& decision);
/// The same of a pass that left no record: "reaper leaves job 1 …", or that there was none. `settings`: the log's.
std::string recorded_in_words(const ReapLook& look, const ReapDecision& by_log, const Settings& settings);
/// "StepStarted by monitor, task 1, to deploy, step merge".
std::string named_in_words(const fb::Record& record);
/// The same; of a reap, its evidence.
std::string recorded_in_words(const RecordedEvent& event);

}  // namespace pawl
