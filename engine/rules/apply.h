// The rules: whether an event is accepted, and what it changes. SPEC §4, one function per event.
#pragma once

#include <string>

#include "engine/state/effects.h"
#include "engine/state/state.h"
#include "record_generated.h"

namespace pawl {

struct Applied {
  Outcome outcome = Outcome::accepted;
  bool unchecked = false;  // decided with ownership switched off (SPEC §7)
  Effects effects;
  std::string detail;         // for people, where the outcome alone says too little: what is wrong with the pipeline
  bool frees_claims = false;  // by it a claim may be granted that was not before; set by decide(), not by a replay

  /// Of an event in whose group another was refused.
  static Applied skipped() {
    Applied applied;
    applied.outcome = Outcome::skipped;
    return applied;
  }
};

/// Whether further SettingChanged follow in the same group: settings are checked against each other at the last one.
enum class SettingsToCome { none, some };

/// Decides one event and, if it is accepted, changes `state`.
///
/// Pure: the same state and record give the same outcome, effects and digest on every machine. Checks run in the
/// order of SPEC §4; the first that fails is the outcome, and no row is then touched. The record's seq, time, boot and
/// actor are taken from it as they stand; its outcome and digest are not looked at.
/// Does not call state.settle(): that is for the group (engine/rules/group.h), which is how everybody but tests of
/// single rules applies anything.
[[nodiscard]] Applied apply(State& state, const fb::Record& record, SettingsToCome settings_to_come);

}  // namespace pawl
