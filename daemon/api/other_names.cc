#include "daemon/api/other_names.h"

#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include <array>

#include "schema/number.h"

namespace pawl {
namespace {

constexpr std::size_t entry_bytes = 64 * 1024;  // a group with many members has a long entry
constexpr int groups_max = 1024;

std::string group_named(gid_t group) {
  std::vector<char> room(entry_bytes);
  ::group entry{};
  ::group* found = nullptr;
  const bool is_found = ::getgrgid_r(group, &entry, room.data(), room.size(), &found) == 0 && found;
  return is_found ? found->gr_name : std::string();
}

std::vector<std::string> names_of_user(uid_t user) {
  std::vector<char> room(entry_bytes);
  passwd entry{};
  passwd* found = nullptr;
  if (::getpwuid_r(user, &entry, room.data(), room.size(), &found) != 0 || !found) return {};
  std::vector<std::string> names{"user:" + std::string(found->pw_name)};
  std::vector<gid_t> groups(groups_max);
  int count = groups_max;
  if (::getgrouplist(found->pw_name, found->pw_gid, groups.data(), &count) < 0) return names;
  for (int i = 0; i < count; ++i) {
    const std::string name = group_named(groups[static_cast<std::size_t>(i)]);
    if (!name.empty()) names.push_back("group:" + name);
  }
  return names;
}

}  // namespace

std::vector<std::string> other_names(const Permit& permit) {
  constexpr std::string_view uid = "uid:";
  if (permit.principal.starts_with(uid)) {
    const auto user = read_number(std::string_view(permit.principal).substr(uid.size()), "uid");
    return user ? names_of_user(static_cast<uid_t>(*user)) : std::vector<std::string>();
  }
  std::vector<std::string> names;
  for (const std::string& group : permit.groups) names.push_back("group:" + group);
  return names;
}

}  // namespace pawl
