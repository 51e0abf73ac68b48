#include "daemon/work/mirror.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <sstream>
#include <string_view>
#include <utility>

#include "daemon/work/task_clone.h"
#include "schema/time.h"
#include "store/os/inner_file.h"

namespace pawl {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

constexpr std::int64_t listing_timeout_s = 60;  // a few seconds' work: a slower origin counts as not answering
constexpr std::int64_t fetch_timeout_s = 900;   // a first clone over a slow line
constexpr milliseconds look_for_call_off{50};
constexpr std::size_t packs_max = 50;

constexpr std::string_view heads_prefix = "refs/heads/";
constexpr std::string_view at_origin_prefix = "refs/remotes/origin/";

Fetched trouble(const GitEnd& end) {
  if (end.how == GitEnd::How::called_off) return {.end = FetchEnd::called_off, .words = end.message()};
  if (end.how != GitEnd::How::exited) return {.end = FetchEnd::unreachable, .words = end.message()};
  return {.end = trouble_of(end.said), .words = end.message()};
}

/// The number of packs in a repository.
std::size_t packs_in(const std::string& folder) {
  std::error_code error;
  std::size_t packs = 0;
  for (fs::directory_iterator entry(folder + "/objects/pack", error), end; !error && entry != end;
       entry.increment(error)) {
    if (entry->path().extension() == ".pack") ++packs;
  }
  return packs;
}

/// Lines of "<object> <ref>", by ref.
std::map<std::string, std::string> refs_in(const std::string& said) {
  std::map<std::string, std::string> refs;
  std::istringstream lines(said);
  for (std::string line; std::getline(lines, line);) {
    const std::size_t space = line.find(' ');
    if (space != std::string::npos && is_object_name(std::string_view(line).substr(0, space))) {
      refs.emplace(line.substr(space + 1), line.substr(0, space));
    }
  }
  return refs;
}

std::string folder_above(const std::string& folder) {
  return fs::path(folder).parent_path().string();
}

std::string name_of(const std::string& folder) {
  return fs::path(folder).filename().string();
}

}  // namespace

AtOrigin read_ls_remote(const std::string& said) {
  AtOrigin found;
  std::istringstream lines(said);
  for (std::string line; std::getline(lines, line);) {
    const std::size_t tab = line.find('\t');
    if (tab == std::string::npos) continue;
    const std::string_view value = std::string_view(line).substr(0, tab);
    const std::string_view name = std::string_view(line).substr(tab + 1);
    constexpr std::string_view points_to = "ref: refs/heads/";
    if (name == "HEAD" && value.starts_with(points_to)) {
      found.default_branch = value.substr(points_to.size());
    } else if (!is_object_name(value)) {
      continue;
    } else if (name == "HEAD") {
      found.head = value;
    } else if (!name.ends_with("^{}") && (name.starts_with(heads_prefix) || name.starts_with("refs/tags/"))) {
      found.refs.emplace(name, value);
    }
  }
  // Only newer versions of git list a HEAD whose branch does not exist.
  if (found.default_branch && !found.refs.contains(std::string(heads_prefix) + *found.default_branch)) {
    found.default_branch.reset();
  }
  return found;
}

void remove_locks(const std::string& folder) {
  std::error_code error;
  std::vector<fs::path> locks;
  for (fs::recursive_directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    if (entry->path().filename() == "objects") entry.disable_recursion_pending();
    if (entry->path().extension() == ".lock") locks.push_back(entry->path());
  }
  for (const fs::path& lock : locks) fs::remove(lock, error);
}

Mirror::Mirror(System& system, GitCommand& git, Options options)
    : system_(system), git_(git), options_(std::move(options)) {}

Mirror::~Mirror() {
  stop();
  std::unique_ptr<RunningThread> thread;
  {
    const MutexLock lock(mutex_);
    thread = std::move(thread_);
  }
  if (thread) thread->join();
}

void Mirror::stop() {
  const MutexLock lock(mutex_);
  is_stopped_ = true;
  if (off_) off_->call();
  changed_.notify_all();
}

std::string Mirror::origin_url() const {
  const Origin origin = git_.origin(options_.repo);
  return origin ? origin->plain : std::string();
}

