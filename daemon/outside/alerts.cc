#include "daemon/outside/alerts.h"

#include <signal.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <optional>
#include <thread>
#include <utility>

#include "daemon/logging.h"
#include "daemon/work/process.h"
#include "schema/printable.h"
#include "store/os/mutex.h"

namespace pawl {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

/// A destination and its undelivered alerts. Only the thread uses it.
struct Lane {
  AlertDestination destination;
  std::deque<std::shared_ptr<const Alert>> queue;
  unsigned failures = 0;  // of the queue's first alert
  steady_clock::time_point due = {};
};

/// One about an origin has the seq of the last record, which has nothing to do with it.
NoticeTopic topic_of(const Alert& alert) {
  NoticeTopic about{.task = alert.task, .job = alert.job};
  if (raw(alert.seq) != 0 && !alert.type.empty()) about.seq = alert.seq;
  return about;
}

}  // namespace

milliseconds alert_backoff(unsigned failures) {
  PAWL_ASSERT(failures >= 1);
  constexpr std::int64_t max_s = limits::alert_backoff_s_max;
  const unsigned doublings = std::min(failures - 1, 20U);
  return std::chrono::seconds(std::min(std::int64_t{1} << doublings, max_s));
}

struct Alerts::Impl {
  struct Test {
    Alert alert;
    AlertTested done;
  };

  Impl(std::vector<AlertDestination> destinations, Pace pace_) : pace(std::move(pace_)) {
    for (AlertDestination& destination : destinations) lanes.push_back({.destination = std::move(destination)});
  }

  const Pace pace;
  std::function<void(Alert&)> look_up;  // constant once the thread runs

  Mutex mutex;
  std::condition_variable wake;
  std::condition_variable ended;
  std::deque<Alert> arrived PAWL_GUARDED_BY(mutex);
  std::uint64_t arrived_lost PAWL_GUARDED_BY(mutex) = 0;  // dropped, not yet logged
  std::vector<Test> tests PAWL_GUARDED_BY(mutex);
  bool stopping PAWL_GUARDED_BY(mutex) = false;
  bool has_ended PAWL_GUARDED_BY(mutex) = false;

  std::vector<Lane> lanes;  // only the thread uses them
  EventCancelToken cancel_token;
  std::thread thread;

  std::atomic<std::uint64_t> sent{0};
  std::atomic<std::uint64_t> failed{0};
  std::atomic<std::uint64_t> dropped{0};
  std::atomic<std::uint64_t> queued{0};

  std::uint64_t copies() const { return lanes.size(); }

  void raise(Alert alert) {
    {
      const MutexLock lock(mutex);
      if (stopping) {
        dropped += copies();
        return;
      }
      if (arrived.size() >= pace.queue_max) {
        arrived.pop_front();
        ++arrived_lost;
        dropped += copies();
        queued -= copies();
      }
      arrived.push_back(std::move(alert));
      queued += copies();
    }
    wake.notify_one();
  }

