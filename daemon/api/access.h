// Who may do what. Whoever has a token may do what the token's role allows; without a file of tokens, whoever reaches
// the daemon may do everything (docs/SECURITY.md).
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
  std::string holder = {};  // the name of its token; empty: it came without
  /// Who is known to ask, as records bear it: "token:NAME", "uid:N" over the unix socket, or "tcp".
  std::string principal = {};
  /// What its token is limited to. The request keeps it, whatever becomes of the file. Null: nothing is kept from it.
  SharedScope scope = nullptr;
};

/// Of a request without a token.
std::string principal_without_token(const HttpRequest& request);

/// Threads: any.
class Access {
 public:
  /// Without `tokens` no request is asked for one. `now` says when tokens expire; empty: the host's clock.
  explicit Access(std::optional<Tokens> tokens = std::nullopt, std::function<TimeUs()> now = {});

  /// From now on these hold. Requests in hand are answered as they were let in.
  void replace(Tokens tokens);

  Permit permit_of(const HttpRequest& request) const;

 private:
  const std::function<TimeUs()> now_;
  mutable Mutex mutex_;
  std::shared_ptr<const Tokens> tokens_ PAWL_GUARDED_BY(mutex_);  // null: nobody is asked
};

}  // namespace pawl
