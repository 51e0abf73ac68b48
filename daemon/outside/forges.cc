#include "daemon/outside/forges.h"

#include <fmt/format.h>
#include <signal.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <map>
#include <optional>
#include <set>
#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

#include "daemon/logging.h"
#include "daemon/outside/forge_call.h"
#include "daemon/outside/forge_place.h"
#include "daemon/work/process.h"
#include "store/open.h"
#include "store/os/mutex.h"

namespace pawl {
namespace {

using std::chrono::steady_clock;

/// How many records may be read without a word before the place is written: after a crash they are read again.
constexpr std::uint64_t records_between_places = 1000;
/// A failure is logged when it is the first, and then after so many more.
constexpr unsigned failures_between_messages = 12;

/// A repository and its words. Guarded by the mutex of all of them.
struct ForgeLane {
  const ForgeTarget& target;
  ForgeQueue queue;
  std::set<std::pair<ForgeWord::Kind, std::string>> refusals_said = {};
};

struct KindTotals {
  std::atomic<std::uint64_t> waiting{0};
  std::atomic<std::uint64_t> told{0};
  std::atomic<std::uint64_t> retried{0};
  std::atomic<std::uint64_t> refused{0};
};

std::string words_about(const ForgeWord& word) {
  if (word.kind == ForgeWord::Kind::comment) return "the comment on issue " + word.issue;
  return "the status pawl/" + word.stage + " of commit " + word.commit.substr(0, 12);
}

/// The daemon's main thread handles signals. Also, a TLS library that writes to a closed connection raises SIGPIPE.
void block_all_signals() {
  sigset_t all;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, nullptr);
}

}  // namespace

struct Forges::Impl {
  Impl(Log& log_, Options options_) : log(log_), options(std::move(options_)), reader(options.targets) {}

  Log& log;
  const Options options;
  // The reading thread's:
  WordReader reader;
  bool has_said_full = false;

  mutable Mutex mutex;
  std::condition_variable changed;  // words were added or removed, or it is ending
  std::vector<ForgeLane> lanes PAWL_GUARDED_BY(mutex);
  std::size_t waiting PAWL_GUARDED_BY(mutex) = 0;
  std::uint64_t read_since_places PAWL_GUARDED_BY(mutex) = 0;
  bool ending PAWL_GUARDED_BY(mutex) = false;

  std::array<KindTotals, std::size(forge_kinds)> totals;
  std::stop_source stop_reading;
  EventCancelToken cancel_token;
  std::thread reading;
  std::thread telling;

  KindTotals& totals_of(ForgeKind kind) { return totals.at(static_cast<std::size_t>(kind)); }

  // ---- the thread that reads ----------------------------------------------------------------------------------------

  void read() {
    block_all_signals();
    const Result<void> done = read_log();
    if (!done) spdlog::error("forges are told nothing more until the next start: {}", done.error().message);
  }

  Result<void> read_log() {
    const LogPlace head = PAWL_TRY(last_place(log));
    const LogPlaces places = known_places();
    Seq from = head.seq;
    for (const ForgeTarget& target : options.targets.all) {
      if (const auto at = places.find(target.repo); at != places.end()) from = std::min(from, at->second.seq);
    }
    Opened opened = PAWL_TRY(newest_checkpoint(log, log, from));
    bool has_begun = false;
    const auto begin_at = [&](const State& state, const Chain& chain) {
      has_begun = state.last_seq >= from;
      if (has_begun) reader.begin(state, {.seq = state.last_seq, .chain = chain});
    };
    begin_at(opened.state, opened.chain);
    make_lanes(places, head);
    telling = std::thread([this] { tell(); });
    // Also from the checkpoint to that place by follow(), which a stop ends.
    Replica replica(std::move(opened.state), opened.chain, {.each = [&](const AppliedGroup& group) {
                      if (has_begun) return take(group);
                      begin_at(group.state, chain_of(group.records.back().record));
                    }});
    return follow(log, replica, stop_reading.get_token());
  }

