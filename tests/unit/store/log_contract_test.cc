// What every log promises, tried on each of them.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "store/key_format.h"
#include "store/memory_log.h"
#include "store/open.h"
#include "store/rocks_log.h"
#include "tests/unit/store/log_kit.h"

namespace pawl {
namespace {

/// A log that can be closed and opened again.
class Subject {
 public:
  virtual ~Subject() = default;
  virtual Log& log() = 0;
  virtual Result<void> reopen() = 0;
  virtual Result<void> seal() = 0;
  virtual Seq last_seq() = 0;
};

class MemorySubject final : public Subject {
 public:
  Log& log() override { return *log_; }
  Result<void> reopen() override {
    const auto disk = log_->disk();
    log_ = PAWL_TRY(MemoryLog::open(disk));
    return {};
  }
  Result<void> seal() override { return log_->seal(); }
  Seq last_seq() override { return log_->last_seq(); }

 private:
  std::unique_ptr<MemoryLog> log_ = std::make_unique<MemoryLog>();
};

class RocksSubject final : public Subject {
 public:
  RocksSubject() { PAWL_ASSERT(reopen().has_value()); }
  Log& log() override { return *log_; }
  Result<void> reopen() override {
    log_.reset();
    log_ = PAWL_TRY(RocksLog::open(dir_.path("data"), RocksLog::Mode::write));
    return {};
  }
  Result<void> seal() override { return log_->seal(); }
  Seq last_seq() override { return log_->last_seq(); }

 private:
  TempDir dir_;
  std::unique_ptr<RocksLog> log_;
};

enum class Kind { memory, rocks };

class LogContract : public testing::TestWithParam<Kind> {
 protected:
  LogContract() {
    switch (GetParam()) {
      case Kind::memory:
        subject_ = std::make_unique<MemorySubject>();
        break;
      case Kind::rocks:
        subject_ = std::make_unique<RocksSubject>();
        break;
    }
  }
  Log& log() { return subject_->log(); }

