// The HTTP/1.1 server: sockets, framing, time-outs and bounds. What is asked is for the routes to know.
//
// Each connection belongs to one thread and has one request in hand at a time: what a client pipelines waits in the
// socket. Sockets are non-blocking; Beast's parser eats what a read brought, answers are written at once, and only a
// full or empty socket costs a wait.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "daemon/http/http.h"
#include "schema/limits.h"
#include "schema/result.h"

namespace pawl {

struct TcpAddress {
  std::string host;
  std::uint16_t port = 0;  // 0: any free one
};

class Server {
 public:
  struct Options {
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
    std::chrono::milliseconds request_timeout = std::chrono::seconds(limits::request_timeout_s);
    std::chrono::milliseconds idle_timeout = std::chrono::seconds(limits::idle_timeout_s);
    /// How long stop() waits for requests in hand.
    std::chrono::milliseconds stop_timeout = std::chrono::seconds(2);
  };

  /// Binds and listens, so that what cannot be had is known before anything is served. `malformed`: no such address,
  /// or one that is not this host's loopback, and no tokens: then whoever reaches the port may do everything.
  /// `busy`: somebody serves there. A socket file that nobody serves is replaced.
  static Result<std::unique_ptr<Server>> open(Options options, HttpHandle handle);
  ~Server();

  /// The port that is listened on; 0 without TCP.
  std::uint16_t port() const;

  void start();
  /// Accepts nothing more, lets requests in hand be answered, closes, and ends the threads. Removes the socket file.
  void stop();

 private:
  struct Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace pawl
