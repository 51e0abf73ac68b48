#include "tools/bench/wish.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "schema/limits.h"
#include "schema/nearest.h"
#include "schema/printable.h"

namespace pawl::bench {
namespace {

constexpr std::int64_t second_ns = 1'000'000'000;
constexpr std::int64_t longest_ns = 24 * 3600 * second_ns;
// pawld serves so many connections; some are for the preparation.
constexpr std::uint64_t actors_max = limits::connections_max - 24;
constexpr std::uint64_t rounds_max = 1000;
constexpr std::uint64_t depth_max = limits::requests_per_batch_max;

Error malformed(std::string message) {
  return {ErrorCode::malformed, "bench: " + std::move(message)};
}

std::string names_of_loops() {
  std::string out;
  for (const ActorLoop loop : loops) out += (out.empty() ? "" : ", ") + std::string(name(loop));
  return out;
}

Result<std::vector<ActorLoop>> loops_in(const std::vector<std::string>& words) {
  std::vector<ActorLoop> out;
  for (const std::string& word : words) {
    const auto loop = loop_named(word);
    if (!loop) {
      std::vector<std::string_view> known;
      for (const ActorLoop each : loops) known.push_back(name(each));
      const auto meant = nearest_of(word, known);
      return malformed("unknown loop '" + printable(word) + "'; " +
                       (meant ? "did you mean '" + std::string(*meant) + "'?" : "choose from " + names_of_loops()));
    }
    if (std::find(out.begin(), out.end(), *loop) == out.end()) out.push_back(*loop);
  }
  if (out.empty()) out.assign(loops.begin(), loops.end());
  return out;
}

Result<std::vector<std::size_t>> actors_in(std::string_view text) {
  std::vector<std::size_t> out;
  while (true) {
    const std::size_t comma = text.find(',');
    const std::uint64_t count = PAWL_TRY(read_number(text.substr(0, comma), "bench: --actors"));
    if (count == 0 || count > actors_max) {
      return malformed("--actors: each number is from 1 to " + std::to_string(actors_max) + ", and not " +
                       std::to_string(count));
    }
    out.push_back(count);
    if (comma == std::string_view::npos) return out;
    text.remove_prefix(comma + 1);
  }
}

Result<std::uint64_t> number_in(const Arguments& arguments, std::string_view option, std::uint64_t otherwise,
                                std::uint64_t most) {
  const auto given = PAWL_TRY(arguments.number(option));
  if (given && (*given == 0 || *given > most)) {
    return malformed("--" + std::string(option) + " is from 1 to " + std::to_string(most) + ", and not " +
                     std::to_string(*given));
  }
  return given.value_or(otherwise);
}

/// Options that say nothing about a log in this process, or nothing about a daemon.
Result<void> check_side(const Arguments& arguments, bool is_fresh) {
  const auto is_typed = [&](std::string_view option) {
    return arguments.has(option) && arguments.source_of({option}) == Source::command_line;
  };
  if (is_fresh) {
    for (const std::string_view option : {"data", "socket", "url", "pipelining", "batch", "keys", "yes"}) {
      if (is_typed(option)) return malformed("--" + std::string(option) + " is for a daemon, so not with --fresh");
    }
  } else if (is_typed("blocking")) {
    return malformed("--blocking is for a log in this process: give --fresh DIR");
  }
  return {};
}

}  // namespace

Result<std::int64_t> duration_ns(std::string_view text, std::string_view what) {
  double number = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  double scale = 0;
  if (unit == "us") scale = 1e3;
  if (unit == "ms") scale = 1e6;
  if (unit == "s") scale = 1e9;
  const double ns = number * scale;
  if (failed != std::errc() || scale == 0 || number < 0 || ns > static_cast<double>(longest_ns)) {
    return Error{ErrorCode::malformed, std::string(what) + ": '" + printable(text) +
                                           "' is not a time with its unit, such as 50ms, 1.5s or 200us"};
  }
  return static_cast<std::int64_t>(ns);
}

Result<BenchWish> asked_in(const Arguments& arguments) {
  BenchWish out;
  out.fresh = arguments.value("fresh");
  PAWL_TRY(check_side(arguments, out.fresh.has_value()));
  out.loops_given = !arguments.positional().empty();
  out.loops = PAWL_TRY(loops_in(arguments.positional()));
  if (const auto text = arguments.value("actors")) out.actors = PAWL_TRY(actors_in(*text));
  if (const auto text = arguments.value("for")) out.for_ns = PAWL_TRY(duration_ns(*text, "bench: --for"));
  if (out.for_ns == 0) return malformed("--for must be longer than nothing");
  if (arguments.has("for") && arguments.has("count")) return malformed("give either --for or --count");
  if (const auto text = arguments.value("think")) out.think_ns = PAWL_TRY(duration_ns(*text, "bench: --think"));
  out.count = PAWL_TRY(number_in(arguments, "count", 0, 1'000'000'000));
  out.rounds = PAWL_TRY(number_in(arguments, "rounds", out.rounds, rounds_max));
  if (arguments.has("pipelining") && arguments.has("batch")) return malformed("give either --pipelining or --batch");
  out.batches = arguments.has("batch");
  out.depth = PAWL_TRY(number_in(arguments, out.batches ? "batch" : "pipelining", 1, depth_max));
  const bool is_in_no_batch = std::find(out.loops.begin(), out.loops.end(), ActorLoop::queue) != out.loops.end();
  if (out.batches && is_in_no_batch && out.loops_given) return malformed("the queue page cannot be read in a batch");
  if (out.batches) std::erase(out.loops, ActorLoop::queue);
  out.keys = arguments.has("keys");
  if (arguments.has("blocking")) out.waiting = Waiting::threads;
  return out;
}

}  // namespace pawl::bench
