#include "engine/policies/gate_said.h"

namespace pawl {

fb::GateEvaluatedT gate_said(TaskId task, Version version, const std::string& stage, const GateAnswer& gate) {
  fb::GateEvaluatedT event;
  event.task = raw(task);
  event.version = raw(version);
  event.gate = stage;
  if (gate.passed) event.passed = *gate.passed;
  event.reason = gate.reason;
  if (gate.later) event.later = true;
  event.head = gate.head;
  return event;
}

}  // namespace pawl
