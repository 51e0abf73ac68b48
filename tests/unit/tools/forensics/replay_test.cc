#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <gtest/gtest.h>

#include <fstream>

#include "schema/json/read_json.h"
#include "tests/unit/tools/sample_log.h"

namespace pawl {
namespace {

class Replay : public testing::Test {
 protected:
  Replay() {
    const SampleLog sample(folder.path("data"));
    lines = lines_of(run_pawl({"export", "log", "--data", folder.path("data")}).out);
    EXPECT_FALSE(lines.empty());
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
  Ran replayed(const std::vector<std::string>& options = {}) {
    std::vector<std::string> words = {"replay", folder.file("log.jsonl", text())};
    words.insert(words.end(), options.begin(), options.end());
    return run_pawl(words);
  }
  /// The first difference, as "seq what".
  std::string difference() {
    const Ran ran = replayed({"--json"});
    EXPECT_EQ(ran.exit, 1) << ran.err;
    const auto read = parse_json(ran.out);
    if (!read || !read->at("difference").is_object()) return "none: " + ran.out;
    return std::to_string(read->at("difference").at("seq").as_int64()) + " " +
           std::string(read->at("difference").at("what").as_string());
  }
  /// The error for unreadable lines.
  std::string complaint() {
    const Ran ran = replayed();
    EXPECT_EQ(ran.exit, 2) << ran.out;
    const std::string head = "pawl: " + folder.path("log.jsonl") + ", ";
    EXPECT_TRUE(ran.err.starts_with(head)) << ran.err;
    return ran.err.size() > head.size() ? ran.err.substr(head.size(), ran.err.size() - head.size() - 1) : "";
  }

  TestFolder folder;
  std::vector<std::string> lines;
};

TEST_F(Replay, a_good_log_is_summed_up) {
  const Ran ran = replayed();
  EXPECT_EQ(ran.exit, 0) << ran.err;
  EXPECT_TRUE(
      ran.out.starts_with(std::to_string(lines.size()) + " records, of which 1 refused: all as the rules say\n"))
      << ran.out;
  EXPECT_NE(ran.out.find("last chain   "), std::string::npos);
}

TEST_F(Replay, an_outcome_that_was_changed_is_found) {
  edit(6, R"("outcome":"accepted")", R"("outcome":"relaunch")");
  EXPECT_EQ(difference(), "6 outcome");
  const Ran ran = replayed();
  EXPECT_TRUE(ran.out.starts_with(
      "record 6 differs in its outcome\n  the log has  relaunch\n  replay gives accepted\n\nby the rules its group "
      "changes:\ntask 2: new\n"))
      << ran.out;
}

TEST_F(Replay, a_digest_that_was_changed_is_found) {
  const std::size_t at = lines[4].find(R"("digest":")") + 10;
  lines[4][at] = lines[4][at] == '0' ? '1' : '0';
  EXPECT_EQ(difference(), "5 digest");
}

TEST_F(Replay, a_chain_that_was_changed_is_found) {
  const std::size_t at = lines[4].find(R"("chain":")") + 9;
  lines[4][at] = lines[4][at] == '0' ? '1' : '0';
  EXPECT_EQ(difference(), "5 chain");
}

TEST_F(Replay, an_actor_that_was_changed_is_found_by_the_chain) {
  edit(4, R"("actor":"operator")", R"("actor":"monitor")");  // in no row of the state
  EXPECT_EQ(difference(), "4 chain");
}

TEST_F(Replay, a_work_item_that_was_changed_is_found_by_the_digest) {
  edit(5, R"("work_item":"W-1")", R"("work_item":"W-7")");
  EXPECT_EQ(difference(), "5 digest");
}

TEST_F(Replay, a_line_in_another_form_is_found) {
  const std::vector<std::string> good = lines;
  edit(5, R"("seq":5,)", R"("seq": 5,)");
  EXPECT_EQ(difference(), "5 form of the line, from byte 8");
  lines = good;
  edit(5, R"("seq":5,"group":5,)", R"("group":5,"seq":5,)");
  EXPECT_EQ(difference(), "5 form of the line, from byte 3");
  lines = good;
  edit(5, R"("effects":[)", R"("effects":[{"effect":"alert","reason":"x"},)");
  EXPECT_TRUE(difference().starts_with("5 form of the line")) << difference();
  lines = good;
  edit(5, "W-1", "W-\\u0031");
  EXPECT_TRUE(difference().starts_with("5 form of the line")) << difference();
}

TEST_F(Replay, a_line_with_a_key_twice_is_refused) {
  edit(5, R"("seq":5,)", R"("seq":5,"seq":5,)");
  EXPECT_NE(complaint().find(R"(duplicate key "seq")"), std::string::npos) << complaint();
}

TEST_F(Replay, what_cannot_be_read_is_named_by_its_line) {
  const std::vector<std::string> good = lines;
  lines[2] = "{";
  EXPECT_EQ(complaint(), "line 3: at byte 2: the JSON value is incomplete");
  lines = good;
  lines[2] = "";
  EXPECT_EQ(complaint(), "line 3: at byte 1: the JSON value is incomplete");
  lines = good;
  edit(5, R"("work_item":)", R"("worktem":)");
  EXPECT_EQ(complaint(), "line 5: data: there is no field \"worktem\" in TaskCreated");
  lines = good;
  edit(5, R"("rules":2)", R"("rules":3)");
  EXPECT_EQ(complaint(),
            "line 5: record 5 was decided by rules 3; this program knows up to 2; reading it takes a newer pawl");
}

TEST_F(Replay, a_record_that_is_missing_doubled_or_misplaced_is_refused) {
  const std::vector<std::string> good = lines;
  lines.erase(lines.begin() + 4);
  EXPECT_EQ(complaint(), "line 5: record 6 is in the place of record 5");
  lines = good;
  lines.insert(lines.begin() + 4, lines[3]);
  EXPECT_EQ(complaint(), "line 5: record 4 is in the place of record 5");
  lines = good;
  edit(5, R"("group":5)", R"("group":3)");
  EXPECT_EQ(complaint(),
            "line 5: record 5 belongs to a group that begins at 3, but the group before it is a different one");
  lines = good;
  lines.erase(lines.begin());
  EXPECT_EQ(complaint(), "line 1: record 2 is in the place of record 1");
}

TEST_F(Replay, a_checkpoint_that_does_not_fit_is_found) {
  const Ran part = run_pawl({"export", "log", "--data", folder.path("data"), "--from", "9"});
  const std::vector<std::string> good = lines_of(part.out);
  lines = good;
  edit(1, R"("seq":8)", R"("seq":7)");
  EXPECT_EQ(complaint(), "line 1: checkpoint: seq: does not match its data");
  lines = good;
  edit(1, R"("digest":")", R"("digest":"x)");
  EXPECT_EQ(difference(), "8 digest of the checkpoint");
  lines = good;
  edit(1, R"("data":")", R"("data":"!)");
  EXPECT_EQ(complaint(), "line 1: checkpoint: data: not base64");
  lines = good;
  lines.erase(lines.begin() + 1);
  EXPECT_EQ(complaint(), "line 2: record 10 is in the place of record 9");
  lines = good;
  lines.insert(lines.begin() + 1, lines[0]);
  EXPECT_NE(complaint().find("line 2: "), std::string::npos);
}

TEST_F(Replay, a_damaged_folder_names_the_record_and_stays_as_it_is) {
  std::filesystem::path wal;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path("data") + "/log")) {
    if (entry.path().extension() == ".log" && entry.file_size() > 0) wal = entry.path();
  }
  ASSERT_FALSE(wal.empty());
  std::fstream file(wal, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(static_cast<std::streamoff>(std::filesystem::file_size(wal) / 2));
  file.put('!').put('?').put('!');
  file.close();
  const auto changed = std::filesystem::last_write_time(wal);
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"replay", folder.path("data")}, {"export", "log", "--data", folder.path("data")}}) {
    const Ran ran = run_pawl(words);
    EXPECT_EQ(ran.exit, 2) << ran.out;
    EXPECT_NE(ran.err.find("record "), std::string::npos) << ran.err;
  }
  EXPECT_EQ(std::filesystem::last_write_time(wal), changed);
}

