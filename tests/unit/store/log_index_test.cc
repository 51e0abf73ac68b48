// The index against what a walk of log and archive finds, over random histories, restarts and restores; and what
// becomes of an index that is not of the log.
#include "store/log_index.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "store/memory_log.h"
#include "store/open.h"
#include "store/restore.h"
#include "store/rocks_log.h"
#include "tests/unit/store/index_oracle.h"
#include "tests/unit/store/log_kit.h"
#include "tests/world/dice.h"

namespace pawl {
namespace {

using hostile::Dice;

/// Proposes what names tasks and jobs in every way, with ids that exist, are finished or come later.
class Tale {
 public:
  Tale(Journal& journal, std::uint64_t seed) : writer_(journal), dice_(seed) { writer_.boot(); }
  Tale(Journal& journal, State state, Chain chain, std::uint64_t seed)
      : writer_(journal, std::move(state), chain), dice_(seed) {}

  void tell(std::size_t groups) {
    for (std::size_t i = 0; i < groups; ++i) {
      Group group = something();
      if (dice_.one_in(6)) {
        for (Proposal& other : something()) group.push_back(std::move(other));
      }
      writer_.decide(std::move(group));
      ASSERT_TRUE(writer_.append().has_value());
    }
  }
  void restore() { writer_.restore(1 + dice_.roll(1'000'000)); }
  const State& state() const { return writer_.state(); }

 private:
  std::uint64_t task() { return 1 + dice_.roll(raw(state().ids.find(0)->next_task) + 2); }
  std::uint64_t job() { return 1 + dice_.roll(raw(state().ids.find(0)->next_job) + 2); }
  Group propose(auto event) { return propose_group(writer_.requester("actor"), event); }

  Group something() {
    switch (dice_.roll(9)) {
      case 0:
      case 1: {
        fb::TaskCreatedT event;
        event.work_item = "W-" + std::to_string(dice_.roll(12));
        event.repo = dice_.one_in(3) ? "bank" : "shop";
        if (dice_.one_in(4)) event.stage = "deploy";  // no agent
        return propose(event);
      }
      case 2: {
        fb::CancelRequestedT event;
        event.task = task();
        return propose(event);
      }
      case 3:
        return propose(task_note(TaskId{task()}, "hm"));
      case 4: {
        fb::StageTransitionT event;
        const TaskId id{task()};
        event.task = raw(id);
        const Task* row = state().tasks.find(id);
        event.to = row ? state().stage_of(*row)->to : "done";
        if (row) event.expected_version = raw(row->version);
        return propose(event);
      }
      case 5: {
        fb::LeaseAcquiredT event;
        event.key = "task:" + std::to_string(task());
        event.owner = owner();
        return propose(event);
      }
      case 6: {
        fb::LeaseReleasedT event;
        const std::uint64_t id = task();
        event.key = "task:" + std::to_string(id);
        if (const Lease* lease = state().lease(event.key)) event.token = raw(lease->token);
        return propose(event);
      }
      case 7: {
        fb::JobClaimedT event;
        event.job = job();
        event.owner = owner();
        return propose(event);
      }
      default: {
        fb::JobFinishedT event;
        event.job = job();
        const Job* row = state().jobs.find(JobId{event.job});
        event.attempt = row ? row->attempts : 1;
        event.result = dice_.one_in(2) ? fb::JobResult::done : fb::JobResult::failed;
        return propose(event);
      }
    }
  }

  std::unique_ptr<fb::OwnerT> owner() {
    auto owner = std::make_unique<fb::OwnerT>();
    const Boot* boot = state().boot_named(daemon_name);
    owner->boot_id = boot ? boot->boot_id : "none";
    owner->pid = 1;
    owner->actor = "actor";
    return owner;
  }

