// The total size of DIR/logs stays within its bounds.
#include "daemon/work/log_room.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "daemon/work/output_log.h"
#include "daemon/work/stored_output.h"
#include "tests/unit/daemon/served.h"

namespace pawl {
namespace {

namespace fs = std::filesystem;

class LogRoomTest : public Served {
 protected:
  /// A log of that many KiB, written that many seconds ago.
  fs::path log(const std::string& name, std::size_t kib, std::int64_t age_s) {
    const fs::path path = fs::path(logs_folder) / name;
    fs::create_directories(path.parent_path());
    std::ofstream(path) << std::string(kib * 1024, 'x');
    age(path, age_s);
    return path;
  }
  static void age(const fs::path& path, std::int64_t age_s) {
    const std::array<timespec, 2> times{timespec{::time(nullptr) - age_s, 0}, timespec{::time(nullptr) - age_s, 0}};
    ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times.data(), 0), 0);
  }
  std::size_t look(const LogRoom::Bounds& bounds, std::size_t removed_per_look = 1000) {
    LogRoom room(*sequencer, {.folder = logs_folder,
                              .bounds = [bounds] { return bounds; },
                              .removed_per_look = removed_per_look,
                              .rows_per_ask = 1});
    return room.look();
  }
  std::string end_task(int task) {
    return post("/v1/tasks/" + std::to_string(task) + "/cancel", "{}").at("/task/stage");
  }
};

TEST_F(LogRoomTest, oldest_of_ended_tasks_go_first_and_only_until_the_rest_fits) {
  create("W-1");
  create("W-2");
  EXPECT_EQ(end_task(1), "\"cancelled\"");
  EXPECT_EQ(end_task(2), "\"cancelled\"");
  const fs::path oldest = log("task-1/v1~a~gate~20260101T000000.000000Z.log", 64, 300);
  const fs::path middle = log("job-2-1.log", 64, 200);
  const fs::path newest = log("task-2/v1~a~gate~20260101T000000.000000Z.log", 64, 100);
  EXPECT_EQ(look({.bytes_max = 140 * 1024, .age_s_max = 0}), 1u);
  EXPECT_FALSE(fs::exists(oldest));
  EXPECT_FALSE(fs::exists(oldest.parent_path())) << "the task's folder is gone too";
  EXPECT_TRUE(fs::exists(middle));
  EXPECT_TRUE(fs::exists(newest));
  EXPECT_EQ(look({.bytes_max = 140 * 1024, .age_s_max = 0}), 0u);
}

TEST_F(LogRoomTest, what_belongs_to_a_live_task_stays_however_old_and_large) {
  create("W-1");
  const fs::path of_job = log("job-1-1.log", 64, 1'000'000);
  const fs::path of_task = log("task-1/v1~a~step~merge~20260101T000000.000000Z.log", 64, 1'000'000);
  EXPECT_EQ(look({.bytes_max = 1, .age_s_max = 1}), 0u);
  EXPECT_TRUE(fs::exists(of_job));
  EXPECT_TRUE(fs::exists(of_task));
  end_task(1);
  EXPECT_EQ(look({.bytes_max = 0, .age_s_max = 3600}), 2u);
  EXPECT_FALSE(fs::exists(of_job));
  EXPECT_FALSE(fs::exists(of_task));
}

TEST_F(LogRoomTest, what_belongs_to_a_live_task_does_not_keep_the_rest_from_going) {
  create("W-1");
  create("W-2");
  end_task(2);
  for (int i = 1; i <= 4; ++i) log("job-1-" + std::to_string(i) + ".log", 4, 2000 + i);
  const fs::path of_ended = log("job-2-1.log", 4, 1000);
  EXPECT_EQ(look({.bytes_max = 1, .age_s_max = 0}, 2), 1u) << "although a look considers two, and older ones exist";
  EXPECT_FALSE(fs::exists(of_ended));
}

TEST_F(LogRoomTest, without_bounds_nothing_goes) {
  const fs::path of_nobody = log("job-9-1.log", 64, 1'000'000'000);
  EXPECT_EQ(look({.bytes_max = 0, .age_s_max = 0}), 0u);
  EXPECT_TRUE(fs::exists(of_nobody));
}

TEST_F(LogRoomTest, what_somebody_may_still_write_to_stays) {
  const fs::path path = log("job-9-1.log", 64, 1'000'000);
  const auto open = open_log(path.string()).value();
  age(path, 1'000'000);
  EXPECT_EQ(look({.bytes_max = 1, .age_s_max = 1}), 0u);
  EXPECT_TRUE(fs::exists(path));
}

TEST_F(LogRoomTest, parts_count_and_go_with_their_log) {
  const fs::path path = log("job-9-1.log", 4, 500);
  const fs::path part = log("job-9-1.log.parts/0000000000000009999", 256, 400);
  EXPECT_EQ(look({.bytes_max = 512 * 1024, .age_s_max = 450}), 0u) << "its newest part is not that old";
  EXPECT_EQ(look({.bytes_max = 128 * 1024, .age_s_max = 0}), 1u);
  EXPECT_FALSE(fs::exists(path));
  EXPECT_FALSE(fs::exists(part.parent_path()));
}

TEST_F(LogRoomTest, folder_of_logs_that_is_a_link_is_left_alone) {
  log("job-9-1.log", 4, 1'000'000);
  fs::rename(logs_folder, logs_folder + "-elsewhere");
  fs::create_symlink(logs_folder + "-elsewhere", logs_folder);
  EXPECT_EQ(look({.bytes_max = 1, .age_s_max = 1}), 0u);
  EXPECT_TRUE(fs::exists(logs_folder + "-elsewhere/job-9-1.log"));
  fs::remove(logs_folder);
  fs::rename(logs_folder + "-elsewhere", logs_folder);
  EXPECT_EQ(look({.bytes_max = 1, .age_s_max = 1}), 1u);
}

TEST_F(LogRoomTest, files_that_are_no_logs_and_links_that_lead_elsewhere_are_left_alone) {
  const fs::path elsewhere = fs::path(logs_folder + "-elsewhere");
  fs::create_directories(elsewhere);
  const fs::path precious = elsewhere / "v1~a~gate~20260101T000000.000000Z.log";
  std::ofstream(precious) << "x";
  age(precious, 1'000'000);
  fs::create_symlink(elsewhere, logs_folder + "/task-5");
  const fs::path alert = log("alert-command.log", 64, 1'000'000);
  const fs::path notes = log("task-6/notes.txt", 64, 1'000'000);
  EXPECT_EQ(look({.bytes_max = 1, .age_s_max = 1}), 0u);
  EXPECT_TRUE(fs::exists(precious));
  EXPECT_TRUE(fs::exists(alert));
  EXPECT_TRUE(fs::exists(notes));
  fs::remove_all(elsewhere);
}

TEST_F(LogRoomTest, one_look_removes_a_bounded_number_and_the_oldest_of_all) {
  for (int i = 1; i <= 50; ++i) log("job-9-" + std::to_string(i) + ".log", 4, 1000 + i);
  EXPECT_EQ(look({.bytes_max = 0, .age_s_max = 10}, 5), 5u);
  for (int i = 46; i <= 50; ++i) EXPECT_FALSE(fs::exists(logs_folder + "/job-9-" + std::to_string(i) + ".log")) << i;
  EXPECT_TRUE(fs::exists(logs_folder + "/job-9-45.log"));
}

}  // namespace
}  // namespace pawl
