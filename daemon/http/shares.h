// Who has how much of what a server can bear. What one may have is a part of the whole, so that however much one client
// takes, others are served: each token is one account, each user of the unix socket, and all strangers together.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "daemon/http/share_book.h"
#include "store/os/mutex.h"

namespace pawl {

/// Who a request is from, as far as it is known before it is looked at.
struct Visitor {
  std::string principal = {};  // empty: not known; it is counted to whom the connection was
  bool is_operator = false;
  /// Whether its requests a second are bounded: not those that come without a token, as there a refusal costs as much
  /// as the answer.
  bool is_rated = false;
};

/// Threads: any.
class Shares {
 public:
  using Time = std::chrono::steady_clock::time_point;
  struct Bounds {
    std::size_t connections = 0;
    std::size_t bytes = 0;
    std::size_t requests_per_s = 0;
    std::size_t requests_at_once = 0;
  };

  /// What one principal has. Lives for as long as it has something.
  struct Account {
    explicit Account(std::string whose) : principal(std::move(whose)) {}

    const std::string principal;
    std::atomic<std::size_t> connections{0};
    std::atomic<std::size_t> waiting{0};  // of those: streams and long polls
    std::atomic<std::size_t> bytes{0};

   private:
    friend class Shares;
    double requests_left_ = 0;  // under the mutex of the shares, with what follows
    Time refilled_;
  };

  /// The place of one stream or long poll, given back at its end.
  class Place {
   public:
    Place(Shares& shares, std::shared_ptr<Account> account, ShareKind kind, bool is_operator, Time since);
    ~Place();
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;

    /// Whether it is to go before the other where one of them has to: operators' last, then that of who has the most of
    /// them first, then the one that has been there the longest.
    bool goes_before(const Place& other) const;

    /// A stream, or a poll.
    ShareKind kind() const { return kind_; }

   private:
    Shares& shares_;
    const std::shared_ptr<Account> account_;
    const ShareKind kind_;
    const bool is_operator_;
    const Time since_;
  };

  /// `book` is told of each place that is taken or given back, and of each request that is taken or refused.
  Shares(Bounds bounds, std::shared_ptr<ShareBook> book) : bounds_(bounds), book_(std::move(book)) {}

  /// The account of a principal: always the same while it has something, or asked lately.
  std::shared_ptr<Account> account_of(const std::string& principal, Time now);
  /// Whether one more request of that account is taken by now.
  bool takes_request(Account& account, Time now);
  /// Null: the account has its share of streams and long polls, or all that are not operators have theirs.
  std::unique_ptr<Place> take_place(const std::shared_ptr<Account>& account, ShareKind kind, bool is_operator,
                                    Time now);

  /// Connections that are kept for the unix socket: others make room before they use them.
  std::size_t reserve() const { return bounds_.connections / 16; }
  /// The bytes that may be held for one account.
  std::size_t bytes_share() const { return bounds_.bytes / 2; }
  ShareBook& book() { return *book_; }

 private:
  void refill(Account& account, Time now) const;
  void forget_idle(Time now) PAWL_REQUIRES(mutex_);

  const Bounds bounds_;
  const std::shared_ptr<ShareBook> book_;
  Mutex mutex_;
  std::map<std::string, std::shared_ptr<Account>> accounts_ PAWL_GUARDED_BY(mutex_);
  std::size_t readers_waiting_ PAWL_GUARDED_BY(mutex_) = 0;  // of those that are not operators
};

}  // namespace pawl
