// `pawl incident`: which log it reads, and what it looks around.
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/unit/tools/sample_log.h"

namespace pawl {
namespace {

class IncidentLog : public testing::Test {
 protected:
  IncidentLog() { const SampleLog sample(data); }
  Ran ask(std::vector<std::string> words) const {
    words.insert(words.begin(), "incident");
    return run_pawl(words, "", {"PAWL_DATA=" + data});
  }

  TestFolder folder;
  std::string data = folder.path("data");
};

TEST_F(IncidentLog, with_PAWL_DATA_a_seq_alone_is_what_to_look_around) {
  const Ran named = run_pawl({"incident", data, "2"});
  EXPECT_NE(named.exit, 2) << named.err;
  const Ran alone = ask({"2"});
  EXPECT_EQ(alone.exit, named.exit) << alone.err;
  EXPECT_EQ(alone.out, named.out);
  EXPECT_EQ(ask({data, "2"}).out, named.out);
  EXPECT_EQ(run_pawl({"incident", "2", "--data", data}).out, named.out);
}

TEST_F(IncidentLog, with_PAWL_DATA_a_file_that_exists_is_the_log) {
  const std::string lines = run_pawl({"export", "log", "--data", data}).out;
  const std::string file = folder.file("log.jsonl", lines);
  const Ran read = ask({file});
  EXPECT_NE(read.exit, 2) << read.err;
  EXPECT_NE(read.out.find(file), std::string::npos) << read.out;
}

TEST_F(IncidentLog, without_a_log_a_seq_a_time_or_a_task_asks_which) {
  for (const std::string word : {"31", "2026-06-15T10:00:00Z", "task:12"}) {
    const Ran ran = run_pawl({"incident", word});
    EXPECT_EQ(ran.exit, 2);
    EXPECT_EQ(ran.err, "pawl: incident: which log? Name a data folder or a file, or set PAWL_DATA\n") << word;
  }
  EXPECT_EQ(run_pawl({"incident", "no-such-file"}).err.find("which log"), std::string::npos);
}

}  // namespace
}  // namespace pawl
