// The options for the word back to forges: which repositories, where, and with which token.
#pragma once

#include <boost/program_options/options_description.hpp>

#include <set>
#include <string>
#include <vector>

#include "daemon/outside/webhook_options.h"
#include "schema/result.h"

namespace pawl {

enum class ForgeKind { github, gitlab, gitea };
inline constexpr ForgeKind forge_kinds[] = {ForgeKind::github, ForgeKind::gitlab, ForgeKind::gitea};
std::string_view name(ForgeKind kind);

/// What of a task's fate is also said in a comment on its issue.
enum class ForgeComment { blocked, done, cancelled };

/// A repository, and the place at a forge where its commits and issues are.
struct ForgeTarget {
  std::string repo;  // by pawl's name
  ForgeKind kind{};
  std::string project;           // "acme/shop"
  std::string prefix = "issue";  // issue 42 is the work item PREFIX-42
  std::string api;               // of the forge, without a slash at its end
  std::string token;
  std::set<ForgeComment> comments = {};
};

struct ForgeTargets {
  std::vector<ForgeTarget> all;  // one for each repository
  std::string page;              // where people reach the web page, without a slash at its end; empty: not told
  std::string ca_file;
};

/// Adds them, for both the command line and the configuration file.
void add_forge_options(boost::program_options::options_description& options);

/// Reads the tokens from their files. `malformed` names the option, `missing` or `io` the file; no message ever shows a
/// token.
Result<ForgeTargets> forge_targets(const GivenOptions& given);

}  // namespace pawl
