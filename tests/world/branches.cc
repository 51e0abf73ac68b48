#include "tests/world/branches.h"

namespace pawl::hostile {

Commit Branches::commit_on(Commit before) {
  parents_.push_back(before);
  return parents_.size();
}

bool Branches::has(Commit later, Commit earlier) const {
  while (later > earlier) later = before(later);
  return later == earlier;
}

Commit Branches::head(const Branch& branch) const {
  const auto found = heads_.find(branch);
  return found == heads_.end() ? 0 : found->second;
}

}  // namespace pawl::hostile
