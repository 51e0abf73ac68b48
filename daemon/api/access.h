// Who may do what. A request with a token may do what the token's role allows; without a token file, every request that
// reaches the daemon may do everything (docs/SECURITY.md).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "daemon/api/tokens.h"
#include "daemon/http/http.h"
#include "schema/time.h"
#include "store/os/mutex.h"

namespace pawl {

/// What a request may do.
struct Permit {
  Role role = Role::none;
  std::string holder = {};  // the name of its token; empty: no token
  /// The authenticated requester, as in records: "token:NAME", "uid:N" over the unix socket, or "tcp".
  std::string principal = {};
  /// The limits of its token. The request keeps them, even if the file changes. Null: no limits.
  SharedScope scope = nullptr;
  std::vector<std::string> groups = {};  // of its token
};

/// The principal of a request without a token.
std::string principal_without_token(const HttpRequest& request);

/// Threads: any.
class Access {
 public:
  /// Without `tokens`, no request needs one. `now` is the time for the expiry of tokens; empty: the host's clock.
  explicit Access(std::optional<Tokens> tokens = std::nullopt, std::function<TimeUs()> now = {});

  /// Replaces the tokens for new requests. Requests in progress keep their permits.
  void replace(Tokens tokens);

  Permit permit_of(const HttpRequest& request) const;

 private:
  const std::function<TimeUs()> now_;
  mutable Mutex mutex_;
  std::shared_ptr<const Tokens> tokens_ PAWL_GUARDED_BY(mutex_);  // null: no token needed
};

}  // namespace pawl
