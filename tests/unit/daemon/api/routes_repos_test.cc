// Repositories over HTTP, and the branch check on submission.
#include "tests/unit/daemon/served.h"

namespace pawl {
namespace {

class RepoRoutes : public Served {
 protected:
  Answer declare(const std::string& repo, const std::string& url = {}) {
    return post("/v1/repos", R"({"repo":")" + repo + R"(")" + (url.empty() ? "" : R"(,"url":")" + url + R"(")") + "}");
  }
  Answer remove(const std::string& repo) { return ask("DELETE", "/v1/repos?repo=" + repo); }
  std::string message_of(const Answer& answer) { return answer.at("/error/message"); }
  /// The whole log.
  std::string log_text() { return get("/v1/events?limit=1000").body; }
};

TEST_F(RepoRoutes, declared_ones_are_listed_with_tasks_and_trouble) {
  EXPECT_EQ(get("/v1/repos").at("/items"), "[]");
  const Answer declared = declare("team/shop", "git@host:shop.git");
  EXPECT_EQ(declared.status, 201) << declared.body;
  EXPECT_EQ(declared.at("/repo"), R"({"repo":"team/shop","url":"git@host:shop.git","by":"pawl repos"})");
  EXPECT_EQ(declare("depot").at("/repo/url"), "null");
  trouble_of = [](const std::string& repo) {
    return repo == "depot" ? std::optional(OriginTrouble{.is_refused = true, .since = {}, .words = "no"})
                           : std::nullopt;
  };
  for (const char* item : {"W-1", "W-2"}) {
    EXPECT_EQ(post("/v1/tasks", R"({"repo":"team/shop","work_item":")" + std::string(item) + R"("})").status, 201);
  }
  const Answer listed = get("/v1/repos");
  EXPECT_EQ(listed.at("/items/0/repo"), R"("depot")");
  EXPECT_EQ(listed.at("/items/0/tasks"), "0");
  EXPECT_EQ(listed.at("/items/0/trouble/reason"), R"("origin_refused")");
  EXPECT_EQ(listed.at("/items/0/trouble/words"), R"("no")");
  EXPECT_EQ(listed.at("/items/1/tasks"), "2");
  EXPECT_EQ(listed.at("/items/1/trouble"), "null");
  EXPECT_EQ(listed.at("/items/2"), "missing");
}

TEST_F(RepoRoutes, more_than_a_look_sees_are_all_counted) {
  for (int i = 0; i < 300; ++i) {
    ASSERT_EQ(post("/v1/tasks", R"({"repo":"shop","work_item":"W-)" + std::to_string(i) + R"("})").status, 201);
  }
  for (int i = 0; i < 300; ++i) ASSERT_EQ(declare("r" + std::to_string(i)).status, 201);
  declare("shop");
  const boost::json::value listed = get("/v1/repos").json();
  EXPECT_EQ(listed.at("items").as_array().size(), 301u);
  EXPECT_EQ(listed.at("items").as_array().back().at("tasks").as_int64(), 300);
}

TEST_F(RepoRoutes, removed_by_path_or_query_unless_a_live_task_is_on_it) {
  declare("team/shop", "/srv/shop.git");
  declare("depot");
  EXPECT_EQ(post("/v1/tasks", R"({"repo":"team/shop","work_item":"W-1"})").status, 201);
  const Answer refused = remove("team/shop");
  EXPECT_EQ(refused.status, 409);
  EXPECT_EQ(refused.code(), "repo_in_use");
  EXPECT_NE(message_of(refused).find("task 1"), std::string::npos) << message_of(refused);
  EXPECT_EQ(refused.at("/error/current/repo"), R"("team/shop")");
  EXPECT_EQ(post("/v1/tasks/1/cancel", "{}").status, 200);
  EXPECT_EQ(ask("DELETE", "/v1/repos/team%2Fshop").at("/repo"), "null");
  EXPECT_EQ(remove("depot").status, 200);
  EXPECT_EQ(get("/v1/repos").at("/items"), "[]");
  const Answer unknown = remove("depot");
  EXPECT_EQ(unknown.status, 422);
  EXPECT_EQ(unknown.code(), "unknown_repo");
}

TEST_F(RepoRoutes, a_slip_of_a_finger_is_no_repository) {
  declare("shop");
  const Answer refused = post("/v1/tasks", R"({"repo":"shpo","work_item":"W-1"})");
  EXPECT_EQ(refused.status, 422);
  EXPECT_EQ(refused.code(), "unknown_repo");
  EXPECT_NE(message_of(refused).find("did you mean 'shop'?"), std::string::npos) << message_of(refused);
}

TEST_F(RepoRoutes, credentials_never_get_into_the_log) {
  for (const char* url : {"https://tok3n@host/shop.git", "https://me:tok3n@host/x", "ssh://me:tok3n@host/x"}) {
    const Answer refused = declare("shop", url);
    EXPECT_EQ(refused.status, 400) << url;
    EXPECT_NE(message_of(refused).find("credential helper"), std::string::npos) << message_of(refused);
    EXPECT_EQ(refused.body.find("tok3n"), std::string::npos);
  }
  EXPECT_EQ(log_text().find("tok3n"), std::string::npos);
  EXPECT_EQ(declare("shop", "ssh://git@host/shop.git").status, 201);
}

TEST_F(RepoRoutes, what_cannot_be_one_is_refused_by_name) {
  for (const char* url : {"./shop.git", "../shop", "shop.git", "a\\nb:c"}) {
    EXPECT_EQ(declare("shop", url).status, 400) << url;
    EXPECT_NE(message_of(declare("shop", url)).find("url"), std::string::npos) << url;
  }
  for (const char* repo : {"", "-x", "../x", "a//b"}) EXPECT_EQ(declare(repo).status, 400) << repo;
  EXPECT_EQ(declare(std::string(201, 'r')).status, 400);
  const Answer given = post("/v1/repos", R"({"repo":"shop","given":true})");
  EXPECT_EQ(given.status, 400) << "only the start may set that";
  EXPECT_EQ(get("/v1/repos").at("/items"), "[]");
}

constexpr const char* begins_none = R"({"name":"mine","stages":[{"name":"work","agent":"dev","to":"done"}],
  "agents":[{"name":"dev"}]})";

