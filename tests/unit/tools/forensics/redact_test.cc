#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "schema/json/read_json.h"
#include "store/base64.h"
#include "tests/unit/tools/sample_log.h"
#include "tools/forensics/redaction.h"

namespace pawl {
namespace {

namespace json = boost::json;

std::string text_in_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream content;
  content << file.rdbuf();
  return content.str();
}

/// Every recorded log that the tests have.
std::vector<std::string> recorded_logs() {
  std::vector<std::string> logs;
  for (const auto& entry : std::filesystem::directory_iterator(PAWL_INCIDENTS)) {
    if (entry.path().extension() == ".jsonl") logs.push_back(entry.path());
  }
  for (const std::string name : {"log", "tail", "keyed"}) {
    logs.push_back(PAWL_INCIDENTS + ("../golden/0.1.0/" + name) + ".jsonl");
  }
  return logs;
}

std::string redacted(const std::string& log, const std::string& input = "") {
  const Ran ran = run_pawl({"export", "log", log, "--redact"}, input);
  EXPECT_EQ(ran.exit, 0) << log << ": " << ran.err;
  return ran.out;
}

/// What `pawl check` found, without its sentences, which name things.
std::string findings_in(const Ran& checked) {
  const auto report = parse_json(checked.out);
  if (!report) return "no report: " + checked.err;
  std::stringstream text;
  text << "exit " << checked.exit << '\n';
  for (const json::value& finding : report->at("findings").as_array()) {
    for (const char* field : {"kind", "invariant", "seq", "time", "type", "task", "led_by", "followed_by"}) {
      text << finding.at(field) << ' ';
    }
    text << '\n';
  }
  return text.str();
}

/// The texts that the people who made a log chose.
void collect_secrets(const json::value& value, const std::string& field, std::set<std::string>& secrets) {
  // A `run` that is not a list is the name of a process; this machine's "host" is a word of every replacement.
  static const std::set<std::string> secret_fields = {"work_item", "repo",      "branch", "host",   "text",
                                                      "url",       "principal", "head",   "member", "value"};
  if (value.is_object()) {
    for (const auto& member : value.get_object()) {
      const bool is_setting = std::string_view(member.key()) == "value" && !value.get_object().contains("name");
      if (!is_setting) collect_secrets(member.value(), std::string(member.key()), secrets);
    }
  } else if (value.is_array()) {
    for (const json::value& each : value.get_array()) {
      collect_secrets(each, field == "run" || field == "probe" ? "text" : field, secrets);
    }
  } else if (value.is_string() && secret_fields.contains(field) && value.get_string().size() > 2 && value != "host") {
    secrets.insert(std::string(value.get_string()));
  }
}

/// The export, and what is in its checkpoint.
std::string bytes_of(const std::string& exported) {
  std::string bytes = exported;
  for (const std::string& line : lines_of(exported)) {
    if (!line.starts_with("{\"checkpoint\":")) continue;
    const auto document = parse_json(line);
    const auto data = base64_decoded(document->at("checkpoint").at("data").as_string().c_str());
    bytes.append(data->begin(), data->end());
  }
  return bytes;
}

TEST(Redact, check_says_the_same_of_every_recorded_log) {
  for (const std::string& log : recorded_logs()) {
    const std::string out = redacted(log);
    EXPECT_TRUE(out.starts_with("{\"redacted\":true}\n")) << log;
    EXPECT_EQ(findings_in(run_pawl({"check", "-", "--json"}, out)), findings_in(run_pawl({"check", log, "--json"})))
        << log;
    const Ran replayed = run_pawl({"replay", "-"}, out);
    EXPECT_EQ(replayed.exit, 0) << log << replayed.out << replayed.err;
  }
}

TEST(Redact, no_name_of_a_recorded_log_is_left) {
  for (const std::string& log : recorded_logs()) {
    std::set<std::string> secrets;
    for (const std::string& line : lines_of(text_in_file(log))) {
      const auto record = parse_json(line);
      ASSERT_TRUE(record.has_value()) << log;
      const bool is_checkpoint = record->get_object().contains("checkpoint");
      if (!is_checkpoint && record->at("data").is_object()) collect_secrets(record->at("data"), "", secrets);
    }
    EXPECT_FALSE(secrets.empty()) << log;
    const std::string bytes = bytes_of(redacted(log));
    for (const std::string& secret : secrets)
      EXPECT_EQ(bytes.find(secret), std::string::npos) << secret << " of " << log;
  }
}

/// A log that has a secret, `qx…`, in every text that somebody may choose.
std::string log_of_secrets() {
  const std::string script =
      R"({"at":1,"do":{"type":"BootStarted","name":"qxboot","boot_id":"qxid","pid":7,"host":"qxhost","version":"qxversion"},"actor":"qxactor"}
{"at":2,"do":{"type":"RepoDeclared","repo":"qxrepo","url":"https://qxuser@qxorigin/x","given":true}}
{"at":3,"do":{"type":"PipelineDefined","name":"qxpipeline","branch":"create","env":[{"name":"QXNAME","value":"qxvalue"}],"agents":[{"name":"qxagent","run":["qxrun","qxword"],"env":[{"name":"QXFILE","file":"/qxfile"},{"name":"QXD","from_daemon":"QXFROM"}]}],"stages":[{"name":"build","agent":"qxagent","gate":{"run":["qxgate"]},"to":"ship"},{"name":"ship","to":"done","steps":[{"name":"send","run":["qxsend"],"probe":["qxprobe"],"irreversible":true}],"rollback":"build"}]}}
{"at":4,"do":{"type":"PipelineDefined","name":"qxbad","agents":[{"name":"QX NOT VALID","run":["qxrun"]}],"stages":[{"name":"build","agent":"QX NOT VALID","to":"done"}]}}
{"at":5,"do":{"type":"TaskCreated","work_item":"qxitem","repo":"qxrepo","branch":"qxbranch","pipeline":"qxpipeline"}}
{"at":6,"do":{"type":"TaskCreated","work_item":"qxitem3","repo":"qxrepo","branch":"qxbranch","pipeline":"qxnone"}}
{"at":7,"do":{"type":"TaskCreated","work_item":"qxitem2","repo":"qxrepo","branch":"qxbranch","pipeline":"qxpipeline","stage":"qxstage"}}
{"at":8,"do":{"type":"JobClaimed","job":1},"actor":"qxactor","boot":"qxid"}
{"at":9,"do":{"type":"TaskNote","task":1,"text":"qxnote"}}
{"at":10,"do":{"type":"BranchSeen","task":1,"head":"qxhead","begun":false}}
{"at":11,"do":{"type":"GateEvaluated","task":1,"version":1,"gate":"build","passed":false,"reason":"qxreason","head":"qxhead"}}
{"at":12,"do":{"type":"LeaseAcquired","key":"qxlock"},"actor":"qxactor","boot":"qxid"}
{"at":13,"do":{"type":"LeaseAcquired","key":"repo:qxrepo","edge":"qxfrom->qxto"},"actor":"qxactor","boot":"qxid"}
{"at":14,"do":{"type":"SettingChanged","key":"ownership.repos","value":["qxrepo","qxother"]}}
{"at":15,"do":{"type":"SettingChanged","key":"ownership.repos","value":["qxrepo","qxrepo"]}}
{"at":16,"do":{"type":"SettingChanged","key":"qxsetting","value":"qxvalue"}}
{"at":17,"do":{"type":"SettingChanged","key":"pipeline.default","value":"qxpipeline"}}
{"at":18,"do":{"type":"SettingChanged","key":"stop.delete_branch","value":"qxword"}}
{"at":19,"do":{"type":"TaskBlocked","task":1,"version":1,"reason":"gate_red on qxcommit"}}
{"at":20,"do":{"type":"CancelRequested","task":1,"reason":"qxwhy"}}
{"at":21,"do":{"type":"StageTransition","task":1,"to":"qxstage","expected_version":1,"reason":"qxmove"}}
{"at":22,"do":{"type":"LogRestored","from":20,"next_seq":1000,"next_task":100,"next_job":100}}
{"at":23,"do":{"type":"RepoRemoved","repo":"qxrepo"}}
{"at":24,"do":{"type":"BootEnded","boot_id":"qxid","reason":"clean"}}
)";
  const Ran ran = run_pawl({"simulate", "-"}, script);
  EXPECT_EQ(ran.exit, 0) << ran.err;
  return ran.out;
}

