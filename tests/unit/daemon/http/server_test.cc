// Real sockets, and misbehaving clients. Time-outs are short where they are under test, long where they must not fire;
// no result depends on the machine's speed.
#include "daemon/http/server.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <future>
#include <mutex>
#include <string>
#include <thread>

#include "tests/unit/daemon/comes_true.h"
#include "tests/unit/daemon/raw_client.h"

namespace pawl {
namespace {

using std::chrono::milliseconds;

/// Two pieces, and then silence.
class TwoPieces final : public HttpStream {
 public:
  void next(std::function<void(std::optional<std::string>)> done) override {
    if (count_++ < 2) done("piece " + std::to_string(count_) + "\n");
  }

 private:
  int count_ = 0;
};

class ServerTest : public testing::Test {
 protected:
  void serve(Server::Options options = {}) {
    options.listen = TcpAddress{.host = "127.0.0.1", .port = 0};
    server = std::move(Server::open(std::move(options), [this](const HttpRequest& request, HttpReply reply) {
               handle(request, std::move(reply));
             })).value();
    server->start();
  }

  void handle(const HttpRequest& request, HttpReply reply) {
    if (request.path == "/stream") {
      HttpResponse response{.content_type = "text/plain", .body = {}};
      response.stream = std::make_shared<TwoPieces>();
      return reply(std::move(response));
    }
    if (request.path == "/later") {
      const std::lock_guard lock(mutex);
      later.push_back(std::move(reply));
      gone = request.gone;
      asked.set_value();
      return;
    }
    if (request.path == "/at-once") return reply({.body = "x", .undelivered = [this] { ++undelivered; }});
    HttpResponse response{.content_type = "text/plain", .body = std::string(request.method)};
    response.body += " " + std::string(request.path) + " " + std::string(request.query) + " " +
                     std::string(request.actor) + " " + std::to_string(request.body.size());
    reply(std::move(response));
  }

  static std::string get(const std::string& path, const std::string& headers = {}) {
    return "GET " + path + " HTTP/1.1\r\nHost: localhost\r\n" + headers + "\r\n";
  }

