#include "tools/commands/client.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <mutex>
#include <thread>

#include "store/os/descriptor.h"

namespace pawl {
namespace {

/// Answers each request with the next turn, whatever the request, and keeps the requests.
class Scripted {
 public:
  struct Turn {
    std::string answer;
    bool closes = true;    // close the connection after the answer
    bool is_last = false;  // send nothing more, and leave the connection open
  };

  explicit Scripted(std::vector<Turn> turns) : turns_(std::move(turns)), listening_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    EXPECT_EQ(::bind(listening_.get(), generic, size), 0);
    EXPECT_EQ(::listen(listening_.get(), 8), 0);
    EXPECT_EQ(::getsockname(listening_.get(), generic, &size), 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~Scripted() {
    is_over_ = true;
    ::shutdown(listening_.get(), SHUT_RDWR);
    {
      const std::lock_guard lock(mutex_);
      if (connection_ >= 0) ::shutdown(connection_, SHUT_RDWR);
    }
    thread_.join();
  }
  Scripted(const Scripted&) = delete;
  Scripted& operator=(const Scripted&) = delete;

  std::string place(const std::string& scheme = "http") const {
    return scheme + "://127.0.0.1:" + std::to_string(port_);
  }
  Target target() const { return {.socket = {}, .url = place()}; }
  std::vector<std::string> asked() {
    const std::lock_guard lock(mutex_);
    return asked_;
  }
  int connections() const { return connections_; }

 private:
  void serve() {
    while (!is_over_) {
      const Descriptor connection(::accept(listening_.get(), nullptr, nullptr));
      if (connection.get() < 0) return;
      ++connections_;
      hold(connection.get());
      while (answer_one(connection.get())) {
      }
      hold(-1);
    }
  }

  void hold(int connection) {
    const std::lock_guard lock(mutex_);
    connection_ = connection;
  }

  /// Whether the connection stays open.
  bool answer_one(int connection) {
    const std::string request = read_request(connection);
    if (request.empty()) return false;
    Turn turn;
    {
      const std::lock_guard lock(mutex_);
      asked_.push_back(request);
      if (turns_.empty()) return false;
      turn = turns_.front();
      turns_.erase(turns_.begin());
    }
    (void)!::send(connection, turn.answer.data(), turn.answer.size(), MSG_NOSIGNAL);
    char byte = 0;
    if (turn.is_last) (void)!::recv(connection, &byte, 1, 0);  // until the client has gone
    return !turn.closes;
  }

  static std::string read_request(int connection) {
    std::string request;
    std::size_t end = std::string::npos;
    std::size_t body = 0;
    while (end == std::string::npos || request.size() < end + 4 + body) {
      char piece[4096];
      const ssize_t got = ::recv(connection, piece, sizeof(piece), 0);
      if (got <= 0) return {};
      request.append(piece, static_cast<std::size_t>(got));
      if (request[0] == 0x16) return request;  // the start of TLS
      end = request.find("\r\n\r\n");
      const std::size_t length = request.find("Content-Length: ");
      if (length < end) body = std::stoul(request.substr(length + 16));
    }
    return request;
  }

  std::vector<Turn> turns_;
  Descriptor listening_;
  int port_ = 0;
  std::atomic<bool> is_over_ = false;
  std::atomic<int> connections_ = 0;
  std::mutex mutex_;
  std::vector<std::string> asked_;
  int connection_ = -1;
  std::thread thread_;
};

std::string answer_of(const std::string& body, const std::string& status = "200 OK",
                      const std::string& type = "application/json", const std::string& more = "") {
  return "HTTP/1.1 " + status + "\r\nContent-Type: " + type + "\r\n" + more +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

std::string header_in(const std::string& request, const std::string& name) {
  const std::size_t at = request.find("\r\n" + name + ": ");
  if (at == std::string::npos) return "none";
  const std::size_t begin = at + name.size() + 4;
  return request.substr(begin, request.find("\r\n", begin) - begin);
}

const Request a_write = {.method = "POST", .path = "/v1/tasks", .body = "{}"};
const Request a_read = {.method = "GET", .path = "/v1/tasks"};

TEST(Client, what_was_asked_arrives_as_it_is) {
  Scripted server({{answer_of("{}")}, {answer_of("[]", "404 Not Found")}});
  Target target = server.target();
  target.url += "/behind";
  target.token = "secret";
  Client client(target);
  Request request = a_write;
  request.path = "/v1/leases/..%2F../x?y=%20";
  request.boot = "b-1";
  const auto made = client.send(request);
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(made->status, 200);
  EXPECT_EQ(made->body, "{}");
  EXPECT_EQ(made->header("content-TYPE"), "application/json");
  const auto missing = client.send(a_read);
  ASSERT_TRUE(missing) << missing.error().message;
  EXPECT_EQ(missing->status, 404);
  const auto asked = server.asked();
  ASSERT_EQ(asked.size(), 2U);
  EXPECT_TRUE(asked[0].starts_with("POST /behind/v1/leases/..%2F../x?y=%20 HTTP/1.1\r\n")) << asked[0];
  EXPECT_TRUE(asked[0].ends_with("\r\n\r\n{}"));
  EXPECT_EQ(header_in(asked[0], "Authorization"), "Bearer secret");
  EXPECT_EQ(header_in(asked[0], "Pawl-Actor"), "operator");
  EXPECT_EQ(header_in(asked[0], "Pawl-Boot"), "b-1");
  EXPECT_EQ(header_in(asked[0], "Content-Type"), "application/json");
  EXPECT_TRUE(asked[1].starts_with("GET /behind/v1/tasks HTTP/1.1\r\n")) << asked[1];
  EXPECT_EQ(header_in(asked[1], "Idempotency-Key"), "none");
}

TEST(Client, a_lost_answer_is_asked_for_again_with_the_same_key) {
  Scripted server({{""}, {answer_of("{}")}, {answer_of("{}").substr(0, 60)}, {answer_of("{}")}, {answer_of("{}")}});
  Client client(server.target());
  EXPECT_TRUE(client.send(a_write));
  EXPECT_TRUE(client.send(a_write)) << "one that ends in the middle is lost too";
  EXPECT_TRUE(client.send(a_write));
  const auto asked = server.asked();
  ASSERT_EQ(asked.size(), 5U);
  const std::string key = header_in(asked[0], "Idempotency-Key");
  EXPECT_EQ(key.size(), 32U);
  EXPECT_EQ(header_in(asked[1], "Idempotency-Key"), key);
  EXPECT_EQ(header_in(asked[2], "Idempotency-Key"), header_in(asked[3], "Idempotency-Key"));
  EXPECT_NE(header_in(asked[2], "Idempotency-Key"), key) << "another write is another key";
  EXPECT_NE(header_in(asked[4], "Idempotency-Key"), key);
}

TEST(Client, an_answer_that_is_lost_twice_is_told) {
  Scripted server({{""}, {""}, {answer_of("{}")}});
  Client client(server.target());
  const auto lost = client.send(a_write);
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().code, ErrorCode::io);
  EXPECT_EQ(lost.error().message, "the connection to " + server.target().name() +
                                      " was lost: Empty reply from server; does it expect https://?");
  EXPECT_EQ(server.asked().size(), 2U);
}

TEST(Client, a_connection_is_kept_and_one_that_was_closed_meanwhile_is_made_again) {
  Scripted server({{answer_of("{}"), false}, {answer_of("{}"), true}, {answer_of("{}"), true}});
  Client client(server.target());
  EXPECT_TRUE(client.send(a_write));
  EXPECT_TRUE(client.send(a_write));
  EXPECT_EQ(server.connections(), 1);
  EXPECT_TRUE(client.send(a_write));
  EXPECT_EQ(server.connections(), 2);
}

TEST(Client, a_redirect_is_not_followed_and_no_token_leaves) {
  Scripted other({{answer_of("{}")}});
  for (const char* status : {"301 Moved Permanently", "307 Temporary Redirect"}) {
    Scripted server(
        {{answer_of("<html>moved</html>", status, "text/html", "Location: " + other.place() + "/there\r\n")}});
    Target target = server.target();
    target.token = "secret";
    const auto sent = Client(target).send(a_write);
    ASSERT_FALSE(sent);
    EXPECT_EQ(sent.error().message, "the server at " + target.name() + " is not pawld: HTTP status " +
                                        std::string(status, 3) + ", text/html, redirecting to " + other.place() +
                                        "/there, '<html>moved</html>'; is --url right, and is pawld up behind it?");
  }
  EXPECT_EQ(other.asked().size(), 0U);
}

TEST(Client, what_is_not_pawlds_is_never_taken_for_an_answer) {
  for (const char* status : {"200 OK", "404 Not Found", "502 Bad Gateway"}) {
    Scripted server({{answer_of("<html>\r\n  <title>Log\x1b[2J in</title>", status, "text/html; charset=utf-8")},
                     {answer_of("<html>\n{\"seq\":1}\n", status, "text/html")}});
    Client client(server.target());
    const auto sent = client.send(a_read);
    ASSERT_FALSE(sent);
    EXPECT_EQ(sent.error().code, ErrorCode::io);
    EXPECT_EQ(sent.error().message, "the server at " + server.target().name() + " is not pawld: HTTP status " +
                                        std::string(status, 3) +
                                        ", text/html; charset=utf-8, '<html> <title>Log\\x1b[2J in</title>'; is --url "
                                        "right, and is pawld up behind it?");
    const auto heard = client.listen("/v1/events", {.line =
                                                        [](std::string_view line) {
                                                          ADD_FAILURE() << line;
                                                          return true;
                                                        },
                                                    .idle = [] { return true; }});
    ASSERT_FALSE(heard);
    EXPECT_NE(heard.error().message.find("is not pawld"), std::string::npos) << heard.error().message;
  }
  // A run's output may have any type; Pawl-Log-Next identifies it.
  Scripted server({{answer_of("<html>", "200 OK", "text/plain; charset=utf-8", "Pawl-Log-Next: 6\r\n")}});
  const auto printed = Client(server.target()).send(a_read);
  ASSERT_TRUE(printed) << printed.error().message;
  EXPECT_EQ(printed->header("Pawl-Log-Next"), "6");
}

TEST(Client, another_protocol_is_told_and_which_one_may_be_meant) {
  Scripted server({{"SSH-2.0-OpenSSH_9.2\r\n"}, {"\x15\x03\x01\x00\x02\x02\x46"}, {answer_of("", "400 Bad Request")}});
  Client client(server.target());
  for (int i = 0; i < 2; ++i) {
    const auto sent = client.send(a_read);
    ASSERT_FALSE(sent);
    EXPECT_TRUE(sent.error().message.starts_with("the server at " + server.target().name() + " does not speak HTTP ("))
        << sent.error().message;
    EXPECT_TRUE(sent.error().message.ends_with("; is it https://?")) << sent.error().message;
  }
  Target target = server.target();
  target.url = server.place("https");
  const auto sent = Client(target).send(a_read);
  ASSERT_FALSE(sent);
  EXPECT_TRUE(sent.error().message.starts_with(target.name() + " does not speak TLS (")) << sent.error().message;
  EXPECT_TRUE(sent.error().message.ends_with("); is it http://?")) << sent.error().message;
}

TEST(Client, an_answer_that_does_not_come_is_not_waited_for_longer_than_asked) {
  Scripted server({{"", false, true}});
  Request request = a_read;
  request.timeout_s = 1;
  const auto sent = Client(server.target()).send(request);
  ASSERT_FALSE(sent);
  EXPECT_EQ(sent.error().message, server.target().name() + " did not answer within 1 s");
  EXPECT_EQ(server.asked().size(), 1U) << "what is slow is not asked again";
}

TEST(Client, lines_are_handed_on_as_they_come_and_idle_in_between) {
  const std::string body = "one\n\ntwo\nthr";
  Scripted server(
      {{"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nContent-Length: 1000\r\n\r\n" + body, false, true}});
  Client client(server.target());
  std::vector<std::string> lines;
  int idle = 0;
  const auto heard = client.listen("/v1/events", {.line =
                                                      [&](std::string_view line) {
                                                        lines.emplace_back(line);
                                                        return true;
                                                      },
                                                  .idle = [&] { return lines.size() < 2 || ++idle < 3; }});
  ASSERT_TRUE(heard) << heard.error().message;
  EXPECT_EQ(lines, (std::vector<std::string>{"one", "two"}));
  EXPECT_EQ(idle, 3);
}

TEST(Client, a_listener_has_the_refusal_and_an_end) {
  Scripted server({{answer_of("{\"error\":{}}\n", "403 Forbidden")},
                   {answer_of("a\nb\n", "200 OK", "application/x-ndjson")},
                   {answer_of("a\nb\n", "200 OK", "application/x-ndjson")}});
  Client client(server.target());
  std::string lines;
  const Listener all{.line =
                         [&](std::string_view line) {
                           lines += line;
                           return true;
                         },
                     .idle = [] { return true; }};
  const auto refused = client.listen("/v1/events", all);
  ASSERT_TRUE(refused) << refused.error().message;
  EXPECT_EQ(refused->status, 403);
  EXPECT_EQ(refused->body, "{\"error\":{}}\n");
  EXPECT_TRUE(client.listen("/v1/events", all)->is_success());
  EXPECT_EQ(lines, "ab");
  EXPECT_TRUE(client
                  .listen("/v1/events", {.line =
                                             [&](std::string_view line) {
                                               lines += line;
                                               return false;
                                             },
                                         .idle = [] { return true; }})
                  ->is_success());
  EXPECT_EQ(lines, "aba");
}

TEST(Client, what_stands_in_a_path_is_encoded) {
  EXPECT_EQ(percent_encoded(""), "");
  EXPECT_EQ(percent_encoded("aZ09-._~"), "aZ09-._~");
  EXPECT_EQ(percent_encoded("a/b c?&=%+\n\xc3\xa4"), "a%2Fb%20c%3F%26%3D%25%2B%0A%C3%A4");
  EXPECT_EQ(percent_encoded(std::string_view("\0x", 2)), "%00x");
}

}  // namespace
}  // namespace pawl