TEST(Redact, every_text_that_somebody_chose_is_replaced) {
  const std::string log = log_of_secrets();
  for (const std::string kept : {"bad_pipeline", "unknown_pipeline", "unknown_stage", "bad_value", "unknown_setting"}) {
    EXPECT_NE(log.find("\"outcome\":\"" + kept), std::string::npos) << kept << ": a refusal that rests on a text\n"
                                                                    << log;
  }
  const std::string out = redacted("-", log);
  for (const std::string& line : lines_of(out)) {
    EXPECT_EQ(line.find("qx"), std::string::npos) << line;
    EXPECT_EQ(line.find("QX"), std::string::npos) << line;
  }
  EXPECT_EQ(findings_in(run_pawl({"check", "-", "--json"}, out)), findings_in(run_pawl({"check", "-", "--json"}, log)));
}

TEST(Redact, what_the_rules_read_stays_and_the_same_text_is_replaced_alike) {
  const std::string out = redacted("-", log_of_secrets());
  const auto is_in = [&](const std::string& part) {
    EXPECT_NE(out.find(part), std::string::npos) << part << "\n" << out;
  };
  is_in(
      R"("type":"TaskCreated","data":{"work_item":"item-1","repo":"repo-1","branch":"branch-1","pipeline":"pipeline-1")");
  is_in(R"("key":"repo:repo-1")");
  is_in(R"("key":"lock-1")");
  is_in(R"("key":"ownership.repos","value":["repo-1","repo-2"])");
  is_in(R"("key":"pipeline.default","value":"pipeline-1")");
  is_in(R"("gate":"build","passed":false,"reason":"text-)");
  is_in(R"("reason":"gate_red: text-)");
  is_in(R"("head":"head-1")");
  is_in(R"("name":"ship")");
  is_in(R"("name":"send","run":["command-)");
  is_in(R"("actor":"actor-1")");
  is_in(R"("actor":"operator")");
  is_in(R"("name":"pawld")");
}

