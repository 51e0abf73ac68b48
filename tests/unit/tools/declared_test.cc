// `pawl repos` and `pawl pipelines`: declaring what tasks may name while pawld runs.
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "schema/json/read_json.h"
#include "tests/unit/tools/against_daemon.h"
#include "tests/unit/tools/sample_log.h"

namespace pawl {
namespace {

/// A git repository with a branch `feature/receipt`, below a folder.
std::string make_origin(const std::string& folder) {
  const std::string script =
      "mkdir -p " + folder + " && cd " + folder +
      " && export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@a GIT_COMMITTER_NAME=a "
      "GIT_COMMITTER_EMAIL=a@a GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null && "
      "git init -q --bare -b main origin.git && git init -q -b main seed && cd seed && "
      "git commit -q --allow-empty -m one && git push -q ../origin.git main main:feature/receipt";
  EXPECT_EQ(std::system(script.c_str()), 0);  // NOLINT(cert-env33-c): a script
  return folder + "/origin.git";
}

/// A line for /bin/sh.
Ran run_shell(const std::string& line) {
  const TestFolder folder;
  const std::string whole = "{ " + line + "; } >" + folder.path("out") + " 2>" + folder.path("err");
  const int status = std::system(whole.c_str());  // NOLINT(cert-env33-c): a script
  const auto content = [&folder](const std::string& name) {
    std::ifstream file(folder.path(name));
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, content("out"), content("err")};
}

TEST_F(AgainstDaemon, repositories_are_declared_listed_and_removed) {
  EXPECT_EQ(pawl({"repos"}).out, "no repositories are declared: tasks may name any\n");
  EXPECT_EQ(pawl({"repos", "add", "team/shop", "./shop.git"}).out,
            "declared team/shop, " + std::filesystem::current_path().string() + "/shop.git\n");
  EXPECT_EQ(pawl({"repos", "add", "depot"}).out, "declared depot, (no URL)\n");
  const auto lines = lines_of(pawl({"repos", "list"}).out);
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_NE(lines[1].find("depot       (no URL)"), std::string::npos) << lines[1];
  EXPECT_NE(lines[1].find("by pawl repos  0"), std::string::npos) << lines[1];
  EXPECT_EQ(asked({"repos"}).at(0).at("repo").as_string(), "depot");

  const Ran slip = pawl({"submit", "W-1", "--repo", "depto"});
  EXPECT_EQ(slip.exit, 1);
  EXPECT_NE(slip.err.find("did you mean 'depot'?"), std::string::npos) << slip.err;
  EXPECT_EQ(pawl({"submit", "W-1", "--repo", "depot"}).exit, 0);
  const Ran used = pawl({"repos", "remove", "depot"});
  EXPECT_EQ(used.exit, 1);
  EXPECT_NE(used.err.find("repo_in_use"), std::string::npos) << used.err;
  EXPECT_NE(used.err.find("task 1"), std::string::npos) << used.err;
  EXPECT_EQ(pawl({"repos", "remove", "team/shop"}).exit, 0);
}

TEST_F(AgainstDaemon, a_url_is_not_taken_away_in_passing) {
  pawl({"repos", "add", "shop", "/srv/shop.git"});
  const Ran bare = pawl({"repos", "add", "shop"});
  EXPECT_EQ(bare.exit, 2);
  EXPECT_EQ(bare.err,
            "pawl: repos add: shop is already declared, cloned from /srv/shop.git; give its new URL, or '' for none\n");
  EXPECT_EQ(asked({"repos"}).at(0).at("url").as_string(), "/srv/shop.git");
  EXPECT_EQ(pawl({"repos", "add", "shop", ""}).out, "declared shop, (no URL)\n");
  EXPECT_EQ(pawl({"repos", "add", "shop"}).exit, 0) << "it has no URL";
}

TEST_F(AgainstDaemon, a_working_copy_is_known_by_the_url_of_its_origin) {
  const std::string origin = make_origin(daemon.path("o"));
  const std::string copy = daemon.path("o/copy");
  const auto submit = [&](const std::string& item) {
    const Ran git = run_shell("cd " + copy + " && " PAWL_PROGRAM " submit " + item + " --data " + daemon.data());
    EXPECT_EQ(git.err, "") << item;
    return git.out;
  };
  EXPECT_EQ(run_shell("git clone -q -b feature/receipt " + origin + " " + copy).exit, 0);
  pawl({"repos", "add", "shop", origin});
  EXPECT_TRUE(submit("W-1").starts_with("task 1 (W-1 of shop)")) << "the URL does not contain its name";
  pawl({"repos", "add", "depot", origin});
  pawl({"repos", "add", "origin", origin});
  EXPECT_TRUE(submit("W-2").starts_with("task 2 (W-2 of origin)")) << "of several, the one with that name";
  EXPECT_TRUE(submit("W-3 --repo shop").starts_with("task 3 (W-3 of shop)"));
  EXPECT_EQ(asked({"task", "3"}).at("branch").as_string(), "feature/receipt") << "the branch checked out there";
  EXPECT_EQ(pawl({"repos", "remove", "origin"}).exit, 1);
  pawl({"cancel", "2"});
  EXPECT_EQ(pawl({"repos", "remove", "origin"}).exit, 0);
  const Ran either = run_shell("cd " + copy + " && " PAWL_PROGRAM " submit W-4 --data " + daemon.data());
  EXPECT_EQ(either.exit, 2);
  EXPECT_NE(either.err.find("origin is declared as depot and as shop; give --repo"), std::string::npos) << either.err;
}

TEST_F(AgainstDaemon, repositories_badly_said_are_usage) {
  const Ran word = pawl({"repos", "remvoe", "shop"});
  EXPECT_EQ(word.exit, 2);
  EXPECT_NE(word.err.find("did you mean 'remove'?"), std::string::npos) << word.err;
  for (const std::vector<std::string>& words : {std::vector<std::string>{"repos", "add"},
                                                {"repos", "remove"},
                                                {"repos", "remove", "a", "b"},
                                                {"repos", "list", "a"},
                                                {"repos", "add", "../x"},
                                                {"repos", "add", "shop", "https://tok3n@host/shop.git"}}) {
    const Ran ran = pawl(words);
    EXPECT_EQ(ran.exit, 2) << ran.err;
    EXPECT_EQ(ran.err.find("tok3n"), std::string::npos) << ran.err;
  }
}

TEST_F(AgainstDaemon, a_start_without_git_says_so_if_it_is_to_clone) {
  const auto messages = [this] {
    daemon.stop(SIGTERM);
    std::ifstream file(daemon.path("pawld.log"));
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  const std::string path = std::getenv("PATH");
  daemon.stop(SIGTERM);
  ::setenv("PATH", "/nowhere", 1);
  daemon.start();
  EXPECT_EQ(messages().find("no git"), std::string::npos) << "there is nothing to clone";
  daemon.start({"--repo", "shop=/srv/shop.git"});
  ::setenv("PATH", path.c_str(), 1);
  EXPECT_NE(messages().find("git is not in PATH (/nowhere), so repositories cannot be cloned"), std::string::npos);
}

TEST_F(AgainstDaemon, what_was_said_of_repositories_stays_over_a_restart_with_the_same_options) {
  const std::string origin = make_origin(daemon.path("o"));
  daemon.stop(SIGTERM);
  daemon.options = {"--repo", "shop=" + origin, "--repo", "depot=https://tok3n0123456789@localhost/depot.git"};
  daemon.start();
  EXPECT_NE(pawl({"repos"}).out.find("by --repo"), std::string::npos);
  EXPECT_EQ(pawl({"export", "log", "--data", daemon.data()}).out.find("tok3n"), std::string::npos);
  EXPECT_EQ(pawl({"repos"}).out.find("tok3n"), std::string::npos);
  EXPECT_EQ(pawl({"repos", "remove", "depot"}).exit, 0);
  EXPECT_EQ(pawl({"repos", "add", "till", "/srv/till.git"}).exit, 0);
  daemon.stop(SIGTERM);
  daemon.start();
  const std::string after = pawl({"repos"}).out;
  EXPECT_EQ(after.find("depot"), std::string::npos) << after;
  EXPECT_NE(after.find("till"), std::string::npos) << after;
}

TEST_F(AgainstDaemon, a_branch_is_looked_for_at_origin_before_its_task_is_taken) {
  const std::string origin = make_origin(daemon.path("o"));
  const std::string pipeline = daemon.path("mine.yaml");
  std::ofstream(pipeline) << "name: mine\nstages:\n  - {name: work, agent: dev, to: done}\nagents: {dev: {}}\n";
  daemon.stop(SIGTERM);
  daemon.options = {"--repo", "shop=" + origin, "--pipeline", pipeline};
  daemon.start();
  const Ran refused = pawl({"submit", "W-1", "--repo", "shop", "--branch", "feature/recipt", "--pipeline", "mine"});
  EXPECT_EQ(refused.exit, 1);
  EXPECT_NE(refused.err.find("no_branch"), std::string::npos) << refused.err;
  EXPECT_NE(refused.err.find("did you mean 'feature/receipt'?"), std::string::npos) << refused.err;
  EXPECT_EQ(pawl({"submit", "W-1", "--repo", "shop", "--branch", "feature/receipt", "--pipeline", "mine"}).exit, 0);
  EXPECT_EQ(pawl({"submit", "W-2", "--repo", "shop", "--branch", "feature/new", "--pipeline", "delivery"}).out,
            "task 2 (W-2 of shop): analysis, version 1\n"
            "branch 'feature/new' is not at origin yet: it begins at origin's default branch\n");
}

constexpr const char* shop_yaml = R"(name: shop
agents:
  dev: {run: "make test"}
stages:
  - {name: build, agent: dev, to: done}
)";

TEST_F(AgainstDaemon, pipelines_are_applied_and_shown_as_they_were_written) {
  const std::string file = daemon.file("shop.yaml", shop_yaml);
  EXPECT_EQ(pawl({"pipelines", "apply", file}).out, "shop: new\n");
  EXPECT_EQ(pawl({"pipelines", "apply", file}).out, "shop: equal to the definition in force\n");
  const Ran shown = pawl({"pipelines", "show", "shop"});
  EXPECT_EQ(shown.exit, 0) << shown.err;
  EXPECT_EQ(pawl({"pipelines", "apply", daemon.file("again.yaml", shown.out)}).out,
            "shop: equal to the definition in force\n")
      << shown.out;
  const Ran list = pawl({"pipelines"});
  EXPECT_NE(list.out.find("built in"), std::string::npos) << list.out;
  EXPECT_NE(list.out.find("pawl pipelines apply"), std::string::npos) << list.out;
  EXPECT_EQ(asked({"pipelines"}).as_array().size(), 2u);
}

TEST_F(AgainstDaemon, a_changed_pipeline_says_what_differs_and_how_many_tasks_keep_what_they_began_with) {
  pawl({"pipelines", "apply", daemon.file("shop.yaml", shop_yaml)});
  pawl({"settings", "queue.max_concurrency=1", "reconciler.enabled=false"});
  for (const std::string item : {"W-1", "W-2"}) {
    EXPECT_EQ(pawl({"submit", item, "--repo", "r", "--pipeline", "delivery"}).exit, 0);
  }
  const std::string changed = daemon.file("delivery.yaml", "name: delivery\nstages:\n  - {name: analysis, to: done}\n");
  const Ran applied = pawl({"pipelines", "apply", changed});
  EXPECT_EQ(applied.exit, 0) << applied.err;
  EXPECT_NE(applied.out.find("delivery: changed: agent 'analyst' is gone"), std::string::npos) << applied.out;
  EXPECT_NE(applied.out.find("stage 'analysis' differs"), std::string::npos) << applied.out;
  EXPECT_NE(applied.out.find("delivery: 2 live tasks keep the definition that they began with\n"), std::string::npos)
      << applied.out;
}

TEST_F(AgainstDaemon, nothing_is_applied_if_one_file_is_wrong) {
  const std::string good = daemon.file("shop.yaml", shop_yaml);
  const std::string bad = daemon.file("bad.yaml", "name: x\nstages:\n  - {name: a, too: done}\n");
  const Ran ran = pawl({"pipelines", "apply", good, bad});
  EXPECT_EQ(ran.exit, 2);
  EXPECT_NE(ran.err.find(bad + ":3: unknown key 'too'"), std::string::npos) << ran.err;
  EXPECT_EQ(asked({"pipelines"}).as_array().size(), 1u);
  EXPECT_EQ(pawl({"pipelines", "apply", good, good}).exit, 2) << "two files define the same name";
  EXPECT_EQ(pawl({"pipelines", "apply", daemon.path("none.yaml")}).exit, 2);
}

TEST_F(AgainstDaemon, what_is_applied_survives_a_restart_until_the_file_changes) {
  const std::string file = daemon.file("shop.yaml", shop_yaml);
  daemon.stop(SIGTERM);
  daemon.start({"--pipeline", file});
  std::string other = shop_yaml;
  other.replace(other.find("make test"), 9, "make it");
  EXPECT_EQ(pawl({"pipelines", "apply", daemon.file("other.yaml", other)}).out, "shop: changed: agent 'dev' differs\n");
  const auto has = [&](const std::string& what) {
    return pawl({"pipelines", "show", "shop"}).out.find(what) != std::string::npos;
  };
  daemon.stop(SIGTERM);
  daemon.start({"--pipeline", file});
  EXPECT_TRUE(has("make it"));
  daemon.stop(SIGTERM);
  std::string third = shop_yaml;
  third.replace(third.find("make test"), 9, "make all");
  daemon.start({"--pipeline", daemon.file("shop.yaml", third)});
  EXPECT_TRUE(has("make all"));
}

TEST_F(AgainstDaemon, a_pipeline_that_is_not_there_is_named_with_its_nearest) {
  const Ran ran = pawl({"pipelines", "show", "delivry"});
  EXPECT_EQ(ran.exit, 1);
  EXPECT_NE(ran.err.find("did you mean 'delivery'?"), std::string::npos) << ran.err;
}

TEST(PipelinesCommand, check_needs_no_daemon) {
  const TestFolder folder;
  const Ran good = run_pawl({"pipelines", "check", folder.file("shop.yaml", shop_yaml)});
  EXPECT_EQ(good.exit, 0);
  EXPECT_EQ(good.out, "shop: 1 stage, 1 agent, 0 steps, ok\n");
  EXPECT_EQ(good.err, "");
  const std::string file = folder.file(
      "warned.yaml",
      "name: w\nstages:\n  - {name: s, to: done, steps: [{name: m, run: [no-such-program], irreversible: yes}]}\n");
  const Ran warned = run_pawl({"pipelines", "check", file});
  EXPECT_EQ(warned.exit, 0);
  EXPECT_EQ(warned.out, "w: 1 stage, 0 agents, 1 step, ok\n");
  EXPECT_NE(warned.err.find("pawl: " + file + ":3: warning: step 'm' of stage 's' is irreversible"), std::string::npos)
      << warned.err;
  EXPECT_NE(warned.err.find("warning: 'run' of step 'm' of stage 's': no-such-program"), std::string::npos)
      << warned.err;
  const Ran json = run_pawl({"pipelines", "check", "--json", file});
  EXPECT_EQ(parse_json(json.out)->at(0).at("warnings").as_array().size(), 2u) << json.out;
}

TEST(PipelinesCommand, check_says_what_is_wrong_with_each_file_and_its_line) {
  const TestFolder folder;
  const std::string missing = folder.file(
      "missing.yaml", "name: w\nagents:\n  a: {run: [./bin/lnt]}\nstages:\n  - {name: s, agent: a, to: done}\n");
  const std::string malformed = folder.file("malformed.yaml", "name: [\n");
  const Ran ran = run_pawl(
      {"pipelines", "check", missing, malformed, folder.path("none.yaml"), folder.file("shop.yaml", shop_yaml)});
  EXPECT_EQ(ran.exit, 2);
  EXPECT_NE(ran.err.find("pawl: " + missing + ":3: 'run' of agent 'a': " + folder.path("bin/lnt") + ": No such file"),
            std::string::npos)
      << ran.err;
  EXPECT_NE(ran.err.find("pawl: " + malformed + ":"), std::string::npos) << ran.err;
  EXPECT_NE(ran.err.find(folder.path("none.yaml") + ": No such file or directory"), std::string::npos) << ran.err;
  EXPECT_EQ(ran.out, "shop: 1 stage, 1 agent, 0 steps, ok\n");
  const Ran word = run_pawl({"pipelines", "chek", malformed});
  EXPECT_EQ(word.exit, 2);
  EXPECT_NE(word.err.find("did you mean 'check'?"), std::string::npos) << word.err;
  EXPECT_EQ(run_pawl({"pipelines", "check"}).exit, 2);
}

}  // namespace
}  // namespace pawl
