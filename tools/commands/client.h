// Requests to the daemon over HTTP, by libcurl: on its unix socket, by TCP, or by TLS through whatever proxy stands in
// front of it.
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

/// Keeps its connection from one request to the next. Redirects are not followed, so that the token goes nowhere else.
class Client {
 public:
  explicit Client(Target target);

  const Target& target() const { return target_; }

  /// `io` if the daemon cannot be reached, the connection is lost, or what answers is not pawld. That a write then
  /// happened or not is for a retry to find out, which is why every write bears an Idempotency-Key: a lost answer is
  /// asked for once more.
  Result<Answer> send(const Request& request);

  /// GET, with the body handed on line by line as it comes. The status and, when that is not success, the body.
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

  /// Sets all that a request needs but the bounds of its time and of its answer.
  void prepare(const Request& request, const std::string& idempotency_key);
  /// Runs what was prepared. `tick` is called whenever something came or a moment passed; false ends the exchange, with
  /// CURLE_ABORTED_BY_CALLBACK.
  CURLcode exchange(Incoming& incoming, const std::function<bool()>& tick);
  Error error_of(CURLcode code, const Request& request) const;
  /// The status and the headers that came.
  Answer head() const;
  Result<void> check_is_pawlds(const Answer& answer) const;

  Target target_;
  std::string reason_;                          // libcurl's, of CURL_ERROR_SIZE
  std::unique_ptr<CURLM, FreeMulti> multi_;     // has the connection
  std::unique_ptr<curl_slist, FreeList> list_;  // the headers of the request in hand
  std::unique_ptr<CURL, FreeEasy> easy_;
};

/// Encodes a text for a path or a query.
std::string percent_encoded(std::string_view text);

}  // namespace pawl
