#include "store/os/inner_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "tests/unit/store/log_kit.h"

namespace pawl {
namespace {

namespace fs = std::filesystem;

/// In a folder "data", where this process works as a daemon does, beside a "precious" one that it must not touch.
class InnerFile : public testing::Test {
 protected:
  InnerFile() : before_(::open(".", O_PATH | O_DIRECTORY | O_CLOEXEC)) {
    fs::create_directory(dir.path("data"));
    fs::create_directory(dir.path("data/logs"));
    fs::create_directory(dir.path("elsewhere"));
    write_file(dir.path("elsewhere/file"), "precious");
    EXPECT_EQ(::chdir(dir.path("data").c_str()), 0);
  }
  ~InnerFile() override { EXPECT_EQ(::fchdir(before_.get()), 0); }

  std::string precious() const { return content_of(dir.path("elsewhere/file")); }
  static void link(const std::string& to, const std::string& name) { fs::create_symlink(to, name); }

  const TempDir dir;

 private:
  const Descriptor before_;
};

TEST_F(InnerFile, what_is_there_is_opened_by_each_way) {
  write_file("logs/x", "said");
  EXPECT_TRUE(open_inner("./logs/x", O_RDONLY));
  EXPECT_TRUE(open_inner("logs/x", O_RDONLY));
  EXPECT_TRUE(open_inner(dir.path("data/logs/x"), O_RDONLY));
  EXPECT_TRUE(open_below(dir.path("data"), "logs//./x", O_RDONLY));
  EXPECT_TRUE(open_below(open_inner("./logs", O_RDONLY | O_DIRECTORY), "x", O_RDONLY));
  EXPECT_FALSE(open_inner("./logs/y", O_RDONLY));
  EXPECT_EQ(inner_error("./logs/y").code, ErrorCode::missing);
  EXPECT_FALSE(open_inner("./none/y", O_RDONLY));
  EXPECT_EQ(errno, ENOENT);
  EXPECT_FALSE(open_inner("./logs/x/y", O_RDONLY));
  EXPECT_EQ(errno, ENOTDIR);
}

TEST_F(InnerFile, no_link_is_followed_be_it_the_file_or_a_folder_before_it) {
  link(dir.path("elsewhere/file"), "logs/file");
  link(dir.path("elsewhere"), "logs/task-1");
  link("../elsewhere", "runs");
  link("nowhere", "logs/dangling");
  for (const char* path : {"./logs/file", "./logs/task-1/file", "./runs/file", "./logs/dangling"}) {
    for (const int flags : {O_RDONLY, O_RDWR | O_CREAT, O_WRONLY | O_APPEND | O_CREAT}) {
      EXPECT_FALSE(open_inner(path, flags, 0640)) << path;
      EXPECT_EQ(errno, ELOOP) << path;
      EXPECT_NE(inner_error(path).message.find("is a link"), std::string::npos);
    }
    EXPECT_FALSE(open_below(dir.path("data"), path, O_RDONLY)) << path;
  }
  EXPECT_FALSE(open_inner(dir.path("data/logs/file"), O_RDONLY))
      << "in an absolute name, only the last part is checked";
  EXPECT_FALSE(open_inner("./runs", O_RDONLY | O_DIRECTORY));
  EXPECT_FALSE(fs::exists("logs/nowhere"));
  EXPECT_EQ(precious(), "precious");
}

TEST_F(InnerFile, folder_that_is_named_by_a_link_is_that_folder) {
  link(dir.path("elsewhere"), dir.path("named"));
  EXPECT_TRUE(open_below(dir.path("named"), "file", O_RDONLY));
}

TEST_F(InnerFile, pipe_is_not_waited_for_and_is_no_file) {
  ASSERT_EQ(::mkfifo("logs/pipe", 0600), 0);
  const Descriptor pipe = open_inner("./logs/pipe", O_RDONLY);
  ASSERT_TRUE(pipe);
  EXPECT_FALSE(check_file(pipe, "p").has_value());
  EXPECT_FALSE(check_written(pipe, "p").has_value());
  EXPECT_FALSE(read_below(".", "logs/pipe", 10).has_value());
}

TEST_F(InnerFile, file_of_two_names_is_not_written_into) {
  fs::create_hard_link(dir.path("elsewhere/file"), "probe");
  const Result<void> refused = check_written(open_inner("./probe", O_WRONLY), "./probe");
  ASSERT_FALSE(refused.has_value());
  EXPECT_NE(refused.error().message.find("hard link"), std::string::npos);
  EXPECT_TRUE(check_file(open_inner("./probe", O_RDONLY), "./probe").has_value()) << "reading it is harmless";
  EXPECT_FALSE(append_below(".", "probe", "x").has_value());
  fs::remove("probe");
  write_file("probe", "");
  EXPECT_TRUE(check_written(open_inner("./probe", O_WRONLY), "./probe").has_value());
}

TEST_F(InnerFile, what_is_written_takes_the_place_of_whatever_stood_there) {
  link(dir.path("elsewhere/file"), "linked");
  fs::create_hard_link(dir.path("elsewhere/file"), "hard");
  ASSERT_EQ(::mkfifo("pipe", 0600), 0);
  for (const char* name : {"linked", "hard", "pipe", "new"}) {
    ASSERT_TRUE(write_inner(std::string("./") + name, "fresh").has_value()) << name;
    EXPECT_EQ(content_of(name), "fresh");
    EXPECT_TRUE(fs::is_regular_file(fs::symlink_status(name)));
    ASSERT_TRUE(write_below(dir.path("data"), name, "again").has_value()) << name;
    EXPECT_EQ(content_of(name), "again");
  }
  EXPECT_EQ(precious(), "precious");
  link(dir.path("elsewhere"), "away");
  EXPECT_FALSE(write_inner("./away/file", "fresh").has_value());
  EXPECT_FALSE(write_below(".", "away/file", "fresh").has_value());
  fs::create_directory("folder");
  EXPECT_FALSE(write_inner("./folder", "fresh").has_value());
  EXPECT_EQ(precious(), "precious");
}

TEST_F(InnerFile, what_is_made_is_closed_to_others) {
  const mode_t before = ::umask(0);
  EXPECT_TRUE(write_inner("./made", "").has_value());
  EXPECT_TRUE(make_inner_folders("./one/two").has_value());
  ::umask(before);
  EXPECT_EQ(fs::status("made").permissions(), fs::perms{0640});
  EXPECT_EQ(fs::status("one").permissions(), fs::perms{0750});
  EXPECT_EQ(fs::status("one/two").permissions(), fs::perms{0750});
}

TEST_F(InnerFile, folders_are_made_in_real_ones_alone) {
  link(dir.path("elsewhere"), "runs");
  EXPECT_TRUE(make_inner_folders("./logs/task-1").has_value());
  EXPECT_TRUE(make_inner_folders("./logs/task-1").has_value()) << "it exists";
  for (const char* path : {"./runs", "./runs/inner"}) {
    const Result<void> made = make_inner_folders(path);
    ASSERT_FALSE(made.has_value()) << path;
    EXPECT_NE(made.error().message.find(path), std::string::npos) << made.error().message;
  }
  EXPECT_FALSE(fs::exists(dir.path("elsewhere/inner")));
  write_file("file", "");
  EXPECT_FALSE(make_inner_folders("./file").has_value());
}

TEST_F(InnerFile, names_are_removed_and_never_what_they_lead_to) {
  link(dir.path("elsewhere"), "runs");
  EXPECT_FALSE(remove_inner("./runs/file"));
  EXPECT_EQ(precious(), "precious");
  EXPECT_TRUE(remove_inner("./runs"));
  EXPECT_EQ(precious(), "precious");
}

TEST_F(InnerFile, reading_is_bounded) {
  write_file("x", "12345");
  EXPECT_EQ(*read_below(".", "x", 5), "12345");
  EXPECT_EQ(read_below(".", "x", 4).error().code, ErrorCode::malformed);
  ASSERT_TRUE(append_below(".", "x", "6").has_value());
  EXPECT_EQ(*read_below(".", "x", 6), "123456");
}

}  // namespace
}  // namespace pawl
