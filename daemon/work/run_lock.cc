#include "daemon/work/run_lock.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <set>
#include <sstream>
#include <string_view>
#include <utility>

#include "daemon/work/process.h"
#include "store/os/file_io.h"
#include "store/os/file_lock.h"
#include "store/os/inner_file.h"
#include "store/os/process_identity.h"
#include "store/os/random.h"
#include "store/os/regular_file.h"
#include "store/os/system_error.h"

namespace pawl {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view lock_suffix = ".lock";
constexpr std::size_t note_bytes_max = 64 * 1024;

/// Whether new_run() could have made this name: only such a name becomes part of a path. Others, invented outside pawl,
/// are only compared.
bool is_given_name(const std::string& run) {
  return run.size() == 32 && run.find_first_not_of("0123456789abcdef") == std::string::npos;
}

template <class Number>
void read_number(std::string_view text, Number& number) {
  std::from_chars(text.data(), text.data() + text.size(), number);
}

bool is_of_another(const RunFolder& folder, std::string_view member) {
  return !member.empty() && !folder.member.empty() && member != folder.member;
}

/// Only the keeper has this file open and locked. It is separate because every process that holds the run's lock is
/// ended with the run.
std::string path_of_keeper(const std::string& data_folder, const std::string& run) {
  return data_folder + "/runs/" + run + ".kept";
}

RunNote note_in(const RunFolder& folder, const std::string& run, std::istream& file) {
  RunNote note;
  note.run = run;
  for (std::string line; std::getline(file, line);) {
    const std::string_view text = line;
    if (text.starts_with("for ")) note.purpose = text.substr(4);
    if (text.starts_with("host ")) note.host = text.substr(5);
    if (text.starts_with("pid ")) read_number(text.substr(4), note.pid);
    if (text.starts_with("start ")) read_number(text.substr(6), note.pid_start);
    if (text.starts_with("keeper ")) read_number(text.substr(7), note.keeper);
    if (text.starts_with("member ")) note.is_foreign = is_of_another(folder, text.substr(7));
    if (text.starts_with("kept ")) read_number(text.substr(5), note.keeper_start);
  }
  return note;
}

/// The file of a run, open and locked.
class LockedRunFile final : public RunFile {
 public:
  LockedRunFile(std::string run, std::string path, Descriptor lock, Descriptor of_keeper)
      : run_(std::move(run)), path_(std::move(path)), lock_(std::move(lock)), of_keeper_(std::move(of_keeper)) {}

  int descriptor() const override { return lock_.get(); }
  const std::string& run() const override { return run_; }
  const Handle* of_keeper() const override { return &of_keeper_; }
  Result<void> record_leader(const Child& leader) override {
    std::string lines = "host " + this_host() + "\npid " + std::to_string(leader.pid()) + "\nstart " +
                        std::to_string(leader.pid_start()) + "\n";
    if (leader.keeper() != 0) {
      lines += "keeper " + std::to_string(leader.keeper()) + "\nkept " + std::to_string(leader.keeper_start()) + "\n";
    }
    return write_all(lock_, lines, path_);
  }

 private:
  const std::string run_;
  const std::string path_;
  const Descriptor lock_;
  const OpenDescriptor of_keeper_;
};

}  // namespace

std::string path_of_run(const std::string& data_folder, const std::string& run) {
  return data_folder + "/runs/" + run + std::string(lock_suffix);
}

Result<std::unique_ptr<RunFile>> new_run(const RunFolder& folder, const std::string& purpose) {
  std::string run = random_hex();
  std::string path = path_of_run(folder.path, run);
  PAWL_TRY(make_inner_folders(folder.path + "/runs"));
  Descriptor lock = open_inner(path, O_RDWR | O_CREAT | O_EXCL | O_APPEND, 0600);
  if (!lock || !try_lock(lock)) return system_error(path, "made and locked");
  const std::string kept = path_of_keeper(folder.path, run);
  Descriptor of_keeper = open_inner(kept, O_RDWR | O_CREAT | O_EXCL, 0600);
  if (!of_keeper || !try_lock(of_keeper)) return system_error(kept, "made and locked");
  const std::string whose = folder.member.empty() ? "" : "member " + folder.member + "\n";
  PAWL_TRY(write_all(lock, "for " + purpose + "\n" + whose, path));
  return std::unique_ptr<RunFile>(
      std::make_unique<LockedRunFile>(std::move(run), std::move(path), std::move(lock), std::move(of_keeper)));
}

