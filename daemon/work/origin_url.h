// An origin's URL, the secrets in it, and the meaning of its answers.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/work/system.h"

namespace pawl {

/// An origin's URL, split from its credentials. Every user of a machine can see command lines, and git itself passes
/// the URL to its helpers on theirs. So git gets `plain` there, and the rest in files that only pawld's user can read.
struct OriginUrl {
  std::string plain;
  std::optional<std::string> username;  // decoded; only for http and https: for ssh it is needed, and not a secret
  std::optional<std::string> password;  // decoded
  /// Texts that must not appear in any message, longest first.
  std::vector<std::string> secrets;
};

OriginUrl parse_origin(const std::string& url);

/// The text with every secret replaced by "***".
std::string masked(std::string text, const std::vector<std::string>& secrets);

/// The meaning of git's message about a failure at origin: `refused` if a retry cannot help, because a person has to
/// grant access or correct a name; else `unreachable`. Requires: git ran with LC_ALL=C.
FetchEnd trouble_of(std::string_view words);

/// Whether git's message about a failure says that this machine's copy is damaged, rather than what origin sent.
bool is_damage(std::string_view words);

}  // namespace pawl
