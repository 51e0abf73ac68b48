// Logs that are damaged, cut off, of a later version or not there: what each offline command says of them, and how it
// ends.
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "schema/json/read_json.h"
#include "tests/unit/tools/sample_log.h"

namespace pawl {
namespace {

/// 23 records: a reap in the middle of a finalization, whose cause is record 3 and which shows from record 19 on.
class BadInput : public testing::Test {
 protected:
  BadInput() {
    std::ifstream file(std::string(PAWL_INCIDENTS) + "/reap_during_finalization_defences_off.jsonl");
    std::stringstream text;
    text << file.rdbuf();
    lines = lines_of(text.str());
  }
  std::string text() const {
    std::string out;
    for (const std::string& line : lines) out += line + '\n';
    return out;
  }
  void edit(std::size_t seq, const std::string& from, const std::string& to) {
    std::string& line = lines[seq - 1];
    const std::size_t at = line.find(from);
    ASSERT_NE(at, std::string::npos) << from << " in " << line;
    line.replace(at, from.size(), to);
  }
  struct Told {
    Ran check;
    Ran explain;
    Ran incident;
  };
  Told told(const std::string& content) {
    const std::string log = folder.file("log.jsonl", content);
    return {run_pawl({"check", log}), run_pawl({"explain", log, "task:1"}), run_pawl({"incident", log})};
  }
  /// All three tell the log up to there, say so first, and end with 2.
  void is_told_up_to(const std::string& content, const std::string& seq, const std::string& why) {
    const Told all = told(content);
    for (const Ran* ran : {&all.check, &all.explain, &all.incident}) {
      EXPECT_EQ(ran->exit, 2) << ran->err << ran->out;
      EXPECT_TRUE(has(ran->out, "from record " + seq + " on, the log cannot be read: ")) << ran->out;
      EXPECT_LT(ran->out.find("cannot be read: "), 300u) << "it is said at the top: " << ran->out;
      EXPECT_TRUE(has(ran->out, why)) << ran->out;
      EXPECT_TRUE(has(ran->err, why)) << ran->err;
    }
    for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
             {"replay", folder.path("log.jsonl"), "--each-defence"},
             {"replay", folder.path("log.jsonl"), "--what-if", "ownership.enabled=true"},
             {"export", "log", folder.path("log.jsonl"), "--redact"}}) {
      const Ran ran = run_pawl(words);
      EXPECT_EQ(ran.exit, 2) << words[0] << ran.out;
      EXPECT_TRUE(has(ran.err, why)) << words[0] << ran.err;
    }
  }
  static bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

  TestFolder folder;
  std::vector<std::string> lines;
};

TEST_F(BadInput, file_cut_in_the_middle_of_a_line_is_told_up_to_there) {
  const std::string whole = text();
  const std::string cut = whole.substr(0, whole.size() - lines.back().size() / 2);
  is_told_up_to(cut, "22", "log.jsonl, line 23: ");
  EXPECT_TRUE(has(told(cut).incident.out, "\nthe cause: record 3\n")) << "what came before is told";
}

TEST_F(BadInput, file_cut_at_the_end_of_a_line_is_a_shorter_log) {
  for (const std::size_t left : {1u, 12u, 20u}) {
    std::vector<std::string> some(lines.begin(), lines.begin() + static_cast<std::ptrdiff_t>(left));
    std::string content;
    for (const std::string& line : some) content += line + '\n';
    const Told all = told(content);
    EXPECT_NE(all.check.exit, 2) << left << all.check.err;
    EXPECT_NE(all.incident.exit, 2) << left << all.incident.err;
  }
}

TEST_F(BadInput, line_that_is_not_json_is_shown_as_it_stands) {
  lines[20] = "{\"seq\":21, what is this";
  is_told_up_to(text(), "20", "log.jsonl, line 21: ");
  EXPECT_TRUE(has(told(text()).check.out, "as it stands: {\"seq\":21, what is this\n"));
}

TEST_F(BadInput, line_in_the_place_of_the_first_is_no_log) {
  lines[0] = "a,b,c";
  const Told all = told(text());
  for (const Ran* ran : {&all.check, &all.explain, &all.incident}) {
    EXPECT_EQ(ran->exit, 2);
    EXPECT_EQ(ran->out, "");
    EXPECT_TRUE(has(ran->err, "log.jsonl, line 1: ")) << ran->err;
  }
}

