// The stories of repositories, boots, leases and settings; what repeats itself; machines of one name.
#include <algorithm>
#include <set>

#include "tests/unit/tools/forensics/explain_kit.h"

namespace pawl {
namespace {

namespace json = boost::json;
using story_kit::has;
using story_kit::incident;
using story_kit::seqs_of;
using story_kit::story_of;
using story_kit::text_of;
using Seqs = story_kit::Seqs;

/// Two machines that register as `builder`, one after the other, and a repository with two tasks.
const std::string& two_machines() {
  static const std::string log = [] {
    const std::string script =
        R"({"at":1,"do":{"type":"BootStarted","name":"builder","boot_id":"b-1","pid":7,"host":"build-1"},"actor":"worker"}
{"at":2,"do":{"type":"TaskCreated","work_item":"SHOP-1","repo":"shop","branch":"shop-1"}}
{"at":3,"do":{"type":"TaskCreated","work_item":"SHOP-2","repo":"shop","branch":"shop-2"}}
{"at":4,"do":{"type":"TaskCreated","work_item":"TILL-1","repo":"till","branch":"till-1"}}
{"at":5,"do":{"type":"JobClaimed","job":1,"ttl":60},"actor":"worker","boot":"b-1"}
{"at":6,"do":{"type":"RunStarted","job":1,"attempt":1,"pid":99},"actor":"worker","boot":"b-1"}
{"at":10,"do":{"type":"ClaimRenewed","job":1,"attempt":1},"actor":"worker","boot":"b-1"}
{"at":20,"do":{"type":"ClaimRenewed","job":1,"attempt":1},"actor":"worker","boot":"b-1"}
{"at":30,"do":{"type":"ClaimRenewed","job":1,"attempt":1},"actor":"worker","boot":"b-1"}
{"at":40,"do":{"type":"ClaimRenewed","job":1,"attempt":1},"actor":"worker","boot":"b-1"}
{"at":50,"do":{"type":"ClaimRenewed","job":1,"attempt":1},"actor":"worker","boot":"b-1"}
{"at":55,"do":{"type":"JobClaimed","job":3},"actor":"executor"}
{"at":60,"do":{"type":"BootStarted","name":"builder","boot_id":"b-2","pid":8,"host":"build-2"},"actor":"worker"}
{"at":61,"do":{"type":"ClaimRenewed","job":1,"attempt":1},"actor":"worker","boot":"b-1"}
{"at":62,"do":{"type":"JobClaimed","job":1},"actor":"worker","boot":"b-2"}
{"at":63,"do":{"type":"RunExited","job":1,"attempt":2,"exit_code":0},"actor":"worker","boot":"b-2"}
{"at":64,"group":[{"type":"LeaseAcquired","key":"task:1","edge":"analysis->development"},{"type":"LeaseAcquired","key":"repo:shop","edge":"analysis->development","ttl":60}],"actor":"worker","boot":"b-2"}
{"at":65,"do":{"type":"LeaseAcquired","key":"repo:shop"},"actor":"monitor"}
{"at":66,"do":{"type":"StageTransition","task":1,"to":"development","expected_version":1},"actor":"monitor"}
{"at":67,"do":{"type":"StageTransition","task":1,"to":"development","expected_version":1,"token":"@task:1"},"actor":"worker","boot":"b-2"}
{"at":200,"do":{"type":"LeaseAcquired","key":"repo:shop"},"actor":"monitor"}
{"at":201,"set":{"queue.max_concurrency":3}}
{"at":202,"set":{"queue.max_concurrency":2}}
{"at":203,"do":{"type":"TaskBlocked","task":2,"version":1,"reason":"disk is full"}}
)";
    const Ran ran = run_pawl({"simulate", "-"}, script);
    EXPECT_EQ(ran.exit, 0) << ran.err;
    return ran.out;
  }();
  return log;
}

Ran explained(const std::string& what, const std::vector<std::string>& options = {}) {
  std::vector<std::string> words = {"explain", "-", what};
  words.insert(words.end(), options.begin(), options.end());
  return run_pawl(words, two_machines());
}

json::value story_of_machines(const std::string& what) {
  return story_of("-", what, two_machines());
}

TEST(ExplainSubjects, a_repository_is_told_by_its_deliveries_and_not_by_the_work_of_agents) {
  const json::value story = story_of_machines("repo:shop");
  EXPECT_EQ(story.at("subject"), "repository shop");
  EXPECT_EQ(seqs_of(story), (Seqs{4, 5, 16, 20, 21, 22, 23, 24, 25, 26, 29}));
  EXPECT_EQ(story.at("tasks").as_array().size(), 2u) << "not the other repository's";
}

TEST(ExplainSubjects, a_boot_is_told_by_what_it_holds_and_loses_and_by_what_it_is_refused) {
  const json::value both = story_of_machines("boot:builder");
  EXPECT_EQ(seqs_of(both), (Seqs{3, 7, 8, 9, 10, 11, 12, 13, 15, 16, 17, 18, 19, 20, 21, 25})) << "by name";
  EXPECT_EQ(seqs_of(story_of_machines("boot:b-1")), (Seqs{3, 7, 8, 9, 10, 11, 12, 13, 15, 16, 17}))
      << "by id: to its end by the next of its name, and a refused act after that";
  EXPECT_EQ(seqs_of(story_of_machines("boot:b-2")), (Seqs{15, 18, 19, 20, 21, 25}))
      << "with the reclaim of its lease by another";
}

TEST(ExplainSubjects, a_lease_is_told_by_who_took_it_lost_it_and_ran_into_it) {
  EXPECT_EQ(seqs_of(story_of_machines("key:repo:shop")), (Seqs{21, 22, 25, 26}));
  EXPECT_EQ(seqs_of(story_of_machines("key:task:1")), (Seqs{20, 23})) << "a move that was refused for it";
  EXPECT_EQ(seqs_of(story_of(incident("stuck_merge_lease_defences_on"), "key:repo:shop")).size(), 3u);
}

TEST(ExplainSubjects, a_setting_is_told_with_its_values_and_what_rested_on_them) {
  const Ran ran = explained("setting:queue.max_concurrency");
  EXPECT_EQ(ran.exit, 0) << ran.err;
  EXPECT_TRUE(has(ran.out, "tries to claim job 3")) << ran.out;
  EXPECT_TRUE(has(ran.out, "queue.max_concurrency was 1, its default")) << ran.out;
  EXPECT_TRUE(has(ran.out, "sets queue.max_concurrency to 3\n                              it was 1, its default"))
      << ran.out;
  EXPECT_TRUE(has(ran.out, "it was 3, by operator's record 27, 1.00 s before")) << ran.out;
}

TEST(ExplainSubjects, a_reap_rests_on_the_settings_of_its_tier) {
  const std::string log = incident("reap_during_finalization_defences_off");
  const json::value story = story_of(log, "setting:reaper.finalizer_liveness");
  EXPECT_EQ(seqs_of(story), (Seqs{3, 4, 13})) << "3: check says that it led to the reap too";
  const std::string reap = text_of(story.at("entries").at(2));
  EXPECT_TRUE(has(reap, "reaper.finalizer_liveness was false, by operator's record 4, 7 min 40 s before")) << reap;
  EXPECT_TRUE(has(reap, R"("because":[3,4])")) << reap;
  EXPECT_EQ(run_pawl({"explain", log, "setting:reaper.max_running_s"}).exit, 2);
}

TEST(ExplainSubjects, what_ownership_decided_or_let_pass_rests_on_it) {
  const json::value off = story_of(incident("reap_during_finalization_defences_off"), "setting:ownership.enabled");
  const Seqs seqs = seqs_of(off);
  for (const std::int64_t seq : {3, 9, 10, 11, 14, 18}) {
    EXPECT_NE(std::find(seqs.begin(), seqs.end(), seq), seqs.end()) << seq;
  }
  const Seqs on = seqs_of(story_of(incident("reap_during_finalization_defences_on"), "setting:ownership.enabled"));
  EXPECT_NE(std::find(on.begin(), on.end(), 9), on.end()) << "it kept the reaper out";
}

TEST(ExplainSubjects, what_is_unknown_is_told_with_the_nearest_name) {
  const auto complaint = [](const std::string& what) {
    const Ran ran = explained(what);
    EXPECT_EQ(ran.exit, 2) << what;
    EXPECT_EQ(ran.out, "");
    return ran.err;
  };
  const std::string nothing = "pawl: the log has nothing about ";
  EXPECT_EQ(complaint("repo:shpo"), nothing + "repository shpo in its 29 records; did you mean 'shop'?\n");
  EXPECT_EQ(complaint("boot:buildr"), nothing + "boot buildr in its 29 records; did you mean 'builder'?\n");
  EXPECT_EQ(complaint("key:repo:shp"), nothing + "lease repo:shp in its 29 records; did you mean 'repo:shop'?\n");
  EXPECT_EQ(complaint("SHOP-3"), nothing + "work item SHOP-3 in its 29 records; did you mean 'SHOP-1'?\n");
  EXPECT_EQ(complaint("repo:elsewhere"), nothing + "repository elsewhere in its 29 records\n");
  EXPECT_EQ(complaint("setting:reaper.enabled"),
            nothing + "setting reaper.enabled in its 29 records: it was true all along\n");
  EXPECT_TRUE(has(complaint("setting:reaper.enabld"), "did you mean 'reaper.enabled'?"));
  for (const std::string empty : {"repo:", "boot:", "key:", "setting:", "item:"}) {
    EXPECT_TRUE(has(complaint(empty), "explain what?")) << empty;
  }
}

TEST(ExplainSubjects, a_restore_alone_is_no_story) {
  const std::string script =
      R"({"at":1,"do":{"type":"TaskCreated","work_item":"W-1","repo":"shop"}}
{"at":2,"do":{"type":"LogRestored","from":3,"next_seq":100,"next_task":50,"next_job":50},"actor":"pawld"}
)";
  const std::string log = run_pawl({"simulate", "-"}, script).out;
  ASSERT_TRUE(has(log, R"("seq":100)")) << log;
  EXPECT_TRUE(has(run_pawl({"explain", "-", "W-1"}, log).out, "restores the log"));
  for (const std::string what : {"repo:shpo", "task:7", "boot:nobody", "key:nothing", "W-2"}) {
    EXPECT_EQ(run_pawl({"explain", "-", what}, log).exit, 2) << what;
  }
}

