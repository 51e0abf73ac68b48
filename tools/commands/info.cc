// `pawl info`: what a data folder is: how old and how large its log, who wrote it, and how fast it grows.
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <sys/stat.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <utility>

#include "store/data_dir.h"
#include "tools/commands/command.h"
#include "tools/commands/log_arguments.h"
#include "tools/commands/output.h"
#include "tools/forensics/log_facts.h"
#include "tools/forensics/log_source.h"

namespace pawl {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

constexpr std::size_t starts_shown = 5;

struct Size {
  std::string_view folder;
  std::string_view what;
  std::uint64_t bytes = 0;
};

/// What the files below a place take on the disk. What vanishes meanwhile counts for nothing.
std::uint64_t bytes_below(const fs::path& place) {
  std::uint64_t bytes = 0;
  std::error_code ignored;
  const auto skip = fs::directory_options::skip_permission_denied;
  for (fs::recursive_directory_iterator at(place, skip, ignored), end; !ignored && at != end; at.increment(ignored)) {
    struct stat about {};
    constexpr std::uint64_t block = 512;  // stat(2), whatever the file system's
    if (::lstat(at->path().c_str(), &about) == 0) bytes += static_cast<std::uint64_t>(about.st_blocks) * block;
  }
  return bytes;
}

std::vector<Size> sizes_of(const fs::path& dir) {
  std::vector<Size> sizes = {{"log", "records, checkpoints and finished tasks"},
                             {"index", "where these are found; it can be made again"},
                             {"logs", "output of commands"},
                             {"repos", "clones"},
                             {"work", "worktrees"}};
  for (Size& size : sizes) size.bytes = bytes_below(dir / size.folder);
  return sizes;
}

/// "1.5 GiB"
std::string in_words(std::uint64_t bytes) {
  constexpr std::array<const char*, 5> units = {"bytes", "KiB", "MiB", "GiB", "TiB"};
  std::size_t unit = 0;
  auto amount = static_cast<double>(bytes);
  for (; amount >= 1024 && unit + 1 < units.size(); ++unit) amount /= 1024;
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), unit == 0 ? "%.0f %s" : "%.1f %s", amount, units[unit]);
  return text.data();
}

/// "12 days", "3 hours", "40 seconds"
std::string span_in_words(std::int64_t seconds) {
  constexpr std::int64_t hour = 3600;
  constexpr std::int64_t day = 24 * hour;
  const auto counted = [](std::int64_t count, const char* unit) {
    return std::to_string(count) + ' ' + unit + (count == 1 ? "" : "s");
  };
  if (seconds >= 2 * day) return counted(seconds / day, "day");
  if (seconds >= hour) return counted(seconds / hour, "hour");
  return seconds >= 60 ? counted(seconds / 60, "minute") : counted(seconds, "second");
}

struct Info {
  std::string dir;
  LogFacts facts;
  std::optional<LogBreak> broken = {};
  std::optional<Seq> torn = {};
  std::vector<Seq> checkpoints = {};
  std::optional<LogGrowth> growth = {};
  std::vector<Size> sizes = {};
  std::optional<FreeSpace> free = {};

  std::uint64_t log_bytes() const { return sizes.front().bytes; }
};

std::string place_in_words(const LogFacts::Place& at) {
  return "record " + std::to_string(raw(at.seq)) + ", " + local_time(at.time);
}

std::string text_of(const Info& info) {
  const LogFacts& facts = info.facts;
  std::string out;
  const auto line = [&out](std::string_view name, const std::string& what) {
    constexpr std::size_t width = 14;
    out += name;
    out.append(name.size() < width ? width - name.size() : 1, ' ');
    out += what + '\n';
  };
  if (!facts.first) {
    line("log", "without records");
  } else {
    line("log", std::to_string(facts.records) + " records, of which " + std::to_string(facts.refused) + " refused");
    line("from", place_in_words(*facts.first));
    line("to", place_in_words(*facts.last) + ", " +
                   span_in_words((facts.last->time.us - facts.first->time.us) / us_per_s) + " later");
  }
  for (const auto& [version, at] : facts.rules) line("rules " + std::to_string(version), "from " + place_in_words(at));
  for (const LogFacts::Restore& restore : facts.restores) {
    line("restored", place_in_words(restore.at) + ": a backup up to record " + std::to_string(raw(restore.from)));
  }
  if (info.torn) line("torn tail", "from record " + std::to_string(raw(*info.torn)) + " on: never reported to anyone");
  if (info.broken) line("damaged", info.broken->why);

  std::size_t crashes = 0;
  for (const LogFacts::Start& start : facts.starts) crashes += start.is_after_a_crash;
  line("starts", std::to_string(facts.starts.size()) + ", of which " + std::to_string(crashes) + " after a crash");
  const std::size_t first = facts.starts.size() - std::min(facts.starts.size(), starts_shown);
  for (std::size_t at = first; at < facts.starts.size(); ++at) {
    const LogFacts::Start& start = facts.starts[at];
    line("", place_in_words(start.at) + ", pawld " + start.version + " on " +
                 start.host.substr(0, start.host.find(' ')) + (start.is_after_a_crash ? ", after a crash" : ""));
  }
  std::string checkpoints;
  for (const Seq seq : info.checkpoints) checkpoints += (checkpoints.empty() ? "" : ", ") + std::to_string(raw(seq));
  line("checkpoints", checkpoints.empty() ? "none: a start replays the whole log" : "after record " + checkpoints);

  std::string_view head = "on the disk";
  for (const Size& size : info.sizes) {
    if (size.bytes == 0) continue;
    line(std::exchange(head, {}),
         std::string(size.folder) + "/ " + in_words(size.bytes) + ": " + std::string(size.what));
  }
  if (info.free) line(head, in_words(info.free->bytes) + " are free");
  if (facts.records > 0) {
    line("a record", std::to_string(info.log_bytes() / facts.records) + " bytes on the disk, " +
                         std::to_string(facts.bytes / facts.records) + " of them its own");
  }
  if (info.growth) {
    const LogGrowth& growth = *info.growth;
    const std::uint64_t on_disk = growth.records_per_day * info.log_bytes() / facts.records;
    std::string words = std::to_string(growth.records_per_day) + " records a day, some " + in_words(on_disk) +
                        ", in its last " + span_in_words(growth.over_s);
    if (info.free && on_disk > 0)
      words += "; the disk is full in " + std::to_string(info.free->bytes / on_disk) + " days";
    line("growth", words);
  }
  return out;
}

