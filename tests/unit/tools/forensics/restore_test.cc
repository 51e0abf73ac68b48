// `pawl restore` on data folders that the real store wrote.
#include "store/restore.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/unit/tools/sample_log.h"

namespace pawl {
namespace {

namespace fs = std::filesystem;

class RestoreCommand : public testing::Test {
 protected:
  RestoreCommand() {
    SampleLog sample(folder.path("data"));
    last = raw(sample.last_seq());
    live = sample.state().tasks.size();
    EXPECT_EQ(run_pawl({"backup", folder.path("data"), folder.path("backup")}).exit, 0);
  }
  Ran restore(std::vector<std::string> more = {}) {
    std::vector<std::string> words{"restore", folder.path("backup"), folder.path("new")};
    words.insert(words.end(), more.begin(), more.end());
    return run_pawl(words);
  }
  std::string exported(const std::string& name) {
    const Ran ran = run_pawl({"export", "log", "--data", folder.path(name)});
    EXPECT_EQ(ran.exit, 0) << ran.err;
    return ran.out;
  }
  static void expect_sound(const std::string& log) {
    for (const char* command : {"replay", "check"}) {
      const Ran ran = run_pawl({command, log});
      EXPECT_EQ(ran.exit, 0) << command << ": " << ran.out << ran.err;
    }
  }

