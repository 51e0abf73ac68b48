// Rows of the state to and from their tables in schema/checkpoint.fbs. An empty text or an empty optional is a field
// that is not there.
#pragma once

#include "checkpoint_generated.h"
#include "engine/state/digest.h"
#include "engine/state/state.h"

namespace pawl {

fb::TaskRowT pack_row(const Task& row);
fb::JobRowT pack_row(const Job& row);
fb::LeaseRowT pack_row(const Lease& row);
fb::BootRowT pack_row(const Boot& row);
fb::SettingRowT pack_row(const SettingRow& row);
fb::PipelineRowT pack_row(const PipelineRow& row);
fb::IdsRowT pack_row(const Ids& row);

/// Require: the buffer was verified, and its enums are known. Hashes are left at 0.
Task unpack_row(const fb::TaskRow& table);
Job unpack_row(const fb::JobRow& table);
Lease unpack_row(const fb::LeaseRow& table);
Boot unpack_row(const fb::BootRow& table);
SettingRow unpack_row(const fb::SettingRow& table);
PipelineRow unpack_row(const fb::PipelineRow& table);
Ids unpack_row(const fb::IdsRow& table);

/// The verifier lets any number through where an enum stands.
bool enums_are_known(const fb::TaskRow& table);
bool enums_are_known(const fb::JobRow& table);
/// `unsupported` if a newer version wrote one that is not known here.
Result<void> check_enums(const fb::Checkpoint& checkpoint);

}  // namespace pawl
