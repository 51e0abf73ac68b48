#include "daemon/work/origin_url.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace pawl {
namespace {

/// Decodes percent-encoding. Invalid codes stay as they are.
std::string decoded(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size(); ++at) {
    unsigned code = 0;
    const char* digits = text.data() + at + 1;
    const bool is_coded =
        text[at] == '%' && at + 2 < text.size() && std::from_chars(digits, digits + 2, code, 16).ptr == digits + 2;
    out += is_coded ? static_cast<char>(code) : text[at];
    if (is_coded) at += 2;
  }
  return out;
}

bool has_any(std::string_view text, const auto& patterns) {
  return std::any_of(patterns.begin(), patterns.end(),
                     [&](std::string_view pattern) { return text.find(pattern) != std::string_view::npos; });
}

/// A shorter user name ("git", "oauth2") is a word rather than a token, and masking it would garble messages.
constexpr std::size_t token_bytes_min = 12;

}  // namespace

OriginUrl parse_origin(const std::string& url) {
  OriginUrl parsed{.plain = url, .username = {}, .password = {}, .secrets = {}};
  const std::size_t scheme = url.starts_with("https://") ? 8 : url.starts_with("http://") ? 7 : 0;
  if (scheme == 0) return parsed;
  const std::string_view authority = std::string_view(url).substr(scheme, url.find_first_of("/?#", scheme) - scheme);
  const std::size_t at = authority.rfind('@');
  if (at == std::string_view::npos) return parsed;
  const std::string_view user = authority.substr(0, at);
  parsed.plain = url.substr(0, scheme) + url.substr(scheme + at + 1);
  const std::size_t colon = user.find(':');
  const std::string_view name = user.substr(0, colon);
  parsed.username = decoded(name);
  if (colon != std::string_view::npos) parsed.password = decoded(user.substr(colon + 1));
  const auto add = [&](std::string_view secret) {
    for (std::string form : {std::string(secret), decoded(secret)}) {
      const bool is_new = std::find(parsed.secrets.begin(), parsed.secrets.end(), form) == parsed.secrets.end();
      if (!form.empty() && is_new) parsed.secrets.push_back(std::move(form));
    }
  };
  if (colon != std::string_view::npos) {
    add(user);
    add(user.substr(colon + 1));
  }
  if (!parsed.password || parsed.password->empty() || name.size() >= token_bytes_min) add(name);
  std::sort(parsed.secrets.begin(), parsed.secrets.end(),
            [](const std::string& a, const std::string& b) { return a.size() > b.size(); });
  return parsed;
}

std::string masked(std::string text, const std::vector<std::string>& secrets) {
  constexpr std::string_view mask = "***";
  for (const std::string& secret : secrets) {
    for (std::size_t at = text.find(secret); at != std::string::npos; at = text.find(secret, at + mask.size())) {
      text.replace(at, secret.size(), mask);
    }
  }
  return text;
}

FetchEnd trouble_of(std::string_view words) {
  // Everything not listed is temporary ("weather"): pawl retries it, and alerts after ten minutes at the latest. A
  // missing local path is temporary too: it may be a mount.
  constexpr std::array<std::string_view, 26> refusals{
      "Authentication failed",
      "could not read Username",
      "could not read Password",
      "Permission denied (",
      "Repository not found",
      "repository not found",
      "ERROR: Repository",
      "Host key verification failed",
      "access denied",
      "Access denied",
      "HTTP Basic: ",
      "returned error: 401",
      "returned error: 403",
      "returned error: 404",
      "returned error: 410",
      "' not found",  // "repository 'https://…' not found": 404
      "not found: did you run git update-server-info",
      "could not be found",
      "not exported",
      "dubious ownership",
      "transport '",  // "… not allowed"
      "Unable to find remote helper",
      "is not a git command",
      "SSL certificate problem",
      "server certificate verification failed",
      "no such repository",
  };
  return has_any(words, refusals) ? FetchEnd::refused : FetchEnd::unreachable;
}

bool is_damage(std::string_view words) {
  constexpr std::array<std::string_view, 22> signs{
      "bad object",
      "broken",
      "corrupt",
      "inflate",
      "unable to read",
      "Could not read ",  // "… <id>": a commit that a ref or a parent names
      "invalid sha1 pointer",
      "invalid object",
      "unable to resolve reference",
      "did not send all necessary objects",
      "bad config",
      "bad ref",
      "loose object",
      "not a valid object",
      "bad pack",
      "packfile ",
      "unexpected line in",
      "not a git repository:",
      "is not a valid packed",
      "missing blob",
      "missing tree",
      "failed to traverse",
  };
  for (std::size_t begin = 0; begin < words.size();) {
    const std::size_t end = std::min(words.find('\n', begin), words.size());
    const std::string_view line = words.substr(begin, end - begin);
    begin = end + 1;
    // The remote's own messages, and "Could not read from remote repository", are not about our copy.
    if (line.starts_with("remote: ") || line.find("Could not read from") != std::string_view::npos) continue;
    if (has_any(line, signs)) return true;
  }
  return false;
}

}  // namespace pawl
