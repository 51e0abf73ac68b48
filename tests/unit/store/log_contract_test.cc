// The contract of every journal, checkpoint store, archive and index store, tried on each log's.
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "store/key_format.h"
#include "store/memory_log.h"
#include "store/open.h"
#include "tests/unit/store/log_kit.h"

namespace pawl {
namespace {

/// A log that can be closed and reopened.
class Subject {
 public:
  virtual ~Subject() = default;
  virtual Log& log() = 0;
  virtual Result<void> reopen() = 0;
};

class MemorySubject final : public Subject {
 public:
  Log& log() override { return *log_; }
  Result<void> reopen() override {
    const auto disk = log_->disk();
    log_ = PAWL_TRY(MemoryLog::open(disk));
    return {};
  }

 private:
  std::unique_ptr<MemoryLog> log_ = std::make_unique<MemoryLog>();
};

class RocksSubject final : public Subject {
 public:
  RocksSubject() { PAWL_ASSERT(reopen().has_value()); }
  Log& log() override { return *log_; }
  Result<void> reopen() override {
    log_.reset();
    log_ = PAWL_TRY(open_log(dir_.path("data"), LogMode::write));
    return {};
  }

 private:
  TempDir dir_;
  std::unique_ptr<Log> log_;
};

enum class Kind { memory, rocks };

class Contract : public testing::TestWithParam<Kind> {
 protected:
  Contract() {
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
  Journal& journal() { return log(); }
  CheckpointStore& checkpoints() { return log(); }
  Archive& archive() { return log(); }
  IndexStore& index() { return log(); }

  std::unique_ptr<Subject> subject_;
};

class JournalContract : public Contract {};
class CheckpointStoreContract : public Contract {};
class ArchiveContract : public Contract {};
class IndexStoreContract : public Contract {
 protected:
  /// The entries from a key on, at most `count`, as "key=value key=value".
  std::string entries(std::string_view from = {}, std::size_t count = 100) {
    std::string all;
    const Result<void> scanned = index().scan(from, [&](std::string_view key, std::string_view value) {
      all += (all.empty() ? "" : " ") + std::string(key) + "=" + std::string(value);
      return --count > 0;
    });
    EXPECT_TRUE(scanned.has_value()) << scanned.error().message;
    return all;
  }
  void add(const std::vector<IndexEntry>& entries) { ASSERT_TRUE(index().add(entries).has_value()); }
};

constexpr auto name_of_kind = [](const auto& each) { return each.param == Kind::memory ? "memory" : "rocks"; };
INSTANTIATE_TEST_SUITE_P(Logs, JournalContract, testing::Values(Kind::memory, Kind::rocks), name_of_kind);
INSTANTIATE_TEST_SUITE_P(Logs, CheckpointStoreContract, testing::Values(Kind::memory, Kind::rocks), name_of_kind);
INSTANTIATE_TEST_SUITE_P(Logs, ArchiveContract, testing::Values(Kind::memory, Kind::rocks), name_of_kind);
INSTANTIATE_TEST_SUITE_P(Logs, IndexStoreContract, testing::Values(Kind::memory, Kind::rocks), name_of_kind);

TEST_P(JournalContract, fresh_journal_is_empty) {
  EXPECT_TRUE(records_in(journal()).empty());
  EXPECT_EQ(journal().torn_at(), std::nullopt);
  EXPECT_EQ(journal().last_seq(), Seq{0});
}

TEST_P(JournalContract, appended_records_are_read_back_byte_for_byte_after_reopening) {
  Writer writer(journal());
  writer.boot();
  writer.create_task("W-1");
  writer.create_task("W-2");
  const auto written = records_in(journal());
  ASSERT_EQ(written.size(), 4U);
  ASSERT_TRUE(subject_->reopen().has_value());
  EXPECT_EQ(records_in(journal()), written);
  EXPECT_EQ(journal().last_seq(), Seq{4});
  EXPECT_EQ(journal().torn_at(), std::nullopt);
}

TEST_P(JournalContract, read_begins_where_it_is_asked_also_inside_a_batch) {
  Writer writer(journal());
  writer.boot();
  writer.create_task("W-1");
  const auto all = records_in(journal());
  for (std::uint64_t from = 1; from <= 3; ++from) {
    const auto some = records_in(journal(), Seq{from});
    ASSERT_EQ(some.size(), 4 - from);
    EXPECT_EQ(seq_of(some.front()), Seq{from});
    EXPECT_EQ(some.back(), all.back());
  }
  EXPECT_TRUE(records_in(journal(), Seq{4}).empty());
  EXPECT_TRUE(records_in(journal(), Seq{1000}).empty());
}

TEST_P(JournalContract, read_from_zero_begins_with_the_first) {
  Writer(journal()).boot();
  EXPECT_EQ(records_in(journal(), Seq{0}).size(), 2U);
}

TEST_P(JournalContract, read_ends_when_it_is_told) {
  Writer writer(journal());
  writer.boot();
  writer.create_task("W-1");
  int seen = 0;
  EXPECT_TRUE(journal().read(Seq{1}, [&](RecordBytes) { return ++seen < 2; }).has_value());
  EXPECT_EQ(seen, 2);
}

TEST_P(JournalContract, append_with_another_expected_seq_is_superseded_and_writes_nothing) {
  Writer writer(journal());
  writer.boot();
  const auto before = records_in(journal());
  Writer other(journal());  // begins with 1, like the loser of the race for it
  other.decide(propose_group({.boot = "b", .actor = "a", .key = {}, .request = {}}, task_note(TaskId{1}, "x")));
  const Result<void> appended = other.append();
  ASSERT_FALSE(appended.has_value());
  EXPECT_EQ(appended.error().code, ErrorCode::superseded);
  EXPECT_EQ(records_in(journal()), before);
  writer.create_task("W-1");  // the winner goes on
  EXPECT_EQ(journal().last_seq(), Seq{3});
}

TEST_P(JournalContract, appending_goes_on_after_reopening) {
  Writer writer(journal());
  writer.boot();
  ASSERT_TRUE(subject_->reopen().has_value());
  Result<Opened> opened = open_state(log());
  ASSERT_TRUE(opened.has_value()) << opened.error().message;
  EXPECT_EQ(opened->chain, writer.chain());
  Writer again(journal(), std::move(opened->state), opened->chain);
  again.boot("boot-2");
  EXPECT_EQ(journal().last_seq(), Seq{4});
  ASSERT_TRUE(open_state(log()).has_value());
}

// The one discontinuity (docs/adr/0012).

std::vector<Seq> seqs_from(Journal& journal, std::uint64_t from) {
  std::vector<Seq> seqs;
  for (const auto& record : records_in(journal, Seq{from})) seqs.push_back(seq_of(record));
  return seqs;
}

TEST_P(JournalContract, restored_log_is_read_over_what_the_restore_left_out) {
  Writer writer(journal());
  writer.boot();
  writer.restore(1000);
  writer.start("boot-2");
  ASSERT_TRUE(writer.append().has_value());
  writer.create_task("W-1");
  const std::vector<Seq> behind{Seq{1003}, Seq{1004}, Seq{1005}};
  for (int times = 0; times < 2; ++times) {
    EXPECT_EQ(journal().last_seq(), Seq{1005});
    EXPECT_EQ(seqs_from(journal(), 1), (std::vector<Seq>{Seq{1}, Seq{2}, Seq{1003}, Seq{1004}, Seq{1005}}));
    EXPECT_EQ(seqs_from(journal(), 3), behind);
    EXPECT_EQ(seqs_from(journal(), 500), behind);
    EXPECT_EQ(seqs_from(journal(), 1003), behind);
    EXPECT_EQ(seqs_from(journal(), 1004), (std::vector<Seq>{Seq{1004}, Seq{1005}}));
    EXPECT_TRUE(seqs_from(journal(), 1006).empty());
    const auto opened = open_state(log());
    ASSERT_TRUE(opened.has_value()) << opened.error().message;
    EXPECT_EQ(opened->state.digest(), writer.state().digest());
    EXPECT_EQ(opened->chain, writer.chain());
    ASSERT_TRUE(subject_->reopen().has_value());
  }
}

TEST_P(JournalContract, follower_passes_over_what_a_restore_left_out) {
  Writer writer(journal());
  writer.boot();
  writer.restore(1000);
  writer.start("boot-2");
  ASSERT_TRUE(writer.append().has_value());
  std::vector<Seq> seen;
  EXPECT_TRUE(journal()
                  .follow(Seq{2},
                          [&](RecordBytes bytes) {
                            seen.push_back(Seq{fb::GetRecord(bytes.data())->stamp()->seq()});
                            return seen.size() < 3;
                          },
                          {})
                  .has_value());
  EXPECT_EQ(seen, (std::vector<Seq>{Seq{2}, Seq{1003}, Seq{1004}}));
}

TEST_P(JournalContract, restore_of_another_log_is_superseded) {
  Writer writer(journal());
  writer.boot();
  Writer other(journal());  // which does not know of the first
  other.start("boot-9");
  EXPECT_EQ(other.append().error().code, ErrorCode::superseded);
  other.decide(propose_group({.boot = {}, .actor = "restore", .key = {}, .request = {}}, [&] {
    fb::LogRestoredT event;
    event.from = raw(other.state().last_seq);
    event.next_seq = 1000;
    event.next_task = event.next_job = 1000;
    return event;
  }()));
  EXPECT_EQ(other.append().error().code, ErrorCode::superseded);
  EXPECT_EQ(journal().last_seq(), Seq{2});
}

TEST_P(JournalContract, restored_log_is_opened_from_each_of_its_checkpoints) {
  Writer writer(journal());
  writer.boot();
  ASSERT_TRUE(checkpoints().store(pack_checkpoint(writer.state(), writer.chain())).has_value());
  writer.restore(1000);
  for (int times = 0; times < 2; ++times) {
    const auto opened = open_state(log());
    ASSERT_TRUE(opened.has_value()) << opened.error().message;
    EXPECT_EQ(opened->report.checkpoint, times == 0 ? Seq{2} : Seq{1003});
    EXPECT_EQ(opened->state.digest(), writer.state().digest());
    EXPECT_EQ(opened->state.restores(), 1U);
    ASSERT_TRUE(checkpoints().store(pack_checkpoint(writer.state(), writer.chain())).has_value());
  }
  const auto before = open_state_at(log(), Seq{500});
  ASSERT_TRUE(before.has_value()) << before.error().message;
  EXPECT_EQ(before->state.last_seq, Seq{2});
}

TEST_P(JournalContract, sealed_log_opens_and_takes_more) {
  Writer writer(journal());
  writer.boot();
  ASSERT_TRUE(journal().seal().has_value());
  writer.create_task("W-1");  // an older seal says less, but nothing false
  ASSERT_TRUE(subject_->reopen().has_value());
  EXPECT_EQ(records_in(journal()).size(), 3U);
}

TEST_P(JournalContract, reader_beside_an_appender_sees_a_growing_prefix) {
  Writer writer(journal());
  writer.boot();
  std::atomic<bool> done = false;
  std::thread reader([&] {
    std::size_t before = 0;
    bool last_round = false;
    while (!last_round) {
      last_round = done;
      const auto records = records_in(journal());
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

/// Follows a journal on its own thread, and lets a test wait for what it has seen.
class Follower {
 public:
  Follower(Journal& journal, Seq from, std::size_t at_most = SIZE_MAX)
      : thread_([this, &journal, from, at_most](const std::stop_token& stop) {
          const Result<void> followed = journal.follow(
              from,
              [&](RecordBytes record) {
                return see({record.begin(), record.end()}) < at_most;
              },
              stop);
          EXPECT_TRUE(followed.has_value()) << followed.error().message;
          const std::lock_guard lock(mutex_);
          has_ended_ = true;
          changed_.notify_all();
        }) {}

  void await(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return seen_.size() >= count; });
  }
  void await_end() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return has_ended_; });
  }
  void stop() { thread_.request_stop(); }
  std::vector<std::vector<std::uint8_t>> seen() {
    const std::lock_guard lock(mutex_);
    return seen_;
  }

