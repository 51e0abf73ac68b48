// One HTTP request to a server outside: a webhook for alerts, a forge. With libcurl; certificates are checked,
// redirects are not followed.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "daemon/work/system.h"
#include "schema/limits.h"

namespace pawl {

struct WebRequest {
  std::string method = "POST";
  std::string url;
  std::vector<std::string> headers = {};  // "Name: value"
  std::string body = {};
  /// Uses a connection of its own: over one that was open libcurl sends the request again, if that is closed without an
  /// answer, although the request may have been read.
  bool is_sent_once = false;
};

struct WebAnswer {
  int status = 0;                             // 0: there was no answer, and `why` says why
  std::string why = {};                       // one line
  std::string body = {};                      // as much as was wanted
  std::chrono::milliseconds not_before = {};  // if the server said how long to wait

  bool is_success() const { return status >= 200 && status < 300; }
  /// Whether the same request may succeed later.
  bool may_pass() const { return status == 0 || status >= 500 || status == 408 || status == 425 || status == 429; }
};

/// What an answer other than success says, in one line: "HTTP 404: no such hook".
std::string words_of(const WebAnswer& answer);

/// Replaces each of `secrets` in a text for people, such as an answer that repeats a part of its request. Those shorter
/// than four bytes are left: they are in too many texts.
std::string without(std::string text, const std::vector<std::string>& secrets);

/// Makes foreign text fit for one line of a log.
std::string in_one_line(std::string text);

/// Keeps its connections open for the next request. Threads: one at a time.
class WebCaller {
 public:
  /// `ca_file`: authorities to trust, besides the system's; empty: none.
  explicit WebCaller(std::string ca_file = {});
  ~WebCaller();
  WebCaller(WebCaller&&) noexcept;

  /// Blocks for limits::alert_post_timeout_s at most; `cancel_token` ends it early.
  WebAnswer call(const WebRequest& request, const CancelToken& cancel_token, std::size_t body_bytes_max = 200);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// The host in a URL. It is not a secret; the parts of a URL before and after it may be. "?" if there is none.
std::string host_of(const std::string& url);

}  // namespace pawl
