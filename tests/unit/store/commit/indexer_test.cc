#include "store/commit/indexer.h"

#include <gtest/gtest.h>

#include <mutex>

#include "store/memory_log.h"
#include "tests/unit/daemon/comes_true.h"
#include "tests/unit/store/index_oracle.h"
#include "tests/unit/store/log_kit.h"

namespace pawl {
namespace {

class IndexerTest : public testing::Test {
 protected:
  IndexerTest() { writer_.boot(); }

  Indexer::Options options(std::uint64_t records_behind) {
    return {.look_every = std::chrono::milliseconds(1),
            .records_behind = records_behind,
            .records_after_failure = 5,
            .warn = [this](const std::string& what) {
              const std::lock_guard lock(mutex_);
              warnings_.push_back(what);
            }};
  }
  std::vector<std::string> warnings() {
    const std::lock_guard lock(mutex_);
    return warnings_;
  }
  void write(int tasks) {
    for (int i = 0; i < tasks; ++i) writer_.create_task("W-" + std::to_string(++created_));
  }

  MemoryLog log_;
  Writer writer_{log_};
  LogIndex index_{log_, log_, log_};
  int created_ = 0;
  std::mutex mutex_;
  std::vector<std::string> warnings_;
};

TEST_F(IndexerTest, follows_the_log_and_leaves_a_tail) {
  Indexer indexer(log_, index_, options(10));
  indexer.start();
  write(40);
  EXPECT_TRUE(comes_true([&] { return raw(log_.last_seq()) - raw(index_.reach()) < 10; }));
  EXPECT_GT(raw(index_.reach()), 10U);
  indexer.stop();
  const Seq reached = index_.reach();
  write(5);
  EXPECT_EQ(index_.reach(), reached);
  EXPECT_EQ(difference_of(log_, index_), std::nullopt);
  EXPECT_TRUE(warnings().empty());
}

TEST_F(IndexerTest, an_index_of_another_log_is_made_again_with_a_warning) {
  write(20);
  ASSERT_TRUE(index_.extend(1000).has_value());
  MemoryLog other;
  Writer writer(other);
  writer.boot("boot-2");
  for (int i = 0; i < 30; ++i) writer.create_task("X-" + std::to_string(i));
  other.disk()->index = log_.disk()->index;
  LogIndex of_other(other, other, other);
  Indexer indexer(other, of_other, options(1));
  indexer.start();
  EXPECT_TRUE(comes_true([&] { return of_other.reach() == other.last_seq(); }));
  indexer.stop();
  ASSERT_EQ(warnings().size(), 1U);
  EXPECT_NE(warnings()[0].find("made again: it is not of this log's record"), std::string::npos) << warnings()[0];
  EXPECT_EQ(difference_of(other, of_other), std::nullopt);
}

TEST_F(IndexerTest, a_damaged_index_is_made_again_with_a_warning) {
  write(20);
  ASSERT_TRUE(index_.extend(1000).has_value());
  for (auto& [key, value] : log_.disk()->index) {
    if (key != mark_key()) value = "\xff";
  }
  Indexer indexer(log_, index_, options(1));
  indexer.start();
  const TaskAndJobs traces{.task = *writer_.state().tasks.find(TaskId{1}), .jobs = {}};
  EXPECT_TRUE(comes_true([&] {
    index_.records_of(traces, Seq{1}, 10);
    return !warnings().empty() && index_.reach() == log_.last_seq();
  }));
  indexer.stop();
  EXPECT_EQ(difference_of(log_, index_), std::nullopt);
}

/// An index store that fails while it is told to.
class FailingStore final : public IndexStore {
 public:
  explicit FailingStore(IndexStore& store) : store_(store) {}
  Result<void> add(std::span<const IndexEntry> entries) override {
    if (fails) return Error{ErrorCode::io, "no space left"};
    return store_.add(entries);
  }
  Result<void> scan(std::string_view from,
                    const std::function<bool(std::string_view, std::string_view)>& each) override {
    return store_.scan(from, each);
  }
  Result<void> clear() override { return store_.clear(); }

  std::atomic<bool> fails{true};

 private:
  IndexStore& store_;
};

TEST_F(IndexerTest, after_a_failure_it_waits_for_some_records_and_tries_again) {
  FailingStore store(log_);
  LogIndex index(log_, log_, store);
  Indexer indexer(log_, index, options(1));
  indexer.start();
  EXPECT_TRUE(comes_true([&] { return !warnings().empty(); }));
  EXPECT_EQ(warnings(), std::vector<std::string>{"the index of finished tasks cannot be made: no space left"});
  store.fails = false;
  EXPECT_EQ(index.reach(), Seq{});
  write(6);
  EXPECT_TRUE(comes_true([&] { return index.reach() == log_.last_seq(); }));
  indexer.stop();
  EXPECT_EQ(warnings().size(), 1U);
}

}  // namespace
}  // namespace pawl