  void run() {
    // The daemon's main thread handles signals. Also, a TLS library that writes to a closed connection raises SIGPIPE
    // here.
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, nullptr);
    for (;;) {
      Turn turn = next_turn();
      sort_in(turn.arrived, turn.arrived_lost);
      try_tests(turn.tests);
      for (Lane& lane : lanes) {
        if (turn.stopping) {
          drain(lane);
        } else if (!lane.queue.empty() && lane.due <= steady_clock::now()) {
          try_first(lane);
        }
      }
      if (turn.stopping) break;
    }
    const MutexLock lock(mutex);
    has_ended = true;
    ended.notify_all();
  }

  struct Turn {
    std::deque<Alert> arrived;
    std::uint64_t arrived_lost = 0;
    std::vector<Test> tests;
    bool stopping = false;
  };

  /// Waits until there is something to do.
  Turn next_turn() {
    MutexLock lock(mutex);
    for (;;) {
      const std::optional<steady_clock::time_point> due = next_due();
      if (stopping || !arrived.empty() || !tests.empty() || (due && *due <= steady_clock::now())) break;
      if (due) {
        wake.wait_until(lock.waiting(), *due);
      } else {
        wake.wait(lock.waiting());
      }
    }
    return {std::exchange(arrived, {}), std::exchange(arrived_lost, 0), std::exchange(tests, {}), stopping};
  }

  std::optional<steady_clock::time_point> next_due() const {
    std::optional<steady_clock::time_point> due;
    for (const Lane& lane : lanes) {
      if (!lane.queue.empty()) due = std::min(due.value_or(lane.due), lane.due);
    }
    return due;
  }

  /// Moves alerts from the common queue to the queues of the destinations.
  void sort_in(std::deque<Alert>& alerts, std::uint64_t lost) {
    if (lost > 0) spdlog::error("dropped {} alerts: they arrived faster than they could be sent", lost);
    for (Alert& alert : alerts) {
      look_up(alert);
      const std::string command = incident_command_in_full(alert);
      say_warning(
          {"alert: " + facts_of(alert).front().value + (command.empty() ? "" : "; look into it: " + printable(command)),
           topic_of(alert)});
      const auto shared = std::make_shared<const Alert>(std::move(alert));
      for (Lane& lane : lanes) {
        if (lane.queue.size() >= pace.queue_max) {
          say_error({fmt::format("dropped the alert of {}: {} others are queued for the {}",
                                 record_of(*lane.queue.front()), lane.queue.size() - 1, lane.destination.name),
                     topic_of(*lane.queue.front())});
          ++dropped;
          next_in(lane);
        }
        lane.queue.push_back(shared);
      }
    }
  }

  /// Removes the first alert. The next one starts with a fresh count of tries, but is not due any earlier.
  void next_in(Lane& lane) {
    lane.queue.pop_front();
    lane.failures = 0;
    --queued;
  }

  void test(Test test) {
    {
      const MutexLock lock(mutex);
      if (!stopping) {
        tests.push_back(std::move(test));
        wake.notify_one();
        return;
      }
    }
    test.done({});
  }

  void try_tests(const std::vector<Test>& waiting) {
    if (waiting.empty()) return;
    std::vector<AlertTest> results;
    for (Lane& lane : lanes) {
      results.push_back({lane.destination.name, lane.destination.deliver(waiting.front().alert, cancel_token)});
    }
    for (const Test& each : waiting) each.done(results);
  }

  void try_first(Lane& lane) {
    const std::shared_ptr<const Alert> alert = lane.queue.front();
    const AlertDelivery delivery = lane.destination.deliver(*alert, cancel_token);
    switch (delivery.how) {
      case AlertDelivery::How::delivered:
        if (!delivery.why.empty()) {
          say_warning({fmt::format("the alert of {} reached the {}, but {}", record_of(*alert), lane.destination.name,
                                   delivery.why),
                       topic_of(*alert)});
        }
        ++sent;
        next_in(lane);
        return;
      case AlertDelivery::How::refused:
        give_up(lane, delivery.why);
        return;
      case AlertDelivery::How::later: {
        const unsigned failures = ++lane.failures;
        const milliseconds pause = std::max(pace.backoff(failures), delivery.not_before);
        lane.due = steady_clock::now() + pause;
        if (failures >= pace.tries_max) {
          give_up(lane, delivery.why);
          return;
        }
        say_warning(
            {fmt::format("the alert of {} did not reach the {} (try {} of {}, next in {} ms): {}", record_of(*alert),
                         lane.destination.name, failures, pace.tries_max, pause.count(), delivery.why),
             topic_of(*alert)});
        return;
      }
    }
  }

  void give_up(Lane& lane, const std::string& why) {
    say_error({fmt::format("gave up on the alert of {}: the {} did not accept it: {}", record_of(*lane.queue.front()),
                           lane.destination.name, why),
               topic_of(*lane.queue.front())});
    ++failed;
    next_in(lane);
  }

  /// At shutdown: tries each alert once more, until the destination fails or the drain is called off.
  void drain(Lane& lane) {
    while (!lane.queue.empty() && !cancel_token.called()) {
      const AlertDelivery delivery = lane.destination.deliver(*lane.queue.front(), cancel_token);
      if (delivery.how == AlertDelivery::How::later) break;
      if (delivery.how == AlertDelivery::How::refused) {
        give_up(lane, delivery.why);
        continue;
      }
      ++sent;
      next_in(lane);
    }
    if (lane.queue.empty()) return;
    say_error({fmt::format("dropped {} alerts for the {} at shutdown, the first of {}", lane.queue.size(),
                           lane.destination.name, record_of(*lane.queue.front())),
               topic_of(*lane.queue.front())});
    dropped += lane.queue.size();
    while (!lane.queue.empty()) next_in(lane);
  }
};

Alerts::Alerts(std::vector<AlertDestination> destinations, Pace pace)
    : impl_(std::make_unique<Impl>(std::move(destinations), std::move(pace))) {
  PAWL_ASSERT(impl_->pace.queue_max >= 1 && impl_->pace.tries_max >= 1);
}

void Alerts::start(std::function<void(Alert&)> look_up) {
  PAWL_ASSERT(!impl_->thread.joinable());
  impl_->look_up = std::move(look_up);
  impl_->thread = std::thread([impl = impl_.get()] { impl->run(); });
}

Alerts::~Alerts() {
  stop();
}

void Alerts::take(std::span<const Published> records) {
  for (const Published& published : records) {
    for (Alert& alert : alerts_of(published)) impl_->raise(std::move(alert));
  }
}

void Alerts::raise(Alert alert) {
  impl_->raise(std::move(alert));
}

void Alerts::test(Alert alert, AlertTested done) {
  impl_->test({std::move(alert), std::move(done)});
}

AlertCounts Alerts::counts() const {
  return {impl_->sent, impl_->failed, impl_->dropped, impl_->queued};
}

void Alerts::stop() {
  if (!impl_->thread.joinable()) return;
  {
    MutexLock lock(impl_->mutex);
    impl_->stopping = true;
    impl_->wake.notify_all();
    impl_->ended.wait_for(lock.waiting(), impl_->pace.stop_within,
                          [this]() PAWL_REQUIRES(impl_->mutex) { return impl_->has_ended; });
  }
  impl_->cancel_token.call();
  impl_->thread.join();
}

}  // namespace pawl