 private:
  std::size_t see(std::vector<std::uint8_t> record) {
    const std::lock_guard lock(mutex_);
    seen_.push_back(std::move(record));
    changed_.notify_all();
    return seen_.size();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::vector<std::uint8_t>> seen_;
  bool has_ended_ = false;
  std::jthread thread_;
};

TEST_P(JournalContract, follower_sees_what_is_there_and_then_what_becomes_durable) {
  Writer writer(journal());
  writer.boot();
  Follower follower(journal(), Seq{2});
  follower.await(1);
  for (int i = 0; i < 20; ++i) writer.create_task("W-" + std::to_string(i));
  follower.await(21);
  EXPECT_EQ(follower.seen(), records_in(journal(), Seq{2}));
}

TEST_P(JournalContract, follower_that_waits_ends_when_it_is_stopped) {
  Follower follower(journal(), Seq{1});
  follower.stop();
  follower.await_end();
  EXPECT_TRUE(follower.seen().empty());
}

TEST_P(JournalContract, follower_ends_when_it_has_seen_enough) {
  Writer writer(journal());
  writer.boot();
  Follower follower(journal(), Seq{1}, 3);
  follower.await(2);
  writer.create_task("W-1");
  follower.await_end();
  EXPECT_EQ(follower.seen().size(), 3U);
}

TEST_P(JournalContract, follower_that_does_not_return_holds_up_no_append) {
  Writer writer(journal());
  writer.boot();
  std::mutex gate;
  std::unique_lock shut(gate);
  std::atomic<int> seen = 0;
  std::jthread follower([&](const std::stop_token& stop) {
    EXPECT_TRUE(journal().follow(
        Seq{1},
        [&](RecordBytes) {
          const std::lock_guard lock(gate);
          ++seen;
          return true;
        },
        stop));
  });
  for (int i = 0; i < 20; ++i) writer.create_task("W-" + std::to_string(i));
  EXPECT_EQ(seen, 0);
  shut.unlock();
}

TEST_P(CheckpointStoreContract, fresh_store_is_empty) {
  EXPECT_TRUE(checkpoints().list().empty());
  EXPECT_EQ(checkpoints().load(Seq{1}).error().code, ErrorCode::missing);
}

TEST_P(CheckpointStoreContract, only_the_newest_checkpoints_are_kept) {
  for (std::uint64_t seq = 1; seq <= checkpoints_kept + 2; ++seq) {
    ASSERT_TRUE(checkpoints().store({Seq{seq}, {std::uint8_t(seq), 2, 3}}).has_value());
  }
  ASSERT_TRUE(subject_->reopen().has_value());
  const std::vector<Seq> kept = checkpoints().list();
  ASSERT_EQ(kept.size(), checkpoints_kept);
  EXPECT_EQ(kept.front(), Seq{checkpoints_kept + 2});
  EXPECT_EQ(kept.back(), Seq{3});
  const Result<StoredCheckpoint> newest = checkpoints().load(kept.front());
  ASSERT_TRUE(newest.has_value());
  EXPECT_EQ(newest->bytes, (std::vector<std::uint8_t>{std::uint8_t(checkpoints_kept + 2), 2, 3}));
  EXPECT_EQ(checkpoints().load(Seq{1}).error().code, ErrorCode::missing);
}

TEST_P(ArchiveContract, fresh_archive_is_empty) {
  EXPECT_EQ(archive().find(TaskId{1}).error().code, ErrorCode::missing);
  int seen = 0;
  EXPECT_TRUE(archive().walk(TaskId{0}, [&](TaskId, RecordBytes) { return ++seen > 0; }).has_value());
  EXPECT_EQ(seen, 0);
}

TEST_P(ArchiveContract, superseded_append_archives_nothing) {
  Writer(journal()).boot();
  Batch batch;
  const std::vector<std::uint8_t> bytes(64);
  batch.records.emplace_back(bytes);
  batch.archived.push_back({TaskId{1}, {1, 2, 3}});
  EXPECT_EQ(journal().append(batch, Seq{1}).error().code, ErrorCode::superseded);
  EXPECT_EQ(archive().find(TaskId{1}).error().code, ErrorCode::missing);
}

TEST_P(ArchiveContract, archived_task_is_found_by_its_id) {
  Writer writer(journal());
  writer.boot();
  writer.create_task("W-1");
  writer.create_task("W-2");
  writer.cancel_task(TaskId{1});
  ASSERT_EQ(writer.state().tasks.find(TaskId{1}), nullptr);
  ASSERT_TRUE(subject_->reopen().has_value());

  const Result<std::vector<std::uint8_t>> bytes = archive().find(TaskId{1});
  ASSERT_TRUE(bytes.has_value()) << bytes.error().message;
  const Result<Unarchived> archived = unpack_archived(*bytes);
  ASSERT_TRUE(archived.has_value());
  EXPECT_EQ(archived->rows.task.work_item, "W-1");
  EXPECT_EQ(archived->rows.jobs.size(), 1U);
  EXPECT_EQ(archived->seq, writer.state().last_seq);

  ASSERT_FALSE(archive().find(TaskId{2}).has_value());
  EXPECT_EQ(archive().find(TaskId{2}).error().code, ErrorCode::missing);
}

TEST_P(ArchiveContract, archive_is_read_in_the_order_of_ids) {
  Writer writer(journal());
  writer.boot();
  for (const char* item : {"W-1", "W-2", "W-3", "W-4"}) writer.create_task(item);
  for (const TaskId task : {TaskId{4}, TaskId{2}, TaskId{1}}) writer.cancel_task(task);
  std::vector<TaskId> seen;
  const auto note = [&](TaskId task, RecordBytes) {
    seen.push_back(task);
    return seen.size() < 2;
  };
  EXPECT_TRUE(archive().walk(TaskId{0}, note).has_value());
  EXPECT_EQ(seen, (std::vector{TaskId{1}, TaskId{2}}));
  seen.clear();
  EXPECT_TRUE(archive().walk(TaskId{3}, note).has_value());
  EXPECT_EQ(seen, (std::vector{TaskId{4}}));
}

TEST_P(IndexStoreContract, fresh_index_is_empty) {
  EXPECT_EQ(entries(), "");
}

TEST_P(IndexStoreContract, entries_are_read_in_the_order_of_their_bytes_from_a_key_on) {
  add({{"b", "2"}, {std::string("\xff", 1), "4"}, {"a", "1"}});
  add({{"bb", "3"}, {"", "0"}});
  EXPECT_EQ(entries(), "=0 a=1 b=2 bb=3 \xff=4");
  EXPECT_EQ(entries("b"), "b=2 bb=3 \xff=4");
  EXPECT_EQ(entries("ba"), "bb=3 \xff=4");
  EXPECT_EQ(entries("a", 2), "a=1 b=2");
}

TEST_P(IndexStoreContract, an_entry_replaces_the_one_with_its_key) {
  add({{"a", "1"}, {"b", "1"}});
  add({{"a", "2"}, {"a", "3"}});
  EXPECT_EQ(entries(), "a=3 b=1");
}

TEST_P(IndexStoreContract, entries_outlive_an_orderly_end) {
  add({{"a", "1"}});
  ASSERT_TRUE(subject_->reopen().has_value());
  EXPECT_EQ(entries(), "a=1");
}

TEST_P(IndexStoreContract, a_cleared_index_is_empty_and_can_be_filled_again) {
  add({{"a", "1"}});
  ASSERT_TRUE(index().clear().has_value());
  EXPECT_EQ(entries(), "");
  ASSERT_TRUE(index().clear().has_value());
  add({{"b", "1"}});
  ASSERT_TRUE(subject_->reopen().has_value());
  EXPECT_EQ(entries(), "b=1");
}

TEST_P(IndexStoreContract, neither_log_nor_archive_notices_the_index) {
  Writer writer(journal());
  writer.boot();
  add({{"a", "1"}});
  writer.create_task("W-1");
  writer.cancel_task(TaskId{1});
  const auto before = records_in(journal());
  ASSERT_TRUE(index().clear().has_value());
  ASSERT_TRUE(subject_->reopen().has_value());
  EXPECT_EQ(records_in(journal()), before);
  EXPECT_TRUE(archive().find(TaskId{1}).has_value());
}

TEST_P(IndexStoreContract, is_read_while_it_is_added_to_and_cleared) {
  std::atomic<bool> ends{false};
  std::atomic<bool> is_whole{true};
  std::thread reader([&] {
    while (!ends) {
      std::size_t seen = 0;
      const auto scanned = index().scan({}, [&](std::string_view, std::string_view) { return ++seen > 0; });
      if (!scanned || seen % 2 != 0) is_whole = false;
    }
  });
  for (int i = 0; i < 50; ++i) {
    const std::string number = std::to_string(i);
    EXPECT_TRUE(index().add(std::vector<IndexEntry>{{"a" + number, "1"}, {"b" + number, "2"}}).has_value());
    if (i % 10 == 9) {
      EXPECT_TRUE(index().clear().has_value());
    }
  }
  ends = true;
  reader.join();
  EXPECT_TRUE(is_whole);
}

}  // namespace
}  // namespace pawl