/// Its thread continues when all waiters have left: the result serves the next ones.
void Mirror::begin() {
  if (thread_) thread_->join();  // it has ended, except for its last instruction
  is_running_ = true;
  ++begun_;
  off_ = std::make_unique<EventCancelToken>();
  asked_ = git_.origin(options_.repo);
  thread_ = system_.start_thread([this, origin = asked_, &off = *off_] {
    Fetched fetched = fetch_now(origin, off);
    const MutexLock lock(mutex_);
    last_ = std::move(fetched);
    ended_ = begun_;
    is_running_ = false;
    changed_.notify_all();
  });
}

/// Discards a fetch from the previous URL: its result is of no use to waiters.
void Mirror::leave_outdated() {
  if (begun_ < counts_from_ || git_.origin(options_.repo) == asked_) return;
  counts_from_ = begun_ + 1;
  if (is_running_) off_->call();
}

Fetched Mirror::fetch(Deadline until, const CancelToken* off) {
  MutexLock lock(mutex_);
  // A fetch that began before this call may have read origin too early to see what the caller knows of.
  const std::uint64_t wanted = begun_ + 1;
  const std::uint64_t ended_before = ended_;
  ++waiters_;
  Fetched found{.end = FetchEnd::called_off, .words = "the daemon is shutting down"};
  for (;;) {
    if (is_stopped_) break;
    leave_outdated();
    const bool has_failed =
        ended_ > ended_before && last_.end != FetchEnd::fetched && last_.end != FetchEnd::called_off;
    // An immediate retry would fail the same way.
    if (ended_ >= counts_from_ && (ended_ >= wanted || has_failed)) {
      found = last_;
      break;
    }
    if (off && off->called()) {
      found.words = "called off";
      break;
    }
    if (system_.now() >= until) {
      found = {.end = FetchEnd::unreachable, .words = "origin has not answered in time; it is still being asked"};
      break;
    }
    if (!is_running_) begin();
    const Deadline next = std::min(until, system_.now() + look_for_call_off);
    changed_.wait_until(lock.waiting(), next);
  }
  --waiters_;
  if (found.end == FetchEnd::called_off && waiters_ == 0 && is_running_) off_->call();
  return found;
}

bool Mirror::is_fetched() {
  std::error_code error;
  return fs::exists(options_.folder + "/pawl-fetched", error);
}

Result<void> Mirror::init(const std::string& folder, const std::string& object_name) {
  const std::string format = object_name.size() == 64 ? "sha256" : "sha1";
  // Repeatable, so that the next start completes one that was interrupted.
  PAWL_TRY(git_({"init", "--quiet", "--bare", "--template=", "--object-format=" + format, "--", folder}));
  // For people: pawld itself passes the URL and refs in each call.
  return append_below(folder_above(folder), name_of(folder) + "/config",
                      setting_lines("remote.origin.url", origin_url()) +
                          setting_lines("remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*") +
                          setting_lines("gc.auto", "0"));
}

Result<void> Mirror::set_up() {
  const MutexLock lock(set_up_mutex_);
  if (is_set_up_) return {};
  std::error_code error;
  fs::create_directories(options_.work_folder, error);
  fs::create_directories(fs::path(options_.folder).parent_path(), error);
  for (const std::string& ours : {options_.work_folder, folder_above(options_.folder), options_.folder}) {
    if (!fs::is_symlink(fs::symlink_status(ours, error))) continue;
    return Error{ErrorCode::io, ours + ": is a symbolic link; pawl does not follow links here"};
  }
  // A replacement was interrupted between its two renames.
  const std::string next = options_.folder + ".new";
  if (!fs::exists(options_.folder, error) && fs::exists(next + "/pawl-carried", error)) {
    fs::rename(next, options_.folder, error);
  }
  if (fs::exists(options_.folder, error)) {
    // No process of this boot has worked here yet, and the start ended those of earlier boots.
    remove_locks(options_.folder);
    TaskClones(git_, *this, options_.work_folder).convert_worktrees();
  }
  is_set_up_ = true;
  return {};
}

/// For people who push and fetch in the mirror by hand.
void Mirror::name_origin(const Origin& origin) {
  if (named_ == origin) return;
  const GitEnd end =
      git_.run({.words = {"--git-dir=" + options_.folder, "config", "remote.origin.url", origin->plain}});
  if (end.is_ok()) named_ = origin;
}

