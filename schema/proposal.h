// A proposal: an event as one finished FlatBuffer, not yet decided.
#pragma once

#include <flatbuffers/flatbuffers.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "record_generated.h"

namespace pawl {

/// The version of the rules that this program decides by.
constexpr std::uint32_t rules_version = 2;

/// Who makes a request.
struct Requester {
  std::string boot;
  std::string actor;                          // as the requester calls itself
  std::string key;                            // idempotency key, empty for none
  std::optional<std::uint64_t> request = {};  // hash of the request that carried the key
  /// The authenticated requester, whatever it calls itself: "token:NAME", "uid:N", "webhook:SOURCE", or "tcp" where no
  /// token is required. Empty: the daemon itself.
  std::string principal = {};
};

/// A record whose stamp is still zero or, once decided, the record as it is written to the log. Owns its bytes.
class Proposal {
 public:
  explicit Proposal(flatbuffers::DetachedBuffer bytes) : bytes_(std::move(bytes)) {}

  const fb::Record& record() const { return *fb::GetRecord(bytes_.data()); }
  const std::uint8_t* data() const { return bytes_.data(); }
  std::size_t size() const { return bytes_.size(); }

  /// The stamp, which the sequencer sets in place.
  fb::Stamp& stamp() { return *fb::GetMutableRecord(bytes_.data())->mutable_stamp(); }
  /// The record, for the fields that only the sequencer can resolve (which job a claim gets).
  fb::Record& mutable_record() { return *fb::GetMutableRecord(bytes_.data()); }

 private:
  flatbuffers::DetachedBuffer bytes_;
};

using Group = std::vector<Proposal>;

/// Finishes a record around an event already written to `builder`. Requires: builder.ForceDefaults(true) was called
/// before the event was written; see schema/event.fbs.
Proposal finish_proposal(flatbuffers::FlatBufferBuilder& builder, const Requester& requester, fb::Event type,
                         flatbuffers::Offset<void> event);

/// From the generated object form: `propose(requester, fb::LeaseReleasedT{...})`.
template <class EventT>
Proposal propose(const Requester& requester, const EventT& event) {
  using Table = typename EventT::TableType;
  flatbuffers::FlatBufferBuilder builder(512);
  builder.ForceDefaults(true);
  const auto offset = Table::Pack(builder, &event);
  return finish_proposal(builder, requester, fb::EventTraits<Table>::enum_value, offset.Union());
}

/// The generated packing omits an empty vector, so a setting's empty list would have no value at all. Here a value
/// without flag, number and text is always a list, empty or not.
Proposal propose(const Requester& requester, const fb::SettingChangedT& event);

/// Several at once, as a group.
template <class... Events>
Group propose_group(const Requester& requester, const Events&... events) {
  Group group;
  group.reserve(sizeof...(events));
  (group.push_back(propose(requester, events)), ...);
  return group;
}

}  // namespace pawl
