#include "tools/bench/bench.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <utility>

#include "tools/bench/figures.h"
#include "tools/bench/guest.h"
#include "tools/bench/lane.h"
#include "tools/bench/wish.h"
#include "tools/commands/output.h"

namespace pawl {
namespace bench {
namespace {

std::atomic<bool> is_interrupted{false};
std::atomic<std::int64_t> interrupted_ns{0};
static_assert(std::atomic<std::int64_t>::is_always_lock_free);

/// timeout(1), and a terminal beside it, send the same signal twice: only a later one means haste.
constexpr std::int64_t haste_after_ns = 1'000'000'000;

void interrupt(int signal) {
  const std::int64_t now_ns = clock_ns();
  std::int64_t first_ns = 0;
  if (interrupted_ns.compare_exchange_strong(first_ns, now_ns)) {
    is_interrupted.store(true);
  } else if (now_ns - first_ns > haste_after_ns) {
    ::signal(signal, SIG_DFL);
    ::raise(signal);
  }
}

/// From here on Ctrl-C ends the measuring, and what was created is removed; another one, over a second later, ends the
/// process at once.
void catch_interrupts() {
  struct sigaction action {};
  action.sa_handler = interrupt;
  action.sa_flags = SA_RESTART;
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) ::sigaction(signal, &action, nullptr);
}

/// One line on a terminal that is written over; nothing elsewhere.
class ProgressLine {
 public:
  void show(const std::string& text) {
    if (!is_terminal_) return;
    std::fprintf(stderr, "\r\033[K%s", text.c_str());
    std::fflush(stderr);
  }
  void clear() { show(""); }

 private:
  const bool is_terminal_ = ::isatty(STDERR_FILENO) == 1;
};

/// One loop with one number of actors, once.
class Measuring {
 public:
  Measuring(const BenchWish& asked, LoadLane& lane) : asked_(asked), lane_(lane) {}

  /// All loops, for all numbers of actors, in interleaved rounds: what disturbs the machine for a while disturbs all.
  Result<std::vector<Measured>> run() {
    std::vector<Measured> out;
    for (const ActorLoop loop : asked_.loops) {
      for (const std::size_t actors : asked_.actors) out.push_back({.loop = loop, .actors = actors});
    }
    for (std::uint64_t round = 1; round <= asked_.rounds; ++round) {
      for (Measured& measured : out) {
        if (is_interrupted.load()) break;
        measured.rounds.push_back(PAWL_TRY(once(measured, round)));
      }
    }
    line_.clear();
    std::erase_if(out, [](const Measured& measured) { return measured.rounds.empty(); });
    return out;
  }

  /// The tasks that may be live still.
  const std::vector<std::uint64_t>& tasks() const { return tasks_; }

 private:
  Result<Figures> once(const Measured& measured, std::uint64_t round) {
    const bool shares =
        measured.loop == ActorLoop::contended || measured.loop == ActorLoop::note || measured.loop == ActorLoop::task;
    const std::uint64_t task = shares ? PAWL_TRY(new_task()) : 0;
    const std::string what = std::string(name(measured.loop)) + ", " + std::to_string(measured.actors) +
                             " actors, round " + std::to_string(round) + " of " + std::to_string(asked_.rounds);
    Load load({.loop = measured.loop,
               .actors = measured.actors,
               .for_ns = asked_.for_ns,
               .count = asked_.count,
               .think_ns = asked_.think_ns,
               .task = task,
               .submissions = &submissions_,
               .is_interrupted = &is_interrupted,
               .progress = [&](std::uint64_t rounds, std::int64_t ns) {
                 const double seconds = static_cast<double>(ns) / 1e9;
                 char rate[64];
                 std::snprintf(rate, sizeof(rate), ": %.0f/s, %.1f s", static_cast<double>(rounds) / seconds, seconds);
                 line_.show(what + rate);
               }});
    const auto before = lane_.server_cpu_ns();
    const Result<void> ran = lane_.run(load);
    const std::vector<std::uint64_t> left = load.tasks();
    tasks_.insert(tasks_.end(), left.begin(), left.end());
    PAWL_TRY(ran);
    const auto after = lane_.server_cpu_ns();
    Figures figures = load.figures();
    if (before && after) figures.server_cpu_ns = *after - *before;
    return figures;
  }

