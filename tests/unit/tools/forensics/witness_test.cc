// `pawl witness`, and `pawl check --witness`: a log's past, kept where its owner cannot write.
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <gtest/gtest.h>

#include "schema/json/read_json.h"
#include "tests/unit/tools/against_daemon.h"
#include "tests/unit/tools/sample_log.h"

namespace pawl {
namespace {

class WitnessCommand : public testing::Test {
 protected:
  WitnessCommand() {
    const SampleLog sample(folder.path("data"));
    records = exported({});
    for (const std::string& record : records) lines.push_back(line_of(record));
  }

  std::vector<std::string> exported(const std::vector<std::string>& more, const std::string& data = "data") {
    std::vector<std::string> words{"export", "log", "--data", folder.path(data)};
    words.insert(words.end(), more.begin(), more.end());
    return lines_of(run_pawl(words).out);
  }
  /// What a witness would have seen at that moment.
  static std::string line_of(const std::string& record) {
    const auto read = parse_json(record);
    EXPECT_TRUE(read.has_value()) << record;
    json::object line;
    for (const char* name : {"seq", "time", "digest", "chain"}) line.emplace(name, read->at(name));
    return json::serialize(line);
  }
  static std::string joined(const std::vector<std::string>& lines) {
    std::string out;
    for (const std::string& line : lines) out += line + '\n';
    return out;
  }
  Ran checked(const std::string& log, const std::vector<std::string>& seen, bool is_json = false) {
    std::vector<std::string> words{"check", log, "--witness", folder.file("seen", joined(seen))};
    if (is_json) words.emplace_back("--json");
    return run_pawl(words);
  }
  /// The findings, as "kind seq".
  std::vector<std::string> found(const std::string& log, const std::vector<std::string>& seen) {
    const Ran ran = checked(log, seen, true);
    const auto read = parse_json(ran.out);
    EXPECT_TRUE(read.has_value()) << ran.out << ran.err;
    std::vector<std::string> names;
    if (!read) return names;
    for (const auto& each : read->at("findings").as_array()) {
      names.push_back(std::string(each.at("kind").as_string()) + " " + std::to_string(each.at("seq").as_int64()));
    }
    EXPECT_EQ(ran.exit, names.empty() ? 0 : 1);
    return names;
  }

