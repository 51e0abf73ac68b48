#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <gtest/gtest.h>

#include "schema/json/read_json.h"
#include "tests/unit/tools/sample_log.h"

namespace pawl {
namespace {

class Check : public testing::Test {
 protected:
  Check() {
    const SampleLog sample(folder.path("data"));
    lines = lines_of(run_pawl({"export", "log", "--data", folder.path("data")}).out);
  }

  std::string text() const {
    std::string out;
    for (const std::string& line : lines) out += line + '\n';
    return out;
  }
  /// Replaces `from` in the line of record `seq`.
  void edit(std::size_t seq, const std::string& from, const std::string& to) {
    std::string& line = lines[seq - 1];
    const std::size_t at = line.find(from);
    ASSERT_NE(at, std::string::npos) << from << " in " << line;
    line.replace(at, from.size(), to);
  }
  Ran checked(const std::vector<std::string>& options = {}) {
    std::vector<std::string> words = {"check", folder.file("log.jsonl", text())};
    words.insert(words.end(), options.begin(), options.end());
    return run_pawl(words);
  }
  /// The findings, as "kind seq".
  std::vector<std::string> found() {
    const Ran ran = checked({"--json"});
    std::vector<std::string> names;
    const auto read = parse_json(ran.out);
    EXPECT_TRUE(read.has_value()) << ran.out << ran.err;
    if (!read) return names;
    for (const auto& each : read->at("findings").as_array()) {
      names.push_back(std::string(each.at("kind").as_string()) + " " + std::to_string(each.at("seq").as_int64()));
    }
    EXPECT_EQ(ran.exit, names.empty() ? 0 : 1);
    return names;
  }

  TestFolder folder;
  std::vector<std::string> lines;
  using Names = std::vector<std::string>;
};

TEST_F(Check, a_folder_that_is_not_one_of_data_is_told) {
  const TestFolder other;
  const Ran ran = run_pawl({"check", other.path("")});
  EXPECT_EQ(ran.exit, 2);
  EXPECT_EQ(ran.err, "pawl: " + other.path("") + " is not a pawl data folder (it has no log/)\n");
  EXPECT_EQ(run_pawl({"export", "log", "--data", other.path("none")}).err,
            "pawl: " + other.path("none") + ": no such folder\n");
}

TEST_F(Check, a_good_log_has_nothing) {
  const Ran ran = checked();
  EXPECT_EQ(ran.exit, 0) << ran.err;
  EXPECT_EQ(ran.out, std::to_string(lines.size()) +
                         " records: nothing found, but 1 task did not end well\n\nhow it ended\n"
                         "  task 3 (W-\"3\", grün) was blocked: waiting for a word (record 19), by itself: operator "
                         "blocked it\n");
  const Ran folder_too = run_pawl({"check", folder.path("data")});
  EXPECT_EQ(folder_too.exit, 0) << folder_too.err;
  EXPECT_EQ(folder_too.out, ran.out);
}

TEST_F(Check, a_log_after_a_checkpoint_is_checked_by_itself) {
  lines = lines_of(run_pawl({"export", "log", "--data", folder.path("data"), "--from", "9"}).out);
  const Ran ran = checked();
  EXPECT_EQ(ran.exit, 0) << ran.err << ran.out;
  EXPECT_NE(ran.out.find(", from the checkpoint before 9: nothing found"), std::string::npos) << ran.out;
}

TEST_F(Check, a_gap_is_found_and_ends_the_search) {
  lines.erase(lines.begin() + 7, lines.begin() + 9);
  EXPECT_EQ(found(), (Names{"gap 10"}));
  const Ran ran = checked();
  EXPECT_EQ(ran.exit, 1);
  EXPECT_NE(ran.out.find("records are missing before it: 8 to 9"), std::string::npos) << ran.out;
  EXPECT_NE(ran.out.find("from record 10 on the log was not checked"), std::string::npos) << ran.out;
}

TEST_F(Check, records_that_changed_places_are_found) {
  std::swap(lines[7], lines[8]);
  EXPECT_EQ(found(), (Names{"gap 9"}));
}

TEST_F(Check, an_outcome_that_was_changed_is_found) {
  edit(6, R"("outcome":"accepted")", R"("outcome":"relaunch")");
  const Names names = found();
  ASSERT_GE(names.size(), 2u);
  EXPECT_EQ(names[0], "divergence 6") << "its chain";
  EXPECT_EQ(names[1], "divergence 6") << "its outcome by the rules";
}

TEST_F(Check, record_that_is_decided_otherwise_is_named_as_itself_and_not_as_the_last_of_its_group) {
  edit(10, R"("outcome":"accepted")", R"("outcome":"relaunch")");
  const Ran ran = checked();
  EXPECT_NE(ran.out.find("it begins with record 10 StageTransition by monitor"), std::string::npos) << ran.out;
}

TEST_F(Check, an_effect_that_was_changed_is_found) {
  edit(5, R"({"effect":"task","id":1})", R"({"effect":"task","id":7})");
  EXPECT_EQ(found(), (Names{"divergence 5"}));
}

TEST_F(Check, time_that_runs_backwards_is_found) {
  const std::size_t at = lines[9].find(R"("time":"2026)") + 8;
  lines[9].replace(at, 4, "2025");
  const Names names = found();
  ASSERT_FALSE(names.empty());
  EXPECT_EQ(names[0], "time_backwards 10");
}

TEST_F(Check, what_cannot_be_read_is_named_by_its_line) {
  lines[4] = "{\"seq\":5";
  const Ran ran = checked();
  EXPECT_EQ(ran.exit, 2);
  EXPECT_TRUE(ran.err.starts_with("pawl: " + folder.path("log.jsonl") + ", line 5: ")) << ran.err;
  EXPECT_EQ(run_pawl({"check", folder.path("nowhere")}).exit, 2);
}

}  // namespace
}  // namespace pawl
