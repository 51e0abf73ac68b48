#include "http.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <charconv>
#include <cstring>

#include "peer.h"

namespace {

int connect_to(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  if (address.starts_with('/') || colon == std::string::npos) {
    sockaddr_un place{};
    place.sun_family = AF_UNIX;
    if (address.size() >= sizeof(place.sun_path)) give_up(address + ": too long for a socket");
    std::memcpy(place.sun_path, address.data(), address.size());
    const int socket = ::socket(AF_UNIX, SOCK_STREAM, 0);
    if (::connect(socket, reinterpret_cast<const sockaddr*>(&place), sizeof(place)) == 0) return socket;
  } else {
    sockaddr_in place{};
    place.sin_family = AF_INET;
    place.sin_port = htons(static_cast<std::uint16_t>(std::stoi(address.substr(colon + 1))));
    ::inet_pton(AF_INET, address.substr(0, colon).c_str(), &place.sin_addr);
    const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
    const int on = 1;
    ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (::connect(socket, reinterpret_cast<const sockaddr*>(&place), sizeof(place)) == 0) return socket;
  }
  give_up("cannot connect to " + address + ": " + std::strerror(errno));
}

}  // namespace

long long number_after(std::string_view text, std::string_view before) {
  const std::size_t at = text.find(before);
  if (at == std::string_view::npos) return 0;
  std::string_view rest = text.substr(at + before.size());
  if (rest.starts_with('"')) rest.remove_prefix(1);
  long long number = 0;
  std::from_chars(rest.data(), rest.data() + rest.size(), number);
  return number;
}

Http::Http(const std::string& address) : socket_(connect_to(address)) {}

Http::~Http() {
  ::close(socket_);
}

std::string_view Http::call(std::string_view method, std::string_view path, std::string_view body,
                            std::string_view headers) {
  out_.assign(method);
  out_ += ' ';
  out_ += path;
  out_ += " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
  out_ += headers;
  out_ += "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n";
  out_ += body;
  for (std::size_t sent = 0; sent < out_.size();) {
    const ssize_t count = ::send(socket_, out_.data() + sent, out_.size() - sent, MSG_NOSIGNAL);
    if (count <= 0) give_up("send: " + std::string(std::strerror(errno)));
    sent += static_cast<std::size_t>(count);
  }
  in_.clear();
  while (true) {
    char bytes[16 * 1024];
    const ssize_t count = ::recv(socket_, bytes, sizeof(bytes), 0);
    if (count <= 0) give_up("the server closed the connection");
    in_.append(bytes, static_cast<std::size_t>(count));
    const std::size_t head = in_.find("\r\n\r\n");
    if (head == std::string::npos) continue;
    const std::string_view lines = std::string_view(in_).substr(0, head + 2);
    const auto length = static_cast<std::size_t>(number_after(lines, "\r\nContent-Length: "));
    if (in_.size() < head + 4 + length) continue;
    const std::string_view answer = std::string_view(in_).substr(head + 4, length);
    if (number_after(lines, "HTTP/1.1 ") >= 300) {
      give_up(std::string(method) + " " + std::string(path) + " " + std::string(body) + "\n" + in_);
    }
    return answer;
  }
}