json::object place_json(const LogFacts::Place& at) {
  return {{"seq", raw(at.seq)}, {"time", rfc3339(at.time)}};
}

json::object json_of(const Info& info) {
  const LogFacts& facts = info.facts;
  json::object out = {{"records", facts.records}, {"refused", facts.refused}, {"record_bytes", facts.bytes}};
  out["first"] = facts.first ? json::value(place_json(*facts.first)) : json::value();
  out["last"] = facts.last ? json::value(place_json(*facts.last)) : json::value();
  json::array& rules = out["rules"].emplace_array();
  for (const auto& [version, at] : facts.rules) {
    rules.push_back(json::object{{"version", version}, {"from", place_json(at)}});
  }
  json::array& restores = out["restores"].emplace_array();
  for (const LogFacts::Restore& restore : facts.restores) {
    restores.push_back(json::object{{"at", place_json(restore.at)}, {"backup_to", raw(restore.from)}});
  }
  json::array& starts = out["starts"].emplace_array();
  for (const LogFacts::Start& start : facts.starts) {
    starts.push_back(json::object{{"at", place_json(start.at)},
                                  {"version", start.version},
                                  {"host", start.host},
                                  {"after_a_crash", start.is_after_a_crash}});
  }
  json::array& checkpoints = out["checkpoints"].emplace_array();
  for (const Seq seq : info.checkpoints) checkpoints.push_back(raw(seq));
  json::object& sizes = out["disk_bytes"].emplace_object();
  for (const Size& size : info.sizes) sizes[json::string_view(size.folder.data(), size.folder.size())] = size.bytes;
  out["free_bytes"] = info.free ? json::value(info.free->bytes) : json::value();
  out["growth"] = info.growth ? json::value(json::object{{"over_s", info.growth->over_s},
                                                         {"records_per_day", info.growth->records_per_day},
                                                         {"record_bytes_per_day", info.growth->bytes_per_day}})
                              : json::value();
  out["torn_from"] = info.torn ? json::value(raw(*info.torn)) : json::value();
  out["damaged"] = info.broken ? json::value(info.broken->why) : json::value();
  return out;
}

Exit run_info(const Arguments& arguments) {
  const auto& words = arguments.positional();
  const auto dir = log_named(words.empty() ? std::nullopt : std::optional(words.front()), arguments, "info");
  if (!dir) return fail(dir.error());
  const auto log = open_part(*dir);
  if (!log) return fail_to_read(log.error());
  Info info{.dir = *dir, .facts = {}};
  const Result<void> read = read_facts(**log, info.facts);
  if (!read) info.broken = LogBreak{.kind = LogBreak::Kind::damaged, .at = {}, .why = read.error().message};
  info.torn = (*log)->torn_at();
  info.checkpoints = (*log)->list();
  info.growth = growth_of(info.facts);
  info.sizes = sizes_of(*dir);
  if (const auto free = free_space(*dir)) info.free = *free;
  if (arguments.has("json")) {
    print(json::serialize(json_of(info)) + '\n');
  } else {
    print_for_people(text_of(info));
  }
  return info.broken ? Exit::usage : Exit::done;
}

}  // namespace

const Command info_command = {
    .name = "info",
    .arguments = "[DIR]",
    .summary = "Shows how old and how large a data folder's log is, who wrote it, and how fast it grows",
    .details =
        "DIR is a data folder (PAWL_DATA), which a daemon may have open. All of its log is read, though not proved: "
        "that\n"
        "is `pawl replay`. The growth is that of the last 7 days with records. Exit 2 if the log is damaged; what "
        "could\n"
        "be read of it is shown.\n",
    .options = with_log_options({{"json", "", "print it as JSON, with all starts"}}),
    .positional_min = 0,
    .positional_max = 1,
    .run = run_info};

}  // namespace pawl
