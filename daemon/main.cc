// pawld: wiring only. Each step says what it needs from those before; what fails before anything is served ends with
// a sentence that names it, and leaves the log as it was.
#include <signal.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "daemon/api/access.h"
#include "daemon/api/routes.h"
#include "daemon/http/server.h"
#include "daemon/logging.h"
#include "daemon/options.h"
#include "daemon/outside/alerts.h"
#include "daemon/pipeline_yaml.h"
#include "daemon/space_watch.h"
#include "daemon/version.h"
#include "daemon/work/executor.h"
#include "daemon/work/real_system.h"
#include "daemon/work/reaper_loop.h"
#include "schema/limits.h"
#include "store/commit/clock.h"
#include "store/commit/sequencer.h"
#include "store/commit/start.h"
#include "store/log.h"
#include "store/open.h"
#include "store/os/descriptor.h"
#include "store/os/random.h"

namespace pawl {
namespace {

constexpr int exit_failed = 1;
constexpr int exit_usage = 2;

constexpr std::uint64_t checkpoint_every_records = 100'000;
/// Writes are refused below it: what is under way can then still be written to its end.
constexpr std::uint64_t free_bytes_floor = 64 * 1024 * 1024;
constexpr std::uint64_t free_inodes_floor = 256;

int usage(const Error& error) {
  std::fprintf(stderr, "pawld: %s\n", error.message.c_str());
  return exit_usage;
}

int failed(const Error& error) {
  spdlog::critical("{}", error.message);
  return exit_failed;
}

/// The signals that end the daemon, and where there are tokens the one that has them read anew, kept from every thread
/// that will be started, for await_end().
sigset_t block_signals(const Options& options) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  if (options.tokens) sigaddset(&signals, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  return signals;
}

/// As many as half of the descriptors: the others are for the log and for processes.
std::size_t connections_for(std::size_t descriptors) {
  if (descriptors >= 2 * limits::connections_max) return limits::connections_max;
  spdlog::warn("only {} descriptors may be open (ulimit -n), so {} connections are kept at most", descriptors,
               descriptors / 2);
  return descriptors / 2;
}

void read_tokens_anew(const std::string& path, Access& access) {
  auto tokens = read_tokens(path);
  if (!tokens) return spdlog::error("--tokens: {}; those that were read before still hold", tokens.error().message);
  spdlog::info("{} tokens read from {}", tokens->size(), path);
  access.replace(*std::move(tokens));
}

void await_end(const sigset_t& signals, const Options& options, Access& access) {
  int signal_number = 0;
  for (sigwait(&signals, &signal_number); signal_number == SIGHUP; sigwait(&signals, &signal_number)) {
    read_tokens_anew(options.tokens->string(), access);
  }
  spdlog::info("ending, by signal {}", signal_number);
}

/// What a daemon does that has lost its log to another writer: it ends as it does on a signal, and fails.
class StepDown {
 public:
  /// From any thread.
  void begin(const Error& error) {
    spdlog::critical(
        "another writer has the log, so this daemon steps down: {}. See to it that one daemon alone "
        "writes to this log, then start it again",
        error.message);
    has_begun_.store(true);
    ::kill(::getpid(), SIGTERM);  // await_end() takes it, also if it is called later
  }
  bool has_begun() const { return has_begun_.load(); }