  TestFolder folder;
  std::uint64_t last = 0;
  std::size_t live = 0;
};

TEST_F(RestoreCommand, makes_a_log_that_goes_on_beyond_what_is_lost) {
  const std::string lost = exported("data");
  const Ran ran = restore({"--bump", "5000"});
  ASSERT_EQ(ran.exit, 0) << ran.err;
  EXPECT_NE(ran.out.find("ends at record " + std::to_string(last) + ", of "), std::string::npos) << ran.out;
  EXPECT_NE(ran.out.find("goes on at record " + std::to_string(last + 5001)), std::string::npos) << ran.out;
  const std::string all = exported("new");
  ASSERT_TRUE(all.starts_with(lost));
  const std::vector<std::string> more = lines_of(all.substr(lost.size()));
  ASSERT_EQ(more.size(), 1u);
  EXPECT_TRUE(more[0].starts_with("{\"seq\":" + std::to_string(last + 5001))) << more[0];
  EXPECT_NE(more[0].find("\"type\":\"LogRestored\""), std::string::npos) << more[0];
  expect_sound(folder.path("new"));
  expect_sound(folder.file("all.jsonl", all));
  expect_sound(folder.file("lost.jsonl", lost));
  EXPECT_FALSE(fs::exists(folder.path("new.new")));
  EXPECT_FALSE(fs::exists(folder.path("new/restoring")));
}

TEST_F(RestoreCommand, an_end_cut_out_of_it_is_a_log_of_its_own) {
  ASSERT_EQ(restore({"--bump", "5000"}).exit, 0);
  for (const std::uint64_t since : {last, last + 1, last + 100, last + 5001}) {
    const Ran ran = run_pawl({"record", std::to_string(since), "--data", folder.path("new")});
    ASSERT_EQ(ran.exit, 0) << ran.err;
    expect_sound(folder.file("end.jsonl", ran.out));
  }
}

TEST_F(RestoreCommand, names_what_waits_for_a_word) {
  const Ran ran = restore();
  ASSERT_EQ(ran.exit, 0) << ran.err;
  EXPECT_NE(ran.out.find("blocked as 'restored'"), std::string::npos) << ran.out;
  EXPECT_NE(ran.out.find("pawl unblock TASK"), std::string::npos) << ran.out;
  const Ran state = run_pawl({"export", "state", "--data", folder.path("new")});
  EXPECT_NE(state.out.find("\"blocked\":\"restored (was: "), std::string::npos) << state.out;
  const Ran story = run_pawl({"explain", folder.path("new"), "task:3"});
  EXPECT_NE((story.out + story.err).find("restores"), std::string::npos) << story.out << story.err;
}

TEST_F(RestoreCommand, dry_run_says_the_same_and_writes_nothing) {
  const Ran planned = restore({"--dry-run", "--bump", "7"});
  EXPECT_EQ(planned.exit, 0) << planned.err;
  EXPECT_NE(planned.out.find("would go on at record " + std::to_string(last + 8)), std::string::npos) << planned.out;
  EXPECT_NE(planned.out.find("blocked as 'restored'"), std::string::npos) << planned.out;
  EXPECT_FALSE(fs::exists(folder.path("new")));
  EXPECT_FALSE(fs::exists(folder.path("new.new")));
}

TEST_F(RestoreCommand, folder_that_holds_something_is_left_alone) {
  const Ran over = run_pawl({"restore", folder.path("backup"), folder.path("data")});
  EXPECT_EQ(over.exit, 2);
  EXPECT_NE(over.err.find("contains a log"), std::string::npos) << over.err;
  const Ran planned = run_pawl({"restore", folder.path("backup"), folder.path("data"), "--dry-run"});
  EXPECT_EQ(planned.exit, 2);
  EXPECT_NE(planned.out.find("would go on"), std::string::npos) << planned.out;
  fs::create_directory(folder.path("new"));
  folder.file("new/notes", "mine");
  EXPECT_EQ(restore().exit, 2);
  fs::remove(folder.path("new/notes"));
  EXPECT_EQ(restore().exit, 0);  // an empty one counts as missing
}

TEST_F(RestoreCommand, one_that_was_cut_short_is_begun_afresh_and_nothing_else_is) {
  fs::create_directory(folder.path("new.new"));
  folder.file("new.new/mine", "mine");
  const Ran refused = restore();
  EXPECT_EQ(refused.exit, 2);
  EXPECT_NE(refused.err.find("no restore left it there"), std::string::npos) << refused.err;
  folder.file("new.new/restoring", "");
  EXPECT_EQ(restore().exit, 0);
  EXPECT_FALSE(fs::exists(folder.path("new/mine")));
}

TEST_F(RestoreCommand, the_backup_is_only_read_and_never_linked) {
  ASSERT_EQ(restore().exit, 0);
  for (const auto& entry : fs::recursive_directory_iterator(folder.path("new"))) {
    if (!entry.is_regular_file()) continue;
    EXPECT_EQ(entry.hard_link_count(), 1u) << entry.path();
  }
  EXPECT_EQ(exported("backup"), exported("data"));
}

TEST_F(RestoreCommand, damage_ends_it_and_leaves_nothing) {
  // In the table with the blocks.
  for (const auto& entry : fs::directory_iterator(folder.path("backup/log"))) {
    if (entry.path().extension() != ".sst") continue;
    const fs::path path = entry.path();
    fs::copy_file(path, folder.path("copy"), fs::copy_options::overwrite_existing);
    fs::remove(path);  // perhaps a link
    fs::copy_file(folder.path("copy"), path);
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(200);
    file.put('\x5a');
  }
  const Ran ran = restore();
  EXPECT_EQ(ran.exit, 2) << ran.out;
  EXPECT_FALSE(fs::exists(folder.path("new")));
  EXPECT_FALSE(fs::exists(folder.path("new.new")));
}

TEST_F(RestoreCommand, a_folder_that_is_written_to_is_no_backup) {
  const std::unique_ptr<Log> held = open_log(folder.path("data"), LogMode::write).value();
  const Ran ran = run_pawl({"restore", folder.path("data"), folder.path("new")});
  EXPECT_EQ(ran.exit, 1);
  EXPECT_NE(ran.err.find("is in use"), std::string::npos) << ran.err;
  const Ran inside = run_pawl({"restore", folder.path("backup"), folder.path("backup/new")});
  EXPECT_EQ(inside.exit, 2);
}

TEST_F(RestoreCommand, bump_that_cannot_be_is_refused) {
  EXPECT_EQ(restore({"--bump", "0"}).exit, 2);
  EXPECT_EQ(restore({"--bump", "9007199254740992"}).exit, 2);
  EXPECT_FALSE(fs::exists(folder.path("new")));
  EXPECT_FALSE(fs::exists(folder.path("new.new")));
}

TEST(Leap, grows_with_the_age_of_the_backup) {
  const TimeUs then{1'000'000'000};
  EXPECT_EQ(leap_after(then, then).seqs, 1'000'000'000u);
  EXPECT_EQ(leap_after(then, then).ids, 1'000'000u);
  EXPECT_EQ(leap_after(then, plus_s(then, 10)).seqs, 1'010'000'000u);
  EXPECT_EQ(leap_after(then, plus_s(then, 10)).ids, 1'010'000u);
  EXPECT_GT(leap_after(then, TimeUs{then.us + 1}).seqs, leap_after(then, then).seqs);
  EXPECT_EQ(leap_after(then, TimeUs{0}).seqs, 1'000'000'000u);  // a clock set back
}

}  // namespace
}  // namespace pawl