  /// Where earlier boots were, if this is their log.
  LogPlaces known_places() {
    const Result<LogPlaces> places = read_places(options.folder);
    std::string why = places ? std::string() : places.error().message;
    if (places) {
      for (const auto& [repo, place] : *places) {
        const Result<bool> is_here = is_in(log, place);
        if (is_here && *is_here) continue;
        why = is_here ? fmt::format("forges were told of another log, up to its record {}", raw(place.seq))
                      : is_here.error().message;
      }
      if (why.empty()) return *places;
    }
    const Result<std::string> aside = put_places_aside(options.folder);
    spdlog::warn("{}; they are told of what happens from now on{}", why,
                 aside ? ", and " + *aside + " has the places in the other" : "");
    return {};
  }

  void make_lanes(const LogPlaces& places, const LogPlace& head) {
    {
      const MutexLock lock(mutex);
      for (const ForgeTarget& target : options.targets.all) {
        const auto at = places.find(target.repo);
        const LogPlace& told = at == places.end() ? head : at->second;
        lanes.push_back({target, ForgeQueue(told, head.seq, options.backoff)});
      }
    }
    save_places();
  }

  void take(const AppliedGroup& group) {
    std::vector<ForgeWord> words = reader.take(group);
    MutexLock lock(mutex);
    const auto has_room = [this]() PAWL_REQUIRES(mutex) { return ending || waiting < options.words_max; };
    if (!words.empty() && !has_room()) {
      if (!std::exchange(has_said_full, true)) {
        spdlog::warn("{} words wait for forges: no more of the log is read until some are told", waiting);
      }
      changed.wait(lock.waiting(), has_room);
    }
    for (ForgeWord& word : words) {
      const auto lane = std::find_if(lanes.begin(), lanes.end(),
                                     [&](const ForgeLane& each) { return each.target.repo == word.repo; });
      lane->queue.add(std::move(word));
    }
    for (ForgeLane& lane : lanes) lane.queue.read_to(reader.place());
    count_waiting();
    has_said_full = has_said_full && waiting > 0;
    read_since_places += group.records.size();
    if (!words.empty() || read_since_places >= records_between_places) changed.notify_all();
  }

  void count_waiting() PAWL_REQUIRES(mutex) {
    std::array<std::uint64_t, std::size(forge_kinds)> counts{};
    waiting = 0;
    for (const ForgeLane& lane : lanes) {
      counts.at(static_cast<std::size_t>(lane.target.kind)) += lane.queue.size();
      waiting += lane.queue.size();
    }
    for (std::size_t i = 0; i < counts.size(); ++i) totals.at(i).waiting = counts.at(i);
  }

  // ---- the thread that tells ----------------------------------------------------------------------------------------

  struct Turn {
    std::size_t lane = 0;
    ForgeQueue::Next next;
  };

  void tell() {
    block_all_signals();
    WebCaller caller(options.targets.ca_file);
    std::size_t last_lane = 0;
    for (;;) {
      const std::optional<Turn> turn = next_turn(last_lane);
      if (is_ending()) break;
      if (turn) {
        last_lane = turn->lane;
        const ForgeTarget& target = options.targets.all.at(turn->lane);
        const ForgeAnswer answer =
            tell_forge(caller, target, turn->next.word, options.targets.page, turn->next.may_be_there, cancel_token);
        const bool is_called_off = answer.how == ForgeAnswer::How::later && cancel_token.called();
        if (!is_called_off) settle(*turn, answer);
      }
      save_places();
    }
    save_places();
  }

  bool is_ending() const {
    const MutexLock lock(mutex);
    return ending;
  }

  /// Waits for a word that is due; none: only the places are. The repositories take turns.
  std::optional<Turn> next_turn(std::size_t last_lane) {
    MutexLock lock(mutex);
    for (;;) {
      const auto now = steady_clock::now();
      std::optional<steady_clock::time_point> due;
      for (std::size_t i = 1; i <= lanes.size(); ++i) {
        const std::size_t at = (last_lane + i) % lanes.size();
        if (auto next = lanes.at(at).queue.next(now)) return Turn{at, *std::move(next)};
        if (const auto when = lanes.at(at).queue.due()) due = std::min(due.value_or(*when), *when);
      }
      if (ending || read_since_places >= records_between_places) return std::nullopt;
      if (due) {
        changed.wait_until(lock.waiting(), *due);
      } else {
        changed.wait(lock.waiting());
      }
    }
  }

