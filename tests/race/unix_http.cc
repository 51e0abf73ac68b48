#include "tests/race/unix_http.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <utility>

namespace pawl {
namespace {

bool send_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t sent = ::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

bool receive_more(int fd, std::string& into) {
  char block[16384];
  const ssize_t got = ::recv(fd, block, sizeof block, 0);
  if (got <= 0) return false;
  into.append(block, static_cast<std::size_t>(got));
  return true;
}

/// The number after a header's name; 0 if it is missing. Names are spelled as Beast does, or in lower case.
std::size_t header_number(std::string_view head, std::string_view name) {
  const auto same = [](char left, char right) { return std::tolower(left) == std::tolower(right); };
  const auto at = std::search(head.begin(), head.end(), name.begin(), name.end(), same);
  if (at == head.end()) return 0;
  std::string_view rest = head.substr(static_cast<std::size_t>(at - head.begin()) + name.size());
  rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
  std::size_t number = 0;
  std::from_chars(rest.data(), rest.data() + rest.size(), number);
  return number;
}

}  // namespace

UnixHttp::UnixHttp(const std::string& socket_path, std::string actor) : actor_(std::move(actor)) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket_path.size() >= sizeof address.sun_path) return;
  std::memcpy(address.sun_path, socket_path.data(), socket_path.size());
  fd_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return;
  ::close(std::exchange(fd_, -1));
}

UnixHttp::~UnixHttp() {
  if (fd_ >= 0) ::close(fd_);
}

HttpAnswer UnixHttp::request(std::string_view method, std::string_view path, std::string_view body) {
  std::string text;
  text.append(method).append(" ").append(path).append(" HTTP/1.1\r\nHost: pawl\r\nPawl-Actor: ").append(actor_);
  if (!boot_.empty()) text.append("\r\nPawl-Boot: ").append(boot_);
  text.append("\r\nContent-Type: application/json\r\nContent-Length: ").append(std::to_string(body.size()));
  text.append("\r\n\r\n").append(body);
  if (!send_all(fd_, text)) return {};

  std::size_t head_end = std::string::npos;
  while ((head_end = received_.find("\r\n\r\n")) == std::string::npos) {
    if (!receive_more(fd_, received_)) return {};
  }
  const std::string_view head = std::string_view(received_).substr(0, head_end + 2);
  const std::size_t size = header_number(head, "\r\ncontent-length:");
  HttpAnswer answer;
  std::from_chars(head.data() + head.find(' ') + 1, head.data() + head.size(), answer.status);
  while (received_.size() < head_end + 4 + size) {
    if (!receive_more(fd_, received_)) return {};
  }
  answer.body = received_.substr(head_end + 4, size);
  received_.erase(0, head_end + 4 + size);
  return answer;
}

}  // namespace pawl
