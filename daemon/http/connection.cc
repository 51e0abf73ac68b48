#include "daemon/http/connection.h"

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "daemon/http/request_head.h"
#include "schema/result.h"

namespace pawl {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using boost::system::error_code;

/// Bytes read but not yet parsed. Beyond that, nothing more is read, and the socket's own buffer holds the client back.
constexpr std::size_t unparsed_bytes_max = 64 * 1024;
/// How long a refused client may go on sending before the connection is cut. Closing with unread data would reset it,
/// and the client would lose the refusal.
constexpr std::chrono::seconds drain_timeout{1};
/// When a client that has closed its side is first probed for whether it still reads, and how often from then on. Most
/// requests are answered sooner.
constexpr std::chrono::milliseconds first_probe{250};
constexpr std::chrono::milliseconds probe_interval{5000};
constexpr std::string_view interim_answer = "HTTP/1.1 100 Continue\r\n\r\n";

/// The user who connected, as the kernel knows it.
std::optional<std::uint32_t> uid_of_peer(int socket) {
  ucred peer{};
  socklen_t bytes = sizeof(peer);
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) != 0) return std::nullopt;
  return peer.uid;
}

}  // namespace

Connection::Connection(asio::io_context& io, Socket socket, Transport transport, ServerShared& shared, LoopShared& loop)
    : io_(io),
      socket_(std::move(socket)),
      transport_(transport),
      peer_uid_(transport == Transport::unix_socket ? uid_of_peer(socket_.native_handle()) : std::nullopt),
      shared_(shared),
      loop_(loop),
      timer_(io),
      delivery_timer_(io) {
  begin_share();
}

Connection::~Connection() {
  gone_->store(true);
  move_to(nullptr);
  loop_.held_bytes.fetch_sub(held_bytes_);
  shared_.shares.book().held(ShareKind::bytes).fetch_sub(held_bytes_);
  loop_.connections.fetch_sub(1);
}

bool Connection::is_wait(const error_code& failure) {
  return failure == asio::error::would_block || failure == asio::error::try_again;
}

void Connection::start() {
  error_code failure;
  socket_.non_blocking(true, failure);
  if (failure) return close();
  since_ = asio::steady_timer::clock_type::now();
  enter(Phase::idle);
  on_readable();
}

void Connection::wind_down() {
  keep_alive_ = false;
  if (phase_ == Phase::idle || phase_ == Phase::reading || phase_ == Phase::draining) close();
  // A stream would not end by itself.
  if (stream_) close();
}

std::optional<Connection::Time> Connection::waiting_since() const {
  switch (phase_) {
    case Phase::handling:
    case Phase::closed:
      return std::nullopt;
    case Phase::idle:
    case Phase::reading:
    case Phase::writing:
    case Phase::draining:
      return since_;
  }
  return std::nullopt;
}

void Connection::count_bytes() {
  std::size_t held = in_.capacity() + out_.capacity();
  if (parser_) held += parser_->body().capacity();
  const bool is_more = held > held_bytes_;
  const std::size_t change = held - held_bytes_;  // wraps around if it is less now
  loop_.held_bytes.fetch_add(change);
  shared_.shares.book().held(ShareKind::bytes).fetch_add(change);
  if (account_) account_->bytes.fetch_add(change);
  held_bytes_ = held;
  const bool is_too_much = loop_.held_bytes > shared_.options.client_bytes_max / shared_.options.threads ||
                           (account_ && account_->bytes > shared_.shares.bytes_share());
  if (is_more && is_too_much) loop_.relieve();
}

void Connection::close() {
  if (phase_ == Phase::closed) return;
  if (phase_ == Phase::handling || phase_ == Phase::writing) shared_.in_hand.fetch_sub(1);
  phase_ = Phase::closed;
  gone_->store(true);
  stream_.reset();
  parser_.reset();
  // Pending operations keep the connection alive for a while, and must not keep its bytes.
  std::string().swap(in_);
  std::string().swap(out_);
  count_bytes();
  place_.reset();
  early_ = {};
  move_to(nullptr);
  error_code ignored;
  timer_.cancel();
  delivery_timer_.cancel();
  socket_.close(ignored);
}

void Connection::enter(Phase phase) {
  const auto now = asio::steady_timer::clock_type::now();
  if (phase != phase_) since_ = now;
  phase_ = phase;
  switch (phase) {
    case Phase::idle:
      deadline_ = now + shared_.options.idle_timeout;
      break;
    case Phase::reading:
    case Phase::writing:  // each write that makes progress restarts it
      deadline_ = now + shared_.options.request_timeout;
      break;
    case Phase::draining:
      deadline_ = now + drain_timeout;
      break;
    case Phase::handling:
    case Phase::closed:
      deadline_ = asio::steady_timer::time_point::max();
      break;
  }
  if (deadline_ != asio::steady_timer::time_point::max()) arm_timer();
}

