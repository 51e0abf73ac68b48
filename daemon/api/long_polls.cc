#include "daemon/api/long_polls.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace pawl {
namespace {

/// How often to look for disconnected clients.
constexpr std::chrono::seconds gone_interval{1};
/// However many wait, news are not kept from them for longer.
constexpr LongPolls::Pause pause_max = std::chrono::seconds(1);

bool is_gone(const LongPolls::Wait& wait) {
  return wait.gone && wait.gone->load();
}

}  // namespace

LongPolls::LongPolls(Pause pause_each) : pause_each_(pause_each), thread_([this] { run(); }) {}

LongPolls::~LongPolls() {
  stop();
}

LongPolls::Turn LongPolls::turn() const {
  const MutexLock lock(mutex_);
  return turn_;
}

std::size_t LongPolls::waiting() const {
  const MutexLock lock(mutex_);
  return waiting_.size();
}

bool LongPolls::has_news_of_its_keys(const Wait& wait) const {
  return std::any_of(wait.keys.begin(), wait.keys.end(), [&](const std::string& key) PAWL_REQUIRES(mutex_) {
    const auto last = last_for_key_.find(key);
    return last != last_for_key_.end() && last->second > wait.seen;
  });
}

void LongPolls::wait(Wait wait) {
  MutexLock lock(mutex_);
  if (stopping_) {
    const Turn turn = turn_;
    lock.unlock();
    return wait.wake(Wake::stopped, turn);
  }
  const bool is_first = deadlines_.empty() || wait.deadline < deadlines_.begin()->first;
  const bool is_outdated = last_for_all_ > wait.seen;
  if (has_news_of_its_keys(wait) || (is_outdated && std::chrono::steady_clock::now() >= pause_end_)) {
    due_.push_back({.wake = std::move(wait.wake), .why = Wake::again, .turn = turn_});
    changed_.notify_one();
    return;
  }
  const bool is_first_with_news = is_outdated && !std::exchange(is_news_for_all_, true);
  const Order order = next_order_++;
  const Turn since = is_outdated ? wait.seen : turn_;
  deadlines_.emplace(wait.deadline, order);
  for (const std::string& key : wait.keys) by_key_[key].insert(order);
  waiting_.emplace(order, Waiting{.wait = std::move(wait), .since = since});
  if (is_first || is_first_with_news) changed_.notify_one();
}

void LongPolls::notify() {
  const MutexLock lock(mutex_);
  last_for_all_ = ++turn_;
  if (waiting_.empty() || std::exchange(is_news_for_all_, true)) return;
  changed_.notify_one();
}

void LongPolls::notify(const std::string& key) {
  const MutexLock lock(mutex_);
  last_for_key_[key] = ++turn_;
  if (wake_first(key, turn_)) changed_.notify_one();
}

void LongPolls::notify_at(const std::string& key, Time time) {
  const MutexLock lock(mutex_);
  const auto [alarm, is_new] = alarms_.emplace(key, time);
  if (!is_new && alarm->second <= time) return;
  alarm->second = time;
  changed_.notify_one();
}

void LongPolls::pass_on(const std::vector<std::string>& keys, Turn turn) {
  const MutexLock lock(mutex_);
  for (const std::string& key : keys) {
    if (wake_first(key, turn)) return changed_.notify_one();
  }
}

void LongPolls::stop() {
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
    changed_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
}

LongPolls::Wait LongPolls::take_out(Waits::iterator at) {
  Wait wait = std::move(at->second.wait);
  deadlines_.erase({wait.deadline, at->first});
  for (const std::string& key : wait.keys) {
    const auto of_key = by_key_.find(key);
    if (of_key == by_key_.end()) continue;  // the same key twice
    of_key->second.erase(at->first);
    if (of_key->second.empty()) by_key_.erase(of_key);
  }
  waiting_.erase(at);
  return wait;
}

void LongPolls::end(Waits::iterator at, Wake why, Turn turn) {
  due_.push_back({.wake = take_out(at).wake, .why = why, .turn = turn});
}

bool LongPolls::wake_first(const std::string& key, Turn turn) {
  for (auto of_key = by_key_.find(key); of_key != by_key_.end(); of_key = by_key_.find(key)) {
    const auto first = waiting_.find(*of_key->second.begin());
    if (first->second.since >= turn) return false;  // It looked after the event, and so did all that follow.
    if (!is_gone(first->second.wait)) {
      end(first, Wake::again, turn);
      return true;
    }
    dropped_.push_back(take_out(first));
  }
  return false;
}

void LongPolls::wake_all(Time now) {
  is_news_for_all_ = false;
  std::int64_t woken = 0;
  for (auto at = waiting_.begin(); at != waiting_.end();) {
    const auto each = at++;
    if (!stopping_ && each->second.since >= last_for_all_) continue;
    end(each, stopping_ ? Wake::stopped : Wake::again, turn_);
    ++woken;
  }
  pause_end_ = now + std::min(pause_max, woken * pause_each_);
}

void LongPolls::drop_gone() {
  for (auto at = waiting_.begin(); at != waiting_.end();) {
    const auto each = at++;
    if (is_gone(each->second.wait)) dropped_.push_back(take_out(each));
  }
}

void LongPolls::ring_alarms(Time now) {
  for (auto at = alarms_.begin(); at != alarms_.end();) {
    const auto each = at++;
    if (each->second > now) continue;
    last_for_key_[each->first] = ++turn_;
    wake_first(each->first, turn_);
    alarms_.erase(each);
  }
}

LongPolls::Time LongPolls::next_time() const {
  Time next = Time::max();
  for (const auto& [key, time] : alarms_) next = std::min(next, time);
  if (!waiting_.empty()) next = std::min({next, deadlines_.begin()->first, next_look_});
  if (is_news_for_all_) next = std::min(next, pause_end_);
  return next;
}

void LongPolls::run() {
  MutexLock lock(mutex_);
  while (true) {
    const Time now = std::chrono::steady_clock::now();
    if (stopping_ || (is_news_for_all_ && now >= pause_end_)) wake_all(now);
    while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
      end(waiting_.find(deadlines_.begin()->second), Wake::deadline, turn_);
    }
    ring_alarms(now);
    if (now >= next_look_) {
      drop_gone();
      next_look_ = now + gone_interval;
    }
    if (!due_.empty() || !dropped_.empty()) {
      std::vector<Due> due = std::exchange(due_, {});
      std::vector<Wait> dropped = std::exchange(dropped_, {});
      lock.unlock();
      dropped.clear();
      for (const Due& each : due) each.wake(each.why, each.turn);
      due.clear();
      lock.lock();
      continue;
    }
    if (stopping_) return;
    if (const Time next = next_time(); next == Time::max()) {
      changed_.wait(lock.waiting());
    } else {
      changed_.wait_until(lock.waiting(), next);
    }
  }
}

}  // namespace pawl
