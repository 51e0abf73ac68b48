// What a request's head says about where it goes and where it comes from, judged before any route sees it.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace pawl {

/// A request's target, taken apart. Views into it.
struct RequestTarget {
  std::string_view path;       // "/v1/tasks"
  std::string_view query;      // what follows '?', as it came
  std::string_view authority;  // "localhost:7777", of the form that proxies are sent: http://localhost:7777/v1/tasks
};

/// None if the target is neither a path nor an http URL, or has a byte that none of them can have.
std::optional<RequestTarget> parse_target(std::string_view target);

/// Whether that is what a Host header may say: a host, mostly with a port; or nothing.
bool is_authority(std::string_view text);

/// Where a request says that it goes to and comes from.
struct RequestOrigin {
  bool only_reads = false;     // GET or HEAD
  bool has_host = false;       // a Host header came, empty or not
  std::string_view host;       // header
  std::string_view authority;  // of the target; empty: it has none, else it counts instead of Host (RFC 9112, 3.2.2)
  std::string_view origin;     // header; empty when not sent
};

/// Why a request over TCP is not to be served, or nothing. A page in somebody's browser can reach a loopback port and
/// send a POST to it, under its own name or, by a DNS answer of its own, under another: neither is an actor of ours.
/// Browsers always say a Host; so whoever reads without one, as load balancers do, is no page.
std::optional<std::string> foreign_page(const RequestOrigin& request);

}  // namespace pawl