Fetched Mirror::fetch_now(const Origin& origin, const CancelToken& off) {
  if (!origin) return {.end = FetchEnd::unreachable, .words = "'" + options_.repo + "' no longer has an origin"};
  if (const auto set = set_up(); !set) return {.end = FetchEnd::unreachable, .words = set.error().message};
  if (const auto written = git_.write_settings(); !written) {
    return {.end = FetchEnd::unreachable, .words = written.error().message};
  }
  const GitEnd listed =
      git_.run({.words = {"ls-remote", "--symref", "--", origin->plain}, .timeout_s = listing_timeout_s, .off = &off});
  if (!listed.is_ok()) return trouble(listed);
  const AtOrigin at_origin = read_ls_remote(listed.said);
  std::error_code error;
  if (!fs::exists(options_.folder + "/HEAD", error)) {
    const std::string any = !at_origin.head.empty()   ? at_origin.head
                            : !at_origin.refs.empty() ? at_origin.refs.begin()->second
                                                      : std::string();
    if (const auto made = init(options_.folder, any); !made) {
      return {.end = FetchEnd::unreachable, .words = made.error().message};
    }
  }
  remove_locks(options_.folder);
  name_origin(origin);
  bool is_damaged = false;
  Fetched fetched{};
  if (is_unchanged(at_origin)) {
    note_default(options_.folder, at_origin);
  } else {
    fetched = fetch_into(options_.folder, *origin, at_origin, off, is_damaged);
    // Once more: origin may have changed between the list and the fetch.
    if (is_damaged) fetched = fetch_into(options_.folder, *origin, at_origin, off, is_damaged);
    if (is_damaged) return replace(*origin, at_origin, off, fetched.words);
  }
  if (fetched.end == FetchEnd::fetched) pack_up();
  return fetched;
}

/// Whether the mirror's refs match the list exactly. Damage that shows in a ref counts as a difference.
bool Mirror::is_unchanged(const AtOrigin& at_origin) {
  if (!is_fetched()) return false;
  const Result<std::string> said = git_({"--git-dir=" + options_.folder, "for-each-ref",
                                         "--format=%(objectname) %(refname)", "refs/remotes/origin", "refs/tags"});
  if (!said) return false;
  std::map<std::string, std::string> here = refs_in(*said);
  if (here.size() != at_origin.refs.size()) return false;
  return std::all_of(at_origin.refs.begin(), at_origin.refs.end(), [&](const auto& ref) {
    const std::string name = ref.first.starts_with(heads_prefix)
                                 ? std::string(at_origin_prefix) + ref.first.substr(heads_prefix.size())
                                 : ref.first;
    const auto found = here.find(name);
    return found != here.end() && found->second == ref.second;
  });
}

Fetched Mirror::fetch_into(const std::string& folder, const OriginUrl& origin, const AtOrigin& at_origin,
                           const CancelToken& off, bool& is_damaged) {
  is_damaged = false;
  const std::string git_dir = "--git-dir=" + folder;
  // A fetch prunes first, so a deleted branch does not block a new one below its name. Small fetches become packs too:
  // a mirror that is never pruned would fill up with loose objects.
  const GitEnd end = git_.run(
      {.words = {git_dir, "-c", "fetch.unpackLimit=1", "-c", "http.lowSpeedLimit=1", "-c", "http.lowSpeedTime=60",
                 "fetch", "--quiet", "--prune", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--",
                 origin.plain, "+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*"},
       .timeout_s = fetch_timeout_s,
       .off = &off});
  if (!end.is_ok()) {
    is_damaged = end.how == GitEnd::How::exited && is_damage(end.said);
    if (end.how != GitEnd::How::exited) remove_locks(folder);
    return trouble(end);
  }
  note_default(folder, at_origin);
  if (const auto noted = write_below(folder_above(folder), name_of(folder) + "/pawl-fetched", ""); !noted) {
    return {.end = FetchEnd::unreachable, .words = noted.error().message};
  }
  return {};
}

