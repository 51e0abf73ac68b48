// What the forensics cost on a large log, counted and not timed: what is kept of a log, how often it is read, and what
// a record touches in a story.
#include <gtest/gtest.h>
#include <malloc.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "tests/unit/tools/sample_log.h"
#include "tools/forensics/defences.h"
#include "tools/forensics/explain_context.h"
#include "tools/forensics/log_source.h"
#include "tools/forensics/what_if_story.h"

namespace pawl {
namespace {

std::string played(const TestFolder& folder, const std::string& name, const std::string& script) {
  const Ran ran = run_pawl({"simulate", "-"}, script);
  EXPECT_EQ(ran.exit, 0) << ran.err;
  return folder.file(name, ran.out);
}

/// One task, and `notes` long notes about it.
std::string log_of_notes(const TestFolder& folder, std::size_t notes) {
  std::string script = R"({"at": 1, "do": {"type": "TaskCreated", "work_item": "W-1", "repo": "shop"}})";
  for (std::size_t i = 0; i < notes; ++i) {
    script += R"(
{"at": 2, "do": {"type": "TaskNote", "task": 1, "text": ")" +
              std::string(3000, 'n') + R"("}})";
  }
  return played(folder, "notes-" + std::to_string(notes) + ".jsonl", script + '\n');
}

/// Settings are changed one after the other, with notes after each.
std::string log_of_settings(const TestFolder& folder, const std::vector<std::string>& changes) {
  std::string script = R"({"at": 1, "do": {"type": "TaskCreated", "work_item": "W-1", "repo": "shop"}})";
  for (const std::string& change : changes) {
    script += "\n{\"at\": 2, \"set\": {" + change + "}}";
    for (std::size_t j = 0; j < 20; ++j) {
      script += R"(
{"at": 2, "do": {"type": "TaskNote", "task": 1, "text": ")" +
                std::string(3000, 'n') + R"("}})";
    }
  }
  return played(folder, "settings.jsonl", script + '\n');
}

/// How many bytes this process has read so far.
std::uint64_t bytes_read() {
  std::ifstream io("/proc/self/io");
  std::string name;
  std::uint64_t value = 0;
  io >> name >> value;
  EXPECT_EQ(name, "rchar:");
  return value;
}

/// How many times the file was read between `before` and `after`, rounded.
std::uint64_t readings(const std::string& path, std::uint64_t before, std::uint64_t after) {
  const std::uint64_t bytes = std::filesystem::file_size(path);
  return (after - before + bytes / 2) / bytes;
}

TEST(LargeLog, records_are_not_kept) {
  const TestFolder folder;
  const auto kept = [&](std::size_t notes) {
    const std::string path = log_of_notes(folder, notes);
    const std::size_t before = ::mallinfo2().uordblks;
    const auto log = RecordedLog::read(path);
    EXPECT_TRUE(log) << log.error().message;
    return static_cast<std::int64_t>(::mallinfo2().uordblks) - static_cast<std::int64_t>(before);
  };
  kept(1);  // what is allocated once
  const std::int64_t few = kept(50);
  const std::int64_t many = kept(350);
  EXPECT_LT(many - few, std::int64_t{300} * 300) << "each of the 300 more records has 3,000 bytes";
}

