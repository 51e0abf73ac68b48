#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <sstream>

#include "schema/json/read_json.h"
#include "tests/unit/tools/forensics/explain_kit.h"

namespace pawl {
namespace {

namespace json = boost::json;
using story_kit::has;
using story_kit::incident;
using story_kit::seqs_of;
using story_kit::story_of;
using Seqs = story_kit::Seqs;

std::string written_to(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream content;
  content << file.rdbuf();
  return content.str();
}

/// Replaces every `from`.
std::string replaced(std::string text, const std::string& from, const std::string& to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
  return text;
}

/// The entry of that seq, as JSON text.
std::string entry_of(const json::value& story, std::int64_t seq) {
  std::stringstream text;
  for (const json::value& entry : story.at("entries").as_array()) {
    if (entry.at("seq").as_int64() == seq) text << entry;
  }
  return text.str();
}

TEST(Explain, a_small_log_is_told_as_it_was) {
  const Ran ran = run_pawl({"explain", incident("zombie_job_defences_on"), "W-1"});
  EXPECT_EQ(ran.exit, 0) << ran.err;
  EXPECT_EQ(ran.out, R"(work item W-1
task 1: W-1 of shop, branch w-1
  at the end of the log on analysis, version 1, since 2026-01-01T00:00:01Z by webhook
5 of 9 records, over 2 min 01 s

2026-01-01
  00:00:01.000  3  webhook   creates a task for W-1 of shop, branch w-1: task 1 on analysis
                             job 1 is queued
  00:00:02.000  5  executor  claims job 1, attempt 1
                             it waited 1.00 s
                6  executor  starts job 1: pid 4242
                ... 1 min 58 s of silence ...
  00:02:00.000  7  reaper    reaps job 1 (tier 1, its process is dead), outcome retry
                             evidence: claimed 1 min 58 s ago, no exit code, seen dead in 2 passes in a row, first seen dead 1 min 00 s ago, the task's lease was free
                             seen dead in 2 passes >= 2 (reaper.dead_ticks, the default)
                             1 attempt < 2 (job.max_attempts, the default)
                             process group 4242 is to be ended
                             job 1 is queued
x 00:02:02.000  9  monitor   tries to end job 1 as done
                             refused: not_running
                             that attempt had ended, by reaper's record 7, 2.00 s before

in the margin: ! what 'pawl check' points at, x refused, ~ decided with ownership switched off, + belongs to the group above
)");
}

TEST(Explain, what_has_not_ended_is_named_once) {
  const TestFolder folder;
  std::vector<std::string> lines = lines_of(written_to(incident("zombie_job_defences_on")));
  std::string begun;
  for (std::size_t i = 0; i < 6; ++i) begun += lines[i] + '\n';
  const Ran ran = run_pawl({"explain", folder.file("log.jsonl", begun), "W-1"});
  EXPECT_EQ(ran.exit, 0) << ran.err;
  EXPECT_TRUE(has(ran.out, "not ended: job 1 of executor, since record 5")) << ran.out;
}

TEST(Explain, the_founding_incident_names_its_culprit_and_who_was_in_the_way) {
  const json::value story = story_of(incident("reap_during_finalization_defences_off"), "task:1");
  Seqs all;
  for (std::int64_t seq = 3; seq <= 23; ++seq) all.push_back(seq);
  EXPECT_EQ(seqs_of(story), all)
      << "the two settings are told, because records depend on them; boot and pipeline are not";
  EXPECT_EQ(story.at("findings").at(0).at("kind"), "incident") << "the cause comes first";
  EXPECT_EQ(story.at("findings").at(0).at("seq"), 3);
  EXPECT_EQ(story.at("findings").at(1).at("kind"), "reaped_alive");
  EXPECT_EQ(story.at("findings").at(1).at("seq"), 13);
  EXPECT_TRUE(has(entry_of(story, 13), "exited 6 min 00 s ago, the task's lease was free"));
  EXPECT_TRUE(has(entry_of(story, 18), "the task was at version 2 on development by then, by reaper's record 17"));
  EXPECT_TRUE(has(entry_of(story, 18), R"("because":[17])"));
}

TEST(Explain, a_refusal_names_who_held_the_lease) {
  const json::value story = story_of(incident("reap_during_finalization_defences_on"), "task:1");
  EXPECT_TRUE(has(entry_of(story, 9), "task:1 was held by monitor (pid 1) since record 7, 6 min 00 s before"));
  EXPECT_TRUE(has(entry_of(story, 9), R"("refused":true)"));
  const json::array& spans = story.at("spans").as_array();
  ASSERT_EQ(spans.size(), 5u) << "a job, two leases, two steps";
  EXPECT_EQ(spans[1].at("label"), "task:1");
  EXPECT_EQ(spans[1].at("from"), 7);
  EXPECT_EQ(spans[1].at("to"), 17);
}

TEST(Explain, a_restart_is_part_of_the_story_of_what_it_took_back) {
  const json::value story = story_of(incident("restart_in_mid_step_defences_on"), "W-1");
  EXPECT_TRUE(has(entry_of(story, 11), "every earlier boot of that name is dead"));
  EXPECT_TRUE(has(entry_of(story, 12), "held by monitor (pid 1) for 5 min 01 s"));
  EXPECT_TRUE(has(entry_of(story, 15), "the irreversible step of the crossing had begun, by monitor's record 10"));
}

TEST(Explain, a_record_comes_with_what_led_to_it_and_what_rests_on_it) {
  const std::string log = incident("reap_during_finalization_defences_on");
  EXPECT_EQ(seqs_of(story_of(log, "9")), (Seqs{7, 9}));
  EXPECT_EQ(seqs_of(story_of(log, "record:9")), (Seqs{7, 9}));
  EXPECT_EQ(seqs_of(story_of(log, "7")), (Seqs{7, 8, 9, 11, 13, 15, 17}));
}

TEST(Explain, a_setting_is_told_with_what_check_finds_of_it) {
  const json::value story = story_of(incident("reap_during_finalization_defences_off"), "3");
  EXPECT_EQ(seqs_of(story), (Seqs{3, 4})) << "with the other record of its group";
  EXPECT_EQ(story.at("findings").as_array().size(), 4u) << "the incident that it caused, and what shows it";
}

TEST(Explain, a_work_item_that_came_again_is_another_task) {
  const std::string log = incident("stop_racing_a_requeue_defences_off");
  EXPECT_EQ(story_of(log, "task:1").at("tasks").as_array().size(), 1u);
  EXPECT_EQ(story_of(log, "W-1").at("tasks").as_array().size(), 2u);
}

TEST(Explain, a_refused_step_names_the_one_that_was_there) {
  const json::value story = story_of(incident("double_entry_at_deploy_defences_off"), "task:1");
  EXPECT_TRUE(
      has(entry_of(story, 8),
          "the step deploy had been started by finalizer's record 6, 20.0 s before, and its outcome was not reported"));
  EXPECT_TRUE(
      has(entry_of(story, 10), "the step deploy had been started by finalizer's record 6, 1 min 15 s before, and was"));
}

TEST(Explain, a_lock_is_told_with_the_others_of_its_key) {
  const json::value story = story_of(incident("stuck_merge_lease_defences_on"), "5");
  EXPECT_EQ(story.at("tasks").as_array().size(), 0u);
  EXPECT_GE(seqs_of(story).size(), 2u);
}

TEST(Explain, a_job_is_told_from_its_queue_to_its_end) {
  const std::string log = incident("reap_during_finalization_defences_on");
  EXPECT_EQ(seqs_of(story_of(log, "job:1")), (Seqs{3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18}))
      << "with the leases that the group of its end gives back";
}

class ExplainSample : public testing::Test {
 protected:
  ExplainSample() : data(folder.path("data")) {
    const SampleLog sample(data);
    log = run_pawl({"export", "log", "--data", data}).out;
  }
  TestFolder folder;
  std::string data;
  std::string log;
};

TEST_F(ExplainSample, folder_file_and_input_tell_the_same) {
  const Ran of_folder = run_pawl({"explain", data, "task:1"});
  EXPECT_EQ(of_folder.exit, 0) << of_folder.err;
  EXPECT_EQ(run_pawl({"explain", folder.file("log.jsonl", log), "task:1"}).out, of_folder.out);
  EXPECT_EQ(run_pawl({"explain", "-", "W-1"}, log).out, replaced(of_folder.out, "task 1\n", "work item W-1\n"));
  EXPECT_FALSE(has(of_folder.out, "W-2"));
}

TEST_F(ExplainSample, a_work_item_may_have_any_name) {
  EXPECT_TRUE(run_pawl({"explain", data, "W-\"3\", grün"}).out.starts_with("work item W-\"3\", grün\ntask 3: "));
  EXPECT_EQ(run_pawl({"explain", data, "item:W-1"}).out, run_pawl({"explain", data, "W-1"}).out);
}

TEST_F(ExplainSample, what_follows_a_checkpoint_is_told) {
  const std::string tail = run_pawl({"export", "log", "--data", data, "--from", "12"}).out;
  const Ran ran = run_pawl({"explain", "-", "task:1"}, tail);
  EXPECT_EQ(ran.exit, 0) << ran.err;
  EXPECT_TRUE(has(ran.out, "moves task 1 (W-1) from ship to done")) << ran.out;
}

TEST_F(ExplainSample, what_is_not_there_is_named) {
  const auto complaint = [&](const std::string& what) {
    const Ran ran = run_pawl({"explain", data, what});
    EXPECT_EQ(ran.exit, 2) << what;
    EXPECT_EQ(ran.out, "");
    return ran.err;
  };
  const std::string records = std::to_string(lines_of(log).size());
  EXPECT_EQ(complaint("task:12"), "pawl: the log has nothing about task 12 in its " + records + " records\n");
  EXPECT_EQ(complaint("job:99"), "pawl: the log has nothing about job 99 in its " + records + " records\n");
  EXPECT_EQ(complaint("SHOP-1"), "pawl: the log has nothing about work item SHOP-1 in its " + records + " records\n");
  EXPECT_EQ(complaint("99"), "pawl: the log has no record 99: its last one is " + records + "\n");
  EXPECT_EQ(complaint("task:x"), "pawl: task: 'x' is not a whole number\n");
  EXPECT_TRUE(has(complaint(""), "explain what?"));
}

TEST_F(ExplainSample, a_damaged_or_foreign_log_is_named_with_the_place) {
  const auto complaint = [&](const std::string& content, const std::string& what) {
    const Ran ran = run_pawl({"explain", folder.file("bad.jsonl", content), what});
    EXPECT_EQ(ran.exit, 2);
    return ran.err;
  };
  const std::string at = "pawl: " + folder.path("bad.jsonl") + ", line ";
  for (const std::string what : {"task:1", "9"}) {
    EXPECT_TRUE(complaint("a,b,c\n", what).starts_with(at + "1: "));
    EXPECT_TRUE(complaint(log.substr(0, log.size() / 3), what).starts_with(at)) << "cut in the middle of a line";
    EXPECT_TRUE(has(complaint(replaced(log, "RunExited", "RunExcited"), what), ": type: "));
  }
  EXPECT_TRUE(has(complaint(replaced(log, R"("to":"ship")", R"("to":"shop")"), "task:1"), "differs in its"));
  EXPECT_EQ(run_pawl({"explain", folder.file("bad.jsonl", "a,b,c\n"), "task:1"}).out, "") << "nothing can be told";
  EXPECT_EQ(run_pawl({"explain", folder.path("nowhere"), "task:1"}).exit, 2);
  EXPECT_EQ(run_pawl({"explain", "-", "9"}, log).exit, 2);
}

/// The text between two marks.
std::string between(const std::string& text, const std::string& from, const std::string& to) {
  const std::size_t begin = text.find(from);
  if (begin == std::string::npos) return "";
  return text.substr(begin + from.size(), text.find(to, begin + from.size()) - begin - from.size());
}

TEST(ExplainPage, it_bears_the_story_and_needs_nothing_else) {
  const TestFolder folder;
  const std::string log = incident("reap_during_finalization_defences_off");
  const Ran ran = run_pawl({"explain", log, "W-1", "--html", folder.path("page.html")});
  EXPECT_EQ(ran.exit, 0) << ran.err;
  EXPECT_EQ(ran.out, folder.path("page.html") + ": work item W-1, 21 records\n");
  const std::string page = written_to(folder.path("page.html"));
  EXPECT_TRUE(page.ends_with("</html>\n"));
  const std::string data = between(page, "id=\"data\">", "</script>");
  EXPECT_EQ(data, run_pawl({"explain", log, "W-1", "--json"}).out) << "it contains no '<' to escape";
  for (const std::string outside : {"src=", "@import", "url(", "fetch(", "https:", "innerHTML"}) {
    EXPECT_FALSE(has(page, outside)) << outside;
  }
  EXPECT_EQ(replaced(page, "http://www.w3.org/2000/svg", "").find("http:"), std::string::npos)
      << "a name, not an address";
}

TEST(ExplainPage, text_of_a_log_is_only_text) {
  const TestFolder folder;
  const std::string evil = "<script>alert(1)</script><img src=x onerror='alert(2)'>&amp;</pre></noscript><!--";
  const std::string script = R"({"at":1,"do":{"type":"TaskCreated","work_item":")" + evil +
                             R"(","repo":"r","branch":"b"},"actor":"<b>w</b>"})";
  const std::string log = run_pawl({"simulate", "-"}, script + "\n").out;
  const Ran ran = run_pawl({"explain", "-", evil, "--html", folder.path("page.html")}, log);
  EXPECT_EQ(ran.exit, 0) << ran.err;
  const std::string page = written_to(folder.path("page.html"));
  for (const std::string part : {"<script>alert", "<img", "<b>", "<!--\\n", "&amp;</pre>"})
    EXPECT_FALSE(has(page, part)) << part;
  EXPECT_TRUE(has(page, "&lt;script&gt;alert(1)&lt;/script&gt;")) << "without scripts";
  const std::string data = between(page, "id=\"data\">", "</script>");
  const auto story = parse_json(data);
  ASSERT_TRUE(story.has_value()) << data;
  EXPECT_EQ(story->at("tasks").at(0).at("work_item").as_string(), evil.c_str());
  EXPECT_EQ(story->at("lanes").at(0), "<b>w</b>");
}

