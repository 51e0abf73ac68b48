#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <gtest/gtest.h>

#include <algorithm>

#include "schema/json/read_json.h"
#include "store/chain.h"
#include "tests/unit/tools/sample_log.h"
#include "tools/forensics/log_source.h"

namespace pawl {
namespace {

namespace json = boost::json;

class Export : public testing::Test {
 protected:
  Export() : sample(folder.path("data")) {}

  Ran exported(std::vector<std::string> words) {
    words.insert(words.begin(), "export");
    words.insert(words.end(), {"--data", folder.path("data")});
    return run_pawl(words);
  }
  std::vector<std::string> log_lines(std::vector<std::string> words = {}) {
    words.insert(words.begin(), "log");
    const Ran ran = exported(words);
    EXPECT_EQ(ran.exit, 0) << ran.err;
    return lines_of(ran.out);
  }
  json::value state(std::vector<std::string> words = {}) {
    words.insert(words.begin(), "state");
    const Ran ran = exported(words);
    EXPECT_EQ(ran.exit, 0) << ran.err;
    auto read = parse_json(ran.out);
    EXPECT_TRUE(read) << ran.out;
    return read ? *read : json::value();
  }

  TestFolder folder;
  SampleLog sample;
};

TEST_F(Export, every_record_is_a_line) {
  const auto lines = log_lines();
  ASSERT_EQ(lines.size(), raw(sample.last_seq()));
  EXPECT_TRUE(lines.front().starts_with(R"({"seq":1,"group":1,"rules":2,"time":"2026-01-01T00:00:01.000000Z",)"))
      << lines.front();
}

TEST_F(Export, the_log_exported_replays) {
  const Ran log = exported({"log"});
  const Ran replayed = run_pawl({"replay", folder.file("log.jsonl", log.out), "--json"});
  EXPECT_EQ(replayed.exit, 0) << replayed.out << replayed.err;
  const Ran folder_replayed = run_pawl({"replay", folder.path("data"), "--json"});
  EXPECT_EQ(folder_replayed.exit, 0) << folder_replayed.out << folder_replayed.err;
  EXPECT_EQ(replayed.out, folder_replayed.out);
  EXPECT_EQ(run_pawl({"replay", "-", "--json"}, log.out).out, replayed.out);
}

TEST_F(Export, a_part_begins_with_a_checkpoint_and_replays_by_itself) {
  const std::string last = log_lines().back();
  const Ran part = exported({"log", "--from", "9"});
  const auto lines = lines_of(part.out);
  ASSERT_GE(lines.size(), 2U);
  EXPECT_TRUE(lines[0].starts_with(R"({"checkpoint":{"seq":8,"digest":")")) << lines[0].substr(0, 80);
  EXPECT_TRUE(lines[1].starts_with(R"({"seq":9,)"));
  EXPECT_EQ(lines.back(), last);
  const Ran replayed = run_pawl({"replay", "-"}, part.out);
  EXPECT_EQ(replayed.exit, 0) << replayed.out << replayed.err;
}

TEST_F(Export, a_range_is_of_whole_groups) {
  // The third record of task 1's delivery is a group of two.
  std::uint64_t first_of_two = 0;
  for (const std::string& line : log_lines()) {
    const auto record = parse_json(line);
    ASSERT_TRUE(record);
    if (record->at("seq") != record->at("group") && first_of_two == 0) {
      first_of_two = static_cast<std::uint64_t>(record->at("group").as_int64());
    }
  }
  ASSERT_GT(first_of_two, 0U);
  EXPECT_EQ(log_lines({"--to", std::to_string(first_of_two)}).size(), first_of_two - 1);
  EXPECT_EQ(log_lines({"--to", std::to_string(first_of_two + 1)}).size(), first_of_two + 1);
}

TEST_F(Export, a_time_is_a_moment_too) {
  EXPECT_EQ(log_lines({"--at", "2026-01-01T00:00:03Z"}).size(), 3U);
  EXPECT_TRUE(log_lines({"--from", "2026-01-01T00:00:03Z"})[1].starts_with(R"({"seq":3,)"));
  EXPECT_EQ(state({"--at", "2026-01-01T00:00:03.5Z"}).at("seq").as_int64(), 3);
}

TEST_F(Export, one_task_has_its_records_its_jobs_records_and_no_others) {
  std::string types;
  for (const std::string& line : log_lines({"--task", "1"})) {
    const auto record = parse_json(line);
    ASSERT_TRUE(record);
    types += std::string(record->at("type").as_string()) + " ";
  }
  EXPECT_EQ(types,
            "TaskCreated JobClaimed RunExited StageTransition JobFinished JobClaimed RunExited StageTransition "
            "JobFinished ");
}

TEST_F(Export, actor_type_and_outcome_choose_records) {
  EXPECT_EQ(log_lines({"--actor", "webhook,reaper"}).size(), 4U);
  EXPECT_EQ(log_lines({"--type", "TaskCreated"}).size(), 3U);
  EXPECT_EQ(log_lines({"--type", "TaskCreated,RunExited", "--to", "9"}).size(), 4U);
  const auto lost = log_lines({"--outcome", "version_conflict", "--from", "2026-01-01T00:00:03Z"});
  ASSERT_EQ(lost.size(), 1U) << "a selection has no checkpoint before it, so it does not replay";
  EXPECT_NE(lost[0].find(R"("actor":"reaper")"), std::string::npos) << lost[0];
  EXPECT_TRUE(log_lines({"--outcome", "version_conflict", "--actor", "webhook"}).empty());
  EXPECT_EQ(log_lines({"--task", "1", "--type", "StageTransition"}).size(), 2U);
}

TEST_F(Export, json_is_one_array_of_the_lines) {
  const Ran ran = exported({"log", "--format", "json"});
  const auto read = parse_json(ran.out);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->as_array().size(), raw(sample.last_seq()));
}

TEST_F(Export, csv_has_a_head_and_quotes_what_needs_it) {
  const auto lines = log_lines({"--format", "csv"});
  ASSERT_EQ(lines.size(), raw(sample.last_seq()) + 1);
  EXPECT_EQ(lines[0],
            "seq,group,rules,time,boot,actor,key,request,type,data,outcome,unchecked,effects,digest,chain,principal");
  EXPECT_TRUE(lines[7].starts_with(R"(7,7,2,2026-01-01T00:00:07.000000Z,boot-1,webhook,"hook-W-""3"", grün",)"
                                   R"(0000000000000abc,TaskCreated,"{""work_item"":""W-\""3\"", grün"",)"))
      << lines[7];
}

TEST_F(Export, the_state_has_the_live_tasks_and_with_all_the_finished_ones) {
  const json::value live = state();
  EXPECT_EQ(live.at("seq").as_int64(), static_cast<std::int64_t>(raw(sample.last_seq())));
  ASSERT_EQ(live.at("tasks").as_array().size(), 1U);
  EXPECT_EQ(live.at("tasks").at(0).at("blocked").as_string(), "waiting for a word");
  const json::value all = state({"--all"});
  ASSERT_EQ(all.at("tasks").as_array().size(), 3U);
  EXPECT_EQ(all.at("tasks").at(0).at("stage").as_string(), "done");
  EXPECT_EQ(all.at("tasks").at(1).at("stage").as_string(), "cancelled");
  EXPECT_EQ(all.at("jobs").as_array().size(), 4U);
  EXPECT_EQ(all.at("settings").at("queue.max_concurrency").as_int64(), 4);
  EXPECT_EQ(all.at("digest"), live.at("digest"));
}

TEST_F(Export, a_state_of_the_past_has_no_finished_task_twice) {
  const json::value past = state({"--at", "7", "--all"});
  EXPECT_EQ(past.at("seq").as_int64(), 7);
  ASSERT_EQ(past.at("tasks").as_array().size(), 3U);
  EXPECT_EQ(past.at("tasks").at(0).at("stage").as_string(), "build");
}

TEST_F(Export, the_tasks_of_a_state_can_be_csv) {
  const auto lines = lines_of(exported({"state", "--all", "--format", "csv"}).out);
  ASSERT_EQ(lines.size(), 4U);
  EXPECT_TRUE(lines[3].starts_with(R"(3,"W-""3"", grün",shop,,build,1,waiting for a word,)")) << lines[3];
}

TEST_F(Export, the_folder_can_be_in_the_environment) {
  EXPECT_EQ(run_pawl({"export", "state"}, "", {"PAWL_DATA=" + folder.path("data")}).exit, 0);
}

/// What the tables show can be typed.
TEST(LogSource, a_time_may_have_an_offset) {
  const TimeUs noon = *parse_rfc3339("2026-06-15T12:00:03Z");
  for (const char* text : {"2026-06-15T12:00:03Z", "2026-06-15 12:00:03Z", "2026-06-15 14:00:03 +02:00",
                           "2026-06-15T14:00:03+02:00", "2026-06-15T06:30:03.000000-05:30",
                           "2026-06-15 12:00:03 +00:00", "2026-06-16 02:00:03 +14:00", "2026-06-14 23:59:03 -12:01"}) {
    const auto read = time_from(text);
    ASSERT_TRUE(read) << text;
    EXPECT_EQ(read->us, noon.us) << text;
  }
  for (const char* text : {"", "2026-06-15", "2026-06-15 12:00", "2026-06-15 12:00:03", "2026-06-15 12:00:03 +2",
                           "2026-06-15 12:00:03 +24:00", "2026-06-15 12:00:03 +02:60", "2026-06-15 12:00:03Z +02:00",
                           "2026-06-15 12:00:03 +", "2026-02-30 12:00:03 +00:00", "a-work-item-with-dashes"}) {
    EXPECT_FALSE(time_from(text)) << text;
  }
}

TEST_F(Export, what_makes_no_sense_is_refused) {
  const auto refused = [&](const std::vector<std::string>& words) {
    const Ran ran = exported(words);
    EXPECT_EQ(ran.exit, 2) << ran.out;
    return ran.err;
  };
  EXPECT_EQ(refused({"everything"}), "pawl: export: 'everything' is neither log nor state\n");
  EXPECT_EQ(refused({"log", "--format", "xml"}), "pawl: --format: 'xml' is not jsonl, json or csv\n");
  EXPECT_EQ(refused({"log", "--from", "9", "--to", "3"}), "pawl: --from is after --to\n");
  EXPECT_EQ(refused({"log", "--task", "x"}), "pawl: --task: 'x' is not a whole number\n");
  EXPECT_EQ(refused({"log", "--at", "noon"}),
            "pawl: --at: 'noon' is neither a seq nor a time such as 2026-06-15T10:00:00Z\n");
  EXPECT_EQ(refused({"state", "--task", "1"}), "pawl: --task applies only to the log\n");
  EXPECT_EQ(refused({"log", "--type", "TaskCreated,Nothing"}), "pawl: --type: unknown 'Nothing'\n");
  EXPECT_EQ(refused({"log", "--outcome", "accepted,"}), "pawl: --outcome: unknown ''\n");
  EXPECT_EQ(refused({"log", "--actor", ""}), "pawl: --actor needs a list such as A,B\n");
  EXPECT_EQ(refused({"state", "--actor", "reaper"}), "pawl: --actor applies only to the log\n");
  EXPECT_EQ(run_pawl({"export", "log"}).err, "pawl: export: which data folder? Give --data DIR, or set PAWL_DATA\n");
  const Ran missing = run_pawl({"export", "log", "--data", folder.path("nowhere")});
  EXPECT_EQ(missing.exit, 2);
  EXPECT_NE(missing.err.find("nowhere"), std::string::npos) << missing.err;
}

TEST_F(Export, what_was_recorded_since_a_record_or_a_time_is_a_log_of_its_own) {
  for (const std::string since : {"9", "2026-01-01T00:00:09Z"}) {
    const Ran recorded = run_pawl({"record", since, "--data", folder.path("data")});
    ASSERT_EQ(recorded.exit, 0) << recorded.err;
    EXPECT_EQ(recorded.out, exported({"log", "--from", since}).out);
    const std::string incident = folder.file("incident.jsonl", recorded.out);
    const Ran replayed = run_pawl({"replay", incident});
    EXPECT_EQ(replayed.exit, 0) << replayed.out << replayed.err;
    EXPECT_TRUE(replayed.out.starts_with("11 records, from the checkpoint before 9,")) << replayed.out;
    const Ran checked = run_pawl({"check", incident});
    EXPECT_EQ(checked.exit, 0) << checked.out << checked.err;
  }
}

TEST_F(Export, what_cannot_be_recorded_is_refused_before_anything_is_printed) {
  const auto refused = [&](const std::string& since, const std::string& data) {
    const Ran ran = run_pawl({"record", since, "--data", folder.path(data)});
    EXPECT_EQ(ran.exit, 2);
    EXPECT_EQ(ran.out, "");
    return ran.err;
  };
  EXPECT_EQ(refused("20", "data"), "pawl: record: the log has no record since 20\n");
  EXPECT_EQ(refused("2027-01-01T00:00:00Z", "data"),
            "pawl: record: the log has no record since 2027-01-01T00:00:00Z\n");
  EXPECT_EQ(refused("noon", "data"), "pawl: SINCE: 'noon' is neither a seq nor a time such as 2026-06-15T10:00:00Z\n");
  EXPECT_NE(refused("1", "nowhere").find("nowhere"), std::string::npos);
}

TEST_F(Export, a_backup_has_the_same_log) {
  const Ran ran = run_pawl({"backup", folder.path("data"), folder.path("copy")});
  ASSERT_EQ(ran.exit, 0) << ran.err;
  EXPECT_EQ(run_pawl({"export", "log", "--data", folder.path("copy")}).out, exported({"log"}).out);
  const Ran inside = run_pawl({"backup", folder.path("data"), folder.path("data/copy")});
  EXPECT_EQ(inside.exit, 2);
  EXPECT_NE(inside.err.find("lies in, the data folder that is read"), std::string::npos) << inside.err;
  const Ran again = run_pawl({"backup", folder.path("data"), folder.path("copy")});
  EXPECT_EQ(again.exit, 2);
  EXPECT_NE(again.err.find("exists"), std::string::npos) << again.err;
}

TEST_F(Export, backup_of_a_log_that_no_daemon_starts_from_says_so) {
  {
    const std::unique_ptr<Log> log = open_log(folder.path("bad"), LogMode::write).value();
    State state;
    fb::BootStartedT boot;
    boot.name = "pawld";
    boot.boot_id = "boot-1";
    boot.host = "host";
    boot.version = "0.1.0";
    const Requester requester{.boot = "boot-1", .actor = "pawld", .key = {}, .request = {}};
    Decided decided = decide(state, propose_group(requester, boot), TimeUs{1});
    Proposal& record = decided.records.front();
    record.stamp().mutate_digest(1);
    stamp_chain({}, record);
    Batch batch;
    batch.records.emplace_back(record.data(), record.size());
    ASSERT_TRUE(log->append(batch, Seq{1}));
  }
  const Ran ran = run_pawl({"backup", folder.path("bad"), folder.path("copy")});
  EXPECT_EQ(ran.exit, 2);
  EXPECT_NE(ran.err.find("was made, but a daemon cannot start from it: the log: record 1 cannot be read"),
            std::string::npos)
      << ran.err;
}

/// A record as a newer version would write it, with an event unknown here.
std::vector<std::uint8_t> newer_record(const State& state) {
  flatbuffers::FlatBufferBuilder builder;
  builder.ForceDefaults(true);
  fb::TaskNoteT note;
  note.task = 1;
  note.text = "from a later day";
  Proposal proposal = propose({.boot = "b", .actor = "a", .key = {}, .request = {}}, note);
  fb::Stamp& stamp = proposal.stamp();
  stamp.mutate_seq(raw(state.last_seq) + 1);
  stamp.mutate_group(raw(state.last_seq) + 1);
  stamp.mutate_rules(rules_version);
  stamp.mutate_time_us(state.last_time.us);
  auto& table = reinterpret_cast<flatbuffers::Table&>(proposal.mutable_record());
  EXPECT_TRUE(table.SetField<std::uint8_t>(fb::Record::VT_EVENT_TYPE, 99, 0));
  return {proposal.data(), proposal.data() + proposal.size()};
}

TEST_F(Export, a_record_of_a_newer_version_is_written_as_its_bytes) {
  const auto before = log_lines();
  const std::vector<std::uint8_t> newer = newer_record(sample.state());
  ASSERT_TRUE(sample.log().append({.records = {newer}, .archived = {}}, next(sample.last_seq())));
  const std::string seq = std::to_string(raw(sample.last_seq()) + 1);
  for (const std::string& from : {std::string("1"), std::string("9"), seq}) {
    const Ran ran = exported({"log", "--from", from});
    EXPECT_EQ(ran.exit, 2);
    const auto lines = lines_of(ran.out);
    EXPECT_TRUE(lines.back().starts_with(R"({"seq":)" + seq + R"(,"type":99,"bytes":")")) << lines.back();
    EXPECT_NE(ran.err.find("record " + seq + ": event type 99 is unknown, so it and what follows cannot be applied"),
              std::string::npos)
        << ran.err;
    EXPECT_NE(ran.err.find("1 written as bytes, and 0 without their effects; reading it takes a newer pawl"),
              std::string::npos)
        << ran.err;
  }
  const auto lines = lines_of(exported({"log"}).out);
  ASSERT_EQ(lines.size(), before.size() + 1);
  EXPECT_TRUE(std::equal(before.begin(), before.end(), lines.begin())) << "known records are unchanged";
  EXPECT_NE(exported({"log", "--format", "csv"}).out.find("\n" + seq + ",,,,,,,,99,"), std::string::npos);
  EXPECT_TRUE(parse_json(exported({"log", "--format", "json"}).out));
  EXPECT_EQ(exported({"log", "--task", "1"}).exit, 2);
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{"replay", folder.path("data")},
                                             {"check", folder.path("data")},
                                             {"explain", folder.path("data"), "task:1"}}) {
    const Ran ran = run_pawl(words);
    EXPECT_EQ(ran.exit, 2) << words[0];
    EXPECT_NE(ran.err.find("record " + seq + ": event type 99 is unknown; reading it takes a newer pawl"),
              std::string::npos)
        << ran.err;
  }
}

TEST_F(Export, what_cannot_be_read_is_exit_2_for_every_tool) {
  const std::string below_a_file = folder.file("plain", "") + "/log";
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{"replay", below_a_file},
                                             {"check", below_a_file},
                                             {"explain", below_a_file, "task:1"},
                                             {"simulate", below_a_file},
                                             {"export", "log", "--data", below_a_file},
                                             {"export", "state", "--data", below_a_file},
                                             {"record", "1", "--data", below_a_file},
                                             {"backup", below_a_file, folder.path("copy")},
                                             {"restore", below_a_file, folder.path("new")},
                                             {"replay", below_a_file, "--what-if", "reaper.enabled=false"}}) {
    const Ran ran = run_pawl(words);
    EXPECT_EQ(ran.exit, 2) << words[0] << ": " << ran.err;
  }
}

TEST_F(Export, the_folder_that_PAWL_DATA_names_is_the_log_that_is_meant) {
  const std::vector<std::string> environment = {"PAWL_DATA=" + folder.path("data")};
  for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{{"replay"},
                                                                                     {"replay", "--diff", "1", "5"},
                                                                                     {"check"},
                                                                                     {"explain", "task:1"},
                                                                                     {"backup", folder.path("copy")}}) {
    EXPECT_EQ(run_pawl(words, "", environment).exit, 0) << words[0] << run_pawl(words, "", environment).err;
    if (words[0] == "backup") continue;
    const Ran none = run_pawl(words);
    EXPECT_EQ(none.exit, 2);
    EXPECT_NE(none.err.find("PAWL_DATA"), std::string::npos) << none.err;
  }
}

TEST_F(Export, a_log_that_is_named_outweighs_the_one_that_PAWL_DATA_names) {
  const std::vector<std::string> environment = {"PAWL_DATA=" + folder.path("nowhere")};
  const std::string data = folder.path("data");
  for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{{"replay", data},
                                                                                     {"check", data},
                                                                                     {"explain", data, "task:1"},
                                                                                     {"export", "log", "--data", data},
                                                                                     {"record", "1", "--data", data}}) {
    const Ran ran = run_pawl(words, "", environment);
    EXPECT_EQ(ran.exit, 0) << words[0] << ": " << ran.err;
  }
}

}  // namespace
}  // namespace pawl
