#include "daemon/outside/webhook_options.h"

#include <boost/program_options/value_semantic.hpp>

#include <string>
#include <utility>
#include <vector>

#include "schema/json/json_text.h"
#include "schema/limits.h"
#include "store/os/guarded_file.h"

namespace pawl {
namespace {

namespace po = boost::program_options;

constexpr const char* gitea_secret_file = "gitea-secret-file";
constexpr const char* plane_secret_file = "plane-secret-file";
constexpr const char* gitea_repo = "gitea-repo";
constexpr const char* plane_project = "plane-project";
constexpr const char* plane_start = "plane-start";
constexpr const char* plane_stop = "plane-stop";
constexpr const char* plane_branch_prefix = "plane-branch-prefix";
constexpr const char* plane_pipeline = "plane-pipeline";

using Texts = std::vector<std::string>;

Error malformed(const char* option, const std::string& what) {
  return {ErrorCode::malformed, std::string("--") + option + ": " + what};
}

Result<std::optional<std::string>> secret_of(const GivenOptions& given, const char* option) {
  const std::optional<std::string> path = given.text(option);
  if (!path) return std::optional<std::string>();
  Result<std::string> secret = read_secret(*path);
  if (!secret) return Error{secret.error().code, std::string("--") + option + ": " + secret.error().message};
  return std::optional<std::string>(*std::move(secret));
}

/// "LEFT=RIGHT", neither of them empty.
Result<std::pair<std::string, std::string>> read_pair(const char* option, const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0 || equals + 1 == text.size()) {
    return malformed(option, "'" + text + "' is not of the form NAME=REPO");
  }
  return std::pair(text.substr(0, equals), text.substr(equals + 1));
}

Result<void> check_length(const char* option, const std::string& text, std::size_t bytes_max) {
  if (text.size() > bytes_max) {
    return malformed(option, "'" + text + "' is longer than " + std::to_string(bytes_max) + " bytes");
  }
  if (!is_json_text(text)) return malformed(option, "is not UTF-8");
  return {};
}

/// A short text, empty if it was not given.
Result<std::string> text_of(const GivenOptions& given, const char* option) {
  std::string text = given.text(option).value_or("");
  PAWL_TRY(check_length(option, text, limits::name_bytes_max));
  return text;
}

}  // namespace

void add_webhook_options(po::options_description& options) {
  const auto text = [] { return po::value<std::string>(); };
  const auto texts = [] { return po::value<Texts>()->composing(); };
  options.add_options()                                                                //
      (gitea_secret_file, text()->value_name("FILE"),                                  //
       "the secret of Gitea's webhook; without it /webhooks/gitea is off")             //
      (gitea_repo, texts()->value_name("OWNER/NAME=REPO"),                             //
       "what a repository of Gitea is called here; more than once for more than one")  //
      (plane_secret_file, text()->value_name("FILE"),                                  //
       "the secret of Plane's webhook; without it /webhooks/plane is off")             //
      (plane_project, texts()->value_name("PROJECT=REPO[:PREFIX]"),                    //
       "where the work items of a Plane project, named by its id, are worked on, and what stands before their number; "
       "more than once for more than one")                                                       //
      (plane_start, texts()->value_name("STATE"),                                                //
       "a state, by group or name, that starts a work item; 'started' unless any is named")      //
      (plane_stop, texts()->value_name("STATE"),                                                 //
       "a state, by group or name, that stops a work item; 'cancelled' unless any is named")     //
      (plane_branch_prefix, text()->value_name("TEXT"),                                          //
       "what the branch of a work item from Plane begins with; its name in lower case follows")  //
      (plane_pipeline, text()->value_name("NAME"),                                               //
       "the pipeline of work items from Plane, if not the default one");
}

Result<WebhookConfig> webhook_config(const GivenOptions& given) {
  WebhookConfig config;
  config.gitea_secret = PAWL_TRY(secret_of(given, gitea_secret_file));
  config.plane_secret = PAWL_TRY(secret_of(given, plane_secret_file));
  for (const std::string& text : given.texts(gitea_repo)) {
    auto [full_name, repo] = PAWL_TRY(read_pair(gitea_repo, text));
    PAWL_TRY(check_length(gitea_repo, repo, limits::repo_bytes_max));
    // The weightiest source that names one wins, as for every other option.
    config.gitea_repos.emplace(full_name, repo);
  }
  for (const std::string& text : given.texts(plane_project)) {
    auto [project, place] = PAWL_TRY(read_pair(plane_project, text));
    const std::size_t colon = place.rfind(':');
    PlaneProject at{.repo = place.substr(0, colon),
                    .prefix = colon == std::string::npos ? std::string() : place.substr(colon + 1)};
    if (at.repo.empty() || colon + 1 == place.size()) {
      return malformed(plane_project, "'" + text + "' is not of the form PROJECT=REPO[:PREFIX]");
    }
    PAWL_TRY(check_length(plane_project, at.repo, limits::repo_bytes_max));
    PAWL_TRY(check_length(plane_project, at.prefix, limits::name_bytes_max));
    config.plane_projects.emplace(project, std::move(at));
  }
  if (Texts states = given.texts(plane_start); !states.empty()) config.plane_start_states = std::move(states);
  if (Texts states = given.texts(plane_stop); !states.empty()) config.plane_stop_states = std::move(states);
  config.plane_branch_prefix = PAWL_TRY(text_of(given, plane_branch_prefix));
  config.plane_pipeline = PAWL_TRY(text_of(given, plane_pipeline));
  return config;
}

}  // namespace pawl
