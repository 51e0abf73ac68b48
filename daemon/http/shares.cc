#include "daemon/http/shares.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace pawl {
namespace {

/// There are at most 1,000 tokens; socket users may be more, and tokens come and go.
constexpr std::size_t accounts_kept = 2048;

}  // namespace

Shares::Place::Place(Shares& shares, std::shared_ptr<Account> account, ShareKind kind, bool is_operator, Time since)
    : shares_(shares), account_(std::move(account)), kind_(kind), is_operator_(is_operator), since_(since) {
  shares_.book().held(kind_).fetch_add(1);
}

Shares::Place::~Place() {
  const MutexLock lock(shares_.mutex_);
  account_->waiting.fetch_sub(1);
  if (!is_operator_) --shares_.readers_waiting_;
  shares_.book().held(kind_).fetch_sub(1);
}

bool Shares::Place::goes_before(const Place& other) const {
  if (is_operator_ != other.is_operator_) return other.is_operator_;
  const std::size_t mine = account_->waiting.load();
  const std::size_t others = other.account_->waiting.load();
  return mine != others ? mine > others : since_ < other.since_;
}

std::shared_ptr<Shares::Account> Shares::account_of(const std::string& principal, Time now) {
  const MutexLock lock(mutex_);
  const auto found = accounts_.find(principal);
  if (found != accounts_.end()) return found->second;
  if (accounts_.size() >= accounts_kept) forget_idle(now);
  auto account = std::make_shared<Account>(principal);
  account->requests_left_ = static_cast<double>(bounds_.requests_at_once);
  account->refilled_ = now;
  accounts_.emplace(principal, account);
  return account;
}

bool Shares::takes_requests(Account& account, Time now, std::size_t count) {
  const MutexLock lock(mutex_);
  refill(account, now);
  if (account.requests_left_ < static_cast<double>(count)) {
    book_->refuse(ShareKind::requests, account.principal);
    return false;
  }
  account.requests_left_ -= static_cast<double>(count);
  book_->take_requests(now, count);
  return true;
}

std::unique_ptr<Shares::Place> Shares::take_place(const std::shared_ptr<Account>& account, ShareKind kind,
                                                  bool is_operator, Time now) {
  const MutexLock lock(mutex_);
  const bool has_its_share = account->waiting.load() >= std::max<std::size_t>(1, bounds_.connections / 2);
  if (has_its_share || (!is_operator && readers_waiting_ >= bounds_.connections - reserve())) {
    book_->refuse(kind, account->principal);
    return nullptr;
  }
  account->waiting.fetch_add(1);
  if (!is_operator) ++readers_waiting_;
  return std::make_unique<Place>(*this, account, kind, is_operator, now);
}

void Shares::refill(Account& account, Time now) const {
  // Threads read the clock before they take the mutex, so times may arrive out of order.
  if (now <= account.refilled_) return;
  const std::chrono::duration<double> since = now - std::exchange(account.refilled_, now);
  account.requests_left_ =
      std::min(account.requests_left_ + since.count() * static_cast<double>(bounds_.requests_per_s),
               static_cast<double>(bounds_.requests_at_once));
}

void Shares::forget_idle(Time now) {
  for (auto at = accounts_.begin(); at != accounts_.end();) {
    refill(*at->second, now);
    // An account that has sent many requests lately must not start again with a full allowance.
    const bool is_rested = at->second->requests_left_ >= static_cast<double>(bounds_.requests_at_once);
    at = is_rested && at->second.use_count() == 1 ? accounts_.erase(at) : std::next(at);
  }
}

}  // namespace pawl
