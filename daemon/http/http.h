// A request and its answer, as routes see them: no socket, no library.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pawl {

enum class Transport { unix_socket, tcp };

struct HttpResponse;

/// Views live until the call that got the request returns.
struct HttpRequest {
  std::string_view method;  // "GET"; a HEAD comes as a GET
  std::string_view path;    // percent-encoded, without query
  std::string_view query;   // what follows '?', undecoded
  std::string_view actor;   // headers; empty when not sent
  std::string_view boot;
  std::string_view idempotency_key;
  std::string_view accept;
  std::string_view last_event_id;
  std::string_view body;
  std::string_view authorization = {};
  Transport transport = Transport::unix_socket;
  /// The user who opened the connection. Only the unix socket tells it.
  std::optional<std::uint32_t> peer_uid = {};
  /// Any other header, by name; empty when not sent. May be empty.
  std::function<std::string_view(std::string_view name)> header = {};
  /// Set once the connection is known to be gone; null if that cannot be known. May be kept.
  std::shared_ptr<const std::atomic<bool>> gone = nullptr;
  /// Called each time the request begins to wait, with the answer to send if it must stop waiting because its place is
  /// needed. From any thread. May be empty, and may be kept.
  std::function<void(HttpResponse)> waits = {};
  /// Takes that many more requests from the sender's share (daemon/http/shares.h); false: it may not send so many now,
  /// and none was taken. Only until the call that got the request returns. Empty: they are not counted.
  std::function<bool(std::size_t count)> takes_more = {};
};

/// A streaming body. Destroyed with its connection; `done` is not called afterwards.
class HttpStream {
 public:
  virtual ~HttpStream() = default;
  /// Asks for the next piece. `done` is called once, from any thread; none: the stream has ended. Not called again
  /// before `done` was called.
  virtual void next(std::function<void(std::optional<std::string>)> done) = 0;
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers = {};
  std::shared_ptr<HttpStream> stream = nullptr;  // instead of `body`
  /// Writes status and body from rows that it owns, on the connection's thread. May be empty.
  std::function<void(HttpResponse&)> format = {};
  /// Called at most once, from any thread, if the client turns out to be gone before it can have read the answer. May
  /// be empty; must not block. No call proves nothing.
  std::function<void()> undelivered = {};
};

/// Called once, from any thread.
using HttpReply = std::function<void(HttpResponse)>;
/// Must not block: it runs on a thread that serves many connections.
using HttpHandle = std::function<void(const HttpRequest&, HttpReply)>;

/// "a%20b" → "a b"; none if a '%' is not followed by two hex digits.
std::optional<std::string> percent_decoded(std::string_view text);
/// `{"error":{"code":…,"message":…,"current":null}}`. The message is a sentence for people. It may quote client input,
/// so it is made printable.
HttpResponse http_error(int status, std::string_view code, std::string_view message);

}  // namespace pawl