  Result<std::uint64_t> new_task() {
    const Reply reply = PAWL_TRY(lane_.call({.verb = Verb::submit, .number = ++submissions_}));
    if (reply.kind == Reply::Kind::done) return reply.id;
    return Error{ErrorCode::busy, "bench: a task was refused: " + reply.code};
  }

  const BenchWish& asked_;
  LoadLane& lane_;
  std::vector<std::uint64_t> tasks_;
  std::uint64_t submissions_ = 0;
  ProgressLine line_;
};

Exit show(const Arguments& arguments, const BenchWish& asked, std::string target, std::string client,
          const Result<std::vector<Measured>>& measured) {
  if (!measured) return fail(measured.error());
  const Setting setting{.target = std::move(target),
                        .client = std::move(client),
                        .for_ms = asked.count > 0 ? 0 : asked.for_ns / 1'000'000,
                        .count = asked.count,
                        .think_us = asked.think_ns / 1000};
  if (arguments.has("json")) {
    print(json_of(setting, *measured));
  } else {
    print_for_people(table_of(setting, *measured));
  }
  if (is_interrupted.load()) return fail(Exit::refused, "bench: interrupted");
  return Exit::done;
}

Exit run_fresh(const Arguments& arguments, const BenchWish& asked) {
  auto lane = folder_lane(*asked.fresh, asked.waiting);
  if (!lane) return fail(lane.error());
  catch_interrupts();
  const auto measured = Measuring(asked, **lane).run();
  return show(arguments, asked, "a log in " + *asked.fresh,
              asked.waiting == Waiting::threads ? "a blocking thread for each actor" : "callbacks of the sequencer",
              measured);
}

/// Removes the loop `job` where the daemon cannot run so many jobs at once.
Result<void> fit_to(const Host& host, const std::string& place, BenchWish& asked) {
  const std::size_t most = *std::max_element(asked.actors.begin(), asked.actors.end());
  const auto job = std::find(asked.loops.begin(), asked.loops.end(), ActorLoop::job);
  if (job == asked.loops.end() || host.max_concurrency >= most) return {};
  const std::string why = "the loop 'job' needs the setting queue.max_concurrency to be at least " +
                          std::to_string(most) + ", and at " + place + " it is " + std::to_string(host.max_concurrency);
  if (asked.loops_given) return Error{ErrorCode::busy, "bench: " + why};
  asked.loops.erase(job);
  std::fprintf(stderr, "pawl: bench: left out: %s\n", why.c_str());
  return {};
}

Exit run_against_daemon(const Arguments& arguments, BenchWish asked) {
  auto caller = caller_of(arguments);
  if (!caller) return fail(caller.error());
  const std::string place = caller->client.target().name();
  const auto host = look_at(caller->client);
  if (!host) return fail(host.error());
  if (host->live_tasks > 0 && !arguments.has("yes")) {
    return fail(Exit::refused, "bench: the daemon at " + place + " has " + std::to_string(host->live_tasks) +
                                   " live tasks.\n" + what_a_guest_does() + "--yes measures nevertheless");
  }
  if (const auto fits = fit_to(*host, place, asked); !fits) return fail(fits.error());
  catch_interrupts();
  const auto guest = Guest::arrive(*caller, *std::max_element(asked.actors.begin(), asked.actors.end()));
  if (!guest) return fail(guest.error());
  Result<std::vector<Measured>> measured = Error{ErrorCode::io, {}};
  auto lane = http_lane({.target = caller->client.target(),
                         .actor = "bench-",
                         .boot = guest->boot(),
                         .run = guest->run(),
                         .depth = asked.depth,
                         .batches = asked.batches,
                         .keys = asked.keys,
                         .pid = host->pid});
  std::vector<std::uint64_t> tasks;
  if (lane) {
    Measuring measuring(asked, **lane);
    measured = measuring.run();
    tasks = measuring.tasks();
  } else {
    measured = lane.error();
  }
  const auto ended = guest->end(*caller, tasks);
  const Exit exit = show(arguments, asked, place,
                         (asked.batches     ? "batches of " + std::to_string(asked.depth)
                          : asked.depth > 1 ? "one request an op, pipelining " + std::to_string(asked.depth)
                                            : std::string("one request an op")) +
                             (asked.keys ? ", with keys" : ""),
                         measured);
  if (ended) return exit;
  return fail(Exit::refused, "bench: what it created could not be removed: " + ended.error().message +
                                 "; the next benchmark tries again");
}

Exit run_bench(const Arguments& arguments) {
  const std::vector<std::string>& words = arguments.positional();
  if (!words.empty() && words[0] == "replay") {
    const auto folder = arguments.value("fresh");
    const auto records = arguments.number("records");
    if (!records) return fail(records.error());
    if (words.size() > 1 || !folder) return fail(Exit::usage, "bench: replay needs --fresh DIR, and no other loop");
    return replay(*folder, records->value_or(1'000'000));
  }
  if (arguments.has("records")) return fail(Exit::usage, "bench: --records is for 'bench replay'");
  const auto asked = asked_in(arguments);
  if (!asked) return fail(asked.error());
  return asked->fresh ? run_fresh(arguments, *asked) : run_against_daemon(arguments, *asked);
}

}  // namespace
}  // namespace bench