TEST_F(BadInput, record_of_a_later_version_is_shown_and_the_rest_told) {
  edit(22, "\"type\":\"", "\"type\":\"Later");
  const std::string seq = "22";
  is_told_up_to(text(), seq, "is unknown");
  const Told all = told(text());
  EXPECT_TRUE(has(all.incident.out, "as it stands: {\"seq\":22,")) << all.incident.out;
  EXPECT_TRUE(has(all.incident.out, "reading it takes a newer pawl")) << all.incident.out;
  EXPECT_TRUE(has(all.incident.out, "\nthe cause: record 3\n")) << all.incident.out;
  const Ran json = run_pawl({"incident", folder.path("log.jsonl"), "--json"});
  const auto report = parse_json(json.out);
  ASSERT_TRUE(report) << json.out;
  EXPECT_EQ(report->at("broken").at("kind").as_string(), "newer");
  EXPECT_EQ(report->at("broken").at("seq").as_int64(), 22);
}

TEST_F(BadInput, changed_record_is_where_the_rules_and_the_log_part) {
  edit(20, R"("outcome":"accepted")", R"("outcome":"relaunch")");
  const Told all = told(text());
  EXPECT_EQ(all.check.exit, 1) << all.check.err;
  EXPECT_TRUE(has(all.check.out, "[divergence]")) << all.check.out;
  EXPECT_EQ(all.explain.exit, 2);
  EXPECT_EQ(all.incident.exit, 1) << all.incident.err;
  for (const Ran* ran : {&all.explain, &all.incident}) {
    EXPECT_TRUE(has(ran->out, "from record 20 on, nothing is told: record 20 differs in its outcome")) << ran->out;
  }
  EXPECT_TRUE(has(all.incident.out, "\nthe cause: record 3\n")) << "what came before is told: " << all.incident.out;
}

TEST_F(BadInput, divergence_without_an_incident_is_found_all_the_same) {
  edit(5, R"("outcome":"accepted")", R"("outcome":"relaunch")");
  const Told all = told(text());
  EXPECT_EQ(all.incident.exit, 1) << all.incident.err << all.incident.out;
  EXPECT_TRUE(has(all.incident.out, "from record 5 on, nothing is told: ")) << all.incident.out;
}

TEST_F(BadInput, records_in_another_order_end_the_report) {
  std::swap(lines[20], lines[21]);
  const Told all = told(text());
  EXPECT_EQ(all.check.exit, 1) << "a gap is a finding: " << all.check.err;
  EXPECT_TRUE(has(all.check.out, "[gap]")) << all.check.out;
  EXPECT_EQ(all.incident.exit, 2) << all.incident.out;
  EXPECT_TRUE(has(all.incident.out, "is in the place of record 21")) << all.incident.out;
}

TEST_F(BadInput, log_after_a_checkpoint_says_so_at_the_top) {
  const SampleLog sample(folder.path("data"));
  const Ran later = run_pawl({"export", "log", "--data", folder.path("data"), "--from", "9"});
  const Told all = told(later.out);
  EXPECT_EQ(all.check.exit, 0) << all.check.err;
  EXPECT_EQ(all.incident.exit, 0) << all.incident.err;
  EXPECT_TRUE(has(all.incident.out, "\nit begins with the checkpoint before record 9\n")) << all.incident.out;
}

