// flock(1) with a memory: a command under a lease.
//
// The lease is held by a boot of its own, so that whatever becomes of this process, ending that boot frees the lease:
// by this process when it ends, else by the reaper, which sees that the process is gone.
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fstream>

#include "schema/json/json_text.h"
#include "store/os/process_identity.h"
#include "store/os/random.h"
#include "tools/commands/answers.h"
#include "tools/commands/output.h"

namespace pawl {
namespace {

namespace json = boost::json;
using std::chrono::steady_clock;

/// A boot of this process alone. Ended when this is destroyed, and with it every lease that it holds.
class OwnBoot {
 public:
  static Result<OwnBoot> start(Caller& caller) {
    const std::string boot_id = random_hex();
    std::string body = "{\"name\":";
    append_json_text(body, "pawl-lock-" + host_name().substr(0, 32) + "-" + std::to_string(::getpid()));
    body += ",\"boot_id\":";
    append_json_text(body, boot_id);
    body += ",\"pid\":" + std::to_string(::getpid()) +
            ",\"pid_start\":" + std::to_string(pid_start_of(::getpid()).value_or(0)) + ",\"host\":";
    append_json_text(body, this_host());
    body += ",\"version\":\"" PAWL_VERSION "\"}";
    PAWL_TRY(call(caller.client, {.method = "POST", .path = "/v1/boots", .body = body, .actor = caller.actor}));
    return OwnBoot(caller, boot_id);
  }

  OwnBoot(OwnBoot&& other) noexcept : caller_(other.caller_), boot_id_(std::exchange(other.boot_id_, {})) {}
  OwnBoot& operator=(OwnBoot&&) = delete;
  ~OwnBoot() {
    if (boot_id_.empty()) return;
    const auto ended = call(caller_.client, {.method = "DELETE",
                                             .path = "/v1/boots/" + percent_encoded(boot_id_),
                                             .actor = caller_.actor,
                                             .boot = boot_id_});
    if (!ended) fail(Exit::refused, "the lease is left for the reaper: " + ended.error().message);
  }

  const std::string& id() const { return boot_id_; }