  void settle(const Turn& turn, const ForgeAnswer& answer) {
    const ForgeWord& word = turn.next.word;
    std::optional<std::string> message;
    bool is_refusal_to_say = false;
    {
      const MutexLock lock(mutex);
      ForgeLane& lane = lanes.at(turn.lane);
      KindTotals& counts = totals_of(lane.target.kind);
      switch (answer.how) {
        case ForgeAnswer::How::told:
          if (lane.queue.failures() >= failures_between_messages) {
            message = fmt::format("the forge of {} is told again, after {} failures", word.repo, lane.queue.failures());
          }
          std::erase_if(lane.refusals_said, [&](const auto& said) { return said.first == word.kind; });
          lane.queue.told(turn.next.number);
          ++counts.told;
          break;
        case ForgeAnswer::How::refused:
          lane.queue.refused(turn.next.number);
          ++counts.refused;
          is_refusal_to_say = lane.refusals_said.emplace(word.kind, answer.why.substr(0, answer.why.find(':'))).second;
          break;
        case ForgeAnswer::How::later: {
          const auto pause = lane.queue.failed(turn.next.number, steady_clock::now(), answer.not_before);
          ++counts.retried;
          if (lane.queue.failures() % failures_between_messages == 1) {
            message = fmt::format("{} of record {} did not reach the forge of {} (try {}, next in {} ms): {}",
                                  words_about(word), raw(word.seq), word.repo, lane.queue.failures(), pause.count(),
                                  answer.why);
          }
          break;
        }
      }
      count_waiting();
      changed.notify_all();
    }
    if (message) say_warning({*message, {.task = word.task, .seq = word.seq}});
    if (is_refusal_to_say) say_refused(word, answer.why);
  }

  void say_refused(const ForgeWord& word, const std::string& why) {
    say_error({fmt::format("the forge of {} did not accept {} of record {}, which is given up; more like it are only "
                           "counted: {}",
                           word.repo, words_about(word), raw(word.seq), why),
               {.task = word.task, .seq = word.seq}});
    if (!options.raise) return;
    Alert alert{.reason = "word_refused: " + words_about(word) + ": " + why};
    alert.actor = "pawld";
    alert.task = word.task;
    alert.repo = word.repo;
    options.raise(std::move(alert));
  }

  void save_places() {
    LogPlaces places;
    {
      const MutexLock lock(mutex);
      for (const ForgeLane& lane : lanes) {
        places.emplace(lane.target.repo, lane.queue.place());
      }
      read_since_places = 0;
    }
    if (places == saved) return;
    const Result<void> written = write_places(options.folder, places);
    if (!written && !has_said_unwritten) {
      spdlog::error("how far forges were told cannot be written, so a restart will repeat some words: {}",
                    written.error().message);
    }
    has_said_unwritten = !written;
    if (written) saved = std::move(places);
  }

  // Of the telling thread, once it runs.
  LogPlaces saved;
  bool has_said_unwritten = false;
};

Forges::Forges(Log& log, Options options) : impl_(std::make_unique<Impl>(log, std::move(options))) {}

Forges::~Forges() {
  stop();
}

void Forges::start() {
  if (impl_->options.targets.all.empty()) return;
  impl_->reading = std::thread([impl = impl_.get()] { impl->read(); });
}

void Forges::stop() {
  if (!impl_->reading.joinable()) return;
  {
    const MutexLock lock(impl_->mutex);
    impl_->ending = true;
    impl_->changed.notify_all();
  }
  impl_->stop_reading.request_stop();
  impl_->cancel_token.call();
  impl_->reading.join();
  if (impl_->telling.joinable()) impl_->telling.join();
}

ForgeCountsByKind Forges::counts() const {
  ForgeCountsByKind counts;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const KindTotals& totals = impl_->totals.at(i);
    counts.at(i) = {totals.waiting, totals.told, totals.retried, totals.refused};
  }
  return counts;
}

}  // namespace pawl
