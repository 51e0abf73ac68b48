// The rules: whether an event is accepted, and what it changes (SPEC §4). One function per event.
#pragma once

#include <string>

#include "engine/rules/span.h"
#include "engine/state/effects.h"
#include "engine/state/state.h"
#include "record_generated.h"

namespace pawl {

struct Applied {
  Outcome outcome = Outcome::accepted;
  bool unchecked = false;  // decided with ownership switched off (SPEC §7)
  Effects effects;
  std::string detail;  // for people, if the outcome alone says too little: what is wrong with the pipeline, say
  FreedClaims frees;   // the claims refused before that may now be granted; set by decide(), not by a replay
  Span span;           // what the record ended; likewise

  /// For an event whose group was refused because of another event.
  static Applied skipped() {
    Applied applied;
    applied.outcome = Outcome::skipped;
    return applied;
  }
};

/// Whether no SettingChanged follows in the same group: settings are checked against each other at the last one.
enum class IsLastSetting { yes, no };

/// Decides one event and, if it is accepted, changes `state`.
///
/// Pure: the same state and record give the same outcome, effects and digest on every machine. Checks run in the order
/// of SPEC §4; the first that fails is the outcome, and no row is touched. The record's seq, time, boot and actor are
/// used unchecked; its outcome and digest are ignored. Does not call state.settle(): the group does
/// (engine/rules/group.h). Only tests of single rules call apply() directly; all other code applies groups.
[[nodiscard]] Applied apply(State& state, const fb::Record& record, IsLastSetting is_last_setting);

}  // namespace pawl
