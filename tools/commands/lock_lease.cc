#include "tools/commands/lock_lease.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <ctime>

#include "schema/json/json_text.h"
#include "schema/json/read_json.h"
#include "store/os/process_identity.h"
#include "store/os/random.h"
#include "tools/commands/output.h"

namespace pawl {
namespace {

namespace json = boost::json;

constexpr std::int64_t first_pause_ms = 20;
constexpr std::int64_t longest_pause_ms = 1000;
constexpr std::int64_t look_every_ms = 2000;  // for a lease without a ttl, which needs no renewal
constexpr int leaving_s = 5;

}  // namespace

std::int64_t boottime_ms() {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return static_cast<std::int64_t>(now.tv_sec) * 1000 + now.tv_nsec / 1'000'000;
}

LeaseTimes lease_times(std::uint64_t ttl_s) {
  const auto ttl = static_cast<std::int64_t>(std::min<std::uint64_t>(ttl_s, 1U << 30)) * 1000;
  return {.renew = ttl / 3,
          .end = ttl - std::min<std::int64_t>(ttl / 3, 10'000),
          .kill = ttl - std::min<std::int64_t>(ttl / 10, 1000),
          .late = ttl - std::min<std::int64_t>(ttl / 20, 500)};
}

HeldLease::HeldLease(Caller caller, LeaseWish wish, int changed)
    : caller_(std::move(caller)), wish_(std::move(wish)), changed_(changed), boot_id_(random_hex()) {
  std::thread([this] { run(); }).detach();
}

HeldLease::Look HeldLease::look() const {
  const MutexLock lock(mutex_);
  return look_;
}

void HeldLease::give_back() {
  const MutexLock lock(mutex_);
  is_to_end_ = true;
  called_.notify_all();
}

template <class Change>
void HeldLease::note(Change change) {
  {
    const MutexLock lock(mutex_);
    change(look_);
  }
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(changed_, &one, sizeof(one));
}

bool HeldLease::pause(std::int64_t ms) {
  MutexLock lock(mutex_);
  called_.wait_for(lock.waiting(), std::chrono::milliseconds(ms),
                   [this]() PAWL_REQUIRES(mutex_) { return is_to_end_; });
  return !is_to_end_;
}

void HeldLease::run() {
  acquire();
  if (look().phase == Phase::held) keep();
  while (pause(longest_pause_ms)) {
  }
  leave();
}

Result<void> HeldLease::start_boot() {
  // The name must be unique: a later boot of a name ends the one before, and two containers may share host and pid.
  std::string body = "{\"name\":";
  append_json_text(
      body, "pawl-lock-" + host_name().substr(0, 32) + "-" + std::to_string(::getpid()) + "-" + boot_id_.substr(0, 8));
  body += ",\"boot_id\":";
  append_json_text(body, boot_id_);
  body += ",\"pid\":" + std::to_string(::getpid()) +
          ",\"pid_start\":" + std::to_string(pid_start_of(::getpid()).value_or(0)) + ",\"host\":";
  append_json_text(body, this_host());
  body += ",\"version\":\"" PAWL_VERSION "\"}";
  const Answer answer =
      PAWL_TRY(caller_.client.send({.method = "POST", .path = "/v1/boots", .body = body, .actor = caller_.actor}));
  // An earlier try succeeded, but its answer was lost.
  if (refusal_code(answer) == "duplicate_boot_id") return {};
  PAWL_TRY(body_of(answer));
  return {};
}

/// Whether the daemon sees this process, so that a lease needs no ttl. False if that is not certain.
Result<bool> HeldLease::is_daemon_here() {
  // Ask the daemon itself, ready or not: how it was reached proves nothing, since a socket may be another container's.
  const Answer readiness = PAWL_TRY(caller_.client.send({.method = "GET", .path = "/readyz"}));
  const auto ready = parse_json(readiness.body);
  const json::value* boot = ready && ready->is_object() ? ready->get_object().if_contains("boot") : nullptr;
  if (!boot || !boot->is_string() || boot->get_string().empty()) {
    return Error{ErrorCode::io, "the daemon is not ready yet"};
  }
  const std::string id(boot->get_string());
  // A page begins after a key, so ask for what comes after a shorter one.
  const std::string path = "/v1/boots?limit=1&after=" + percent_encoded(id.substr(0, id.size() - 1));
  const json::value page = PAWL_TRY(call(caller_.client, {.method = "GET", .path = path}));
  const json::value* items = page.is_object() ? page.get_object().if_contains("items") : nullptr;
  if (!items || !items->is_array() || items->get_array().empty()) return false;
  const json::value& row = items->get_array().front();
  const std::string host = this_host();
  return is_known(host_parts(host)) && cell(row, "boot_id") == id && cell(row, "host") == host;
}

Request HeldLease::lease_request(std::optional<std::uint64_t> token) const {
  std::string body = "{\"key\":";
  append_json_text(body, wish_.key);
  body += ",\"owner\":{\"boot_id\":";
  append_json_text(body, boot_id_);
  body += ",\"pid\":" + std::to_string(::getpid()) + ",\"actor\":";
  append_json_text(body, caller_.actor);
  body += '}';
  if (ttl_s_) body += ",\"ttl_s\":" + std::to_string(*ttl_s_);
  if (token) body += ",\"token\":" + std::to_string(*token);
  body += '}';
  return {.method = "POST", .path = "/v1/leases", .body = body, .actor = caller_.actor, .boot = boot_id_};
}

HeldLease::Tried HeldLease::try_once() {
  const auto failed = [this](const Error& error) {
    trouble_ = error;
    // No answer: the daemon is away or restarting. A refused request is not worth repeating.
    return error.code == ErrorCode::io ? Tried::again : Tried::refused;
  };
  if (!is_registered_) {
    is_asked_ = true;
    if (const auto started = start_boot(); !started) return failed(started.error());
    is_registered_ = true;
  }
  if (!ttl_s_) {
    ttl_s_ = wish_.ttl_s;
    const auto here = ttl_s_ ? Result<bool>(true) : is_daemon_here();
    if (!here) return failed(here.error());
    if (!*here) ttl_s_ = far_ttl_s;
  }
  const std::int64_t asked_at_ms = boottime_ms();
  const auto answer = caller_.client.send(lease_request(std::nullopt));
  if (!answer) return failed(answer.error());
  if (const auto body = body_of(*answer)) {
    const auto token = read_number(cell(*body, "token"), "the token");
    if (!token)
      return failed({ErrorCode::busy, "ownership is switched off for " + wish_.key + ": no lease is granted"});
    note([&](Look& look) {
      look = {.phase = Phase::held, .token = *token, .ttl_s = ttl_s_, .renewed_at_ms = asked_at_ms, .error = {}};
    });
    return Tried::got;
  }
  trouble_ = body_of(*answer).error();
  const std::string code = refusal_code(*answer);
  if (code == "stale_boot" || code == "unknown_boot") {  // The daemon came back with a different log.
    is_registered_ = false;
    boot_id_ = random_hex();
    return Tried::again;
  }
  const json::value row = refusal_row(*answer);
  if (code == "lease_held" && cell(row, "owner.boot_id") == boot_id_) {
    // An earlier try was granted it, but the answer was lost. Renewing it shows when its ttl began.
    const auto token = read_number(cell(row, "token"), "the token");
    const std::int64_t renewal_asked_at_ms = boottime_ms();
    const auto renewed = token ? call(caller_.client, lease_request(*token)) : Result<json::value>(token.error());
    if (!renewed) return failed(renewed.error());
    note([&](Look& look) {
      look = {
          .phase = Phase::held, .token = *token, .ttl_s = ttl_s_, .renewed_at_ms = renewal_asked_at_ms, .error = {}};
    });
    return Tried::got;
  }
  return code == "lease_held" || answer->status == 503 ? Tried::again : Tried::refused;
}

void HeldLease::acquire() {
  const std::int64_t until_ms =
      boottime_ms() + static_cast<std::int64_t>(std::min<std::uint64_t>(wish_.wait_s, 1U << 30)) * 1000;
  bool is_said = false;
  std::int64_t pause_ms = first_pause_ms;
  while (true) {
    const Tried tried = try_once();
    if (tried == Tried::got) return;
    const std::int64_t left_ms = until_ms - boottime_ms();
    if (tried == Tried::refused || left_ms <= 0) {
      note([&](Look& look) {
        look.phase = Phase::refused;
        look.error = trouble_;
      });
      return;
    }
    if (trouble_->code == ErrorCode::io && !is_said) {
      fail(Exit::refused, trouble_->message + "; waiting for it");
      is_said = true;
    }
    if (!pause(std::min(pause_ms, left_ms))) return;
    pause_ms = std::min(2 * pause_ms, longest_pause_ms);
  }
}

void HeldLease::lose(std::string why) {
  note([&](Look& look) {
    look.phase = Phase::lost;
    look.error = Error{ErrorCode::busy, std::move(why)};
  });
}

void HeldLease::renew() {
  const std::int64_t asked_at_ms = boottime_ms();
  Request request = lease_request(look().token);
  request.timeout_s = static_cast<int>(std::clamp<std::int64_t>(lease_times(*ttl_s_).renew / 1000, 1, 60));
  const auto answer = caller_.client.send(request);
  if (answer && answer->is_success()) {
    return note([&](Look& look) {
      look.renewed_at_ms = asked_at_ms;
      look.error.reset();
    });
  }
  Error error = answer ? body_of(*answer).error() : answer.error();
  // Any other error, even a bearer token that is no longer accepted, may pass before the ttl ends.
  if (answer && (answer->status == 409 || answer->status == 404)) return lose(error.message);
  note([&](Look& look) { look.error = std::move(error); });
}

void HeldLease::see_whether_it_is_still_there() {
  // A page begins after a key, so ask for what comes after a shorter one.
  std::string after = wish_.key.substr(0, wish_.key.size() - 1);
  const std::string token = std::to_string(look().token);
  while (true) {
    const auto page = call(caller_.client, {.method = "GET", .path = "/v1/leases?after=" + percent_encoded(after)});
    if (!page) return;  // Without a ttl the lease is held whether or not the daemon answers.
    const json::value* items = page->is_object() ? page->get_object().if_contains("items") : nullptr;
    if (!items || !items->is_array()) return;
    for (const json::value& lease : items->get_array()) {
      const json::value* key = lease.is_object() ? lease.get_object().if_contains("key") : nullptr;
      if (!key || !key->is_string() || std::string_view(key->get_string()) != wish_.key) continue;
      if (cell(lease, "token") == token) return;
      return lose(cell(lease, "owner.actor") + " holds it now, pid " + cell(lease, "owner.pid") + " of boot " +
                  cell(lease, "owner.boot_id"));
    }
    const json::value* next = page->get_object().if_contains("next");
    if (!next || !next->is_string() || std::string_view(next->get_string()) >= wish_.key) {
      return lose("it was released or reclaimed elsewhere");
    }
    after = next->get_string();
  }
}

void HeldLease::keep() {
  while (look().phase == Phase::held) {
    const bool has_failed = look().error.has_value();
    std::int64_t pause_ms = ttl_s_ ? lease_times(*ttl_s_).renew : look_every_ms;
    if (has_failed) pause_ms = std::min(pause_ms / 2, longest_pause_ms);
    if (!pause(pause_ms)) return;
    if (ttl_s_) {
      renew();
    } else {
      see_whether_it_is_still_there();
    }
  }
}

void HeldLease::leave() {
  const Look last = look();
  std::optional<Error> error;
  if (last.phase == Phase::held) {
    const auto released = call(
        caller_.client, {.method = "DELETE",
                         .path = "/v1/leases/" + percent_encoded(wish_.key) + "?token=" + std::to_string(last.token),
                         .actor = caller_.actor,
                         .boot = boot_id_,
                         .timeout_s = leaving_s});
    if (!released) error = released.error();
  }
  // Ending the boot frees a lease that a try was granted without our knowing.
  if (is_asked_) {
    const auto ended = call(caller_.client, {.method = "DELETE",
                                             .path = "/v1/boots/" + percent_encoded(boot_id_),
                                             .actor = caller_.actor,
                                             .boot = boot_id_,
                                             .timeout_s = leaving_s});
    if (!ended && !error) error = ended.error();
  }
  note([&](Look& look) {
    if (last.phase == Phase::held) look.error = error;
    look.is_over = true;
  });
}

}  // namespace pawl
