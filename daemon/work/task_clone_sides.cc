// Whose commits are in a clone: origin's, or the task's own (SPEC §7, *Diverged branches*).
#include <fcntl.h>
#include <unistd.h>

#include <sstream>
#include <utility>

#include "daemon/work/task_clone.h"
#include "store/os/inner_file.h"
#include "store/os/regular_file.h"

namespace pawl {
namespace {

constexpr std::size_t known_heads_max = 200;
constexpr std::size_t heads_log_bytes_max = 1024 * 1024;  // the end of it, which is the newest

/// Which entries of a reflog count.
enum class Entries {
  all,
  pushes,  // an agent's
};

/// Earlier heads of origin's branch, from the reflog of the clone's own copy of it, to which each fetch (also pawl's)
/// and each push of an agent adds. Newest last.
std::vector<std::string> heads_in_log(const std::string& folder, const std::string& branch, Entries which) {
  std::vector<std::string> heads;
  const std::string below = ".git/logs/refs/remotes/origin/" + branch;
  const Descriptor file = open_below(folder, below, O_RDONLY);
  if (!file || !check_file(file, below)) return heads;
  if (::lseek(file.get(), -static_cast<off_t>(heads_log_bytes_max), SEEK_END) < 0) ::lseek(file.get(), 0, SEEK_SET);
  const Result<std::string> text = read_up_to(file, below, heads_log_bytes_max);
  std::istringstream log(text ? *text : std::string());
  for (std::string line; std::getline(log, line);) {
    if (which == Entries::pushes && line.find("\tupdate by push") == std::string::npos) continue;
    std::istringstream words(line);
    for (int n = 0; n < 2; ++n) {
      std::string word;
      words >> word;
      const bool counts = n == 1 || which == Entries::all;  // the first is the head before
      if (counts && is_object_name(word) && word.find_first_not_of('0') != std::string::npos) heads.push_back(word);
    }
  }
  if (heads.size() > known_heads_max) heads.erase(heads.begin(), heads.end() - known_heads_max);
  return heads;
}

}  // namespace

bool TaskClones::has_own(const WorkRequest& request, const Heads& heads) {
  if (heads.head.empty()) return false;
  std::vector<std::string> words{"rev-list", "--max-count=1", "--ignore-missing", heads.head};
  if (!heads.branch_head.empty()) words.push_back(heads.branch_head);
  words.insert(words.end(), {"--not", "--remotes=origin", "--glob=refs/pawl/seen/*"});
  for (std::string& head : heads_in_log(folder_of(request.task), request.branch, Entries::all)) {
    words.push_back(std::move(head));
  }
  const GitEnd end = git_.run({.words = in(request.task, std::move(words))});
  // In doubt it counts as the task's own work.
  return !end.is_ok() || object_name_in(end.said).has_value();
}

bool TaskClones::is_ancestor(TaskId task, const std::string& older, const std::string& newer) {
  return git_.run({.words = in(task, {"merge-base", "--is-ancestor", older, newer})}).is_ok();
}

/// Whether commits of a head that was at origin are in ours but no longer at origin. In doubt they are.
bool TaskClones::is_withdrawn(TaskId task, const std::string& ours, const std::string& was, const std::string& origin) {
  if (was.empty()) return false;
  const GitEnd common = git_.run({.words = in(task, {"merge-base", "--all", ours, was})});
  if (common.how != GitEnd::How::exited || common.code > 1) return true;
  std::istringstream lines(common.said);
  for (std::string base; std::getline(lines, base);) {
    if (is_object_name(base) && !is_ancestor(task, base, origin)) return true;
  }
  return false;
}

/// The head of origin's branch after an agent's last push; empty if there was none.
std::string TaskClones::last_push(const WorkRequest& request) const {
  const std::vector<std::string> pushed = heads_in_log(folder_of(request.task), request.branch, Entries::pushes);
  return pushed.empty() ? std::string() : pushed.back();
}

}  // namespace pawl
