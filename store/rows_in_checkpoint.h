// Converts rows of the state to and from their tables in schema/checkpoint.fbs, field by field, following visit() in
// engine/state/rows.h: a new field needs no code here. An empty text or an empty optional is an absent field.
#pragma once

#include "checkpoint_generated.h"
#include "engine/state/digest.h"
#include "engine/state/state.h"

namespace pawl {

/// Requires: builder.ForceDefaults(true) was called before. The bytes are identical to those of flatc's generated
/// packing.
flatbuffers::Offset<fb::TaskRow> pack_row(flatbuffers::FlatBufferBuilder& builder, const Task& row);
flatbuffers::Offset<fb::JobRow> pack_row(flatbuffers::FlatBufferBuilder& builder, const Job& row);
flatbuffers::Offset<fb::LeaseRow> pack_row(flatbuffers::FlatBufferBuilder& builder, const Lease& row);
flatbuffers::Offset<fb::BootRow> pack_row(flatbuffers::FlatBufferBuilder& builder, const Boot& row);
flatbuffers::Offset<fb::SettingRow> pack_row(flatbuffers::FlatBufferBuilder& builder, const SettingRow& row);
flatbuffers::Offset<fb::PipelineRow> pack_row(flatbuffers::FlatBufferBuilder& builder, const PipelineRow& row);
flatbuffers::Offset<fb::RepoRow> pack_row(flatbuffers::FlatBufferBuilder& builder, const RepoRow& row);
flatbuffers::Offset<fb::HoldRow> pack_row(flatbuffers::FlatBufferBuilder& builder, const HoldRow& row);
flatbuffers::Offset<fb::FreezeRow> pack_row(flatbuffers::FlatBufferBuilder& builder, const FreezeRow& row);
flatbuffers::Offset<fb::IdsRow> pack_row(flatbuffers::FlatBufferBuilder& builder, const Ids& row);

/// Requires: the buffer was verified, and its enum values are known. Fields that an older version did not write have
/// the values of a new row. Hashes are left at 0.
Task unpack_row(const fb::TaskRow& table);
Job unpack_row(const fb::JobRow& table);
Lease unpack_row(const fb::LeaseRow& table);
Boot unpack_row(const fb::BootRow& table);
SettingRow unpack_row(const fb::SettingRow& table);
PipelineRow unpack_row(const fb::PipelineRow& table);
RepoRow unpack_row(const fb::RepoRow& table);
HoldRow unpack_row(const fb::HoldRow& table);
FreezeRow unpack_row(const fb::FreezeRow& table);
Ids unpack_row(const fb::IdsRow& table);

/// The verifier accepts any number as an enum value, so check them.
bool enums_are_known(const fb::Archived& archived);
/// `unsupported` if there is an unknown one, written by a newer version.
Result<void> check_enums(const fb::Checkpoint& checkpoint);

}  // namespace pawl