 private:
  OwnBoot(Caller& caller, std::string boot_id) : caller_(caller), boot_id_(std::move(boot_id)) {}
  Caller& caller_;
  std::string boot_id_;
};

Request acquire_request(const Caller& caller, const OwnBoot& boot, const std::string& key,
                        std::optional<std::uint64_t> ttl_s) {
  std::string body = "{\"key\":";
  append_json_text(body, key);
  body += ",\"owner\":{\"boot_id\":";
  append_json_text(body, boot.id());
  body += ",\"pid\":" + std::to_string(::getpid()) + ",\"actor\":";
  append_json_text(body, caller.actor);
  body += '}';
  if (ttl_s) body += ",\"ttl_s\":" + std::to_string(*ttl_s);
  body += '}';
  return {.method = "POST", .path = "/v1/leases", .body = body, .actor = caller.actor, .boot = boot.id()};
}

// Signals that are meant for the command. Before it runs they end the waiting, so that the boot is still ended.
constexpr std::array forwarded = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2};

volatile std::sig_atomic_t command_pid = 0;
volatile std::sig_atomic_t interrupted_by = 0;

void on_signal(int signal, siginfo_t* info, void*) {
  const int saved = errno;
  interrupted_by = signal;
  // What a terminal sends goes to its whole foreground group: the command has it already.
  const bool is_from_process = info->si_code <= 0;
  if (command_pid > 0 && is_from_process) ::kill(command_pid, signal);
  errno = saved;
}

void catch_signals() {
  struct sigaction action {};
  action.sa_sigaction = on_signal;
  action.sa_flags = SA_SIGINFO;
  sigemptyset(&action.sa_mask);
  for (const int signal : forwarded) sigaction(signal, &action, nullptr);
}

/// The token, as soon as the lease is had. `busy` names the holder when it is not had in time.
Result<std::uint64_t> acquire(Caller& caller, const OwnBoot& boot, const std::string& key,
                              std::optional<std::uint64_t> ttl_s, std::uint64_t wait_s) {
  constexpr std::int64_t pause_max_ms = 1000;
  std::int64_t pause_ms = 20;
  const auto begun = steady_clock::now();
  while (true) {
    const Answer answer = PAWL_TRY(caller.client.send(acquire_request(caller, boot, key, ttl_s)));
    const auto body = body_of(answer);
    if (body) {
      std::string token = cell(*body, "token");
      if (token == "-") token = cell(*body, "lease.token");
      return read_number(token, "the token");
    }
    const auto waited = std::chrono::duration_cast<std::chrono::milliseconds>(steady_clock::now() - begun).count();
    const std::int64_t left_ms = static_cast<std::int64_t>(std::min<std::uint64_t>(wait_s, 1U << 30)) * 1000 - waited;
    const bool is_held = answer.status == 409;
    if (!is_held || left_ms <= 0) return body.error();
    ::poll(nullptr, 0, static_cast<int>(std::min({pause_ms, pause_max_ms, left_ms})));  // a signal ends it early
    if (interrupted_by != 0) return Error{ErrorCode::busy, "interrupted while waiting for the lease"};
    pause_ms = std::min(2 * pause_ms, pause_max_ms);
  }
}

/// The exit code that a shell would give.
int exit_code_of(int status) {
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/// Runs the command to its end, handing signals on to it.
Result<int> run_command(const std::vector<std::string>& words, const std::string& key, std::uint64_t token) {
  sigset_t blocked;
  sigset_t before;
  sigemptyset(&blocked);
  for (const int signal : forwarded) sigaddset(&blocked, signal);
  sigprocmask(SIG_BLOCK, &blocked, &before);  // until the child's pid is known: none is lost
  if (interrupted_by != 0) {
    sigprocmask(SIG_SETMASK, &before, nullptr);
    return 128 + interrupted_by;
  }

  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  const std::string token_text = std::to_string(token);
  ::setenv("PAWL_TOKEN", token_text.c_str(), 1);
  ::setenv("PAWL_LEASE", key.c_str(), 1);
  const pid_t child = ::fork();
  if (child == 0) {
    for (const int signal : forwarded) std::signal(signal, SIG_DFL);
    sigprocmask(SIG_SETMASK, &before, nullptr);
    std::signal(SIGPIPE, SIG_DFL);
    ::execvp(arguments[0], arguments.data());
    std::fprintf(stderr, "pawl: %s: %s\n", arguments[0], std::strerror(errno));
    ::_exit(errno == ENOENT ? 127 : 126);
  }
  if (child < 0) {
    const std::string why = std::strerror(errno);
    sigprocmask(SIG_SETMASK, &before, nullptr);
    return Error{ErrorCode::io, "the command cannot be started: " + why};
  }
  command_pid = child;
  sigprocmask(SIG_SETMASK, &before, nullptr);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  command_pid = 0;
  return exit_code_of(status);
}

Exit run_lock(const Arguments& arguments) {
  const auto ttl_s = arguments.number("ttl");
  if (!ttl_s) return fail(ttl_s.error());
  const auto wait_s = arguments.number("wait");
  if (!wait_s) return fail(wait_s.error());
  auto caller = caller_of(arguments);
  if (!caller) return fail(caller.error());
  const std::string& key = arguments.positional()[0];

  std::signal(SIGPIPE, SIG_IGN);  // nothing that is said is worth a lease left behind
  catch_signals();
  const auto boot = OwnBoot::start(*caller);
  if (!boot) return fail(boot.error());
  const auto token = acquire(*caller, *boot, key, *ttl_s, wait_s->value_or(0));
  if (!token) return fail(token.error());
  const auto code = run_command(arguments.rest(), key, *token);
  const auto released =
      call(caller->client, {.method = "DELETE",
                            .path = "/v1/leases/" + percent_encoded(key) + "?token=" + std::to_string(*token),
                            .actor = caller->actor,
                            .boot = boot->id()});
  if (!released) fail(Exit::refused, "the lease could not be given back: " + released.error().message);
  if (!code) return fail(code.error());
  return Exit{*code};
}

}  // namespace

const Command lock_command = {
    .name = "lock",
    .arguments = "KEY -- COMMAND ...",
    .summary = "Runs a command under a lease: flock(1) with a memory",
    .details =
        "Who held what, and when, is in the log. Signals are handed on to the command, whose environment has the\n"
        "fencing token as PAWL_TOKEN and the key as PAWL_LEASE. The exit code is the command's; 1 if somebody\n"
        "else holds the lease, who is then named.\n",
    .options = with_target_options({{"wait", "SECONDS", "wait that long for the lease (0)"},
                                    {"ttl", "SECONDS", "let the lease run out after that time"}}),
    .positional_min = 1,
    .positional_max = 1,
    .takes_rest = true,
    .run = run_lock};

}  // namespace pawl
