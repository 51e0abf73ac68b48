// Sends a connection's answer, at once or piece by piece, until its client has had time to read it.
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/beast/http/status.hpp>
#include <linux/sockios.h>
#include <sys/ioctl.h>

#include <array>

#include "daemon/http/connection.h"

namespace pawl {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using boost::system::error_code;

/// How much buffer capacity an idle connection keeps.
constexpr std::size_t kept_bytes_max = 16 * 1024;
/// How much a refused client may still send before the connection is cut.
constexpr std::size_t drained_bytes_max = 4 * 1024 * 1024;
/// How long, and how often, the delivery of an answer that must not be lost is checked.
constexpr std::chrono::milliseconds delivery_time{1000};
constexpr std::chrono::milliseconds delivery_interval{50};

}  // namespace

void Connection::reply(HttpResponse response) {
  parser_.reset();
  place_.reset();
  early_ = {};
  if (response.stream && !is_head_ && !take_place(ShareKind::streams)) response = refusal_of_place();
  undelivered_ = std::move(response.undelivered);
  if (response.format) response.format(response);
  if (HttpFigures* const figures = shared_.options.figures.get()) {
    figures->answered(figures_place_, response.status, asio::steady_timer::clock_type::now() - asked_);
  }
  const bool chunked = response.stream && is_1_1_;
  if (response.stream && !is_1_1_) keep_alive_ = false;
  if (shared_.stopping.load() || has_nothing_more()) keep_alive_ = false;
  out_.clear();
  out_begin_ = 0;
  out_.reserve(256 + response.body.size());
  out_ += "HTTP/1.1 ";
  out_ += std::to_string(response.status);
  out_ += ' ';
  const auto reason = http::obsolete_reason(http::int_to_status(static_cast<unsigned>(response.status)));
  out_.append(reason.data(), reason.size());
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
  } else if (!response.stream && response.status != 204 && response.status != 304) {
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

// Once all bytes are acknowledged, the other side had an open connection when they arrived. On a unix socket they
// arrive at once.
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
  // A connection that once sent a large answer must not keep that buffer while it is idle.
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
  if (in_begin_ == in_.size()) return wait_readable();
  // A pipelined request is already here. Posted, so that one client cannot monopolise the thread.
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
  std::array<char, 16 * 1024>& piece = loop_.piece;
  while (true) {
    error_code failure;
    drained_bytes_ += socket_.read_some(asio::buffer(piece), failure);
    if (is_wait(failure)) return wait_readable();
    if (failure && failure != asio::error::eof) return lost();
    // The client has closed its side, as one that is gone also does: watch_delivery() soon shows whether it reads.
    if (failure && undelivered_) return;
    if (failure || drained_bytes_ > drained_bytes_max) return close();
  }
}

}  // namespace pawl
