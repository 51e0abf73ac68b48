#include "store/member.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "store/files.h"
#include "store/os/file_io.h"
#include "store/os/inner_file.h"
#include "store/os/random.h"
#include "store/os/system_error.h"

namespace pawl {
namespace {

constexpr std::size_t id_digits = 32;

std::string without_line_end(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

/// Empty if the machine has none: an image that was never started has a word there instead.
std::string machine_id() {
  const Result<std::string> read = disk_files().read("/etc/machine-id");
  const std::string id = read ? without_line_end(*read) : std::string();
  return id == "uninitialized" ? std::string() : id;
}

/// What distinguishes this folder on this machine from any other: the machine id, if there is one, the folder's inode
/// number, and its creation time, if the file system records it. None of these changes when a kernel starts.
Result<std::string> place_of(const std::string& dir) {
  struct statx about {};
  if (::statx(AT_FDCWD, dir.c_str(), 0, STATX_INO | STATX_BTIME, &about) != 0) return system_error(dir, "stat");
  std::string place = "machine " + machine_id() + "\n";
  place += "folder " + std::to_string(about.stx_ino);
  if ((about.stx_mask & STATX_BTIME) != 0) {
    place += " " + std::to_string(about.stx_btime.tv_sec) + "." + std::to_string(about.stx_btime.tv_nsec);
  }
  return place + "\n";
}

Result<std::string> read_member(const std::string& dir, const std::string& path) {
  const Descriptor file = open_below(dir, "member", O_RDONLY);
  if (!file) return inner_error(path);
  PAWL_TRY(check_file(file, path));
  return read_to_end(file, path);
}

bool is_id(const std::string& text) {
  return text.size() == id_digits && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

}  // namespace

Result<Member> member_of(const std::string& dir) {
  Files& files = disk_files();
  const std::string path = dir + "/member";
  const std::string place = PAWL_TRY(place_of(dir));
  Member member;
  const Result<std::string> known = read_member(dir, path);
  if (!known && known.error().code != ErrorCode::missing) return known.error();
  if (known) {
    const std::size_t line_end = known->find('\n');
    const std::string id = known->substr(0, line_end);
    // A file that a crash truncated or that someone edited does not match any folder.
    if (is_id(id) && line_end != std::string::npos) {
      if (known->substr(line_end + 1) == place) {
        return Member{.id = id, .copied_of = {}, .has_machine = !machine_id().empty()};
      }
      member.copied_of = id;
    }
  }
  member.id = random_hex();
  member.has_machine = !machine_id().empty();
  const std::string fresh = path + ".new";
  PAWL_TRY(files.write(fresh, member.id + "\n" + place));
  PAWL_TRY(files.sync(fresh));
  PAWL_TRY(files.rename(fresh, path));
  PAWL_TRY(files.sync(dir));
  return member;
}

}  // namespace pawl
