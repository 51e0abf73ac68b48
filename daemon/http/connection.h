// One connection: bytes in (connection.cc), requests to the handle, answers out (connection_answer.cc), and what it may
// have of the server (connection_shares.cc). Only they and server.cc see Asio.
#pragma once

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "daemon/http/http.h"
#include "daemon/http/request_parser.h"
#include "daemon/http/server_options.h"
#include "daemon/http/shares.h"

namespace pawl {

/// What all connections of a server share.
struct ServerShared {
  explicit ServerShared(ServerOptions given)
      : options(std::move(given)),
        shares({.connections = options.connections_max,
                .bytes = options.client_bytes_max,
                .requests_per_s = options.requests_per_s,
                .requests_at_once = options.requests_at_once},
               options.share_book) {}

  ServerOptions options;
  Shares shares;
  HttpHandle handle;
  std::atomic<std::size_t> in_hand{0};  // requests handed to the handle and not yet answered in full
  std::atomic<bool> stopping{false};
};

/// What the connections of one thread share.
struct LoopShared {
  std::atomic<std::size_t> connections{0};  // accepted, and not yet gone; read by the thread that accepts too
  /// For their clients. A connection may go on another thread: that of whoever drops a reply that is no longer wanted.
  std::atomic<std::size_t> held_bytes{0};
  std::function<void()> relieve;  // called when that came to be too much; does not close the caller at once
};

/// Threads: that of its io_context alone; the handle's replies are posted to it. Owns itself through what it waits for.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  using Socket = boost::asio::generic::stream_protocol::socket;

  /// Requires: it is counted in loop.connections already.
  Connection(boost::asio::io_context& io, Socket socket, Transport transport, ServerShared& shared, LoopShared& loop);
  ~Connection();

  void start();
  /// Closes at once if no request is in hand, else after its answer.
  void wind_down();
  void close();

  using Time = boost::asio::steady_timer::time_point;
  bool is_closed() const { return phase_ == Phase::closed; }
  /// Since when the client has been waited for: to say something, to go on, or to take its answer. None while it is the
  /// client that waits.
  std::optional<Time> waiting_since() const;
  std::size_t held_bytes() const { return held_bytes_; }
  /// Whose it is, by its last request. Null once it is closed.
  const Shares::Account* account() const { return account_.get(); }
  /// Of a stream or a long poll; else null.
  const Shares::Place* place() const { return place_.get(); }
  /// Ends what has a place, as if its time were over: a stream behind its last whole event, a poll with the answer that
  /// it has if nothing happens. Requires: place().
  void give_way();
  /// Whether it gave way, and is not yet closed.
  bool is_leaving() const { return is_leaving_ && phase_ != Phase::closed; }

 private:
  enum class Phase {
    idle,      // nothing of a request has come
    reading,   // some of it has
    handling,  // it is with the handle
    writing,
    draining,  // the answer is out, the connection is given up, and what the client still sends is thrown away
    closed,
  };

  void enter(Phase phase);
  /// Counts again what is held for the client.
  void count_bytes();
  void begin_share();
  void move_to(std::shared_ptr<Shares::Account> account);
  /// Finds whose the request is. False after it was refused, as there were too many.
  bool is_within_share(const HttpRequest& request);
  /// Its request has begun to wait. `early`: what it is answered with if it may not.
  void wait(std::uint64_t request, HttpResponse early);
  /// Takes a place for the stream or the long poll; false: it may have none.
  bool take_place(ShareKind kind);
  static HttpResponse refusal_of_place();
  void arm_timer();
  void on_timer();
  void wait_readable();
  void on_readable();
  enum class Input {
    open,    // more may come
    ended,   // the client has closed its side; it may still read
    broken,  // the connection is gone
  };
  /// Whether a socket cannot go on before it is waited for.
  static bool is_wait(const boost::system::error_code& failure);
  /// Reads what is there, without waiting.
  Input fill();
  /// Has the connection closed as soon as its client is known to be gone, while its request is with the handle.
  void watch_departure();
  void probe_client();
  void skip_empty_lines();
  /// Whether the client has ended its side, and all that it sent was seen to.
  bool has_nothing_more() const { return peer_closed_ && in_begin_ == in_.size(); }
  /// Parses what was read; hands over a request that is complete.
  void consume();
  /// Of the request whose header is read.
  std::size_t body_bytes_max() const;
  /// Whether the request whose header is read was refused, before its body is.
  bool is_refused();
  /// Answers what is no request of HTTP, or is none to be served. Nothing behind it is read as one.
  void refuse(int status, std::string_view code, std::string_view message);
  void handle();
  void reply(HttpResponse response);
  void write_pending();
  /// Looks for a while whether the other side takes what it was answered with, or refuses it.
  void watch_delivery();
  /// Whether the other side refused what it was sent.
  bool has_failed();
  /// The client is gone, and has not read what it was answered with.
  void lost();
  void wait_writable();
  void written();
  void next_of_stream();
  void drain();

  boost::asio::io_context& io_;
  Socket socket_;
  const Transport transport_;
  const std::optional<std::uint32_t> peer_uid_;
  ServerShared& shared_;
  LoopShared& loop_;
  boost::asio::steady_timer timer_;
  boost::asio::steady_timer delivery_timer_;
  Time delivery_end_;
  Time deadline_;
  Time since_;  // of the phase; of an answer's first byte, however it comes on
  std::size_t held_bytes_ = 0;
  std::shared_ptr<Shares::Account> account_;
  bool is_operators_ = false;
  bool is_leaving_ = false;
  std::unique_ptr<Shares::Place> place_;
  std::uint64_t request_ = 0;  // which of the connection's is in hand
  HttpResponse early_;         // of a long poll that has a place
  bool timer_armed_ = false;
  bool read_armed_ = false;
  bool error_armed_ = false;

  Phase phase_ = Phase::idle;
  std::string in_;  // read and not yet parsed: in_[in_begin_..]
  std::size_t in_begin_ = 0;
  std::optional<RequestParser> parser_;
  std::optional<std::size_t> body_bytes_max_;  // of the request, once its header is read
  bool continue_sent_ = false;
  bool peer_closed_ = false;

  bool keep_alive_ = true;
  bool is_head_ = false;
  bool is_1_1_ = true;
  std::string out_;
  std::size_t out_begin_ = 0;
  std::shared_ptr<HttpStream> stream_;
  std::function<void()> undelivered_;  // of the last answer, until its client is known to have had time to read it
  std::size_t drained_bytes_ = 0;
  std::shared_ptr<std::atomic<bool>> gone_ = std::make_shared<std::atomic<bool>>(false);
};

}  // namespace pawl
