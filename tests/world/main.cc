// pawl_world: tells one story per seed, on the given number of threads, and reports every fault.
#include <malloc.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "engine/json/state_json.h"
#include "tests/world/incident.h"
#include "tests/world/shrink.h"
#include "tests/world/story.h"

namespace pawl::hostile {
namespace {

constexpr const char* usage =
    "usage: pawl_world [--seed N] [--seeds N] [--events N] [--seconds N] [--records N] [--threads N]\n"
    "                  [--without NAME,...] [--hash] [--hashes FILE] [--reach] [--reaches FILE] [--log]\n"
    "                  [--no-shrink] [--progress]\n"
    "       pawl_world --incident KIND [--seed N] [--records N] [--log] [--label FILE]\n"
    "       pawl_world --incidents\n";

constexpr double progress_every_s = 10;

/// The type that printf expects.
unsigned long long printed(std::uint64_t number) {
  return number;
}

struct Options {
  std::uint64_t first_seed = 1;
  std::uint64_t seeds = 0;   // 0: as many as the events or the seconds need
  std::uint64_t events = 0;  // at least, over all seeds
  std::uint64_t seconds = 0;
  std::optional<std::uint64_t> records_given;
  std::uint64_t records = 10000;  // of a run, before it settles
  std::uint64_t threads = 2;
  std::uint64_t without = 0;
  bool hash = false;
  bool reach = false;
  bool log = false;
  bool shrink = true;
  bool progress = false;
  std::map<std::uint64_t, std::string> hashes;  // the expected hash of each seed
  std::string reaches;                          // a file of outcomes that must occur
  std::optional<IncidentOrder> incident;
  std::string label;
};

[[noreturn]] void wrong(const std::string& what) {
  std::fprintf(stderr, "pawl_world: %s\n%s", what.c_str(), usage);
  std::exit(2);
}

std::uint64_t hostilities(const std::string& names) {
  std::uint64_t bits = 0;
  std::size_t from = 0;
  while (from <= names.size()) {
    const std::size_t comma = std::min(names.find(',', from), names.size());
    const std::string name = names.substr(from, comma - from);
    bool known = false;
    for (std::size_t i = 0; i < hostility_names.size(); ++i) {
      if (hostility_names[i] != name) continue;
      bits |= std::uint64_t{1} << i;
      known = true;
    }
    if (!known) wrong("'" + name + "' is not a hostility");
    from = comma + 1;
  }
  return bits;
}

std::ifstream open_file(const std::string& path) {
  std::ifstream file(path);
  if (!file) wrong(path + " cannot be read");
  return file;
}

std::map<std::uint64_t, std::string> read_hashes(const std::string& path) {
  std::ifstream file = open_file(path);
  std::map<std::uint64_t, std::string> hashes;
  std::uint64_t seed = 0;
  for (std::string hash; file >> seed >> hash;) hashes[seed] = hash;
  if (!file.eof() || hashes.empty()) wrong(path + " is not a table of seeds and hashes");
  return hashes;
}

Options read_options(int count, char** words) {
  Options options;
  for (int i = 1; i < count; ++i) {
    const std::string word = words[i];
    const auto value = [&]() -> std::string {
      if (i + 1 == count) wrong("'" + word + "' needs a value");
      return words[++i];
    };
    const auto number = [&] {
      const std::string text = value();
      char* end = nullptr;
      const std::uint64_t parsed = std::strtoull(text.c_str(), &end, 10);
      if (text.empty() || *end != '\0') wrong("'" + text + "' is not a number");
      return parsed;
    };
    if (word == "--seed") {
      options.first_seed = number();
    } else if (word == "--seeds") {
      options.seeds = number();
    } else if (word == "--events") {
      options.events = number();
    } else if (word == "--seconds") {
      options.seconds = number();
    } else if (word == "--records") {
      options.records = *(options.records_given = number());
    } else if (word == "--threads") {
      options.threads = std::max<std::uint64_t>(1, number());
    } else if (word == "--without") {
      options.without = hostilities(value());
    } else if (word == "--hash") {
      options.hash = true;
    } else if (word == "--hashes") {
      options.hashes = read_hashes(value());
      options.first_seed = options.hashes.begin()->first;
      options.seeds = options.hashes.rbegin()->first - options.first_seed + 1;
    } else if (word == "--reaches") {
      options.reaches = value();
    } else if (word == "--progress") {
      options.progress = true;
    } else if (word == "--no-shrink") {
      options.shrink = false;
    } else if (word == "--incident") {
      options.incident = {.kind = value()};
    } else if (word == "--incidents") {
      list_incidents();
      std::exit(0);
    } else if (word == "--label") {
      options.label = value();
    } else if (word == "--log") {
      options.log = true;
    } else if (word == "--reach") {
      options.reach = true;
    } else {
      wrong("'" + word + "' is not an option");
    }
  }
  if (options.seeds == 0 && options.events == 0 && options.seconds == 0) options.seeds = 1;
  return options;
}

/// The totals of all stories. Threads: any, under `mutex`.
struct Tally {
  std::mutex mutex;
  std::uint64_t seeds = 0;
  std::uint64_t records = 0;
  std::uint64_t failures = 0;
  Reach reach{};
  Marks marks{};
  std::chrono::steady_clock::time_point begin = std::chrono::steady_clock::now();
  double progress_at_s = progress_every_s;

