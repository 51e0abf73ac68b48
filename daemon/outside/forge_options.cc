#include "daemon/outside/forge_options.h"

#include <boost/program_options/value_semantic.hpp>

#include <algorithm>
#include <map>
#include <optional>
#include <string_view>
#include <utility>

#include "daemon/outside/curl_parts.h"
#include "schema/json/json_text.h"
#include "schema/limits.h"
#include "schema/printable.h"
#include "schema/repository.h"
#include "store/os/guarded_file.h"

namespace pawl {
namespace {

constexpr const char* forge_option = "forge";
constexpr const char* token_file = "forge-token-file";
constexpr const char* forge_url = "forge-url";
constexpr const char* forge_comment = "forge-comment";
constexpr const char* page_url = "page-url";

Error wrong_forge(const char* option, const std::string& what) {
  return {ErrorCode::malformed, std::string("--") + option + ": " + what};
}

/// A name is printed in messages, and is a part of a URL.
bool is_project(std::string_view text) {
  const auto is_plain = [](char byte) {
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
           std::string_view("-_./").find(byte) != std::string_view::npos;
  };
  return text.find('/') != std::string_view::npos && !text.starts_with('/') && !text.ends_with('/') &&
         text.find("//") == std::string_view::npos && text.find("..") == std::string_view::npos &&
         std::all_of(text.begin(), text.end(), is_plain);
}

/// Splits "NAME=REST". The name of a repository may hold any of the characters after it.
Result<std::pair<std::string, std::string>> named(const char* option, const std::string& text, const char* form) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0 || equals + 1 == text.size()) {
    return wrong_forge(option, std::string("is not of the form ") + form);
  }
  if (const auto checked = check_repo_name(text.substr(0, equals)); !checked || !is_json_text(text)) {
    return wrong_forge(option, "begins with a name that no repository can have");
  }
  return std::pair(text.substr(0, equals), text.substr(equals + 1));
}

std::string without_end_slash(std::string url) {
  while (url.ends_with('/')) url.pop_back();
  return url;
}

/// Checks a URL that people or tokens are sent to, and returns it without a slash at its end.
Result<std::string> checked_url(const char* option, const std::string& text, bool bears_a_token) {
  const CurlUrl parsed(curl_url());
  if (!parsed || curl_url_set(parsed.get(), CURLUPART_URL, text.c_str(), 0) != CURLUE_OK) {
    return wrong_forge(option, "not a URL");
  }
  const std::string scheme = part_of(parsed.get(), CURLUPART_SCHEME).value_or("");
  const std::string host = part_of(parsed.get(), CURLUPART_HOST).value_or("");
  if (scheme != "http" && scheme != "https") return wrong_forge(option, "must begin with http:// or https://");
  if (part_of(parsed.get(), CURLUPART_USER) || part_of(parsed.get(), CURLUPART_PASSWORD)) {
    return wrong_forge(option, "contains a user name or a password: use --forge-token-file");
  }
  for (const CURLUPart part : {CURLUPART_QUERY, CURLUPART_FRAGMENT}) {
    if (part_of(parsed.get(), part)) return wrong_forge(option, "must end with a path");
  }
  const bool is_here = host == "localhost" || host == "[::1]" || host.starts_with("127.");
  if (bears_a_token && scheme == "http" && !is_here) {
    return wrong_forge(option, "the token would go to " + host + " in the clear: use https://");
  }
  return without_end_slash(text);
}

std::string usual_api(ForgeKind kind) {
  switch (kind) {
    case ForgeKind::github:
      return "https://api.github.com";
    case ForgeKind::gitlab:
      return "https://gitlab.com/api/v4";
    case ForgeKind::gitea:
      return {};
  }
  return {};
}

/// "KIND:OWNER/NAME[:PREFIX]"
Result<ForgeTarget> target_of(const std::string& repo, const std::string& text) {
  const Error wrong = wrong_forge(forge_option, "the place of " + in_quotes(repo) +
                                                    " is not KIND:OWNER/NAME or KIND:OWNER/NAME:PREFIX, where KIND is "
                                                    "github, gitlab or gitea (also for Forgejo)");
  ForgeTarget target;
  target.repo = repo;
  const std::size_t colon = text.find(':');
  const auto kind = std::find_if(std::begin(forge_kinds), std::end(forge_kinds),
                                 [&](ForgeKind each) { return text.substr(0, colon) == name(each); });
  if (colon == std::string::npos || kind == std::end(forge_kinds)) return wrong;
  target.kind = *kind;
  target.project = text.substr(colon + 1);
  if (const std::size_t second = target.project.find(':'); second != std::string::npos) {
    target.prefix = target.project.substr(second + 1);
    target.project.resize(second);
    if (target.prefix.empty() || target.prefix.size() > limits::name_bytes_max) return wrong;
  }
  const bool is_deep = std::count(target.project.begin(), target.project.end(), '/') > 1;
  if (!is_project(target.project) || (is_deep && target.kind != ForgeKind::gitlab)) return wrong;
  target.api = usual_api(target.kind);
  return target;
}