TEST(ExplainSubjects, a_story_has_the_records_of_its_groups_that_touch_its_repository) {
  const json::value story = story_of_machines("SHOP-1");
  const Seqs seqs = seqs_of(story);
  for (const std::int64_t seq : {25, 26}) {
    EXPECT_NE(std::find(seqs.begin(), seqs.end(), seq), seqs.end())
        << seq << ": the reclaim of its lease, and who took it in the same group";
  }
}

TEST(ExplainSubjects, the_story_of_a_job_has_the_lease_that_its_last_group_frees) {
  const std::string script =
      R"({"at":1,"do":{"type":"TaskCreated","work_item":"W-1","repo":"shop"}}
{"at":2,"do":{"type":"JobClaimed","job":1},"actor":"executor"}
{"at":3,"do":{"type":"LeaseAcquired","key":"task:1","edge":"analysis->development"},"actor":"monitor"}
{"at":4,"group":[{"type":"JobFinished","job":1,"attempt":1,"result":"failed"},{"type":"LeaseReleased","key":"task:1","token":"@task:1"}],"actor":"monitor"}
)";
  const Seqs seqs = seqs_of(story_of("-", "job:1", run_pawl({"simulate", "-"}, script).out));
  ASSERT_FALSE(seqs.empty());
  EXPECT_EQ(seqs.back(), 7) << "the release, after the end of the job";
}

