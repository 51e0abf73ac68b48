// The hash chain over the records: each record holds the SHA-256 of the previous chain value and its own canonical
// encoding, so a later edit is detected at the first record that it touched. The writer computes the chain; every
// replay verifies it, on a separate thread.
#pragma once

#include <array>
#include <cstdint>

#include "schema/hex.h"
#include "schema/proposal.h"

namespace pawl {

/// SHA-256 over the previous chain value and the canonical encoding of this record. All zeros before the first record.
using Chain = std::array<std::uint8_t, 32>;

/// The chain of a record that follows one with chain `before`. The chain stored in `record` is ignored. Threads: any.
Chain chain_after(const Chain& before, const fb::Record& record);

/// The chain stored in the record.
Chain chain_of(const fb::Record& record);

/// Sets the proposal's chain in place and returns it. Requires: the rest of the stamp is set.
Chain stamp_chain(const Chain& before, Proposal& proposal);

}  // namespace pawl
