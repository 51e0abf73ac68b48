// A client that sends exactly the bytes given to it.
#pragma once

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <string>
#include <utility>

namespace pawl {

/// A plain socket; reads have a generous time-out, so that a test fails instead of hanging.
class Client {
 public:
  explicit Client(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connect_to(reinterpret_cast<const sockaddr*>(&address), sizeof address);
  }
  explicit Client(const std::string& path) : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    connect_to(reinterpret_cast<const sockaddr*>(&address), sizeof address);
  }
  ~Client() { ::close(fd_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  /// Bytes sent after the server gave up are lost; the answer shows that.
  void send(const std::string& bytes) {
    std::size_t sent = 0;
    while (sent < bytes.size()) {
      const ssize_t n = ::send(fd_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
      if (n <= 0) return;
      sent += static_cast<std::size_t>(n);
    }
  }

  /// Closes with a reset instead of in order.
  void reset_at_the_end() {
    const linger at_once{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  }
  /// Shuts down the sending side; answers can still be read.
  void end_sending() { ::shutdown(fd_, SHUT_WR); }

  /// Until the server closes.
  std::string rest() {
    while (receive()) {
    }
    return std::exchange(in_, {});
  }

  /// One response with a Content-Length.
  std::string response() {
    while (true) {
      const std::size_t head = in_.find("\r\n\r\n");
      const std::size_t length_at = in_.find("Content-Length: ");
      if (head != std::string::npos && length_at < head) {
        const std::size_t end = head + 4 + std::stoul(in_.substr(length_at + 16, 20));
        if (in_.size() >= end) {
          std::string response = in_.substr(0, end);
          in_.erase(0, end);
          return response;
        }
      }
      if (!receive()) return std::exchange(in_, {});
    }
  }

  std::string until(const std::string& text) {
    while (in_.find(text) == std::string::npos && receive()) {
    }
    return in_;
  }

 private:
  void connect_to(const sockaddr* address, socklen_t size) {
    const timeval bound{.tv_sec = 30, .tv_usec = 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &bound, sizeof bound);
    ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &bound, sizeof bound);
    EXPECT_EQ(::connect(fd_, address, size), 0);
  }
  bool receive() {
    char piece[64 * 1024];
    const ssize_t n = ::recv(fd_, piece, sizeof piece, 0);
    if (n > 0) in_.append(piece, static_cast<std::size_t>(n));
    return n > 0;
  }

  int fd_;
  std::string in_;
};

}  // namespace pawl
