// Rows of the state to and from their tables in schema/checkpoint.fbs, field by field as visit() of engine/state/rows.h
// names them: a new field needs nothing here. An empty text or an empty optional is a field that is not there.
#pragma once

#include "checkpoint_generated.h"
#include "engine/state/digest.h"
#include "engine/state/state.h"

namespace pawl {

/// Require: builder.ForceDefaults(true) was called before. The bytes are those of flatc's own packing.
flatbuffers::Offset<fb::TaskRow> pack_row(flatbuffers::FlatBufferBuilder& builder, const Task& row);
flatbuffers::Offset<fb::JobRow> pack_row(flatbuffers::FlatBufferBuilder& builder, const Job& row);
flatbuffers::Offset<fb::LeaseRow> pack_row(flatbuffers::FlatBufferBuilder& builder, const Lease& row);
flatbuffers::Offset<fb::BootRow> pack_row(flatbuffers::FlatBufferBuilder& builder, const Boot& row);
flatbuffers::Offset<fb::SettingRow> pack_row(flatbuffers::FlatBufferBuilder& builder, const SettingRow& row);
flatbuffers::Offset<fb::PipelineRow> pack_row(flatbuffers::FlatBufferBuilder& builder, const PipelineRow& row);
flatbuffers::Offset<fb::RepoRow> pack_row(flatbuffers::FlatBufferBuilder& builder, const RepoRow& row);
flatbuffers::Offset<fb::IdsRow> pack_row(flatbuffers::FlatBufferBuilder& builder, const Ids& row);

/// Require: the buffer was verified, and its enums are known. What an older version did not write is as in a new row.
/// Hashes are left at 0.
Task unpack_row(const fb::TaskRow& table);
Job unpack_row(const fb::JobRow& table);
Lease unpack_row(const fb::LeaseRow& table);
Boot unpack_row(const fb::BootRow& table);
SettingRow unpack_row(const fb::SettingRow& table);
PipelineRow unpack_row(const fb::PipelineRow& table);
RepoRow unpack_row(const fb::RepoRow& table);
Ids unpack_row(const fb::IdsRow& table);

/// The verifier lets any number through where an enum stands.
bool enums_are_known(const fb::Archived& archived);
/// `unsupported` if a newer version wrote one that is not known here.
Result<void> check_enums(const fb::Checkpoint& checkpoint);

}  // namespace pawl
