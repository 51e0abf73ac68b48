#include "daemon/outside/forge_options.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <map>

#include "tests/unit/store/log_kit.h"

namespace pawl {
namespace {

class ForgeOptionsTest : public testing::Test {
 protected:
  std::string file(const std::string& text, mode_t mode = 0600) const {
    const std::string path = folder.path("token");
    write_file(path, text);
    EXPECT_EQ(::chmod(path.c_str(), mode), 0);
    return path;
  }

  Result<ForgeTargets> read() const {
    const auto texts = [&](const char* name) {
      const auto found = given.find(name);
      return found == given.end() ? std::vector<std::string>() : found->second;
    };
    return forge_targets({.text = [&](const char* name) -> std::optional<std::string> {
                            return texts(name).empty() ? std::nullopt : std::optional(texts(name).front());
                          },
                          .texts = texts});
  }

  std::string error() const {
    const auto targets = read();
    EXPECT_FALSE(targets);
    return targets ? "" : targets.error().message;
  }

  TempDir folder;
  std::map<std::string, std::vector<std::string>> given;
};

TEST_F(ForgeOptionsTest, without_any_nothing_is_told) {
  EXPECT_TRUE(read().value().all.empty());
}

TEST_F(ForgeOptionsTest, every_option_is_read) {
  const std::string token = file("tok-en\n");
  given = {{"forge", {"shop=github:acme/shop:SHOP", "depot=gitlab:acme/deep/depot", "hut=gitea:acme/hut"}},
           {"forge-token-file", {"shop=" + token, "depot=" + token, "hut=" + token}},
           {"forge-url", {"hut=https://gitea.example.org/api/v1/"}},
           {"forge-comment", {"shop=blocked,done"}},
           {"page-url", {"https://pawl.example/"}}};
  const ForgeTargets targets = read().value();
  EXPECT_EQ(targets.page, "https://pawl.example");
  ASSERT_EQ(targets.all.size(), 3U);
  const ForgeTarget& depot = targets.all[0];
  EXPECT_EQ(depot.repo, "depot");
  EXPECT_EQ(depot.kind, ForgeKind::gitlab);
  EXPECT_EQ(depot.project, "acme/deep/depot");
  EXPECT_EQ(depot.prefix, "issue");
  EXPECT_EQ(depot.api, "https://gitlab.com/api/v4");
  EXPECT_EQ(targets.all[1].api, "https://gitea.example.org/api/v1");
  const ForgeTarget& shop = targets.all[2];
  EXPECT_EQ(shop.kind, ForgeKind::github);
  EXPECT_EQ(shop.prefix, "SHOP");
  EXPECT_EQ(shop.api, "https://api.github.com");
  EXPECT_EQ(shop.token, "tok-en");
  EXPECT_EQ(shop.comments, (std::set{ForgeComment::blocked, ForgeComment::done}));
}

TEST_F(ForgeOptionsTest, the_first_of_two_wins) {
  given = {{"forge", {"shop=github:acme/shop", "shop=github:other/shop"}},
           {"forge-token-file", {"shop=" + file("t"), "shop=/nowhere"}}};
  EXPECT_EQ(read().value().all.at(0).project, "acme/shop");
}

TEST_F(ForgeOptionsTest, what_is_not_a_place_at_a_forge_is_refused) {
  for (const char* wrong :
       {"shop=bitbucket:acme/shop", "shop=github", "shop=github:shop", "shop=github:acme/", "shop=github:/shop",
        "shop=github:acme//shop", "shop=github:acme/deep/shop", "shop=github:acme/shop:", "shop=github:acme/../shop",
        "shop=github:acme/sh op", "shop=github:acme/shop?x"}) {
    given = {{"forge", {wrong}}};
    EXPECT_NE(error().find("is not KIND:OWNER/NAME"), std::string::npos) << wrong;
  }
  for (const char* wrong : {"shop", "=github:acme/shop", "shop="}) {
    given = {{"forge", {wrong}}};
    EXPECT_EQ(error(), "--forge: is not of the form REPO=KIND:OWNER/NAME") << wrong;
  }
}

TEST_F(ForgeOptionsTest, what_is_missing_is_named) {
  given = {{"forge", {"shop=gitea:acme/shop"}}};
  EXPECT_EQ(error(), "--forge: shop needs --forge-token-file shop=FILE");
  given["forge-token-file"] = {"shop=" + file("t")};
  EXPECT_EQ(error(), "--forge: shop needs --forge-url shop=URL");
  given["forge-comment"] = {"shpo=done"};
  EXPECT_EQ(error(), "--forge-comment: there is no --forge shpo=…");
}

TEST_F(ForgeOptionsTest, a_token_is_a_secret_of_one_word) {
  given = {{"forge", {"shop=github:acme/shop"}}, {"forge-token-file", {"shop=" + file("s3cret", 0644)}}};
  EXPECT_NE(error().find("others may read"), std::string::npos) << error();
  given["forge-token-file"] = {"shop=" + file("s3cret\r\nX-Evil: 1")};
  EXPECT_NE(error().find("a token has no blanks"), std::string::npos) << error();
  EXPECT_EQ(error().find("s3cret"), std::string::npos) << error();
  given["forge-token-file"] = {"shop=" + folder.path("missing")};
  EXPECT_EQ(read().error().code, ErrorCode::missing);
}

TEST_F(ForgeOptionsTest, a_token_goes_nowhere_in_the_clear) {
  given = {{"forge", {"shop=gitea:acme/shop"}}, {"forge-token-file", {"shop=" + file("t")}}};
  for (const auto& [url, words] :
       std::map<std::string, std::string>{{"http://gitea.example.org/api/v1", "in the clear"},
                                          {"https://me:word@gitea.example.org/", "use --forge-token-file"},
                                          {"ftp://gitea.example.org/", "must begin with http"},
                                          {"https://gitea.example.org/?a=b", "must end with a path"},
                                          {"gitea", "not a URL"}}) {
    given["forge-url"] = {"shop=" + url};
    EXPECT_NE(error().find(words), std::string::npos) << url << ": " << error();
  }
  given["forge-url"] = {"shop=http://127.0.0.1:3000/api/v1"};
  EXPECT_TRUE(read());
}

TEST_F(ForgeOptionsTest, comments_are_of_known_kinds) {
  given = {{"forge", {"shop=github:acme/shop"}}, {"forge-token-file", {"shop=" + file("t")}}};
  for (const char* wrong : {"shop=finished", "shop=done,", "shop=,done", "shop=done blocked"}) {
    given["forge-comment"] = {wrong};
    EXPECT_EQ(error(), "--forge-comment: expects a list of blocked, done and cancelled") << wrong;
  }
}

}  // namespace
}  // namespace pawl