const Command bench_command = {
    .name = "bench",
    .arguments = "[LOOP …]",
    .summary = "Measures how fast pawl is here: a running daemon, or a log of its own",
    .details =
        "Each actor goes through a loop of durable, acknowledged calls, again and again:\n"
        "  guarded    acquires its task's lease, crosses an edge with the token and the expected version, releases\n"
        "  contended  the same, but all actors fight for one task: a round is a won lease\n"
        "  lease      acquires a lease, renews it, releases it\n"
        "  submit     submits a task, cancels it\n"
        "  job        submits a task, claims its job, reports its exit, cancels the task\n"
        "  note, task, queue   one call: adds a note, reads a task, reads the queue page\n"
        "Without LOOP, all of them. With --fresh DIR it writes a log there, in this process; otherwise it asks the\n"
        "daemon. Every loop is measured --rounds times, interleaved; shown are the median (least–most) of the "
        "rounds/s,\n"
        "the serving process's CPU time (with --fresh, of this process), and the latency of each call.\n"
        "\n"
        "'pawl bench replay --fresh DIR' writes a log of deliveries, and measures each way to read it.\n",
    .options = with_daemon_options(
        {{"fresh", "DIR", "a log in this empty or missing folder, instead of a daemon"},
         {"actors", "LIST", "how many actors at once (1,16,64,256)"},
         {"for", "TIME", "how long each loop runs, such as 500ms or 10s (3s); its first tenth is not counted"},
         {"count", "N", "so many rounds of each loop instead"},
         {"rounds", "N", "how many times everything is measured (3)"},
         {"think", "TIME", "each actor waits this long between two rounds of its loop, such as 50ms"},
         {"pipelining", "N", "so many actors share a connection, and pipeline their requests (1)"},
         {"batch", "N", "so many actors share a connection, and send their requests together, as one batch"},
         {"keys", "", "send an Idempotency-Key with every write"},
         {"blocking", "", "with --fresh: a blocking thread for each actor, instead of callbacks"},
         {"records", "N", "of 'bench replay': how many records (1000000)"},
         {"yes", "", "also if the daemon has live tasks of others"}}),
    .positional_max = 9,
    .run = bench::run_bench};

}  // namespace pawl
