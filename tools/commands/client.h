// A small HTTP client for the commands that talk to a daemon: one request at a time, over a unix socket or TCP.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "schema/result.h"
#include "tools/commands/command.h"

namespace pawl {

/// Where the daemon is.
struct Target {
  std::string socket;  // path of its unix socket; empty: TCP
  std::string host;
  std::string port;
  std::string token = {};  // empty: none is sent

  /// For messages.
  std::string name() const { return socket.empty() ? authority() : socket; }
  /// For the Host header.
  std::string authority() const {
    if (!socket.empty()) return "localhost";
    return (host.find(':') == std::string::npos ? host : "[" + host + "]") + ":" + port;
  }
};

/// `own`, and what says where the daemon is and who asks.
std::vector<OptionSpec> with_target_options(std::vector<OptionSpec> own);
/// Likewise, with --json besides.
std::vector<OptionSpec> with_daemon_options(std::vector<OptionSpec> own);

/// From --url, --socket, --data, else PAWL_URL, PAWL_SOCKET, PAWL_DATA, the first that is there; and the token from the
/// file that --token-file or PAWL_TOKEN_FILE names. Never the token itself: a command line is everybody's to read.
Result<Target> target_of(const Arguments& arguments);

struct Request {
  std::string_view method;  // "GET"
  std::string path;         // with query
  std::string body = {};    // JSON; empty: none
  std::string actor = "operator";
  std::string boot = {};  // empty: the daemon's
  int timeout_s = 60;     // until the answer is there
};

struct Answer {
  int status = 0;
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers = {};

  bool is_success() const { return status >= 200 && status < 300; }
  /// As it was sent; empty if it was not.
  std::string header(std::string_view name) const;
};

/// Called with each whole line of a body, and about five times a second while none comes (`idle`); false ends it.
struct Listener {
  std::function<bool(std::string_view)> line;
  std::function<bool()> idle;
};

class Client {
 public:
  explicit Client(Target target) : target_(std::move(target)) {}

  const Target& target() const { return target_; }

  /// `io` if the daemon cannot be reached or the connection is lost; that a write then happened or not is for a retry
  /// to find out, which is why every write bears an Idempotency-Key: a lost answer is asked for once more.
  Result<Answer> send(const Request& request);

  /// GET, with the body handed on line by line as it comes. The status and, when that is no success, the body.
  Result<Answer> listen(const std::string& path, const Listener& listener);

 private:
  Target target_;
};

/// Encodes a text for a path or a query.
std::string percent_encoded(std::string_view text);

}  // namespace pawl
