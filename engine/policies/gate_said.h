// Converts a gate's answer to the event that records it.
#pragma once

#include <string>

#include "engine/policies/world.h"
#include "event_generated.h"

namespace pawl {

/// `stage` is the stage that the gate belongs to.
fb::GateEvaluatedT gate_said(TaskId task, Version version, const std::string& stage, const GateAnswer& gate);

}  // namespace pawl