  Writer writer_;
  Dice dice_;
};

/// Indexes all that there is, in chunks of this many records.
void make(LogIndex& index, std::size_t chunk) {
  while (true) {
    const auto more = index.extend(chunk);
    ASSERT_TRUE(more.has_value()) << more.error().message;
    if (*more == 0) return;
  }
}

LogIndex index_of(Log& log) {
  return {log, log, log};
}

TEST(LogIndex, finds_what_a_walk_finds_however_far_it_reaches) {
  std::size_t finished = 0;
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    MemoryLog log;
    Tale tale(log, seed);
    LogIndex index = index_of(log);
    ASSERT_EQ(index.begin().value(), std::nullopt);
    Dice dice(seed);
    for (int part = 0; part < 6; ++part) {
      tale.tell(60);
      if (dice.one_in(4)) tale.restore();
      // A chunk may end anywhere, also within a group.
      if (!dice.one_in(3)) {
        ASSERT_TRUE(index.extend(1 + dice.roll(80)).has_value());
      } else {
        make(index, 1 + dice.roll(40));
      }
      ASSERT_EQ(difference_of(log, index), std::nullopt) << "seed " << seed << ", part " << part;
    }
    finished += tale.state().indexes.archived_cancelled;
  }
  EXPECT_GT(finished, 100U);
}

TEST(LogIndex, a_task_that_holds_its_lease_when_it_ends_is_found_once_it_is_archived) {
  MemoryLog log;
  Writer writer(log);
  writer.boot();
  Pipeline plain;
  plain.name = "plain";
  plain.stages = {{.name = "only", .to = std::string(stage_done)}};
  writer.write(propose_group(writer.requester(), pipeline_event(plain)));
  fb::TaskCreatedT created = task_created("W-1");
  created.pipeline = "plain";
  writer.write(propose_group(writer.requester(), created));
  fb::LeaseAcquiredT acquired;
  acquired.key = "task:1";
  acquired.owner = std::make_unique<fb::OwnerT>();
  acquired.owner->boot_id = "boot-1";
  acquired.owner->pid = 1;
  acquired.owner->actor = "operator";
  writer.write(propose_group(writer.requester(), acquired));
  const std::uint64_t token = raw(writer.state().lease("task:1")->token);
  fb::StageTransitionT moved;
  moved.task = 1;
  moved.to = stage_done;
  moved.expected_version = 1;
  moved.token = token;
  writer.write(propose_group(writer.requester(), moved));
  ASSERT_NE(writer.state().tasks.find(TaskId{1}), nullptr);

  LogIndex index = index_of(log);
  make(index, 1000);
  fb::LeaseReleasedT released;
  released.key = "task:1";
  released.token = token;
  writer.write(propose_group(writer.requester(), released));
  ASSERT_EQ(writer.state().tasks.find(TaskId{1}), nullptr);
  EXPECT_EQ(difference_of(log, index), std::nullopt);
  make(index, 1000);
  EXPECT_EQ(difference_of(log, index), std::nullopt);
}

TEST(LogIndex, chunks_of_one_record_and_of_all_find_the_same) {
  MemoryLog log;
  Tale tale(log, 77);
  tale.tell(300);
  for (const std::size_t chunk : {std::size_t{1}, std::size_t{7}, std::size_t{100'000}}) {
    LogIndex index = index_of(log);
    ASSERT_TRUE(index.clear().has_value());
    make(index, chunk);
    EXPECT_EQ(index.reach(), log.last_seq());
    EXPECT_EQ(difference_of(log, index), std::nullopt) << chunk;
  }
}

TEST(LogIndex, index_goes_on_after_a_restart_and_over_what_was_written_without_it) {
  const TempDir dir;
  Seq reached{};
  {
    const auto log = RocksLog::open(dir.path("data"), LogMode::write).value();
    Tale tale(*log, 5);
    tale.tell(150);
    LogIndex index = index_of(*log);
    ASSERT_EQ(index.begin().value(), std::nullopt);
    make(index, 50);
    reached = index.reach();
  }
  {
    const auto log = RocksLog::open(dir.path("data"), LogMode::write).value();  // a program that knows no index
    Opened opened = open_state(*log).value();
    Tale(*log, std::move(opened.state), opened.chain, 6).tell(150);
  }
  const auto log = RocksLog::open(dir.path("data"), LogMode::write).value();
  LogIndex index = index_of(*log);
  ASSERT_EQ(index.begin().value(), std::nullopt);
  EXPECT_EQ(index.reach(), reached);
  EXPECT_EQ(difference_of(*log, index), std::nullopt);
  make(index, 50);
  EXPECT_EQ(index.reach(), log->last_seq());
  EXPECT_EQ(difference_of(*log, index), std::nullopt);
}

TEST(LogIndex, an_index_is_not_taken_up_by_another_log) {
  MemoryLog one;
  Tale(one, 1).tell(100);
  LogIndex of_one = index_of(one);
  make(of_one, 1000);
  MemoryLog other;
  Tale(other, 2).tell(200);
  other.disk()->index = one.disk()->index;
  LogIndex of_other = index_of(other);
  const auto why = of_other.begin().value();
  ASSERT_TRUE(why.has_value());
  EXPECT_NE(why->find("not of this log's record"), std::string::npos) << *why;
  EXPECT_EQ(of_other.reach(), Seq{});
  EXPECT_TRUE(other.disk()->index.empty());
  make(of_other, 1000);
  EXPECT_EQ(difference_of(other, of_other), std::nullopt);
}

TEST(LogIndex, an_index_that_is_ahead_of_a_log_that_was_cut_is_removed) {
  MemoryLog log;
  Tale tale(log, 3);
  tale.tell(50);
  const MemoryDisk before = *log.disk();
  tale.tell(50);
  LogIndex index = index_of(log);
  make(index, 1000);
  const auto cut = std::make_shared<MemoryDisk>(before);
  cut->index = log.disk()->index;
  const auto again = MemoryLog::open(cut).value();
  LogIndex of_cut = index_of(*again);
  EXPECT_TRUE(of_cut.begin().value().has_value());
  EXPECT_EQ(of_cut.reach(), Seq{});
  // Also once the log has grown over the place.
  cut->index = log.disk()->index;
  Opened opened = open_state(*again).value();
  Tale(*again, std::move(opened.state), opened.chain, 4).tell(100);
  ASSERT_GT(again->last_seq(), index.reach());
  EXPECT_TRUE(of_cut.begin().value().has_value());
  make(of_cut, 1000);
  EXPECT_EQ(difference_of(*again, of_cut), std::nullopt);
}

TEST(LogIndex, a_backup_has_no_index_and_a_restored_log_gets_its_own) {
  const TempDir dir;
  const auto log = RocksLog::open(dir.path("data"), LogMode::write).value();
  Tale tale(*log, 8);
  tale.tell(100);
  LogIndex index = index_of(*log);
  make(index, 1000);
  ASSERT_TRUE(log->backup(dir.path("backup")).has_value());
  EXPECT_FALSE(std::filesystem::exists(dir.path("backup/index")));
  ASSERT_TRUE(restore_log({.backup = dir.path("backup"), .data = dir.path("restored"), .now = {}}).has_value());
  EXPECT_FALSE(std::filesystem::exists(dir.path("restored/index")));

  // Even if it is copied into the place.
  std::filesystem::copy(dir.path("data/index"), dir.path("restored/index"), std::filesystem::copy_options::recursive);
  tale.tell(100);
  const auto restored = RocksLog::open(dir.path("restored"), LogMode::write).value();
  Opened opened = open_state(*restored).value();
  Tale(*restored, std::move(opened.state), opened.chain, 9).tell(100);
  LogIndex of_restored = index_of(*restored);
  ASSERT_TRUE(of_restored.begin().has_value());
  make(of_restored, 1000);
  EXPECT_EQ(difference_of(*restored, of_restored), std::nullopt);
}

TEST(LogIndex, an_index_of_another_version_is_made_again) {
  MemoryLog log;
  Tale(log, 1).tell(50);
  LogIndex index = index_of(log);
  make(index, 1000);
  for (const std::string mark : {"", "\x02", "\x01", "\x01\x05"}) {
    log.disk()->index[mark_key()] = mark;
    EXPECT_TRUE(index.begin().value().has_value());
    EXPECT_EQ(index.reach(), Seq{});
    EXPECT_TRUE(log.disk()->index.empty());
    make(index, 1000);
  }
  // Entries without a mark are from an unknown version, too.
  log.disk()->index.erase(mark_key());
  EXPECT_TRUE(index.begin().value().has_value());
  EXPECT_TRUE(log.disk()->index.empty());
}

TEST(LogIndex, a_malformed_entry_ends_the_use_of_the_index_until_it_is_made_again) {
  MemoryLog log;
  Writer writer(log);
  writer.boot();
  writer.create_task("W-1");
  LogIndex index = index_of(log);
  make(index, 1000);
  const TaskAndJobs traces{.task = *writer.state().tasks.find(TaskId{1}), .jobs = {}};
  ASSERT_TRUE(index.records_of(traces, Seq{1}, 10).has_value());
  for (auto& [key, value] : log.disk()->index) {
    if (key != mark_key()) value = "\xff";
  }
  EXPECT_FALSE(index.records_of(traces, Seq{1}, 10).has_value());
  ASSERT_TRUE(index.fault().has_value());
  EXPECT_EQ(index.fault()->code, ErrorCode::damaged);
  EXPECT_EQ(index.reach(), Seq{});
  EXPECT_FALSE(index.extend(1000).has_value());
  ASSERT_TRUE(index.clear().has_value());
  make(index, 1000);
  EXPECT_EQ(difference_of(log, index), std::nullopt);
}

TEST(LogIndex, a_damaged_folder_costs_the_index_and_not_the_log) {
  const TempDir dir;
  Seq last{};
  {
    const auto log = RocksLog::open(dir.path("data"), LogMode::write).value();
    Tale(*log, 21).tell(100);
    LogIndex index = index_of(*log);
    make(index, 1000);
    last = log->last_seq();
  }
  const auto index_files = files_in(dir.path("data/index"));
  ASSERT_GT(index_files.size(), 3U);
  for (const auto& [path, content] : index_files) {
    for (const bool is_gone : {false, true}) {
      // The folder as it was, with one file changed.
      std::filesystem::remove_all(dir.path("data/index"));
      std::filesystem::create_directory(dir.path("data/index"));
      for (const auto& [other, bytes] : index_files) write_file(other, bytes);
      if (is_gone) {
        std::filesystem::remove(path);
      } else {
        std::string changed = content;
        for (std::size_t at = 0; at < changed.size(); at += 16) changed[at] = static_cast<char>(changed[at] ^ 0x10);
        write_file(path, changed);
      }
      const auto log = RocksLog::open(dir.path("data"), LogMode::write).value();
      EXPECT_EQ(log->last_seq(), last);
      LogIndex index = index_of(*log);
      const auto begun = index.begin();
      ASSERT_TRUE(begun.has_value()) << path << ": " << begun.error().message;
      if (difference_of(*log, index)) {
        ASSERT_TRUE(index.fault().has_value()) << path;  // it has noticed
      }
      if (index.fault()) {
        ASSERT_TRUE(index.clear().has_value());
      }
      make(index, 1000);
      EXPECT_EQ(index.reach(), last) << path;
      EXPECT_EQ(difference_of(*log, index), std::nullopt) << path;
    }
  }
}

TEST(LogIndex, a_log_opened_read_only_has_no_index_and_leaves_the_folder_alone) {
  const TempDir dir;
  {
    const auto log = RocksLog::open(dir.path("data"), LogMode::write).value();
    Tale(*log, 1).tell(20);
    LogIndex index = index_of(*log);
    make(index, 1000);
  }
  const auto before = files_in(dir.path("data"));
  const auto log = RocksLog::open(dir.path("data"), LogMode::read_only).value();
  LogIndex index = index_of(*log);
  EXPECT_EQ(index.begin().value(), std::nullopt);
  EXPECT_EQ(index.reach(), Seq{});
  EXPECT_FALSE(index.extend(10).has_value());
  EXPECT_EQ(files_in(dir.path("data")), before);
}

TEST(LogIndex, takes_a_small_part_of_the_space_of_the_log) {
  MemoryLog log;
  Tale(log, 11).tell(3000);
  LogIndex index = index_of(log);
  make(index, 4096);
  std::size_t bytes = 0;
  for (const auto& [key, value] : log.disk()->index) bytes += key.size() + value.size();
  EXPECT_LT(bytes * 10, log.disk()->blocks.size());
}

TEST(ReadThese, records_are_read_in_order_across_blocks_and_a_restore) {
  MemoryLog log;
  Tale tale(log, 4);
  tale.tell(3000);
  tale.restore();
  tale.tell(20);
  std::vector<Seq> all;
  for (const auto& record : records_in(log)) all.push_back(seq_of(record));
  Dice dice(1);
  for (int round = 0; round < 20; ++round) {
    const std::uint64_t every = 1 + dice.roll(3000);
    std::vector<Seq> wanted;
    for (const Seq seq : all) {
      if (dice.one_in(every)) wanted.push_back(seq);
    }
    std::vector<Seq> read;
    ASSERT_TRUE(read_these(log, wanted, [&](RecordBytes bytes) {
                  read.push_back(Seq{view_record(bytes).value()->stamp()->seq()});
                  return true;
                }).has_value());
    EXPECT_EQ(read, wanted);
  }
  int seen = 0;
  ASSERT_TRUE(read_these(log, all, [&](RecordBytes) { return ++seen < 3; }).has_value());
  EXPECT_EQ(seen, 3);
  ASSERT_TRUE(read_these(log, {next(all.back())}, [&](RecordBytes) { return ++seen > 0; }).has_value());
  EXPECT_EQ(seen, 3);
}

}  // namespace
}  // namespace pawl