/// A data folder of 30 records or so, all in one write-ahead file, with damage done to it.
class BadFolder : public testing::Test {
 protected:
  BadFolder() {
    SampleLog log(data);
    last = raw(log.last_seq());
    EXPECT_TRUE(log.log().seal());
  }
  std::filesystem::path wal() const {
    for (const auto& entry : std::filesystem::directory_iterator(data + "/log")) {
      if (entry.path().extension() == ".log" && entry.file_size() > 0) return entry.path();
    }
    ADD_FAILURE() << "no write-ahead file";
    return {};
  }
  void damage_byte(std::uintmax_t at) const {
    std::fstream file(wal(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(static_cast<std::streamoff>(at));
    const char byte = static_cast<char>(file.get() ^ 0x20);
    file.seekp(static_cast<std::streamoff>(at));
    file.put(byte);
  }
  /// The records before the damage are told by each command that tells, and all of them end with 2 and the reason.
  void is_told_in_part(const std::string& why) {
    const Ran exported = run_pawl({"export", "log", "--data", data});
    EXPECT_EQ(exported.exit, 2);
    EXPECT_NE(exported.err.find(why), std::string::npos) << exported.err;
    const std::size_t records = lines_of(exported.out).size();
    EXPECT_GE(records, 8u);
    const std::string from = "from record " + std::to_string(records + 1) + " on, the log cannot be read: ";
    for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
             {"check", data}, {"explain", data, "task:1"}, {"incident", data, "task:1"}}) {
      const Ran ran = run_pawl(words);
      EXPECT_EQ(ran.exit, 2) << words[0];
      EXPECT_NE(ran.out.find(from), std::string::npos) << words[0] << ": " << ran.out;
      EXPECT_NE(ran.err.find(why), std::string::npos) << words[0] << ": " << ran.err;
    }
    EXPECT_EQ(run_pawl({"export", "log", "--data", data, "--to", "6"}).exit, 0) << "that part is whole";
    EXPECT_EQ(lines_of(run_pawl({"record", "5", "--data", data}).out).size(), records - 3) << "a checkpoint, and 5 on";
    EXPECT_EQ(run_pawl({"export", "state", "--data", data, "--at", "6"}).exit, 0);
    EXPECT_EQ(run_pawl({"export", "state", "--data", data}).exit, 2);
    EXPECT_EQ(run_pawl({"replay", data}).exit, 2);
    EXPECT_EQ(run_pawl({"replay", data, "--each-defence"}).exit, 2);
    EXPECT_EQ(run_pawl({"backup", data, folder.path("copy")}).exit, 2) << "half a log is not a backup";
    EXPECT_FALSE(std::filesystem::exists(folder.path("copy")));
  }

  TestFolder folder;
  std::string data = folder.path("data");
  std::uint64_t last = 0;
};

TEST_F(BadFolder, byte_in_the_middle) {
  damage_byte(std::filesystem::file_size(wal()) / 2);
  is_told_in_part("cannot be read: records up to " + std::to_string(last));
}

TEST_F(BadFolder, cut_to_half) {
  std::filesystem::resize_file(wal(), std::filesystem::file_size(wal()) / 2);
  is_told_in_part("cannot be read: the log was sealed at " + std::to_string(last));
}

TEST_F(BadFolder, zeros_in_the_middle) {
  std::fstream file(wal(), std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(static_cast<std::streamoff>(std::filesystem::file_size(wal()) / 2));
  file << std::string(512, '\0');
  file.close();
  is_told_in_part("cannot be read: records up to " + std::to_string(last));
}

TEST_F(BadFolder, seal_that_cannot_be_read_leaves_every_record) {
  std::ofstream(data + "/sealed", std::ios::trunc) << "what is this";
  is_told_in_part("sealed");
  EXPECT_EQ(lines_of(run_pawl({"export", "log", "--data", data}).out).size(), last);
}

TEST_F(BadFolder, log_that_is_gone_is_said_to_be) {
  const auto said = [&](const std::string& why) {
    for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
             {"check", data}, {"explain", data, "task:1"}, {"incident", data}, {"export", "log", "--data", data}}) {
      const Ran ran = run_pawl(words);
      EXPECT_EQ(ran.exit, 2) << words[0];
      EXPECT_EQ(ran.out, "") << words[0];
      EXPECT_NE(ran.err.find(why), std::string::npos) << words[0] << ": " << ran.err;
      EXPECT_NE(ran.err.find("look for a backup"), std::string::npos) << words[0] << ": " << ran.err;
    }
  };
  const std::string sealed = "; it was sealed at " + std::to_string(last);
  std::filesystem::remove(data + "/log/CURRENT");
  said("the log has no CURRENT file" + sealed);
  std::filesystem::remove_all(data + "/log");
  said("the log is gone" + sealed);
}

TEST_F(BadInput, what_is_not_there_is_named) {
  std::filesystem::create_directory(folder.path("empty"));
  std::filesystem::create_directories(folder.path("no_log/log"));
  for (const std::string& log : {folder.path("empty"), folder.path("no_log"), folder.path("nowhere")}) {
    for (const std::vector<std::string>& words :
         std::vector<std::vector<std::string>>{{"check", log},
                                               {"explain", log, "task:1"},
                                               {"incident", log, "task:1"},
                                               {"replay", log, "--each-defence"},
                                               {"replay", log, "--what-if", "reaper.enabled=true"},
                                               {"export", "log", "--data", log, "--redact"}}) {
      const Ran ran = run_pawl(words);
      EXPECT_EQ(ran.exit, 2) << words[0] << ran.out;
      EXPECT_TRUE(has(ran.err, log)) << words[0] << ": " << ran.err;
    }
  }
}

}  // namespace
}  // namespace pawl
