#include "tools/forensics/explain_boots.h"

#include "engine/state/state.h"

namespace pawl {
namespace {

constexpr char mark_end = '\x01';

}  // namespace

std::string boot_mark(BootMark mark, std::string_view boot_id) {
  return std::string{mark_end, static_cast<char>(mark)} + std::string(boot_id) + mark_end;
}

BootNames::BootNames(const std::map<std::string, BootSeen>& boots, const std::set<std::string>& ids) : boots_(boots) {
  std::map<std::string, std::set<std::string>> hosts_of;
  for (const std::string& id : ids) {
    if (const auto boot = boots.find(id); boot != boots.end()) hosts_of[boot->second.name].insert(boot->second.host);
  }
  std::set<std::string> seen;
  for (const auto& [name, hosts] : hosts_of) {
    if (hosts.size() < 2) continue;
    ambiguous_.insert(name);
    for (const std::string& host : hosts) {
      if (!seen.insert(host).second || hosts_of.contains(host)) shared_.insert(host);
    }
  }
}

std::string BootNames::host_told_apart(const std::string& boot_id) const {
  const auto boot = boots_.find(boot_id);
  return boot != boots_.end() && ambiguous_.contains(boot->second.name) ? boot->second.host : std::string();
}

std::string BootNames::instead_of(BootMark mark, const std::string& boot_id, std::string_view actor) const {
  const auto boot = boots_.find(boot_id);
  const std::string name = boot == boots_.end() ? boot_id : boot->second.name;
  if (const std::string host = host_told_apart(boot_id); !host.empty()) {
    if (mark == BootMark::host) return " on " + host;
    return " of " + (shared_.contains(host) && name != daemon_name ? name + " on " + host : host);
  }
  if (mark == BootMark::machine || mark == BootMark::host || name == daemon_name) return {};
  if (mark == BootMark::lane && (boot == boots_.end() || name == actor)) return {};
  return " of " + name;
}

std::string BootNames::filled(std::string_view text, std::string_view actor) const {
  std::string out;
  for (std::size_t at = 0;;) {
    const std::size_t begin = text.find(mark_end, at);
    const std::size_t end = begin == std::string_view::npos ? begin : text.find(mark_end, begin + 1);
    if (end == std::string_view::npos) return out += text.substr(at);
    const std::string_view inside = text.substr(begin + 1, end - begin - 1);
    const bool is_mark = inside.size() > 1 && std::string_view("nlmh").find(inside[0]) != std::string_view::npos;
    out += text.substr(at, begin - at);
    if (!is_mark) {
      out += mark_end;
      at = begin + 1;
      continue;
    }
    out += instead_of(static_cast<BootMark>(inside[0]), std::string(inside.substr(1)), actor);
    at = end + 1;
  }
}

}  // namespace pawl
