// A log that was restored from a backup: what came after the backup was given out, and is lost. SPEC §5.
#include "engine/rules/rules.h"

namespace pawl {

Outcome apply_event(Turn&, const fb::LogRestored&) {
  return Outcome::bad_restore;
}

}  // namespace pawl
