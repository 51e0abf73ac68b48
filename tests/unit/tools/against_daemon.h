// The commands against a real pawld on its own data folder.
#pragma once

#include <boost/json/value.hpp>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <string>
#include <thread>
#include <vector>

#include "schema/json/read_json.h"
#include "tests/unit/tools/sample_log.h"

namespace pawl {

namespace json = boost::json;

inline constexpr auto patience = std::chrono::seconds(60);

/// A daemon on its own data folder, for the lifetime of this object.
class Daemon {
 public:
  explicit Daemon(const std::string& pipeline = {}) {
    if (!pipeline.empty()) options = {"--pipeline", file("pipeline.yaml", pipeline)};
    start();
  }
  ~Daemon() { stop(SIGTERM); }

  /// `more`: further options.
  void start(const std::vector<std::string>& more = {}) {
    pid_ = ::fork();
    if (pid_ == 0) {
      const int log = ::open(folder_.path("pawld.log").c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
      ::dup2(log, 1);
      ::dup2(log, 2);
      std::vector<std::string> words{"pawld", "--data", data()};
      words.insert(words.end(), options.begin(), options.end());
      words.insert(words.end(), more.begin(), more.end());
      std::vector<char*> arguments;
      for (std::string& word : words) arguments.push_back(word.data());
      arguments.push_back(nullptr);
      ::execv(program("pawld").c_str(), arguments.data());
      ::_exit(125);
    }
    const auto begun = std::chrono::steady_clock::now();
    while (run_pawl({"settings", "--data", data()}).exit != 0) {
      ASSERT_LT(std::chrono::steady_clock::now() - begun, patience) << "pawld does not start";
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  }

  void stop(int signal) {
    if (pid_ <= 0) return;
    ::kill(pid_, signal);
    ::waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }

  std::string data() const { return folder_.path("data"); }
  std::string path(const std::string& name) const { return folder_.path(name); }
  std::string file(const std::string& name, const std::string& content) const { return folder_.file(name, content); }

  std::vector<std::string> options;  // for the next start

 private:
  TestFolder folder_;
  pid_t pid_ = 0;
};

class AgainstDaemon : public testing::Test {
 protected:
  Ran pawl(const std::vector<std::string>& words) { return run_pawl(words, "", {"PAWL_DATA=" + daemon.data()}); }
  /// What a command prints with --json.
  json::value asked(std::vector<std::string> words) {
    words.insert(words.begin() + 1, "--json");
    const Ran ran = pawl(words);
    EXPECT_EQ(ran.exit, 0) << ran.err;
    auto read = parse_json(ran.out);
    EXPECT_TRUE(read) << ran.out;
    return read ? *read : json::value();
  }

  Daemon daemon;
};

}  // namespace pawl