TEST(LargeLog, standard_input_is_read_as_a_file_is) {
  const TestFolder folder;
  const std::string path = log_of_settings(folder, {R"("queue.max_concurrency": 2)", R"("queue.max_concurrency": 4)"});
  std::ifstream file(path);
  const std::string lines((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const Ran from_file = run_pawl({"replay", "--what-if", "queue.max_concurrency=3", path});
  EXPECT_EQ(from_file.exit, 0) << from_file.err;
  EXPECT_EQ(run_pawl({"replay", "--what-if", "queue.max_concurrency=3", "-"}, lines).out, from_file.out);
  const Ran broken = run_pawl({"incident", "-"}, lines + "{}\n");
  EXPECT_EQ(broken.exit, 2);
  EXPECT_NE(broken.err.find("standard input, line "), std::string::npos) << broken.err;
}

/// Tries each defence; returns in how many readings of the log.
std::uint64_t readings_for_defences(const std::string& path, std::size_t defences) {
  const auto log = RecordedLog::read(path);
  EXPECT_TRUE(log) << log.error().message;
  EXPECT_EQ(log->settings().size(), defences);
  const InQuestion question{
      .finding = {.kind = Finding::Kind::double_effect, .seq = log->last(), .what = "", .task = TaskId{2}},
      .ends = {},
      .shown_by = {},
      .other = {}};
  const std::uint64_t before = bytes_read();
  const auto all = defences_against(*log, question, Effort::all);
  const std::uint64_t after = bytes_read();
  EXPECT_TRUE(all) << all.error().message;
  EXPECT_EQ(all->tried.size(), defences);
  return readings(path, before, after);
}

TEST(LargeLog, four_defences_are_tried_in_a_reading) {
  const TestFolder folder;
  const std::string path = log_of_settings(
      folder, {R"("queue.max_concurrency": 11)", R"("reaper.dead_ticks": 5)", R"("job.max_attempts": 7)",
               R"("pipeline.max_rollbacks": 7)", R"("recovery.max_interruptions": 7)"});
  EXPECT_EQ(readings_for_defences(path, 5), 2);
}

/// The next change of the same setting ends a story in which nothing differs, and makes room for the next.
TEST(LargeLog, changes_of_one_setting_are_tried_in_one_reading) {
  const TestFolder folder;
  std::vector<std::string> changes;
  for (int i = 0; i < 12; ++i) changes.push_back(R"("queue.max_concurrency": )" + std::to_string(i + 11));
  EXPECT_EQ(readings_for_defences(log_of_settings(folder, changes), 12), 1);
}

TEST(LargeLog, a_reading_ends_when_its_stories_have_ended) {
  const TestFolder folder;
  // Without the higher limit the second job is not claimed, and the log does not show what its agent would have done.
  std::string script = R"({"at": 1, "set": {"queue.max_concurrency": 1}}
{"at": 1, "do": {"type": "TaskCreated", "work_item": "W-1", "repo": "shop"}}
{"at": 1, "do": {"type": "TaskCreated", "work_item": "W-2", "repo": "till"}}
{"at": 2, "set": {"queue.max_concurrency": 2}}
{"at": 2, "do": {"type": "JobClaimed", "job": 1}, "actor": "executor"}
{"at": 2, "do": {"type": "JobClaimed", "job": 2}, "actor": "executor"}
)";
  for (std::size_t i = 0; i < 100; ++i) {
    script += R"({"at": 3, "do": {"type": "TaskNote", "task": 1, "text": ")" + std::string(3000, 'n') + "\"}}\n";
  }
  const std::string path = played(folder, "limit.jsonl", script);
  const auto log = RecordedLog::read(path);
  ASSERT_TRUE(log) << log.error().message;
  const std::uint64_t before = bytes_read();
  const auto retold = retell(*log, {{.key = setting_named("queue.max_concurrency"),
                                     .value = SettingValue(std::int64_t{1}),
                                     .undoes = log->settings().back().seq()}});
  const std::uint64_t after = bytes_read();
  ASSERT_TRUE(retold) << retold.error().message;
  EXPECT_TRUE(retold->horizon.has_value());
  EXPECT_EQ(readings(path, before, after), 0);
}

std::string seqs(const std::vector<Seq>& all) {
  std::string out;
  for (const Seq seq : all) out += std::to_string(raw(seq)) + ' ';
  return out;
}

/// All that a story says.
std::string in_words(const Retold& retold) {
  std::string out;
  for (const TurningPoint& turn : retold.turns) {
    out += rfc3339(turn.time) + ' ' + turn.recorded + " / " + turn.changed + '\n';
  }
  if (retold.horizon) out += "horizon " + rfc3339(retold.horizon->time) + ' ' + retold.horizon->why + '\n';
  for (const std::string& wait : retold.waits) out += wait + '\n';
  for (const Finding& finding : retold.findings) {
    out += std::to_string(raw(finding.seq)) + ' ' + finding.what + " led by " + seqs(finding.led_by) + " shown by " +
           seqs(finding.followed_by) + '\n';
  }
  for (const BadEnd& end : retold.ended) out += end.words + ' ' + std::to_string(raw(end.cause)) + ' ' + end.why + '\n';
  out += "lost " + seqs(retold.lost) + '\n';
  for (const RetoldReap& reap : retold.reaps) out += rfc3339(reap.time) + " reap\n";
  return out + rfc3339(retold.end);
}

