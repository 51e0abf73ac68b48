#include "daemon/api/access.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <algorithm>
#include <utility>

#include "schema/hex.h"
#include "schema/limits.h"
#include "store/os/guarded_file.h"

namespace pawl {
namespace {

using Hash = std::array<unsigned char, SHA256_DIGEST_LENGTH>;

std::optional<Role> role_named(std::string_view text) {
  for (const Role role : {Role::read, Role::work, Role::operate}) {
    if (name(role) == text) return role;
  }
  return std::nullopt;
}

std::optional<Hash> hash_from(std::string_view text) {
  Hash hash{};
  if (!read_hex(text, hash)) return std::nullopt;
  return hash;
}

bool is_plain_name(std::string_view text) {
  const auto is_plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.';
  };
  return !text.empty() && text.size() <= limits::actor_bytes_max && std::all_of(text.begin(), text.end(), is_plain);
}

std::string_view next_word(std::string_view& line) {
  constexpr std::string_view blank = " \t\r";
  line.remove_prefix(std::min(line.find_first_not_of(blank), line.size()));
  const std::string_view word = line.substr(0, line.find_first_of(blank));
  line.remove_prefix(word.size());
  return word;
}

Result<TokenEntry> entry_from(std::string_view line, const std::string& where) {
  const auto wrong = [&](const std::string& what) { return Error{ErrorCode::malformed, where + ": " + what}; };
  const std::string_view name = next_word(line);
  const std::string_view role_word = next_word(line);
  const std::string_view hash_word = next_word(line);
  if (hash_word.empty() || !next_word(line).empty()) return wrong("must be NAME ROLE HASH");
  if (!is_plain_name(name)) {
    return wrong("the name must be 1 to " + std::to_string(limits::actor_bytes_max) +
                 " letters, digits, '-', '_' and '.'");
  }
  const std::optional<Role> role = role_named(role_word);
  if (!role) return wrong("the role must be read, work or operate");
  const std::optional<Hash> hash = hash_from(hash_word);
  if (!hash) return wrong("the hash must be the SHA-256 of the token, 64 hex digits in lower case");
  return TokenEntry{.name = std::string(name), .role = *role, .hash = *hash};
}

/// "Bearer TOKEN" → "TOKEN"; empty if it is not that.
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

std::string_view name(Role role) {
  switch (role) {
    case Role::none:
      return "none";
    case Role::read:
      return "read";
    case Role::work:
      return "work";
    case Role::operate:
      return "operate";
  }
  return "none";
}

Result<Tokens> parse_tokens(std::string_view text, const std::string& path) {
  Tokens tokens;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    std::string_view rest = line;
    const std::string_view first = next_word(rest);
    if (first.empty() || first.starts_with('#')) continue;
    const std::string where = path + ":" + std::to_string(number);
    TokenEntry entry = PAWL_TRY(entry_from(line, where));
    for (const TokenEntry& earlier : tokens) {
      if (earlier.name == entry.name) return Error{ErrorCode::malformed, where + ": the name is there already"};
      if (earlier.hash == entry.hash) return Error{ErrorCode::malformed, where + ": the token is there already"};
    }
    if (tokens.size() == limits::tokens_max) {
      return Error{ErrorCode::malformed, where + ": there are more than " + std::to_string(limits::tokens_max)};
    }
    tokens.push_back(std::move(entry));
  }
  return tokens;
}

Result<Tokens> read_tokens(const std::string& path) {
  const std::string text = PAWL_TRY(read_guarded_file(path, Guard::unwritable, limits::tokens_file_bytes_max));
  Tokens tokens = PAWL_TRY(parse_tokens(text, path));
  // A file that is just being written, or that a deployment emptied, would lock out all who come over TCP.
  if (tokens.empty()) {
    return Error{ErrorCode::malformed, path + ": there is no token in it; it takes a line NAME ROLE HASH for each"};
  }
  return tokens;
}

const TokenEntry* find_token(const Tokens& tokens, std::string_view token) {
  if (token.empty() || token.size() > limits::token_bytes_max) return nullptr;
  Hash hash;
  ::SHA256(reinterpret_cast<const unsigned char*>(token.data()), token.size(), hash.data());
  const TokenEntry* found = nullptr;
  // All of them, each whole: how long this takes tells nothing about any hash.
  for (const TokenEntry& entry : tokens) {
    if (::CRYPTO_memcmp(entry.hash.data(), hash.data(), hash.size()) == 0) found = &entry;
  }
  return found;
}

std::string principal_without_token(const HttpRequest& request) {
  if (request.transport == Transport::tcp) return "tcp";
  return request.peer_uid ? "uid:" + std::to_string(*request.peer_uid) : "uid";
}

Access::Access(std::optional<Tokens> tokens) {
  if (tokens) tokens_ = std::make_shared<const Tokens>(*std::move(tokens));
}

void Access::replace(Tokens tokens) {
  auto fresh = std::make_shared<const Tokens>(std::move(tokens));
  const std::lock_guard lock(mutex_);
  tokens_.swap(fresh);
}

Permit Access::permit_of(const HttpRequest& request) const {
  std::shared_ptr<const Tokens> tokens;
  {
    const std::lock_guard lock(mutex_);
    tokens = tokens_;
  }
  // Who may open the socket is for the file system to say.
  const bool needs_token = tokens && request.transport == Transport::tcp;
  if (!tokens || (!needs_token && request.authorization.empty())) {
    return {.role = Role::operate, .principal = principal_without_token(request)};
  }
  const TokenEntry* entry = find_token(*tokens, bearer_of(request.authorization));
  if (!entry) return {};
  return {.role = entry->role, .holder = entry->name, .principal = "token:" + entry->name};
}

}  // namespace pawl
