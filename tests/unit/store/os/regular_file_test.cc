#include "store/os/regular_file.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>

#include "store/os/guarded_file.h"
#include "tests/unit/store/log_kit.h"

namespace pawl {
namespace {

std::string why(const std::string& path) {
  const Result<std::string> read = read_regular_file(path, 100);
  if (read) return "read";
  EXPECT_EQ(read.error().message.find(path + ": "), 0u) << read.error().message;
  return read.error().message.substr(path.size() + 2);
}

TEST(RegularFile, is_read_whole_also_through_links) {
  const TempDir dir;
  std::filesystem::create_directory(dir.path("..2026"));
  write_file(dir.path("..2026/secret"), "s3cret");
  std::filesystem::create_symlink("..2026", dir.path("..data"));
  std::filesystem::create_symlink("..data/secret", dir.path("secret"));
  EXPECT_EQ(*read_regular_file(dir.path("secret"), 6), "s3cret");
  EXPECT_EQ(read_regular_file(dir.path("secret"), 5).error().code, ErrorCode::malformed);
  EXPECT_EQ(read_regular_file(dir.path("none"), 5).error().code, ErrorCode::missing);
}

TEST(RegularFile, what_is_none_is_named_and_never_waited_for) {
  const TempDir dir;
  // It will never have a writer: opening it like a file would block forever.
  ASSERT_EQ(::mkfifo(dir.path("pipe").c_str(), 0600), 0);
  std::filesystem::create_symlink("pipe", dir.path("linked"));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, dir.path("socket").c_str(), sizeof address.sun_path - 1);
  const Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ::alarm(20);
  for (const char* pipe : {"pipe", "linked"}) {
    EXPECT_EQ(why(dir.path(pipe)),
              "is a pipe, as from `<(…)`: write the content to a file with mode 0600 and name that file");
  }
  EXPECT_EQ(why(dir.path("socket")), "is a socket, but must be a regular file");
  EXPECT_EQ(why(dir.path()), "is a folder, but must be a regular file");
  EXPECT_EQ(why("/dev/null"), "is a device, but must be a regular file");
  EXPECT_EQ(read_secret(dir.path("pipe")).error().code, ErrorCode::malformed);
  ::alarm(0);
}

TEST(RegularFile, link_to_a_secret_is_judged_by_what_it_leads_to) {
  const TempDir dir;
  write_file(dir.path("real"), "s3cret\n");
  std::filesystem::create_symlink("real", dir.path("secret"));
  ASSERT_EQ(::chmod(dir.path("real").c_str(), 0600), 0);
  EXPECT_EQ(*read_secret(dir.path("secret")), "s3cret");
  ASSERT_EQ(::chmod(dir.path("real").c_str(), 0644), 0);
  EXPECT_NE(read_secret(dir.path("secret")).error().message.find("others may read"), std::string::npos);
}

}  // namespace
}  // namespace pawl
