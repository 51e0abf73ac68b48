// pawld must agree with a proxy in front of it on where a request ends and what it says, or refuse it: each refused
// request here has another behind it, which must not be served.
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "daemon/http/request_parser.h"
#include "daemon/http/server.h"
#include "daemon/outside/webhooks.h"
#include "tests/unit/daemon/raw_client.h"

namespace pawl {
namespace {

class Framing : public testing::Test {
 protected:
  Framing() {
    server = std::move(Server::open({.listen = TcpAddress{.host = "127.0.0.1", .port = 0}, .asks_for_tokens = true},
                                    [this](const HttpRequest& request, const HttpReply& reply) {
                                      ++served;
                                      reply({.content_type = "text/plain", .body = said(request)});
                                    }))
                 .value();
    server->start();
  }

  static std::string said(const HttpRequest& request) {
    std::string text;
    for (const std::string_view part :
         {request.method, request.path, request.query, request.authorization, request.actor, request.boot,
          request.idempotency_key, request.accept, request.last_event_id, request.body}) {
      text.append("[").append(part).append("]");
    }
    return text;
  }

  /// The answer to these bytes with a request behind them, on a fresh connection.
  std::string answer(const std::string& bytes) {
    Client client(server->port());
    client.send(bytes + behind);
    return client.rest();
  }

  void expect_refused(const std::string& bytes, const std::string& status = "400") {
    SCOPED_TRACE(bytes.substr(0, 500));
    served = 0;
    const std::string got = answer(bytes);
    EXPECT_TRUE(got.starts_with("HTTP/1.1 " + status)) << got;
    EXPECT_NE(got.find("\r\nConnection: close\r\n"), std::string::npos) << got;
    EXPECT_EQ(got.find("\r\n\r\n", got.find("\r\n\r\n") + 4), std::string::npos) << got;  // one answer
    EXPECT_EQ(served, 0);
  }
  void expect_served(const std::string& bytes, const std::string& said) {
    SCOPED_TRACE(bytes.substr(0, 500));
    served = 0;
    const std::string got = answer(bytes);
    EXPECT_TRUE(got.starts_with("HTTP/1.1 200")) << got;
    EXPECT_NE(got.find(said), std::string::npos) << got;
    EXPECT_NE(got.find("[/behind]"), std::string::npos) << got;
    EXPECT_EQ(served, 2);
  }

  static std::string post(const std::string& headers, const std::string& body = {}) {
    return "POST /a HTTP/1.1\r\nHost: pawl\r\n" + headers + "\r\n" + body;
  }
  static std::string chunked(const std::string& body, const std::string& headers = {}) {
    return post("Transfer-Encoding: chunked\r\n" + headers, body);
  }

