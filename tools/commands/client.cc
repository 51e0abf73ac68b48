#include "tools/commands/client.h"

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>

#include "store/os/descriptor.h"
#include "store/os/guarded_file.h"
#include "store/os/random.h"

namespace pawl {
namespace {

namespace http = boost::beast::http;
using std::chrono::steady_clock;

constexpr std::size_t answer_bytes_max = 256 * 1024 * 1024;
constexpr std::size_t line_bytes_max = 16 * 1024 * 1024;
constexpr int tick_ms = 200;

Error unreachable(const Target& target, const std::string& why) {
  return {ErrorCode::io, "no daemon answers at " + target.name() + " (" + why + "); is pawld running?"};
}

Error lost(const Target& target, const std::string& why) {
  return {ErrorCode::io, "the connection to " + target.name() + " was lost: " + why};
}

Result<Descriptor> connect_socket(const Target& target) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (target.socket.size() >= sizeof(address.sun_path)) {
    return Error{ErrorCode::malformed, target.socket + ": too long for the path of a socket"};
  }
  target.socket.copy(address.sun_path, sizeof(address.sun_path) - 1);
  Descriptor connection(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (connection.get() < 0 ||
      ::connect(connection.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return unreachable(target, std::strerror(errno));
  }
  return connection;
}

Result<Descriptor> connect_tcp(const Target& target) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int failed = ::getaddrinfo(target.host.c_str(), target.port.c_str(), &hints, &found); failed != 0) {
    return unreachable(target, ::gai_strerror(failed));
  }
  std::string why = "no address";
  for (const addrinfo* at = found; at; at = at->ai_next) {
    Descriptor connection(::socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC, at->ai_protocol));
    if (connection.get() >= 0 && ::connect(connection.get(), at->ai_addr, at->ai_addrlen) == 0) {
      ::freeaddrinfo(found);
      return connection;
    }
    why = std::strerror(errno);
  }
  ::freeaddrinfo(found);
  return unreachable(target, why);
}

Result<Descriptor> connect_to(const Target& target) {
  return target.socket.empty() ? connect_tcp(target) : connect_socket(target);
}

std::string header_line(std::string_view name, std::string_view value) {
  return std::string(name) + ": " + std::string(value) + "\r\n";
}

std::string request_text(const Target& target, const Request& request, const std::string& key) {
  std::string out = std::string(request.method) + ' ' + request.path + " HTTP/1.1\r\n";
  out += header_line("Host", target.authority());
  out += header_line("User-Agent", "pawl");
  out += header_line("Accept", "application/json");
  out += header_line("Connection", "close");
  if (request.method != "GET") {
    out += header_line("Pawl-Actor", request.actor);
    out += header_line("Idempotency-Key", key);
    out += header_line("Content-Type", "application/json");
    out += header_line("Content-Length", std::to_string(request.body.size()));
  }
  if (!request.boot.empty()) out += header_line("Pawl-Boot", request.boot);
  if (!target.token.empty()) out += header_line("Authorization", "Bearer " + target.token);
  return out + "\r\n" + request.body;
}

Result<void> write_all(const Target& target, int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
    if (written < 0 && errno == EINTR) continue;
    // A server that refuses early answers and closes: what it said may still be read.
    if (written < 0 && (errno == EPIPE || errno == ECONNRESET)) return {};
    if (written < 0) return lost(target, std::strerror(errno));
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

enum class Got { some, end, idle };

/// Waits for a tick at most, and appends what came to `buffer`.
Result<Got> read_some(const Target& target, int fd, std::string& buffer) {
  pollfd waiting{fd, POLLIN, 0};
  const int ready = ::poll(&waiting, 1, tick_ms);
  if (ready == 0 || (ready < 0 && errno == EINTR)) return Got::idle;
  std::array<char, 64 * 1024> piece{};
  const ssize_t got = ::read(fd, piece.data(), piece.size());
  if (got < 0 && errno == EINTR) return Got::idle;
  if (got < 0) return lost(target, std::strerror(errno));
  if (got == 0) return Got::end;
  buffer.append(piece.data(), static_cast<std::size_t>(got));
  return Got::some;
}

/// Reads one answer. `tick` is called whenever something came or a moment passed, with the parser as it stands; false
/// ends it.
template <class Tick>
Result<bool> read_answer(const Target& target, int fd, http::response_parser<http::string_body>& parser, Tick tick) {
  std::string buffer;
  while (!parser.is_done()) {
    const Got got = PAWL_TRY(read_some(target, fd, buffer));
    boost::system::error_code failed;
    if (got == Got::end && !parser.got_some()) return lost(target, "it ended before an answer came");
    if (got == Got::end) {
      parser.put_eof(failed);
      if (failed || !parser.is_done()) return lost(target, "it ended in the middle of an answer");
    }
    while (got == Got::some && !buffer.empty() && !parser.is_done()) {
      const std::size_t used = parser.put(boost::asio::buffer(buffer), failed);
      buffer.erase(0, used);
      if (failed == http::error::need_more) break;
      if (failed) return lost(target, "not an HTTP answer: " + failed.message());
    }
    if (!tick()) return false;
  }
  return true;
}

void prepare(http::response_parser<http::string_body>& parser) {
  parser.eager(true);
  parser.body_limit(boost::none);
  parser.header_limit(64 * 1024);
}

}  // namespace

std::vector<OptionSpec> with_target_options(std::vector<OptionSpec> own) {
  own.push_back({"data", "DIR", "the daemon's data folder, whose socket is used (PAWL_DATA)"});
  own.push_back({"socket", "PATH", "the daemon's unix socket (PAWL_SOCKET)"});
  own.push_back({"url", "HOST:PORT", "the daemon's address (PAWL_URL)"});
  own.push_back({"token-file", "FILE", "a file with the token to send (PAWL_TOKEN_FILE)"});
  own.push_back({"actor", "NAME", "the name to record for who asks (operator)"});
  return own;
}