// Sets the timer only if the deadline moved closer or the timer has expired: most requests never touch it.
void Connection::arm_timer() {
  if (timer_armed_ && timer_.expiry() <= deadline_) return;
  timer_.expires_at(deadline_);
  timer_armed_ = true;
  timer_.async_wait([self = shared_from_this()](const error_code& failure) {
    if (failure == asio::error::operation_aborted) return;
    self->timer_armed_ = false;
    self->on_timer();
  });
}

void Connection::on_timer() {
  if (phase_ == Phase::closed || deadline_ == Time::max()) return;
  if (asio::steady_timer::clock_type::now() < deadline_) return arm_timer();
  if (phase_ == Phase::handling) return probe_client();
  if (phase_ == Phase::draining && has_failed()) return lost();
  if (phase_ == Phase::reading) {
    return refuse(408, "request_timeout", "the request did not arrive in time");
  }
  close();
}

bool Connection::has_failed() {
  int failure = 0;
  socklen_t size = sizeof failure;
  return ::getsockopt(socket_.native_handle(), SOL_SOCKET, SO_ERROR, &failure, &size) == 0 && failure != 0;
}

void Connection::wait_readable() {
  if (read_armed_ || phase_ == Phase::closed) return;
  read_armed_ = true;
  socket_.async_wait(Socket::wait_read, [self = shared_from_this()](const error_code& failure) {
    self->read_armed_ = false;
    if (failure || self->phase_ == Phase::closed) return;
    self->on_readable();
  });
}

Connection::Input Connection::fill() {
  std::array<char, 16 * 1024>& piece = loop_.piece;
  while (in_.size() - in_begin_ < unparsed_bytes_max) {
    error_code failure;
    const std::size_t bytes = socket_.read_some(asio::buffer(piece), failure);
    if (is_wait(failure)) return Input::open;
    if (failure) {
      peer_closed_ = true;
      return failure == asio::error::eof ? Input::ended : Input::broken;
    }
    in_.append(piece.data(), bytes);
    if (bytes < piece.size()) return Input::open;  // most likely all there is; the next wait tells
  }
  return Input::open;
}

void Connection::on_readable() {
  switch (phase_) {
    case Phase::closed:
    case Phase::writing:
      return;
    case Phase::draining:
      return drain();
    case Phase::handling:
      // Reads only to learn whether the client is gone; pipelined requests are kept for later.
      switch (fill()) {
        case Input::broken:
          return close();
        case Input::ended:
          return stream_ ? close() : watch_departure();
        case Input::open:
          return in_.size() - in_begin_ < unparsed_bytes_max ? wait_readable() : watch_departure();
      }
      return;
    case Phase::idle:
    case Phase::reading: {
      const Input input = fill();
      // Reset, with no request since: the client closed while the answer was on its way.
      if (input == Input::broken && in_begin_ == in_.size()) return lost();
      // Closed by the client, with an answer on its way: draining soon shows whether the client still reads.
      if (input == Input::ended && in_begin_ == in_.size() && undelivered_) return enter(Phase::draining);
      if (input != Input::open && in_begin_ == in_.size()) return close();
      return consume();
    }
  }
}

// A client that has closed its side may still read its answer, or may be gone. The system reports the latter: at once
// on a unix socket; over TCP only after something is sent, as a reset. Every HTTP/1.1 client has to understand an
// interim answer, so that is what we send. An HTTP/1.0 client cannot be probed: if its answer does not come soon, the
// connection is closed, because a job must not be handed to a client that is gone.
void Connection::watch_departure() {
  if (transport_ == Transport::tcp) {
    deadline_ = asio::steady_timer::clock_type::now() + (is_1_1_ ? first_probe : probe_interval);
    arm_timer();
  }
  if (error_armed_) return;
  error_armed_ = true;
  socket_.async_wait(Socket::wait_error, [self = shared_from_this()](const error_code& failure) {
    self->error_armed_ = false;
    if (!failure && self->phase_ == Phase::handling) self->close();
  });
}

void Connection::probe_client() {
  if (!is_1_1_) return close();
  error_code failure;
  const std::size_t bytes = socket_.write_some(asio::buffer(interim_answer.data(), interim_answer.size()), failure);
  // A partial interim answer would garble what follows.
  if (!is_wait(failure) && (failure || bytes != interim_answer.size())) return close();
  deadline_ = asio::steady_timer::clock_type::now() + probe_interval;
  arm_timer();
}

