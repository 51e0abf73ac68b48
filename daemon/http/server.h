// The HTTP/1.1 server: sockets, framing, time-outs and bounds. What is asked is for the routes to know.
//
// Each connection belongs to one thread and has one request in hand at a time: what a client pipelines waits in the
// socket. Sockets are non-blocking; Beast's parser eats what a read brought, answers are written at once, and only a
// full or empty socket costs a wait.
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

  /// Binds and listens, so that what cannot be had is known before anything is served. `malformed`: no such address,
  /// or one that is not this host's loopback, and no tokens: then whoever reaches the port may do everything.
  /// `busy`: somebody serves there. A socket file that nobody serves is replaced. One whose path is too long for the
  /// system is done without, with a warning, if TCP is listened on too.
  static Result<std::unique_ptr<Server>> open(Options options, HttpHandle handle);
  ~Server();

  /// The port that is listened on; 0 without TCP.
  std::uint16_t port() const;
  /// The socket that is listened on.
  const std::optional<std::filesystem::path>& socket() const;

  /// Also looks after the socket file from now on: one that was removed is made again, with a warning.
  void start();
  /// Accepts nothing more, lets requests in hand be answered, closes, and ends the threads. Removes the socket file, if
  /// it is still its own.
  void stop();

 private:
  struct Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace pawl
