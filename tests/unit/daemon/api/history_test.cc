// Lists, histories and rows of finished tasks: the answers with an index are those without one, however far it reaches.
#include "daemon/api/history.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "daemon/api/answers.h"
#include "tests/unit/daemon/served.h"
#include "tests/world/dice.h"

namespace pawl {
namespace {

/// A journal that counts what is read.
class CountingJournal final : public Journal {
 public:
  explicit CountingJournal(Journal& journal) : journal_(journal) {}
  Result<void> append(const Batch& batch, Seq expected_next) override { return journal_.append(batch, expected_next); }
  Result<void> read(Seq from, const std::function<bool(RecordBytes)>& each) override {
    return journal_.read(from, [&](RecordBytes bytes) {
      ++records;
      return each(bytes);
    });
  }
  Result<void> follow(Seq from, const std::function<bool(RecordBytes)>& each, std::stop_token stop) override {
    return journal_.follow(from, each, std::move(stop));
  }
  Seq last_seq() const override { return journal_.last_seq(); }
  Result<void> seal() override { return journal_.seal(); }
  std::optional<Seq> torn_at() const override { return journal_.torn_at(); }

  std::size_t records = 0;

 private:
  Journal& journal_;
};

/// An archive that counts the rows that are read.
class CountingArchive final : public Archive {
 public:
  explicit CountingArchive(Archive& archive) : archive_(archive) {}
  Result<std::vector<std::uint8_t>> find(TaskId task) override {
    ++rows;
    return archive_.find(task);
  }
  Result<void> walk(TaskId from, const std::function<bool(TaskId, RecordBytes)>& each) override {
    return archive_.walk(from, [&](TaskId task, RecordBytes bytes) {
      ++rows;
      return each(task, bytes);
    });
  }

  std::size_t rows = 0;

 private:
  Archive& archive_;
};

class History : public Served {
 protected:
  History() { worker("w"); }

  void something() {
    const std::string task = std::to_string(1 + dice.roll(tasks + 2));
    const std::string job = std::to_string(1 + dice.roll(tasks + 2));
    switch (dice.roll(7)) {
      case 0:
      case 1: {
        const std::string repo = dice.one_in(3) ? "bank" : "shop";
        const Answer made = post("/v1/tasks", R"({"work_item":"W-)" + std::to_string(dice.roll(15)) + R"(","repo":")" +
                                                  repo + R"(","branch":"b"})");
        if (made.status == 201) ++tasks;
        return;
      }
      case 2:
        post("/v1/tasks/" + task + "/cancel", "");
        return;
      case 3:
        post("/v1/tasks/" + task + "/note", R"({"text":"hm"})");
        return;
      case 4:
        claim("w", "analyst");
        return;
      case 5:
        post("/v1/jobs/" + job + "/finish", R"({"attempt":1,"result":"failed"})");
        return;
      default:
        lease("task:" + task, "w");
        ask("DELETE", "/v1/leases/task%3A" + task + "?token=" + std::to_string(dice.roll(last_seq())));
    }
  }

  /// All pages of a list, as lines.
  std::vector<std::string> list(LogIndex* with, const TaskFilter& filter, std::size_t limit) {
    std::vector<std::string> lines;
    for (std::optional<TaskId> after = TaskId{0}; after;) {
      const TaskPage page = list_tasks(*sequencer, *log, with, filter, next(*after), limit).value();
      for (const Task& task : page.tasks) {
        lines.push_back(std::to_string(raw(task.id)) + " " + task.work_item + " " + task.repo + " " + task.stage);
      }
      EXPECT_TRUE(!page.next || *page.next > *after);
      after = page.next;
    }
    return lines;
  }

  std::vector<std::string> history(LogIndex* with, TaskId task, std::size_t limit, std::size_t* pages = nullptr) {
    std::vector<std::string> lines;
    for (std::optional<Seq> after = Seq{0}; after;) {
      HistoryPage page = history_of(*sequencer, *log, *log, with, nullptr, task, *after, limit).value();
      if (pages) ++*pages;
      lines.insert(lines.end(), page.lines.begin(), page.lines.end());
      EXPECT_TRUE(!page.next || *page.next > *after);
      after = page.next;
    }
    return lines;
  }

