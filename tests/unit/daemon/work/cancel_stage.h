// A stage for cancel tests: a real origin, and an agent that works until the test releases it.
#pragma once

#include <cstdlib>

#include "tests/unit/daemon/work/executor_stage.h"

namespace pawl {

class CancelStage : public ExecutorTest {
 protected:
  /// origin.git, with `trunk` as its default branch and a branch `feature`.
  void make_origin() {
    sh("git init -q --bare -b trunk origin.git && git clone -q origin.git seed 2>&1 && cd seed && "
       "git checkout -q -b trunk && echo 1 > file && git add file && git commit -qm one && "
       "git push -q origin trunk trunk:feature trunk:other");
    origins_ = {{"shop", at("origin.git").string()}};
  }
  int run(const std::string& script) {
    const std::string line = "cd '" + folder_.string() +
                             "' && export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@a GIT_COMMITTER_NAME=a "
                             "GIT_COMMITTER_EMAIL=a@a GIT_CONFIG_NOSYSTEM=1 && " +
                             script;
    return std::system(line.c_str());  // NOLINT(cert-env33-c): a script
  }
  void sh(const std::string& script) { ASSERT_EQ(run(script), 0) << script; }
  bool has_branch(const std::string& name) {
    return run("git -C origin.git rev-parse -q --verify 'refs/heads/" + name + "' > /dev/null") == 0;
  }
  bool folder_goes(std::uint64_t task) {
    return comes_true([&] { return !fs::exists(worktree(task)); });
  }
  /// Waits until the agent of the task just submitted is running.
  bool agent_is_up() {
    return comes_true([&] { return contents(at("pid")).ends_with("\n"); });
  }
};

inline constexpr const char* waiting_pipeline = R"(name: test
agents:
  worker: {run: 'echo $$ > $1/pid; until [ -e $1/go ]; do sleep 0.02; done', timeout_s: 600}
stages:
  - {name: work, agent: worker, to: done}
)";

}  // namespace pawl
