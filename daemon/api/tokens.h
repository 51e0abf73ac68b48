// The token file: the holders, what each token permits, and until when (docs/SECURITY.md). For pawld, which reads it,
// and `pawl tokens`, which writes it.
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
  read,     // may read everything
  work,     // what workers and lease holders do
  operate,  // everything
};
std::string_view name(Role role);
/// Empty if the word is not a role that a token can have.
std::optional<Role> role_named(std::string_view text);

using TokenHash = std::array<unsigned char, 32>;
/// SHA-256.
TokenHash hash_of_token(std::string_view token);

/// One line of the file: only the holder knows the token itself.
struct TokenEntry {
  std::string name;
  Role role = Role::none;
  TokenHash hash{};
  SharedScope scope = nullptr;                 // null: no limits
  std::vector<std::string> groups = {};        // by which a gate may name it: "group:NAME"
  std::optional<TimeUs> until = std::nullopt;  // from then on it counts as unknown; none: does not expire
  std::size_t line = 0;                        // in the file, from 1
};

using Tokens = std::vector<TokenEntry>;

/// Lines of `NAME ROLE HASH [repos=…] [agents=…] [leases=…] [groups=…] [until=…]`; empty lines and those that begin
/// with '#' are skipped. `malformed` names file and line, but never shows the contents: they may contain a token by
/// mistake.
Result<Tokens> parse_tokens(std::string_view text, const std::string& path);
/// The same from a file; refuses one that others may write.
Result<Tokens> read_tokens(const std::string& path);

/// A line of the file, without its end.
std::string line_of(const TokenEntry& entry);

/// The entry of a token, or null; the caller checks whether it has expired. Takes the same time for all tokens of one
/// length, however close they are to an entry.
const TokenEntry* find_token(const Tokens& tokens, std::string_view token);
bool has_ended(const TokenEntry& entry, TimeUs now);

}  // namespace pawl
