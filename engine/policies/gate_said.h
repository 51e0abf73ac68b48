// What a gate said, as the event that records it.
#pragma once

#include <string>

#include "engine/policies/world.h"
#include "event_generated.h"

namespace pawl {

/// `stage`: whose gate it is.
fb::GateEvaluatedT gate_said(TaskId task, Version version, const std::string& stage, const GateAnswer& gate);

}  // namespace pawl
