// The file of tokens: who holds one, what it opens, and until when (docs/SECURITY.md). For pawld, which asks it, and
// for `pawl tokens`, which writes it.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/api/scope.h"
#include "schema/result.h"
#include "schema/time.h"

namespace pawl {

/// Each includes those before it.
enum class Role {
  none,     // any client that can reach the port
  read,     // sees everything
  work,     // what workers and holders of leases do
  operate,  // everything
};
std::string_view name(Role role);
/// Empty if the word is not a role that a token can have.
std::optional<Role> role_named(std::string_view text);

using TokenHash = std::array<unsigned char, 32>;
/// SHA-256.
TokenHash hash_of_token(std::string_view token);

/// One line of the file: the token itself is known to its holder alone.
struct TokenEntry {
  std::string name;
  Role role = Role::none;
  TokenHash hash{};
  SharedScope scope = nullptr;                 // null: of everything
  std::optional<TimeUs> until = std::nullopt;  // from then on it is as one that is not known; none: no end
  std::size_t line = 0;                        // of the file, from 1
};

using Tokens = std::vector<TokenEntry>;

/// Lines of `NAME ROLE HASH [repos=…] [agents=…] [leases=…] [until=…]`; empty ones and those that begin with '#' are
/// passed over. `malformed` names file and line, and shows nothing of it: by mistake it may be the token itself that
/// stands there.
Result<Tokens> parse_tokens(std::string_view text, const std::string& path);
/// Likewise; refuses a file that others may write.
Result<Tokens> read_tokens(const std::string& path);

/// A line of the file, without its end.
std::string line_of(const TokenEntry& entry);

/// The entry of a token, or null; whether it has ended is for the caller to ask. Takes the same time for each token of
/// a length, whichever entry is near it.
const TokenEntry* find_token(const Tokens& tokens, std::string_view token);
bool has_ended(const TokenEntry& entry, TimeUs now);

}  // namespace pawl