  const std::string behind = "GET /behind HTTP/1.1\r\nHost: pawl\r\nConnection: close\r\n\r\n";
  std::atomic<int> served{0};
  std::unique_ptr<Server> server;
};

TEST_F(Framing, only_chunked_is_a_transfer_encoding_and_only_in_one_line) {
  for (const std::string coding :
       {"xchunked", "gzip", "identity", "", "chunked, identity", "gzip, chunked", "chunked, chunked", "chunked;x",
        "chunked;q=1", "chunked,", ", chunked", "\"chunked\"", "chun ked", "cow", "deflate"}) {
    expect_refused(post("Transfer-Encoding: " + coding + "\r\n", "0\r\n\r\n"));
  }
  for (const std::string two : {"chunked\r\nTransfer-Encoding: chunked", "chunked\r\nTransfer-Encoding: identity",
                                "identity\r\nTransfer-Encoding: chunked", "\r\nTransfer-Encoding: chunked",
                                "chunked\r\ntransfer-encoding: cow", "cow\r\nX: x\r\ntransfer-Encoding: cow"}) {
    expect_refused(post("Transfer-Encoding: " + two + "\r\n", "0\r\n\r\n"));
  }
  for (const std::string coding : {"chunked", "Chunked", "CHUNKED", " \tchunked\t "}) {
    expect_served(post("Transfer-Encoding: " + coding + "\r\n", "2\r\nab\r\n0\r\n\r\n"), "[ab]");
  }
  expect_served(post("transfer-encoding:chunked\r\n", "0\r\n\r\n"), "[/a]");
}

TEST_F(Framing, transfer_encoding_beside_a_length_or_in_http_1_0_is_refused) {
  for (const std::string coding : {"chunked", "gzip", "identity"}) {
    for (const std::string length : {"0", "5", "2"}) {
      expect_refused(post("Transfer-Encoding: " + coding + "\r\nContent-Length: " + length + "\r\n", "0\r\n\r\n"));
      expect_refused(post("Content-Length: " + length + "\r\nTransfer-Encoding: " + coding + "\r\n", "0\r\n\r\n"));
    }
    expect_refused("POST /a HTTP/1.0\r\nHost: pawl\r\nConnection: keep-alive\r\nTransfer-Encoding: " + coding +
                   "\r\n\r\n0\r\n\r\n");
  }
}

TEST_F(Framing, length_is_one_number) {
  for (const std::string length : {"+2", "-2", "-0", "2, 2", "2,2", "2,", ",2", "2;x", "0x2", "2 2", "2.0", "", "two",
                                   "1e1", "18446744073709551616", "99999999999999999999999999", "\"2\""}) {
    expect_refused(post("Content-Length: " + length + "\r\n", "{}"));
  }
  for (const std::string two : {"2\r\nContent-Length: 2", "2\r\nContent-Length: 3", "0\r\ncontent-length: 2"}) {
    expect_refused(post("Content-Length: " + two + "\r\n", "{}"));
  }
  expect_refused(post("Content-Length: 18446744073709551615\r\n", "{}"), "413");
  expect_served(post("Content-Length:\t 002 \r\n", "{}"), "[{}]");
}

TEST_F(Framing, headers_that_are_read_come_once) {
  for (const std::string name : {"Host",
                                 "Authorization",
                                 "Content-Length",
                                 "Content-Type",
                                 "Expect",
                                 "Origin",
                                 "Pawl-Actor",
                                 "Pawl-Boot",
                                 "Idempotency-Key",
                                 "If-None-Match",
                                 "Last-Event-ID",
                                 "X-Pawl-Signature",
                                 "X-Pawl-Delivery",
                                 "X-Gitea-Signature",
                                 "X-Gitea-Event",
                                 "X-Gitea-Delivery",
                                 "X-Plane-Signature",
                                 "X-Plane-Event",
                                 "X-Plane-Delivery",
                                 "X-Hub-Signature-256",
                                 "X-GitHub-Event",
                                 "X-GitHub-Delivery",
                                 "X-Gitlab-Token",
                                 "X-Gitlab-Event",
                                 "webhook-id",
                                 "webhook-signature",
                                 "webhook-timestamp"}) {
    expect_refused(post(name + ": 0\r\nX-Other: b\r\n" + name + ": 0\r\n"));
    expect_refused(post(name + ": 0\r\n" + name + ":\r\n"));
    std::string other_case = name;
    for (char& c : other_case) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    expect_refused(post(name + ": a\r\n" + other_case + ": b\r\n"));
  }
  // pawl reads no others, and a list may span several header lines.
  expect_served(post("X-Other: a\r\nX-Other: b\r\nCookie: a\r\nCookie: b\r\nContent-Length: 0\r\n"), "[/a]");
  expect_served(post("Accept: text/plain\r\nX: y\r\nAccept: text/event-stream\r\nContent-Length: 0\r\n"),
                "[text/plain, text/event-stream]");
}

TEST_F(Framing, all_that_webhooks_read_comes_once) {
  for (const WebhookSource source : {WebhookSource::gitea, WebhookSource::plane, WebhookSource::github,
                                     WebhookSource::gitlab, WebhookSource::generic}) {
    int count = 0;
    webhook_headers(source, [&](std::string_view name) {
      EXPECT_TRUE(is_single_header(name)) << name;
      ++count;
      return std::string_view();
    });
    EXPECT_GE(count, 2);
  }
}

TEST_F(Framing, trailers_are_dropped) {
  expect_served(chunked("2\r\nab\r\n0\r\nAuthorization: Bearer x\r\nPawl-Actor: evil\r\nPawl-Boot: evil\r\n"
                        "Idempotency-Key: k\r\nAccept: text/event-stream\r\nLast-Event-ID: 7\r\nHost: evil\r\n\r\n"),
                "[POST][/a][][][][][][][][ab]");
  expect_served(chunked("0\r\nPawl-Actor: evil\r\nConnection: close\r\nExpect: x\r\n\r\n", "Pawl-Actor: me\r\n"),
                "[POST][/a][][][me][][][][][]");
  // Framing headers cannot follow the body.
  expect_refused(chunked("0\r\nContent-Length: 5\r\n\r\n"));
  expect_refused(chunked("0\r\nTransfer-Encoding: chunked\r\n\r\n"));
  expect_refused(chunked("0\r\nX: a\r\n b\r\n\r\n"));
  expect_refused(chunked("0\r\nX : a\r\n\r\n"));
  expect_refused(chunked("0\r\nX: a\nY: b\r\n\r\n"));
}

TEST_F(Framing, lines_end_as_they_should_and_begin_with_a_name) {
  const std::string nul(1, '\0');
  for (const std::string& bytes :
       {std::string("GET /a HTTP/1.1\nHost: pawl\n\n"), std::string("GET /a HTTP/1.1\r\nHost: pawl\nX: y\r\n\r\n"),
        std::string("GET /a HTTP/1.1\r\nHost: pawl\r\n\n"), std::string("GET /a HTTP/1.1\rHost: pawl\r\r"),
        std::string("GET /a HTTP/1.1\r\nHost: pawl\r\nX: a\rb\r\n\r\n"),
        std::string("GET /a HTTP/1.1\r\nHost: pawl\r\nX: a\r\r\n\r\n"),
        // Lines continued on the next, even if one of them is empty.
        std::string("GET /a HTTP/1.1\r\nHost: pawl\r\nX: a\r\n b\r\n\r\n"),
        std::string("GET /a HTTP/1.1\r\nHost: pawl\r\nX: a\r\n\tb\r\n\r\n"),
        std::string("GET /a HTTP/1.1\r\nHost: pawl\r\nX:\r\n b\r\n\r\n"),
        std::string("GET /a HTTP/1.1\r\nHost: pawl\r\nX: a\r\n \r\n\r\n"),
        std::string("GET /a HTTP/1.1\r\nHost: pawl\r\nX:\r\n \r\n\r\n"),
        std::string("GET /a HTTP/1.1\r\n Host: pawl\r\n\r\n"),
        std::string("POST /a HTTP/1.1\r\nHost: pawl\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n"),
        std::string("POST /a HTTP/1.1\r\nHost: pawl\r\nContent-Length: 0\r\n 2\r\n\r\n{}"),
        // Names.
        std::string("POST /a HTTP/1.1\r\nHost: pawl\r\nContent-Length : 2\r\n\r\n{}"),
        std::string("POST /a HTTP/1.1\r\nHost: pawl\r\nTransfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n"),
        std::string("GET /a HTTP/1.1\r\nHost: pawl\r\n: x\r\n\r\n"),
        std::string("GET /a HTTP/1.1\r\nHost: pawl\r\nnothing\r\n\r\n"),
        std::string("GET /a HTTP/1.1\r\nHost: pawl\r\nX(y): a\r\n\r\n"),
        std::string("GET /a HTTP/1.1\r\nHost: pawl\r\nX\xc3\xa4: a\r\n\r\n"),
        // Values.
        "GET /a HTTP/1.1\r\nHost: pawl\r\nX: a" + nul + "b\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: pawl\r\nX" + nul + ": a\r\n\r\n",
        std::string("GET /a HTTP/1.1\r\nHost: pawl\r\nX: a\x0b\r\n\r\n"),
        std::string("GET /a HTTP/1.1\r\nHost: pawl\r\nX: a\x1b[2J\r\n\r\n"),
        std::string("GET /a HTTP/1.1\r\nHost: pawl\r\nX: a\x7f\r\n\r\n")}) {
    expect_refused(bytes);
  }
  expect_served("GET /a HTTP/1.1\r\nHost: pawl\r\nX:\r\nY:a\tb \xc3\xa4\r\nPawl-Actor: \t me \r\n\r\n", "[me]");
}

TEST_F(Framing, chunks_are_read_to_the_byte) {
  const std::string nul(1, '\0');
  for (const std::string& body :
       {std::string("2\nab\n0\n\n"), std::string("2\r\nab\n0\r\n\r\n"), std::string("2\r\nab0\r\n\r\n"),
        std::string("2\r\nabc\r\n0\r\n\r\n"), std::string("2\r\nab\r0\r\n\r\n"), std::string("+2\r\nab\r\n0\r\n\r\n"),
        std::string("-2\r\nab\r\n0\r\n\r\n"), std::string("0x2\r\nab\r\n0\r\n\r\n"),
        std::string(" 2\r\nab\r\n0\r\n\r\n"), std::string("2 \r\nab\r\n0\r\n\r\n"), std::string("g\r\nab\r\n0\r\n\r\n"),
        std::string("\r\nab\r\n0\r\n\r\n"), std::string("2\r\nab\r\n\r\n"), std::string("2,2\r\nab\r\n0\r\n\r\n"),
        std::string("10000000000000002\r\nab\r\n0\r\n\r\n"), std::string("2;\r\nab\r\n0\r\n\r\n"),
        // A parser that ends a line at a bare LF, or at any CR, finds another chunk in these.
        std::string("2;a\nx\r\nab\r\n0\r\n\r\n"), std::string("2;a=\"\n\"\r\nab\r\n0\r\n\r\n"),
        std::string("2;a=\"\\\n\"\r\nab\r\n0\r\n\r\n"), std::string("2;a\rx\r\nab\r\n0\r\n\r\n"),
        "2;a=\"" + nul + "\"\r\nab\r\n0\r\n\r\n", std::string("2;a=\"\r\n\"\r\nab\r\n0\r\n\r\n"),
        std::string("2\r\nab\r\n0;a=\"\n\"\r\n\r\n")}) {
    expect_refused(chunked(body));
  }
  expect_refused(chunked("fffffffffffffffe\r\nab\r\n0\r\n\r\n"), "413");
  expect_served(chunked("02;a;b = \"c;\t\";d=e\r\nab\r\n00;z\r\n\r\n"), "[ab]");
}

TEST_F(Framing, what_chunks_say_beside_their_size_is_bounded) {
  const std::string each = "1;a=" + std::string(1000, 'x') + "\r\nb\r\n";
  std::string most;
  for (std::size_t bytes = 0; bytes + 1003 <= limits::header_bytes_max; bytes += 1003) most += each;
  expect_served(chunked(most + "0\r\n\r\n"), "[bbbb");
  expect_refused(chunked(most + each + "0\r\n\r\n"), "431");
}

TEST_F(Framing, body_that_does_not_end_is_no_request) {
  for (const std::string body :
       {"5\r\nab", "2\r\nab\r\n", "2\r\nab\r\n0\r\n", "2\r\nab\r\n0\r\n\r", "2\r\nab\r\n0\r\nX: y\r\n"}) {
    SCOPED_TRACE(body);
    Client client(server->port());
    client.send(chunked(body));
    client.end_sending();
    EXPECT_EQ(client.rest(), "");
    EXPECT_EQ(served, 0);
  }
}

TEST_F(Framing, targets_are_paths_or_http_urls_of_ascii) {
  const std::string nul(1, '\0');
  for (const std::string& target : {std::string("*"),
                                    std::string("pawl:80"),
                                    std::string("a"),
                                    std::string("/a b"),
                                    std::string("/a\tb"),
                                    "/a" + nul,
                                    std::string("/a\x01"),
                                    std::string("/a\x7f"),
                                    std::string("/a\xc3\xa4"),
                                    std::string("/a#b"),
                                    std::string("/a\\b"),
                                    std::string("/a\"b"),
                                    std::string("ftp://pawl/a"),
                                    std::string("http:///a"),
                                    std::string("http://:80/a"),
                                    std::string("http://me@pawl/a"),
                                    std::string("http://pawl:x/a"),
                                    std::string("http://[::1/a"),
                                    std::string("http://pawl,evil/a"),
                                    std::string("http:/a"),
                                    std::string("")}) {
    expect_refused("GET " + target + " HTTP/1.1\r\nHost: pawl\r\n\r\n");
  }
  expect_refused("CONNECT pawl:80 HTTP/1.1\r\nHost: pawl\r\n\r\n");
  expect_refused("OPTIONS * HTTP/1.1\r\nHost: pawl\r\n\r\n");
  // The URL's host overrides Host (RFC 9112, 3.2.2); with tokens, neither is checked further.
  expect_served("GET http://pawl:80/a?b=c HTTP/1.1\r\nHost: other\r\n\r\n", "[/a][b=c]");
  expect_served("GET /a?b=%C3%A4:@[]/? HTTP/1.1\r\nHost: pawl\r\n\r\n", "[/a][b=%C3%A4:@[]/?]");
}

TEST_F(Framing, host_is_one_host_and_there_where_something_is_to_change) {
  for (const std::string host : {"a b", "a/b", "a@b", "a,b", "pawl, evil", "pawl:80:80", "pawl:x", "[::1", "[]",
                                 "[::1]80", ":80", "http://pawl", "a?b", "a#b", "p\xc3\xa4wl"}) {
    expect_refused("GET /a HTTP/1.1\r\nHost: " + host + "\r\n\r\n");
  }
  for (const std::string host : {"", "pawl", "pawl:", "pawl:80", "[::1]", "[::1]:80", "127.0.0.1:7777", "p_a-w.l"}) {
    expect_served("GET /a HTTP/1.1\r\nHost: " + host + "\r\n\r\n", "[/a]");
  }
  expect_refused("POST /a HTTP/1.1\r\nContent-Length: 0\r\n\r\n");
  expect_refused("DELETE /a HTTP/1.1\r\n\r\n");
  expect_refused("POST http://pawl/a HTTP/1.1\r\nContent-Length: 0\r\n\r\n");
  expect_served("GET /a HTTP/1.1\r\n\r\n", "[GET][/a]");  // as load balancers send it
  expect_served("POST /a HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n", "[POST][/a]");
}

TEST_F(Framing, other_versions_and_protocols_are_refused) {
  for (const std::string line :
       {"GET /a", "GET /a ", "GET /a HTTP", "GET /a HTTP/1", "GET /a HTTP/0.9", "GET /a HTTP/1.2", "GET /a HTTP/2.0",
        "GET /a HTTP/2", "GET /a HTTP/11", "GET /a http/1.1", "GET /a HTTP/1.1 ", "GET  /a HTTP/1.1",
        "GET /a  HTTP/1.1", "GET\t/a HTTP/1.1", " GET /a HTTP/1.1", "GET /a HTTP/1.1x", "G(T /a HTTP/1.1",
        "/a HTTP/1.1"}) {
    expect_refused(std::string(line) + "\r\nHost: pawl\r\n\r\n");
  }
  expect_refused("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  expect_refused("GET /a\r\n");
  // Methods are case-sensitive: the routes do not know "get".
  expect_served("get /a HTTP/1.1\r\nHost: pawl\r\n\r\n", "[get][/a]");
  expect_served("head /a HTTP/1.1\r\nHost: pawl\r\n\r\n", "[head][/a]");
  expect_served("GET /a HTTP/1.1\r\nHost: pawl\r\nConnection: Upgrade\r\nUpgrade: h2c, websocket\r\n\r\n", "[/a]");
  // A body belongs to its request, whatever its method.
  expect_served("GET /a HTTP/1.1\r\nHost: pawl\r\nContent-Length: 2\r\n\r\n{}", "[{}]");
}

TEST_F(Framing, first_line_that_is_too_long_is_414) {
  expect_refused("GET /" + std::string(limits::header_bytes_max, 'x') + " HTTP/1.1\r\nHost: pawl\r\n\r\n", "414");
  expect_refused(std::string(2 * limits::header_bytes_max, 'x'), "414");
  expect_refused("GET /a HTTP/1.1\r\nX: " + std::string(limits::header_bytes_max, 'x') + "\r\n\r\n", "431");
}

TEST_F(Framing, nothing_is_expected_but_a_word_before_the_body) {
  for (const std::string expected : {"", "x", "100-continue, x", "200-ok"}) {
    expect_refused(post("Expect: " + expected + "\r\nContent-Length: 2\r\n", "{}"), "417");
  }
  for (const std::string expected : {"100-continue", "100-Continue"}) {
    Client client(server->port());
    client.send(post("Expect: " + expected + "\r\nContent-Length: 2\r\n"));
    EXPECT_TRUE(client.until("\r\n\r\n").starts_with("HTTP/1.1 100 Continue\r\n\r\n"));
    client.send("{}");
    EXPECT_NE(client.until("[{}]").find("HTTP/1.1 200"), std::string::npos);
  }
  // HTTP/1.0 does not define this answer.
  Client old(server->port());
  old.send("POST /a HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  old.send("{}");
  EXPECT_TRUE(old.rest().starts_with("HTTP/1.1 200"));
  // A refused client gets the refusal, not "100 Continue".
  Client refused(server->port());
  refused.send(post("Expect: 100-continue\r\nTransfer-Encoding: cow\r\n"));
  EXPECT_TRUE(refused.rest().starts_with("HTTP/1.1 400"));
}

TEST_F(Framing, connection_ends_where_either_line_says_so) {
  for (const std::string& headers :
       {std::string("HTTP/1.1\r\nHost: pawl\r\nConnection: close"),
        std::string("HTTP/1.1\r\nHost: pawl\r\nConnection: x, Close"),
        std::string("HTTP/1.1\r\nHost: pawl\r\nConnection: close, keep-alive"),
        std::string("HTTP/1.1\r\nHost: pawl\r\nConnection: keep-alive\r\nX: y\r\nConnection: close"),
        std::string("HTTP/1.0\r\nConnection: close, keep-alive"), std::string("HTTP/1.0\r\nX: y"),
        std::string("HTTP/1.0\r\nProxy-Connection: keep-alive")}) {
    SCOPED_TRACE(headers);
    served = 0;
    const std::string got = answer("GET /a " + headers + "\r\n\r\n");
    EXPECT_NE(got.find("Connection: close"), std::string::npos) << got;
    EXPECT_EQ(got.find("[/behind]"), std::string::npos) << got;
    EXPECT_EQ(served, 1);
  }
  expect_served("GET /a HTTP/1.0\r\nConnection: x, Keep-Alive\r\n\r\n", "[/a]");
  expect_served("GET /a HTTP/1.1\r\nHost: pawl\r\nProxy-Connection: close\r\n\r\n", "[/a]");
}

TEST_F(Framing, head_that_is_refused_is_answered_without_a_body) {
  const std::string got = answer("HEAD /a HTTP/1.1\r\nHost: a b\r\n\r\n");
  EXPECT_TRUE(got.starts_with("HTTP/1.1 400")) << got;
  EXPECT_TRUE(got.ends_with("\r\n\r\n")) << got;
}

TEST_F(Framing, requests_before_one_that_is_refused_are_answered) {
  const std::string got = answer(post("Content-Length: 2\r\n", "{}") + post("Transfer-Encoding: cow\r\n"));
  EXPECT_TRUE(got.starts_with("HTTP/1.1 200")) << got;
  EXPECT_NE(got.find("HTTP/1.1 400"), std::string::npos) << got;
  EXPECT_EQ(got.find("[/behind]"), std::string::npos) << got;
  EXPECT_EQ(served, 1);
}

TEST_F(Framing, what_comes_after_a_refusal_is_not_read_either) {
  Client client(server->port());
  client.send(post("Transfer-Encoding: cow\r\n"));
  EXPECT_TRUE(client.response().starts_with("HTTP/1.1 400"));
  client.send(behind);
  EXPECT_EQ(client.rest(), "");
  EXPECT_EQ(served, 0);
}

}  // namespace
}  // namespace pawl