  double elapsed_s() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count(); }
};

/// The source tree's commit when the story is told.
std::string commit() {
  std::string text;
  if (FILE* git = ::popen("git -C '" PAWL_SOURCE_DIR "' describe --always --dirty 2>/dev/null", "r")) {
    for (int c = std::fgetc(git); c != EOF && c != '\n'; c = std::fgetc(git)) text += static_cast<char>(c);
    ::pclose(git);
  }
  return text.empty() ? "unknown" : text;
}

void make_small(const Options& options, std::uint64_t seed, const std::string& failure) {
  const Order least = shrunk({.seed = seed, .records = options.records, .without = options.without}, failure);
  std::string command = "pawl_world --seed " + std::to_string(seed) + " --records " + std::to_string(least.records);
  std::string names;
  for (std::size_t i = 0; i < hostility_names.size(); ++i) {
    if ((least.without >> i & 1) != 0) names += (names.empty() ? "" : ",") + std::string(hostility_names[i]);
  }
  if (!names.empty()) command += " --without " + names;
  Story story(least);
  story.tell();
  std::printf("the least that still fails: %s\n  after %llu records: %s\n", command.c_str(),
              printed(story.witness().records()), story.failure()->c_str());
  if (const auto script = script_of(story)) {
    const std::string path = "world-seed-" + std::to_string(seed) + ".jsonl";
    std::ofstream(path) << *script;
    std::printf("as a script, %s:\n%s", path.c_str(), script->c_str());
  } else {
    std::printf("its records alone do not show it, so there is no script\n");
  }
  std::fflush(stdout);
}

void tell(const Options& options, std::uint64_t seed, Tally& tally) {
  Story story({.seed = seed, .records = options.records, .without = options.without});
  story.tell();
  const std::lock_guard lock(tally.mutex);
  if (options.log && !write_log_of(story)) ++tally.failures;
  ++tally.seeds;
  tally.records += story.witness().records();
  for (std::size_t type = 0; type < event_types; ++type) {
    for (std::size_t outcome = 0; outcome < outcomes; ++outcome) {
      tally.reach[type][outcome] += story.witness().reach()[type][outcome];
    }
  }
  for (std::size_t i = 0; i < mark_names.size(); ++i) tally.marks[i] += story.marks()[i];
  char hash[17];
  std::snprintf(hash, sizeof hash, "%016llx", printed(story.hash()));
  if (options.hash) std::printf("%llu %s\n", printed(seed), hash);
  const auto expected = options.hashes.find(seed);
  if (!story.failure() && expected != options.hashes.end() && expected->second != hash) {
    ++tally.failures;
    std::printf("seed %llu has hash %s, not %s: it tells another story now\n", printed(seed), hash,
                expected->second.c_str());
  }
  if (options.progress && tally.elapsed_s() >= tally.progress_at_s) {
    tally.progress_at_s = tally.elapsed_s() + progress_every_s;
    std::printf("%.0f s: %llu seeds, %llu records\n", tally.elapsed_s(), printed(tally.seeds), printed(tally.records));
    std::fflush(stdout);
  }
  if (!story.failure()) return;
  ++tally.failures;
  std::printf("seed %llu, commit %s, after %llu records: %s\n", printed(seed), commit().c_str(),
              printed(story.witness().records()), story.failure()->c_str());
  std::fflush(stdout);
  if (options.shrink) make_small(options, seed, *story.failure());
}

void print_reach(const Reach& reach, const Marks& marks) {
  std::printf("Driver            ");
  for (std::size_t i = 0; i < mark_names.size(); ++i) {
    std::printf(" %s %llu", std::string(mark_names[i]).c_str(), printed(marks[i]));
  }
  std::printf("\n");
  for (std::size_t type = 1; type < event_types; ++type) {
    std::printf("%-18s", fb::EnumNameEvent(static_cast<fb::Event>(type)));
    for (std::size_t outcome = 0; outcome < outcomes; ++outcome) {
      if (reach[type][outcome] == 0) continue;
      std::printf(" %s %llu", std::string(name(Outcome{static_cast<std::uint16_t>(outcome)})).c_str(),
                  printed(reach[type][outcome]));
    }
    std::printf("\n");
  }
}

/// How many of the outcomes in a file ("Event outcome" or "Driver mark" on each line) never occurred.
std::uint64_t missing_in(const Reach& reach, const Marks& marks, const std::string& path) {
  std::ifstream file = open_file(path);
  std::uint64_t missing = 0;
  std::string type;
  for (std::string named; file >> type >> named;) {
    if (type == "Driver") {
      const auto mark = std::find(mark_names.begin(), mark_names.end(), named);
      if (mark == mark_names.end()) wrong(path + ": unknown mark '" + named + "'");
      if (marks[static_cast<std::size_t>(mark - mark_names.begin())] > 0) continue;
      ++missing;
      std::printf("the driver never met %s\n", named.c_str());
      continue;
    }
    const auto outcome = outcome_named(named);
    std::size_t at = 1;
    while (at < event_types && type != fb::EnumNameEvent(static_cast<fb::Event>(at))) ++at;
    if (at == event_types || !outcome) wrong(path + ": unknown outcome '" + type + ' ' + named + "'");
    if (reach[at][static_cast<std::size_t>(*outcome)] > 0) continue;
    ++missing;
    std::printf("%s was never %s: no actor tried it\n", type.c_str(), named.c_str());
  }
  return missing;
}

}  // namespace
}  // namespace pawl::hostile

