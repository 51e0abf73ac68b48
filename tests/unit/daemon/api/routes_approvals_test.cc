// The answer to a gate's question over HTTP: who counts as whom.
#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>

#include "daemon/api/other_names.h"
#include "tests/unit/daemon/served.h"

namespace pawl {
namespace {

class ApprovalRoutes : public Served {
 protected:
  /// A task on a stage whose gate asks those in `by`, and the question.
  void ask(const std::string& by) {
    const std::string pipeline =
        R"({"name":"delivery","stages":[{"name":"review","gate":{"approve":{"by":)" + by + R"(}},"to":"done"}]})";
    const Answer defined = post("/v1/pipelines", pipeline);
    ASSERT_EQ(defined.status, 201) << defined.body;
    EXPECT_EQ(defined.at("/pipeline/definition/stages/0/gate/approve/need"), "1");
    EXPECT_EQ(defined.at("/pipeline/definition/stages/0/gate/approve/on_timeout"), "\"block\"");
    ASSERT_EQ(create("W-1").status, 201);
    fb::ApprovalAskedT asked;
    asked.task = 1;
    asked.version = 1;
    asked.head = "c1";
    const Requester finalizer{.boot = boot, .actor = "finalizer", .key = {}, .request = std::nullopt};
    ASSERT_EQ(sequencer->propose(propose_group(finalizer, asked)).outcome, Outcome::accepted);
  }
  /// By the user who runs this test.
  Answer answer(const std::string& more) {
    return post("/v1/tasks/1/approval", R"({"version":1,"head":"c1",)" + more + "}", {.peer_uid = ::getuid()});
  }
};

TEST_F(ApprovalRoutes, the_answer_is_recorded_with_who_gave_it) {
  ask(R"(["uid:)" + std::to_string(::getuid()) + R"("])");
  EXPECT_EQ(get("/v1/tasks/1").at("/approval/head"), "\"c1\"");
  const Answer given = answer(R"("approved":true,"reason":"fine")");
  EXPECT_EQ(given.status, 200) << given.body;
  EXPECT_EQ(given.at("/task/approval/said/0/reason"), "\"fine\"");
  EXPECT_EQ(given.at("/task/approval/said/0/as"), "null");
  EXPECT_EQ(answer(R"("approved":true)").code(), "not_asked");
}

TEST_F(ApprovalRoutes, what_was_not_looked_at_is_not_approved) {
  ask(R"(["uid:)" + std::to_string(::getuid()) + R"("])");
  EXPECT_EQ(post("/v1/tasks/1/approval", R"({"version":1,"approved":true})", {.peer_uid = ::getuid()}).code(),
            "stale_head");
  EXPECT_EQ(post("/v1/tasks/1/approval", R"({"version":2,"head":"c1","approved":true})").code(), "version_conflict");
  EXPECT_EQ(post("/v1/tasks/1/approval", R"({"version":1,"head":"c1"})").code(), "malformed");
  EXPECT_EQ(answer(R"("approved":true,"as":"group:release")").code(), "malformed") << "the daemon says who that is";
  EXPECT_EQ(answer(R"("approved":"yes")").code(), "malformed");
  EXPECT_EQ(post("/v1/tasks/9/approval", R"({"version":1,"approved":true})").code(), "unknown_task");
}

TEST_F(ApprovalRoutes, a_user_of_the_socket_counts_by_name_and_by_group) {
  const passwd* user = ::getpwuid(::getuid());
  ASSERT_NE(user, nullptr);
  for (const std::string& name :
       {"user:" + std::string(user->pw_name), "group:" + std::string(::getgrgid(user->pw_gid)->gr_name)}) {
    const std::vector<std::string> names = other_names({.principal = "uid:" + std::to_string(::getuid())});
    EXPECT_NE(std::find(names.begin(), names.end(), name), names.end()) << name;
  }
  ask(R"(["user:)" + std::string(user->pw_name) + R"("])");
  const Answer given = answer(R"("approved":false,"reason":"no")");
  EXPECT_EQ(given.at("/task/approval/said/0/as"), "\"user:" + std::string(user->pw_name) + "\"");
}

TEST_F(ApprovalRoutes, others_are_refused) {
  ask(R"(["token:ann","group:no-such-group-here"])");
  const Answer refused = answer(R"("approved":true)");
  EXPECT_EQ(refused.status, 409);
  EXPECT_EQ(refused.code(), "may_not_approve");
  EXPECT_NE(refused.body.find("token:ann or group:no-such-group-here may"), std::string::npos) << refused.body;
  EXPECT_EQ(post("/v1/tasks/1/transition", R"({"to":"done","expected_version":1})").code(), "not_approved");
}

TEST(OtherNames, of_a_token_are_its_groups_and_of_others_nothing) {
  EXPECT_EQ(other_names({.principal = "token:ann", .groups = {"release", "ops"}}),
            (std::vector<std::string>{"group:release", "group:ops"}));
  EXPECT_TRUE(other_names({.principal = "tcp"}).empty());
  EXPECT_TRUE(other_names({.principal = "uid:4294967000"}).empty());
  EXPECT_TRUE(other_names({.principal = "uid:"}).empty());
}

}  // namespace
}  // namespace pawl
