#include "schema/build_record.h"

namespace pawl {

Proposal finish_proposal(flatbuffers::FlatBufferBuilder& builder, const Asker& asker, fb::Event type,
                         flatbuffers::Offset<void> event) {
  const auto boot = builder.CreateString(asker.boot);
  const auto actor = builder.CreateString(asker.actor);
  const flatbuffers::Offset<flatbuffers::String> key = asker.key.empty() ? 0 : builder.CreateString(asker.key);
  const fb::Stamp stamp{};
  fb::RecordBuilder record(builder);
  record.add_stamp(&stamp);
  record.add_boot(boot);
  record.add_actor(actor);
  if (!asker.key.empty()) record.add_key(key);
  if (asker.request) record.add_request(*asker.request);
  record.add_event_type(type);
  record.add_event(event);
  fb::FinishRecordBuffer(builder, record.Finish());
  return Proposal(builder.Release());
}

}  // namespace pawl