std::vector<RunNote> noted_runs(const RunFolder& folder) {
  std::vector<RunNote> notes;
  std::error_code error;
  for (fs::directory_iterator entry(folder.path + "/runs", error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (!name.ends_with(lock_suffix)) continue;
    if (auto note = noted_run(folder, name.substr(0, name.size() - lock_suffix.size()))) {
      notes.push_back(std::move(*note));
    }
  }
  std::sort(notes.begin(), notes.end(), [](const RunNote& a, const RunNote& b) { return a.run < b.run; });
  return notes;
}

std::optional<RunNote> noted_run(const RunFolder& folder, const std::string& run) {
  if (!is_given_name(run)) return std::nullopt;
  const std::string path = path_of_run(folder.path, run);
  const Descriptor file = open_inner(path, O_RDONLY);
  if (!file || !check_file(file, path)) return std::nullopt;
  const Result<std::string> text = read_up_to(file, path, note_bytes_max);
  if (!text) return std::nullopt;
  std::istringstream lines(*text);
  return note_in(folder, run, lines);
}

bool is_run_unlocked(const std::string& data_folder, const std::string& run) {
  const Descriptor file = open_inner(path_of_run(data_folder, run), O_RDWR);
  return file ? try_lock(file) : errno == ENOENT;
}

bool is_run_kept(const std::string& data_folder, const std::string& run) {
  const Descriptor file = open_inner(path_of_keeper(data_folder, run), O_RDWR);
  return file ? !try_lock(file) : errno != ENOENT;  // an error is not evidence of an end
}

void forget_run(const std::string& data_folder, const std::string& run) {
  remove_inner(path_of_run(data_folder, run));
  remove_inner(path_of_keeper(data_folder, run));
}

Result<std::unique_ptr<Handle>> lock_step(const std::string& data_folder, const StepKey& place) {
  const std::string path = data_folder + "/steps/" + std::to_string(raw(place.task)) + "-" +
                           std::to_string(raw(place.version)) + "-" + place.step + std::string(lock_suffix);
  PAWL_TRY(make_inner_folders(data_folder + "/steps"));
  for (;;) {
    Descriptor file = open_inner(path, O_RDWR | O_CREAT, 0600);
    if (!file) return inner_error(path);
    PAWL_TRY(check_file(file, path));
    if (!try_lock(file)) return Error{ErrorCode::busy, path + ": another process is working on this step"};
    // The file may have been removed between the two calls: the lock must be on the file that others will open.
    struct stat ours {};
    struct stat theirs {};
    if (::fstat(file.get(), &ours) != 0) return system_error(path, "fstat");
    if (::lstat(path.c_str(), &theirs) == 0 && ours.st_ino == theirs.st_ino && ours.st_dev == theirs.st_dev) {
      return std::unique_ptr<Handle>(std::make_unique<OpenDescriptor>(std::move(file)));
    }
  }
}

Result<void> note_place(const RunFolder& folder, const Handle& place, const std::string& run, const std::string& gone) {
  const std::string lines = run + "\n" + this_host() + "\n" + folder.member + "\n" + gone + "\n";
  const bool written =
      ::ftruncate(place.descriptor(), 0) == 0 &&
      ::pwrite(place.descriptor(), lines.data(), lines.size(), 0) == static_cast<ssize_t>(lines.size());
  if (!written) return system_error("the lock of a step", "write");
  return {};
}

PlaceNote place_note(const RunFolder& folder, const Handle& place) {
  std::array<char, 1024> bytes{};
  const ssize_t size = ::pread(place.descriptor(), bytes.data(), bytes.size(), 0);
  std::istringstream lines(std::string(bytes.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0))));
  PlaceNote note;
  std::getline(lines, note.run);
  std::getline(lines, note.host);
  std::string member;
  std::getline(lines, member);
  std::getline(lines, note.gone);  // not written by earlier versions
  note.is_foreign = is_of_another(folder, member);
  return note;
}

void forget_places(const std::string& data_folder, TaskId task) {
  const std::string prefix = std::to_string(raw(task)) + "-";
  std::error_code error;
  std::vector<fs::path> doomed;
  for (fs::directory_iterator entry(data_folder + "/steps", error), end; !error && entry != end;
       entry.increment(error)) {
    if (entry->path().filename().string().starts_with(prefix)) doomed.push_back(entry->path());
  }
  for (const fs::path& path : doomed) {
    const Descriptor file = open_inner(path.string(), O_RDWR);
    if (file && try_lock(file)) remove_inner(path.string());
  }
}

std::vector<TaskId> placed(const std::string& data_folder) {
  std::set<TaskId> tasks;
  std::error_code error;
  for (fs::directory_iterator entry(data_folder + "/steps", error), end; !error && entry != end;
       entry.increment(error)) {
    std::uint64_t task = 0;
    read_number(entry->path().filename().string(), task);
    if (task > 0) tasks.insert(TaskId{task});
  }
  return {tasks.begin(), tasks.end()};
}

}  // namespace pawl
