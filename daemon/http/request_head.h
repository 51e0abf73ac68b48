// Checks the target, Host and Origin of a request before any route sees it.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace pawl {

/// A request's target, taken apart. Views into it.
struct RequestTarget {
  std::string_view path;       // "/v1/tasks"
  std::string_view query;      // what follows '?', undecoded
  std::string_view authority;  // "localhost:7777" if the target has the proxy form: http://localhost:7777/v1/tasks
};

/// None if the target is neither a path nor an http URL, or contains a byte not allowed in URIs.
std::optional<RequestTarget> parse_target(std::string_view target);

/// Whether a Host header may say that: a host, with or without a port; or nothing.
bool is_authority(std::string_view text);

/// Where a request says it goes, and where it says it comes from.
struct RequestOrigin {
  bool only_reads = false;     // GET or HEAD
  bool has_host = false;       // a Host header came, empty or not
  std::string_view host;       // header
  std::string_view authority;  // the target's; unless empty, it replaces Host (RFC 9112, 3.2.2)
  std::string_view origin;     // header; empty when not sent
};

/// Why a request over TCP must not be served; none if it may. A page in a user's browser can reach a loopback port and
/// POST to it, under its own name or, with DNS rebinding, under another. Neither may act here. Browsers always send
/// Host, so a read without one, as load balancers send it, does not come from a page.
std::optional<std::string> foreign_page(const RequestOrigin& request);

}  // namespace pawl
