#include "tools/commands/follow.h"

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <chrono>
#include <optional>
#include <string>
#include <thread>

#include "schema/json/read_json.h"
#include "tools/commands/answers.h"

namespace pawl {
namespace {

using std::chrono::steady_clock;

constexpr int poll_wait_s = 30;  // per long poll
constexpr auto pause = std::chrono::milliseconds(200);

std::optional<std::uint64_t> seq_of(const boost::json::value& record) {
  const auto* seq = record.is_object() ? record.get_object().if_contains("seq") : nullptr;
  if (!seq || !seq->is_int64() || seq->get_int64() < 0) return std::nullopt;
  return static_cast<std::uint64_t>(seq->get_int64());
}

}  // namespace

Result<void> follow(Client& client, std::uint64_t after, const Follower& follower) {
  std::optional<steady_clock::time_point> away_since;
  while (true) {
    bool is_enough = false;
    std::optional<Error> broken;
    const Listener listener{.line =
                                [&](std::string_view line) {
                                  const auto record = parse_json(line);
                                  const auto seq = record ? seq_of(*record) : std::nullopt;
                                  if (!seq) {
                                    broken = Error{ErrorCode::io, "the daemon sent a line that is not a record"};
                                    return false;
                                  }
                                  away_since.reset();
                                  if (*seq <= after) return true;
                                  after = *seq;
                                  is_enough = !follower.record(line, record->get_object());
                                  return !is_enough;
                                },
                            .idle =
                                [&] {
                                  is_enough = !follower.idle();
                                  return !is_enough;
                                }};
    const auto answer =
        client.listen("/v1/events?after=" + std::to_string(after) + "&wait_s=" + std::to_string(poll_wait_s), listener);
    if (broken) return *broken;
    if (is_enough) return {};
    if (answer && answer->is_success()) {
      away_since.reset();
      if (!follower.idle()) return {};
      continue;
    }
    // 503: the daemon is starting or stopping, which is as good as away. 429: too much for now.
    const Error trouble = answer ? body_of(*answer).error() : answer.error();
    if (answer && answer->status != 503 && answer->status != 429) return trouble;
    if (!away_since) {
      away_since = steady_clock::now();
      if (follower.patience_s > 0) follower.lost(trouble);
    }
    if (steady_clock::now() - *away_since >= std::chrono::seconds(follower.patience_s)) return trouble;
    std::this_thread::sleep_for(pause);
    if (!follower.idle()) return {};
  }
}

}  // namespace pawl
