// `pawl info`: what a data folder is.
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <gtest/gtest.h>

#include <fstream>

#include "schema/json/read_json.h"
#include "tests/unit/tools/against_daemon.h"
#include "tests/unit/tools/sample_log.h"

namespace pawl {
namespace {

class Info : public testing::Test {
 protected:
  /// A log of a script: a start, a task at that many seconds, and a start after a crash a second later.
  void make(std::int64_t s) {
    const std::string at = R"({"at":)" + std::to_string(s);
    const std::string script = at + R"(,"do":{"type":"TaskCreated","work_item":"W-1","repo":"shop"}})" + '\n' + at +
                               R"(,"do":{"type":"JobClaimed","job":9}})" + "\n" + R"({"at":)" + std::to_string(s + 1) +
                               R"(,"restart":true})" + '\n';
    const Ran ran = run_pawl({"simulate", folder.file("script", script), "--data", data});
    ASSERT_EQ(ran.exit, 0) << ran.err;
  }
  json::object info() {
    const Ran ran = run_pawl({"info", data, "--json"});
    EXPECT_EQ(ran.exit, 0) << ran.err;
    return parse_json(ran.out).value().as_object();
  }

  TestFolder folder;
  const std::string data = folder.path("data");
};

TEST_F(Info, counts_what_the_log_has) {
  make(5);
  const json::object of = info();
  const auto exported = lines_of(run_pawl({"export", "log", "--data", data}).out);
  EXPECT_EQ(of.at("records").to_number<std::size_t>(), exported.size());
  EXPECT_EQ(of.at("refused").as_int64(), 1) << "the claim of a job that there is not";
  EXPECT_EQ(of.at("first").at("seq").as_int64(), 1);
  EXPECT_EQ(of.at("last").at("seq").to_number<std::size_t>(), exported.size());
  EXPECT_EQ(of.at("last").at("time").as_string(), "2026-01-01T00:00:06.000000Z");
  EXPECT_EQ(of.at("rules").as_array().size(), 1U);
  EXPECT_GT(of.at("disk_bytes").at("log").as_int64(), of.at("record_bytes").as_int64());
  EXPECT_TRUE(of.at("damaged").is_null());
  EXPECT_TRUE(of.at("torn_from").is_null());
}

TEST_F(Info, start_after_a_crash_is_told_from_one_after_an_end) {
  make(5);
  const json::array starts = info().at("starts").as_array();
  ASSERT_EQ(starts.size(), 2U);
  EXPECT_FALSE(starts[0].at("after_a_crash").as_bool());
  EXPECT_TRUE(starts[1].at("after_a_crash").as_bool());
  const Ran ran = run_pawl({"info", "--data", data});
  EXPECT_NE(ran.out.find("starts        2, of which 1 after a crash\n"), std::string::npos) << ran.out;
}

TEST_F(Info, growth_is_that_of_the_last_days_and_unknown_of_a_young_log) {
  make(5);
  EXPECT_TRUE(info().at("growth").is_null());
  std::filesystem::remove_all(data);
  const std::int64_t two_days = 2 * 24 * 3600;
  make(two_days - 1);
  const json::object of = info();
  EXPECT_EQ(of.at("growth").at("over_s").as_int64(), two_days);
  EXPECT_EQ(of.at("growth").at("records_per_day").as_int64(), of.at("records").as_int64() / 2);
  const Ran ran = run_pawl({"info", data});
  EXPECT_NE(ran.out.find(" records a day, some "), std::string::npos) << ran.out;
  EXPECT_NE(ran.out.find(", in its last 2 days"), std::string::npos) << ran.out;
}

TEST_F(Info, what_is_left_of_a_damaged_log_is_shown) {
  { const SampleLog sample(data); }
  // The records are in the write-ahead file: the last bytes of it are made wrong, though the log is sealed beyond.
  bool is_hurt = false;
  for (const auto& entry : std::filesystem::directory_iterator(data + "/log")) {
    if (entry.path().extension() != ".log" || entry.file_size() < 4000) continue;
    std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(entry.file_size() / 2));
    file << "garbage garbage garbage";
    is_hurt = true;
  }
  ASSERT_TRUE(is_hurt);
  const Ran ran = run_pawl({"info", data});
  EXPECT_EQ(ran.exit, 2);
  EXPECT_NE(ran.out.find("\ndamaged       "), std::string::npos) << ran.out << ran.err;
  EXPECT_NE(ran.out.find("from          record 1, "), std::string::npos) << ran.out;
}

TEST_F(Info, what_is_no_data_folder_gets_a_sentence) {
  const Ran none = run_pawl({"info", folder.path("none")});
  EXPECT_EQ(none.exit, 2);
  EXPECT_NE(none.err.find("no such folder"), std::string::npos) << none.err;
  const Ran file = run_pawl({"info", folder.file("text", "hello")});
  EXPECT_EQ(file.exit, 2);
  EXPECT_FALSE(file.err.empty());
  EXPECT_EQ(run_pawl({"info"}).exit, 2);
}

}  // namespace
}  // namespace pawl
