// Parses requests: Beast's parser, made strict where Beast is lenient. A proxy in front of pawld reads the same bytes.
// If the two disagreed about where a request ends or what it says, a client could smuggle its own request in among
// those of others.
#pragma once

#include <boost/beast/http/basic_parser.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/http/request_head.h"

namespace pawl {

/// Every header that pawl reads, except lists: of two, a proxy might use the other one.
constexpr std::array<std::string_view, 28> single_headers = {
    "Authorization", "Content-Length", "Content-Type", "Expect", "Host", "Idempotency-Key", "If-None-Match",
    "Last-Event-ID", "Origin", "Pawl-Actor", "Pawl-Boot", "Transfer-Encoding",
    // Webhooks.
    "webhook-id", "webhook-signature", "webhook-timestamp", "X-Gitea-Delivery", "X-Gitea-Event", "X-Gitea-Signature",
    "X-GitHub-Delivery", "X-GitHub-Event", "X-Gitlab-Event", "X-Gitlab-Token", "X-Hub-Signature-256", "X-Pawl-Delivery",
    "X-Pawl-Signature", "X-Plane-Delivery", "X-Plane-Event", "X-Plane-Signature"};

/// One of them; another name does not compile.
class SingleHeader {
 public:
  consteval SingleHeader(const char* name) {  // NOLINT(google-explicit-constructor)
    while (single_headers[index_] != std::string_view(name)) ++index_;
  }
  std::size_t index() const { return index_; }

 private:
  std::size_t index_ = 0;
};

/// Whether pawl reads the header as a single value.
bool is_single_header(std::string_view name);

/// Keeps copies of what it was given: views into the head last as long as the parser.
class RequestParser : public boost::beast::http::basic_parser<true> {
 public:
  /// Why a request whose head has been read is malformed; none if it is not. Call before reading its body.
  std::optional<std::string> trouble() const;
  /// Whether the request line has arrived.
  bool has_request_line() const { return target_text_.length > 0; }
  bool is_1_1() const { return version_ >= 11; }
  bool is_head() const { return method() == "HEAD"; }
  std::string_view method() const { return at(method_); }
  /// None if it is malformed. Requires: the head has been read.
  std::optional<RequestTarget> target() const { return pawl::parse_target(at(target_text_)); }
  /// What has arrived of it.
  const std::string& body() const { return body_; }
  /// Whether the client waits for 100 Continue before it sends the body; none if it expects anything else.
  std::optional<bool> expects_continue() const;
  /// Whether another request may follow.
  bool has_successor() const;
  bool has(SingleHeader name) const { return single_[name.index()].is_there; }
  /// From the head, never from a trailer; empty when not sent.
  std::string_view header(SingleHeader name) const { return at(single_[name.index()].value); }
  /// The same. Requires: is_single_header(name).
  std::string_view header_named(std::string_view name) const;
  /// A list header: all its lines, joined by commas.
  std::string list(std::string_view name) const;

 private:
  using Text = boost::beast::string_view;
  using Failure = boost::system::error_code;
  using Length = boost::optional<std::uint64_t>;

  /// A piece of head_.
  struct Piece {
    std::uint32_t begin = 0;
    std::uint32_t length = 0;
  };
  struct Single {
    Piece value;
    bool is_there = false;
  };
  /// A header that is none of `single_headers`.
  struct Other {
    Piece name;
    Piece value;
  };

  Piece keep(Text text);
  std::string_view at(Piece piece) const { return std::string_view(head_).substr(piece.begin, piece.length); }

  void on_request_impl(boost::beast::http::verb verb, Text method, Text target, int version, Failure& failure) override;
  void on_response_impl(int, Text, int, Failure&) override {}
  void on_field_impl(boost::beast::http::field field, Text name, Text value, Failure& failure) override;
  void on_header_impl(Failure&) override {}
  void on_body_init_impl(const Length& length, Failure& failure) override;
  std::size_t on_body_impl(Text piece, Failure& failure) override;
  void on_chunk_header_impl(std::uint64_t size, Text extensions, Failure& failure) override;
  std::size_t on_chunk_body_impl(std::uint64_t left, Text piece, Failure& failure) override;
  void on_finish_impl(Failure&) override {}

  std::string head_;  // what was kept of it
  Piece method_;
  Piece target_text_;
  int version_ = 0;
  std::array<Single, single_headers.size()> single_ = {};
  std::optional<std::size_t> doubled_;  // index of the first single header that came twice
  std::vector<Other> others_;
  std::string body_;
  std::size_t extension_bytes_ = 0;
};

}  // namespace pawl
