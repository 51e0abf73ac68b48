// Records as they are read back: only through the verifier.
#pragma once

#include <cstdint>
#include <span>

#include "record_generated.h"
#include "schema/ids.h"
#include "schema/result.h"

namespace pawl {

/// A record in bytes that somebody else owns and that outlive the view.
using RecordBytes = std::span<const std::uint8_t>;

/// Checks the structure of `bytes` and returns the record in them.
/// `damaged`: they are not a record; `unsupported`: an event or an outcome of a newer version.
/// The verifier is structural only: that the bytes are those that were written is for the block's checksum to say.
Result<const fb::Record*> view_record(RecordBytes bytes);

/// The seq that `record` has to bear where it follows the record `last`: the next one. The one exception is a
/// LogRestored that was accepted and begins at `last`: it goes on at the seq that it names (docs/adr/0012). Everybody
/// who numbers records, or asks whether they follow each other, asks here.
Seq seq_after(Seq last, const fb::Record& record);

}  // namespace pawl
