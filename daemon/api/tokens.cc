#include "daemon/api/tokens.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "schema/hex.h"
#include "schema/limits.h"
#include "store/os/guarded_file.h"

namespace pawl {
namespace {

/// Shorter than any token, so that messages never show one.
constexpr std::size_t word_bytes_shown_max = 12;

static_assert(std::tuple_size_v<TokenHash> == SHA256_DIGEST_LENGTH);

std::optional<TokenHash> hash_from(std::string_view text) {
  TokenHash hash{};
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

/// For a message about an unknown limit: only its name, since the word may be a token.
std::string unknown_name(std::string_view word) {
  const std::string_view name = word.substr(0, word.find('='));
  const bool is_shown = name.size() < word.size() && is_plain_name(name) && name.size() <= word_bytes_shown_max;
  return is_shown ? ", not " + std::string(name) + "=" : "";
}

Result<void> read_groups(std::string_view names, TokenEntry& entry) {
  if (!entry.groups.empty()) return Error{ErrorCode::malformed, "groups= is given twice"};
  for (std::size_t from = 0; from <= names.size();) {
    const std::size_t end = std::min(names.find(',', from), names.size());
    const std::string_view name = names.substr(from, end - from);
    if (!is_plain_name(name)) {
      return Error{ErrorCode::malformed,
                   "groups= takes names of letters, digits, '-', '_' and '.', separated by commas"};
    }
    if (entry.groups.size() == limits::names_per_limit_max) {
      return Error{ErrorCode::malformed,
                   "groups= takes at most " + std::to_string(limits::names_per_limit_max) + " names"};
    }
    entry.groups.emplace_back(name);
    from = end + 1;
  }
  return {};
}

/// Reads the words after the hash.
Result<void> read_further(std::string_view rest, TokenEntry& entry) {
  constexpr std::string_view until = "until=";
  constexpr std::string_view groups = "groups=";
  Scope scope;
  for (std::string_view word = next_word(rest); !word.empty(); word = next_word(rest)) {
    if (word.starts_with(until)) {
      if (entry.until) return Error{ErrorCode::malformed, "until= is given twice"};
      const auto time = parse_rfc3339(word.substr(until.size()));
      if (!time) return Error{ErrorCode::malformed, "until= takes a time such as 2027-01-01T00:00:00Z"};
      entry.until = *time;
    } else if (word.starts_with(groups)) {
      PAWL_TRY(read_groups(word.substr(groups.size()), entry));
    } else if (is_limit(word)) {
      PAWL_TRY(read_limit(word, scope));
    } else {
      return Error{ErrorCode::malformed,
                   "after the hash, only repos=, agents=, leases=, groups= or until= may follow" + unknown_name(word)};
    }
  }
  if (scope.is_narrow()) entry.scope = std::make_shared<const Scope>(std::move(scope));
  return {};
}

Result<TokenEntry> entry_from(std::string_view line, const std::string& where) {
  const auto wrong = [&](const std::string& what) { return Error{ErrorCode::malformed, where + ": " + what}; };
  const std::string_view name = next_word(line);
  const std::string_view role_word = next_word(line);
  const std::string_view hash_word = next_word(line);
  if (hash_word.empty()) return wrong("must be NAME ROLE HASH");
  if (!is_plain_name(name)) {
    return wrong("the name must be 1 to " + std::to_string(limits::actor_bytes_max) +
                 " letters, digits, '-', '_' and '.'");
  }
  const std::optional<Role> role = role_named(role_word);
  if (!role) return wrong("the role must be read, work or operate");
  const std::optional<TokenHash> hash = hash_from(hash_word);
  if (!hash) return wrong("the hash must be the SHA-256 of the token, 64 hex digits in lower case");
  TokenEntry entry{.name = std::string(name), .role = *role, .hash = *hash};
  if (const auto read = read_further(line, entry); !read) return wrong(read.error().message);
  return entry;
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

std::optional<Role> role_named(std::string_view text) {
  for (const Role role : {Role::read, Role::work, Role::operate}) {
    if (name(role) == text) return role;
  }
  return std::nullopt;
}

TokenHash hash_of_token(std::string_view token) {
  TokenHash hash;
  ::SHA256(reinterpret_cast<const unsigned char*>(token.data()), token.size(), hash.data());
  return hash;
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
      if (earlier.name == entry.name) return Error{ErrorCode::malformed, where + ": duplicate name"};
      if (earlier.hash == entry.hash) return Error{ErrorCode::malformed, where + ": duplicate token"};
    }
    if (tokens.size() == limits::tokens_max) {
      return Error{ErrorCode::malformed,
                   where + ": the maximum number of tokens is " + std::to_string(limits::tokens_max)};
    }
    entry.line = number;
    tokens.push_back(std::move(entry));
  }
  return tokens;
}

Result<Tokens> read_tokens(const std::string& path) {
  const std::string text = PAWL_TRY(read_guarded_file(path, Guard::unwritable, limits::tokens_file_bytes_max));
  Tokens tokens = PAWL_TRY(parse_tokens(text, path));
  // An empty file, half written or emptied by a deployment, would lock out every client over TCP.
  if (tokens.empty()) {
    return Error{ErrorCode::malformed, path + ": contains no tokens; it needs a line NAME ROLE HASH for each"};
  }
  return tokens;
}

const TokenEntry* find_token(const Tokens& tokens, std::string_view token) {
  if (token.empty() || token.size() > limits::token_bytes_max) return nullptr;
  const TokenHash hash = hash_of_token(token);
  const TokenEntry* found = nullptr;
  // Compares all entries in full, so the time taken reveals nothing about any hash.
  for (const TokenEntry& entry : tokens) {
    if (::CRYPTO_memcmp(entry.hash.data(), hash.data(), hash.size()) == 0) found = &entry;
  }
  return found;
}

std::string line_of(const TokenEntry& entry) {
  std::string line = entry.name + " " + std::string(name(entry.role)) + " " + hex(entry.hash);
  if (entry.scope) line += " " + text_of(*entry.scope);
  for (std::size_t i = 0; i < entry.groups.size(); ++i) line += (i == 0 ? " groups=" : ",") + entry.groups[i];
  if (entry.until) line += " until=" + rfc3339(*entry.until);
  return line;
}

bool has_ended(const TokenEntry& entry, TimeUs now) {
  return entry.until && entry.until->us <= now.us;
}

}  // namespace pawl
