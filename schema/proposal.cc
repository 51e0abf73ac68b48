#include "schema/proposal.h"

namespace pawl {

Proposal finish_proposal(flatbuffers::FlatBufferBuilder& builder, const Requester& requester, fb::Event type,
                         flatbuffers::Offset<void> event) {
  const auto boot = builder.CreateString(requester.boot);
  const auto actor = builder.CreateString(requester.actor);
  const flatbuffers::Offset<flatbuffers::String> key = requester.key.empty() ? 0 : builder.CreateString(requester.key);
  const flatbuffers::Offset<flatbuffers::String> principal =
      requester.principal.empty() ? 0 : builder.CreateString(requester.principal);
  const fb::Stamp stamp{};
  fb::RecordBuilder record(builder);
  record.add_stamp(&stamp);
  record.add_boot(boot);
  record.add_actor(actor);
  if (!requester.key.empty()) record.add_key(key);
  if (requester.request) record.add_request(*requester.request);
  record.add_event_type(type);
  record.add_event(event);
  if (!requester.principal.empty()) record.add_principal(principal);
  fb::FinishRecordBuffer(builder, record.Finish());
  return Proposal(builder.Release());
}

Proposal propose(const Requester& requester, const fb::SettingChangedT& event) {
  using ListOfTexts = flatbuffers::Vector<flatbuffers::Offset<flatbuffers::String>>;
  flatbuffers::FlatBufferBuilder builder(512);
  builder.ForceDefaults(true);
  const auto key = builder.CreateString(event.key);
  const fb::SettingValueT& value = *event.value;
  const bool is_list = !value.flag && !value.number && value.text.empty();
  const flatbuffers::Offset<flatbuffers::String> text = value.text.empty() ? 0 : builder.CreateString(value.text);
  const flatbuffers::Offset<ListOfTexts> list = is_list ? builder.CreateVectorOfStrings(value.list) : 0;
  const auto packed_value = fb::CreateSettingValue(builder, value.flag, value.number, text, list);
  const auto packed = fb::CreateSettingChanged(builder, key, packed_value);
  return finish_proposal(builder, requester, fb::Event::SettingChanged, packed.Union());
}

}  // namespace pawl
