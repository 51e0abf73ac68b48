#include "daemon/outside/webhook_options.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

namespace pawl {
namespace {

class WebhookOptions : public testing::Test {
 protected:
  WebhookOptions() {
    std::string name = (std::filesystem::temp_directory_path() / "pawl-webhooks-XXXXXX").string();
    folder_ = mkdtemp(name.data());
  }
  ~WebhookOptions() override { std::filesystem::remove_all(folder_); }

  std::string file(const std::string& content, mode_t mode = 0600) {
    std::string path = (folder_ / "secret").string();
    std::ofstream(path, std::ios::binary) << content;
    chmod(path.c_str(), mode);
    return path;
  }

  Result<WebhookConfig> read() const {
    return webhook_config({.text = [&](const char* name) -> std::optional<std::string> {
                             const auto found = given_.find(name);
                             if (found == given_.end()) return std::nullopt;
                             return found->second.front();
                           },
                           .texts =
                               [&](const char* name) {
                                 const auto found = given_.find(name);
                                 return found == given_.end() ? std::vector<std::string>() : found->second;
                               }});
  }

  std::string error() const {
    const auto config = read();
    EXPECT_FALSE(config.has_value());
    return config ? "" : config.error().message;
  }

  std::filesystem::path folder_;
  std::map<std::string, std::vector<std::string>> given_;
};

TEST_F(WebhookOptions, without_any_nothing_is_configured) {
  const auto config = read();
  ASSERT_TRUE(config.has_value());
  EXPECT_FALSE(config->gitea_secret.has_value());
  EXPECT_FALSE(config->plane_secret.has_value());
  EXPECT_EQ(config->plane_start_states, std::vector<std::string>{"started"});
  EXPECT_EQ(config->plane_stop_states, std::vector<std::string>{"cancelled"});
}

TEST_F(WebhookOptions, a_secret_ends_before_its_lines_end) {
  given_["gitea-secret-file"] = {file("two words\r\n")};
  const auto config = read();
  ASSERT_TRUE(config.has_value()) << config.error().message;
  EXPECT_EQ(config->gitea_secret, "two words");
}

TEST_F(WebhookOptions, a_secret_that_is_none_is_refused_and_never_shown) {
  given_["plane-secret-file"] = {(folder_ / "nowhere").string()};
  EXPECT_NE(error().find("--plane-secret-file"), std::string::npos);
  given_["plane-secret-file"] = {file("\n")};
  EXPECT_NE(error().find("is empty"), std::string::npos);
  given_["plane-secret-file"] = {file("s3cret", 0644)};
  EXPECT_NE(error().find("others may read"), std::string::npos);
  EXPECT_EQ(error().find("s3cret"), std::string::npos);
  given_["plane-secret-file"] = {file(std::string(5000, 's'))};
  EXPECT_NE(error().find("is longer than"), std::string::npos);
  given_["plane-secret-file"] = {folder_.string()};
  EXPECT_FALSE(read().has_value());
}

TEST_F(WebhookOptions, projects_and_repositories_are_mapped) {
  given_["gitea-repo"] = {"acme/shop=shop"};
  given_["plane-project"] = {"22b6fc9c=shop:SHOP", "TRACE=acme/trace"};
  given_["plane-start"] = {"Ready", "started"};
  given_["plane-branch-prefix"] = {"feature/"};
  const auto config = read();
  ASSERT_TRUE(config.has_value()) << config.error().message;
  EXPECT_EQ(config->gitea_repos.at("acme/shop"), "shop");
  EXPECT_EQ(config->plane_projects.at("22b6fc9c").repo, "shop");
  EXPECT_EQ(config->plane_projects.at("22b6fc9c").prefix, "SHOP");
  EXPECT_EQ(config->plane_projects.at("TRACE").repo, "acme/trace");
  EXPECT_EQ(config->plane_projects.at("TRACE").prefix, "");
  EXPECT_EQ(config->plane_start_states, (std::vector<std::string>{"Ready", "started"}));
  EXPECT_EQ(config->plane_branch_prefix, "feature/");
}

TEST_F(WebhookOptions, what_is_not_of_the_form_is_named) {
  for (const char* text : {"shop", "=shop", "shop=", "p=:X", "p=shop:"}) {
    given_ = {{"plane-project", {text}}};
    EXPECT_NE(error().find(text), std::string::npos) << text;
  }
  given_ = {{"gitea-repo", {"acme/shop=" + std::string(300, 'r')}}};
  EXPECT_NE(error().find("--gitea-repo"), std::string::npos);
}

TEST_F(WebhookOptions, forges_are_read_like_plane) {
  given_["github-secret-file"] = {file("github's\n")};
  given_["github-repo"] = {"acme/shop=shop:SHOP", "acme/site=site"};
  given_["github-member"] = {"grace", "ada"};
  given_["gitlab-repo"] = {"acme/tools/shop=shop"};
  given_["gitlab-member"] = {"grace"};
  given_["stop-label"] = {"halt"};
  given_["issue-branch-prefix"] = {"feature/"};
  given_["issue-pipeline"] = {"hotfix"};
  given_["webhook-body-bytes"] = {"1048576"};
  const auto config = read();
  ASSERT_TRUE(config.has_value()) << config.error().message;
  EXPECT_EQ(config->github.secret, "github's");
  EXPECT_EQ(config->github.repos.at("acme/shop").prefix, "SHOP");
  EXPECT_EQ(config->github.repos.at("acme/site").prefix, "");
  EXPECT_EQ(config->github.members, (std::vector<std::string>{"grace", "ada"}));
  EXPECT_EQ(config->gitlab.repos.at("acme/tools/shop").repo, "shop");
  EXPECT_EQ(config->start_label, "pawl:start");
  EXPECT_EQ(config->stop_label, "halt");
  EXPECT_EQ(config->issue_branch_prefix, "feature/");
  EXPECT_EQ(config->issue_pipeline, "hotfix");
  EXPECT_EQ(config->body_bytes_max, 1048576U);
}

TEST_F(WebhookOptions, a_body_has_four_mebibytes_unless_it_is_said_otherwise) {
  EXPECT_EQ(read()->body_bytes_max, std::size_t{4} * 1024 * 1024);
  for (const char* text : {"", "4M", "-1", "100", "16777217", "99999999999999999999"}) {
    given_ = {{"webhook-body-bytes", {text}}};
    EXPECT_NE(error().find("--webhook-body-bytes"), std::string::npos) << text;
  }
}

TEST_F(WebhookOptions, one_label_cannot_start_and_stop) {
  given_["start-label"] = {"Pawl:Stop"};
  EXPECT_NE(error().find("--start-label"), std::string::npos);
}

TEST_F(WebhookOptions, a_signing_token_has_to_be_one) {
  given_["gitlab-secret-file"] = {file("whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n")};
  EXPECT_TRUE(read().has_value());
  given_["gitlab-secret-file"] = {file("whsec_not base64\n")};
  EXPECT_NE(error().find("--gitlab-secret-file"), std::string::npos);
  EXPECT_EQ(error().find("not base64\n"), std::string::npos);
}

}  // namespace
}  // namespace pawl
