#include "store/folder_guard.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "store/data_dir.h"
#include "store/os/file_mask.h"
#include "store/rocks_log.h"
#include "tests/unit/store/log_kit.h"

namespace pawl {
namespace {

namespace fs = std::filesystem;

mode_t mode_of(const std::string& path) {
  struct stat about {};
  EXPECT_EQ(::lstat(path.c_str(), &about), 0) << path;
  return about.st_mode & 07777;
}

void set_mode(const std::string& path, mode_t mode) {
  ASSERT_EQ(::chmod(path.c_str(), mode), 0) << path;
}

std::string why(const std::string& dir) {
  const Result<DirLock> taken = DirLock::take(dir);
  if (taken) return "";
  EXPECT_EQ(taken.error().code, ErrorCode::malformed) << taken.error().message;
  return taken.error().message;
}

/// A folder with a log, as left by a daemon.
class FolderGuard : public testing::Test {
 protected:
  FolderGuard() {
    EXPECT_TRUE(RocksLog::open(dir.path("data"), RocksLog::Mode::write));
    for (const char* name : {"logs", "repos", "runs", "steps", "work"}) fs::create_directory(at(name));
    EXPECT_TRUE(probe_writable(at(), TimeUs{1}).has_value());
    EXPECT_TRUE(write_seal(at(), Seq{}).has_value());
    write_file(at("member"), "m\n");
    fs::create_directory(dir.path("elsewhere"));
    EXPECT_TRUE(DirLock::take(at()));  // narrowed
  }
  std::string at(const std::string& name = "") const { return dir.path(name.empty() ? "data" : "data/" + name); }
  std::string said() const {
    const Result<DirLock> taken = DirLock::take(at());
    EXPECT_TRUE(taken) << taken.error().message;
    std::string all;
    for (const std::string& each : taken->narrowed()) all += each + "\n";
    return all;
  }

