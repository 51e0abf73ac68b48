// Named clients that want everything: what each may have, and who is dropped for whom.
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "daemon/http/server.h"
#include "tests/unit/daemon/comes_true.h"
#include "tests/unit/daemon/raw_client.h"

namespace pawl {
namespace {

constexpr std::size_t large_answer_bytes = 16 * 1024 * 1024;  // more than the buffers of any socket

class SharedServer : public testing::Test {
 protected:
  /// Numbers, one event each, from the one after `seen` to the last one published so far.
  class Numbers final : public HttpStream {
   public:
    Numbers(SharedServer& test, std::string name, int seen) : test_(test), name_(std::move(name)), seen_(seen) {}
    ~Numbers() override {
      const std::lock_guard lock(test_.mutex);
      test_.ended.push_back(name_);
    }
    void next(std::function<void(std::optional<std::string>)> done) override {
      if (seen_ >= test_.published) return;  // nothing more happens
      const std::string number = std::to_string(++seen_);
      done("id: " + number + "\ndata: " + number + "\n\n");
    }

   private:
    SharedServer& test_;
    std::string name_;
    int seen_;
  };

  void serve(Server::Options options) {
    options.listen = TcpAddress{.host = "127.0.0.1", .port = 0};
    options.socket = testing::TempDir() + "pawl-shares-" + std::to_string(::getpid());
    options.asks_for_tokens = true;
    options.threads = 1;
    options.share_book = book;
    options.now = [this] { return Shares::Time{} + std::chrono::microseconds(now_us++); };
    options.who_asks = [](const HttpRequest& request) {
      const std::string name(request.authorization);
      return Visitor{.principal = name, .is_operator = name.starts_with("op"), .is_rated = !name.empty()};
    };
    server = std::move(Server::open(std::move(options), [this](const HttpRequest& request, HttpReply reply) {
               handle(request, std::move(reply));
             })).value();
    server->start();
  }
  ~SharedServer() override {
    if (!server) return;
    server->stop();
    later.clear();   // they hold connections of the server
    server.reset();  // whose streams report their end to the test
  }

  void handle(const HttpRequest& request, HttpReply reply) {
    HttpResponse response{.content_type = "text/plain", .body = "served"};
    if (request.path == "/many")
      response.body = request.takes_more(std::stoul(std::string(request.query))) ? "more" : "no more";
    if (request.path == "/large") response.body = std::string(large_answer_bytes, 'x');
    if (request.path == "/stream") {
      const int seen = request.last_event_id.empty() ? 0 : std::stoi(std::string(request.last_event_id));
      response.stream = std::make_shared<Numbers>(*this, std::string(request.query), seen);
    }
    if (request.path == "/poll") request.waits({.status = 204, .body = {}});
    if (request.path != "/poll" && request.path != "/later") return reply(std::move(response));
    const std::lock_guard lock(mutex);
    later.push_back(std::move(reply));
  }

  static std::string get(const std::string& target, const std::string& who, const std::string& more = {}) {
    return "GET " + target + " HTTP/1.1\r\nHost: localhost\r\nAuthorization: " + who + "\r\n" + more + "\r\n";
  }
  Client& client(const std::string& says = {}) {
    clients.push_back(std::make_unique<Client>(server->port()));
    clients.back()->send(says);
    return *clients.back();
  }
  Client& local(const std::string& says = {}) {
    clients.push_back(std::make_unique<Client>(server->socket()->string()));
    clients.back()->send(says);
    return *clients.back();
  }
  /// How many of the requested streams one client gets.
  std::size_t streams_of(const std::string& who, int asked) {
    std::size_t count = 0;
    for (int i = 0; i < asked; ++i) {
      const std::string head = client(get("/stream?" + who + std::to_string(i), who)).until("\r\n\r\n");
      if (head.starts_with("HTTP/1.1 200")) {
        ++count;
      } else {
        EXPECT_TRUE(head.starts_with("HTTP/1.1 429")) << head;
        EXPECT_NE(head.find("\r\nRetry-After: 1\r\n"), std::string::npos) << head;
      }
    }
    return count;
  }
  std::size_t streams_ended() {
    const std::lock_guard lock(mutex);
    return ended.size();
  }
  std::size_t in_hand() {
    const std::lock_guard lock(mutex);
    return later.size();
  }
  /// A request in hand, which therefore keeps its place.
  void takes_a_place() {
    const std::size_t before = in_hand();
    client(get("/later", "op"));
    EXPECT_TRUE(comes_true([&] { return in_hand() > before; }));
  }
  bool is_served(const std::string& who) {
    Client fresh(server->port());
    fresh.send(get("/", who));
    return fresh.response().ends_with("served");
  }
  bool is_served_locally() {
    Client fresh(server->socket()->string());
    fresh.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    return fresh.response().ends_with("served");
  }

  std::size_t held(ShareKind kind) const { return book->held(kind); }

