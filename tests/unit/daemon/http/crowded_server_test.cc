// Many slow clients: what they may hold, and who is dropped when others need room.
#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "daemon/http/server.h"
#include "tests/unit/daemon/comes_true.h"
#include "tests/unit/daemon/raw_client.h"

namespace pawl {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t large_bytes = 16 * 1024 * 1024;  // more than the buffers of any socket

/// Endless pieces, each too large for a client that does not read.
class Endless final : public HttpStream {
 public:
  void next(std::function<void(std::optional<std::string>)> done) override { done(std::string(large_bytes, 'x')); }
};

class CrowdedServer : public testing::Test {
 protected:
  /// One thread, so the order of arrival is known.
  void serve(Server::Options options) {
    options.listen = TcpAddress{.host = "127.0.0.1", .port = 0};
    options.threads = 1;
    server = std::move(Server::open(std::move(options), [this](const HttpRequest& request, HttpReply reply) {
               handle(request, std::move(reply));
             })).value();
    server->start();
  }

  void handle(const HttpRequest& request, HttpReply reply) {
    HttpResponse response{.content_type = "text/plain", .body = "served"};
    if (request.path == "/large") response.body = std::string(large_bytes, 'x');
    if (request.path == "/endless") response.stream = std::make_shared<Endless>();
    if (request.path != "/later") return reply(std::move(response));
    const std::lock_guard lock(mutex);
    later.push_back(std::move(reply));
    if (later.size() == later_wanted) all_wait.set_value();
  }

  static std::string get(const std::string& path) { return "GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n"; }
  /// A client that keeps its connection.
  Client& client(const std::string& says = {}) {
    clients.push_back(std::make_unique<Client>(server->port()));
    clients.back()->send(says);
    return *clients.back();
  }
  /// All places are taken by clients that are gone but whose requests are in hand.
  void ask_for_later_and_leave(const std::string& version) {
    later_wanted = 4;
    serve({.connections_max = 4});
    for (int i = 0; i < 4; ++i) client("GET /later " + version + "\r\nHost: localhost\r\n\r\n");
    all_wait.get_future().wait();
    clients.clear();
  }
  bool is_served() {
    Client fresh(server->port());
    fresh.send(get("/"));
    return fresh.response().ends_with("served");
  }

  std::unique_ptr<Server> server;
  std::mutex mutex;
  std::vector<HttpReply> later;
  std::size_t later_wanted = 0;
  std::promise<void> all_wait;
  std::vector<std::unique_ptr<Client>> clients;
};

TEST_F(CrowdedServer, idle_connection_makes_room_for_a_new_one_the_longest_idle_first) {
  serve({.connections_max = 3});
  Client& oldest = client();
  Client& older = client(get("/"));
  EXPECT_TRUE(older.response().ends_with("served"));
  Client& young = client(get("/"));
  EXPECT_TRUE(young.response().ends_with("served"));
  older.send(get("/"));  // so it is now the youngest
  EXPECT_TRUE(older.response().ends_with("served"));
  EXPECT_TRUE(client(get("/")).response().ends_with("served"));
  EXPECT_EQ(oldest.rest(), "");
  EXPECT_TRUE(client(get("/")).response().ends_with("served"));
  EXPECT_EQ(young.rest(), "");
  older.send(get("/"));
  EXPECT_TRUE(older.response().ends_with("served"));
}

TEST_F(CrowdedServer, clients_that_asked_for_later_and_left_give_their_places_back) {
  ask_for_later_and_leave("HTTP/1.1");
  EXPECT_TRUE(comes_true([&] { return is_served(); }));
}

TEST_F(CrowdedServer, clients_of_old_that_asked_for_later_and_left_give_their_places_back) {
  ask_for_later_and_leave("HTTP/1.0");
  EXPECT_TRUE(comes_true([&] { return is_served(); }));
}

TEST_F(CrowdedServer, request_that_comes_byte_by_byte_keeps_nobody_out) {
  serve({.connections_max = 4});
  for (std::size_t i = 0; i < 100; ++i)
    client("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\nX: " + std::string(i, 'x'));
  EXPECT_TRUE(is_served());
  for (std::size_t i = 0; i < 100; ++i)
    client("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n" + std::string(i, 'x'));
  EXPECT_TRUE(is_served());
}

TEST_F(CrowdedServer, answers_that_nobody_reads_keep_nobody_out) {
  serve({.connections_max = 4});
  for (int i = 0; i < 20; ++i) client(get("/large"));
  EXPECT_TRUE(is_served());
  for (int i = 0; i < 20; ++i) client(get("/endless"));
  EXPECT_TRUE(is_served());
}

TEST_F(CrowdedServer, answers_that_nobody_reads_are_bounded_together) {
  serve({.client_bytes_max = 3 * large_bytes});
  for (int i = 0; i < 10; ++i) {
    client(get("/large"));
    EXPECT_TRUE(is_served());  // by now the answer above has started
  }
  // The first seven were dropped for later ones; they still receive what their sockets held.
  for (std::size_t i = 0; i < 7; ++i) EXPECT_LT(clients[i]->rest().size(), large_bytes) << i;
  EXPECT_GT(clients[9]->response().size(), large_bytes);
}

TEST_F(CrowdedServer, large_answers_are_not_kept_room_for) {
  serve({.client_bytes_max = 3 * large_bytes});
  for (int i = 0; i < 10; ++i) {
    client(get("/large")).response();
    EXPECT_TRUE(is_served());
  }
  for (const auto& each : clients) {
    each->send(get("/"));
    EXPECT_TRUE(each->response().ends_with("served"));
  }
}

TEST_F(CrowdedServer, request_in_hand_is_never_given_up_for_a_new_one) {
  later_wanted = 3;
  serve({.connections_max = 3});
  for (int i = 0; i < 3; ++i) client(get("/later"));
  all_wait.get_future().wait();
  EXPECT_TRUE(client().rest().starts_with("HTTP/1.1 503"));
  for (const HttpReply& reply : later) reply({.body = "at last"});
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(clients[static_cast<std::size_t>(i)]->response().ends_with("at last"));
  EXPECT_TRUE(is_served());
}

TEST_F(CrowdedServer, line_without_an_end_inside_a_body_is_refused_at_once) {
  serve({});
  // None of these contains a byte that the parser could accept.
  const std::string begin = "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (const std::string& part : {std::string("1;"), std::string("1;a=\""), std::string("0\r\nX: ")}) {
    Client endless(server->port());
    endless.send(begin + part + std::string(256 * 1024, 'x'));
    const std::string answer = endless.rest();
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 400") || answer.starts_with("HTTP/1.1 431")) << part << " → " << answer;
  }
}

TEST_F(CrowdedServer, thousand_pipelined_requests_are_all_answered) {
  serve({});
  Client eager(server->port());
  std::string all;
  for (int i = 0; i < 999; ++i) all += get("/" + std::to_string(i));
  eager.send(all + "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  const std::string answers = eager.rest();
  std::size_t count = 0;
  for (std::size_t at = answers.find("served"); at != std::string::npos; at = answers.find("served", at + 1)) ++count;
  EXPECT_EQ(count, 1000u);
}

}  // namespace
}  // namespace pawl
