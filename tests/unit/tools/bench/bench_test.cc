// `pawl bench` against a real pawld, and on a log of its own.
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>

#include "tests/unit/tools/against_daemon.h"

namespace pawl {
namespace {

TEST(BenchFresh, every_loop_is_measured_and_the_log_replays) {
  const TestFolder folder;
  for (const std::string waiting : {"", "--blocking"}) {
    const std::string fresh = folder.path("log" + waiting);
    std::vector<std::string> words{"bench",   "--fresh", fresh,      "--actors", "1,3",
                                   "--count", "40",      "--rounds", "1",        "--json"};
    if (!waiting.empty()) words.push_back(waiting);
    const Ran ran = run_pawl(words);
    ASSERT_EQ(ran.exit, 0) << ran.err;
    const auto read = parse_json(ran.out);
    ASSERT_TRUE(read) << ran.out;
    EXPECT_EQ(read->at("measured").as_array().size(), 16U);
    for (const json::value& row : read->at("measured").as_array()) {
      EXPECT_TRUE(row.at("errors").as_object().empty()) << ran.out;
      EXPECT_GT(row.at("rounds_per_s").at("median").as_double(), 0);
    }
    EXPECT_EQ(run_pawl({"replay", fresh}).exit, 0);
    EXPECT_EQ(run_pawl({"check", fresh}).exit, 0) << run_pawl({"check", fresh}).out;
  }
}

TEST(BenchFresh, a_folder_with_anything_in_it_is_refused) {
  const TestFolder folder;
  static_cast<void>(folder.file("something", "else"));
  const Ran ran = run_pawl({"bench", "--fresh", folder.path(".")});
  EXPECT_EQ(ran.exit, 2);
  EXPECT_NE(ran.err.find("is not an empty folder"), std::string::npos) << ran.err;
}

TEST(BenchFresh, replay_measures_every_way_to_read) {
  const TestFolder folder;
  const Ran ran = run_pawl({"bench", "replay", "--fresh", folder.path("log"), "--records", "500"});
  EXPECT_EQ(ran.exit, 0) << ran.err;
  for (const char* what : {"decide, chain, append", "RocksDB iteration", "pawl replay", "pawl export log"}) {
    EXPECT_NE(ran.out.find(what), std::string::npos) << ran.out;
  }
  EXPECT_EQ(run_pawl({"bench", "replay"}).exit, 2);
}

TEST_F(AgainstDaemon, bench_measures_every_loop_and_leaves_nothing_live) {
  ASSERT_EQ(pawl({"settings", "queue.max_concurrency=3"}).exit, 0);
  const json::value read = asked({"bench", "--actors", "1,3", "--count", "40", "--rounds", "1", "--keys"});
  EXPECT_EQ(read.at("measured").as_array().size(), 16U);
  for (const json::value& row : read.at("measured").as_array()) {
    EXPECT_TRUE(row.at("errors").as_object().empty()) << row.at("loop");
    EXPECT_TRUE(row.at("server_us_per_round").is_object()) << row.at("loop");
  }
  EXPECT_EQ(pawl({"leases"}).out, "no leases\n");
  EXPECT_EQ(pawl({"repos"}).out.find("pawl-bench"), std::string::npos);
  const json::value pipelines = asked({"pipelines"});
  for (const json::value& row : pipelines.as_array()) EXPECT_EQ(row.at("live_tasks"), 0);
}

TEST_F(AgainstDaemon, bench_pipelines_requests_of_several_actors) {
  const json::value read =
      asked({"bench", "guarded", "--actors", "8", "--count", "100", "--rounds", "1", "--pipelining", "4"});
  EXPECT_TRUE(read.at("measured").at(0).at("errors").as_object().empty());
}

TEST_F(AgainstDaemon, bench_sends_requests_of_several_actors_as_one_batch) {
  ASSERT_EQ(pawl({"settings", "queue.max_concurrency=6"}).exit, 0);
  const json::value read =
      asked({"bench", "--actors", "6", "--count", "60", "--rounds", "1", "--batch", "4", "--keys", "--think", "1ms"});
  EXPECT_EQ(read.at("measured").as_array().size(), 7U) << "all loops but the queue page";
  for (const json::value& row : read.at("measured").as_array()) {
    EXPECT_TRUE(row.at("errors").as_object().empty()) << json::serialize(row);
  }
  EXPECT_EQ(pawl({"bench", "queue", "--batch", "4"}).exit, 2);
  EXPECT_EQ(pawl({"bench", "note", "--batch", "4", "--pipelining", "4"}).exit, 2);
}

TEST_F(AgainstDaemon, bench_declares_its_repositories_where_others_are_declared_and_removes_them) {
  ASSERT_EQ(pawl({"repos", "add", "shop"}).exit, 0);
  const json::value read = asked({"bench", "guarded", "--actors", "2", "--count", "10", "--rounds", "1"});
  EXPECT_TRUE(read.at("measured").at(0).at("errors").as_object().empty());
  EXPECT_EQ(pawl({"repos"}).out.find("pawl-bench"), std::string::npos);
}

TEST_F(AgainstDaemon, bench_asks_before_it_disturbs_others) {
  ASSERT_EQ(pawl({"submit", "W-1", "--repo", "shop"}).exit, 0);
  const Ran ran = pawl({"bench", "note", "--actors", "1", "--count", "1"});
  EXPECT_EQ(ran.exit, 1);
  EXPECT_NE(ran.err.find("has 1 live tasks"), std::string::npos) << ran.err;
  EXPECT_NE(ran.err.find("--yes"), std::string::npos) << ran.err;
  EXPECT_EQ(pawl({"pipelines"}).out.find("pawl-bench"), std::string::npos);
  EXPECT_EQ(pawl({"bench", "note", "--actors", "1", "--count", "1", "--yes"}).exit, 0);
  EXPECT_NE(pawl({"task", "1"}).out.find("analysis"), std::string::npos);
}

TEST_F(AgainstDaemon, bench_says_which_setting_keeps_jobs_from_running) {
  const Ran ran = pawl({"bench", "job", "--actors", "2"});
  EXPECT_EQ(ran.exit, 1);
  EXPECT_NE(ran.err.find("queue.max_concurrency to be at least 2"), std::string::npos) << ran.err;
}

TEST_F(AgainstDaemon, bench_that_is_interrupted_leaves_nothing_live) {
  const std::string command = "timeout -s INT 2 '" + program("pawl") +
                              "' bench guarded contended --actors 3 --for 600s --data '" + daemon.data() + "' >'" +
                              daemon.path("out") + "' 2>'" + daemon.path("err") + "'";
  const int status = std::system(command.c_str());
  EXPECT_EQ(WEXITSTATUS(status), 124);  // of timeout(1): it sent the signal, and the command ended by it
  std::ifstream err(daemon.path("err"));
  const std::string said((std::istreambuf_iterator<char>(err)), {});
  EXPECT_NE(said.find("interrupted"), std::string::npos) << said;
  EXPECT_EQ(pawl({"leases"}).out, "no leases\n");
  const json::value pipelines = asked({"pipelines"});
  for (const json::value& row : pipelines.as_array()) EXPECT_EQ(row.at("live_tasks"), 0);
}

TEST(Bench, without_a_daemon_it_says_so) {
  const TestFolder folder;
  const Ran ran = run_pawl({"bench", "--data", folder.path("none")});
  EXPECT_EQ(ran.exit, 1);
  EXPECT_NE(ran.err.find("is pawld running?"), std::string::npos) << ran.err;
}

}  // namespace
}  // namespace pawl
