#include "daemon/http/request_head.h"

#include <boost/asio/ip/address.hpp>

#include <algorithm>
#include <array>

namespace pawl {
namespace {

/// "localhost:80" → "localhost", "[::1]:80" → "::1"
std::string_view host_of(std::string_view authority) {
  if (authority.starts_with('[')) return authority.substr(1, std::min(authority.find(']'), authority.size()) - 1);
  return authority.substr(0, authority.find(':'));
}

/// Whole addresses only: "127.0.0.1.example" is a name, and its owner decides where it leads.
bool is_loopback_name(std::string_view host) {
  boost::system::error_code failure;
  const boost::asio::ip::address address = boost::asio::ip::make_address(host, failure);
  return host == "localhost" || (!failure && address.is_loopback());
}

/// What follows the scheme of an http URL, in either case.
std::optional<std::string_view> after_scheme(std::string_view target) {
  constexpr std::array<std::string_view, 2> schemes = {"http://", "https://"};
  const auto is_same = [](char a, char b) {
    return b == (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a);
  };
  for (const std::string_view scheme : schemes) {
    const std::string_view begin = target.substr(0, scheme.size());
    if (std::equal(begin.begin(), begin.end(), scheme.begin(), scheme.end(), is_same)) {
      return target.substr(scheme.size());
    }
  }
  return std::nullopt;
}

bool is_letter_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool all_of(std::string_view text, std::string_view others) {
  return std::all_of(text.begin(), text.end(),
                     [&](char c) { return is_letter_or_digit(c) || others.find(c) != std::string_view::npos; });
}

}  // namespace

bool is_authority(std::string_view text) {
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos || end == 1) return false;
    const std::string_view address = text.substr(1, end - 1);
    if (address.find_first_not_of("0123456789abcdefABCDEF.:") != std::string_view::npos) return false;
    text = text.substr(end + 1);
    if (!text.empty() && text.front() != ':') return false;
  } else {
    const std::string_view name = text.substr(0, text.find(':'));
    // A name may contain a comma, but a Host with one is two Hosts joined into one.
    if (!all_of(name, "-._~%!$&'()*+;=") || (name.empty() && !text.empty())) return false;
    text = text.substr(name.size());
  }
  return text.empty() || std::all_of(text.begin() + 1, text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::optional<RequestTarget> parse_target(std::string_view target) {
  RequestTarget parsed;
  // Proxies cut the target where a fragment would begin, or read non-ASCII bytes in their own way.
  if (!all_of(target, "-._~:/?[]@!$&'()*+,;=%")) return std::nullopt;
  if (const auto rest = after_scheme(target)) {
    const std::size_t end = std::min(rest->find_first_of("/?"), rest->size());
    parsed.authority = rest->substr(0, end);
    // This also refuses credentials before the host: they are never meant for the server a request reaches.
    if (parsed.authority.empty() || !is_authority(parsed.authority)) return std::nullopt;
    target = rest->substr(end);
  } else if (!target.starts_with('/')) {
    return std::nullopt;
  }
  const std::size_t question = std::min(target.find('?'), target.size());
  parsed.path = question == 0 ? std::string_view("/") : target.substr(0, question);
  if (question < target.size()) parsed.query = target.substr(question + 1);
  return parsed;
}

std::optional<std::string> foreign_page(const RequestOrigin& request) {
  const bool has_authority = !request.authority.empty();
  if (!request.has_host && !has_authority && request.only_reads && request.origin.empty()) return std::nullopt;
  const auto not_ours = [](std::string_view named) { return !is_loopback_name(host_of(named)); };
  const auto refusal = [](std::string_view named) {
    return "Host '" + std::string(named) + "' is not this host's loopback";
  };
  if (has_authority && not_ours(request.authority)) return refusal(request.authority);
  if ((request.has_host || !has_authority) && not_ours(request.host)) return refusal(request.host);
  const std::string_view host = has_authority ? request.authority : request.host;
  if (!request.origin.empty() && request.origin != "http://" + std::string(host)) {
    return "Origin '" + std::string(request.origin) + "' is another site";
  }
  return std::nullopt;
}

}  // namespace pawl
