#include "store/rocks_log.h"

#include <gtest/gtest.h>
#include <rocksdb/db.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "store/data_dir.h"
#include "store/key_format.h"
#include "store/open.h"
#include "store/take_checkpoint.h"
#include "tests/unit/store/log_kit.h"

namespace pawl {
namespace {

using Mode = RocksLog::Mode;

std::unique_ptr<RocksLog> opened(const std::string& dir, Mode mode) {
  Result<std::unique_ptr<RocksLog>> log = RocksLog::open(dir, mode);
  EXPECT_TRUE(log.has_value()) << log.error().message;
  return log ? std::move(*log) : nullptr;
}

/// A closed log of four records in three batches.
void write_log(const std::string& dir) {
  const auto log = opened(dir, Mode::write);
  Writer writer(*log);
  writer.boot();
  writer.create_task("W-1");
  writer.create_task("W-2");
}

TEST(RocksLog, second_writer_is_refused_and_told_by_whom) {
  const TempDir dir;
  const auto first = opened(dir.path(), Mode::write);
  const auto second = RocksLog::open(dir.path(), Mode::write);
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().code, ErrorCode::busy);
  EXPECT_NE(second.error().message.find(std::to_string(::getpid())), std::string::npos);
}

TEST(RocksLog, what_is_written_into_a_folder_that_was_replaced_is_not_acknowledged) {
  const TempDir dir;
  const auto log = opened(dir.path("data"), Mode::write);
  Writer writer(*log);
  writer.boot();
  std::filesystem::rename(dir.path("data"), dir.path("away"));
  std::filesystem::create_directory(dir.path("data"));
  const Seq before = log->last_seq();
  writer.decide(propose_group(writer.requester(), task_created("W-1")));
  const Result<void> appended = writer.append();
  ASSERT_FALSE(appended.has_value());
  EXPECT_EQ(appended.error().code, ErrorCode::replaced);
  EXPECT_EQ(log->last_seq(), before);
}

TEST(RocksLog, log_of_a_folder_that_is_held_goes_where_the_folder_goes) {
  const TempDir dir;
  const std::filesystem::path was = std::filesystem::current_path();
  ASSERT_TRUE(make_data_dir(dir.path("data")).has_value());
  const auto held = std::make_shared<const DirLock>(std::move(DirLock::take(dir.path("data"))).value());
  ASSERT_TRUE(held->enter().has_value());
  {
    const auto log = RocksLog::open(held);
    ASSERT_TRUE(log.has_value()) << log.error().message;
    Writer writer(**log);
    writer.boot();
    std::filesystem::rename(dir.path("data"), dir.path("away"));
    std::filesystem::create_directory(dir.path("data"));
    EXPECT_TRUE((*log)->seal().has_value());
  }
  std::filesystem::current_path(was);
  EXPECT_TRUE(std::filesystem::is_empty(dir.path("data"))) << "the folder there now belongs to another process";
  EXPECT_EQ(opened(dir.path("away"), Mode::read_only)->last_seq(), Seq{2});
}

TEST(RocksLog, lock_ends_with_a_process_that_is_killed) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "a forked child may start no threads under the thread sanitizer, and a log starts some";
#endif
  const TempDir dir;
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const auto log = RocksLog::open(dir.path(), Mode::write);
    if (!log) ::_exit(1);
    Writer writer(**log);
    writer.boot();
    [[maybe_unused]] const ssize_t told = ::write(ready[1], "x", 1);
    ::pause();
  }
  ::close(ready[1]);
  char byte;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1) << "the child could not open the log";
  ::close(ready[0]);
  const auto refused = RocksLog::open(dir.path(), Mode::write);
  ASSERT_FALSE(refused.has_value());
  EXPECT_NE(refused.error().message.find(std::to_string(child)), std::string::npos) << refused.error().message;
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  const auto log = opened(dir.path(), Mode::write);
  EXPECT_EQ(log->last_seq(), Seq{2}) << "what was appended is durable";
  EXPECT_EQ(log->torn_at(), std::nullopt);
}

