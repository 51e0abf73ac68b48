// How a story names machines. Whether a boot's name is enough, or several machines go by it, is known only at the end
// of the log: until then a text has a mark where the name belongs.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>

#include "tools/forensics/explain_context.h"

namespace pawl {

/// What stands in the place of a mark.
enum class BootMark : char {
  name = 'n',     // " of build-2"; nothing for the daemon
  lane = 'l',     // the same, but nothing either if the actor has the boot's name
  machine = 'm',  // " of HOST", only if the name is that of several machines
  host = 'h',     // " on HOST", only then
};

/// A mark for a text of the story. A text from the log that looks like one, with the id of a boot of the story, is
/// filled in too: it shows a name of this log.
std::string boot_mark(BootMark mark, std::string_view boot_id);

/// The names of the boots of one story.
class BootNames {
 public:
  /// `ids`: the boots that the story shows. Two of one name on two hosts are told apart.
  BootNames(const std::map<std::string, BootSeen>& boots, const std::set<std::string>& ids);

  /// The text with every mark filled in. `actor` decides about BootMark::lane.
  std::string filled(std::string_view text, std::string_view actor = {}) const;
  /// The host of a boot whose name is that of several machines; else empty.
  std::string host_told_apart(const std::string& boot_id) const;

 private:
  std::string instead_of(BootMark mark, const std::string& boot_id, std::string_view actor) const;

  const std::map<std::string, BootSeen>& boots_;
  std::set<std::string> ambiguous_;  // names
  std::set<std::string> shared_;     // hosts of boots with several of these names
};

}  // namespace pawl
