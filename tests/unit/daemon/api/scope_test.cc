// The limits of a narrow token, and how its line states them.
#include "daemon/api/scope.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "daemon/api/tokens.h"

namespace pawl {
namespace {

const std::string hash(64, 'a');

Scope scope_of(const std::vector<std::string>& words) {
  Scope scope;
  for (const std::string& word : words) EXPECT_TRUE(read_limit(word, scope)) << word;
  return scope;
}

TEST(Scope, without_limits_has_everything) {
  const Scope scope;
  EXPECT_FALSE(scope.is_narrow());
  EXPECT_TRUE(scope.has_repo("shop"));
  EXPECT_TRUE(scope.has_agent("coder"));
  for (const char* key : {"task:1", "repo:shop", "deploy"}) EXPECT_TRUE(scope.has_key(key, "shop")) << key;
}

TEST(Scope, repositories_are_whole_names_or_beginnings) {
  const Scope scope = scope_of({"repos=shop,team/*"});
  for (const char* inside : {"shop", "team/a", "team/a/b"}) EXPECT_TRUE(scope.has_repo(inside)) << inside;
  for (const char* outside : {"shops", "sho", "ashop", "team", "a/team/b", "", "Shop"}) {
    EXPECT_FALSE(scope.has_repo(outside)) << outside;
  }
}

TEST(Scope, keys_of_tasks_and_repositories_follow_the_repository) {
  // Where repositories are named, a key prefix grants no access to their keys.
  for (const Scope& scope : {scope_of({"repos=shop"}), scope_of({"repos=shop", "leases=task:,repo:"})}) {
    EXPECT_TRUE(scope.has_key("task:1", "shop"));
    EXPECT_FALSE(scope.has_key("task:1", "bank"));
    EXPECT_FALSE(scope.has_key("task:1", "")) << "a key without a known task";
    EXPECT_FALSE(scope.has_key("task:", "shop") && scope.has_key("task:x", ""));
    EXPECT_TRUE(scope.has_key("repo:shop", ""));
    EXPECT_FALSE(scope.has_key("repo:bank", ""));
    EXPECT_FALSE(scope.has_key("repo:shopping", ""));
    EXPECT_FALSE(scope.has_key("deploy", ""));
  }
}

TEST(Scope, other_keys_begin_as_is_said) {
  const Scope both = scope_of({"repos=shop", "leases=deploy:,nightly"});
  for (const char* inside : {"deploy:", "deploy:x", "nightly", "nightly-2"})
    EXPECT_TRUE(both.has_key(inside, "")) << inside;
  for (const char* outside : {"a-deploy:x", "deploy", "x nightly", ""})
    EXPECT_FALSE(both.has_key(outside, "")) << outside;
  const Scope alone = scope_of({"leases=deploy:"});
  EXPECT_TRUE(alone.has_key("deploy:x", ""));
  EXPECT_FALSE(alone.has_key("task:1", "shop")) << "every key must have the prefix";
  EXPECT_FALSE(alone.has_key("repo:shop", ""));
  EXPECT_TRUE(alone.has_repo("any"));
  const Scope of_agents = scope_of({"agents=coder"});
  EXPECT_TRUE(of_agents.has_key("any", ""));
  EXPECT_FALSE(of_agents.has_agent("code"));
  EXPECT_FALSE(of_agents.has_agent("coder2"));
}

TokenEntry entry_of(const std::string& further) {
  const auto tokens = parse_tokens("ci work " + hash + " " + further, "file");
  EXPECT_TRUE(tokens) << tokens.error().message;
  return tokens->front();
}

TEST(TokenLine, has_limits_and_an_end_in_any_order) {
  const TokenEntry entry = entry_of("until=2027-01-01T00:00:00Z leases=deploy: repos=a,b*\tagents=x,y\r");
  EXPECT_EQ(text_of(*entry.scope), "repos=a,b* agents=x,y leases=deploy:");
  EXPECT_EQ(rfc3339(entry.until.value()), "2027-01-01T00:00:00.000000Z");
  EXPECT_EQ(line_of(entry),
            "ci work " + hash + " repos=a,b* agents=x,y leases=deploy: until=2027-01-01T00:00:00.000000Z");
  EXPECT_EQ(line_of(parse_tokens(line_of(entry), "file").value().front()), line_of(entry));
  EXPECT_EQ(line_of(entry_of("")), "ci work " + hash);
}

TEST(TokenLine, with_an_end_alone_is_not_narrow) {
  const TokenEntry entry = entry_of("until=2027-01-01T00:00:00Z");
  EXPECT_EQ(entry.scope, nullptr);
  EXPECT_FALSE(has_ended(entry, TimeUs{entry.until->us - 1}));
  EXPECT_TRUE(has_ended(entry, *entry.until));
  EXPECT_FALSE(has_ended(entry_of(""), TimeUs{INT64_MAX}));
}

TEST(TokenLine, groups_limit_nothing) {
  const TokenEntry entry = entry_of("groups=release,on-call.eu until=2027-01-01T00:00:00Z");
  EXPECT_EQ(entry.groups, (std::vector<std::string>{"release", "on-call.eu"}));
  EXPECT_EQ(entry.scope, nullptr);
  EXPECT_EQ(line_of(entry), "ci work " + hash + " groups=release,on-call.eu until=2027-01-01T00:00:00.000000Z");
  for (const char* wrong : {"groups=", "groups=a,", "groups=,a", "groups=a:b", "groups=a groups=b"}) {
    EXPECT_FALSE(parse_tokens("ci work " + hash + " " + wrong, "file")) << wrong;
  }
}

TEST(TokenLine, each_wrong_form_names_the_line_and_what_is_wrong) {
  std::string many = "agents=a";
  for (int i = 0; i < 100; ++i) many += ",a" + std::to_string(i);
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"more", "after the hash, only repos=, agents=, leases=, groups= or until= may follow"},
      {"repo=a", "after the hash, only repos=, agents=, leases=, groups= or until= may follow, not repo="},
      {"Repos=a", "after the hash, only repos=, agents=, leases=, groups= or until= may follow, not Repos="},
      {"=a", "after the hash, only repos=, agents=, leases=, groups= or until= may follow"},
      {std::string(40, 'f') + "=", "after the hash, only repos=, agents=, leases=, groups= or until= may follow"},
      {"repos", "after the hash, only repos=, agents=, leases=, groups= or until= may follow"},
      {"repos=", "repos= takes comma-separated names, none of them empty"},
      {"repos=a,", "repos= takes comma-separated names, none of them empty"},
      {"repos=,a", "repos= takes comma-separated names, none of them empty"},
      {"agents=a,,b", "agents= takes comma-separated names, none of them empty"},
      {"leases=", "leases= takes comma-separated names, none of them empty"},
      {"repos=a repos=b", "repos= is given twice"},
      {"agents=a repos=a agents=b", "agents= is given twice"},
      {"leases=a leases=a", "leases= is given twice"},
      {"repos=*", "repos= does not take a lone '*': for all repositories, omit repos="},
      {"repos=a*b", "repos= takes a '*' only at the end of a name"},
      {"repos=a**", "repos= takes a '*' only at the end of a name"},
      {many, "agents= takes 100 names at most"},
      {"until=", "until= takes a time such as 2027-01-01T00:00:00Z"},
      {"until=2027-01-01", "until= takes a time such as 2027-01-01T00:00:00Z"},
      {"until=2027-02-30T00:00:00Z", "until= takes a time such as 2027-01-01T00:00:00Z"},
      {"until=2027-01-01T00:00:00Z until=2028-01-01T00:00:00Z", "until= is given twice"},
  };
  for (const auto& [further, what] : cases) {
    const auto tokens = parse_tokens("# who\nci work " + hash + " " + further + "\n", "file");
    ASSERT_FALSE(tokens) << further;
    EXPECT_EQ(tokens.error().message, "file:2: " + what) << further;
  }
  const auto bad_name = parse_tokens("ci work " + hash + " repos=../a", "file");
  ASSERT_FALSE(bad_name);
  EXPECT_EQ(bad_name.error().message.find("file:1: a name in repos= must not "), 0u) << bad_name.error().message;
}

}  // namespace
}  // namespace pawl