TEST(ExplainSubjects, the_lease_of_another_that_stood_in_the_way_is_a_bar) {
  const std::string script =
      R"({"at":1,"do":{"type":"TaskCreated","work_item":"W-1","repo":"shop"}}
{"at":2,"do":{"type":"TaskCreated","work_item":"W-2","repo":"shop"}}
{"at":3,"do":{"type":"LeaseAcquired","key":"repo:shop"},"actor":"monitor"}
{"at":4,"group":[{"type":"LeaseAcquired","key":"task:1","edge":"analysis->development"},{"type":"LeaseAcquired","key":"repo:shop","edge":"analysis->development"}],"actor":"reconciler"}
{"at":5,"do":{"type":"LeaseReleased","key":"repo:shop","token":"@repo:shop"},"actor":"monitor"}
)";
  const std::string log = run_pawl({"simulate", "-"}, script).out;
  const json::value story = story_of("-", "W-1", log);
  const std::string spans = text_of(story.at("spans"));
  EXPECT_TRUE(has(spans, R"("kind":"lease","label":"repo:shop")")) << spans;
  EXPECT_TRUE(has(spans, R"("how":"released","holds":true)")) << spans;
  EXPECT_TRUE(has(text_of(story.at("lanes")), "monitor")) << "its owner has a lane";
}

TEST(ExplainSubjects, with_ownership_off_the_leases_of_both_are_bars_that_hold_nothing) {
  const json::value story = story_of(incident("reap_during_finalization_defences_off"), "task:1");
  std::set<std::string> lanes;
  for (const json::value& span : story.at("spans").as_array()) {
    if (span.at("holds").as_bool()) continue;
    EXPECT_EQ(span.at("kind"), "lease");
    if (span.at("label") == "task:1") {
      lanes.insert(std::string(story.at("lanes").at(static_cast<std::size_t>(span.at("lane").as_int64())).as_string()));
    }
  }
  EXPECT_EQ(lanes, (std::set<std::string>{"monitor", "reaper"}));
}

