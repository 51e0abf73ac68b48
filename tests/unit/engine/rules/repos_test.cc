// Which repositories tasks may name.
#include "schema/limits.h"
#include "tests/unit/engine/rules.h"

namespace pawl {
namespace {

using RepoDeclared = Rules;

fb::RepoDeclaredT repo_declared(const std::string& repo, const std::string& url = {}, bool given = false) {
  fb::RepoDeclaredT event;
  event.repo = repo;
  event.url = url;
  event.given = given;
  return event;
}

fb::RepoRemovedT repo_removed(const std::string& repo) {
  fb::RepoRemovedT event;
  event.repo = repo;
  return event;
}

TEST_F(RepoDeclared, limit) {
  for (std::size_t i = 0; i < limits::repos_max; ++i) must(repo_declared("r" + std::to_string(i)));
  refuses(Outcome::limit, repo_declared("one more"));
  must(repo_declared("r0", "elsewhere"));
}

TEST_F(RepoDeclared, accepted_remembers_what_the_start_gave) {
  must(repo_declared("shop", "here", true));
  must(repo_declared("shop", "there"));
  const RepoRow& row = *state.repos.find("shop");
  EXPECT_TRUE(row.declared);
  EXPECT_EQ(row.url, "there");
  EXPECT_EQ(row.given, "here");
}

using RepoRemoved = Rules;

TEST_F(RepoRemoved, unknown_repo) {
  refuses(Outcome::unknown_repo, repo_removed("shop"));
  must(repo_declared("shop", "here", true));
  must(repo_removed("shop"));
  refuses(Outcome::unknown_repo, repo_removed("shop"));
}

TEST_F(RepoRemoved, repo_in_use) {
  must(repo_declared(task(create()).repo));
  refuses(Outcome::repo_in_use, repo_removed(state.tasks.rows().begin()->second.repo));
}

TEST_F(RepoRemoved, accepted_forgets_all_but_what_the_start_gave) {
  must(repo_declared("asked for"));
  must(repo_removed("asked for"));
  EXPECT_FALSE(state.repos.find("asked for"));
  must(repo_declared("given", "here", true));
  must(repo_removed("given"));
  EXPECT_FALSE(state.repos.find("given")->declared);
  EXPECT_EQ(state.repos.find("given")->given, "here");
}

}  // namespace
}  // namespace pawl
