#include "engine/rules/proposals.h"

namespace pawl {

std::unique_ptr<fb::OwnerT> owner_event(const Owner& owner) {
  auto event = std::make_unique<fb::OwnerT>();
  event->boot_id = owner.boot_id;
  event->pid = owner.pid;
  event->actor = owner.actor;
  return event;
}

fb::LeaseAcquiredT lease_wanted(const std::string& key, const Owner& owner, const std::string& edge,
                                std::optional<std::int64_t> ttl_s) {
  fb::LeaseAcquiredT event;
  event.key = key;
  event.owner = owner_event(owner);
  if (ttl_s) event.ttl = *ttl_s;
  event.edge = edge;
  return event;
}

}  // namespace pawl
