// Real git on small real repositories, for the worktree tests.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "daemon/work/real_system.h"
#include "tests/unit/daemon/work/origins_of.h"

namespace pawl {

/// A loopback port whose connections only the kernel accepts: silent unless the test answers.
class Listener {
 public:
  Listener() {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    EXPECT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), length), 0);
    EXPECT_EQ(::listen(fd, 8), 0);
    EXPECT_EQ(::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length), 0);
    port = std::to_string(ntohs(address.sin_port));
  }
  ~Listener() { ::close(fd); }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  std::string port;
};

/// Asks origin before each preparation, as the executor does.
class Tried : public Worktrees {
 public:
  Tried(System& system, const std::string& data_folder, std::shared_ptr<const Origins> origins)
      : Worktrees(system, data_folder, std::move(origins)) {}
  Tried(System& system, const std::string& data_folder, const std::map<std::string, std::string>& urls)
      : Tried(system, data_folder, std::shared_ptr<const Origins>(origins_of(urls))) {}
  Result<Worktree> prepare(const WorkRequest& request) {
    const Fetched fetched = fetch(request.repo, no_deadline, nullptr);
    if (fetched.end != FetchEnd::fetched) return Error{ErrorCode::io, fetched.words};
    return Worktrees::prepare(request);
  }
};

class WorktreesTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "/pawl-work-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
    sh("git init -q --bare -b trunk origin.git && git clone -q origin.git seed 2>&1 && cd seed && "
       "git checkout -q -b trunk && echo 1 > file && git add file && git commit -qm one && git push -q origin trunk");
    branch("feature", "feature");
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  /// In the test's folder, with an identity for commits.
  void sh(const std::string& script) {
    const std::string line = "cd '" + folder_.string() +
                             "' && export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@a GIT_COMMITTER_NAME=a "
                             "GIT_COMMITTER_EMAIL=a@a GIT_CONFIG_NOSYSTEM=1 && " +
                             script;
    ASSERT_EQ(std::system(line.c_str()), 0) << script;  // NOLINT(cert-env33-c)
  }
  /// A branch at origin with its own commit.
  void branch(const std::string& name, const std::string& text) {
    sh("cd seed && git checkout -q trunk && git checkout -q -B side && echo '" + text +
       "' > file && git commit -qam side && git push -q -f origin 'HEAD:refs/heads/" + name + "'");
  }
  static std::string text_of(const std::filesystem::path& path) {
    std::ifstream file(path);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
  }

  Tried worktrees(const std::string& repo = "shop") {
    return Tried(system(), (folder_ / "data").string(), {{repo, (folder_ / "origin.git").string()}});
  }
  RealSystem& system() {
    if (!system_) system_.emplace(RealSystem::Options{.data_folder = (folder_ / "data").string()});
    return *system_;
  }
  std::filesystem::path folder_of_task(std::uint64_t task = 1) const {
    return folder_ / "data/work" / ("task-" + std::to_string(task));
  }
  std::filesystem::path work(std::uint64_t task, const std::string& name) const { return folder_of_task(task) / name; }

  std::filesystem::path folder_;
  std::optional<RealSystem> system_;
};

}  // namespace pawl
