// A server's options. Its connections see them too.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/http/http.h"
#include "daemon/http/http_figures.h"
#include "daemon/http/shares.h"
#include "schema/limits.h"

namespace pawl {

struct TcpAddress {
  std::string host;
  std::uint16_t port = 0;  // 0: any free one
};

/// How a server listens, and its bounds.
struct ServerOptions {
  std::optional<TcpAddress> listen = std::nullopt;
  std::optional<std::filesystem::path> socket = std::nullopt;
  /// Clients over TCP must show a token, which the handle checks: so it may listen on any address, under any name.
  bool asks_for_tokens = false;
  unsigned threads = 2;
  /// One more replaces the connection that has waited longest for its client.
  std::size_t connections_max = limits::connections_max;
  /// Bytes of partial requests and of unread answers, of all clients together. Beyond it, the connections that have
  /// waited longest for their clients are closed.
  std::size_t client_bytes_max = limits::client_bytes_max;
  /// Who sends a request, so that each has a share. Empty: all clients of one transport share an account.
  std::function<Visitor(const HttpRequest&)> who_asks = {};
  /// Keeps count of the shares. Not null.
  std::shared_ptr<ShareBook> share_book = std::make_shared<ShareBook>();
  /// Counts the answers. Null: they are not counted.
  std::shared_ptr<HttpFigures> figures = nullptr;
  /// For one visitor whose requests are counted: per second, and at once after a rest.
  std::size_t requests_per_s = 2000;
  std::size_t requests_at_once = 4000;
  std::function<Shares::Time()> now = [] { return std::chrono::steady_clock::now(); };
  /// The longest body that any path takes, and that one path takes. Empty: limits::body_bytes_max.
  std::size_t body_bytes_max = limits::body_bytes_max;
  std::function<std::size_t(std::string_view path)> body_bytes_max_of = {};
  /// Told of each body that was longer. From any of the server's threads; must not block. May be empty.
  std::function<void(std::string_view path)> body_was_too_long = {};
  std::chrono::milliseconds request_timeout = std::chrono::seconds(limits::request_timeout_s);
  std::chrono::milliseconds idle_timeout = std::chrono::seconds(limits::idle_timeout_s);
  /// Called on a connection's thread some time after it has handed over requests, once for all that had arrived: what
  /// they began may be carried out now, on that thread. It may block, and answers that it gives are sent as soon as it
  /// returns. May be empty.
  std::function<void()> end_of_turn = {};
  /// How often the socket file is checked.
  std::chrono::milliseconds socket_watch_interval = std::chrono::seconds(1);
  /// Whether it may be created again: not in a folder that has since been replaced by another. May be empty.
  std::function<bool()> may_make_socket = {};
  /// Tells the operator. From any thread; must not block. May be empty.
  std::function<void(const std::string&)> warn = {};
  /// How long stop() waits for requests in hand.
  std::chrono::milliseconds stop_timeout = std::chrono::seconds(2);
};

}  // namespace pawl
