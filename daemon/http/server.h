// The HTTP/1.1 server: sockets, framing, time-outs and bounds. The routes know what requests mean.
//
// Each connection belongs to one thread and has one request in hand at a time; pipelined requests wait in the socket.
// Sockets are non-blocking: Beast's parser consumes what a read returned, answers are written at once, and only a full
// or empty socket costs a wait.
#pragma once

#include <cstdint>
#include <memory>

#include "daemon/http/http.h"
#include "daemon/http/server_options.h"
#include "schema/result.h"

namespace pawl {

class Server {
 public:
  using Options = ServerOptions;

  /// Binds and listens, so that an address that cannot be used is known before anything is served. `malformed`: the
  /// address does not exist, or it is not this host's loopback and there are no tokens: then any client that reaches
  /// the port could do everything. `busy`: another process serves there. A socket file without a server is replaced.
  /// If the socket's path is too long for the system, it is left out with a warning when TCP is served too.
  static Result<std::unique_ptr<Server>> open(Options options, HttpHandle handle);
  ~Server();

  /// The port it listens on; 0 without TCP.
  std::uint16_t port() const;
  /// The socket it listens on.
  const std::optional<std::filesystem::path>& socket() const;

  /// From now on also watches the socket file: if it is removed, creates it again, with a warning.
  void start();
  /// Stops accepting, answers the requests in hand, closes, and ends the threads. Removes the socket file if it is
  /// still the server's.
  void stop();

 private:
  struct Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace pawl