TEST_F(Replay, an_empty_log_is_no_records) {
  const Ran ran = run_pawl({"replay", "-", "--json"});
  EXPECT_EQ(ran.exit, 0) << ran.err;
  EXPECT_TRUE(ran.out.starts_with(R"({"diverged":false,"records":0,"refused":0,"unchecked":0,"seq":0,)")) << ran.out;
}

TEST_F(Replay, a_path_that_is_not_there_is_named) {
  const Ran ran = run_pawl({"replay", folder.path("nowhere")});
  EXPECT_EQ(ran.exit, 2);
  EXPECT_EQ(ran.err, "pawl: " + folder.path("nowhere") + ": No such file or directory\n");
}

TEST_F(Replay, until_a_moment_goes_no_further) {
  const Ran by_seq = replayed({"--until", "8"});
  EXPECT_EQ(by_seq.exit, 0) << by_seq.err;
  EXPECT_TRUE(by_seq.out.starts_with("8 records, of which 0 refused: all as the rules say\nlast record  8\n"))
      << by_seq.out;
  EXPECT_EQ(replayed({"--until", "2026-01-01T00:00:08.999Z"}).out, by_seq.out);
  edit(9, R"("outcome":"accepted")", R"("outcome":"relaunch")");
  EXPECT_EQ(replayed({"--until", "8"}).out, by_seq.out) << "later lines are not read";
  EXPECT_EQ(replayed({"--until", "soon"}).exit, 2);
}

