#include "daemon/http/connection.h"

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/beast/http/status.hpp>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "daemon/http/request_head.h"

namespace pawl {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using boost::system::error_code;

/// Bytes held that no request has claimed yet: beyond that the socket's own buffer holds the client back.
constexpr std::size_t unparsed_bytes_max = 64 * 1024;
/// What a connection keeps of a buffer that it has no use for at the moment.
constexpr std::size_t kept_bytes_max = 16 * 1024;
/// How much, and for how long, a refused client may go on sending before the connection is cut: closing on unread
/// data resets it, and the client would lose the refusal.
constexpr std::size_t drained_bytes_max = 4 * 1024 * 1024;
constexpr std::chrono::seconds drain_timeout{1};
/// When a client that has ended its side is first asked whether it still reads, and how often from then on. Most
/// requests are answered sooner.
constexpr std::chrono::milliseconds first_probe{250};
constexpr std::chrono::milliseconds probe_interval{5000};
/// How long, and how often, it is looked whether an answer comes to somebody that must not be lost.
constexpr std::chrono::milliseconds delivery_time{1000};
constexpr std::chrono::milliseconds delivery_interval{50};
constexpr std::string_view interim_answer = "HTTP/1.1 100 Continue\r\n\r\n";

bool is_wait(const error_code& failure) {
  return failure == asio::error::would_block || failure == asio::error::try_again;
}

std::string_view view(boost::beast::string_view text) {
  return {text.data(), text.size()};
}

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
  loop_.connections.fetch_sub(1);
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
  // A stream has no end of its own.
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
  if (parser_) held += parser_->get().body().capacity();
  const bool is_more = held > held_bytes_;
  const std::size_t change = held - held_bytes_;  // modulo the width: also if it is less now
  loop_.held_bytes.fetch_add(change);
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
  // What still waits for this connection's end must not keep its bytes until then.
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
    case Phase::writing:  // each write of the rest that makes progress begins it anew
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

// The timer is set anew only where the deadline came nearer or it had run out: most requests never touch it.
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
  std::array<char, 16 * 1024> piece{};
  while (in_.size() - in_begin_ < unparsed_bytes_max) {
    error_code failure;
    const std::size_t bytes = socket_.read_some(asio::buffer(piece), failure);
    if (is_wait(failure)) return Input::open;
    if (failure) {
      peer_closed_ = true;
      return failure == asio::error::eof ? Input::ended : Input::broken;
    }
    in_.append(piece.data(), bytes);
    if (bytes < piece.size()) return Input::open;  // most likely all: the next wait will tell
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
      // Only to learn of the client's end; what it pipelines is kept for later.
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
      // Reset, and nothing was asked since: the client was closed with the answer on its way.
      if (input == Input::broken && in_begin_ == in_.size()) return lost();
      // Ended, with an answer on its way: whether there is somebody to read it is told soon.
      if (input == Input::ended && in_begin_ == in_.size() && undelivered_) return enter(Phase::draining);
      if (input != Input::open && in_begin_ == in_.size()) return close();
      return consume();
    }
  }
}

// A client that has ended its side may still read its answer, or may have gone. The system tells of the latter: at once
// on a unix socket; over TCP only when it is sent something, and then as a reset. Every client of HTTP/1.1 has to
// understand an interim answer, so that is what is sent. One of HTTP/1.0 cannot be asked: it is answered if that is
// soon, and then given up, because a job must not go to nobody.
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
  // Half of it would garble what follows.
  if (!is_wait(failure) && (failure || bytes != interim_answer.size())) return close();
  deadline_ = asio::steady_timer::clock_type::now() + probe_interval;
  arm_timer();
}

/// Clients of old send an empty line after a body, and a client must not be refused for it (RFC 9112, 2.2).
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
    // Nothing of a request yet.
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
      // Only now it is known where it goes. What follows the header is read by the next call.
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
  // The parser keeps what it could not use yet with us, the bytes of an unfinished header or of a line between the
  // chunks of a body: that too is bounded, or nothing more would be read and nothing ever parsed.
  if (in_.size() - in_begin_ > limits::header_bytes_max) {
    return refuse(431, "headers_too_large",
                  "the headers, or a line between the chunks of the body, are longer than " +
                      std::to_string(limits::header_bytes_max) + " bytes");
  }
  if (peer_closed_) return close();
  if (parser_->is_header_done() && !continue_sent_ && parser_->expects_continue().value_or(false)) {
    continue_sent_ = true;
    error_code ignored;  // If it does not fit, the client sends its body after a moment all the same.
    socket_.write_some(asio::buffer(interim_answer.data(), interim_answer.size()), ignored);
  }
  wait_readable();
}

