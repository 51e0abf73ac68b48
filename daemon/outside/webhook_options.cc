#include "daemon/outside/webhook_options.h"

#include <boost/program_options/value_semantic.hpp>

#include <charconv>
#include <string>
#include <utility>
#include <vector>

#include "daemon/outside/webhook_reading.h"
#include "schema/json/json_text.h"
#include "schema/limits.h"
#include "store/os/guarded_file.h"

namespace pawl {
namespace {

namespace po = boost::program_options;

constexpr const char* gitea_secret_file = "gitea-secret-file";
constexpr const char* plane_secret_file = "plane-secret-file";
constexpr const char* generic_secret_file = "generic-secret-file";
constexpr const char* gitea_repo = "gitea-repo";
constexpr const char* plane_project = "plane-project";
constexpr const char* plane_start = "plane-start";
constexpr const char* plane_stop = "plane-stop";
constexpr const char* plane_branch_prefix = "plane-branch-prefix";
constexpr const char* plane_pipeline = "plane-pipeline";
constexpr const char* start_label = "start-label";
constexpr const char* stop_label = "stop-label";
constexpr const char* issue_branch_prefix = "issue-branch-prefix";
constexpr const char* issue_pipeline = "issue-pipeline";
constexpr const char* body_bytes = "webhook-body-bytes";

/// The options of a forge whose labels and comments start and stop tasks.
struct ForgeOptions {
  const char* secret_file;
  const char* repo;
  const char* member;
};
constexpr ForgeOptions github = {"github-secret-file", "github-repo", "github-member"};
constexpr ForgeOptions gitlab = {"gitlab-secret-file", "gitlab-repo", "gitlab-member"};

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

/// "LEFT=RIGHT", neither side empty.
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

/// "NAME=REPO[:PREFIX]"
Result<std::pair<std::string, WorkPlace>> read_place(const char* option, const std::string& text) {
  auto [name, place] = PAWL_TRY(read_pair(option, text));
  const std::size_t colon = place.rfind(':');
  WorkPlace at{.repo = place.substr(0, colon),
               .prefix = colon == std::string::npos ? std::string() : place.substr(colon + 1)};
  if (at.repo.empty() || colon + 1 == place.size()) {
    return malformed(option, "'" + text + "' is not of the form NAME=REPO[:PREFIX]");
  }
  PAWL_TRY(check_length(option, at.repo, limits::repo_bytes_max));
  PAWL_TRY(check_length(option, at.prefix, limits::name_bytes_max));
  return std::pair(name, std::move(at));
}

Result<ForgeConfig> forge_of(const GivenOptions& given, const ForgeOptions& names) {
  ForgeConfig forge;
  forge.secret = PAWL_TRY(secret_of(given, names.secret_file));
  // The source with the highest precedence wins, as for every other option.
  for (const std::string& text : given.texts(names.repo)) forge.repos.insert(PAWL_TRY(read_place(names.repo, text)));
  forge.members = given.texts(names.member);
  return forge;
}

Result<std::size_t> body_bytes_of(const GivenOptions& given) {
  const std::optional<std::string> text = given.text(body_bytes);
  if (!text) return limits::delivery_bytes_max;
  std::size_t number = 0;
  const auto [stop, failure] = std::from_chars(text->data(), text->data() + text->size(), number);
  const bool is_whole = failure == std::errc() && stop == text->data() + text->size();
  if (is_whole && number >= limits::header_bytes_max && number <= limits::delivery_bytes_most) return number;
  return malformed(body_bytes, "'" + *text + "' is not a whole number of bytes from " +
                                   std::to_string(limits::header_bytes_max) + " to " +
                                   std::to_string(limits::delivery_bytes_most));
}

/// A short text; empty if the option was not given.
Result<std::string> text_of(const GivenOptions& given, const char* option) {
  std::string text = given.text(option).value_or("");
  PAWL_TRY(check_length(option, text, limits::name_bytes_max));
  return text;
}

}  // namespace

void add_webhook_options(po::options_description& options) {
  const auto text = [](const char* value) { return po::value<std::string>()->value_name(value); };
  const auto texts = [](const char* value) { return po::value<Texts>()->composing()->value_name(value); };
  options.add_options()                                                     //
      (gitea_secret_file, text("FILE"),                                     //
       "the secret of Gitea's webhook; without it /webhooks/gitea is off")  //
      (gitea_repo, texts("OWNER/NAME=REPO"),                                //
       "the name here of a Gitea repository; may be repeated")              //
      (plane_secret_file, text("FILE"),                                     //
       "the secret of Plane's webhook; without it /webhooks/plane is off")  //
      (plane_project, texts("PROJECT=REPO[:PREFIX]"),                       //
       "the repository for the work items of a Plane project, named by its id, and the prefix of their numbers; may be "
       "repeated")                                                                               //
      (plane_start, texts("STATE"),                                                              //
       "a state, by group or name, that starts a work item; may be repeated ('started')")        //
      (plane_stop, texts("STATE"),                                                               //
       "a state, by group or name, that stops a work item; may be repeated ('cancelled')")       //
      (plane_branch_prefix, text("TEXT"),                                                        //
       "prefix of the branch of a work item from Plane; the item's name in lower case follows")  //
      (plane_pipeline, text("NAME"),                                                             //
       "the pipeline of work items from Plane; default: the default pipeline")                   //
      (github.secret_file, text("FILE"),                                                         //
       "the secret of GitHub's webhook; without it /webhooks/github is off")                     //
      (github.repo, texts("OWNER/NAME=REPO[:PREFIX]"),                                           //
       "the name here of a GitHub repository whose labels and comments start and stop tasks, and the prefix of its "
       "issues' numbers; may be repeated")                                                              //
      (github.member, texts("LOGIN"),                                                                   //
       "a GitHub user whose labels and comments count; may be repeated")                                //
      (gitlab.secret_file, text("FILE"),                                                                //
       "the secret token or signing token of GitLab's webhook; without it /webhooks/gitlab is off")     //
      (gitlab.repo, texts("GROUP/NAME=REPO[:PREFIX]"),                                                  //
       "the same for a GitLab project; may be repeated")                                                //
      (gitlab.member, texts("USERNAME"),                                                                //
       "a GitLab user whose labels and comments count; may be repeated")                                //
      (start_label, text("LABEL"),                                                                      //
       "the label that starts an issue, or the work on a pull or merge request's branch (pawl:start)")  //
      (stop_label, text("LABEL"),                                                                       //
       "the label that stops it (pawl:stop)")                                                           //
      (issue_branch_prefix, text("TEXT"),                                                               //
       "prefix of the branch of an issue; the issue's name in lower case follows")                      //
      (issue_pipeline, text("NAME"),                                                                    //
       "the pipeline of tasks that a label or comment starts; default: the default pipeline")           //
      (generic_secret_file, text("FILE"),                                                               //
       "the secret that your own programs sign with; without it /webhooks/generic is off")              //
      (body_bytes, text("N"),                                                                           //
       "maximum size of a webhook's body in bytes (4194304)");
}

Result<WebhookConfig> webhook_config(const GivenOptions& given) {
  WebhookConfig config;
  config.gitea_secret = PAWL_TRY(secret_of(given, gitea_secret_file));
  config.plane_secret = PAWL_TRY(secret_of(given, plane_secret_file));
  config.generic_secret = PAWL_TRY(secret_of(given, generic_secret_file));
  config.github = PAWL_TRY(forge_of(given, github));
  config.gitlab = PAWL_TRY(forge_of(given, gitlab));
  if (const auto& secret = config.gitlab.secret;
      secret && is_signing_token(*secret) && !standard_signature(*secret, "", "", "")) {
    return malformed(gitlab.secret_file, "begins like a signing token, but is not followed by base64");
  }
  for (const std::string& text : given.texts(gitea_repo)) {
    auto [full_name, repo] = PAWL_TRY(read_pair(gitea_repo, text));
    PAWL_TRY(check_length(gitea_repo, repo, limits::repo_bytes_max));
    // The source with the highest precedence wins, as for every other option.
    config.gitea_repos.emplace(full_name, repo);
  }
  for (const std::string& text : given.texts(plane_project)) {
    config.plane_projects.insert(PAWL_TRY(read_place(plane_project, text)));
  }
  if (Texts states = given.texts(plane_start); !states.empty()) config.plane_start_states = std::move(states);
  if (Texts states = given.texts(plane_stop); !states.empty()) config.plane_stop_states = std::move(states);
  config.plane_branch_prefix = PAWL_TRY(text_of(given, plane_branch_prefix));
  config.plane_pipeline = PAWL_TRY(text_of(given, plane_pipeline));
  config.issue_branch_prefix = PAWL_TRY(text_of(given, issue_branch_prefix));
  config.issue_pipeline = PAWL_TRY(text_of(given, issue_pipeline));
  for (const auto& [option, label] :
       {std::pair{start_label, &config.start_label}, std::pair{stop_label, &config.stop_label}}) {
    if (const std::string given_label = PAWL_TRY(text_of(given, option)); !given_label.empty()) *label = given_label;
  }
  if (verb_of_label(config.start_label, config) != ForgeOrder::Verb::start) {
    return malformed(start_label, "is also the stop label");
  }
  config.body_bytes_max = PAWL_TRY(body_bytes_of(given));
  return config;
}

}  // namespace pawl