void Mirror::note_default(const std::string& folder, const AtOrigin& at_origin) {
  const std::string git_dir = "--git-dir=" + folder;
  constexpr const char* ref = "refs/pawl/default";
  const auto run = [&](std::vector<std::string> words) {
    words.insert(words.begin(), git_dir);
    return git_.run({.words = std::move(words)}).is_ok();
  };
  const std::string wanted = at_origin.default_branch ? std::string(at_origin_prefix) + *at_origin.default_branch : "";
  const Result<std::string> now = git_({git_dir, "symbolic-ref", "--quiet", ref});
  if (!wanted.empty()) {
    if (!now || without_end_of_line(*now) != wanted) run({"symbolic-ref", ref, wanted});
    return;
  }
  if (now) run({"symbolic-ref", "--delete", ref});
  if (at_origin.head.empty()) {
    run({"update-ref", "--no-deref", "-d", ref});
  } else {
    run({"update-ref", "--no-deref", ref, at_origin.head});
  }
}

/// Combines packs, keeping every object.
void Mirror::pack_up() {
  if (packs_in(options_.folder) <= packs_max) return;
  const GitEnd end = git_.run({.words = {"--git-dir=" + options_.folder, "repack", "--quiet", "-d", "--geometric=2"}});
  if (!end.is_ok() && options_.warn) options_.warn(end.message());
}

/// Copies what pawl itself keeps in the mirror: heads from earlier replacements, and of branches that cancels deleted.
/// There may be no other copy.
void Mirror::carry_own_refs(const std::string& into) {
  const auto carry = [&](const std::vector<std::string>& refs) {
    std::vector<std::string> words{"--git-dir=" + into,     "fetch", "--quiet",      "--no-tags",
                                   "--no-write-fetch-head", "--",    options_.folder};
    for (const std::string& ref : refs) words.push_back("+" + ref + ":" + ref);
    return git_.run({.words = std::move(words)}).is_ok();
  };
  if (carry({"refs/pawl/task-*", "refs/pawl/deleted/*"})) return;
  // Some may be what is broken: the others one by one.
  const GitEnd listed = git_.run({.words = {"--git-dir=" + options_.folder, "for-each-ref", "--format=%(refname)",
                                            "refs/pawl/task-*/**", "refs/pawl/deleted"}});
  std::istringstream lines(listed.said);
  for (std::string ref; std::getline(lines, ref);) {
    if (ref.starts_with("refs/pawl/") && !carry({ref}) && options_.warn) {
      options_.warn(options_.folder + ": " + ref + " could not be copied from the damaged clone");
    }
  }
}

Fetched Mirror::replace(const OriginUrl& origin, const AtOrigin& at_origin, const CancelToken& off,
                        const std::string& why) {
  const std::string next = options_.folder + ".new";
  std::error_code error;
  fs::remove_all(next, error);
  const std::string any = at_origin.refs.empty() ? std::string() : at_origin.refs.begin()->second;
  if (const auto made = init(next, any); !made) return {.end = FetchEnd::unreachable, .words = made.error().message};
  bool is_damaged = false;
  Fetched fetched = fetch_into(next, origin, at_origin, off, is_damaged);
  if (fetched.end != FetchEnd::fetched) return fetched;

  const std::unique_lock lock(place_);
  TaskClones clones(git_, *this, options_.work_folder);
  for (const TaskId task : clones.borrowers()) clones.carry_over(task, next);
  carry_own_refs(next);
  if (const auto noted = write_below(folder_above(next), name_of(next) + "/pawl-carried", ""); !noted) {
    return {.end = FetchEnd::unreachable, .words = noted.error().message};
  }
  const std::int64_t now_s = system_.wall_time().us / 1000000;
  std::string aside = options_.folder + ".damaged-" + std::to_string(now_s);
  for (unsigned n = 2; fs::exists(aside, error); ++n) {
    aside = options_.folder + ".damaged-" + std::to_string(now_s) + "-" + std::to_string(n);
  }
  fs::rename(options_.folder, aside, error);
  if (error) return {.end = FetchEnd::unreachable, .words = options_.folder + ": " + error.message()};
  fs::rename(next, options_.folder, error);
  if (error) return {.end = FetchEnd::unreachable, .words = next + ": " + error.message()};
  if (options_.warn) {
    options_.warn("the clone of '" + options_.repo + "' is damaged; it was renamed to " + aside +
                  ", and a new one was fetched. " + why);
  }
  return {};
}

}  // namespace pawl