Result<std::set<ForgeComment>> comments_of(const std::string& text) {
  const std::map<std::string, ForgeComment> known = {
      {"blocked", ForgeComment::blocked}, {"done", ForgeComment::done}, {"cancelled", ForgeComment::cancelled}};
  std::set<ForgeComment> comments;
  for (std::size_t from = 0; from <= text.size();) {
    const std::size_t end = std::min(text.find(',', from), text.size());
    const auto found = known.find(text.substr(from, end - from));
    if (found == known.end()) return wrong_forge(forge_comment, "expects a list of blocked, done and cancelled");
    comments.insert(found->second);
    from = end + 1;
  }
  return comments;
}

}  // namespace

std::string_view name(ForgeKind kind) {
  switch (kind) {
    case ForgeKind::github:
      return "github";
    case ForgeKind::gitlab:
      return "gitlab";
    case ForgeKind::gitea:
      return "gitea";
  }
  return "";
}

void add_forge_options(boost::program_options::options_description& options) {
  namespace po = boost::program_options;
  const auto texts = [](const char* value) {
    return po::value<std::vector<std::string>>()->composing()->value_name(value);
  };
  options.add_options()                                       //
      (forge_option, texts("REPO=KIND:OWNER/NAME[:PREFIX]"),  //
       "tell a forge (github, gitlab, gitea) how the tasks of a repository fare, as statuses of their commits; PREFIX "
       "is that of its issues' numbers; may be repeated")                                      //
      (token_file, texts("REPO=FILE"),                                                         //
       "the token to do so; may be repeated")                                                  //
      (forge_url, texts("REPO=URL"),                                                           //
       "where the forge's API is, such as https://gitea.example.org/api/v1; may be repeated")  //
      (forge_comment, texts("REPO=blocked,done,cancelled"),                                    //
       "also comment on the task's issue when that happens; may be repeated")                  //
      (page_url, po::value<std::string>()->value_name("URL"),                                  //
       "where people reach the web page: forges link to it");
}

Result<ForgeTargets> forge_targets(const GivenOptions& given) {
  ForgeTargets targets;
  std::map<std::string, ForgeTarget> by_repo;
  for (const std::string& text : given.texts(forge_option)) {
    auto [repo, place] = PAWL_TRY(named(forge_option, text, "REPO=KIND:OWNER/NAME"));
    // The source with the highest precedence wins, as for every other option.
    by_repo.emplace(repo, PAWL_TRY(target_of(repo, place)));
  }
  // Each other option about a repository needs the first one.
  const auto each = [&](const char* option, const char* form, const auto& take) -> Result<void> {
    std::set<std::string> taken;
    for (const std::string& text : given.texts(option)) {
      const auto [repo, value] = PAWL_TRY(named(option, text, form));
      const auto target = by_repo.find(repo);
      if (target == by_repo.end()) return wrong_forge(option, "there is no --forge " + repo + "=…");
      if (taken.insert(repo).second) PAWL_TRY(take(target->second, value));
    }
    return {};
  };
  PAWL_TRY(each(token_file, "REPO=FILE", [](ForgeTarget& target, const std::string& file) -> Result<void> {
    Result<std::string> token = read_secret(file);
    if (!token) return Error{token.error().code, std::string("--") + token_file + ": " + token.error().message};
    // It becomes a part of a header.
    const auto is_visible = [](char byte) { return byte > ' ' && byte < 127; };
    if (!std::all_of(token->begin(), token->end(), is_visible)) {
      return wrong_forge(token_file, file + ": a token has no blanks, line ends or other such characters");
    }
    target.token = *std::move(token);
    return {};
  }));
  PAWL_TRY(each(forge_url, "REPO=URL", [](ForgeTarget& target, const std::string& url) -> Result<void> {
    target.api = PAWL_TRY(checked_url(forge_url, url, true));
    return {};
  }));
  PAWL_TRY(each(forge_comment, "REPO=blocked,done,cancelled",
                [](ForgeTarget& target, const std::string& text) -> Result<void> {
                  target.comments = PAWL_TRY(comments_of(text));
                  return {};
                }));
  for (auto& [repo, target] : by_repo) {
    if (target.token.empty()) return wrong_forge(forge_option, repo + " needs --forge-token-file " + repo + "=FILE");
    if (target.api.empty()) return wrong_forge(forge_option, repo + " needs --forge-url " + repo + "=URL");
    targets.all.push_back(std::move(target));
  }
  if (const auto page = given.text(page_url)) targets.page = PAWL_TRY(checked_url(page_url, *page, false));
  return targets;
}

}  // namespace pawl