  std::unique_ptr<Subject> subject_;
};

INSTANTIATE_TEST_SUITE_P(Logs, LogContract, testing::Values(Kind::memory, Kind::rocks),
                         [](const auto& each) { return each.param == Kind::memory ? "memory" : "rocks"; });

TEST_P(LogContract, fresh_log_is_empty) {
  EXPECT_TRUE(records_in(log()).empty());
  EXPECT_TRUE(log().checkpoints().empty());
  EXPECT_EQ(log().torn_at(), std::nullopt);
  EXPECT_EQ(subject_->last_seq(), Seq{0});
}

TEST_P(LogContract, appended_records_are_read_back_byte_for_byte_after_reopening) {
  Writer writer(log());
  writer.boot();
  writer.create_task("W-1");
  writer.create_task("W-2");
  const auto written = records_in(log());
  ASSERT_EQ(written.size(), 4U);
  ASSERT_TRUE(subject_->reopen().has_value());
  EXPECT_EQ(records_in(log()), written);
  EXPECT_EQ(subject_->last_seq(), Seq{4});
  EXPECT_EQ(log().torn_at(), std::nullopt);
}

TEST_P(LogContract, read_begins_where_it_is_asked_also_inside_a_batch) {
  Writer writer(log());
  writer.boot();
  writer.create_task("W-1");
  const auto all = records_in(log());
  for (std::uint64_t from = 1; from <= 3; ++from) {
    const auto some = records_in(log(), Seq{from});
    ASSERT_EQ(some.size(), 4 - from);
    EXPECT_EQ(seq_of(some.front()), Seq{from});
    EXPECT_EQ(some.back(), all.back());
  }
  EXPECT_TRUE(records_in(log(), Seq{4}).empty());
  EXPECT_TRUE(records_in(log(), Seq{1000}).empty());
}

TEST_P(LogContract, read_from_zero_begins_with_the_first) {
  Writer(log()).boot();
  EXPECT_EQ(records_in(log(), Seq{0}).size(), 2U);
}

TEST_P(LogContract, read_ends_when_it_is_told) {
  Writer writer(log());
  writer.boot();
  writer.create_task("W-1");
  int seen = 0;
  EXPECT_TRUE(log().read(Seq{1}, [&](RecordBytes) { return ++seen < 2; }).has_value());
  EXPECT_EQ(seen, 2);
}

TEST_P(LogContract, append_with_another_expected_seq_is_busy_and_writes_nothing) {
  Writer writer(log());
  writer.boot();
  const auto before = records_in(log());
  Writer other(log());  // begins with 1, as whoever lost the race for it
  other.decide(propose_group({.boot = "b", .actor = "a", .key = {}, .request = {}}, task_note(TaskId{1}, "x")));
  const Result<void> appended = other.append();
  ASSERT_FALSE(appended.has_value());
  EXPECT_EQ(appended.error().code, ErrorCode::busy);
  EXPECT_EQ(records_in(log()), before);
}

TEST_P(LogContract, appending_goes_on_after_reopening) {
  Writer writer(log());
  writer.boot();
  ASSERT_TRUE(subject_->reopen().has_value());
  Result<Opened> opened = open_state(log());
  ASSERT_TRUE(opened.has_value()) << opened.error().message;
  EXPECT_EQ(opened->chain, writer.chain());
  Writer again(log(), std::move(opened->state), opened->chain);
  again.boot("boot-2");
  EXPECT_EQ(subject_->last_seq(), Seq{4});
  ASSERT_TRUE(open_state(log()).has_value());
}

TEST_P(LogContract, archived_task_is_found_by_its_id) {
  Writer writer(log());
  writer.boot();
  writer.create_task("W-1");
  writer.create_task("W-2");
  writer.cancel_task(TaskId{1});
  ASSERT_EQ(writer.state().tasks.find(TaskId{1}), nullptr);
  ASSERT_TRUE(subject_->reopen().has_value());

  const Result<std::vector<std::uint8_t>> bytes = log().archived(TaskId{1});
  ASSERT_TRUE(bytes.has_value()) << bytes.error().message;
  const Result<Unarchived> archived = unpack_archived(*bytes);
  ASSERT_TRUE(archived.has_value());
  EXPECT_EQ(archived->rows.task.work_item, "W-1");
  EXPECT_EQ(archived->rows.jobs.size(), 1U);
  EXPECT_EQ(archived->seq, writer.state().last_seq);

  ASSERT_FALSE(log().archived(TaskId{2}).has_value());
  EXPECT_EQ(log().archived(TaskId{2}).error().code, ErrorCode::missing);
}

TEST_P(LogContract, archive_is_read_in_the_order_of_ids) {
  Writer writer(log());
  writer.boot();
  for (const char* item : {"W-1", "W-2", "W-3", "W-4"}) writer.create_task(item);
  for (const TaskId task : {TaskId{4}, TaskId{2}, TaskId{1}}) writer.cancel_task(task);
  std::vector<TaskId> seen;
  const auto note = [&](TaskId task, RecordBytes) {
    seen.push_back(task);
    return seen.size() < 2;
  };
  EXPECT_TRUE(log().read_archive(TaskId{0}, note).has_value());
  EXPECT_EQ(seen, (std::vector{TaskId{1}, TaskId{2}}));
  seen.clear();
  EXPECT_TRUE(log().read_archive(TaskId{3}, note).has_value());
  EXPECT_EQ(seen, (std::vector{TaskId{4}}));
}

TEST_P(LogContract, only_the_newest_checkpoints_are_kept) {
  for (std::uint64_t seq = 1; seq <= checkpoints_kept + 2; ++seq) {
    ASSERT_TRUE(log().checkpoint({Seq{seq}, {std::uint8_t(seq), 2, 3}}).has_value());
  }
  ASSERT_TRUE(subject_->reopen().has_value());
  const std::vector<Seq> kept = log().checkpoints();
  ASSERT_EQ(kept.size(), checkpoints_kept);
  EXPECT_EQ(kept.front(), Seq{checkpoints_kept + 2});
  EXPECT_EQ(kept.back(), Seq{3});
  const Result<StoredCheckpoint> newest = log().load_checkpoint(kept.front());
  ASSERT_TRUE(newest.has_value());
  EXPECT_EQ(newest->bytes, (std::vector<std::uint8_t>{std::uint8_t(checkpoints_kept + 2), 2, 3}));
  EXPECT_EQ(log().load_checkpoint(Seq{1}).error().code, ErrorCode::missing);
}

TEST_P(LogContract, sealed_log_opens_and_takes_more) {
  Writer writer(log());
  writer.boot();
  ASSERT_TRUE(subject_->seal().has_value());
  writer.create_task("W-1");  // an older seal says less, and nothing wrong
  ASSERT_TRUE(subject_->reopen().has_value());
  EXPECT_EQ(records_in(log()).size(), 3U);
}

TEST_P(LogContract, reader_beside_an_appender_sees_a_growing_prefix) {
  Writer writer(log());
  writer.boot();
  std::atomic<bool> done = false;
  std::thread reader([&] {
    std::size_t before = 0;
    bool last_round = false;
    while (!last_round) {
      last_round = done;
      const auto records = records_in(log());
      EXPECT_GE(records.size(), before);
      for (std::size_t i = 0; i < records.size(); ++i) ASSERT_EQ(raw(seq_of(records[i])), i + 1);
      before = records.size();
    }
    EXPECT_EQ(before, 52U);
  });
  for (int i = 0; i < 50; ++i) writer.create_task("W-" + std::to_string(i));
  done = true;
  reader.join();
}

}  // namespace
}  // namespace pawl
