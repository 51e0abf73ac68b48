// Parses requests: Beast's parser, made strict where Beast is lenient. A proxy in front of pawld reads the same bytes.
// If the two disagreed about where a request ends or what it says, a client could smuggle its own request in among
// those of others.
#pragma once

#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include <optional>
#include <string>
#include <string_view>

namespace pawl {

/// Whether pawl reads the header as a single value: of two, a proxy might use the other one.
bool is_single_header(std::string_view name);

class RequestParser : public boost::beast::http::request_parser<boost::beast::http::string_body> {
 public:
  /// Why a request whose head has been read is malformed; none if it is not. Call before reading its body.
  std::optional<std::string> trouble() const;
  /// Whether the request line has arrived.
  bool has_request_line() const { return !get().target().empty(); }
  bool is_1_1() const { return get().version() >= 11; }
  bool is_head() const { return get().method() == boost::beast::http::verb::head; }
  /// Whether the client waits for 100 Continue before it sends the body; none if it expects anything else.
  std::optional<bool> expects_continue() const;
  /// Whether another request may follow.
  bool has_successor() const;
  bool has(std::string_view name) const;
  /// From the head, never from a trailer; empty when not sent. Requires: is_single_header(name).
  std::string_view header(std::string_view name) const;
  /// A list header: all its lines, joined by commas.
  std::string list(std::string_view name) const;

 private:
  using Text = boost::beast::string_view;
  using Failure = boost::system::error_code;
  void on_field_impl(boost::beast::http::field field, Text name, Text value, Failure& failure) override;
  void on_chunk_header_impl(std::uint64_t size, Text extensions, Failure& failure) override;

  std::size_t extension_bytes_ = 0;
};

}  // namespace pawl