TEST(RocksLog, reader_beside_a_writer_sees_what_is_durable_and_writes_nothing) {
  const TempDir dir;
  const auto log = opened(dir.path(), Mode::write);
  Writer writer(*log);
  writer.boot();
  const auto before = files_in(dir.path());
  const auto reader = opened(dir.path(), Mode::read_only);
  EXPECT_EQ(records_in(*reader), records_in(*log));
  EXPECT_EQ(open_state(*reader)->state.digest(), writer.state().digest());
  EXPECT_EQ(files_in(dir.path()), before);

  writer.create_task("W-1");
  EXPECT_EQ(opened(dir.path(), Mode::read_only)->last_seq(), Seq{3});
  EXPECT_EQ(reader->last_seq(), Seq{2}) << "as it was when it was opened";

  EXPECT_FALSE(reader->seal().has_value());
  Writer other(*reader);
  other.decide(propose_group({.boot = "b", .actor = "a", .key = {}, .request = {}}, task_note(TaskId{1}, "x")));
  EXPECT_FALSE(other.append().has_value());
}

TEST(RocksLog, reader_opens_again_and_again_while_tables_change_under_it) {
  const TempDir dir;
  const auto log = opened(dir.path(), Mode::write);
  Writer writer(*log);
  writer.boot();
  for (int i = 0; i < 15; ++i) {
    writer.create_task("W-" + std::to_string(i));
    if (i % 5 == 0) {  // flushes, and switches to a new write-ahead file
      ASSERT_TRUE(take_checkpoint(*log).has_value());
    }
    const auto reader = opened(dir.path(), Mode::read_only);
    ASSERT_EQ(records_in(*reader).size(), 3U + static_cast<std::size_t>(i));
    ASSERT_EQ(open_state(*reader)->state.digest(), writer.state().digest());
  }
}

TEST(RocksLog, reading_where_there_is_no_log_is_missing_and_makes_none) {
  const TempDir dir;
  const auto log = RocksLog::open(dir.path("nothing"), Mode::read_only);
  ASSERT_FALSE(log.has_value());
  EXPECT_EQ(log.error().code, ErrorCode::missing);
  EXPECT_FALSE(std::filesystem::exists(dir.path("nothing")));
}

TEST(RocksLog, folder_of_somebody_else_is_refused_and_left_alone) {
  const TempDir dir;
  write_file(dir.path("thesis.tex"), "x");
  const auto before = files_in(dir.path());
  const auto log = RocksLog::open(dir.path(), Mode::write);
  ASSERT_FALSE(log.has_value());
  EXPECT_EQ(log.error().code, ErrorCode::malformed);
  EXPECT_EQ(files_in(dir.path()), before);
}

// RocksDB creates its column families one by one. A start killed between them once left a database that was refused as
// foreign for good.
TEST(RocksLog, log_whose_making_was_cut_short_is_made_afresh) {
  const TempDir dir;
  std::filesystem::create_directory(dir.path("log.new"));
  {
    rocksdb::Options options;
    options.create_if_missing = true;
    rocksdb::DB* db = nullptr;
    ASSERT_TRUE(rocksdb::DB::Open(options, dir.path("log.new"), &db).ok());
    delete db;
  }
  EXPECT_EQ(RocksLog::open(dir.path(), Mode::read_only).error().code, ErrorCode::missing);
  write_log(dir.path());
  EXPECT_EQ(opened(dir.path(), Mode::read_only)->last_seq(), Seq{4});
  EXPECT_FALSE(std::filesystem::exists(dir.path("log.new")));
}

TEST(RocksLog, log_that_lost_its_beginning_is_damage_and_no_other_is_made) {
  const TempDir dir;
  write_log(dir.path());
  std::filesystem::remove(dir.path("log/CURRENT"));
  const auto before = files_in(dir.path("log"));
  const auto log = RocksLog::open(dir.path(), Mode::write);
  ASSERT_FALSE(log.has_value());
  EXPECT_EQ(log.error().code, ErrorCode::damaged);
  EXPECT_EQ(files_in(dir.path("log")), before);
}

TEST(RocksLog, database_of_somebody_else_is_refused_and_left_alone) {
  const TempDir dir;
  {
    rocksdb::Options options;
    options.create_if_missing = true;
    rocksdb::DB* db = nullptr;
    ASSERT_TRUE(rocksdb::DB::Open(options, dir.path("log"), &db).ok());
    delete db;
  }
  for (const Mode mode : {Mode::read_only, Mode::write}) {
    const auto log = RocksLog::open(dir.path(), mode);
    ASSERT_FALSE(log.has_value());
    EXPECT_EQ(log.error().code, ErrorCode::malformed) << log.error().message;
  }
}

