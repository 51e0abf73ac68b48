#include "tests/world/shrink.h"

#include <unistd.h>

#include <cctype>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "engine/json/state_json.h"
#include "tools/simulation/simulation.h"

namespace pawl::hostile {
namespace {

constexpr std::uint64_t records_min = 25;
constexpr int plays_max = 3000;

/// What two failures have in common: their words, without the numbers.
std::string kind_of(const std::string& failure) {
  std::string kind;
  for (const char c : failure) {
    if (!std::isdigit(static_cast<unsigned char>(c))) kind += c;
  }
  return kind.substr(0, kind.find(" of '"));
}

std::optional<std::string> failure_of(const Order& order) {
  Story story(order);
  story.tell();
  return story.failure();
}

/// A group of a log as a line of a script.
struct Line {
  TimeUs time;
  std::string content;  // everything but its time
};

std::string text_of(const std::vector<Line>& lines) {
  std::string text;
  for (const Line& line : lines) {
    const std::int64_t us = line.time.us - script_start.us;
    text += "{\"at\":" + std::to_string(us / us_per_s) + ",\"at_us\":" + std::to_string(us % us_per_s) + ',' +
            line.content + "}\n";
  }
  return text;
}

/// All groups of a log, with their bytes.
class Groups {
 public:
  void add(RecordBytes record) {
    const auto group = fb::GetRecord(record.data())->stamp()->group();
    if (groups_.empty() || group != group_) groups_.emplace_back();
    group_ = group;
    std::vector<std::uint64_t>& words = groups_.back().emplace_back((record.size() + 7) / 8);
    std::memcpy(words.data(), record.data(), record.size());
  }
  template <class Each>
  void each(Each each) const {
    for (const auto& group : groups_) {
      std::vector<const fb::Record*> records;
      for (const auto& words : group) records.push_back(fb::GetRecord(words.data()));
      each(records);
    }
  }

 private:
  std::vector<std::vector<std::vector<std::uint64_t>>> groups_;
  std::uint64_t group_ = 0;
};

Groups groups_of(Journal& journal) {
  Groups groups;
  [[maybe_unused]] const Result<void> read = journal.read(Seq{1}, [&](RecordBytes record) {
    groups.add(record);
    return true;
  });
  return groups;
}

/// What a witness that has only the log finds first.
std::optional<std::string> broken_in(Journal& journal) {
  Scheduler scheduler;
  Dice dice(0);
  const Machines nobody(scheduler, dice);
  std::optional<std::string> found;
  Witness witness(
      [&found](const std::string& what) {
        if (!found) found = kind_of(what);
      },
      nobody);
  if (!witness.follow(journal)) return std::nullopt;
  return found;
}

/// Replaces one spelling by another, everywhere.
void replace_all(std::string& text, const std::string& from, const std::string& to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
}

/// A log as a script: what was proposed, and by whom. The machine adds its own records again.
class Scripter {
 public:
  std::vector<Line> lines(Journal& journal) {
    groups_of(journal).each([this](const std::vector<const fb::Record*>& group) {
      add(group);
      [[maybe_unused]] const CheckedGroup followed = check_group(state_, group);
    });
    return std::move(lines_);
  }

 private:
  void add(const std::vector<const fb::Record*>& group) {
    std::vector<std::string> events;
    const fb::Record* first = nullptr;
    for (const fb::Record* record : group) {
      const std::string actor = record->actor()->str();
      if (actor == "recovery" || actor == "sequencer") continue;
      if (const auto* boot = record->event_as_BootStarted();
          boot && boot->name()->string_view() == daemon_name &&
          boot->boot_id()->string_view() == record->boot()->string_view()) {
        daemon_ = record->boot()->str();
        char id[37];
        std::snprintf(id, sizeof id, "00000000-0000-4000-8000-%012zx", boots_.size() + 1);
        boots_[daemon_] = id;
        if (boots_.size() > 1) lines_.push_back({TimeUs{record->stamp()->time_us()}, "\"restart\":true"});
        return;
      }
      if (!first) first = record;
      events.push_back(event_of(*record));
    }
    if (events.empty()) return;
    std::string content;
    if (events.size() == 1) {
      content = "\"do\":" + events.front();
    } else {
      content = "\"group\":[";
      for (const std::string& event : events) content += (content.back() == '[' ? "" : ",") + event;
      content += ']';
    }
    content += ",\"actor\":\"" + first->actor()->str() + '"';
    if (first->boot()->str() != daemon_) content += ",\"boot\":\"" + first->boot()->str() + '"';
    for (const auto& [boot, id] : boots_) replace_all(content, '"' + boot + '"', '"' + id + '"');
    lines_.push_back({TimeUs{first->stamp()->time_us()}, std::move(content)});
  }