/// Retells the log without each of its changes of settings, from there and from the beginning. Returns how many.
std::size_t compare_stories_of(const std::string& path) {
  const auto log = RecordedLog::read(path);
  EXPECT_TRUE(log) << log.error().message;
  std::vector<std::vector<Change>> all;
  for (const RecordedEvent& event : log->settings()) {
    const SettingKey* key = setting_named(event.record().event_as_SettingChanged()->key()->string_view());
    all.push_back({{.key = key, .value = key->get(Settings()), .undoes = event.seq()}});
  }
  const auto branched = retell_each(*log, all);
  EXPECT_TRUE(branched) << branched.error().message;
  for (std::size_t i = 0; i < all.size(); ++i) {
    WhatIf whole(*log, all[i], log->beginning(), log->beginning());
    const auto walked = log->walk([&](const RecordedGroup& group, const AppliedGroup&) { return whole.add(group); });
    EXPECT_TRUE(walked) << walked.error().message;
    const auto told = whole.finish();
    const Result<Retold>& branch = branched->at(i);
    EXPECT_EQ(branch.has_value(), told.has_value()) << path;
    if (!branch || !told) continue;
    EXPECT_EQ(in_words(*branch), in_words(*told)) << path << ", record " << raw(*all[i].front().undoes);
  }
  return all.size();
}

TEST(LargeLog, a_story_that_begins_at_the_change_it_undoes_is_the_one_told_from_the_beginning) {
  const TestFolder folder;
  std::size_t stories = 0;
  for (const auto& entry : std::filesystem::directory_iterator(PAWL_INCIDENTS)) {
    std::string path = entry.path().string();
    if (entry.path().extension() == ".gz") {
      path = folder.path("log.jsonl");
      ASSERT_EQ(std::system(("gzip -dc '" + entry.path().string() + "' > '" + path + "'").c_str()), 0);
    } else if (entry.path().extension() != ".jsonl") {
      continue;
    }
    stories += compare_stories_of(path);
  }
  EXPECT_GE(stories, 20);
}

TEST(LargeLog, a_record_touches_only_the_stays_of_its_own_task) {
  const TestFolder folder;
  const std::string path = played(folder, "two.jsonl",
                                  R"({"at": 1, "do": {"type": "TaskCreated", "work_item": "W-1", "repo": "shop"}}
{"at": 2, "do": {"type": "TaskCreated", "work_item": "W-2", "repo": "shop"}}
{"at": 3, "do": {"type": "TaskNote", "task": 1, "text": "a note"}}
{"at": 4, "do": {"type": "StageTransition", "task": 2, "to": "development", "expected_version": 1}, "actor": "monitor"}
)");
  StoryContext context;
  std::vector<std::set<TaskId>> moved;
  std::optional<Replica> replica;
  const ReplicaPolicy policy{.each = [&](const AppliedGroup& group) {
    for (const AppliedRecord& item : group.records) {
      context.add(item.record, item.applied.outcome, item.applied.effects, group.state);
    }
    moved.push_back(context.take_moved());
  }};
  ASSERT_TRUE(walk_log(path, {.begin = [&](State state, const Chain& chain) -> Replica& {
                         return replica.emplace(std::move(state), chain, policy);
                       }}));
  ASSERT_GE(moved.size(), 4);
  const std::vector<std::set<TaskId>> last(moved.end() - 4, moved.end());
  EXPECT_EQ(last, (std::vector<std::set<TaskId>>{{TaskId{1}}, {TaskId{2}}, {}, {TaskId{2}}}));
}

}  // namespace
}  // namespace pawl