class Submissions : public RepoRoutes {
 protected:
  Submissions() {
    EXPECT_EQ(post("/v1/pipelines", begins_none).status, 201);
    declare("shop", "/srv/shop.git");
  }
  Answer submit(const std::string& pipeline, const std::string& key = {}) {
    return post("/v1/tasks", R"({"repo":"shop","work_item":"W-1","branch":"recipt","pipeline":")" + pipeline + R"("})",
                {.key = key});
  }
  void branch_is(FoundBranch found) {
    branch_answer = [found](const auto&, const auto&) { return found; };
  }
};

TEST_F(Submissions, a_branch_that_is_not_there_is_refused_and_leaves_no_record) {
  branch_is({.is = FoundBranch::Is::absent, .nearest = "receipt"});
  const std::uint64_t before = last_seq();
  const Answer refused = submit("mine");
  EXPECT_EQ(refused.status, 422);
  EXPECT_EQ(refused.code(), "no_branch");
  for (const char* word : {"'shop'", "'recipt'", "did you mean 'receipt'?", "'mine'", "branch: create"}) {
    EXPECT_NE(message_of(refused).find(word), std::string::npos) << message_of(refused);
  }
  EXPECT_EQ(last_seq(), before);
  branch_is({.is = FoundBranch::Is::there});
  EXPECT_EQ(submit("mine").at("/branch_begins"), "false");
}

TEST_F(Submissions, a_pipeline_that_begins_branches_says_that_one_begins) {
  branch_is({.is = FoundBranch::Is::absent});
  EXPECT_EQ(post("/v1/pipelines", R"({"name":"begins","branch":"create","agents":[{"name":"dev"}],
                                     "stages":[{"name":"work","agent":"dev","to":"done"}]})")
                .status,
            201);
  const Answer taken = submit("begins");
  EXPECT_EQ(taken.status, 201) << taken.body;
  EXPECT_EQ(taken.at("/branch_begins"), "true");
}

TEST_F(Submissions, where_origin_cannot_be_asked_the_task_is_taken) {
  const Answer taken = submit("mine");
  EXPECT_EQ(taken.status, 201) << taken.body;
  EXPECT_EQ(taken.at("/branch_begins"), "null");
  EXPECT_EQ(branches_asked, 1);
}

TEST_F(Submissions, a_retry_of_one_that_was_taken_is_answered_as_it_was) {
  branch_is({.is = FoundBranch::Is::there});
  EXPECT_EQ(submit("mine", "k").status, 201);
  branch_is({.is = FoundBranch::Is::absent});
  const Answer again = submit("mine", "k");
  EXPECT_EQ(again.status, 201) << again.body;
  EXPECT_EQ(again.at("/task/id"), "1");
  EXPECT_EQ(again.header("Idempotency-Replayed"), "true");
}

TEST_F(Submissions, what_the_machine_refuses_asks_no_origin) {
  EXPECT_EQ(submit("delivery").status, 201);
  const int before = branches_asked;
  EXPECT_EQ(submit("delivery").code(), "duplicate_work_item");
  EXPECT_EQ(post("/v1/tasks", R"({"repo":"shpo","work_item":"W-2","branch":"b"})").code(), "unknown_repo");
  EXPECT_EQ(post("/v1/tasks", R"({"repo":"shop","work_item":"W-2","branch":"b","pipeline":"no"})").code(),
            "unknown_pipeline");
  EXPECT_EQ(post("/v1/tasks", R"({"repo":"shop","work_item":"W-2"})").at("/branch_begins"), "null")
      << "it has no branch";
  EXPECT_EQ(branches_asked, before);
}

}  // namespace
}  // namespace pawl
