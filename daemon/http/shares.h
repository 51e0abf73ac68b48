// Who has how much of a server's capacity. Each account may have only a part of the whole, so that however much one
// client takes, others are served. Each token is an account, each user of the unix socket is one, and all strangers
// together are one.
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

/// Who sent a request, as far as that is known before it is handled.
struct Visitor {
  std::string principal = {};  // empty: unknown; the connection keeps its account
  bool is_operator = false;
  /// Whether its requests per second are bounded. Not without a token: there a refusal costs as much as the answer.
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

  /// What one principal has. Lives as long as it has something.
  struct Account {
    explicit Account(std::string whose) : principal(std::move(whose)) {}

    const std::string principal;
    std::atomic<std::size_t> connections{0};
    std::atomic<std::size_t> waiting{0};  // of the connections: streams and long polls
    std::atomic<std::size_t> bytes{0};

   private:
    friend class Shares;
    double requests_left_ = 0;  // under the mutex of the shares, like refilled_
    Time refilled_;
  };

  /// The place of one stream or long poll, given back at its end.
  class Place {
   public:
    Place(Shares& shares, std::shared_ptr<Account> account, ShareKind kind, bool is_operator, Time since);
    ~Place();
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;

    /// Whether it is ended before the other when one of them must be. Operators' go last; then the account with the
    /// most places goes first, then the oldest place.
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

  /// `book` counts each place taken or given back, and each request taken or refused.
  Shares(Bounds bounds, std::shared_ptr<ShareBook> book) : bounds_(bounds), book_(std::move(book)) {}

  /// The account of a principal: always the same one while it has something, or has sent requests lately.
  std::shared_ptr<Account> account_of(const std::string& principal, Time now);
  /// Takes that many more requests of the account, if it may send them now; else none.
  bool takes_requests(Account& account, Time now, std::size_t count = 1);
  /// Null: the account has its full share of streams and long polls, or all non-operators together have theirs.
  std::unique_ptr<Place> take_place(const std::shared_ptr<Account>& account, ShareKind kind, bool is_operator,
                                    Time now);

  /// Connections reserved for the unix socket: TCP makes room before it uses them.
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
  std::size_t readers_waiting_ PAWL_GUARDED_BY(mutex_) = 0;  // places of those that are not operators
};

}  // namespace pawl
