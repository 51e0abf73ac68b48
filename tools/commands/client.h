// HTTP requests to the daemon, with libcurl: over its unix socket, over TCP, or over TLS through any proxy in front of
// it.
#pragma once

#include <curl/curl.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "schema/result.h"
#include "tools/commands/target.h"

namespace pawl {

struct Request {
  std::string_view method;  // "GET"
  std::string path;         // with query
  std::string body = {};    // JSON; empty: none
  std::string actor = "operator";
  std::string boot = {};  // empty: the daemon's
  int timeout_s = 60;     // until the whole answer has arrived
};

struct Answer {
  int status = 0;
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers = {};

  bool is_success() const { return status >= 200 && status < 300; }
  /// As the server sent it; empty if it did not.
  std::string header(std::string_view name) const;
};

/// `line` is called with each whole line of a body, `idle` about five times a second while none comes. False ends the
/// exchange. Neither may use the client that calls it.
struct Listener {
  std::function<bool(std::string_view)> line;
  std::function<bool()> idle;
};

/// Keeps its connection between requests. Does not follow redirects, so that the token goes nowhere else.
class Client {
 public:
  explicit Client(Target target);

  const Target& target() const { return target_; }

  /// `io` if the daemon cannot be reached, the connection is lost, or the server is not pawld. After a lost answer only
  /// a retry can tell whether a write happened. So every write carries an Idempotency-Key, and send() retries once.
  Result<Answer> send(const Request& request);

  /// GET that passes the body on line by line as it arrives. Returns the status and, unless it is success, the body.
  Result<Answer> listen(const std::string& path, const Listener& listener);

 private:
  struct Incoming {
    std::size_t bytes_max;
    std::string body = {};
    bool has_head = false;  // all of it
  };
  static std::size_t take_head(char* line, std::size_t size, std::size_t count, void* incoming);
  static std::size_t take_body(char* bytes, std::size_t size, std::size_t count, void* incoming);

  struct FreeMulti {
    void operator()(CURLM* multi) const { curl_multi_cleanup(multi); }
  };
  struct FreeEasy {
    void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
  };
  struct FreeList {
    void operator()(curl_slist* list) const { curl_slist_free_all(list); }
  };

  /// Sets everything that a request needs except the limits on its time and on its answer.
  void prepare(const Request& request, const std::string& idempotency_key);
  /// Runs the prepared request. Calls `tick` whenever something arrived or a moment passed; false ends the exchange
  /// with CURLE_ABORTED_BY_CALLBACK.
  CURLcode exchange(Incoming& incoming, const std::function<bool()>& tick);
  Error error_of(CURLcode code, const Request& request) const;
  /// The status and the headers received.
  Answer head() const;
  Result<void> check_is_pawlds(const Answer& answer) const;

  Target target_;
  std::string reason_;                          // libcurl's buffer of CURL_ERROR_SIZE
  std::unique_ptr<CURLM, FreeMulti> multi_;     // owns the connection
  std::unique_ptr<curl_slist, FreeList> list_;  // the headers of the current request
  std::unique_ptr<CURL, FreeEasy> easy_;
  bool is_exchanging_ = false;
};

/// Encodes a string for a path or a query.
std::string percent_encoded(std::string_view text);

}  // namespace pawl
