#include "daemon/space_watch.h"

#include <gtest/gtest.h>

#include <future>

#include "tests/unit/daemon/comes_true.h"

namespace pawl {
namespace {

Readiness seen(FreeSpace free) {
  SpaceWatch watch({.folder = "/nowhere",
                    .bytes_floor = 1000,
                    .inodes_floor = 10,
                    .free_space = [free](const std::string&) { return free; },
                    .probe = [](const std::string&, TimeUs) { return Result<void>(); }});
  return watch.look();
}

TEST(SpaceWatch, bytes_and_inodes_below_their_floor_are_too_few) {
  EXPECT_TRUE(seen({.bytes = 1000, .inodes = 10}).has_space);
  EXPECT_FALSE(seen({.bytes = 999, .inodes = 10}).has_space);
  EXPECT_FALSE(seen({.bytes = 1000, .inodes = 9}).has_space);
  EXPECT_FALSE(seen({.bytes = 1000, .inodes = 0}).has_space);
  EXPECT_EQ(seen({.bytes = 1000, .inodes = 12}).free_inodes, 12U);
}

TEST(SpaceWatch, file_system_that_does_not_count_inodes_has_enough) {
  EXPECT_TRUE(seen({.bytes = 1000}).has_space);
  EXPECT_FALSE(seen({.bytes = 1000}).free_inodes);
}

TEST(SpaceWatch, folder_that_cannot_be_written_is_told_of_until_it_can) {
  std::atomic<bool> is_read_only = false;
  std::mutex mutex;
  std::vector<std::string> told;
  SpaceWatch watch({.folder = "/nowhere",
                    .probe_interval = std::chrono::milliseconds(1),
                    .warn =
                        [&](const std::string& message) {
                          const std::lock_guard lock(mutex);
                          told.push_back(message);
                        },
                    .free_space = [](const std::string&) { return FreeSpace{.bytes = 1}; },
                    .probe = [&](const std::string&, TimeUs) -> Result<void> {
                      if (is_read_only) return Error{ErrorCode::io, "a sentence"};
                      return {};
                    }});
  EXPECT_TRUE(watch.look().can_write);
  is_read_only = true;
  EXPECT_TRUE(comes_true([&] { return !watch.look().can_write; }));
  EXPECT_TRUE(watch.look().has_space) << "space is checked separately";
  is_read_only = false;
  EXPECT_TRUE(comes_true([&] { return watch.look().can_write; }));
  EXPECT_TRUE(comes_true([&] {
    const std::lock_guard lock(mutex);
    return told.size() == 2;
  }));
  EXPECT_NE(told[0].find("a sentence"), std::string::npos);
}

TEST(SpaceWatch, too_little_room_is_told_of_from_the_start_and_once) {
  std::atomic<std::uint64_t> free = 20U << 20;
  std::mutex mutex;
  std::vector<std::string> told;
  const auto has_told = [&](std::size_t count) {
    const std::lock_guard lock(mutex);
    return told.size() == count;
  };
  SpaceWatch watch({.folder = "/nowhere",
                    .bytes_floor = 64U << 20,
                    .probe_interval = std::chrono::milliseconds(1),
                    .warn =
                        [&](const std::string& message) {
                          const std::lock_guard lock(mutex);
                          told.push_back(message);
                        },
                    .free_space = [&](const std::string&) { return FreeSpace{.bytes = free}; },
                    .probe = [](const std::string&, TimeUs) { return Result<void>(); }});
  EXPECT_TRUE(comes_true([&] { return has_told(1); }));
  EXPECT_EQ(told.front(), "nothing new can begin: the data folder has 20 MiB free and needs 64 MiB");
  free = 65U << 20;
  EXPECT_TRUE(comes_true([&] { return has_told(2); }));
  EXPECT_EQ(told.back(), "the data folder has enough room again");
}

TEST(SpaceWatch, each_probe_bears_the_time_up_to_which_all_is_told) {
  std::atomic<std::int64_t> now = 1;
  std::atomic<std::int64_t> probed = 0;
  SpaceWatch watch({.folder = "/nowhere",
                    .probe_interval = std::chrono::milliseconds(1),
                    .free_space = [](const std::string&) { return FreeSpace{.bytes = 1}; },
                    .now = [&] { return TimeUs{now}; },
                    .probe =
                        [&](const std::string&, TimeUs time) {
                          probed = time.us;
                          return Result<void>();
                        }});
  EXPECT_TRUE(comes_true([&] { return probed == 1; }));
  now = 2;
  EXPECT_TRUE(comes_true([&] { return probed == 2; }));
}

TEST(SpaceWatch, disk_that_does_not_answer_cannot_be_written_and_holds_up_nobody) {
  std::promise<void> answers;
  const std::shared_future<void> answer = answers.get_future().share();
  {
    SpaceWatch watch({.folder = "/nowhere",
                      .probe_patience = std::chrono::milliseconds(1),
                      .free_space = [](const std::string&) { return FreeSpace{.bytes = 1}; },
                      .probe =
                          [answer](const std::string&, TimeUs) {
                            answer.wait();
                            return Result<void>();
                          }});
    EXPECT_TRUE(comes_true([&] { return !watch.look().can_write; }));
  }
  answers.set_value();
}

}  // namespace
}  // namespace pawl