  const TempDir dir;
};

TEST_F(FolderGuard, folder_that_others_may_write_is_refused_and_left_as_it_is) {
  for (const mode_t mode : {0777u, 0757u, 0775u, 0770u, 0720u, 01777u, 02770u}) {
    set_mode(at(), mode);
    EXPECT_NE(why(at()).find("chmod go-w " + at()), std::string::npos) << std::oct << mode;
    EXPECT_NE(make_data_dir(at()).error().message.find("chmod go-w " + at()), std::string::npos);
    EXPECT_EQ(mode_of(at()), mode);
  }
  EXPECT_TRUE(RocksLog::open(at(), RocksLog::Mode::read_only)) << "reading is harmless";
  EXPECT_EQ(mode_of(at()), 02770u);
  set_mode(at(), 0700);
  EXPECT_EQ(why(at()), "");
}

TEST_F(FolderGuard, folder_of_another_user_is_refused_also_to_root) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to act as another user";
  ASSERT_EQ(::chown(at().c_str(), 65534, 65534), 0);
  const std::string lock = content_of(at("LOCK"));
  EXPECT_NE(why(at()).find("chown -R 0 " + at()), std::string::npos) << why(at());
  EXPECT_NE(why(at()).find("sudo -u "), std::string::npos);
  EXPECT_FALSE(RocksLog::open(at(), RocksLog::Mode::write));
  EXPECT_TRUE(RocksLog::open(at(), RocksLog::Mode::read_only));
  EXPECT_EQ(content_of(at("LOCK")), lock);
}

TEST_F(FolderGuard, name_that_a_shell_would_split_is_quoted) {
  const std::string odd = dir.path("my data's");
  fs::create_directory(odd);
  set_mode(odd, 0777);
  EXPECT_NE(why(odd).find("chmod go-w '" + dir.path("my data") + "'\\''s'"), std::string::npos) << why(odd);
}

TEST_F(FolderGuard, what_others_may_read_is_narrowed_and_told_once) {
  EXPECT_EQ(said(), "");
  set_mode(at(), 02755);
  set_mode(at("logs"), 0777);
  set_mode(at("runs"), 0751);
  set_mode(at("member"), 0666);
  set_mode(at("LOCK"), 0644);
  set_mode(at("log/CURRENT"), 0644);
  write_file(at("notes"), "somebody's");
  set_mode(at("notes"), 0644);
  const std::string told = said();
  EXPECT_NE(told.find(at() + ": others had access (mode 2755); narrowed to 2750\n"), std::string::npos) << told;
  EXPECT_NE(told.find(at("logs") + ": others had access (mode 0777); narrowed to 0750\n"), std::string::npos);
  EXPECT_NE(told.find("3 of its files narrowed to 0640 (LOCK had mode 0644)"), std::string::npos) << told;
  EXPECT_EQ(mode_of(at()), 02750u);
  EXPECT_EQ(mode_of(at("logs")), 0750u);
  EXPECT_EQ(mode_of(at("runs")), 0750u);
  for (const char* file : {"member", "LOCK", "log/CURRENT"}) EXPECT_EQ(mode_of(at(file)), 0640u) << file;
  EXPECT_EQ(mode_of(at("notes")), 0644u) << "not pawl's file; the folder's mode protects it";
  EXPECT_EQ(said(), "");
  set_mode(at(), 0700);
  EXPECT_EQ(said(), "") << "stricter modes are kept";
  EXPECT_EQ(mode_of(at()), 0700u);
}

TEST_F(FolderGuard, who_is_kept_off_narrows_nothing) {
  const Result<DirLock> held = DirLock::take(at());
  ASSERT_TRUE(held);
  set_mode(at(), 0755);
  EXPECT_EQ(DirLock::take(at()).error().code, ErrorCode::busy);
  EXPECT_EQ(mode_of(at()), 0755u);
}

TEST_F(FolderGuard, links_in_the_place_of_what_is_pawls_are_refused) {
  for (const std::string name :
       {"LOCK", "member", "probe", "sealed", "log", "logs", "repos", "runs", "steps", "work", "log/CURRENT"}) {
    const std::string away = dir.path("elsewhere/moved");
    fs::rename(at(name), away);
    const auto before = fs::last_write_time(away);
    fs::create_symlink(away, at(name));
    const std::string told = why(at());
    EXPECT_EQ(told.find(at(name) + " is a link"), 0u) << told;
    EXPECT_EQ(told.find("mount --bind") != std::string::npos, fs::is_directory(away)) << told;
    EXPECT_EQ(fs::last_write_time(away), before) << name;
    fs::remove(at(name));
    fs::rename(away, at(name));
  }
  EXPECT_EQ(why(at()), "");
}

TEST_F(FolderGuard, link_to_nothing_makes_nothing) {
  fs::remove(at("LOCK"));
  fs::create_symlink(dir.path("elsewhere/new"), at("LOCK"));
  EXPECT_NE(why(at()).find("LOCK is a link"), std::string::npos);
  EXPECT_FALSE(fs::exists(dir.path("elsewhere/new")));
}

TEST_F(FolderGuard, what_is_of_another_kind_is_refused_and_not_waited_for) {
  ::alarm(20);
  for (const char* name : {"LOCK", "member", "probe", "sealed"}) {
    fs::rename(at(name), dir.path("aside"));
    ASSERT_EQ(::mkfifo(at(name).c_str(), 0600), 0);
    EXPECT_EQ(why(at()).find(at(name) + " is not a regular file"), 0u) << name;
    fs::remove(at(name));
    fs::rename(dir.path("aside"), at(name));
  }
  fs::remove(at("runs"));
  write_file(at("runs"), "");
  EXPECT_EQ(why(at()).find(at("runs") + " is not a folder"), 0u);
  fs::remove(at("runs"));
  ASSERT_EQ(::mkfifo(at("log/000777.log").c_str(), 0600), 0);
  EXPECT_EQ(why(at()).find(at("log/000777.log") + " is not a regular file"), 0u);
  ::alarm(0);
}

TEST_F(FolderGuard, second_name_of_the_lock_is_refused_and_not_written_into) {
  write_file(dir.path("precious"), "precious");
  fs::remove(at("LOCK"));
  fs::create_hard_link(dir.path("precious"), at("LOCK"));
  EXPECT_NE(why(at()).find("rm " + at("LOCK")), std::string::npos) << why(at());
  EXPECT_EQ(content_of(dir.path("precious")), "precious");
  fs::remove(at("LOCK"));
  EXPECT_EQ(why(at()), "") << "it is created again";
}

TEST_F(FolderGuard, copy_by_hard_links_keeps_what_it_has) {
  for (const char* name : {"probe", "member", "sealed", "log/CURRENT"}) {
    fs::create_hard_link(at(name), dir.path("elsewhere/" + fs::path(name).filename().string()));
  }
  const std::string had = content_of(at("probe"));
  EXPECT_EQ(why(at()), "");
  ASSERT_TRUE(probe_writable(at(), TimeUs{77}).has_value());
  EXPECT_EQ(content_of(at("probe")), "77\n");
  EXPECT_EQ(content_of(dir.path("elsewhere/probe")), had);
  ASSERT_TRUE(write_seal(at(), Seq{2}).has_value());
  EXPECT_NE(content_of(dir.path("elsewhere/sealed")), content_of(at("sealed")));
}

TEST_F(FolderGuard, folder_itself_may_be_named_by_a_link) {
  fs::create_symlink(at(), dir.path("named"));
  EXPECT_EQ(why(dir.path("named")), "");
}

TEST_F(FolderGuard, private_files_are_closed_whatever_the_umask) {
  for (const mode_t mask : {0000u, 0022u, 0077u}) {
    const mode_t before = ::umask(mask);
    {
      const PrivateFiles here;
      EXPECT_TRUE(RocksLog::open(dir.path("new"), RocksLog::Mode::write));
    }
    EXPECT_EQ(::umask(before), mask) << "and restored";
    for (const auto& entry : fs::recursive_directory_iterator(dir.path("new"))) {
      const mode_t most = entry.is_directory() ? 0750 : 0640;
      EXPECT_EQ(mode_of(entry.path()) & ~most, 0u) << entry.path();
      EXPECT_EQ(mode_of(entry.path()) & mask, 0u) << entry.path();
    }
    fs::remove_all(dir.path("new"));
  }
}

}  // namespace
}  // namespace pawl