TEST(ExplainMachines, two_of_one_name_are_told_apart_by_their_hosts) {
  const json::value story = story_of_machines("SHOP-1");
  const std::string lanes = text_of(story.at("lanes"));
  EXPECT_TRUE(has(lanes, R"("worker of build-1")")) << lanes;
  EXPECT_TRUE(has(lanes, R"("worker of build-2")")) << lanes;
  EXPECT_FALSE(has(lanes, "builder")) << lanes;
  EXPECT_EQ(story.at("lanes").as_array().size(), story.at("lane_hosts").as_array().size());
  const std::string text = explained("SHOP-1").out;
  EXPECT_TRUE(has(text, "task:1 was held by worker of build-2 (pid 1)")) << text;
  EXPECT_TRUE(has(text, "its boot was dead, by worker of build-2's record 15")) << text;
  EXPECT_TRUE(has(text, "since 2026-01-01T00:01:07Z by worker of build-2")) << text;
  for (const char mark : text) EXPECT_NE(mark, '\x01');
}

TEST(ExplainMachines, one_of_a_name_keeps_it) {
  const std::string text = explained("boot:b-2").out;
  EXPECT_TRUE(has(text, "worker of builder")) << text;
  EXPECT_FALSE(has(text, "worker of build-2")) << text;
}

TEST(ExplainFolds, a_run_of_like_records_is_one_line) {
  const std::string text = explained("SHOP-1").out;
  EXPECT_TRUE(has(text,
                  "renews the claim of job 1\n"
                  "                                       4 more like this, until 00:00:50 (records 10 to 13)\n"))
      << text;
  const std::string all = explained("SHOP-1", {"--all"}).out;
  EXPECT_FALSE(has(all, "more like this")) << all;
  EXPECT_TRUE(has(all, "00:00:40.000  12")) << all;
}

TEST(ExplainFolds, json_has_every_record_and_says_which_it_is_like) {
  const json::value story = story_of_machines("SHOP-1");
  for (const json::value& entry : story.at("entries").as_array()) {
    const std::int64_t seq = entry.at("seq").as_int64();
    if (seq >= 10 && seq <= 13) {
      EXPECT_EQ(entry.at("like"), 9) << seq;
    } else {
      EXPECT_TRUE(entry.at("like").is_null()) << seq;
    }
  }
}

std::string renewals(int count) {
  std::string script =
      R"({"at":1,"do":{"type":"TaskCreated","work_item":"W-1","repo":"r"}}
{"at":2,"do":{"type":"JobClaimed","job":1,"ttl":60},"actor":"executor"}
)";
  for (int i = 0; i < count; ++i) {
    script += R"({"at":)" + std::to_string(3 + i) +
              R"(,"do":{"type":"ClaimRenewed","job":1,"attempt":1},"actor":"executor"})"
              "\n";
  }
  return run_pawl({"simulate", "-"}, script).out;
}

TEST(ExplainFolds, three_are_not_a_run_and_four_are) {
  EXPECT_FALSE(has(run_pawl({"explain", "-", "W-1"}, renewals(3)).out, "more like this"));
  EXPECT_TRUE(has(run_pawl({"explain", "-", "W-1"}, renewals(4)).out, "3 more like this"));
}

TEST(ExplainFolds, the_record_that_was_asked_for_stands_by_itself) {
  const TestFolder folder;
  std::string notes;
  for (int i = 0; i < 9; ++i)
    notes += std::string(i == 0 ? "" : ",") + R"({"type":"TaskNote","task":1,"text":"again"})";
  const std::string script = R"({"at":1,"do":{"type":"TaskCreated","work_item":"W-1","repo":"r"}}
{"at":2,"group":[)" + notes + "]}\n";
  const std::string file = folder.file("log.jsonl", run_pawl({"simulate", "-"}, script).out);
  const Ran ran = run_pawl({"explain", file, "8"});
  EXPECT_EQ(ran.exit, 0) << ran.err;
  EXPECT_TRUE(has(ran.out, "+ 8  operator  notes: again\n")) << ran.out;
  EXPECT_TRUE(has(ran.out, "3 more like this, until 00:00:02 (records 5 to 7)")) << ran.out;
}

TEST(ExplainRedacted, a_story_says_that_its_log_is_redacted) {
  const std::string redacted = run_pawl({"export", "log", "-", "--redact"}, two_machines()).out;
  const Ran ran = run_pawl({"explain", "-", "repo:repo-1"}, redacted);
  EXPECT_EQ(ran.exit, 0) << ran.err;
  EXPECT_TRUE(has(ran.out, "of a redacted log: its names and texts are replaced\n")) << ran.out;
  EXPECT_EQ(seqs_of(story_of("-", "repo:repo-1", redacted)), seqs_of(story_of_machines("repo:shop")));
  EXPECT_EQ(story_of("-", "repo:repo-1", redacted).at("redacted"), true);
  EXPECT_EQ(story_of_machines("repo:shop").at("redacted"), false);
}

}  // namespace
}  // namespace pawl