  std::unique_ptr<Server> server;
  std::mutex mutex;
  std::vector<HttpReply> later;
  std::shared_ptr<const std::atomic<bool>> gone;
  std::promise<void> asked;
  std::atomic<int> undelivered{0};
};

TEST_F(ServerTest, requests_on_one_connection_are_answered_one_after_the_other) {
  serve();
  Client client(server->port());
  client.send(get("/a?x=1", "Pawl-Actor: me\r\n"));
  EXPECT_NE(client.response().find("GET /a x=1 me 0"), std::string::npos);
  client.send("POST /b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n12345");
  EXPECT_NE(client.response().find("POST /b   5"), std::string::npos);
}

TEST_F(ServerTest, pipelined_requests_are_answered_in_order_however_they_are_cut) {
  serve();
  Client client(server->port());
  std::string all;
  for (int i = 0; i < 50; ++i) {
    all += "POST /" + std::to_string(i) + " HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc";
  }
  std::thread sender([&] {
    for (std::size_t at = 0; at < all.size(); at += 7) client.send(all.substr(at, 7));
  });
  for (int i = 0; i < 50; ++i) {
    EXPECT_NE(client.response().find("POST /" + std::to_string(i) + "   3"), std::string::npos) << i;
  }
  sender.join();
}

TEST_F(ServerTest, a_chunked_body_is_read_too) {
  serve();
  Client client(server->port());
  client.send(
      "POST /c HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
  EXPECT_NE(client.response().find("POST /c   5"), std::string::npos);
}

TEST_F(ServerTest, malformed_bytes_are_400_and_the_connection_ends) {
  serve();
  for (const std::string bytes :
       {"nonsense\r\n\r\n", "GET / HTTP/3.0\r\n\r\n", "GET * HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
        "GET /healthz HTTP/1.0\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: many\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: localhost\r\nBad Header: x\r\n\r\n", "\x16\x03\x01\x02\r\n\r\n"}) {
    Client client(server->port());
    client.send(bytes);
    const std::string answer = client.rest();
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 400")) << bytes << " → " << answer;
    EXPECT_NE(answer.find(R"("code":"malformed")"), std::string::npos);
  }
}

TEST_F(ServerTest, a_body_beyond_its_bound_is_413_also_without_a_length) {
  serve();
  Client announced(server->port());
  announced.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + std::to_string(limits::body_bytes_max + 1) +
                 "\r\n\r\n" + std::string(limits::body_bytes_max + 1, 'x'));
  EXPECT_TRUE(announced.rest().starts_with("HTTP/1.1 413"));
  Client chunked(server->port());
  chunked.send("POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n100001\r\n" +
               std::string(0x100001, 'x') + "\r\n0\r\n\r\n");
  EXPECT_TRUE(chunked.rest().starts_with("HTTP/1.1 413"));
  Client most(server->port());
  most.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + std::to_string(limits::body_bytes_max) +
            "\r\n\r\n" + std::string(limits::body_bytes_max, 'x'));
  EXPECT_NE(most.response().find(std::to_string(limits::body_bytes_max)), std::string::npos);
}

TEST_F(ServerTest, a_path_may_have_a_bound_of_its_own) {
  constexpr std::size_t most = limits::body_bytes_max + 1000;
  std::atomic<int> too_long = 0;
  serve({.body_bytes_max = most,
         .body_bytes_max_of = [](std::string_view path) { return path == "/long" ? most : limits::body_bytes_max; },
         .body_was_too_long = [&](std::string_view path) { too_long += path == "/long"; }});
  const auto announced = [](const std::string& path, std::size_t bytes) {
    return "POST " + path + "?x HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + std::to_string(bytes) + "\r\n\r\n" +
           std::string(bytes, 'x');
  };
  const auto chunked = [](const std::string& path, std::size_t bytes) {
    std::string text = "POST " + path + " HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (std::size_t sent = 0; sent < bytes; sent += 0x1000) text += "1000\r\n" + std::string(0x1000, 'x') + "\r\n";
    return text + "0\r\n\r\n";
  };
  Client client(server->port());
  client.send(announced("/long", most));
  EXPECT_NE(client.response().find("POST /long x  " + std::to_string(most)), std::string::npos);
  client.send(announced("/other", limits::body_bytes_max));
  EXPECT_NE(client.response().find("POST /other x  " + std::to_string(limits::body_bytes_max)), std::string::npos);
  client.send(chunked("/other", limits::body_bytes_max));
  EXPECT_NE(client.response().find("POST /other   " + std::to_string(limits::body_bytes_max)), std::string::npos);
  for (const std::string& bytes : {announced("/long", most + 1), announced("/other", limits::body_bytes_max + 1),
                                   chunked("/other", limits::body_bytes_max + 1), chunked("/long", most + 0x1000),
                                   announced("/other", most + 1)}) {
    Client refused(server->port());
    refused.send(bytes);
    EXPECT_TRUE(refused.rest().starts_with("HTTP/1.1 413"));
  }
  EXPECT_EQ(too_long, 2) << "whoever counts them hears of each";
}

TEST_F(ServerTest, headers_beyond_their_bound_are_431) {
  serve();
  Client client(server->port());
  client.send(get("/", "X: " + std::string(limits::header_bytes_max, 'x') + "\r\n"));
  EXPECT_TRUE(client.rest().starts_with("HTTP/1.1 431"));
  Client endless(server->port());
  endless.send("GET / HTTP/1.1\r\n" + std::string(2 * limits::header_bytes_max, 'x'));
  EXPECT_TRUE(endless.rest().starts_with("HTTP/1.1 431"));
}

TEST_F(ServerTest, a_request_that_does_not_arrive_in_time_is_408) {
  serve({.request_timeout = milliseconds(50)});
  Client header(server->port());
  header.send("GET / HT");
  EXPECT_TRUE(header.rest().starts_with("HTTP/1.1 408"));
  Client body(server->port());
  body.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n123");
  EXPECT_TRUE(body.rest().starts_with("HTTP/1.1 408"));
}

TEST_F(ServerTest, an_idle_connection_is_closed_without_a_word) {
  serve({.idle_timeout = milliseconds(50)});
  Client never(server->port());
  EXPECT_EQ(never.rest(), "");
  Client once(server->port());
  once.send(get("/"));
  EXPECT_NE(once.response().find("200 OK"), std::string::npos);
  EXPECT_EQ(once.rest(), "");
}

TEST_F(ServerTest, a_request_in_hand_is_not_timed_out) {
  serve({.request_timeout = milliseconds(20), .idle_timeout = milliseconds(20)});
  Client client(server->port());
  client.send(get("/later"));
  asked.get_future().wait();
  // Longer than both time-outs: waits only until they have had their chance to fire.
  std::this_thread::sleep_for(milliseconds(100));
  later.front()({.body = "at last"});
  EXPECT_NE(client.response().find("at last"), std::string::npos);
}

TEST_F(ServerTest, pages_of_other_sites_are_refused_over_tcp) {
  serve();
  for (const std::string host : {"evil.example", "127.0.0.1.evil.example", "127.evil.example", "", "[::2]:80"}) {
    Client rebound(server->port());
    rebound.send("POST / HTTP/1.1\r\nHost: " + host + "\r\nContent-Length: 0\r\n\r\n");
    EXPECT_TRUE(rebound.rest().starts_with("HTTP/1.1 403")) << host;
  }
  for (const std::string host : {"127.0.0.1", "127.0.0.1:7777", "[::1]", "[::1]:7777", "localhost:1"}) {
    Client near_by(server->port());
    near_by.send("POST / HTTP/1.1\r\nHost: " + host + "\r\nContent-Length: 0\r\n\r\n");
    EXPECT_TRUE(near_by.response().starts_with("HTTP/1.1 200")) << host;
  }
  Client cross_site(server->port());
  cross_site.send(get("/", "Origin: http://evil.example\r\n"));
  EXPECT_TRUE(cross_site.rest().starts_with("HTTP/1.1 403"));
  Client same_site(server->port());
  same_site.send(get("/", "Origin: http://localhost\r\n"));
  EXPECT_TRUE(same_site.response().starts_with("HTTP/1.1 200"));
}

TEST_F(ServerTest, health_checks_of_load_balancers_are_answered) {
  serve();
  for (const std::string bytes :
       {"GET /healthz HTTP/1.0\r\n\r\n", "GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n",
        "HEAD /healthz HTTP/1.0\r\n\r\n", "GET http://localhost/healthz HTTP/1.0\r\n\r\n",
        "GET http://localhost:7777/healthz HTTP/1.1\r\nHost: localhost:7777\r\nConnection: close\r\n\r\n",
        "\r\nGET /healthz HTTP/1.0\r\n\r\n", "\n\r\n\r\nGET /healthz HTTP/1.0\r\n\r\n"}) {
    Client client(server->port());
    client.send(bytes);
    EXPECT_TRUE(client.rest().starts_with("HTTP/1.1 200")) << bytes;
  }
  for (const std::string bytes :
       {"POST /v1/tasks HTTP/1.0\r\nContent-Length: 0\r\n\r\n", "GET http://evil.example/healthz HTTP/1.0\r\n\r\n",
        "GET /healthz HTTP/1.0\r\nHost: evil.example\r\n\r\n",
        "GET /healthz HTTP/1.0\r\nOrigin: http://evil.example\r\n\r\n"}) {
    Client client(server->port());
    client.send(bytes);
    EXPECT_TRUE(client.rest().starts_with("HTTP/1.1 403")) << bytes;
  }
}

TEST_F(ServerTest, empty_line_after_a_body_is_not_the_beginning_of_a_request) {
  serve({.request_timeout = milliseconds(50)});
  Client client(server->port());
  client.send("POST /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc\r\n");
  EXPECT_NE(client.response().find("POST /a   3"), std::string::npos);
  // Longer than a request may take: waits only until the server has had its chance to give up.
  std::this_thread::sleep_for(milliseconds(150));
  client.send("\r");
  client.send("\n" + get("/b"));
  EXPECT_NE(client.response().find("GET /b"), std::string::npos);
}

TEST_F(ServerTest, connection_close_and_old_clients_are_honoured) {
  serve();
  Client closing(server->port());
  closing.send(get("/", "Connection: close\r\n"));
  EXPECT_NE(closing.rest().find("Connection: close"), std::string::npos);
  Client old(server->port());
  old.send("GET / HTTP/1.0\r\nHost: localhost\r\n\r\n");
  EXPECT_NE(old.rest().find("200 OK"), std::string::npos);
}

TEST_F(ServerTest, head_is_a_get_without_its_body) {
  serve();
  Client client(server->port());
  client.send("HEAD /a HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  const std::string answer = client.rest();
  EXPECT_NE(answer.find("Content-Length: 10"), std::string::npos) << answer;
  EXPECT_TRUE(answer.ends_with("\r\n\r\n"));
}

TEST_F(ServerTest, a_stream_is_sent_in_chunks_and_ends_with_the_server) {
  serve();
  Client client(server->port());
  client.send(get("/stream"));
  const std::string begun = client.until("piece 2");
  EXPECT_NE(begun.find("Transfer-Encoding: chunked"), std::string::npos);
  EXPECT_NE(begun.find("8\r\npiece 1\n\r\n"), std::string::npos);
  server->stop();
  client.rest();
}

TEST_F(ServerTest, a_client_that_leaves_is_known_to_be_gone) {
  serve();
  std::future<void> is_asked = asked.get_future();
  {
    Client client(server->port());
    client.send(get("/later"));
    is_asked.wait();
  }
  for (int i = 0; i < 3000 && !gone->load(); ++i) std::this_thread::sleep_for(milliseconds(10));
  EXPECT_TRUE(gone->load());
  later.front()({.body = "to nobody"});
}

TEST_F(ServerTest, a_client_that_only_ends_its_side_is_answered) {
  serve();
  Client client(server->port());
  client.send(get("/later"));
  asked.get_future().wait();
  client.end_sending();
  // Time for several checks that it is still there.
  std::this_thread::sleep_for(milliseconds(600));
  EXPECT_FALSE(gone->load());
  later.front()({.body = "at last"});
  EXPECT_TRUE(client.rest().ends_with("at last"));
}

TEST_F(ServerTest, an_answer_to_nobody_is_told_of) {
  serve();
  std::atomic<int> told{0};
  {
    Client client(server->port());
    client.send(get("/later"));
    asked.get_future().wait();
  }
  // Whether or not the server knows it is gone, the answer has no reader.
  later.front()({.body = std::string(1000, 'x'), .undelivered = [&told] { ++told; }});
  EXPECT_TRUE(comes_true([&] { return told == 1; }));
}

TEST_F(ServerTest, an_answer_to_whoever_asks_and_goes_is_told_of) {
  serve();
  constexpr int clients = 50;
  for (int i = 0; i < clients; ++i) Client(server->port()).send(get("/at-once"));
  EXPECT_TRUE(comes_true([&] { return undelivered == clients; }));
}

TEST_F(ServerTest, an_answer_that_was_read_is_not_told_of) {
  serve();
  std::atomic<bool> told{false};
  {
    Client client(server->port());
    client.send(get("/later"));
    asked.get_future().wait();
    client.end_sending();
    later.front()({.body = "read", .undelivered = [&told] { told = true; }});
    EXPECT_TRUE(client.rest().ends_with("read"));
  }
  server->stop();
  EXPECT_FALSE(told);
}

TEST_F(ServerTest, an_answer_that_came_is_not_told_of_when_its_connection_is_reset_later) {
  serve();
  std::atomic<bool> told{false};
  {
    Client client(server->port());
    client.send(get("/later"));
    asked.get_future().wait();
    later.front()({.body = "read", .undelivered = [&told] { told = true; }});
    client.until("read");
    std::this_thread::sleep_for(milliseconds(300));  // a worker that works
    client.reset_at_the_end();
  }
  std::this_thread::sleep_for(milliseconds(100));
  server->stop();
  EXPECT_FALSE(told);
}

TEST_F(ServerTest, all_that_was_asked_before_a_client_ended_its_side_is_answered) {
  serve();
  Client client(server->port());
  client.send(get("/a") + get("/b") + get("/c"));
  client.end_sending();
  const std::string answers = client.rest();
  for (const char* path : {"GET /a", "GET /b", "GET /c"}) EXPECT_NE(answers.find(path), std::string::npos) << path;
}

TEST_F(ServerTest, a_request_that_is_answered_soon_gets_no_interim_answer) {
  serve();
  Client client(server->port());
  client.send(get("/a"));
  client.end_sending();
  EXPECT_TRUE(client.rest().starts_with("HTTP/1.1 200"));
}

TEST_F(ServerTest, requests_that_arrived_together_are_served_together) {
  std::atomic<int> turns{0};
  serve({.end_of_turn = [&] {
    const std::lock_guard lock(mutex);
    ++turns;
    for (const HttpReply& reply : std::exchange(later, {})) reply({.body = "in turn"});
  }});
  Client client(server->port());
  client.send(get("/later"));
  EXPECT_NE(client.response().find("in turn"), std::string::npos) << "an answer given at the end of the turn is sent";
  EXPECT_EQ(turns, 1);
}

TEST_F(ServerTest, a_thread_that_is_held_up_keeps_no_new_client_waiting) {
  std::promise<void> hangs;
  std::promise<void> disk;
  const std::shared_future<void> disk_answers = disk.get_future().share();
  std::atomic<bool> is_first{true};
  serve({.end_of_turn = [&] {
    if (!is_first.exchange(false)) return;
    hangs.set_value();
    disk_answers.wait();
  }});
  Client held_up(server->port());
  held_up.send(get("/later"));
  hangs.get_future().wait();
  for (int i = 0; i < 8; ++i) {
    Client other(server->port());
    other.send(get("/healthz", "Connection: close\r\n"));
    EXPECT_NE(other.rest().find("GET /healthz"), std::string::npos);
  }
  disk.set_value();
  later.front()({.body = "at last"});
  EXPECT_NE(held_up.response().find("at last"), std::string::npos);
}

TEST_F(ServerTest, stop_answers_what_is_in_hand) {
  serve();
  Client client(server->port());
  client.send(get("/later"));
  asked.get_future().wait();
  std::thread answering([&] { later.front()({.body = "the last"}); });
  server->stop();
  answering.join();
  const std::string answer = client.rest();
  EXPECT_NE(answer.find("the last"), std::string::npos) << answer;
}

TEST_F(ServerTest, expect_100_is_answered_before_the_body) {
  serve();
  Client client(server->port());
  client.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_NE(client.until("\r\n\r\n").find("100 Continue"), std::string::npos);
  client.send("abc");
  EXPECT_NE(client.until("200 OK").find("200 OK"), std::string::npos);
}

class SocketFile : public ServerTest {
 protected:
  const std::string path = testing::TempDir() + "pawl-server-test-" + std::to_string(::getpid()) + ".sock";
  Result<std::unique_ptr<Server>> open(const std::string& at) {
    return Server::open({.socket = at},
                        [this](const HttpRequest& request, HttpReply reply) { handle(request, std::move(reply)); });
  }
  ~SocketFile() override { ::unlink(path.c_str()); }
};

TEST_F(SocketFile, is_for_owner_and_group_and_is_removed_at_the_end) {
  server = open(path).value();
  server->start();
  struct stat there {};
  ASSERT_EQ(::stat(path.c_str(), &there), 0);
  EXPECT_EQ(there.st_mode & 0777, 0660u);
  Client client(path);
  client.send("GET / HTTP/1.1\r\nHost: anything\r\nOrigin: http://any\r\n\r\n");
  EXPECT_NE(client.response().find("200 OK"), std::string::npos);
  server->stop();
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(SocketFile, client_that_leaves_is_known_to_be_gone_and_one_that_ends_its_side_is_not) {
  server = open(path).value();
  server->start();
  std::future<void> is_asked = asked.get_future();
  auto client = std::make_unique<Client>(path);
  client->send(get("/later"));
  client->end_sending();
  is_asked.wait();
  std::this_thread::sleep_for(milliseconds(100));
  EXPECT_FALSE(gone->load());
  client.reset();
  EXPECT_TRUE(comes_true([&] { return gone->load(); }));
}

TEST_F(SocketFile, of_a_living_server_is_left_alone_and_of_a_dead_one_replaced) {
  auto living = open(path).value();
  auto second = open(path);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::busy);
  EXPECT_NE(second.error().message.find(path), std::string::npos);
  living.reset();

  const int dead = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(dead, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  ::close(dead);
  EXPECT_TRUE(open(path));
}

TEST_F(SocketFile, that_is_removed_is_made_again_and_it_is_told) {
  std::mutex told_mutex;
  std::vector<std::string> told;
  server = Server::open({.socket = path,
                         .socket_watch_interval = milliseconds(1),
                         .warn =
                             [&](const std::string& message) {
                               const std::lock_guard lock(told_mutex);
                               told.push_back(message);
                             }},
                        [this](const HttpRequest& request, HttpReply reply) { handle(request, std::move(reply)); })
               .value();
  server->start();
  Client connected(path);
  for (std::size_t i = 1; i <= 2; ++i) {
    ::unlink(path.c_str());
    ASSERT_TRUE(comes_true([&] {
      const std::lock_guard lock(told_mutex);
      return told.size() == i;
    }));
    struct stat there {};
    ASSERT_EQ(::stat(path.c_str(), &there), 0);
    EXPECT_EQ(there.st_mode & 0777, 0660u);
    Client client(path);
    client.send("GET / HTTP/1.1\r\nHost: any\r\n\r\n");
    EXPECT_NE(client.response().find("200 OK"), std::string::npos);
  }
  EXPECT_NE(told[0].find(path), std::string::npos);
  connected.send("GET / HTTP/1.1\r\nHost: any\r\n\r\n");
  EXPECT_NE(connected.response().find("200 OK"), std::string::npos) << "existing connections stay open";
  server->stop();
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(SocketFile, of_somebody_else_in_its_place_is_left_alone) {
  std::atomic<int> told = 0;
  server = Server::open(
               {.socket = path, .socket_watch_interval = milliseconds(1), .warn = [&](const std::string&) { ++told; }},
               [this](const HttpRequest& request, HttpReply reply) { handle(request, std::move(reply)); })
               .value();
  server->start();
  // Created under another name, so that the path is never empty.
  const std::string other = path + ".other";
  ::close(::open(other.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
  ASSERT_EQ(::rename(other.c_str(), path.c_str()), 0);
  ASSERT_TRUE(comes_true([&] { return told > 0; }));
  server->stop();
  EXPECT_TRUE(std::filesystem::is_regular_file(path));
  EXPECT_EQ(told, 1) << "one message is enough";
}

TEST_F(SocketFile, of_too_long_a_name_is_done_without_beside_a_port) {
  std::string told;
  const auto both = Server::open({.listen = TcpAddress{.host = "127.0.0.1", .port = 0},
                                  .socket = "/tmp/" + std::string(200, 'x'),
                                  .warn = [&](const std::string& message) { told = message; }},
                                 {});
  ASSERT_TRUE(both);
  EXPECT_FALSE((*both)->socket());
  EXPECT_NE((*both)->port(), 0);
  EXPECT_NE(told.find("xxx"), std::string::npos);
}

TEST_F(SocketFile, that_is_no_socket_or_too_long_is_refused_by_name) {
  const int file = ::open(path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
  ::close(file);
  EXPECT_EQ(open(path).error().code, ErrorCode::busy);
  const auto long_path = open("/tmp/" + std::string(200, 'x'));
  EXPECT_EQ(long_path.error().code, ErrorCode::malformed);
  EXPECT_NE(long_path.error().message.find("--socket"), std::string::npos);
}

TEST(ServerListen, beyond_loopback_is_refused_with_the_reason) {
  for (const std::string host : {"0.0.0.0", "::", "192.0.2.1"}) {
    const auto server = Server::open({.listen = TcpAddress{.host = host, .port = 0}}, {});
    ASSERT_FALSE(server) << host;
    EXPECT_EQ(server.error().code, ErrorCode::malformed);
    EXPECT_NE(server.error().message.find("--tokens"), std::string::npos);
  }
  EXPECT_TRUE(Server::open({.listen = TcpAddress{.host = "0.0.0.0", .port = 0}, .asks_for_tokens = true}, {}));
  EXPECT_FALSE(Server::open({.listen = TcpAddress{.host = "no such host", .port = 0}}, {}));
  EXPECT_TRUE(Server::open({.listen = TcpAddress{.host = "localhost", .port = 0}}, {}));
}

TEST(ServerListen, a_port_that_is_taken_is_busy) {
  auto first = Server::open({.listen = TcpAddress{.host = "127.0.0.1", .port = 0}}, {}).value();
  const auto second = Server::open({.listen = TcpAddress{.host = "127.0.0.1", .port = first->port()}}, {});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::busy);
}

}  // namespace
}  // namespace pawl
