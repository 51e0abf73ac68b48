// pawld: wiring only. Each step names what it needs from earlier ones. A failure before anything is served prints a
// sentence that names it, and leaves the log unchanged.
#include <signal.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "daemon/api/access.h"
#include "daemon/api/figures.h"
#include "daemon/api/log_audit.h"
#include "daemon/api/routes.h"
#include "daemon/drift_watch.h"
#include "daemon/end_signals.h"
#include "daemon/front_door.h"
#include "daemon/logging.h"
#include "daemon/message_writer.h"
#include "daemon/options.h"
#include "daemon/outside/alerts.h"
#include "daemon/outside/forges.h"
#include "daemon/outside/webhook_book.h"
#include "daemon/pipeline_programs.h"
#include "daemon/pipeline_yaml.h"
#include "daemon/pipeline_zone.h"
#include "daemon/preflight.h"
#include "daemon/space_watch.h"
#include "daemon/version.h"
#include "daemon/wiring.h"
#include "daemon/work/executor.h"
#include "daemon/work/freeze_planner.h"
#include "daemon/work/log_room.h"
#include "daemon/work/origins.h"
#include "daemon/work/orphans.h"
#include "daemon/work/real_system.h"
#include "daemon/work/reaper_loop.h"
#include "engine/policies/ahead.h"
#include "schema/limits.h"
#include "schema/printable.h"
#include "store/commit/clock.h"
#include "store/commit/indexer.h"
#include "store/commit/sequencer.h"
#include "store/commit/start.h"
#include "store/log.h"
#include "store/member.h"
#include "store/open.h"
#include "store/os/descriptor.h"
#include "store/os/file_mask.h"
#include "store/os/process_identity.h"
#include "store/os/random.h"

namespace pawl {
namespace {

constexpr int exit_failed = 1;
constexpr int exit_usage = 2;

/// The data folder, once it is locked.
constexpr const char* here = ".";

constexpr std::uint64_t checkpoint_every_records = 100'000;
/// How many threads run under load, including those of the log's database.
constexpr std::size_t threads_wanted = 50;

int usage(const Error& error) {
  std::fprintf(stderr, "pawld: %s\n", printable_lines(error.message).c_str());
  return exit_usage;
}

int failed(const Error& error) {
  spdlog::critical("{}", error.message);
  return exit_failed;
}

/// Replaces "." in an error about the working folder by the folder's name.
Error in_folder(Error error, const std::filesystem::path& folder) {
  if (error.message.starts_with("./") || error.message.starts_with(".:")) error.message.replace(0, 1, folder.string());
  return error;
}

/// Ends at once, after writing the messages so far, as long as stderr is being read.
[[noreturn]] void end_at_once(int code, MessageWriter& messages) {
  messages.flush(std::chrono::seconds(1));
  std::_Exit(code);
}

void read_tokens_again(const std::string& path, Access& access) {
  auto tokens = read_tokens(path);
  if (!tokens) return spdlog::error("--tokens: {}; the tokens read before stay in force", tokens.error().message);
  spdlog::info("{} tokens read from {}", tokens->size(), path);
  access.replace(*std::move(tokens));
}

/// A daemon that has lost its log to another writer ends as on a signal, with a failure.
class StepDown {
 public:
  /// From any thread.
  void begin(const Error& error) {
    spdlog::critical(
        "another writer has the log, so this daemon steps down: {}. Make sure that only one daemon writes to this log, "
        "then start it again",
        error.message);
    has_begun_.store(true);
    ::kill(::getpid(), SIGTERM);  // EndSignals::wait() gets it, even if called later
  }
  bool has_begun() const { return has_begun_.load(); }

