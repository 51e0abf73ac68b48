// HTTP/1.1 on one connection that is kept: for pawld and for etcd's gateway alike.
#pragma once

#include <string>
#include <string_view>

class Http {
 public:
  /// `address`: the path of a unix socket, or HOST:PORT with a numeric IPv4 host.
  explicit Http(const std::string& address);
  ~Http();
  Http(const Http&) = delete;
  Http& operator=(const Http&) = delete;

  /// Sends a request and returns the answer's body, which is valid until the next call. A status of 300 or more ends
  /// the program. `headers`: whole lines, each ended.
  std::string_view call(std::string_view method, std::string_view path, std::string_view body,
                        std::string_view headers = {});

 private:
  int socket_ = -1;
  std::string out_;
  std::string in_;
};

/// The number after the first `before` in `text`, in quotes or not; 0 if there is none.
long long number_after(std::string_view text, std::string_view before);
