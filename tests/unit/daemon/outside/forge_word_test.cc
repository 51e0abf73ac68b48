// From records to words for forges, with the real engine.
#include "daemon/outside/forge_word.h"

#include <gtest/gtest.h>

#include <memory>
#include <set>

#include "tools/simulation/direct_machine.h"

namespace pawl {
namespace {

using Texts = std::vector<std::string>;

const std::string commit_a(40, 'a');
const std::string commit_b(40, 'b');

std::string_view shown(ForgeState state) {
  switch (state) {
    case ForgeState::waiting:
      return "waiting";
    case ForgeState::running:
      return "running";
    case ForgeState::passed:
      return "passed";
    case ForgeState::failed:
      return "failed";
    case ForgeState::error:
      return "error";
    case ForgeState::cancelled:
      return "cancelled";
  }
  return "";
}

/// "aaaa build passed: passed; the task is now at review"
std::string shown(const ForgeWord& word) {
  if (word.kind == ForgeWord::Kind::comment) return "on " + word.issue + ": " + word.text;
  return word.commit.substr(0, 4) + ' ' + word.stage + ' ' + std::string(shown(word.state)) + ": " + word.text;
}

class WordReaderTest : public testing::Test {
 protected:
  void SetUp() override {
    machine.set_now(TimeUs{1'767'225'600 * us_per_s});
    fb::BootStartedT boot;
    boot.name = "pawld";
    boot.boot_id = "boot-1";
    boot.host = "host";
    boot.version = "test";
    propose(boot);
    Pipeline pipeline;
    pipeline.name = "delivery";
    pipeline.agents = {{.name = "coder", .run = {"/bin/true"}}};
    pipeline.stages = {{.name = "build", .agent = "coder", .gate = Gate{}, .to = "review"},
                       {.name = "review", .to = "done", .rollback = "build"}};
    propose(pipeline_event(pipeline));
    targets.all = {{.repo = "shop",
                    .kind = ForgeKind::github,
                    .project = "acme/shop",
                    .prefix = "SHOP",
                    .api = "https://f",
                    .token = "t",
                    .comments = {ForgeComment::blocked, ForgeComment::done, ForgeComment::cancelled}}};
    targets.page = "https://pawl.example";
    begin();
    machine.on_group = [this](Decided& decided) { take(decided); };
  }

  void begin() {
    reader = std::make_unique<WordReader>(targets);
    reader->begin(machine.state(), {.seq = machine.state().last_seq, .chain = {}});
  }

  void take(const Decided& decided) {
    std::vector<AppliedRecord> records;
    for (std::size_t i = 0; i < decided.records.size(); ++i) {
      records.push_back({decided.records[i].record(), decided.applied[i]});
    }
    for (ForgeWord& word : reader->take({{}, records, decided.archived, machine.state()})) {
      words.push_back(std::move(word));
    }
  }

  template <class Event>
  Outcome propose(const Event& event) {
    const Requester requester{.boot = "boot-1", .actor = "tester", .key = {}, .request = {}};
    return machine.propose(propose_group(requester, event)).outcome;
  }

  void create(const std::string& work_item = "SHOP-42", const std::string& repo = "shop") {
    fb::TaskCreatedT task;
    task.work_item = work_item;
    task.repo = repo;
    task.branch = "b-" + work_item;
    ASSERT_EQ(propose(task), Outcome::accepted);
  }
  void see(const std::string& head, bool begun = false) {
    fb::BranchSeenT seen;
    seen.task = 1;
    seen.head = head;
    seen.begun = begun;
    ASSERT_EQ(propose(seen), Outcome::accepted);
  }
  void claim(std::uint64_t job = 1) {
    fb::JobClaimedT claimed;
    claimed.job = job;
    claimed.owner = std::make_unique<fb::OwnerT>();
    claimed.owner->boot_id = "boot-1";
    claimed.owner->actor = "tester";
    ASSERT_EQ(propose(claimed), Outcome::accepted);
  }
  void judge_gate(std::optional<bool> passed, const std::string& head, const std::string& reason = {},
                  std::optional<bool> later = {}) {
    const Task* task = machine.state().tasks.find(TaskId{1});
    fb::GateEvaluatedT gate;
    gate.task = 1;
    gate.version = raw(task->version);
    gate.gate = task->stage;
    if (passed) gate.passed = *passed;
    gate.reason = reason;
    gate.head = head;
    if (later) gate.later = *later;
    ASSERT_EQ(propose(gate), Outcome::accepted);
  }
  void move(const std::string& to, const std::string& reason = {}) {
    fb::StageTransitionT moved;
    moved.task = 1;
    moved.to = to;
    moved.expected_version = raw(machine.state().tasks.find(TaskId{1})->version);
    moved.reason = reason;
    ASSERT_EQ(propose(moved), Outcome::accepted);
  }
  void block(const std::string& reason) {
    fb::TaskBlockedT blocked;
    blocked.task = 1;
    blocked.version = raw(machine.state().tasks.find(TaskId{1})->version);
    blocked.reason = reason;
    ASSERT_EQ(propose(blocked), Outcome::accepted);
  }

  /// What was read since the last call.
  Texts told() {
    Texts all;
    for (const ForgeWord& word : std::exchange(words, {})) all.push_back(shown(word));
    return all;
  }

  ForgeTargets targets;
  DirectMachine machine;
  std::unique_ptr<WordReader> reader;
  std::vector<ForgeWord> words;
};

TEST_F(WordReaderTest, a_task_is_told_of_once_its_commit_is_known) {
  create();
  EXPECT_EQ(told(), Texts{});
  see(commit_a);
  EXPECT_EQ(told(), (Texts{"aaaa build waiting: waits for the agent coder"}));
  claim();
  EXPECT_EQ(told(), (Texts{"aaaa build running: the agent coder is at work, attempt 1"}));
}

TEST_F(WordReaderTest, a_stage_passes_when_its_edge_is_crossed) {
  create();
  see(commit_a);
  told();
  judge_gate(true, commit_b);
  EXPECT_EQ(told(), (Texts{"bbbb build running: the gate is green"}));
  move("review");
  EXPECT_EQ(told(), (Texts{"bbbb build passed: passed; the task is now at review", "bbbb review waiting: entered"}));
  targets.all.front().comments.clear();
  move("done");
  EXPECT_EQ(told(), (Texts{"bbbb review passed: delivered"}));
}

TEST_F(WordReaderTest, a_gate_fails_or_cannot_be_run_or_cannot_tell_yet) {
  create();
  see(commit_a);
  told();
  judge_gate(false, commit_a, "3 tests failed");
  EXPECT_EQ(told(), (Texts{"aaaa build failed: the gate is red: 3 tests failed"}));
  judge_gate(std::nullopt, commit_a, "exit code 127");
  EXPECT_EQ(told(), (Texts{"aaaa build error: the gate could not be run: exit code 127"}));
  judge_gate(false, commit_a, "", true);
  EXPECT_EQ(told(), (Texts{"aaaa build running: the gate cannot tell yet"}));
}

TEST_F(WordReaderTest, a_stage_that_sends_a_task_back_has_failed) {
  create();
  see(commit_a);
  move("review");
  told();
  move("build", "no tests");
  EXPECT_EQ(told(), (Texts{"aaaa review failed: sent back to build: no tests",
                           "aaaa build waiting: waits for the agent coder"}));
}

TEST_F(WordReaderTest, a_newly_seen_commit_is_told_where_the_task_stands) {
  create();
  see(commit_a);
  claim();
  told();
  see(commit_b);
  EXPECT_EQ(told(), (Texts{"bbbb build running: the agent coder is at work, attempt 1"}));
}

TEST_F(WordReaderTest, the_commit_that_a_new_branch_starts_from_is_told_nothing) {
  create();
  see(commit_a, true);
  claim();
  EXPECT_EQ(told(), Texts{});
  judge_gate(true, commit_b);
  EXPECT_EQ(told(), (Texts{"bbbb build running: the gate is green"}));
}

TEST_F(WordReaderTest, a_block_is_a_failure_and_a_comment) {
  create();
  see(commit_a);
  told();
  block("outcome `unknown` ```");
  ASSERT_EQ(words.size(), 2U);
  EXPECT_EQ(shown(words[0]), "aaaa build failed: blocked: outcome `unknown` ```");
  EXPECT_EQ(words[1].issue, "42");
  EXPECT_NE(words[1].text.find("task 1 is blocked, and waits for a person."), std::string::npos);
  EXPECT_NE(words[1].text.find("````text\noutcome `unknown` ```\n````\n"), std::string::npos) << words[1].text;
  EXPECT_NE(words[1].text.find("https://pawl.example/#/task/1\n"), std::string::npos);
  EXPECT_TRUE(words[1].text.ends_with(words[1].mark));
  EXPECT_TRUE(words[1].mark.starts_with("<!-- pawl task 1 record " + std::to_string(raw(words[1].seq)) + ' '));
  told();
  fb::TaskUnblockedT unblocked;
  unblocked.task = 1;
  ASSERT_EQ(propose(unblocked), Outcome::accepted);
  EXPECT_EQ(told(), (Texts{"aaaa build waiting: unblocked; waits for the agent coder"}));
}

TEST_F(WordReaderTest, a_job_that_fails_blocks_its_task) {
  create();
  see(commit_a);
  claim();
  told();
  fb::JobFinishedT finished;
  finished.job = 1;
  finished.attempt = 1;
  finished.result = fb::JobResult::failed;
  ASSERT_EQ(propose(finished), Outcome::accepted);
  ASSERT_EQ(words.size(), 2U);
  EXPECT_TRUE(shown(words[0]).starts_with("aaaa build failed: blocked: job_failed")) << shown(words[0]);
}

TEST_F(WordReaderTest, the_end_is_told_even_of_a_task_that_leaves_memory) {
  create();
  see(commit_a);
  told();
  fb::CancelRequestedT cancel;
  cancel.task = 1;
  cancel.reason = "not wanted";
  ASSERT_EQ(propose(cancel), Outcome::accepted);
  ASSERT_EQ(words.size(), 2U) << "the machine adds the TaskCancelled";
  EXPECT_EQ(shown(words[0]), "aaaa build cancelled: cancelled: not wanted");
  EXPECT_NE(words[1].text.find("is cancelled."), std::string::npos);
  EXPECT_EQ(machine.state().tasks.find(TaskId{1}), nullptr);
}

TEST_F(WordReaderTest, what_concerns_no_target_is_not_told) {
  create("W-1", "depot");
  see(commit_a);
  claim();
  block("x");
  EXPECT_EQ(told(), Texts{});
}

TEST_F(WordReaderTest, a_refused_record_is_not_told) {
  create();
  see(commit_a);
  told();
  fb::StageTransitionT moved;
  moved.task = 1;
  moved.to = "nowhere";
  EXPECT_NE(propose(moved), Outcome::accepted);
  EXPECT_EQ(told(), Texts{});
}

TEST_F(WordReaderTest, only_an_issue_of_the_target_is_commented_on) {
  for (const char* work_item : {"SHOP-42x", "SHOP-", "SHOP-042", "OTHER-42", "42", "SHOP-42"}) {
    create(work_item);
    fb::TaskBlockedT blocked;
    blocked.task = raw(machine.state().ids.find(0)->next_task) - 1;
    blocked.version = 1;
    ASSERT_EQ(propose(blocked), Outcome::accepted);
    EXPECT_EQ(words.size(), std::string_view(work_item) == "SHOP-42" ? 1U : 0U) << work_item;
    told();
  }
}

TEST_F(WordReaderTest, a_reader_that_begins_later_tells_the_same) {
  create();
  see(commit_a);
  move("review");
  told();
  begin();
  move("build", "again");
  EXPECT_EQ(told(),
            (Texts{"aaaa review failed: sent back to build: again", "aaaa build waiting: waits for the agent coder"}));
}

TEST_F(WordReaderTest, a_word_names_the_place_before_its_group) {
  create();
  const LogPlace before = reader->place();
  see(commit_a);
  ASSERT_EQ(words.size(), 1U);
  EXPECT_EQ(words[0].before, before);
  EXPECT_EQ(reader->place().seq, words[0].seq);
}

TEST(ForgeText, is_cut_between_characters) {
  EXPECT_EQ(cut_text("abc", 3), "abc");
  EXPECT_EQ(cut_text("abcd", 4), "abcd");
  EXPECT_EQ(cut_text("abcdef", 5), "ab\u2026");
  EXPECT_EQ(cut_text("\u00fc\u00fc\u00fc\u00fc", 7), "\u00fc\u00fc\u2026");
  EXPECT_EQ(cut_text("\u00fc\u00fc\u00fc\u00fc", 6), "\u00fc\u2026");
}

}  // namespace
}  // namespace pawl
