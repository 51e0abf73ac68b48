// A request's bytes, taken apart: Beast's parser, and what it is lenient about refused. A proxy in front of pawld reads
// the same bytes; where the two could differ about where a request ends or what it says, one client could slip a
// request of its own in between those of others.
#pragma once

#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include <optional>
#include <string>
#include <string_view>

namespace pawl {

/// Whether a header is one that pawl reads as one value: of two a proxy might believe the other one.
bool is_single_header(std::string_view name);

class RequestParser : public boost::beast::http::request_parser<boost::beast::http::string_body> {
 public:
  /// Why a request whose head is read is malformed, or nothing. To be asked before its body is read.
  std::optional<std::string> trouble() const;
  /// Whether the first line has come.
  bool has_request_line() const { return !get().target().empty(); }
  bool is_1_1() const { return get().version() >= 11; }
  bool is_head() const { return get().method() == boost::beast::http::verb::head; }
  /// Whether the client waits for a word before it sends the body; none if it expects anything else.
  std::optional<bool> expects_continue() const;
  /// Whether another request may follow.
  bool has_successor() const;
  bool has(std::string_view name) const;
  /// Of the head, never of a trailer; empty when not sent. Requires: is_single_header(name).
  std::string_view header(std::string_view name) const;
  /// Of a header that is a list: however many lines it takes.
  std::string list(std::string_view name) const;

 private:
  using Text = boost::beast::string_view;
  using Failure = boost::system::error_code;
  void on_field_impl(boost::beast::http::field field, Text name, Text value, Failure& failure) override;
  void on_chunk_header_impl(std::uint64_t size, Text extensions, Failure& failure) override;

  std::size_t extension_bytes_ = 0;
};

}  // namespace pawl