 private:
  std::atomic<bool> has_begun_{false};
};

/// Creates the data folder if it is missing, and locks it. From then on its paths are below `here`: they lead to the
/// locked folder even if its name changes.
Result<std::shared_ptr<const DirLock>> hold(const std::string& folder) {
  PAWL_TRY(make_data_dir(folder));
  DirLock held = PAWL_TRY(DirLock::take(folder));
  if (!held.has_folder()) {
    spdlog::warn("{}: its file system cannot lock a folder, so only the file LOCK in it keeps a second daemon out",
                 folder);
  }
  for (const std::string& narrowed : held.narrowed()) spdlog::warn("{}", narrowed);
  PAWL_TRY(held.enter());
  return std::make_shared<const DirLock>(std::move(held));
}

constexpr std::size_t copied_tasks_told_max = 20;

/// Warns of the tasks that this copy of a data folder will drive, and that the other folder's daemon may drive too.
void report_copy(const State& state) {
  spdlog::warn(
      "this data folder is a copy of another one, or is on another machine: pawld cannot see the processes that "
      "earlier daemons of this log started, so they count as alive. If the other folder is in use, or was used after "
      "the copy, both deliver the same tasks: stop this daemon, and make the folder with 'pawl restore'");
  std::size_t told = 0;
  std::size_t more = 0;
  for (const auto& [id, task] : state.tasks.rows()) {
    const bool is_concerned = is_committed(task) || !irreversible_ahead(state, task).empty();
    if (is_terminal(task.stage) || !task.blocked.empty() || !is_concerned) continue;
    if (told < copied_tasks_told_max) {
      ++told;
      say_warning({"it continues " + ahead_line(state, task), {.task = id}});
    } else {
      ++more;
    }
  }
  if (more > 0) spdlog::warn("and {} more tasks", more);
}

void report(const OpenReport& opened, const State& state, const Member& member) {
  // A restore has ended the boots of earlier leaders, and has given this warning itself.
  const bool is_anothers = another_led(state, member.id) && state.boot_named(daemon_name);
  if (!member.copied_of.empty() || is_anothers) report_copy(state);
  if (const auto why = blindness()) {
    spdlog::warn("some processes of this machine cannot be seen: {}; they count as alive", *why);
  }
  for (const std::string& skipped : opened.skipped_checkpoints) spdlog::warn("checkpoint skipped: {}", skipped);
  if (opened.torn_at) {
    say_warning({"the log's tail was torn: records from seq " + std::to_string(raw(*opened.torn_at)) +
                     " on were never acknowledged and are dropped",
                 {.seq = *opened.torn_at}});
  }
  say_info({fmt::format("log open at seq {}: checkpoint {}, {} records replayed", raw(state.last_seq),
                        raw(opened.checkpoint), opened.replayed),
            {.seq = raw(state.last_seq) > 0 ? std::optional(state.last_seq) : std::nullopt}});
}

/// For signals that arrive before the log is replayed: nothing has begun, so there is nothing to wind down.
EndSignals::Actions actions_on_signals(const Options& options, Access& access, MessageWriter& messages, Hangup hangup,
                                       FrontDoor& door) {
  return {.hangup_ends = hangup == Hangup::end,
          .hung_up =
              [&options, &access] {
                if (options.tokens) return read_tokens_again(options.tokens->string(), access);
                spdlog::info("SIGHUP is ignored: without --tokens there is nothing to read again");
              },
          .leave =
              [&door, &messages](int number) {
                spdlog::info("ending on signal {}, before the log was replayed", number);
                door.leave_early();
                end_at_once(EXIT_SUCCESS, messages);
              },
          .still_starting = [&door] { door.open_early(); }};
}

std::string listed(const std::vector<std::string>& names) {
  constexpr std::size_t told_max = 20;
  std::string list;
  for (std::size_t i = 0; i < std::min(names.size(), told_max); ++i) list += (i > 0 ? ", " : "") + names[i];
  return names.size() > told_max ? list + " and " + std::to_string(names.size() - told_max) + " more" : list;
}

Result<void> declare_given(Sequencer& sequencer, const std::vector<RepoRow>& known, const Options& options,
                           const Requester& requester) {
  const DeclaredRepos done = PAWL_TRY(declare_repos(sequencer, known, repos_for_log(options), requester));
  if (!done.passed_over.empty()) {
    spdlog::info(
        "--repo is ignored for {}: it has not changed since the last start, and `pawl repos` has been used since",
        listed(done.passed_over));
  }
  if (!done.left.empty()) {
    spdlog::info("--repo no longer names {}: still declared; `pawl repos remove NAME` removes one", listed(done.left));
  }
  return {};
}

/// Without its zone a calendar cannot be planned, and the pipeline would stay frozen.
Result<void> check_zones(const std::vector<Pipeline>& in_force) {
  for (const Pipeline& pipeline : in_force) {
    if (!pipeline.calendar) continue;
    if (const auto zone = Zone::named(pipeline.calendar->zone); !zone) {
      return Error{zone.error().code, "the calendar of pipeline '" + pipeline.name + "': " + zone.error().message};
    }
  }
  return {};
}

void say_if_git_is_missing(const Options& options) {
  const bool clones =
      std::any_of(options.repos.begin(), options.repos.end(), [](const auto& repo) { return !repo.second.empty(); });
  if (!clones || find_program("git", program_path(), {})) return;
  spdlog::warn("git is not in PATH ({}), so repositories cannot be cloned", program_path());
}

int serve(const Options& options, const std::vector<Pipeline>& given, std::vector<AlertDestination> destinations,
          Access& access, MessageWriter& messages, Hangup hangup) {
  const auto connections_max = connections_for(raise_descriptor_limit(limits::descriptors_wanted));
  if (!connections_max) return failed(connections_max.error());
  if (*connections_max < limits::connections_max) {
    spdlog::warn("the limit on open files is low (ulimit -n): at most {} connections are kept", *connections_max);
  }
  if (const auto enough = check_threads(threads_wanted); !enough) return failed(enough.error());

  FrontDoor door;
  EndSignals signals(actions_on_signals(options, access, messages, hangup, door));
  const auto held = hold(options.data.string());
  if (!held) return failed(held.error());
  auto log = open_log(*held);
  if (!log) return failed(in_folder(log.error(), options.data));
  const auto member = member_of(here);
  if (!member) return failed(in_folder(member.error(), options.data));
  const auto share_book = std::make_shared<ShareBook>();
  const std::string boot_id = random_uuid();
  const auto figures = std::make_shared<DaemonFigures>(boot_id);
  const auto is_our_folder = [held = *held] { return held->check_name().has_value(); };
  if (const auto bound = door.open(options, access, *connections_max, {share_book, http_of(figures)}, is_our_folder);
      !bound) {
    return failed(bound.error());
  }
  auto opened = open_state(**log);
  if (!opened) return failed(in_folder(opened.error(), options.data));
  signals.started();
  report(opened->report, opened->state, *member);

  const KnownPipelines known = known_pipelines(opened->state);
  if (const auto zones = check_zones(known.in_force); !zones) return failed(zones.error());
  const std::vector<RepoRow> repos = repos_known(opened->state);
  const Seq last_seq = opened->state.last_seq;
  const bool has_old_trees = another_led(opened->state, member->id);
  Alerts alerts(std::move(destinations));
  TimeBefore before = time_before(opened->state, read_probe(here));
  before.wall_is_right = options.accept_clock;
  const TimeUs released{released_s * us_per_s};
  if (const auto believed = check_wall_clock(before, Clock::system_sources(), released); !believed) {
    return failed(believed.error());
  }
  Clock clock(before, Clock::system_sources());
  StepDown step_down;
  Sequencer sequencer(
      **log, std::move(opened->state), opened->chain,
      {.now = [&clock] { return clock.read(); },
       .failed =
           [&messages](const Error& error) {
             spdlog::critical("the log cannot be written; ending at once: {}", error.message);
             end_at_once(exit_failed, messages);
           },
       .superseded = [&step_down](const Error& error) { step_down.begin(error); },
       .idle =
           [&log] {
             if (const auto sealed = (*log)->seal(); !sealed) spdlog::error("seal: {}", sealed.error().message);
           },
       .checkpoint_every = checkpoint_every_records,
       .measured = [figures](const BatchTimes& times) { figures->records.take(times); },
       .checkpoint_failed = [](const Error& error) { spdlog::error("checkpoint: {}", error.message); }});
  sequencer.subscribe([figures](std::span<const Published> records) { figures->records.take(records); });
  sequencer.subscribe([&alerts](std::span<const Published> records) { alerts.take(records); });
  sequencer.start();

  if (const auto started =
          start_boot(sequencer, boot_id, boot_version(std::string(program_version), opened->report.torn_at), member->id,
                     boot_clock(clock));
      !started) {
    return failed(started.error());
  }
  const Requester requester{.boot = boot_id, .actor = std::string(daemon_name), .key = {}, .request = std::nullopt};
  const auto passed_over = define_pipelines(sequencer, known, given, requester);
  if (!passed_over) return failed(passed_over.error());
  for (const std::string& name : *passed_over) {
    spdlog::info(
        "pipeline '{}': its file has not changed, so the definition applied since stays in force; 'pawl pipelines "
        "apply FILE' applies the file",
        name);
  }
  const auto fallback = set_default_pipeline(sequencer, last_seq, given, requester);
  if (!fallback) return failed(fallback.error());
  if (*fallback) spdlog::info("pipeline.default is now '{}', for tasks that do not name a pipeline", **fallback);
  if (const auto declared = declare_given(sequencer, repos, options, requester); !declared) {
    return failed(declared.error());
  }
  say_if_git_is_missing(options);

  Webhooks webhooks(options.webhooks);  // outlives everything that drives tasks for it

  DriftWatch drift([](const std::string& message) { spdlog::warn("{}", message); });
  SpaceWatch space({.folder = here,
                    .bytes_floor = limits::log_free_bytes_min,
                    .inodes_floor = limits::log_free_inodes_min,
                    .bytes_reserve = limits::log_reserve_bytes_min,
                    .inodes_reserve = limits::log_reserve_inodes_min,
                    .warn = [](const std::string& message) { spdlog::error("{}", message); },
                    .now =
                        [&clock, &drift, &sequencer, last = clock.now()]() mutable {
                          drift.look(clock.drift_us());
                          last = sequencer.told_until().value_or(last);
                          return last;
                        },
                    .probe =
                        [held = *held, &messages](const std::string& folder, TimeUs now) {
                          // Checked also while nothing is written: work begun here would belong to a log that is gone.
                          if (const auto named = held->check_name(); !named) {
                            spdlog::critical("ending at once: {}", named.error().message);
                            end_at_once(exit_failed, messages);
                          }
                          return probe_writable(folder, now);
                        }});

  // Processes that earlier boots left running are ended before anything is claimed or served.
  const auto origins = std::make_shared<Origins>(options.repos);
  RealSystem system({.data_folder = here,
                     .origins = origins,
                     .earlier_hosts = sequencer.ask([&member](const State& state) {
                       return member->has_machine ? hosts_of_member(state, member->id) : std::vector<std::string>();
                     }),
                     .member = member->id,
                     .warn = [](const std::string& message) { spdlog::warn("{}", message); }});
  // So that what is frozen by now is frozen before anything is claimed.
  FreezePlanner planner(sequencer, system, {.boot_id = boot_id, .warn = say_warning});
  if (const auto planned = planner.plan(); !planned) return failed(planned.error());
  planner.start();
  const OrphanReaper orphans;
  Executor executor(sequencer, system,
                    executor_options({.sequencer = sequencer,
                                      .archive = **log,
                                      .alerts = alerts,
                                      .space = space,
                                      .boot_id = boot_id,
                                      .origins = origins,
                                      .has_old_trees = has_old_trees}));
  executor.start();
  ReaperLoop reaper(sequencer, system, executor.machine(), executor.world(), {.boot_id = boot_id, .warn = say_warning});
  reaper.start();
  const auto log_bounds = [&sequencer] {
    return sequencer.ask([](const State& state) {
      const Settings::Output& output = state.settings().output;
      return LogRoom::Bounds{.bytes_max = output.logs_max_bytes, .age_s_max = output.logs_max_age_s};
    });
  };
  LogRoom log_room(sequencer, {.folder = std::filesystem::path(here) / "logs", .bounds = log_bounds});
  log_room.start();
  std::error_code unknown;
  alerts.start([&sequencer, &log, data = std::filesystem::current_path(unknown).string()](Alert& alert) {
    alert.data = data;
    sequencer.ask([&alert](const State& state) {
      look_up(state, alert);
      return alert.seq;
    });
    look_up_archived(**log, alert);
  });

  Forges forges(**log, {.targets = options.forges, .folder = here, .raise = raise_from(alerts, sequencer, boot_id)});
  forges.start();

  LogIndex index(**log, **log, **log);
  Indexer indexer(**log, index, {.warn = [](const std::string& message) { spdlog::warn("{}", message); }});
  indexer.start();

  LogAudit audit(**log, {.percent = options.audit_percent, .failed = [](const Error& error) {
                           spdlog::error("incidents are no longer looked for: {}", error.message);
                         }});
  audit.start();

  Api api(services_of({.sequencer = sequencer,
                       .log = **log,
                       .index = index,
                       .clock = clock,
                       .system = system,
                       .executor = executor,
                       .reaper = reaper,
                       .alerts = alerts,
                       .forges = forges,
                       .space = space,
                       .messages = messages,
                       .webhooks = webhooks,
                       .access = access,
                       .share_book = share_book,
                       .figures = figures,
                       .audit = audit,
                       .boot_id = boot_id,
                       .logs_folder = std::filesystem::path(here) / "logs",
                       .log_folder = std::filesystem::path(here) / "log",
                       .torn_from = opened->report.torn_at.value_or(Seq{0})}));

  door.serve(api, options);
  spdlog::info("ending on signal {}", signals.wait());
  signals.set_again([&executor] {
    spdlog::info("another signal: ending without waiting any longer");
    executor.hurry();
  });
  api.begin_end();
  if (options.drain.count() > 0) {
    spdlog::info("waiting up to {} s for running work to finish", options.drain.count());
    executor.drain(options.drain);
  }

  // From the outside in: stop serving, stop starting work, write what was decided.
  door.close();
  audit.stop();
  api.stop();
  planner.stop();
  executor.stop();
  signals.set_again(nullptr);
  reaper.stop();
  log_room.stop();
  forges.stop();
  alerts.stop();
  indexer.stop();
  sequencer.stop();
  say_info({fmt::format("ended at seq {}", raw(sequencer.durable_seq())), {.seq = sequencer.durable_seq()}});
  return step_down.has_begun() ? exit_failed : EXIT_SUCCESS;
}

int run(std::span<const char* const> arguments) {
  const auto options = read_options(arguments, [](const char* name) { return std::getenv(name); });
  if (!options) return usage(options.error());
  if (options->answer) {
    std::fputs(options->answer->c_str(), stdout);
    return EXIT_SUCCESS;
  }
  const Hangup hangup = hangup_of(options->tokens.has_value());
  block_end_signals();
  explain_missing_threads();
  const std::shared_ptr<MessageWriter> messages = start_logging(options->log);
  for (const std::string& note : options->notes) spdlog::warn("{}", note);
  std::vector<Pipeline> given;
  for (const std::string& file : options->pipelines) {
    auto read = read_pipeline(file);
    if (!read) return usage(read.error());
    if (const auto there = check_programs(*read, file, program_path()); !there) return usage(there.error());
    given.push_back(std::move(read->pipeline));
  }
  auto destinations = alert_destinations(options->alerts, here);
  if (!destinations) return usage(destinations.error());
  std::optional<Tokens> tokens;
  if (options->tokens) {
    auto read = read_tokens(options->tokens->string());
    if (!read) return usage({read.error().code, "--tokens: " + read.error().message});
    tokens = *std::move(read);
  }
  Access access(std::move(tokens));
  return serve(*options, given, std::move(*destinations), access, *messages, hangup);
}

}  // namespace
}  // namespace pawl

int main(int count, char** values) {
  pawl::occupy_standard_descriptors();
  pawl::keep_files_private();
  return pawl::run({values + 1, static_cast<std::size_t>(count > 0 ? count - 1 : 0)});
}