TEST(Redact, a_folder_and_a_file_give_the_same_and_a_part_replays_by_itself) {
  const TestFolder folder;
  const SampleLog sample(folder.path("data"));
  const std::string log = run_pawl({"export", "log", "--data", folder.path("data")}).out;
  const std::string whole = run_pawl({"export", "log", "--redact", "--data", folder.path("data")}).out;
  EXPECT_EQ(redacted("-", log), whole);
  EXPECT_EQ(redacted(folder.file("log.jsonl", log)), whole);
  EXPECT_EQ(redacted(folder.path("data")), whole);
  const Ran part = run_pawl({"export", "log", "--redact", "--data", folder.path("data"), "--from", "9", "--to", "12"});
  const auto lines = lines_of(part.out);
  ASSERT_GE(lines.size(), 3u) << part.err;
  EXPECT_TRUE(lines[1].starts_with(R"({"checkpoint":{"seq":8,)")) << lines[1].substr(0, 80);
  EXPECT_EQ(lines[2], lines_of(whole)[9]) << "after the mark, and by the same chain";
  EXPECT_EQ(run_pawl({"replay", "-"}, part.out).exit, 0);
  EXPECT_EQ(redacted("-", part.out).substr(0, 40), part.out.substr(0, 40)) << "what is redacted can be so again";
}

TEST(Redact, what_would_have_prevented_it_is_the_same) {
  const std::string log = PAWL_INCIDENTS + std::string("reap_during_finalization_defences_off.jsonl");
  const auto verdicts = [](const Ran& ran) {
    std::string text;
    for (const std::string& line : lines_of(ran.out)) {
      if (line.find("prevented") != std::string::npos) text += line + '\n';
    }
    return text;
  };
  const std::string original = verdicts(run_pawl({"replay", "--each-defence", log}));
  EXPECT_NE(original.find("prevented"), std::string::npos);
  EXPECT_EQ(verdicts(run_pawl({"replay", "--each-defence", "-"}, redacted(log))), original);
}

TEST(Redact, nothing_of_the_original_chain_is_left) {
  const std::string part = redacted(PAWL_INCIDENTS + std::string("../golden/0.1.0/tail.jsonl"));
  EXPECT_NE(lines_of(part)[1].find("\"chain\":\"" + std::string(64, '0') + '"'), std::string::npos);
}

TEST(Redact, the_mark_is_the_first_line_or_none) {
  const std::string out = redacted("-", log_of_secrets());
  const Ran twice = run_pawl({"check", "-"}, "{\"redacted\":true}\n" + out);
  EXPECT_EQ(twice.exit, 2);
  EXPECT_NE(twice.err.find("line 2"), std::string::npos) << twice.err;
}

