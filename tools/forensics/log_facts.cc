#include "tools/forensics/log_facts.h"

#include <algorithm>

#include "engine/state/state.h"
#include "record_generated.h"
#include "schema/outcome.h"
#include "tools/forensics/reading_progress.h"

namespace pawl {
namespace {

constexpr std::int64_t s_per_hour = 3600;
constexpr std::int64_t s_per_day = 24 * s_per_hour;
constexpr std::int64_t days_looked_at = 7;

std::int64_t day_of(TimeUs time) {
  return time.us / us_per_s / s_per_day;
}

class Reader {
 public:
  explicit Reader(LogFacts& to) : facts(to) {}

  void take(const fb::Record& record, std::size_t bytes) {
    const auto& stamp = *record.stamp();
    const LogFacts::Place at{.seq = Seq{stamp.seq()}, .time = TimeUs{stamp.time_us()}};
    ++facts.records;
    facts.bytes += bytes;
    if (!facts.first) facts.first = at;
    facts.last = at;
    facts.rules.emplace(stamp.rules(), at);
    LogFacts::Day& day = facts.days[day_of(at.time)];
    ++day.records;
    day.bytes += bytes;
    const Outcome outcome{stamp.outcome()};
    if (outcome != Outcome::accepted) {
      facts.refused += outcome != Outcome::skipped;
      return;
    }
    note(record, at);
  }

  LogFacts& facts;

 private:
  void note(const fb::Record& record, LogFacts::Place at) {
    if (const auto* started = record.event_as_BootStarted(); started && started->name()->string_view() == daemon_name) {
      facts.starts.push_back({.at = at,
                              .version = started->version()->str(),
                              .host = started->host()->str(),
                              .is_after_a_crash = !running_.empty()});
      running_ = started->boot_id()->str();
    } else if (const auto* ended = record.event_as_BootEnded(); ended && ended->boot_id()->string_view() == running_) {
      running_.clear();
    } else if (const auto* restored = record.event_as_LogRestored()) {
      facts.restores.push_back({.at = at, .from = Seq{restored->from()}});
    }
  }

  std::string running_;  // the boot of the daemon that did not say that it ends
};

}  // namespace

Result<void> read_facts(Journal& journal, LogFacts& facts) {
  Reader reader(facts);
  ReadingProgress progress("reading the log");
  const std::uint64_t last = raw(journal.last_seq());
  return journal.read(Seq{1}, [&](RecordBytes bytes) {
    const fb::Record& record = *fb::GetRecord(bytes.data());
    reader.take(record, bytes.size());
    progress.show(record.stamp()->seq(), last, record.stamp()->seq());
    return true;
  });
}

std::optional<LogGrowth> growth_of(const LogFacts& facts) {
  if (!facts.first) return std::nullopt;
  const std::int64_t from_day = day_of(facts.last->time) - days_looked_at + 1;
  const std::int64_t from_us = std::max(facts.first->time.us, from_day * s_per_day * us_per_s);
  LogGrowth growth{.over_s = (facts.last->time.us - from_us) / us_per_s};
  if (growth.over_s < s_per_hour) return std::nullopt;
  LogFacts::Day sum;
  for (auto day = facts.days.lower_bound(from_day); day != facts.days.end(); ++day) {
    sum.records += day->second.records;
    sum.bytes += day->second.bytes;
  }
  const auto a_day = [&growth](std::uint64_t count) {
    return count * static_cast<std::uint64_t>(s_per_day) / static_cast<std::uint64_t>(growth.over_s);
  };
  growth.records_per_day = a_day(sum.records);
  growth.bytes_per_day = a_day(sum.bytes);
  return growth;
}

}  // namespace pawl