/// Old clients send an empty line after a body, and must not be refused for it (RFC 9112, 2.2).
void Connection::skip_empty_lines() {
  while (true) {
    const std::string_view rest = std::string_view(in_).substr(in_begin_);
    if (rest.starts_with("\r\n")) {
      in_begin_ += 2;
    } else if (rest.starts_with('\n')) {
      in_begin_ += 1;
    } else {
      return;
    }
  }
}

void Connection::consume() {
  if (!parser_) skip_empty_lines();
  const std::string_view unparsed = std::string_view(in_).substr(in_begin_);
  if (!parser_ && (unparsed.empty() || unparsed == "\r")) {
    // No byte of a request yet.
    if (phase_ == Phase::reading) enter(Phase::idle);
    in_.erase(0, in_begin_);
    in_begin_ = 0;
    return peer_closed_ ? close() : wait_readable();
  }
  if (phase_ == Phase::idle) enter(Phase::reading);
  if (!parser_) {
    parser_.emplace();
    parser_->header_limit(limits::header_bytes_max);
    parser_->body_limit(shared_.options.body_bytes_max);
    body_bytes_max_.reset();
    continue_sent_ = false;
  }
  while (in_begin_ < in_.size() && !parser_->is_done()) {
    error_code failure;
    const std::size_t used = parser_->put(asio::buffer(in_.data() + in_begin_, in_.size() - in_begin_), failure);
    in_begin_ += used;
    if (!failure && parser_->is_header_done() && !body_bytes_max_) {
      if (is_refused()) return;
      // Only now is the path known. The next call reads what follows the header.
      body_bytes_max_ = body_bytes_max();
      if (parser_->content_length().value_or(0) > *body_bytes_max_) failure = http::error::body_limit;
      parser_->body_limit(*body_bytes_max_);
      parser_->eager(true);
      if (!failure) continue;
    }
    if (failure == http::error::need_more) break;
    if (failure == http::error::header_limit && !parser_->has_request_line()) {
      return refuse(414, "target_too_long",
                    "the request's first line is longer than " + std::to_string(limits::header_bytes_max) + " bytes");
    }
    if (failure == http::error::header_limit) {
      return refuse(431, "headers_too_large",
                    "the headers are longer than " + std::to_string(limits::header_bytes_max) + " bytes");
    }
    if (failure == http::error::body_limit || failure == http::error::buffer_overflow) {
      const std::optional<RequestTarget> target = parser_->target();
      if (target && shared_.options.body_was_too_long) shared_.options.body_was_too_long(target->path);
      return refuse(413, "body_too_large",
                    "the body is longer than " +
                        std::to_string(body_bytes_max_.value_or(shared_.options.body_bytes_max)) + " bytes");
    }
    if (failure) return refuse(400, "malformed", "not an HTTP/1.1 request: " + failure.message());
    if (used == 0) break;
  }
  if (in_begin_ == in_.size()) {
    in_.clear();
    in_begin_ = 0;
  } else if (in_begin_ > unparsed_bytes_max / 2) {
    in_.erase(0, in_begin_);
    in_begin_ = 0;
  }
  if (parser_->is_done()) return handle();
  count_bytes();
  // The parser leaves unfinished input with us: a partial header, or a partial line between chunks. That needs a bound
  // too, or the buffer would fill up and parsing never go on.
  if (in_.size() - in_begin_ > limits::header_bytes_max) {
    return refuse(431, "headers_too_large",
                  "the headers, or a line between the chunks of the body, are longer than " +
                      std::to_string(limits::header_bytes_max) + " bytes");
  }
  if (peer_closed_) return close();
  if (parser_->is_header_done() && !continue_sent_ && parser_->expects_continue().value_or(false)) {
    continue_sent_ = true;
    error_code ignored;  // If it does not fit, the client sends its body after a moment anyway.
    socket_.write_some(asio::buffer(interim_answer.data(), interim_answer.size()), ignored);
  }
  wait_readable();
}

std::size_t Connection::body_bytes_max() const {
  const auto& bytes_max_of = shared_.options.body_bytes_max_of;
  const std::optional<RequestTarget> target = parser_->target();
  return target && bytes_max_of ? bytes_max_of(target->path) : limits::body_bytes_max;
}

bool Connection::is_refused() {
  if (const auto trouble = parser_->trouble()) {
    refuse(400, "malformed", *trouble);
  } else if (!parser_->expects_continue()) {
    refuse(417, "malformed", "the Expect header must be 100-continue");
  } else {
    return false;
  }
  return true;
}

