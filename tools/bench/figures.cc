#include "tools/bench/figures.h"

#include <algorithm>
#include <bit>
#include <cstdio>

#include "schema/json/json_text.h"
#include "tools/commands/output.h"

namespace pawl::bench {
namespace {

constexpr unsigned fine_bits = 6;  // 64 buckets for each doubling
constexpr std::uint64_t fine = 1U << fine_bits;
constexpr std::size_t buckets = (64 - fine_bits + 1) * fine;

struct Spread {
  double median = 0;
  double least = 0;
  double most = 0;
};

Spread spread_of(std::vector<double> values) {
  if (values.empty()) return {};
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  const double median = values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
  return {median, values.front(), values.back()};
}

/// Of one measured row, over its rounds.
struct MeasuredSummary {
  Spread rounds_per_s;
  std::optional<Spread> server_us_per_round;
  std::array<VerbFigures, verbs> of_verb;
  std::map<std::string, std::uint64_t> errors;
  double wall_s = 0;
};

MeasuredSummary summary_of(const Measured& measured) {
  MeasuredSummary out;
  std::vector<double> rates;
  std::vector<double> costs;
  for (const Figures& figures : measured.rounds) {
    out.wall_s += static_cast<double>(figures.wall_ns) / 1e9;
    const auto done = static_cast<double>(figures.rounds);
    if (figures.wall_ns > 0) rates.push_back(done * 1e9 / static_cast<double>(figures.wall_ns));
    if (figures.server_cpu_ns && figures.all_rounds > 0) {
      costs.push_back(static_cast<double>(*figures.server_cpu_ns) / 1e3 / static_cast<double>(figures.all_rounds));
    }
    for (std::size_t verb = 0; verb < verbs; ++verb) {
      out.of_verb[verb].done.add(figures.of_verb[verb].done);
      out.of_verb[verb].lost += figures.of_verb[verb].lost;
      out.of_verb[verb].empty += figures.of_verb[verb].empty;
    }
    for (const auto& [code, count] : figures.errors) out.errors[code] += count;
  }
  out.rounds_per_s = spread_of(rates);
  if (!costs.empty()) out.server_us_per_round = spread_of(costs);
  return out;
}

std::string fixed(double value, int digits) {
  char text[64];
  std::snprintf(text, sizeof(text), "%.*f", digits, value);
  return text;
}

std::string us(const Latencies& latencies, double share) {
  const double value = static_cast<double>(latencies.quantile_ns(share)) / 1e3;
  return fixed(value, value < 100 ? 1 : 0);
}

/// "23456 (22000–24000)", or the median alone if there was one round.
std::string with_spread(const Spread& spread, std::size_t rounds, int digits) {
  std::string out = fixed(spread.median, digits);
  if (rounds > 1) out += " (" + fixed(spread.least, digits) + "–" + fixed(spread.most, digits) + ")";
  return out;
}

void append_number(std::string& out, std::string_view member, double value) {
  append_json_member(out, member);
  out += fixed(value, 3);
}

void append_spread(std::string& out, std::string_view member, const Spread& spread) {
  append_json_member(out, member);
  out += '{';
  append_number(out, "median", spread.median);
  append_number(out, "min", spread.least);
  append_number(out, "max", spread.most);
  out += '}';
}

void append_verb(std::string& out, Verb verb, const VerbFigures& figures, double wall_s) {
  if (out.back() != '[') out += ',';
  out += '{';
  append_json_member(out, "call");
  append_json_text(out, name(verb));
  append_json_member(out, "count", figures.done.count());
  append_json_member(out, "lost", figures.lost);
  append_json_member(out, "empty", figures.empty);
  append_number(out, "per_s", wall_s > 0 ? static_cast<double>(figures.done.count()) / wall_s : 0);
  append_number(out, "p50_us", static_cast<double>(figures.done.quantile_ns(0.5)) / 1e3);
  append_number(out, "p99_us", static_cast<double>(figures.done.quantile_ns(0.99)) / 1e3);
  append_number(out, "p999_us", static_cast<double>(figures.done.quantile_ns(0.999)) / 1e3);
  out += '}';
}

}  // namespace

Latencies::Latencies() : counts_(buckets, 0) {}

std::size_t Latencies::bucket_of(std::uint64_t ns) {
  if (ns < fine) return ns;
  const auto shift = static_cast<unsigned>(std::bit_width(ns)) - 1 - fine_bits;
  return static_cast<std::size_t>(shift + 1) * fine + ((ns >> shift) - fine);
}

std::uint64_t Latencies::upper_end_of(std::size_t bucket) {
  if (bucket < fine) return bucket;
  const std::size_t shift = bucket / fine - 1;
  return ((fine + bucket % fine + 1) << shift) - 1;
}

void Latencies::add(std::int64_t ns) {
  ++counts_[bucket_of(static_cast<std::uint64_t>(std::max<std::int64_t>(ns, 0)))];
  ++count_;
}

void Latencies::add(const Latencies& other) {
  for (std::size_t bucket = 0; bucket < counts_.size(); ++bucket) counts_[bucket] += other.counts_[bucket];
  count_ += other.count_;
}

std::int64_t Latencies::quantile_ns(double share) const {
  if (count_ == 0) return 0;
  const auto wanted = static_cast<std::uint64_t>(share * static_cast<double>(count_ - 1)) + 1;
  std::uint64_t seen = 0;
  for (std::size_t bucket = 0; bucket < counts_.size(); ++bucket) {
    seen += counts_[bucket];
    if (seen >= wanted) return static_cast<std::int64_t>(upper_end_of(bucket));
  }
  return 0;
}

std::string table_of(const Setting& setting, const std::vector<Measured>& all) {
  TextTable table({"loop", "actors", "rounds/s", "server µs/round", "call", "calls/s", "p50 µs", "p99 µs", "p99.9 µs",
                   "lost", "empty", "errors"});
  std::string notes;
  for (const Measured& measured : all) {
    const MeasuredSummary summary = summary_of(measured);
    std::uint64_t errors = 0;
    for (const auto& [code, count] : summary.errors) {
      errors += count;
      notes += std::string(name(measured.loop)) + ", " + std::to_string(measured.actors) +
               " actors: " + std::to_string(count) + " errors: " + code + '\n';
    }
    bool is_first = true;
    for (std::size_t verb = 0; verb < verbs; ++verb) {
      const VerbFigures& figures = summary.of_verb[verb];
      if (figures.done.count() + figures.lost + figures.empty == 0 && (verb + 1 < verbs || !is_first)) continue;
      const auto calls = static_cast<double>(figures.done.count());
      std::vector<std::string> row(4);
      if (is_first) {
        row = {
            std::string(name(measured.loop)), std::to_string(measured.actors),
            with_spread(summary.rounds_per_s, measured.rounds.size(), summary.rounds_per_s.median < 100 ? 1 : 0),
            summary.server_us_per_round ? with_spread(*summary.server_us_per_round, measured.rounds.size(), 1) : "-"};
      }
      row.insert(row.end(),
                 {std::string(name(static_cast<Verb>(verb))), fixed(summary.wall_s > 0 ? calls / summary.wall_s : 0, 0),
                  us(figures.done, 0.5), us(figures.done, 0.99), us(figures.done, 0.999), std::to_string(figures.lost),
                  std::to_string(figures.empty), is_first ? std::to_string(errors) : ""});
      table.add(std::move(row));
      is_first = false;
    }
  }
  return setting.target + ", " + setting.client + '\n' + table.text() + notes;
}

std::string json_of(const Setting& setting, const std::vector<Measured>& all) {
  std::string out = "{";
  append_json_member(out, "target");
  append_json_text(out, setting.target);
  append_json_member(out, "client");
  append_json_text(out, setting.client);
  append_json_member(out, "for_ms", setting.for_ms);
  append_json_member(out, "count", setting.count);
  append_json_member(out, "think_us", setting.think_us);
  append_json_member(out, "measured");
  out += '[';
  for (const Measured& measured : all) {
    const MeasuredSummary summary = summary_of(measured);
    if (out.back() != '[') out += ',';
    out += '{';
    append_json_member(out, "loop");
    append_json_text(out, name(measured.loop));
    append_json_member(out, "actors", static_cast<std::uint64_t>(measured.actors));
    append_spread(out, "rounds_per_s", summary.rounds_per_s);
    append_json_member(out, "server_us_per_round");
    if (summary.server_us_per_round) {
      out += "{";
      append_number(out, "median", summary.server_us_per_round->median);
      append_number(out, "min", summary.server_us_per_round->least);
      append_number(out, "max", summary.server_us_per_round->most);
      out += '}';
    } else {
      out += "null";
    }
    append_json_member(out, "errors");
    out += '{';
    for (const auto& [code, count] : summary.errors) append_json_member(out, code, count);
    out += '}';
    append_json_member(out, "calls");
    out += '[';
    for (std::size_t verb = 0; verb < verbs; ++verb) {
      const VerbFigures& figures = summary.of_verb[verb];
      if (figures.done.count() + figures.lost + figures.empty == 0) continue;
      append_verb(out, static_cast<Verb>(verb), figures, summary.wall_s);
    }
    out += "]}";
  }
  return out + "]}\n";
}

}  // namespace pawl::bench