  /// {"type":…, and its fields}: cut out of the exported line.
  std::string event_of(const fb::Record& record) const {
    std::string line;
    append_record_line(line, record, {});
    const std::string begin = ",\"data\":{";
    const std::size_t data = line.find(begin) + begin.size();
    const std::size_t end = line.rfind("},\"outcome\":");
    std::string event = "{\"type\":\"" + std::string(fb::EnumNameEvent(record.event_type())) + "\"," +
                        line.substr(data, end - data) + '}';
    // A number that refers to something held or open becomes a name, so that lines can be inserted before it.
    for (const auto& [key, lease] : state_.leases.rows()) {
      const std::string number = ":" + std::to_string(raw(lease.token));
      for (const char* field : {"\"token\"", "\"repo_token\""}) {
        for (const char* after : {",", "}"})
          replace_all(event, field + number + after, std::string(field) + ":\"@" + key + '"' + after);
      }
    }
    for (const auto& [id, task] : state_.tasks.rows()) {
      const StepRow* step = open_step(task);
      if (!step) continue;
      replace_all(event, "\"started\":" + std::to_string(raw(step->started)) + ',',
                  "\"started\":\"@step:" + std::to_string(raw(id)) + ':' + step->step + "\",");
    }
    return event;
  }

  State state_;
  std::vector<Line> lines_;
  std::string daemon_;
  std::map<std::string, std::string> boots_;
};

/// The result of playing a script.
struct Played {
  std::optional<std::string> broken;
  std::vector<Line> lines;  // without those that cannot be played: by an unknown boot, …
};

Played play(const std::vector<Line>& lines) {
  const std::filesystem::path path =
      std::filesystem::temp_directory_path() / ("pawl-world-" + std::to_string(::getpid()) + ".jsonl");
  std::ofstream(path) << text_of(lines);
  const auto script = read_script(path.string());
  std::filesystem::remove(path);
  if (!script) return {};
  Played played;
  MemoryLog log;
  Simulation simulation([](std::string_view) {}, &log);
  for (std::size_t i = 0; i < script->size(); ++i) {
    if (simulation.play((*script)[i])) played.lines.push_back(lines[i]);
  }
  played.broken = broken_in(log);
  return played;
}

}  // namespace

Order shrunk(const Order& order, const std::string& failure) {
  Order least = order;
  const auto still_fails = [&](const Order& tried) {
    const auto found = failure_of(tried);
    return found && kind_of(*found) == kind_of(failure);
  };
  for (std::size_t i = 0; i < hostility_names.size(); ++i) {
    Order fewer = least;
    fewer.without |= std::uint64_t{1} << i;
    if (still_fails(fewer)) least = fewer;
  }
  for (std::uint64_t step = least.records / 2; step >= records_min; step /= 2) {
    Order fewer = least;
    fewer.records -= step;
    if (still_fails(fewer)) least = fewer;
  }
  return least;
}

std::optional<std::string> script_of(const Story& story) {
  auto log = MemoryLog::open(std::make_shared<MemoryDisk>(*story.disk()));
  if (!log) return std::nullopt;
  const std::optional<std::string> wanted = broken_in(**log);
  if (!wanted) return std::nullopt;
  Played played = play(Scripter().lines(**log));
  if (played.broken != wanted) return std::nullopt;
  std::vector<Line> lines = std::move(played.lines);
  // Leaves out ever smaller pieces, as long as the rest breaks in the same way.
  int plays = 0;
  for (std::size_t piece = lines.size() / 2; piece > 0 && plays < plays_max;) {
    bool shorter = false;
    for (std::size_t from = 0; from < lines.size() && plays < plays_max; ++plays) {
      std::vector<Line> fewer = lines;
      const auto begin = fewer.begin() + static_cast<std::ptrdiff_t>(from);
      fewer.erase(begin, begin + static_cast<std::ptrdiff_t>(std::min(piece, lines.size() - from)));
      if (Played shorter_one = play(fewer); shorter_one.broken == wanted) {
        lines = std::move(shorter_one.lines);
        shorter = true;
      } else {
        from += piece;
      }
    }
    if (!shorter || piece > 1) piece /= 2;
  }
  return text_of(lines);
}

}  // namespace pawl::hostile
