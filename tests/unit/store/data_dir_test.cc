#include "store/data_dir.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/unit/store/log_kit.h"

namespace pawl {
namespace {

/// How many of our descriptors lead to that file.
std::size_t descriptors_of(const std::string& path) {
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    if (std::filesystem::read_symlink(entry.path(), gone) == path) ++count;
  }
  return count;
}

TEST(DataDir, lock_holds_the_pid_and_keeps_a_second_out) {
  const TempDir dir;
  {
    const Result<DirLock> first = DirLock::take(dir.path());
    ASSERT_TRUE(first.has_value());
    EXPECT_EQ(content_of(dir.path("LOCK")), std::to_string(::getpid()) + "\n");
    const Result<DirLock> second = DirLock::take(dir.path());
    ASSERT_FALSE(second.has_value());
    EXPECT_EQ(second.error().code, ErrorCode::busy);
    EXPECT_NE(second.error().message.find("process " + std::to_string(::getpid())), std::string::npos);
  }
  EXPECT_TRUE(DirLock::take(dir.path()).has_value());
}

TEST(DataDir, lock_file_that_is_removed_lets_nobody_in) {
  const TempDir dir;
  const Result<DirLock> first = DirLock::take(dir.path());
  ASSERT_TRUE(first.has_value());
  ASSERT_TRUE(first->has_folder());
  std::filesystem::remove(dir.path("LOCK"));
  const Result<DirLock> second = DirLock::take(dir.path());
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().code, ErrorCode::busy);
}

TEST(DataDir, folder_is_known_to_be_held_until_its_name_leads_elsewhere) {
  const TempDir dir;
  ASSERT_TRUE(make_data_dir(dir.path("data")).has_value());
  const Result<DirLock> held = DirLock::take(dir.path("data"));
  ASSERT_TRUE(held.has_value());
  EXPECT_TRUE(held->check_name().has_value());
  std::filesystem::rename(dir.path("data"), dir.path("away"));
  ASSERT_FALSE(held->check_name().has_value());
  EXPECT_EQ(held->check_name().error().code, ErrorCode::replaced);
  EXPECT_NE(held->check_name().error().message.find("moved away"), std::string::npos);
  ASSERT_TRUE(make_data_dir(dir.path("data")).has_value());
  EXPECT_NE(held->check_name().error().message.find("replaced"), std::string::npos);
  std::filesystem::remove(dir.path("data"));
  std::filesystem::create_directory_symlink(dir.path("away"), dir.path("data"));
  EXPECT_TRUE(held->check_name().has_value()) << "the same folder by another path";
}

TEST(DataDir, lock_that_outlives_who_is_named_there_is_waited_for) {
  const TempDir dir;
  const std::string path = dir.path("LOCK");
  write_file(path, "2147483647\n");  // an unused pid
  const int left = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_EQ(::flock(left, LOCK_EX), 0);
  const Result<DirLock> impatient = DirLock::take(dir.path(), std::chrono::milliseconds(0));
  ASSERT_FALSE(impatient.has_value());
  EXPECT_EQ(impatient.error().code, ErrorCode::busy);

  // Its orphans are removed as soon as the next holder arrives.
  std::atomic<bool> is_over = false;
  std::thread last_of_it([&] {
    while (descriptors_of(path) < 2 && !is_over) std::this_thread::yield();
    ::close(left);
  });
  EXPECT_TRUE(DirLock::take(dir.path(), std::chrono::hours(1)).has_value());
  is_over = true;
  last_of_it.join();
}

TEST(DataDir, pid_of_an_earlier_holder_is_replaced) {
  const TempDir dir;
  write_file(dir.path("LOCK"), "123456789012345\n");
  ASSERT_TRUE(DirLock::take(dir.path()).has_value());
  EXPECT_EQ(content_of(dir.path("LOCK")), std::to_string(::getpid()) + "\n");
}

TEST(DataDir, folder_that_is_not_there_is_made_with_its_parents) {
  const TempDir dir;
  ASSERT_TRUE(make_data_dir(dir.path("a/b")).has_value());
  EXPECT_TRUE(std::filesystem::is_directory(dir.path("a/b")));
}

TEST(DataDir, folder_that_is_made_is_closed_to_others_and_one_that_is_there_stays_as_it_is) {
  const TempDir dir;
  const auto mode_of = [&](const char* name) {
    return std::filesystem::status(dir.path(name)).permissions() & std::filesystem::perms::all;
  };
  ASSERT_TRUE(make_data_dir(dir.path("made")).has_value());
  EXPECT_EQ(mode_of("made"), std::filesystem::perms{0750});
  std::filesystem::create_directory(dir.path("there"));
  std::filesystem::permissions(dir.path("there"), std::filesystem::perms{0755});
  ASSERT_TRUE(make_data_dir(dir.path("there")).has_value());
  EXPECT_EQ(mode_of("there"), std::filesystem::perms{0755});
}