TEST(Redact, what_does_not_go_with_it_is_refused) {
  const TestFolder folder;
  const SampleLog sample(folder.path("data"));
  for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{{"--task", "1"},
                                                                                     {"--actor", "webhook"},
                                                                                     {"--type", "TaskCreated"},
                                                                                     {"--outcome", "accepted"},
                                                                                     {"--format", "csv"},
                                                                                     {"--from", "9", "--to", "8"},
                                                                                     {"--from", "noon"},
                                                                                     {"--at", "8", "--to", "8"}}) {
    std::vector<std::string> all = {"export", "log", "--redact", "--data", folder.path("data")};
    all.insert(all.end(), words.begin(), words.end());
    const Ran ran = run_pawl(all);
    EXPECT_EQ(ran.exit, 2) << words[0];
    EXPECT_EQ(ran.out, "") << words[0];
  }
  EXPECT_EQ(run_pawl({"export", "state", "--redact", "--data", folder.path("data")}).exit, 2);
  EXPECT_EQ(run_pawl({"export", "log", folder.path("data")}).exit, 2) << "LOG only with --redact";
}

TEST(Redact, a_word_of_a_reason_stays_and_its_rest_does_not) {
  Redaction redaction;
  const auto reason = [&](const std::string& text) { return redaction.text("TaskBlocked", "reason", text); };
  EXPECT_EQ(reason("job_failed"), "job_failed");
  EXPECT_EQ(reason("restored (was: outcome_unknown)"), "restored (was: outcome_unknown)");
  EXPECT_EQ(reason("restored (was: shop is down)"), "restored (was: text-1)");
  EXPECT_EQ(reason("diverged: shop"), "diverged: text-2");
  EXPECT_EQ(reason("cancelled by shop"), "text-3");
  EXPECT_EQ(reason(""), "");
}

TEST(Redact, a_field_that_nobody_listed_is_secret) {
  Redaction redaction;
  EXPECT_EQ(redaction.text("TaskCreated", "a_later_field", "shop"), "text-1");
}

TEST(Redact, lease_keys_keep_their_kind) {
  Redaction redaction;
  const auto key = [&](const std::string& text) { return redaction.text("LeaseAcquired", "key", text); };
  EXPECT_EQ(key("task:12"), "task:12");
  EXPECT_EQ(key("task:shop"), "task:key-1");
  EXPECT_EQ(key("repo:shop"), "repo:" + redaction.text("TaskCreated", "repo", "shop"));
  EXPECT_EQ(key("shop"), "lock-1");
}

TEST(Redact, places_that_are_held_keep_their_kind_and_what_it_is_about) {
  Redaction redaction;
  const auto place = [&](const std::string& text) { return redaction.text("HoldPlaced", "place", text); };
  EXPECT_EQ(place("task:12"), "task:12");
  EXPECT_EQ(place("repo:shop"), "repo:" + redaction.text("TaskCreated", "repo", "shop"));
  EXPECT_EQ(place("pipeline:delivery"), "pipeline:delivery");
  EXPECT_EQ(place("pipeline:shop"), "pipeline:" + redaction.text("TaskCreated", "pipeline", "shop"));
  EXPECT_EQ(place("stage:review"), "stage:review");
  EXPECT_EQ(place("agent:ada"), "agent:" + redaction.text("Agent", "name", "ada"));
  EXPECT_EQ(place("shop"), "place-1") << "a form that is refused";
  EXPECT_EQ(place("task:W-1"), "task:place-2") << "refused as a task that does not exist, and so must what is written";
  EXPECT_EQ(redaction.text("FreezeWindow", "stages", "review"), "review");
}

TEST(Redact, users_of_a_host_stay_numbers) {
  Redaction redaction;
  const std::string name = redaction.text("Approval", "by", "uid:1000");
  EXPECT_EQ(name.find_first_not_of("0123456789", 4), std::string::npos) << name << ": a gate takes nothing else";
  EXPECT_TRUE(name.starts_with("uid:")) << name;
  EXPECT_NE(name, "uid:1000");
}

TEST(Redact, calendars_keep_their_times_and_nothing_else) {
  Redaction redaction;
  const auto span = [&](const char* field, const std::string& text) {
    return redaction.text("CalendarSpan", field, text);
  };
  EXPECT_EQ(span("days", "mon-thu, sat"), "mon-thu, sat");
  EXPECT_EQ(span("from", "fri 16:00"), "fri 16:00");
  EXPECT_EQ(span("until", "2026-12-26"), "2026-12-26");
  EXPECT_EQ(span("from", "when Ada leaves"), "text-1") << "a form that is refused";
  EXPECT_EQ(span("reason", "Ada's wedding"), "text-2");
  EXPECT_EQ(span("stages", "review"), "review");
  EXPECT_EQ(redaction.text("Calendar", "zone", "Europe/Berlin"), "Zone/zone-1");
}

}  // namespace
}  // namespace pawl
