// The least HTTP client that a test needs: blocking, over a unix socket, one request after the other.
#pragma once

#include <string>
#include <string_view>
#include <utility>

namespace pawl {

struct HttpAnswer {
  int status = 0;  // 0: there was no answer
  std::string body;
};

/// One kept connection. Threads: one at a time; each client of a test has its own.
class UnixHttp {
 public:
  /// Connects. Every request bears `actor` as its Pawl-Actor.
  UnixHttp(const std::string& socket_path, std::string actor);
  ~UnixHttp();
  UnixHttp(const UnixHttp&) = delete;
  UnixHttp& operator=(const UnixHttp&) = delete;

  bool connected() const { return fd_ >= 0; }
  const std::string& actor() const { return actor_; }
  /// From now on every request bears it as its Pawl-Boot.
  void set_boot(std::string boot) { boot_ = std::move(boot); }

  /// Sends, and waits for the whole answer, which bears a Content-Length.
  HttpAnswer request(std::string_view method, std::string_view path, std::string_view body = {});

 private:
  std::string actor_;
  std::string boot_;  // empty: none is sent
  int fd_ = -1;
  std::string received_;  // what came behind the last answer
};

}  // namespace pawl