TEST(DataDir, folder_of_somebody_else_is_refused_and_named) {
  const TempDir dir;
  write_file(dir.path("thesis.tex"), "x");
  const Result<void> made = make_data_dir(dir.path());
  ASSERT_FALSE(made.has_value());
  EXPECT_EQ(made.error().code, ErrorCode::malformed);
  EXPECT_NE(made.error().message.find("'thesis.tex'"), std::string::npos);
}

TEST(DataDir, folder_that_pawl_began_is_taken) {
  const TempDir dir;
  write_file(dir.path("LOCK"), "1\n");
  std::filesystem::create_directory(dir.path("runs"));
  EXPECT_TRUE(make_data_dir(dir.path()).has_value());
}

TEST(DataDir, path_below_a_file_is_an_error_that_names_it) {
  const TempDir dir;
  write_file(dir.path("file"), "x");
  const Result<void> made = make_data_dir(dir.path("file/data"));
  ASSERT_FALSE(made.has_value());
  EXPECT_NE(made.error().message.find("file/data"), std::string::npos);
}

TEST(DataDir, seal_is_read_back_and_replaced) {
  const TempDir dir;
  EXPECT_EQ(*read_seal(dir.path()), Seq{0});
  ASSERT_TRUE(write_seal(dir.path(), Seq{5}).has_value());
  ASSERT_TRUE(write_seal(dir.path(), Seq{70000}).has_value());
  EXPECT_EQ(*read_seal(dir.path()), Seq{70000});
  EXPECT_FALSE(std::filesystem::exists(dir.path("sealed.new")));
}

TEST(DataDir, damaged_seal_is_an_error_that_names_the_file) {
  const TempDir dir;
  ASSERT_TRUE(write_seal(dir.path(), Seq{5}).has_value());
  write_file(dir.path("sealed"), content_of(dir.path("sealed")).substr(1));
  ASSERT_FALSE(read_seal(dir.path()).has_value());
  EXPECT_EQ(read_seal(dir.path()).error().code, ErrorCode::damaged);
  EXPECT_NE(read_seal(dir.path()).error().message.find("/sealed"), std::string::npos);
}

TEST(DataDir, free_space_is_told_and_missing_folder_is_missing) {
  const TempDir dir;
  const Result<FreeSpace> space = free_space(dir.path());
  ASSERT_TRUE(space.has_value());
  EXPECT_GT(space->bytes, 0U);
  EXPECT_EQ(free_space(dir.path("nothing")).error().code, ErrorCode::missing);
}

TEST(DataDir, file_system_that_counts_no_inodes_has_an_unknown_number) {
  EXPECT_FALSE(free_space("/proc")->inodes) << "f_files is 0 there";
}

TEST(DataDir, new_file_system_is_an_empty_folder) {
  const TempDir dir;
  std::filesystem::create_directory(dir.path("lost+found"));
  EXPECT_TRUE(make_data_dir(dir.path()).has_value());
}

TEST(DataDir, probe_says_when_a_daemon_lived_last_or_nothing) {
  const TempDir dir;
  const auto holds = [&](const std::string& text) { std::ofstream(dir.path("probe"), std::ios::binary) << text; };
  EXPECT_FALSE(read_probe(dir.path()));
  ASSERT_TRUE(probe_writable(dir.path(), TimeUs{1'767'225'600'000'000}).has_value());
  EXPECT_EQ(read_probe(dir.path()), TimeUs{1'767'225'600'000'000});
  ASSERT_TRUE(probe_writable(dir.path(), TimeUs{1'767'225'600'000'001}).has_value());
  EXPECT_EQ(read_probe(dir.path()), TimeUs{1'767'225'600'000'001}) << "written over";
  for (const char* text : {"", "\n", "17672256", "x7\n", "17 \n", "-5\n", "0\n", "1767225600000000\n\n", "+7\n",
                           "99999999999999999999\n", "00000000000000000000000000000000000001\n"}) {
    holds(text);
    EXPECT_FALSE(read_probe(dir.path())) << text;
  }
  std::filesystem::remove(dir.path("probe"));
  std::filesystem::create_directory(dir.path("probe"));
  EXPECT_FALSE(read_probe(dir.path()));
}

TEST(DataDir, probe_tells_whether_the_folder_can_be_written) {
  const TempDir dir;
  EXPECT_TRUE(probe_writable(dir.path(), TimeUs{1}).has_value());
  EXPECT_TRUE(probe_writable(dir.path(), TimeUs{1}).has_value());
  EXPECT_TRUE(make_data_dir(dir.path()).has_value()) << "it leaves only pawl's own files";
  std::filesystem::remove(dir.path("probe"));
  std::filesystem::create_directory(dir.path("probe"));
  ASSERT_FALSE(probe_writable(dir.path(), TimeUs{1}).has_value());
  EXPECT_NE(probe_writable(dir.path(), TimeUs{1}).error().message.find("/probe"), std::string::npos);
}

}  // namespace
}  // namespace pawl