int main(int count, char** words) {
  using namespace pawl::hostile;
  // Keeps memory that a story freed for the next one: returning pages at each crash costs 5 % of the total time.
  ::mallopt(M_MMAP_THRESHOLD, 1 << 30);
  ::mallopt(M_TRIM_THRESHOLD, 1 << 30);
  const Options options = read_options(count, words);
  if (options.incident) {
    IncidentOrder order = *options.incident;
    order.seed = options.first_seed;
    order.records = options.records_given.value_or(order.records);
    order.log = options.log;
    order.label = options.label;
    return make_incident(order);
  }
  Tally tally;
  std::atomic<std::uint64_t> next_seed{options.first_seed};
  const auto goes_on = [&](std::uint64_t seed) {
    const std::lock_guard lock(tally.mutex);
    if (tally.failures > 0) return false;
    if (options.seeds > 0 && seed >= options.first_seed + options.seeds) return false;
    if (options.events > 0 && tally.records >= options.events) return false;
    return options.seconds == 0 || tally.elapsed_s() < static_cast<double>(options.seconds);
  };
  std::vector<std::thread> threads;
  for (std::uint64_t i = 0; i < options.threads; ++i) {
    threads.emplace_back([&] {
      for (std::uint64_t seed = next_seed++; goes_on(seed); seed = next_seed++) tell(options, seed, tally);
    });
  }
  for (std::thread& thread : threads) thread.join();
  const double took_s = tally.elapsed_s();
  if (options.reach) print_reach(tally.reach, tally.marks);
  if (!options.reaches.empty()) tally.failures += missing_in(tally.reach, tally.marks, options.reaches);
  // With --log, standard output is the log alone.
  std::fprintf(options.log ? stderr : stdout,
               "%llu seeds, %llu records, %.1f s, %.0f records a second, %llu failures\n", printed(tally.seeds),
               printed(tally.records), took_s, static_cast<double>(tally.records) / took_s, printed(tally.failures));
  return tally.failures > 0 ? 1 : 0;
}
