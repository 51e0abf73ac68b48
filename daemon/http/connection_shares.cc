// A connection's share of the server, and how it gives way to others.
#include "daemon/http/connection.h"

namespace pawl {
namespace {

/// Before the first request: all TCP clients are one stranger.
std::string name_of_stranger(Transport transport, std::optional<std::uint32_t> uid) {
  if (transport == Transport::tcp) return "stranger";
  return uid ? "uid:" + std::to_string(*uid) : "uid";
}

/// Refuses what would leave others no room.
HttpResponse too_many(std::string_view code, std::string_view message) {
  HttpResponse response = http_error(429, code, message);
  response.headers.emplace_back("Retry-After", "1");
  return response;
}

}  // namespace

void Connection::begin_share() {
  move_to(shared_.shares.account_of(name_of_stranger(transport_, peer_uid_), shared_.options.now()));
  is_operators_ = transport_ == Transport::unix_socket;
}

void Connection::move_to(std::shared_ptr<Shares::Account> account) {
  if (account == account_) return;
  auto& connections = shared_.shares.book().held(ShareKind::connections);
  if (account_) {
    connections.fetch_sub(1);
    account_->connections.fetch_sub(1);
    account_->bytes.fetch_sub(held_bytes_);
  }
  account_ = std::move(account);
  if (account_) {
    connections.fetch_add(1);
    account_->connections.fetch_add(1);
    account_->bytes.fetch_add(held_bytes_);
  }
}

bool Connection::is_within_share(const HttpRequest& request) {
  is_rated_ = false;
  if (!shared_.options.who_asks) return true;
  const Visitor visitor = shared_.options.who_asks(request);
  if (visitor.principal.empty()) return true;
  const auto now = shared_.options.now();
  move_to(shared_.shares.account_of(visitor.principal, now));
  is_operators_ = visitor.is_operator;
  is_rated_ = visitor.is_rated;
  if (!is_rated_ || shared_.shares.takes_requests(*account_, now)) return true;
  shared_.in_hand.fetch_add(1);
  enter(Phase::handling);
  reply(too_many("too_many_requests", "this token sends too many requests per second"));
  return false;
}

bool Connection::takes_more(std::size_t count) {
  return !is_rated_ || shared_.shares.takes_requests(*account_, shared_.options.now(), count);
}

bool Connection::take_place(ShareKind kind) {
  if (!place_) place_ = shared_.shares.take_place(account_, kind, is_operators_, shared_.options.now());
  return place_ != nullptr;
}

void Connection::wait(std::uint64_t request, HttpResponse early) {
  // Its answer may have come before this.
  if (request != request_ || phase_ != Phase::handling || stream_) return;
  early_ = std::move(early);
  const bool is_stream = early_.content_type == "text/event-stream";
  if (take_place(is_stream ? ShareKind::streams : ShareKind::polls)) return;
  early_ = refusal_of_place();
  give_way();
}

void Connection::give_way() {
  keep_alive_ = false;
  is_leaving_ = true;
  if (!stream_) {
    // An answer from the handle would now come too late.
    gone_->store(true);
    return reply(std::exchange(early_, {}));
  }
  // An event that is half sent cannot be finished; its client asks for it again.
  if (phase_ != Phase::handling) return close();
  stream_.reset();
  place_.reset();
  if (is_1_1_) out_ = "0\r\n\r\n";
  enter(Phase::writing);
  write_pending();
}

HttpResponse Connection::refusal_of_place() {
  return too_many("too_many_streams", "this token or user already has its share of event streams and waiting requests");
}

}  // namespace pawl
