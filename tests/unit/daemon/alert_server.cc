#include "tests/unit/daemon/alert_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <stdexcept>
#include <utility>

namespace pawl {
namespace {

/// Reads one request with a Content-Length.
AlertServer::Request read_request(int connection) {
  AlertServer::Request request;
  std::string text;
  std::array<char, 4096> bytes{};
  std::size_t head_end = std::string::npos;
  std::size_t body_size = 0;
  for (;;) {
    const ssize_t got = ::recv(connection, bytes.data(), bytes.size(), 0);
    if (got <= 0) break;
    text.append(bytes.data(), static_cast<std::size_t>(got));
    if (head_end == std::string::npos) {
      const std::size_t end = text.find("\r\n\r\n");
      if (end == std::string::npos) continue;
      head_end = end + 4;
      const std::size_t length = text.find("Content-Length: ");
      if (length < head_end) body_size = std::stoul(text.substr(length + 16));
    }
    if (text.size() >= head_end + body_size) break;
  }
  if (head_end == std::string::npos) return request;
  request.head = text.substr(0, head_end);
  request.body = text.substr(head_end);
  return request;
}

}  // namespace

AlertServer::AlertServer() : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(listener_.get(), 16) != 0 ||
      ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    throw std::runtime_error("the test has no port to listen on");
  }
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { serve(); });
}

AlertServer::~AlertServer() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  ::shutdown(listener_.get(), SHUT_RDWR);
  thread_.join();
}

void AlertServer::answer_with(std::vector<std::string> answers) {
  const std::lock_guard lock(mutex_);
  answers_.assign(answers.begin(), answers.end());
}

void AlertServer::hold() {
  const std::lock_guard lock(mutex_);
  held_ = true;
}

void AlertServer::release() {
  {
    const std::lock_guard lock(mutex_);
    held_ = false;
  }
  changed_.notify_all();
}

std::vector<AlertServer::Request> AlertServer::requests(std::size_t count) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, std::chrono::seconds(60), [&] { return requests_.size() >= count; });
  return requests_;
}

void AlertServer::serve() {
  for (;;) {
    const Descriptor connection(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!connection) return;
    serve(connection.get());
  }
}

void AlertServer::serve(int connection) {
  Request request = read_request(connection);
  if (request.head.empty()) return;
  std::string answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
  {
    std::unique_lock lock(mutex_);
    requests_.push_back(std::move(request));
    changed_.notify_all();
    if (!answers_.empty()) {
      answer = std::move(answers_.front());
      answers_.pop_front();
    }
    changed_.wait(lock, [&] { return !held_ || stopping_; });
  }
  for (std::size_t sent = 0; sent < answer.size();) {
    const ssize_t count = ::send(connection, answer.data() + sent, answer.size() - sent, MSG_NOSIGNAL);
    if (count <= 0) return;
    sent += static_cast<std::size_t>(count);
  }
}

}  // namespace pawl
