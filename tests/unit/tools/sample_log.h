// A data folder with a log, made by the real engine and store, and the program run on it.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "engine/rules/group.h"
#include "store/chain.h"
#include "store/rocks_log.h"

namespace pawl {

/// A temporary folder for a test, removed with this object.
class TestFolder {
 public:
  TestFolder();
  ~TestFolder();
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;

  std::string path(const std::string& name) const { return (root_ / name).string(); }
  /// Writes a file, and returns its path.
  std::string file(const std::string& name, const std::string& content) const;

 private:
  std::filesystem::path root_;
};

/// A log of one delivered task, one cancelled and one blocked; with a group, a refusal, a keyed record and a changed
/// setting. A second passes between groups.
class SampleLog {
 public:
  /// `concurrency`: the value of its setting, in record 4. Everything else is the same every time.
  explicit SampleLog(const std::string& dir, std::int64_t concurrency = 4);

  Seq propose(Group group);
  Seq last_seq() const { return state_.last_seq; }
  const State& state() const { return state_; }
  RocksLog& log() { return *log_; }

 private:
  void tell(std::int64_t concurrency);
  void deliver(std::uint64_t task);

  std::unique_ptr<RocksLog> log_;
  State state_;
  Chain chain_{};
  TimeUs now_;
};

/// The path of a program, "pawl" or "pawld": in the build, or in the folder that PAWL_TEST_PROGRAMS names.
std::string program(const std::string& name);

/// The result of a run of the program.
struct Ran {
  int exit = -1;
  std::string out;
  std::string err;
};

/// Runs `pawl` with these arguments; its environment has no PAWL_… variables except those in `environment`
/// ("NAME=value").
Ran run_pawl(const std::vector<std::string>& words, const std::string& input = "",
             const std::vector<std::string>& environment = {});

std::vector<std::string> lines_of(const std::string& text);

}  // namespace pawl
