// Access control: the tokens file, and what each token allows.
#include "daemon/api/access.h"

#include <gtest/gtest.h>
#include <openssl/sha.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "tests/unit/daemon/served.h"

namespace pawl {
namespace {

std::string hash_of(const std::string& token) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> hash{};
  ::SHA256(reinterpret_cast<const unsigned char*>(token.data()), token.size(), hash.data());
  std::string hex;
  for (const unsigned char byte : hash) {
    hex += "0123456789abcdef"[byte >> 4];
    hex += "0123456789abcdef"[byte & 15];
  }
  return hex;
}

std::string line(const std::string& name, const std::string& role, const std::string& token) {
  return name + " " + role + " " + hash_of(token) + "\n";
}

std::string error_of(const std::string& text) {
  const auto tokens = parse_tokens(text, "file");
  EXPECT_FALSE(tokens) << text;
  return tokens ? "" : tokens.error().message;
}

TEST(TokensFile, has_a_name_a_role_and_a_hash_on_each_line) {
  const auto tokens =
      parse_tokens("# who may\n\n" + line("ci", "work", "t1") + "\t ops\toperate " + hash_of("t2"), "f");
  ASSERT_TRUE(tokens) << tokens.error().message;
  ASSERT_EQ(tokens->size(), 2u);
  EXPECT_EQ((*tokens)[0].name, "ci");
  EXPECT_EQ((*tokens)[0].role, Role::work);
  EXPECT_EQ((*tokens)[1].name, "ops");
  EXPECT_EQ((*tokens)[1].role, Role::operate);
}

TEST(TokensFile, every_error_names_the_line_and_never_shows_it) {
  const std::string good = line("a", "read", "t");
  EXPECT_EQ(error_of(good + "b read\n"), "file:2: must be NAME ROLE HASH");
  EXPECT_NE(error_of(good + "b read " + hash_of("u") + " more\n").find("file:2: after the hash, only"),
            std::string::npos);
  EXPECT_NE(error_of("\n" + line("b", "root", "u")).find("file:2: the role must be"), std::string::npos);
  EXPECT_NE(error_of(line("b", "none", "u")).find("file:1: the role must be"), std::string::npos);
  EXPECT_NE(error_of(line("b/c", "read", "u")).find("file:1: the name must be"), std::string::npos);
  EXPECT_NE(error_of(line(std::string(33, 'b'), "read", "u")).find("file:1: the name must be"), std::string::npos);
  EXPECT_NE(error_of("b read s3cret\n").find("file:1: the hash must be"), std::string::npos);
  EXPECT_EQ(error_of("b read s3cret\n").find("s3cret"), std::string::npos);
  EXPECT_NE(error_of("b read " + hash_of("u").substr(1) + "g\n").find("the hash must be"), std::string::npos);
  EXPECT_EQ(error_of(good + line("a", "work", "u")), "file:2: duplicate name");
  EXPECT_EQ(error_of(good + line("b", "work", "t")), "file:2: duplicate token");
}

TEST(TokensFile, that_others_may_write_is_refused) {
  const std::string path = testing::TempDir() + "pawl-tokens-" + std::to_string(::getpid());
  std::ofstream(path) << line("a", "read", "t");
  for (const mode_t mode : {0600u, 0640u, 0644u}) {
    ASSERT_EQ(::chmod(path.c_str(), mode), 0);
    EXPECT_TRUE(read_tokens(path)) << mode;
  }
  for (const mode_t mode : {0620u, 0602u, 0666u}) {
    ASSERT_EQ(::chmod(path.c_str(), mode), 0);
    const auto refused = read_tokens(path);
    ASSERT_FALSE(refused) << mode;
    EXPECT_NE(refused.error().message.find(path + ": others may write"), std::string::npos);
  }
  ::unlink(path.c_str());
  EXPECT_EQ(read_tokens(path).error().code, ErrorCode::missing);
}

TEST(TokensFile, without_a_token_is_refused) {
  const std::string path = testing::TempDir() + "pawl-no-tokens-" + std::to_string(::getpid());
  for (const char* text : {"", "\n \n", "# soon\n"}) {
    std::ofstream(path) << text;
    ASSERT_EQ(::chmod(path.c_str(), 0600), 0);
    const auto refused = read_tokens(path);
    ASSERT_FALSE(refused) << text;
    EXPECT_EQ(refused.error().code, ErrorCode::malformed);
    EXPECT_EQ(refused.error().message, path + ": contains no tokens; it needs a line NAME ROLE HASH for each");
  }
  ::unlink(path.c_str());
}

TEST(TokensFile, token_is_found_by_all_of_it) {
  const Tokens tokens = parse_tokens(line("a", "read", "first") + line("b", "work", "second"), "f").value();
  ASSERT_NE(find_token(tokens, "second"), nullptr);
  EXPECT_EQ(find_token(tokens, "second")->name, "b");
  EXPECT_EQ(find_token(tokens, "secon"), nullptr);
  EXPECT_EQ(find_token(tokens, "second "), nullptr);
  EXPECT_EQ(find_token(tokens, ""), nullptr);
  EXPECT_EQ(find_token(tokens, hash_of("second")), nullptr);
  const std::string longer(1000, 'x');
  const Tokens of_longer = parse_tokens(line("a", "read", longer), "f").value();
  EXPECT_EQ(find_token(of_longer, longer), nullptr);  // beyond the limit it is not even hashed
}

// --- What a request may do; each call also runs against the real daemon ---

class AccessToRoutes : public Served {
 protected:
  AccessToRoutes() {
    access.replace(
        parse_tokens(line("see", "read", "r") + line("hand", "work", "w") + line("boss", "operate", "o"), "f").value());
    services_access = &access;
    restart();
  }