TEST_F(Replay, a_group_is_taken_whole_or_not_at_all) {
  std::size_t seq = 0;  // of the first record of a group of several
  while (lines[seq].find("\"group\":" + std::to_string(seq)) == std::string::npos) ++seq;
  const Ran ran = replayed({"--until", std::to_string(seq), "--json"});
  EXPECT_EQ(parse_json(ran.out)->at("seq").as_int64(), static_cast<std::int64_t>(seq) - 1) << ran.out;
}

TEST_F(Replay, shows_the_records_of_a_task) {
  const std::vector<std::string> shown = lines_of(replayed({"--task", "2"}).out);
  ASSERT_GE(shown.size(), 4u);
  EXPECT_NE(shown[0].find("webhook     TaskCreated      work_item=W-2"), std::string::npos) << shown[0];
  EXPECT_NE(shown[1].find("REFUSED version_conflict"), std::string::npos) << shown[1];
  for (const std::string& line : lines_of(replayed({"--task", "2", "--json"}).out)) {
    EXPECT_TRUE(parse_json(line).has_value()) << line;
  }
}

TEST_F(Replay, shows_what_changed_between_two_moments) {
  const Ran ran = replayed({"--diff", "4", "5"});
  EXPECT_EQ(ran.exit, 0) << ran.err;
  EXPECT_NE(ran.out.find("\nwhat changed:\ntask 1: new\n  id: 1\n"), std::string::npos) << ran.out;
  EXPECT_NE(ran.out.find("\njob 1: new\n"), std::string::npos) << ran.out;
  EXPECT_NE(replayed({"--diff", "3", "4"}).out.find("setting queue.max_concurrency\n  value: 1 -> 4\n"),
            std::string::npos);
  EXPECT_NE(replayed({"--diff", "4", "4"}).out.find("\nnothing changed\n"), std::string::npos);
  EXPECT_EQ(replayed({"--diff", "5", "4"}).exit, 2);
  EXPECT_EQ(replayed({"--diff", "5"}).exit, 2);
  const std::string path = folder.path("log.jsonl");
  EXPECT_EQ(run_pawl({"replay", "--diff", "4", "5", path}).out, ran.out) << "the log may come last";
}

TEST_F(Replay, a_task_that_left_memory_is_in_the_difference) {
  const Ran ran = replayed({"--diff", "7", std::to_string(lines.size()), "--json"});
  const auto read = parse_json(ran.out);
  ASSERT_TRUE(read.has_value()) << ran.out;
  const auto& first = read->at("changes").at(0);
  EXPECT_EQ(first.at("row"), "task");
  EXPECT_EQ(first.at("id"), 1);
  EXPECT_EQ(first.at("before").at("stage"), "build");
  EXPECT_EQ(first.at("after").at("stage"), "done");
}

}  // namespace
}  // namespace pawl
