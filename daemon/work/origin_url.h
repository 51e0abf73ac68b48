// What an origin is called, what of that is secret, and what its answers mean.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/work/system.h"

namespace pawl {

/// An origin's URL, apart from the credentials in it. Every user of a machine sees command lines, and git itself hands
/// the URL to its helpers on theirs: so git is given `plain`, and the rest by files that only pawld's user can read.
struct OriginUrl {
  std::string plain;
  std::optional<std::string> username;  // decoded; only of http and https: to ssh it is no secret, and needed
  std::optional<std::string> password;  // decoded
  /// What must not be in any message, the longest first.
  std::vector<std::string> secrets;
};

OriginUrl parse_origin(const std::string& url);

/// The text with every secret replaced by "***".
std::string masked(std::string text, const std::vector<std::string>& secrets);

/// What git's words about a failure at origin mean: `refused` where another try alone changes nothing, since somebody
/// has to give a right or correct a name; else `unreachable`. Requires: said under LC_ALL=C.
FetchEnd trouble_of(std::string_view words);

/// Whether git's words about a failure name this machine's copy as what is damaged, and not what origin sent.
bool is_damage(std::string_view words);

}  // namespace pawl