  void expect_same(LogIndex& with) {
    std::vector<std::optional<std::string>> work_items{std::nullopt, "no such"};
    for (int i = 0; i < 15; ++i) work_items.emplace_back("W-" + std::to_string(i));
    for (const auto& work_item : work_items) {
      for (const auto& repo : {std::optional<std::string>(), std::optional<std::string>("bank")}) {
        for (const auto& stage : {std::optional<std::string>(), std::optional<std::string>("cancelled"),
                                  std::optional<std::string>("analysis")}) {
          const TaskFilter filter{.stage = stage, .repo = repo, .work_item = work_item};
          for (const std::size_t limit : {std::size_t{1}, std::size_t{3}, std::size_t{100}})
            EXPECT_EQ(list(&with, filter, limit), list(nullptr, filter, limit));
        }
      }
    }
    for (std::uint64_t task = 1; task <= tasks; ++task) {
      std::size_t pages_with = 0;
      std::size_t pages_without = 0;
      EXPECT_EQ(history(&with, TaskId{task}, 2, &pages_with), history(nullptr, TaskId{task}, 2, &pages_without));
      EXPECT_EQ(pages_with, pages_without);
      EXPECT_EQ(history(&with, TaskId{task}, 1000), history(nullptr, TaskId{task}, 1000));
    }
    EXPECT_EQ(history_of(*sequencer, *log, *log, &with, nullptr, TaskId{tasks + 1}, Seq{}, 10).error().code,
              ErrorCode::missing);
    for (std::uint64_t job = 1; job <= tasks; ++job) {
      ResponseRows expected;
      expected.archived_job = JobId{job};
      ResponseRows found = expected;
      fetch_archived(*log, nullptr, expected);
      fetch_archived(*log, &with, found);
      ASSERT_EQ(found.job.has_value(), expected.job.has_value()) << job;
      EXPECT_EQ(found.job ? found.job->hash : 0, expected.job ? expected.job->hash : 0);
    }
  }

  hostile::Dice dice{2026};
  std::uint64_t tasks = 0;
};

TEST_F(History, answers_are_the_same_with_an_index_wherever_it_ends) {
  LogIndex with(*log, *log, *log);
  ASSERT_TRUE(with.begin().has_value());
  expect_same(with);
  for (int part = 0; part < 6; ++part) {
    for (int i = 0; i < 50; ++i) something();
    ASSERT_TRUE(with.extend(part % 2 == 0 ? 40 : 10'000).has_value());
    expect_same(with);
    if (HasFailure()) FAIL() << "in part " << part;
  }
}

TEST_F(History, answers_are_the_same_after_the_index_was_damaged) {
  LogIndex with(*log, *log, *log);
  for (int i = 0; i < 200; ++i) something();
  ASSERT_TRUE(with.extend(10'000).has_value());
  for (auto& [key, value] : disk->index) {
    if (key != mark_key()) value = "\xff";
  }
  expect_same(with);
  EXPECT_TRUE(with.fault().has_value());
}

TEST_F(History, cost_their_answer_and_not_the_log) {
  create("W-1");
  post("/v1/tasks/1/note", R"({"text":"hm"})");
  post("/v1/tasks/1/cancel", "");
  ASSERT_EQ(get("/v1/tasks?stage=cancelled").at("/items/0/id"), "1");
  for (int i = 0; i < 300; ++i) {
    create("N-" + std::to_string(i));
    post("/v1/tasks/" + std::to_string(i + 2) + "/cancel", "");
  }
  LogIndex with(*log, *log, *log);
  ASSERT_TRUE(with.extend(10'000).has_value());
  CountingJournal journal(*log);
  CountingArchive archive(*log);

  ASSERT_EQ(history_of(*sequencer, journal, archive, nullptr, nullptr, TaskId{1}, Seq{}, 100)->lines.size(), 4U);
  EXPECT_GT(journal.records, 600U);
  journal.records = 0;
  ASSERT_EQ(history_of(*sequencer, journal, archive, &with, nullptr, TaskId{1}, Seq{}, 100)->lines.size(), 4U);
  EXPECT_LT(journal.records, 20U);

  const TaskFilter filter{.work_item = "W-1"};
  ASSERT_EQ(list_tasks(*sequencer, archive, nullptr, filter, TaskId{1}, 10)->tasks.size(), 1U);
  EXPECT_GT(archive.rows, 300U);
  archive.rows = 0;
  ASSERT_EQ(list_tasks(*sequencer, archive, &with, filter, TaskId{1}, 10)->tasks.size(), 1U);
  EXPECT_EQ(archive.rows, 1U);

  archive.rows = 0;
  ResponseRows rows;
  rows.archived_job = JobId{300};
  fetch_archived(archive, &with, rows);
  ASSERT_TRUE(rows.job.has_value());
  EXPECT_EQ(rows.job->task, TaskId{300});
  EXPECT_EQ(archive.rows, 1U);
}

}  // namespace
}  // namespace pawl
