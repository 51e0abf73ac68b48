// The events of the union. Code that differs by event is an overload set over the events' tables, so a new event that
// lacks an overload does not compile.
#pragma once

#include <utility>

#include "events_generated.h"
#include "record_generated.h"
#include "schema/result.h"

namespace pawl {

/// Calls `function` with the record's event, typed as its own table: `with_event(record, [&](const auto& event) {…})`.
/// Requires: the record was verified.
template <class Function>
decltype(auto) with_event(const fb::Record& record, Function&& function) {
  switch (record.event_type()) {
#define X(Name)         \
  case fb::Event::Name: \
    return std::forward<Function>(function)(*record.event_as_##Name());
    PAWL_EVENTS(X)
#undef X
    case fb::Event::NONE:
      break;
  }
  assertion_failed("an event that the verifier does not know", __FILE__, __LINE__);
}

}  // namespace pawl
