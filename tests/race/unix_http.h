// A minimal HTTP client for tests: blocking, over a unix socket, one request after the other.
#pragma once

#include <string>
#include <string_view>
#include <utility>

namespace pawl {

struct HttpAnswer {
  int status = 0;  // 0: no answer
  std::string body;
};

/// One persistent connection. Threads: one at a time; each client in a test has its own.
class UnixHttp {
 public:
  /// Connects. Every request carries `actor` as its Pawl-Actor.
  UnixHttp(const std::string& socket_path, std::string actor);
  ~UnixHttp();
  UnixHttp(const UnixHttp&) = delete;
  UnixHttp& operator=(const UnixHttp&) = delete;

  bool connected() const { return fd_ >= 0; }
  const std::string& actor() const { return actor_; }
  /// From now on every request carries it as its Pawl-Boot.
  void set_boot(std::string boot) { boot_ = std::move(boot); }

  /// Sends, and waits for the complete answer, which must have a Content-Length.
  HttpAnswer request(std::string_view method, std::string_view path, std::string_view body = {});

 private:
  std::string actor_;
  std::string boot_;  // empty: none is sent
  int fd_ = -1;
  std::string received_;  // bytes after the last answer
};

}  // namespace pawl