std::string printed_by(const std::string& command) {
  FILE* pipe = ::popen(command.c_str(), "r");
  EXPECT_NE(pipe, nullptr);
  std::string out(4096, '\0');
  out.resize(std::fread(out.data(), 1, out.size(), pipe));
  EXPECT_EQ(::pclose(pipe), 0);
  return out;
}

TEST(ExplainPage, its_policy_lets_in_its_style_and_its_script_alone) {
  const TestFolder folder;
  const std::string log = incident("reap_during_finalization_defences_off");
  ASSERT_EQ(run_pawl({"explain", log, "W-1", "--html", folder.path("page.html")}).exit, 0);
  const std::string page = written_to(folder.path("page.html"));
  const std::string policy = between(page, "http-equiv=\"Content-Security-Policy\" content=\"", "\"");
  // As `printf %s "$TEXT" | openssl dgst -sha256 -binary | base64` says.
  const auto hashed = [&](const std::string& text) {
    const std::string file = folder.file("text", text);
    return printed_by("openssl dgst -sha256 -binary '" + file + "' | base64 -w0");
  };
  EXPECT_EQ(policy, "default-src 'none'; style-src 'sha256-" + hashed(between(page, "<style>", "</style>")) +
                        "'; script-src 'sha256-" + hashed(between(page, "<script>", "</script>")) +
                        "'; base-uri 'none'; form-action 'none'");
  for (const std::string inline_code :
       {"unsafe-inline", " style=", " onclick=", "{style", "'style'", "eval(", "javascript:"})
    EXPECT_FALSE(has(page, inline_code)) << inline_code;
}