TEST(RocksLog, log_of_a_newer_format_is_refused_and_left_alone) {
  const TempDir dir;
  write_log(dir.path());
  {
    std::vector<std::string> names;
    ASSERT_TRUE(rocksdb::DB::ListColumnFamilies({}, dir.path("log"), &names).ok());
    std::vector<rocksdb::ColumnFamilyDescriptor> families;
    for (const std::string& name : names) families.emplace_back(name, rocksdb::ColumnFamilyOptions());
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    rocksdb::DB* db = nullptr;
    ASSERT_TRUE(rocksdb::DB::Open({}, dir.path("log"), families, &handles, &db).ok());
    for (rocksdb::ColumnFamilyHandle* handle : handles) {
      if (handle->GetName() == "meta") {
        ASSERT_TRUE(db->Put({}, handle, "barrier", encode_version(format_version + 1)).ok());
      }
      db->DestroyColumnFamilyHandle(handle);
    }
    delete db;
  }
  const auto before = files_in(dir.path("log"));
  for (const Mode mode : {Mode::read_only, Mode::write}) {
    const auto log = RocksLog::open(dir.path(), mode);
    ASSERT_FALSE(log.has_value());
    EXPECT_EQ(log.error().code, ErrorCode::unsupported) << log.error().message;
    EXPECT_NE(log.error().message.find("format 2"), std::string::npos);
  }
  EXPECT_EQ(files_in(dir.path("log")), before);
}

TEST(RocksLog, log_that_is_gone_though_it_was_sealed_is_damage) {
  const TempDir dir;
  {
    const auto log = opened(dir.path(), Mode::write);
    Writer writer(*log);
    writer.boot();
    ASSERT_TRUE(log->seal().has_value());
  }
  std::filesystem::remove_all(dir.path("log"));
  const auto log = RocksLog::open(dir.path(), Mode::write);
  ASSERT_FALSE(log.has_value());
  EXPECT_EQ(log.error().code, ErrorCode::damaged);
  EXPECT_NE(log.error().message.find("record 1 "), std::string::npos);
}

TEST(RocksLog, damaged_table_names_the_first_seq_concerned) {
  const TempDir dir;
  write_log(dir.path());
  opened(dir.path(), Mode::write).reset();  // opening moves the write-ahead file to a table
  std::string table;
  for (const auto& [path, content] : files_in(dir.path("log"))) {
    if (content.find("pawlblk\n") != std::string::npos) table = path;
  }
  ASSERT_NE(table.find(".sst"), std::string::npos);
  std::string content = content_of(table);
  content[content.find("pawlblk\n") + 100] ^= 1;
  write_file(table, content);
  for (const Mode mode : {Mode::read_only, Mode::write}) {
    const auto log = RocksLog::open(dir.path(), mode);
    ASSERT_FALSE(log.has_value());
    EXPECT_EQ(log.error().code, ErrorCode::damaged);
    EXPECT_NE(log.error().message.find("record 1 "), std::string::npos) << log.error().message;
  }
}

TEST(RocksLog, table_that_is_gone_is_damage_and_nothing_is_begun_anew) {
  const TempDir dir;
  write_log(dir.path());
  opened(dir.path(), Mode::write).reset();
  for (const auto& entry : std::filesystem::directory_iterator(dir.path("log"))) {
    if (entry.path().extension() == ".sst") std::filesystem::remove(entry.path());
  }
  const auto before = files_in(dir.path("log"));
  for (const Mode mode : {Mode::read_only, Mode::write}) {
    const auto log = RocksLog::open(dir.path(), mode);
    ASSERT_FALSE(log.has_value());
    EXPECT_EQ(log.error().code, ErrorCode::damaged) << log.error().message;
  }
  EXPECT_EQ(files_in(dir.path("log")), before);
}

TEST(RocksLog, every_flip_of_the_table_of_files_is_an_error_or_reads_the_same) {
  const TempDir dir;
  write_log(dir.path());
  const auto records = records_in(*opened(dir.path(), Mode::read_only));
  std::string manifest;
  for (const auto& [path, content] : files_in(dir.path("log"))) {
    if (path.find("MANIFEST") != std::string::npos) manifest = path;
  }
  const std::string content = content_of(manifest);
  for (std::size_t at = 0; at < content.size(); at += 3) {
    std::string flipped = content;
    flipped[at] = static_cast<char>(flipped[at] ^ 0x40);
    write_file(manifest, flipped);
    const auto log = RocksLog::open(dir.path(), Mode::read_only);
    if (log) {
      EXPECT_EQ(records_in(**log), records) << at;
    } else {
      EXPECT_NE(log.error().code, ErrorCode::missing) << at << ": " << log.error().message;
    }
  }
}

