#include "daemon/api/access.h"

#include <chrono>
#include <utility>

namespace pawl {
namespace {

TimeUs host_now() {
  const auto since = std::chrono::system_clock::now().time_since_epoch();
  return TimeUs{std::chrono::duration_cast<std::chrono::microseconds>(since).count()};
}

/// "Bearer TOKEN" → "TOKEN"; empty for anything else.
std::string_view bearer_of(std::string_view authorization) {
  constexpr std::string_view scheme = "bearer ";
  if (authorization.size() <= scheme.size()) return {};
  for (std::size_t i = 0; i < scheme.size(); ++i) {
    const char c = authorization[i];
    if ((c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c) != scheme[i]) return {};
  }
  return authorization.substr(scheme.size());
}

}  // namespace

std::string principal_without_token(const HttpRequest& request) {
  if (request.transport == Transport::tcp) return "tcp";
  return request.peer_uid ? "uid:" + std::to_string(*request.peer_uid) : "uid";
}

Access::Access(std::optional<Tokens> tokens, std::function<TimeUs()> now) : now_(now ? std::move(now) : host_now) {
  if (tokens) tokens_ = std::make_shared<const Tokens>(*std::move(tokens));
}

void Access::replace(Tokens tokens) {
  auto fresh = std::make_shared<const Tokens>(std::move(tokens));
  const MutexLock lock(mutex_);
  tokens_.swap(fresh);
}

Permit Access::permit_of(const HttpRequest& request) const {
  std::shared_ptr<const Tokens> tokens;
  {
    const MutexLock lock(mutex_);
    tokens = tokens_;
  }
  // File permissions decide who may open the socket.
  const bool needs_token = tokens && request.transport == Transport::tcp;
  if (!tokens || (!needs_token && request.authorization.empty())) {
    return {.role = Role::operate, .principal = principal_without_token(request)};
  }
  const TokenEntry* entry = find_token(*tokens, bearer_of(request.authorization));
  if (!entry || has_ended(*entry, now_())) return {};
  return {.role = entry->role,
          .holder = entry->name,
          .principal = "token:" + entry->name,
          .scope = entry->scope,
          .groups = entry->groups};
}

}  // namespace pawl