TEST(ExplainPage, what_cannot_be_seen_is_shown_on_it_and_in_the_text) {
  const TestFolder folder;
  const std::string script =
      R"({"at":1,"do":{"type":"TaskCreated","work_item":"W-1","repo":"r","branch":"b"}})"
      "\n"
      R"({"at":2,"do":{"type":"TaskBlocked","task":1,"version":1,"reason":"if (\u202e) \u001b[2J\u009b \u2028\b\u007f ok"}})"
      "\n";
  const std::string log = run_pawl({"simulate", "-"}, script).out;
  const std::string shown = "if (\\u{202e}) \\x1b[2J\\u{9b} \\u{2028}\\x08\\x7f ok";
  EXPECT_TRUE(has(run_pawl({"explain", "-", "task:1"}, log).out, shown));
  EXPECT_TRUE(has(run_pawl({"explain", "-", "task:1", "--json"}, log).out, "if (\u202E) \\u001b[2J")) << "exact";
  const Ran ran = run_pawl({"explain", "-", "task:1", "--html", folder.path("page.html")}, log);
  ASSERT_EQ(ran.exit, 0) << ran.err;
  const std::string page = written_to(folder.path("page.html"));
  EXPECT_TRUE(has(between(page, "<noscript>", "</noscript>"), shown));
  const auto story = parse_json(between(page, "id=\"data\">", "</script>"));
  ASSERT_TRUE(story.has_value());
  EXPECT_EQ(story->at("tasks").at(0).at("blocked").as_string(), shown);
  for (const char* unseen : {"\u202E", "\u2028", "\u009B", "\x1b", "\x7f"}) EXPECT_FALSE(has(page, unseen));
}

TEST(Explain, what_a_pass_wrote_says_when_the_pass_before_was) {
  const TestFolder folder;
  {
    SampleLog sample(folder.path("data"));
    const Requester reaper{.boot = "boot-1", .actor = "reaper", .key = {}, .request = {}};
    fb::JobReapedT reaped;
    reaped.job = 2;
    reaped.attempt = 1;
    reaped.evidence = std::make_unique<fb::EvidenceT>();
    reaped.evidence->last_pass_s = 61;
    sample.propose(propose_group(reaper, reaped));
    fb::LeaseAcquiredT taken;
    taken.key = "cellar";
    taken.owner = std::make_unique<fb::OwnerT>();
    taken.owner->boot_id = "boot-1";
    taken.owner->actor = "worker";
    const Seq token = sample.propose(propose_group(reaper, taken));
    fb::LeaseReclaimedT reclaimed;
    reclaimed.key = "cellar";
    reclaimed.token = raw(token);
    reclaimed.reason = fb::ReclaimReason::owner_dead;
    reclaimed.last_pass_s = 62;
    sample.propose(propose_group(reaper, reclaimed));
  }
  const Ran job = run_pawl({"explain", folder.path("data"), "job:2"});
  EXPECT_TRUE(has(job.out, ", the pass before was 1 min 01 s earlier")) << job.out << job.err;
  const Ran lease = run_pawl({"explain", folder.path("data"), "key:cellar"});
  EXPECT_TRUE(has(lease.out, "the pass before was 1 min 02 s earlier")) << lease.out << lease.err;
}

TEST_F(ExplainSample, a_page_never_goes_into_the_log) {
  const std::string file = folder.file("log.jsonl", log);
  for (const auto& [from, to] : std::vector<std::pair<std::string, std::string>>{{data, data + "/page.html"},
                                                                                 {data, data + "/log/page.html"},
                                                                                 {file, file},
                                                                                 {file, folder.path("./log.jsonl")}}) {
    const Ran ran = run_pawl({"explain", from, "task:1", "--html", to});
    EXPECT_EQ(ran.exit, 2) << to;
    EXPECT_EQ(ran.err, "pawl: --html: " + to + " is, or lies in, the log that is read\n");
  }
  EXPECT_EQ(written_to(file), log);
  EXPECT_FALSE(std::filesystem::exists(data + "/page.html"));
  EXPECT_EQ(run_pawl({"explain", data, "task:1", "--html", folder.path("no/such/folder.html")}).exit, 1);
  EXPECT_EQ(run_pawl({"explain", data, "task:1", "--html", "x", "--json"}).exit, 2);
}

}  // namespace
}  // namespace pawl
