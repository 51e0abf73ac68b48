// The chain over the records: each bears SHA-256 of the chain before it and of its own canonical encoding, so that an
// edit after the fact shows at the first record that it touched. Made by the writing side; whoever replays verifies
// it, on a thread of its own.
#pragma once

#include <array>
#include <cstdint>

#include "schema/hex.h"
#include "schema/proposal.h"

namespace pawl {

/// SHA-256 over the one before and the canonical encoding of this record. All zero before the first.
using Chain = std::array<std::uint8_t, 32>;

/// The chain of a record that follows one with chain `before`. What `record` itself bears as chain is not looked at.
/// Threads: any.
Chain chain_after(const Chain& before, const fb::Record& record);

/// The chain that the record bears.
Chain chain_of(const fb::Record& record);

/// Sets the proposal's chain in place, and returns it. Requires: all else in the stamp is set.
Chain stamp_chain(const Chain& before, Proposal& proposal);

}  // namespace pawl
