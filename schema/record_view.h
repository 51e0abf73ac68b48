// Records read back from the log, always through the verifier.
#pragma once

#include <cstdint>
#include <span>

#include "record_generated.h"
#include "schema/ids.h"
#include "schema/result.h"

namespace pawl {

/// The bytes of a record. Their owner keeps them alive for longer than the view.
using RecordBytes = std::span<const std::uint8_t>;

/// Verifies the structure of `bytes` and returns the record in them. `damaged`: they are not a record; `unsupported`:
/// an event or an outcome of a newer version. The verifier checks structure only; the block's checksum shows that the
/// bytes are those that were written.
Result<const fb::Record*> view_record(RecordBytes bytes);

/// The seq that `record` must have if it follows the record `last`: the next one. The one exception is an accepted
/// LogRestored that begins at `last`: it continues at the seq it names (docs/adr/0012). All code that numbers records,
/// or checks that they are consecutive, uses this function.
Seq seq_after(Seq last, const fb::Record& record);

}  // namespace pawl