void Connection::refuse(int status, std::string_view code, std::string_view message) {
  keep_alive_ = false;
  is_head_ = parser_ && parser_->is_head();
  is_1_1_ = true;
  parser_.reset();
  shared_.in_hand.fetch_add(1);
  enter(Phase::handling);
  if (shared_.options.figures) figures_place_ = shared_.options.figures->last_place();
  asked_ = since_;
  reply(http_error(status, code, message));
}

void Connection::handle() {
  undelivered_ = nullptr;  // a client that sends another request has read the last answer
  keep_alive_ = parser_->has_successor() && !shared_.stopping.load();
  is_1_1_ = parser_->is_1_1();
  is_head_ = parser_->is_head();
  const std::optional<RequestTarget> target = parser_->target();
  PAWL_ASSERT(target);  // is_refused() has checked it
  // With tokens this check is not needed: a page does not have one.
  if (transport_ == Transport::tcp && !shared_.options.asks_for_tokens) {
    const auto why = foreign_page({.only_reads = is_head_ || parser_->method() == "GET",
                                   .has_host = parser_->has("Host"),
                                   .host = parser_->header("Host"),
                                   .authority = target->authority,
                                   .origin = parser_->header("Origin")});
    if (why) return refuse(403, "foreign_page", *why);
  }
  const std::string accept = parser_->list("Accept");
  const HttpRequest request{.method = is_head_ ? std::string_view("GET") : parser_->method(),
                            .path = target->path,
                            .query = target->query,
                            .actor = parser_->header("Pawl-Actor"),
                            .boot = parser_->header("Pawl-Boot"),
                            .idempotency_key = parser_->header("Idempotency-Key"),
                            .accept = accept,
                            .last_event_id = parser_->header("Last-Event-ID"),
                            .body = parser_->body(),
                            .authorization = parser_->header("Authorization"),
                            .transport = transport_,
                            .peer_uid = peer_uid_,
                            .header = [this](std::string_view name) { return parser_->header_named(name); },
                            .gone = gone_,
                            .waits =
                                [weak = weak_from_this(), number = ++request_, &io = io_](HttpResponse early) {
                                  asio::post(io, [weak, number, early = std::move(early)]() mutable {
                                    if (const auto self = weak.lock()) self->wait(number, std::move(early));
                                  });
                                },
                            .takes_more = [this](std::size_t count) { return takes_more(count); }};
  if (shared_.options.figures) figures_place_ = shared_.options.figures->place_of(request.method, request.path);
  asked_ = asio::steady_timer::clock_type::now();
  if (!is_within_share(request)) return;
  shared_.in_hand.fetch_add(1);
  enter(Phase::handling);
  shared_.handle(request, [self = shared_from_this()](HttpResponse response) { self->hand_over(std::move(response)); });
  if (shared_.options.end_of_turn) {
    join_turn();
  } else if (phase_ == Phase::handling) {
    wait_readable();
  }
}

void Connection::join_turn() {
  loop_.in_turn.push_back(shared_from_this());
  // Posted, so that what else has arrived by now is handled first.
  if (loop_.in_turn.size() == 1) asio::post(io_, [&shared = shared_, &loop = loop_] { end_turn(shared, loop); });
}

void Connection::end_turn(ServerShared& shared, LoopShared& loop) {
  std::vector<std::shared_ptr<Connection>> in_turn;
  in_turn.swap(loop.in_turn);
  {
    const MutexLock lock(loop.answers_mutex);
    loop.is_ending_turn = true;
  }
  loop.is_in_turn.store(true);
  shared.options.end_of_turn();
  loop.is_in_turn.store(false);
  send_answers(loop);
  // Only an answer that takes longer is worth a look at whether its client is still there.
  for (const auto& connection : in_turn) {
    if (connection->phase_ == Phase::handling) connection->wait_readable();
  }
}

void Connection::hand_over(HttpResponse response) {
  {
    const MutexLock lock(loop_.answers_mutex);
    loop_.answers.emplace_back(shared_from_this(), std::move(response));
    // The thread has been told already, or is about to look.
    if (loop_.answers.size() > 1 || loop_.is_ending_turn) return;
  }
  asio::post(io_, [&loop = loop_] { send_answers(loop); });
}

void Connection::send_answers(LoopShared& loop) {
  std::vector<std::pair<std::shared_ptr<Connection>, HttpResponse>> answers;
  {
    const MutexLock lock(loop.answers_mutex);
    loop.is_ending_turn = false;
    answers.swap(loop.answers);
  }
  for (auto& [connection, response] : answers) {
    if (connection->phase_ == Phase::handling) {
      connection->reply(std::move(response));
    } else if (response.undelivered) {
      response.undelivered();
    }
  }
}

}  // namespace pawl