std::size_t Connection::body_bytes_max() const {
  const auto& bytes_max_of = shared_.options.body_bytes_max_of;
  const std::optional<RequestTarget> target = parse_target(view(parser_->get().target()));
  return target && bytes_max_of ? bytes_max_of(target->path) : limits::body_bytes_max;
}

bool Connection::is_refused() {
  if (const auto trouble = parser_->trouble()) {
    refuse(400, "malformed", *trouble);
  } else if (!parser_->expects_continue()) {
    refuse(417, "malformed", "nothing can be expected but 100-continue");
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
  reply(http_error(status, code, message));
}

void Connection::handle() {
  const auto& message = parser_->get();
  undelivered_ = nullptr;  // a client that sends another request has read the answer
  keep_alive_ = parser_->has_successor() && !shared_.stopping.load();
  is_1_1_ = parser_->is_1_1();
  is_head_ = parser_->is_head();
  const std::optional<RequestTarget> target = parse_target(view(message.target()));
  PAWL_ASSERT(target);  // as is_refused() has seen
  // Where tokens are asked for, a page has none to show.
  if (transport_ == Transport::tcp && !shared_.options.asks_for_tokens) {
    const auto why = foreign_page({.only_reads = is_head_ || message.method() == http::verb::get,
                                   .has_host = parser_->has("Host"),
                                   .host = parser_->header("Host"),
                                   .authority = target->authority,
                                   .origin = parser_->header("Origin")});
    if (why) return refuse(403, "foreign_page", *why);
  }
  const std::string accept = parser_->list("Accept");
  const HttpRequest request{.method = is_head_ ? std::string_view("GET") : view(message.method_string()),
                            .path = target->path,
                            .query = target->query,
                            .actor = parser_->header("Pawl-Actor"),
                            .boot = parser_->header("Pawl-Boot"),
                            .idempotency_key = parser_->header("Idempotency-Key"),
                            .accept = accept,
                            .last_event_id = parser_->header("Last-Event-ID"),
                            .body = message.body(),
                            .authorization = parser_->header("Authorization"),
                            .transport = transport_,
                            .peer_uid = peer_uid_,
                            .header = [this](std::string_view name) { return parser_->header(name); },
                            .gone = gone_,
                            .waits =
                                [weak = weak_from_this(), number = ++request_, &io = io_](HttpResponse early) {
                                  asio::post(io, [weak, number, early = std::move(early)]() mutable {
                                    if (const auto self = weak.lock()) self->wait(number, std::move(early));
                                  });
                                }};
  if (!is_within_share(request)) return;
  shared_.in_hand.fetch_add(1);
  enter(Phase::handling);
  shared_.handle(request, [self = shared_from_this()](HttpResponse response) {
    asio::post(self->io_, [self, response = std::move(response)]() mutable {
      if (self->phase_ == Phase::handling) return self->reply(std::move(response));
      if (response.undelivered) response.undelivered();
    });
  });
  if (phase_ == Phase::handling) wait_readable();
}

void Connection::reply(HttpResponse response) {
  parser_.reset();
  place_.reset();
  early_ = {};
  if (response.stream && !is_head_ && !take_place()) {
    response = refusal_of_place();
  }
  undelivered_ = std::move(response.undelivered);
  if (response.format) response.format(response);
  const bool chunked = response.stream && is_1_1_;
  if (response.stream && !is_1_1_) keep_alive_ = false;
  if (shared_.stopping.load() || has_nothing_more()) keep_alive_ = false;
  out_.clear();
  out_begin_ = 0;
  out_.reserve(256 + response.body.size());
  out_ += "HTTP/1.1 ";
  out_ += std::to_string(response.status);
  out_ += ' ';
  out_ += view(http::obsolete_reason(http::int_to_status(static_cast<unsigned>(response.status))));
  out_ += "\r\nContent-Type: ";
  out_ += response.content_type;
  for (const auto& [name, value] : response.headers) {
    out_ += "\r\n";
    out_ += name;
    out_ += ": ";
    out_ += value;
  }
  if (chunked) {
    out_ += "\r\nTransfer-Encoding: chunked";
  } else if (!response.stream && response.status != 204) {
    out_ += "\r\nContent-Length: ";
    out_ += std::to_string(response.body.size());
  }
  if (!keep_alive_) {
    out_ += "\r\nConnection: close";
  } else if (!is_1_1_) {
    out_ += "\r\nConnection: keep-alive";
  }
  out_ += "\r\n\r\n";
  if (!is_head_ && response.status != 204) out_ += response.body;
  if (!is_head_) stream_ = std::move(response.stream);
  enter(Phase::writing);
  write_pending();
  if (phase_ == Phase::writing) count_bytes();
}

void Connection::write_pending() {
  while (out_begin_ < out_.size()) {
    error_code failure;
    const std::size_t bytes =
        socket_.write_some(asio::buffer(out_.data() + out_begin_, out_.size() - out_begin_), failure);
    if (is_wait(failure)) return wait_writable();
    if (failure) return lost();
    out_begin_ += bytes;
  }
  written();
}

void Connection::lost() {
  const auto undelivered = std::exchange(undelivered_, nullptr);
  close();
  if (undelivered) undelivered();
}

void Connection::wait_writable() {
  socket_.async_wait(Socket::wait_write, [self = shared_from_this()](const error_code& failure) {
    if (failure || self->phase_ != Phase::writing) return;
    self->enter(Phase::writing);
    self->write_pending();
  });
}

// All of it acknowledged, the other side had an open connection when it came; on a unix socket it is there at once.
void Connection::watch_delivery() {
  delivery_timer_.expires_after(delivery_interval);
  delivery_timer_.async_wait([self = shared_from_this()](const error_code& failure) {
    if (failure || !self->undelivered_ || self->phase_ == Phase::closed) return;
    if (self->has_failed()) return self->lost();
    int unacknowledged = 0;
    const bool is_told = ::ioctl(self->socket_.native_handle(), SIOCOUTQ, &unacknowledged) == 0;
    const bool is_over = asio::steady_timer::clock_type::now() >= self->delivery_end_;
    if (!is_over && (!is_told || unacknowledged > 0)) return self->watch_delivery();
    self->undelivered_ = nullptr;
    if (self->phase_ == Phase::draining) self->drain();
  });
}

void Connection::written() {
  if (undelivered_) {
    delivery_end_ = asio::steady_timer::clock_type::now() + delivery_time;
    watch_delivery();
  }
  out_.clear();
  out_begin_ = 0;
  // A connection that once had a large answer must not keep the room for one while it is idle.
  if (out_.capacity() > kept_bytes_max) std::string().swap(out_);
  if (in_.empty() && in_.capacity() > kept_bytes_max) std::string().swap(in_);
  if (held_bytes_ > 2 * kept_bytes_max) count_bytes();
  if (stream_) return next_of_stream();
  shared_.in_hand.fetch_sub(1);
  if (!keep_alive_ || has_nothing_more()) {
    error_code ignored;
    socket_.shutdown(Socket::shutdown_send, ignored);
    enter(Phase::draining);
    return drain();
  }
  enter(Phase::idle);
  // What was pipelined is already here; through the queue, so that one client cannot keep the thread.
  asio::post(io_, [self = shared_from_this()] {
    if (self->phase_ == Phase::idle) self->on_readable();
  });
}

void Connection::next_of_stream() {
  enter(Phase::handling);
  wait_readable();
  stream_->next([weak = weak_from_this(), &io = io_](std::optional<std::string> piece) {
    asio::post(io, [weak, piece = std::move(piece)] {
      const auto self = weak.lock();
      if (!self || self->phase_ != Phase::handling) return;
      if (piece && piece->empty()) return self->next_of_stream();
      if (self->is_1_1_) {
        char length[24];
        const int digits = std::snprintf(length, sizeof length, "%zx\r\n", piece ? piece->size() : 0);
        self->out_.append(length, static_cast<std::size_t>(digits));
      }
      if (piece) self->out_ += *piece;
      if (self->is_1_1_) self->out_ += "\r\n";
      if (!piece) {
        self->stream_.reset();
        self->place_.reset();
      }
      self->enter(Phase::writing);
      self->write_pending();
      if (self->phase_ == Phase::writing) self->count_bytes();
    });
  });
}

void Connection::drain() {
  std::array<char, 16 * 1024> piece{};
  while (true) {
    error_code failure;
    drained_bytes_ += socket_.read_some(asio::buffer(piece), failure);
    if (is_wait(failure)) return wait_readable();
    if (failure && failure != asio::error::eof) return lost();
    // It has ended its side, as one does that has gone altogether: whether it reads is told soon.
    if (failure && undelivered_) return;
    if (failure || drained_bytes_ > drained_bytes_max) return close();
  }
}

}  // namespace pawl
