// What a server is started with; its connections see it too.
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
#include "daemon/http/shares.h"
#include "schema/limits.h"

namespace pawl {

struct TcpAddress {
  std::string host;
  std::uint16_t port = 0;  // 0: any free one
};

/// How a server listens, and what it bears.
struct ServerOptions {
  std::optional<TcpAddress> listen = std::nullopt;
  std::optional<std::filesystem::path> socket = std::nullopt;
  /// Whoever asks over TCP has to show a token, which is for the handle to see to: so it may listen on any address,
  /// and under any name.
  bool asks_for_tokens = false;
  unsigned threads = 2;
  /// One more takes the place of the one whose client has been waited for the longest.
  std::size_t connections_max = limits::connections_max;
  /// What has come of requests, and has not yet been read of answers, of all clients together. Beyond it those whose
  /// clients have been waited for the longest go.
  std::size_t client_bytes_max = limits::client_bytes_max;
  /// Who asks, so that each has a share of it. Empty: all who come through one door are one.
  std::function<Visitor(const HttpRequest&)> who_asks = {};
  /// What becomes of the shares is told to it. Not null.
  std::shared_ptr<ShareBook> share_book = std::make_shared<ShareBook>();
  /// Of one visitor whose requests are counted: a second, and at once after a rest.
  std::size_t requests_per_s = 2000;
  std::size_t requests_at_once = 4000;
  std::function<Shares::Time()> now = [] { return std::chrono::steady_clock::now(); };
  /// The longest body that any path takes, and that a path takes. Empty: limits::body_bytes_max.
  std::size_t body_bytes_max = limits::body_bytes_max;
  std::function<std::size_t(std::string_view path)> body_bytes_max_of = {};
  std::chrono::milliseconds request_timeout = std::chrono::seconds(limits::request_timeout_s);
  std::chrono::milliseconds idle_timeout = std::chrono::seconds(limits::idle_timeout_s);
  /// How often it is looked whether the socket file is still there.
  std::chrono::milliseconds socket_watch_interval = std::chrono::seconds(1);
  /// Whether it may still be made again: not in a folder that is somebody else's by now. May be empty.
  std::function<bool()> may_make_socket = {};
  /// Told what an operator should know. From any thread; must not block. May be empty.
  std::function<void(const std::string&)> warn = {};
  /// How long stop() waits for requests in hand.
  std::chrono::milliseconds stop_timeout = std::chrono::seconds(2);
};

}  // namespace pawl