  TestFolder folder;
  std::vector<std::string> records;
  std::vector<std::string> lines;  // a line for each record
  using Names = std::vector<std::string>;
};

TEST_F(WitnessCommand, the_head_of_a_folder_a_file_and_standard_input_is_one_line) {
  for (const std::string& log : {folder.path("data"), folder.file("log.jsonl", joined(records)), std::string("-")}) {
    const Ran ran = run_pawl({"witness", log}, joined(records));
    EXPECT_EQ(ran.exit, 0) << ran.err;
    EXPECT_EQ(ran.out, lines.back() + '\n') << log;
  }
  EXPECT_EQ(run_pawl({"witness", folder.path("nowhere")}).exit, 2);
  EXPECT_EQ(run_pawl({"witness", folder.file("empty", "")}).exit, 2);
}

TEST_F(WitnessCommand, lines_of_the_log_as_it_is_are_agreed_with) {
  const Ran ran = checked(folder.path("data"), lines);
  EXPECT_EQ(ran.exit, 0) << ran.out << ran.err;
  EXPECT_NE(ran.out.find("nothing found"), std::string::npos) << ran.out;
  EXPECT_NE(ran.out.find(std::to_string(lines.size()) + " lines in agreement with the log"), std::string::npos)
      << ran.out;
}

// A rewritten log has a consistent chain: by itself it shows nothing.
TEST_F(WitnessCommand, history_that_was_written_again_with_a_new_chain_shows_by_the_lines_alone) {
  const SampleLog again(folder.path("again"), 5);
  ASSERT_EQ(raw(again.last_seq()), lines.size());
  for (const char* command : {"check", "replay"}) {
    EXPECT_EQ(run_pawl({command, folder.path("again")}).exit, 0) << command;
  }
  EXPECT_EQ(found(folder.path("again"), lines), (Names{"rewritten 4"}));
  const Ran ran = checked(folder.path("again"), lines);
  EXPECT_NE(ran.out.find("it begins with record 4 SettingChanged by operator"), std::string::npos) << ran.out;
  EXPECT_NE(ran.out.find("line 4, saw this record with the chain"), std::string::npos) << ran.out;
  EXPECT_NE(ran.out.find("history between record 3, on which a line agrees, and this record was rewritten"),
            std::string::npos)
      << ran.out;
  // Fewer lines locate the change less exactly, but prove it just as surely.
  EXPECT_EQ(found(folder.path("again"), {lines[1], lines[9]}), (Names{"rewritten 10"}));
  EXPECT_EQ(found(folder.path("again"), {lines[1]}), Names{});
}

TEST_F(WitnessCommand, an_end_that_was_cut_off_shows) {
  const std::string cut = folder.file("cut.jsonl", joined({records.begin(), records.begin() + 8}));
  EXPECT_EQ(run_pawl({"check", cut}).exit, 0);
  EXPECT_EQ(found(cut, {lines[3], lines[7], lines[8], lines[9]}), (Names{"cut_off 8"}));
  const Ran ran = checked(cut, {lines[3], lines[8], lines[9]});
  EXPECT_NE(ran.out.find("line 2, saw record 9 of "), std::string::npos) << ran.out;
  EXPECT_NE(ran.out.find("1 more line beyond the end"), std::string::npos) << ran.out;
  // A truncated log that continued differently is another log from there on.
  EXPECT_EQ(found(cut, {lines[3], lines[7]}), Names{});
}

TEST_F(WitnessCommand, what_a_restore_left_out_is_said_and_is_no_finding) {
  ASSERT_EQ(run_pawl({"backup", folder.path("data"), folder.path("backup")}).exit, 0);
  ASSERT_EQ(run_pawl({"restore", folder.path("backup"), folder.path("new"), "--bump", "5000"}).exit, 0);
  const std::uint64_t last = lines.size();
  std::string lost = lines.back();
  lost.replace(lost.find(std::to_string(last)), std::to_string(last).size(), std::to_string(last + 3));
  const std::vector<std::string> seen{lines.back(), lost, line_of(exported({}, "new").back())};
  const Ran ran = checked(folder.path("new"), seen);
  EXPECT_EQ(ran.exit, 0) << ran.out << ran.err;
  EXPECT_NE(ran.out.find("record " + std::to_string(last + 3) + " is missing: the log itself says"), std::string::npos)
      << ran.out;
  EXPECT_NE(ran.out.find("(record " + std::to_string(last + 5001) + ")"), std::string::npos) << ran.out;
}

TEST_F(WitnessCommand, of_a_log_after_a_checkpoint_only_its_end_and_what_follows_is_compared) {
  const std::string end = folder.file("end.jsonl", joined(exported({"--from", "9"})));
  const Ran ran = checked(end, lines);
  EXPECT_EQ(ran.exit, 0) << ran.out << ran.err;
  EXPECT_NE(ran.out.find("7 lines from before its first record"), std::string::npos) << ran.out;
  std::string other = lines[7];
  other[other.size() - 3] = other[other.size() - 3] == '0' ? '1' : '0';
  EXPECT_EQ(found(end, {other}), (Names{"rewritten 8"}));
}

TEST_F(WitnessCommand, a_line_that_was_changed_itself_is_told_from_a_log_that_was) {
  std::string other = lines[5];
  other.replace(other.find("\"time\":\"2026"), 12, "\"time\":\"2025");
  const Ran ran = checked(folder.path("data"), {other});
  EXPECT_EQ(ran.exit, 1);
  EXPECT_NE(ran.out.find("the line was changed, not the log"), std::string::npos) << ran.out;
}

TEST_F(WitnessCommand, what_stands_behind_a_gap_is_not_compared_and_that_is_said) {
  std::vector<std::string> some(records.begin(), records.begin() + 5);
  some.insert(some.end(), records.begin() + 6, records.end());
  const std::string log = folder.file("gap.jsonl", joined(some));
  EXPECT_EQ(found(log, lines), (Names{"gap 7"}));
  const Ran ran = checked(log, {lines[2], lines[9]});
  EXPECT_NE(ran.out.find("1 line about records that were not checked"), std::string::npos) << ran.out;
}

TEST_F(WitnessCommand, what_is_no_line_is_named_by_its_line) {
  const std::string good = lines[0];
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string line = good;
    line.replace(line.find(from), from.size(), to);
    return line;
  };
  for (const std::string& wrong :
       {std::string("nonsense"), std::string("[]"), std::string(), records[0], with("\"seq\":1", "\"seq\":0"),
        with("\"seq\":1", "\"seq\":\"1\""), with("\"chain\":\"", "\"chain\":\"0"), with("\"digest\"", "\"dijest\""),
        with("\"time\":\"2026", "\"time\":\"20x6"), with("{", "{\"more\":1,")}) {
    const Ran ran = checked(folder.path("data"), {good, wrong, good});
    EXPECT_EQ(ran.exit, 2) << wrong;
    EXPECT_TRUE(ran.err.starts_with("pawl: " + folder.path("seen") + ", line 2: ")) << ran.err;
  }
  EXPECT_EQ(checked(folder.path("data"), {}).exit, 2) << "an empty file proves nothing";
  EXPECT_EQ(run_pawl({"check", "-", "--witness", "-"}).exit, 2);
}

TEST_F(WitnessCommand, lines_are_appended_to_a_file_that_is_whole_and_elsewhere) {
  const std::string to = folder.path("kept");
  for (int i = 0; i < 2; ++i) EXPECT_EQ(run_pawl({"witness", folder.path("data"), "--to", to}).exit, 0);
  EXPECT_EQ(checked(folder.path("data"), {lines.back(), lines.back()}).exit, 0);
  EXPECT_EQ(run_pawl({"check", folder.path("data"), "--witness", to}).exit, 0);
  EXPECT_EQ(run_pawl({"witness", folder.path("data"), "--to", folder.file("torn", "{\"seq\":1")}).exit, 2);
  EXPECT_EQ(run_pawl({"witness", folder.path("data"), "--to", folder.path("data/kept")}).exit, 2);
  EXPECT_EQ(run_pawl({"witness", folder.path("data"), "--to", folder.path("data")}).exit, 2);
  for (const char* every : {"", "0s", "h", "1w", "-1h", "99999d"}) {
    EXPECT_EQ(run_pawl({"witness", folder.path("data"), "--every", every}).exit, 2) << every;
  }
}

TEST_F(AgainstDaemon, a_witness_is_told_the_head) {
  pawl({"submit", "W-1", "--repo", "shop"});
  const std::string kept = daemon.path("kept");
  for (int i = 0; i < 2; ++i) {
    const Ran ran = pawl({"witness", "--to", kept});
    EXPECT_EQ(ran.exit, 0) << ran.err;
    pawl({"note", "1", "and on"});
  }
  const Ran head = pawl({"witness"});
  EXPECT_TRUE(head.out.starts_with("{\"seq\":")) << head.out << head.err;
  const Ran ran = pawl({"check", daemon.data(), "--witness", kept});
  EXPECT_EQ(ran.exit, 0) << ran.out << ran.err;
  EXPECT_NE(ran.out.find("2 lines in agreement with the log"), std::string::npos) << ran.out;
  daemon.stop(SIGTERM);
  EXPECT_EQ(pawl({"witness"}).exit, 1) << "no daemon answers";
}

}  // namespace
}  // namespace pawl
