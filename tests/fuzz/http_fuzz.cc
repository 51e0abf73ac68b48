// A connection, byte for byte: Beast's parser, the bounds, the routes, and the bodies behind them. The first byte
// selects the kind of connection and the sizes of the pieces in which the rest arrives.
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <vector>

#include "daemon/http/connection.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/served.h"

namespace pawl::fuzz {
namespace {

namespace asio = boost::asio;

/// Only waiting calls take this long to answer: for a job, or for a record.
constexpr std::chrono::milliseconds patience{20};
/// Nothing takes this long to end.
constexpr std::chrono::seconds patience_at_the_end{20};

/// What all connections share. It outlives them, as in the daemon: a thread of the routes may hold a connection for a
/// moment after answering it.
struct Common {
  ServerShared shared{ServerOptions{}};
  LoopShared loop;
  asio::io_context io;
  asio::executor_work_guard<asio::io_context::executor_type> work{io.get_executor()};
};

Common& common() {
  static Common once;
  return once;
}

/// A client at one end of a pair of sockets, and pawld's connection at the other.
class Client {
 public:
  Client(Transport transport, HttpHandle handle) {
    shared_.handle = std::move(handle);
    std::array<int, 2> ends{};
    PAWL_ASSERT(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) == 0);
    client_ = ends[0];
    Connection::Socket socket(io_, asio::generic::stream_protocol(AF_UNIX, 0), ends[1]);
    LoopShared& loop = common().loop;
    loop.connections.fetch_add(1);
    loop.relieve = [] {};  // no client holds enough for that on one connection
    connection_ = std::make_shared<Connection>(io_, std::move(socket), transport, shared_, loop);
    connection_->start();
  }
  ~Client() {
    connection_->close();
    go_on();
    ::close(client_);
  }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void send(std::string_view bytes) {
    // Bytes that no longer fit, or arrive after pawld hung up, are lost: a client must live with that.
    (void)::send(client_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    go_on();
  }
  /// Waits for work that other threads have in hand. False: nothing came in that time.
  bool settle(std::chrono::milliseconds longest) {
    go_on();
    while (shared_.in_hand.load() > 0) {
      if (io_.run_one_for(longest) == 0) return false;
      go_on();
    }
    return true;
  }
  const std::string& answers() const { return answers_; }

 private:
  /// Everything that can be done without waiting.
  void go_on() {
    while (io_.poll() > 0) receive();
    receive();
  }
  void receive() {
    std::array<char, 16 * 1024> piece{};
    for (ssize_t bytes = 0; (bytes = ::recv(client_, piece.data(), piece.size(), 0)) > 0;) {
      answers_.append(piece.data(), static_cast<std::size_t>(bytes));
    }
  }

  ServerShared& shared_ = common().shared;
  asio::io_context& io_ = common().io;
  int client_ = -1;
  std::shared_ptr<Connection> connection_;
  std::string answers_;
};

void send_in_pieces(Client& client, std::string_view bytes, std::size_t piece_bytes) {
  for (; !bytes.empty(); bytes.remove_prefix(std::min(bytes.size(), piece_bytes))) {
    client.send(bytes.substr(0, piece_bytes));
  }
}

/// The number of final answers. An answer that announces the end of the connection is the last, even for a refused
/// request.
std::size_t count_answers(std::string_view bytes) {
  std::size_t count = 0;
  while (!bytes.empty()) {
    PAWL_ASSERT(bytes.starts_with("HTTP/1.1 "));
    const std::size_t end = bytes.find("\r\n\r\n");
    PAWL_ASSERT(end != std::string_view::npos);
    const std::string_view head = bytes.substr(0, end + 2);
    bytes.remove_prefix(end + 4);
    if (head.starts_with("HTTP/1.1 100 ")) continue;
    ++count;
    constexpr std::string_view length = "\r\nContent-Length: ";
    const bool is_last = head.find("\r\nConnection: close\r\n") != std::string_view::npos;
    const bool is_refusal = !head.starts_with("HTTP/1.1 204 ");
    PAWL_ASSERT(is_last || !is_refusal);
    // Without a body for HEAD.
    if (head.find(length) != std::string_view::npos && bytes.starts_with('{')) {
      bytes.remove_prefix(std::stoul(std::string(head.substr(head.find(length) + length.size(), 20))));
    }
    PAWL_ASSERT(!is_last || bytes.empty());
  }
  return count;
}

/// The requests that a connection parses from these bytes, each as one text.
std::vector<std::string> requests_in(Transport transport, std::string_view bytes, std::size_t piece_bytes) {
  std::vector<std::string> requests;
  Client client(transport, [&](const HttpRequest& request, const HttpReply& reply) {
    PAWL_ASSERT(request.path.starts_with('/') && request.path.find('?') == std::string_view::npos);
    PAWL_ASSERT(request.body.size() <= limits::body_bytes_max);
    std::string text;
    for (const std::string_view part : {request.method, request.path, request.query, request.actor, request.boot,
                                        request.idempotency_key, request.accept, request.last_event_id,
                                        request.authorization, request.body, request.header("X-Gitea-Event")}) {
      text.append(part).push_back('\n');
    }
    requests.push_back(std::move(text));
    reply({.status = 204, .body = {}});
  });
  send_in_pieces(client, bytes, piece_bytes);
  PAWL_ASSERT(client.settle(patience_at_the_end));
  const std::size_t answers = count_answers(client.answers());
  PAWL_ASSERT(answers == requests.size() || answers == requests.size() + 1);  // one was refused
  return requests;
}

}  // namespace

void http(Bytes input) {
  if (input.empty()) return;
  const Transport transport = input.front() % 2 == 0 ? Transport::unix_socket : Transport::tcp;
  const std::size_t piece_bytes = 1 + input.front() / 2;
  const std::string_view bytes = text_of(input.subspan(1));

  // A network may cut anywhere: that does not change the requests.
  PAWL_ASSERT(requests_in(transport, bytes, bytes.size()) == requests_in(transport, bytes, piece_bytes));

  Served& served = fresh_served();
  Client client(transport,
                [&](const HttpRequest& request, HttpReply reply) { served.handle(request, std::move(reply)); });
  send_in_pieces(client, bytes, bytes.size());
  if (client.settle(patience)) return;
  // A long poll, or a stream of records: end it as when the daemon stops. A request that is merely slow may come too
  // late for the routes' threads and get no answer: its connection is then closed, as pawld does, which stops serving
  // first.
  served.stop();
  client.settle(patience);
}

}  // namespace pawl::fuzz
