// One connection: reads bytes (connection.cc), hands requests to the handle, writes answers (connection_answer.cc), and
// keeps within its share of the server (connection_shares.cc). Only these files and server.cc see Asio.
#pragma once

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "daemon/http/http.h"
#include "daemon/http/request_parser.h"
#include "daemon/http/server_options.h"
#include "daemon/http/shares.h"
#include "store/os/mutex.h"

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

class Connection;

/// What the connections of one thread share.
struct LoopShared {
  // The accepting thread reads these too.
  std::atomic<std::size_t> connections{0};  // accepted, and not yet gone
  std::atomic<bool> is_in_turn{false};      // the end of a turn is being carried out
  /// For their clients. A connection may be destroyed on another thread: the one that drops a late reply.
  std::atomic<std::size_t> held_bytes{0};
  std::function<void()> relieve;  // called when held_bytes exceeds its bound; does not close the caller at once
  /// Where a read puts what it got, before the connection keeps it.
  std::array<char, 16 * 1024> piece;
  /// The answers that the thread has yet to send. A batch that became durable answers many requests at once: the thread
  /// is woken once for all of them, and not at all while it is ending a turn.
  Mutex answers_mutex;
  std::vector<std::pair<std::shared_ptr<Connection>, HttpResponse>> answers PAWL_GUARDED_BY(answers_mutex);
  bool is_ending_turn PAWL_GUARDED_BY(answers_mutex) = false;
  /// Those whose requests went to the handle in this turn. The loop's thread alone.
  std::vector<std::shared_ptr<Connection>> in_turn;
};

/// Threads: its io_context's alone; the handle's replies are posted to it. Owns itself through its pending operations.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  using Socket = boost::asio::generic::stream_protocol::socket;

  /// Requires: loop.connections already counts it.
  Connection(boost::asio::io_context& io, Socket socket, Transport transport, ServerShared& shared, LoopShared& loop);
  ~Connection();

  void start();
  /// Closes at once if no request is in hand, else after its answer.
  void wind_down();
  void close();

  using Time = boost::asio::steady_timer::time_point;
  bool is_closed() const { return phase_ == Phase::closed; }
  /// Since when the server has waited for the client to send something, to send more, or to read its answer. None while
  /// the client waits for the server.
  std::optional<Time> waiting_since() const;
  std::size_t held_bytes() const { return held_bytes_; }
  /// The account of its last request. Null once it is closed.
  const Shares::Account* account() const { return account_.get(); }
  /// The place of its stream or long poll; else null.
  const Shares::Place* place() const { return place_.get(); }
  /// Ends its stream or long poll as if its time were up: a stream after its last whole event, a poll with the answer
  /// that says nothing happened. Requires: place().
  void give_way();
  /// Whether it gave way, and is not yet closed.
  bool is_leaving() const { return is_leaving_ && phase_ != Phase::closed; }

 private:
  enum class Phase {
    idle,      // no byte of a request has arrived
    reading,   // part of one has
    handling,  // the handle has the request
    writing,
    draining,  // the answer is sent, the connection is closing, and further bytes from the client are discarded
    closed,
  };

  void enter(Phase phase);
  /// Recounts the bytes held for the client.
  void count_bytes();
  void begin_share();
  void move_to(std::shared_ptr<Shares::Account> account);
  /// Finds whose request it is. False after refusing it because there were too many.
  bool is_within_share(const HttpRequest& request);
  /// Counts that many more requests for the one in hand, if they are within the share too.
  bool takes_more(std::size_t count);
  /// Its request has begun to wait. `early`: the answer if it may wait no longer.
  void wait(std::uint64_t request, HttpResponse early);
  /// Takes a place for the stream or the long poll; false: it may not have one.
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
  /// Whether the socket would block.
  static bool is_wait(const boost::system::error_code& failure);
  /// Reads what has arrived, without waiting.
  Input fill();
  /// While the handle has the request: closes the connection once its client is known to be gone.
  void watch_departure();
  void probe_client();
  void skip_empty_lines();
  /// Whether the client has closed its side, and everything it sent has been handled.
  bool has_nothing_more() const { return peer_closed_ && in_begin_ == in_.size(); }
  /// Parses what was read, and hands a complete request to the handle.
  void consume();
  /// For the request whose header has been read.
  std::size_t body_bytes_max() const;
  /// Whether the request was refused by its header, before its body is read.
  bool is_refused();
  /// Answers bytes that are not an HTTP request, or a request that must not be served. Nothing after it is parsed.
  void refuse(int status, std::string_view code, std::string_view message);
  void handle();
  /// Threads: any.
  void hand_over(HttpResponse response);
  static void send_answers(LoopShared& loop);
  /// Ends the turn soon (ServerOptions::end_of_turn).
  void join_turn();
  static void end_turn(ServerShared& shared, LoopShared& loop);
  void reply(HttpResponse response);
  void write_pending();
  /// Watches for a while whether the other side accepts the answer or refuses it.
  void watch_delivery();
  /// Whether the other side refused what it was sent.
  bool has_failed();
  /// The client is gone, and has not read its answer.
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
  Time since_;  // when the phase began; writing on does not restart it
  std::size_t held_bytes_ = 0;
  std::shared_ptr<Shares::Account> account_;
  bool is_operators_ = false;
  bool is_rated_ = false;  // requests like the one in hand are counted
  bool is_leaving_ = false;
  std::unique_ptr<Shares::Place> place_;
  std::uint64_t request_ = 0;  // the number of the request in hand
  std::size_t figures_place_ = 0;
  Time asked_;          // when the request had arrived in full
  HttpResponse early_;  // for a long poll that has a place
  bool timer_armed_ = false;
  bool read_armed_ = false;
  bool error_armed_ = false;

  Phase phase_ = Phase::idle;
  std::string in_;  // read and not yet parsed: in_[in_begin_..]
  std::size_t in_begin_ = 0;
  std::optional<RequestParser> parser_;
  std::optional<std::size_t> body_bytes_max_;  // for the request, once its header has been read
  bool continue_sent_ = false;
  bool peer_closed_ = false;

  bool keep_alive_ = true;
  bool is_head_ = false;
  bool is_1_1_ = true;
  std::string out_;
  std::size_t out_begin_ = 0;
  std::shared_ptr<HttpStream> stream_;
  std::function<void()> undelivered_;  // the last answer's, until its client has had time to read it
  std::size_t drained_bytes_ = 0;
  std::shared_ptr<std::atomic<bool>> gone_ = std::make_shared<std::atomic<bool>>(false);
};

}  // namespace pawl