 private:
  std::atomic<bool> has_begun_{false};
};

void report(const OpenReport& opened, const State& state) {
  for (const std::string& skipped : opened.skipped_checkpoints) spdlog::warn("checkpoint skipped: {}", skipped);
  if (opened.torn_at) {
    spdlog::warn("the log's tail was torn: records from seq {} on were never acknowledged, and are dropped",
                 raw(*opened.torn_at));
  }
  spdlog::info("log open at seq {}: checkpoint {}, {} records replayed", raw(state.last_seq), raw(opened.checkpoint),
               opened.replayed);
}

int serve(const Options& options, const std::vector<Pipeline>& given, std::vector<AlertDestination> destinations,
          Access& access) {
  const sigset_t signals = block_signals(options);
  const std::size_t connections_max = connections_for(raise_descriptor_limit(limits::descriptors_wanted));

  auto log = open_log(options.data.string(), LogMode::write);
  if (!log) return failed(log.error());
  auto opened = open_state(**log);
  if (!opened) return failed(opened.error());
  report(opened->report, opened->state);

  // What cannot be listened on is known before the log is written to.
  std::unique_ptr<Api> api;
  auto server =
      Server::open({.listen = options.listen,
                    .socket = options.socket,
                    .asks_for_tokens = options.tokens.has_value(),
                    .connections_max = connections_max},
                   [&api](const HttpRequest& request, HttpReply reply) { api->handle(request, std::move(reply)); });
  if (!server) return failed(server.error());

  const std::vector<Pipeline> in_force = pipelines_in_force(opened->state);
  Alerts alerts(std::move(destinations));
  const std::string boot_id = random_uuid();
  Clock clock(opened->state.last_time, Clock::system_sources());
  StepDown step_down;
  Sequencer sequencer(
      **log, std::move(opened->state), opened->chain,
      {.now = [&clock] { return clock.now(); },
       .failed =
           [](const Error& error) {
             spdlog::critical("the log cannot be written, ending at once: {}", error.message);
             std::_Exit(exit_failed);
           },
       .superseded = [&step_down](const Error& error) { step_down.begin(error); },
       .idle =
           [&log] {
             if (const auto sealed = (*log)->seal(); !sealed) spdlog::error("seal: {}", sealed.error().message);
           },
       .checkpoint_every = checkpoint_every_records,
       .checkpoint_failed = [](const Error& error) { spdlog::error("checkpoint: {}", error.message); }});
  sequencer.subscribe([&alerts](std::span<const Published> records) { alerts.take(records); });
  sequencer.start();

  if (const auto started =
          start_boot(sequencer, boot_id, boot_version(std::string(program_version), opened->report.torn_at));
      !started) {
    return failed(started.error());
  }
  const Asker asker{.boot = boot_id, .actor = std::string(daemon_name), .key = {}, .request = std::nullopt};
  if (const auto defined = define_pipelines(sequencer, in_force, given, asker); !defined) {
    return failed(defined.error());
  }

  Webhooks webhooks(options.webhooks);  // outlives whoever drives tasks on its behalf

  // What earlier boots left running is ended before anything is claimed, and before anybody can ask.
  RealSystem system({.data_folder = options.data.string(), .origins = options.repos});
  Executor executor(
      sequencer, system,
      {.boot_id = boot_id, .origins = options.repos, .archive = **log, .warn = [](const std::string& message) {
         spdlog::warn("{}", message);
       }});
  executor.start();
  ReaperLoop reaper(sequencer, system, executor.machine(), executor.world(),
                    {.boot_id = boot_id, .warn = [](const std::string& message) { spdlog::warn("{}", message); }});
  reaper.start();
  alerts.start([&sequencer, &log](Alert& alert) {
    sequencer.ask([&alert](const State& state) {
      look_up(state, alert);
      return alert.seq;
    });
    look_up_archived(**log, alert);
  });

  SpaceWatch space({.folder = options.data,
                    .bytes_floor = free_bytes_floor,
                    .inodes_floor = free_inodes_floor,
                    .warn = [](const std::string& message) { spdlog::error("{}", message); }});
  api = std::make_unique<Api>(Services{
      .sequencer = sequencer,
      .journal = **log,
      .archive = **log,
      .boot_id = boot_id,
      .version = std::string(program_version),
      .logs_folder = options.data / "logs",
      .torn_from = opened->report.torn_at.value_or(Seq{0}),
      .advance = [&executor](
                     AdvanceOrder order,
                     std::function<void(AdvanceAnswer)> done) { executor.advance(std::move(order), std::move(done)); },
      .lock_step =
          [&executor](StepPlace place, std::string run, std::function<void(std::shared_ptr<StepLock>)> done) {
            executor.lock_step(std::move(place), std::move(run), std::move(done));
          },
      .is_passed_over = [&executor](JobId job) { return executor.is_passed_over(job); },
      .is_alive = [&executor](const Owner& owner, const Boot& boot) { return executor.world().is_alive(owner, boot); },
      .readiness = [&space] { return space.look(); },
      .reconciler_totals = [&executor] { return executor.reconciler_totals(); },
      .reaper_totals = [&reaper] { return reaper.totals(); },
      .run_reaper = [&reaper](std::function<void(const ReaperPass&)> done) { reaper.pass_now(std::move(done)); },
      .alert_counts = [&alerts] { return alerts.counts(); },
      .webhooks = &webhooks,
      .access = &access,
  });

  (*server)->start();
  if (options.socket) spdlog::info("serving on {}", options.socket->string());
  if (options.listen) spdlog::info("serving on {} port {}", options.listen->host, (*server)->port());
  await_end(signals, options, access);

  // From the outside in: nothing is asked any more, nothing is begun, and what was decided is written.
  (*server)->stop();
  api->stop();
  executor.stop();
  reaper.stop();
  alerts.stop();
  sequencer.stop();
  spdlog::info("ended at seq {}", raw(sequencer.durable_seq()));
  return step_down.has_begun() ? exit_failed : EXIT_SUCCESS;
}

int run(std::span<const char* const> arguments) {
  const auto options = read_options(arguments, [](const char* name) { return std::getenv(name); });
  if (!options) return usage(options.error());
  if (options->answer) {
    std::fputs(options->answer->c_str(), stdout);
    return EXIT_SUCCESS;
  }
  start_logging(options->log);
  std::vector<Pipeline> given;
  for (const std::string& file : options->pipelines) {
    auto pipeline = read_pipeline(file);
    if (!pipeline) return usage(pipeline.error());
    given.push_back(std::move(*pipeline));
  }
  auto destinations = alert_destinations(options->alerts, options->data.string());
  if (!destinations) return usage(destinations.error());
  std::optional<Tokens> tokens;
  if (options->tokens) {
    auto read = read_tokens(options->tokens->string());
    if (!read) return usage({read.error().code, "--tokens: " + read.error().message});
    tokens = *std::move(read);
  }
  Access access(std::move(tokens));
  return serve(*options, given, std::move(*destinations), access);
}

}  // namespace
}  // namespace pawl

int main(int count, char** values) {
  return pawl::run({values + 1, static_cast<std::size_t>(count > 0 ? count - 1 : 0)});
}
