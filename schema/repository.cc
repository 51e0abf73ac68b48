#include "schema/repository.h"

#include <algorithm>

#include "schema/names.h"

namespace pawl {
namespace {

Error malformed(std::string message) {
  return {ErrorCode::malformed, std::move(message)};
}

/// USER[:PASSWORD] of SCHEME://USER[:PASSWORD]@HOST…; empty if there is none.
std::string_view user_of(std::string_view url) {
  const std::size_t scheme = url.find("://");
  if (scheme == std::string_view::npos) return {};
  const std::size_t begin = scheme + 3;
  const std::string_view authority = url.substr(begin, url.find_first_of("/?#", begin) - begin);
  const std::size_t at = authority.rfind('@');
  return at == std::string_view::npos ? std::string_view() : authority.substr(0, at);
}

}  // namespace

Result<void> check_repo_name(std::string_view name) {
  if (name.empty()) return malformed("be empty");
  if (name.starts_with('-')) return malformed("begin with '-'");
  PAWL_TRY(check_seen(name));
  for (std::string_view rest = name; !rest.empty();) {
    const std::size_t slash = std::min(rest.find('/'), rest.size());
    const std::string_view part = rest.substr(0, slash);
    if (part.empty() || part == "." || part == ".." || slash + 1 == rest.size()) {
      return malformed("contain '.', '..' or nothing between two slashes");
    }
    rest.remove_prefix(std::min(rest.size(), slash + 1));
  }
  return {};
}

bool has_password(std::string_view url) {
  return user_of(url).find(':') != std::string_view::npos;
}

bool has_credentials(std::string_view url) {
  const bool is_http = url.starts_with("http://") || url.starts_with("https://");
  return has_password(url) || (is_http && !user_of(url).empty());
}

bool is_relative_path(std::string_view url) {
  if (url.empty() || url.starts_with('/')) return false;
  // git reads `a:b` as ssh does, but not `./a:b`.
  return url.substr(0, url.find('/')).find(':') == std::string_view::npos;
}

std::string from_folder(const std::string& url, const std::filesystem::path& folder) {
  if (!is_relative_path(url)) return url;
  std::string path = (folder / url).lexically_normal().string();
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  return path;
}

}  // namespace pawl
