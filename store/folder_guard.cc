#include "store/folder_guard.h"

#include <dirent.h>
#include <fcntl.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <string_view>

#include "store/os/inner_file.h"
#include "store/os/system_error.h"

namespace pawl {
namespace {

constexpr std::array<const char*, 4> own_files = {"LOCK", "member", "probe", "sealed"};
constexpr std::array<const char*, 6> own_folders = {"log", "logs", "repos", "runs", "steps", "work"};

constexpr mode_t mode_bits = 07777;

std::string octal(mode_t mode) {
  std::array<char, 8> text{};
  std::snprintf(text.data(), text.size(), "%04o", static_cast<unsigned>(mode & mode_bits));
  return text.data();
}

/// The user's name for use in a command; the uid if there is no name.
std::string user_named(uid_t user) {
  std::array<char, 4096> room{};
  passwd entry{};
  passwd* found = nullptr;
  if (::getpwuid_r(user, &entry, room.data(), room.size(), &found) == 0 && found) return found->pw_name;
  return "#" + std::to_string(user);
}

/// Quoted as one word for a shell.
std::string quoted(const std::string& text) {
  const auto is_plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("/._-+,:@").find(c) != std::string_view::npos;
  };
  if (!text.empty() && std::all_of(text.begin(), text.end(), is_plain)) return text;
  std::string out = "'";
  for (const char c : text) c == '\'' ? out += "'\\''" : out += c;
  return out + "'";
}

/// None if it does not exist.
Result<std::optional<struct stat>> about(const Descriptor& folder, const std::string& name, const std::string& path) {
  struct stat found {};
  if (::fstatat(folder.get(), name.c_str(), &found, AT_SYMLINK_NOFOLLOW) == 0) return std::optional(found);
  if (errno == ENOENT) return std::optional<struct stat>();
  return system_error(path, "stat");
}

Error link_error(const std::string& path, bool is_folder) {
  return {ErrorCode::malformed,
          path + " is a link, and pawl follows no links in a data folder: replace it with its target" +
              (is_folder ? ", or mount the target there (mount --bind)" : "")};
}

struct CloseListing {
  void operator()(DIR* folder) const { ::closedir(folder); }
};

/// The entries of one of our folders; empty if it does not exist.
Result<std::vector<std::string>> names_in(const Descriptor& folder, const std::string& name, const std::string& path) {
  std::vector<std::string> names;
  const int opened = ::openat(folder.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (opened < 0 && errno == ENOENT) return names;
  const std::unique_ptr<DIR, CloseListing> entries(opened >= 0 ? ::fdopendir(opened) : nullptr);
  if (!entries) return system_error(path, "cannot be listed");
  for (errno = 0; const dirent* entry = ::readdir(entries.get());) {
    const std::string_view each = static_cast<const char*>(entry->d_name);
    if (each != "." && each != "..") names.emplace_back(each);
  }
  if (errno != 0) return system_error(path, "cannot be listed");
  std::sort(names.begin(), names.end());
  return names;
}

/// RocksDB opens by name whatever is there.
Result<void> check_log(const Descriptor& folder, const std::string& name) {
  const std::string path = name + "/log";
  const std::vector<std::string> names = PAWL_TRY(names_in(folder, "log", path));
  for (const std::string& each : names) {
    const auto found = PAWL_TRY(about(folder, "log/" + each, path + "/" + each));
    if (!found || S_ISREG(found->st_mode) || S_ISDIR(found->st_mode)) continue;
    if (S_ISLNK(found->st_mode)) return link_error(path + "/" + each, false);
    return Error{ErrorCode::malformed, path + "/" + each + " is not a regular file and not part of a log: remove it"};
  }
  return {};
}

/// Removes all permissions except `most`, if it is ours. Returns the old mode; none if nothing had to be removed.
Result<std::optional<mode_t>> narrowed(const Descriptor& folder, const std::string& name, const std::string& path,
                                       mode_t most) {
  const auto found = PAWL_TRY(about(folder, name, path));
  if (!found || found->st_uid != ::geteuid() || (found->st_mode & mode_bits & ~most) == 0) {
    return std::optional<mode_t>();
  }
  if (!S_ISREG(found->st_mode) && !S_ISDIR(found->st_mode)) return std::optional<mode_t>();
  const Descriptor file = open_below(folder, name, O_RDONLY);
  struct stat opened {};
  if (!file || ::fstat(file.get(), &opened) != 0) return system_error(path, "open");
  if (::fchmod(file.get(), opened.st_mode & most) != 0) return system_error(path, "chmod");
  return std::optional<mode_t>(opened.st_mode);
}

}  // namespace

Result<void> check_folder(const struct stat& about, const std::string& name) {
  const uid_t us = ::geteuid();
  if (about.st_uid != us) {
    const std::string owner = user_named(about.st_uid);
    return Error{ErrorCode::malformed,
                 name + " belongs to the user " + owner + ", but this process runs as " + user_named(us) +
                     ", whose files would lock that user out. Run it as that user (sudo -u " + quoted(owner) +
                     "), or change the owner: chown -R " + std::to_string(us) + " " + quoted(name)};
  }
  if ((about.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return Error{ErrorCode::malformed, name + " can be written by others (mode " + octal(about.st_mode) +
                                           "), who could replace pawl's files. Fix it with: " + "chmod go-w " +
                                           quoted(name)};
  }
  return {};
}

Result<void> check_entries(const Descriptor& folder, const std::string& name) {
  for (const std::string each : own_files) {
    const std::string path = name + "/" + each;
    const auto found = PAWL_TRY(about(folder, each, path));
    if (!found) continue;
    if (S_ISLNK(found->st_mode)) return link_error(path, false);
    if (!S_ISREG(found->st_mode)) return Error{ErrorCode::malformed, path + " is not a regular file: remove it"};
    if (found->st_nlink > 1 && each == "LOCK") {
      return Error{
          ErrorCode::malformed,
          path +
              " has another name (a hard link), and pawl writes into it. Remove it, and pawl creates a new one: rm " +
              quoted(path)};
    }
  }
  for (const std::string each : own_folders) {
    const std::string path = name + "/" + each;
    const auto found = PAWL_TRY(about(folder, each, path));
    if (found && S_ISLNK(found->st_mode)) return link_error(path, true);
    if (found && !S_ISDIR(found->st_mode)) return Error{ErrorCode::malformed, path + " is not a folder: remove it"};
  }
  return check_log(folder, name);
}

Result<std::vector<std::string>> narrow_folder(const Descriptor& folder, const std::string& name) {
  constexpr mode_t of_folders = S_ISGID | 0750;
  constexpr mode_t of_files = 0640;
  std::vector<std::string> said;
  const auto tell = [&said](const std::string& path, mode_t had, mode_t most) {
    said.push_back(path + ": others had access (mode " + octal(had) + "); narrowed to " + octal(had & most));
  };
  const auto self = PAWL_TRY(narrowed(folder, ".", name, of_folders));
  if (self) tell(name, *self, of_folders);
  for (const std::string each : own_folders) {
    const auto had = PAWL_TRY(narrowed(folder, each, name + "/" + each, of_folders));
    if (had) tell(name + "/" + each, *had, of_folders);
  }
  std::vector<std::string> files(own_files.begin(), own_files.end());
  for (const std::string& each : PAWL_TRY(names_in(folder, "log", name + "/log"))) files.push_back("log/" + each);
  std::size_t count = 0;
  std::string first;
  for (const std::string& each : files) {
    const auto found = PAWL_TRY(about(folder, each, name + "/" + each));
    if (!found || !S_ISREG(found->st_mode)) continue;
    const auto had = PAWL_TRY(narrowed(folder, each, name + "/" + each, of_files));
    if (had && count++ == 0) first = each + " had mode " + octal(*had);
  }
  // One sentence for all files: an old log has many.
  if (count > 0) {
    said.push_back(name + ": " + std::to_string(count) + " of its files narrowed to 0640 (" + first + ")");
  }
  return said;
}

}  // namespace pawl