  static Headers bearer(const std::string& token) {
    return {.authorization = token.empty() ? "" : "Bearer " + token, .transport = Transport::tcp};
  }

  Access access;
};

TEST_F(AccessToRoutes, each_role_includes_those_before_it) {
  struct Call {
    std::string method;
    std::string path;
    Role role;
  };
  const std::vector<Call> calls{{"GET", "/healthz", Role::none},         {"GET", "/v1/tasks", Role::read},
                                {"POST", "/v1/jobs/claim", Role::work},  {"POST", "/v1/tasks", Role::operate},
                                {"POST", "/webhooks/gitea", Role::none}, {"GET", "/v1/leases", Role::read},
                                {"DELETE", "/v1/leases/x", Role::work},  {"POST", "/v1/settings", Role::operate}};
  const std::vector<std::pair<Role, std::string>> holders{
      {Role::none, ""}, {Role::read, "r"}, {Role::work, "w"}, {Role::operate, "o"}};
  for (const Call& call : calls) {
    for (const auto& [role, token] : holders) {
      const Answer answer = ask(call.method, call.path, call.method == "POST" ? "[]" : "", bearer(token));
      const std::string what = call.method + " " + call.path + " as " + std::string(name(role)) + ": " + answer.body;
      const std::string refused = role == Role::none ? "unauthorized" : "forbidden";
      EXPECT_EQ(answer.code() == refused, role < call.role) << what;
      if (role >= call.role) continue;
      EXPECT_EQ(answer.status, role == Role::none ? 401 : 403) << what;
      EXPECT_EQ(answer.header("WWW-Authenticate").empty(), role != Role::none) << what;
    }
  }
}

TEST_F(AccessToRoutes, what_is_refused_is_not_recorded) {
  const std::uint64_t before = last_seq();
  EXPECT_EQ(ask("POST", "/v1/settings", R"({"stop.enabled":false})", bearer("w")).status, 403);
  EXPECT_EQ(ask("POST", "/v1/tasks", R"({"work_item":"W","repo":"r"})", bearer("wrong")).status, 401);
  EXPECT_EQ(last_seq(), before);
}

TEST_F(AccessToRoutes, paths_that_are_not_there_are_told_to_readers_only) {
  EXPECT_EQ(ask("GET", "/v1/nothing", "", bearer("")).status, 401);
  EXPECT_EQ(ask("GET", "/v1/nothing", "", bearer("r")).status, 404);
  EXPECT_EQ(ask("DELETE", "/queue", "", bearer("")).status, 401);
  EXPECT_EQ(ask("DELETE", "/queue", "", bearer("r")).status, 405);
}

TEST_F(AccessToRoutes, token_is_a_bearer_token_and_nothing_else) {
  const auto with = [&](const std::string& authorization) {
    return ask("GET", "/queue", "", {.authorization = authorization, .transport = Transport::tcp}).status;
  };
  EXPECT_EQ(with("Bearer r"), 200);
  EXPECT_EQ(with("bEARER r"), 200);
  EXPECT_EQ(with("Bearer  r"), 401);
  EXPECT_EQ(with("Bearer"), 401);
  EXPECT_EQ(with("Bearer "), 401);
  EXPECT_EQ(with("r"), 401);
  EXPECT_EQ(with("Basic r"), 401);
  EXPECT_EQ(with("Bearer " + hash_of("r")), 401);
  EXPECT_EQ(ask("GET", "/queue?token=r", "", bearer("")).status, 401);
}

TEST_F(AccessToRoutes, over_the_socket_nobody_is_asked_but_a_token_that_is_sent_counts) {
  const auto over_socket = [&](const std::string& authorization) {
    return ask("POST", "/v1/reaper/run", "[]", {.authorization = authorization}).code();
  };
  EXPECT_NE(over_socket(""), "unauthorized");
  EXPECT_EQ(over_socket("Bearer w"), "forbidden");
  EXPECT_EQ(over_socket("Bearer wrong"), "unauthorized");
}

TEST_F(AccessToRoutes, who_asks_is_what_the_request_says_and_not_the_token) {
  const auto of_last = [&](const std::string& field) {
    const std::string lines = ask("GET", "/v1/events?after=" + std::to_string(last_seq() - 1), "", bearer("r")).body;
    const std::string before = "\"" + field + "\":\"";
    const std::size_t at = lines.find(before) + before.size();
    return lines.substr(at, lines.find('"', at) - at);
  };
  const auto actor_of_last = [&] { return of_last("actor"); };
  EXPECT_EQ(ask("POST", "/v1/tasks", R"({"work_item":"W","repo":"r"})", bearer("o")).status, 201);
  EXPECT_EQ(actor_of_last(), "operator");
  Headers said = bearer("o");
  said.actor = "reconciler";
  EXPECT_EQ(ask("POST", "/v1/tasks", R"({"work_item":"X","repo":"r"})", said).status, 201);
  EXPECT_EQ(actor_of_last(), "reconciler");
  // Whatever name the client gives, the record names the token's owner.
  EXPECT_EQ(of_last("principal"), "token:boss");
}

TEST_F(AccessToRoutes, tokens_that_are_replaced_hold_no_more) {
  EXPECT_EQ(ask("GET", "/queue", "", bearer("r")).status, 200);
  access.replace(parse_tokens(line("see", "read", "new"), "f").value());
  EXPECT_EQ(ask("GET", "/queue", "", bearer("r")).status, 401);
  EXPECT_EQ(ask("GET", "/queue", "", bearer("new")).status, 200);
  access.replace({});
  EXPECT_EQ(ask("GET", "/queue", "", bearer("new")).status, 401);
}

class WithoutTokens : public Served {};

TEST_F(WithoutTokens, nobody_is_asked) {
  const Headers over_tcp{.authorization = "Bearer whatever", .transport = Transport::tcp};
  EXPECT_EQ(ask("POST", "/v1/tasks", R"({"work_item":"W","repo":"r"})", over_tcp).status, 201);
}

}  // namespace
}  // namespace pawl