std::vector<OptionSpec> with_daemon_options(std::vector<OptionSpec> own) {
  own = with_target_options(std::move(own));
  own.push_back({"json", "", "print the daemon's answer as JSON"});
  return own;
}

namespace {

std::optional<std::string> in_environment(const char* variable) {
  const char* text = std::getenv(variable);
  if (!text || !*text) return std::nullopt;
  return text;
}

/// Empty if none was named.
Result<std::string> token_of(const Arguments& arguments) {
  auto file = arguments.value("token-file");
  if (!file) file = in_environment("PAWL_TOKEN_FILE");
  if (!file) return std::string();
  std::string token = PAWL_TRY(read_secret(*file));
  // It becomes a part of a header: anything else in it would be one of its own.
  if (!std::all_of(token.begin(), token.end(), [](char c) { return c > ' ' && c <= '~'; })) {
    return Error{ErrorCode::malformed, *file + ": not a token: more than one word, or not plain text"};
  }
  return token;
}

Result<Target> place_of(const Arguments& arguments) {
  auto url = arguments.value("url");
  auto socket = arguments.value("socket");
  auto data = arguments.value("data");
  if (!url && !socket && !data) {
    url = in_environment("PAWL_URL");
    socket = in_environment("PAWL_SOCKET");
    data = in_environment("PAWL_DATA");
  }
  if (url) {
    std::string_view text = *url;
    if (text.starts_with("http://")) text.remove_prefix(7);
    if (text.ends_with('/')) text.remove_suffix(1);
    const std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos || colon == 0 || colon + 1 == text.size()) {
      return Error{ErrorCode::malformed, "'" + *url + "' is not HOST:PORT"};
    }
    std::string_view host = text.substr(0, colon);
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    return Target{.socket = {}, .host = std::string(host), .port = std::string(text.substr(colon + 1))};
  }
  if (socket) return Target{.socket = *socket, .host = {}, .port = {}};
  if (data) return Target{.socket = *data + "/pawl.sock", .host = {}, .port = {}};
  return Error{ErrorCode::malformed, "which daemon? Give --data DIR, --socket PATH or --url HOST:PORT"};
}

}  // namespace

Result<Target> target_of(const Arguments& arguments) {
  Target target = PAWL_TRY(place_of(arguments));
  target.token = PAWL_TRY(token_of(arguments));
  return target;
}

namespace {

Answer answer_of(http::response<http::string_body>& response) {
  Answer answer{.status = static_cast<int>(response.result_int()), .body = std::move(response.body())};
  for (const auto& field : response) answer.headers.emplace_back(field.name_string(), field.value());
  return answer;
}

}  // namespace

std::string Answer::header(std::string_view name) const {
  for (const auto& [known, value] : headers) {
    if (boost::beast::iequals(known, name)) return value;
  }
  return {};
}

Result<Answer> Client::send(const Request& request) {
  const std::string key = request.method == "GET" ? "" : random_hex();
  const std::string text = request_text(target_, request, key);
  std::optional<Error> trouble;
  for (int attempt = 0; attempt < 2; ++attempt) {
    const Descriptor connection = PAWL_TRY(connect_to(target_));
    PAWL_TRY(write_all(target_, connection.get(), text));
    http::response_parser<http::string_body> parser;
    prepare(parser);
    const auto deadline = steady_clock::now() + std::chrono::seconds(request.timeout_s);
    const auto whole = read_answer(target_, connection.get(), parser, [&] {
      return steady_clock::now() < deadline && parser.get().body().size() <= answer_bytes_max;
    });
    if (whole && *whole) return answer_of(parser.get());
    if (whole) {
      return Error{ErrorCode::io,
                   target_.name() + " did not answer within " + std::to_string(request.timeout_s) + " s"};
    }
    trouble = whole.error();
  }
  return *trouble;
}

Result<Answer> Client::listen(const std::string& path, const Listener& listener) {
  const Descriptor connection = PAWL_TRY(connect_to(target_));
  PAWL_TRY(write_all(target_, connection.get(), request_text(target_, {.method = "GET", .path = path}, "")));
  http::response_parser<http::string_body> parser;
  prepare(parser);
  std::string refusal;
  const auto hand_on = [&] {
    if (!parser.is_header_done()) return listener.idle();
    std::string& body = parser.get().body();
    if (parser.get().result() != http::status::ok) return body.size() <= line_bytes_max;
    std::size_t begin = 0;
    for (std::size_t end = body.find('\n'); end != std::string::npos; end = body.find('\n', begin)) {
      const std::string_view line = std::string_view(body).substr(begin, end - begin);
      if (!line.empty() && !listener.line(line)) return false;
      begin = end + 1;
    }
    body.erase(0, begin);
    return begin > 0 || (listener.idle() && body.size() <= line_bytes_max);
  };
  PAWL_TRY(read_answer(target_, connection.get(), parser, hand_on));
  if (!parser.is_header_done()) return Answer{200, ""};  // The listener had enough before anything came.
  return Answer{static_cast<int>(parser.get().result_int()), std::move(parser.get().body())};
}

std::string percent_encoded(std::string_view text) {
  constexpr std::string_view plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string out;
  for (const char letter : text) {
    if (plain.find(letter) != std::string_view::npos) {
      out += letter;
    } else {
      out += '%';
      out += digits[static_cast<unsigned char>(letter) >> 4];
      out += digits[static_cast<unsigned char>(letter) & 15];
    }
  }
  return out;
}

}  // namespace pawl
