// Who may do what. Whoever has a token may do what the token's role allows; without a file of tokens, whoever reaches
// the daemon may do everything (docs/SECURITY.md).
#pragma once

#include <array>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/http/http.h"
#include "schema/result.h"

namespace pawl {

/// Each includes those before it.
enum class Role {
  none,     // whoever reaches the port
  read,     // sees everything
  work,     // what workers and holders of leases do
  operate,  // everything
};
std::string_view name(Role role);

/// One line of the file: the token itself is known to its holder alone.
struct TokenEntry {
  std::string name;
  Role role = Role::none;
  std::array<unsigned char, 32> hash{};  // SHA-256 of the token
};

using Tokens = std::vector<TokenEntry>;

/// Lines of `NAME ROLE HASH`; empty ones and those that begin with '#' are passed over. `malformed` names file and
/// line, and shows nothing of it: by mistake it may be the token itself that stands there.
Result<Tokens> parse_tokens(std::string_view text, const std::string& path);
/// Likewise; refuses a file that others may write.
Result<Tokens> read_tokens(const std::string& path);

/// The entry of a token, or null. Takes the same time for each token of a length, whichever entry is near it.
const TokenEntry* find_token(const Tokens& tokens, std::string_view token);

/// What a request may do.
struct Permit {
  Role role = Role::none;
  std::string holder = {};  // the name of its token; empty: it came without
  /// Who is known to ask, as records bear it: "token:NAME", "uid:N" over the unix socket, or "tcp".
  std::string principal = {};
};

/// Of a request without a token.
std::string principal_without_token(const HttpRequest& request);

/// Threads: any.
class Access {
 public:
  /// None: nobody is asked for a token.
  explicit Access(std::optional<Tokens> tokens = std::nullopt);

  /// From now on these hold. Requests in hand are answered as they were let in.
  void replace(Tokens tokens);

  Permit permit_of(const HttpRequest& request) const;

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const Tokens> tokens_;  // null: nobody is asked
};

}  // namespace pawl