TEST(RocksLog, backup_is_a_data_folder_of_its_own_with_the_same_digest) {
  for (const Mode mode : {Mode::write, Mode::read_only}) {
    const TempDir dir;
    const auto log = opened(dir.path("data"), Mode::write);
    Writer writer(*log);
    writer.boot();
    writer.create_task("W-1");
    writer.create_task("W-2");
    ASSERT_TRUE(take_checkpoint(*log).has_value());
    writer.cancel_task(TaskId{1});
    {
      const auto source = mode == Mode::read_only ? opened(dir.path("data"), mode) : nullptr;
      const Result<void> copied = (source ? *source : *log).backup(dir.path("copy"));
      ASSERT_TRUE(copied.has_value()) << copied.error().message;
    }
    const std::uint64_t digest = writer.state().digest();
    writer.create_task("W-3");  // afterwards: not in the copy

    const auto copy = opened(dir.path("copy"), Mode::write);
    EXPECT_EQ(copy->torn_at(), std::nullopt);
    Result<Opened> state = open_state(*copy);
    ASSERT_TRUE(state.has_value()) << state.error().message;
    EXPECT_EQ(state->state.digest(), digest);
    EXPECT_EQ(state->report.checkpoint, Seq{4});
    EXPECT_TRUE(copy->find(TaskId{1}).has_value());
    Writer goes_on(*copy, std::move(state->state), state->chain);
    goes_on.boot("boot-of-copy");
    EXPECT_TRUE(open_state(*copy).has_value());
    EXPECT_EQ(open_state(*log)->state.digest(), writer.state().digest()) << "the original is unchanged";
  }
}

TEST(RocksLog, backup_into_an_existing_folder_is_refused_and_leaves_it) {
  const TempDir dir;
  write_log(dir.path("data"));
  const auto log = opened(dir.path("data"), Mode::write);
  std::filesystem::create_directory(dir.path("copy"));
  write_file(dir.path("copy/mine"), "x");
  const Result<void> copied = log->backup(dir.path("copy"));
  ASSERT_FALSE(copied.has_value());
  EXPECT_EQ(copied.error().code, ErrorCode::malformed);
  EXPECT_EQ(content_of(dir.path("copy/mine")), "x");
  EXPECT_FALSE(log->backup(dir.path("no/such/parent")).has_value());
}

TEST(RocksLog, truncated_backup_is_not_taken_for_whole) {
  const TempDir dir;
  const auto log = opened(dir.path("data"), Mode::write);
  Writer writer(*log);
  writer.boot();
  ASSERT_TRUE(log->backup(dir.path("copy")).has_value());
  for (const auto& [path, content] : files_in(dir.path("copy/log"))) {
    if (content.find("pawlblk\n") != std::string::npos) write_file(path, content.substr(0, content.size() / 2));
  }
  const auto copy = RocksLog::open(dir.path("copy"), Mode::write);
  ASSERT_FALSE(copy.has_value());
  EXPECT_EQ(copy.error().code, ErrorCode::damaged) << copy.error().message;
}

TEST(RocksLog, large_log_goes_through_tables_and_comes_back) {
  const TempDir dir;
  std::uint64_t digest = 0;
  std::size_t records = 0;
  {
    const auto log = opened(dir.path(), Mode::write);
    Writer writer(*log);
    writer.boot();
    writer.create_task("W-1");
    const std::string text(100'000, 'n');
    for (int i = 0; i < 20; ++i) {  // 40 MB: more than one memtable
      Group group;
      for (int k = 0; k < 20; ++k) group.push_back(propose(writer.requester(), task_note(TaskId{1}, text)));
      writer.write(std::move(group));
    }
    digest = writer.state().digest();
    records = raw(writer.state().last_seq);
  }
  const auto log = opened(dir.path(), Mode::write);
  EXPECT_EQ(records_in(*log).size(), records);
  EXPECT_EQ(open_state(*log)->state.digest(), digest);
}

}  // namespace
}  // namespace pawl