  const std::shared_ptr<ShareBook> book = std::make_shared<ShareBook>();
  std::mutex mutex;
  std::vector<HttpReply> later;
  std::vector<std::string> ended;
  std::atomic<int> published{1};
  std::atomic<std::int64_t> now_us{0};
  std::unique_ptr<Server> server;
  std::vector<std::unique_ptr<Client>> clients;
};

TEST_F(SharedServer, streams_of_one_reader_keep_no_others_out) {
  serve({.connections_max = 64});
  EXPECT_EQ(streams_of("reader", 200), 32U);
  EXPECT_TRUE(is_served("op"));
  EXPECT_TRUE(is_served("another"));
  EXPECT_TRUE(is_served(""));
  EXPECT_TRUE(is_served_locally());
  EXPECT_EQ(streams_ended(), 168U) << "the refused ones";
}

TEST_F(SharedServer, streams_of_two_readers_leave_the_reserve_to_the_socket) {
  serve({.connections_max = 64});
  EXPECT_EQ(streams_of("one", 32), 32U);
  EXPECT_EQ(streams_of("two", 28), 28U);
  for (int i = 0; i < 4; ++i) {
    EXPECT_TRUE(local("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").response().ends_with("served"));
  }
  EXPECT_EQ(streams_ended(), 0U);
  EXPECT_EQ(streams_of("two", 1), 0U);
  EXPECT_EQ(streams_of("op", 1), 1U);
  EXPECT_TRUE(is_served("op"));
}

TEST_F(SharedServer, requests_over_tcp_leave_the_reserve_to_the_socket) {
  serve({.connections_max = 32});
  for (int i = 0; i < 30; ++i) takes_a_place();
  EXPECT_TRUE(client().rest().starts_with("HTTP/1.1 503"));
  EXPECT_EQ(book->refused(ShareKind::connections), 1U);
  EXPECT_EQ(held(ShareKind::connections), 30U);
  EXPECT_TRUE(is_served_locally());
}

TEST_F(SharedServer, who_has_the_most_makes_room_and_an_operator_the_last) {
  serve({.connections_max = 8});
  EXPECT_EQ(streams_of("op", 1), 1U);
  EXPECT_EQ(streams_of("y", 2), 2U);
  EXPECT_EQ(streams_of("x", 4), 4U);
  // Each takes the place of one that has ended, or makes one more end.
  for (int i = 0; i < 9 && streams_ended() < 6; ++i) takes_a_place();
  const std::vector<std::string> wanted{"x0", "x1", "y0", "x2", "y1", "x3"};
  EXPECT_TRUE(comes_true([&] { return held(ShareKind::streams) == 1; }));
  EXPECT_EQ(book->evicted(ShareKind::streams), 6U);
  EXPECT_EQ(book->evicted(ShareKind::polls), 0U);
  const std::lock_guard lock(mutex);
  EXPECT_EQ(ended, wanted);
}

TEST_F(SharedServer, stream_that_made_room_ended_with_a_whole_event_and_goes_on_where_it_was) {
  published = 3;
  serve({.connections_max = 3});
  Client& reader = client(get("/stream", "reader"));
  reader.until("data: 3\n\n");
  for (int i = 0; i < 3; ++i) takes_a_place();
  const std::string seen = reader.rest();
  EXPECT_TRUE(seen.ends_with("data: 3\n\n\r\n0\r\n\r\n")) << seen;

  published = 5;
  const std::vector<HttpReply> replies = std::exchange(later, {});
  for (const HttpReply& reply : replies) reply({.body = "at last"});
  const std::string rest = client(get("/stream", "reader", "Last-Event-ID: 3\r\n")).until("data: 5\n\n");
  EXPECT_EQ(rest.find("data: 3\n"), std::string::npos);
  EXPECT_LT(rest.find("data: 4\n"), rest.find("data: 5\n"));
}

TEST_F(SharedServer, poll_that_makes_room_is_answered_as_if_its_time_were_over) {
  serve({.connections_max = 2});
  Client& waiting = client(get("/poll", "reader"));
  EXPECT_TRUE(comes_true([&] { return in_hand() == 1; }));
  for (int i = 0; i < 2; ++i) takes_a_place();
  const std::string answer = waiting.rest();
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 204 ")) << answer;
  EXPECT_NE(answer.find("Connection: close"), std::string::npos);
  EXPECT_EQ(book->evicted(ShareKind::polls), 1U);
  EXPECT_EQ(book->evicted(ShareKind::streams), 0U);
  // The event it waited for comes too late, and is reported as undelivered.
  std::atomic<bool> was_lost{false};
  later.front()({.body = "a job", .undelivered = [&] { was_lost = true; }});
  EXPECT_TRUE(comes_true([&] { return was_lost.load(); }));
}

TEST_F(SharedServer, polls_of_one_are_bounded_with_its_streams) {
  serve({.connections_max = 16});
  EXPECT_EQ(streams_of("reader", 3), 3U);
  for (std::size_t i = 0; i < 5; ++i) {
    client(get("/poll", "reader"));
    EXPECT_TRUE(comes_true([&] { return in_hand() > i; }));
  }
  const std::string answer = client(get("/poll", "reader")).rest();
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 429 Too Many Requests\r\n")) << answer;
  EXPECT_NE(answer.find("\r\nRetry-After: 1\r\n"), std::string::npos);
  EXPECT_NE(answer.find(R"("code":"too_many_streams")"), std::string::npos);
  EXPECT_EQ(streams_ended(), 0U);
  EXPECT_EQ(held(ShareKind::streams), 3U);
  EXPECT_EQ(held(ShareKind::polls), 5U);
  EXPECT_EQ(book->refused(ShareKind::polls), 1U);
  EXPECT_EQ(book->refused_most(), std::vector<ShareBook::Refused>({{"reader", 1}}));
  // An answered request gives its place to the next.
  EXPECT_TRUE(comes_true([&] { return in_hand() == 6; }));
  later[0]({.body = "news"});
  EXPECT_TRUE(clients[3]->response().ends_with("news"));
  EXPECT_EQ(streams_of("reader", 1), 1U);
}

TEST_F(SharedServer, poll_that_was_answered_gives_its_answer_to_no_later_request) {
  serve({.connections_max = 4});
  Client& one = client(get("/poll", "reader"));
  EXPECT_TRUE(comes_true([&] { return in_hand() == 1; }));
  later[0]({.body = "news"});
  EXPECT_TRUE(one.response().ends_with("news"));
  one.send(get("/later", "reader"));
  EXPECT_TRUE(comes_true([&] { return in_hand() == 2; }));
  for (int i = 0; i < 3; ++i) takes_a_place();
  EXPECT_TRUE(client().rest().starts_with("HTTP/1.1 503")) << "it no longer waits for anything";
  later[1]({.body = "at last"});
  EXPECT_TRUE(one.response().ends_with("at last"));
}

TEST_F(SharedServer, requests_a_second_of_one_are_bounded_and_the_connection_stays) {
  serve({.requests_per_s = 10, .requests_at_once = 3});
  Client& busy = client();
  for (int i = 0; i < 3; ++i) {
    busy.send(get("/", "reader"));
    EXPECT_TRUE(busy.response().ends_with("served"));
  }
  busy.send(get("/", "reader"));
  const std::string refused = busy.response();
  EXPECT_TRUE(refused.starts_with("HTTP/1.1 429 ")) << refused;
  EXPECT_NE(refused.find("\r\nRetry-After: 1\r\n"), std::string::npos);
  EXPECT_NE(refused.find(R"("code":"too_many_requests")"), std::string::npos);
  EXPECT_EQ(book->refused(ShareKind::requests), 1U);
  EXPECT_TRUE(is_served("another"));
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(is_served_locally()) << "clients without a token are not counted";
  now_us += 1'000'000;
  busy.send(get("/", "reader"));
  EXPECT_TRUE(busy.response().ends_with("served"));
}

TEST_F(SharedServer, a_request_that_stands_for_more_takes_so_many_or_none) {
  serve({.requests_per_s = 10, .requests_at_once = 10});
  Client& busy = client();
  const auto many = [&](const std::string& more) {
    busy.send(get("/many?" + more, "reader"));
    const std::string response = busy.response();
    return response.substr(response.rfind('\n') + 1);
  };
  EXPECT_EQ(many("6"), "more");
  EXPECT_EQ(many("3"), "no more") << "2 are left";
  EXPECT_EQ(many("1"), "more") << "of a refusal only the request itself was counted";
  EXPECT_NE(many("0").find("too_many_requests"), std::string::npos);
  EXPECT_EQ(book->refused(ShareKind::requests), 2U);
  now_us += 1'000'000;
  EXPECT_EQ(many("8"), "more");
  for (int i = 0; i < 3; ++i) {
    const std::string response = local("GET /many?9 HTTP/1.1\r\nHost: localhost\r\n\r\n").response();
    EXPECT_TRUE(response.ends_with("\nmore")) << "clients without a token are not counted";
  }
}

TEST_F(SharedServer, answers_that_one_does_not_read_cost_no_other_its_own) {
  serve({.client_bytes_max = 8 * large_answer_bytes});
  Client& slow = client(get("/large", "another"));
  EXPECT_TRUE(is_served("another"));  // by now the answer above has started
  for (int i = 0; i < 10; ++i) {
    client(get("/large", "reader"));
    EXPECT_TRUE(is_served("reader"));
  }
  EXPECT_GT(slow.response().size(), large_answer_bytes)
      << "it has waited longest, but its client does not hold the most";
  for (std::size_t i = 1; i <= 6; ++i) EXPECT_LT(clients[i]->rest().size(), large_answer_bytes) << i;
  EXPECT_GT(clients[10]->response().size(), large_answer_bytes);
}

}  // namespace
}  // namespace pawl
