// Parses requests. Strict: anything unknown, of the wrong type or too long is refused by name.
#pragma once

#include <boost/json/object.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/api/route_table.h"
#include "daemon/http/http.h"
#include "schema/proposal.h"
#include "schema/result.h"

namespace pawl {

/// A request's body, read as its route's row says. Reading a field that the row does not declare is a bug.
class RequestBody {
 public:
  RequestBody() = default;
  /// An empty body counts as an empty object; a body that the row ignores is not read. `malformed` names the field.
  /// `route` outlives the body.
  static Result<RequestBody> read(std::string_view body, const Route& route);

  /// The value of a field; its fallback, or none, if it is absent or null. Views live as long as the body.
  std::optional<std::string_view> text(std::string_view field) const;
  std::optional<std::int64_t> integer(std::string_view field) const;
  std::optional<bool> flag(std::string_view field) const;
  std::vector<std::string> names(std::string_view field) const;

  /// The fields as sent, for checks before the event is made.
  const boost::json::object& fields() const;

  /// The fields for proposing an event. Removes those that the row types itself.
  boost::json::object& event_fields();
  /// The settings by name. Requires: the row's form is `settings`.
  const boost::json::object& settings() const;

 private:
  const boost::json::value* value_of(std::string_view field, Field::Type type) const;

  const Route* route_ = nullptr;
  std::optional<boost::json::object> object_;  // once it is read; it stays in the storage that it was read into
};

/// A request's query, decoded and read as its route's row says, like the body.
class RequestQuery {
 public:
  RequestQuery() = default;
  /// `malformed`: a bad escape, a duplicate, unknown or missing parameter, or a value that the row does not allow.
  /// `route` outlives the query.
  static Result<RequestQuery> read(std::string_view query, const Route& route);

  /// The value of a parameter; its fallback, or none, if it is absent.
  std::optional<std::string_view> text(std::string_view name) const;
  std::optional<std::int64_t> integer(std::string_view name) const;
  /// Requires: the row has a fallback for it, or requires it.
  std::int64_t number(std::string_view name) const;

 private:
  struct Value {
    const Field* field;
    std::string text;
    std::int64_t number = 0;
  };

  const Field& declared(std::string_view name) const;
  const Value* value_of(const Field& field) const;

  const Route* route_ = nullptr;
  std::vector<Value> values_;
};

/// The requester, from the headers. Without a Pawl-Boot header, `daemon_boot` is used.
Result<Requester> requester_of(const HttpRequest& request, const std::string& daemon_boot);

/// An id in a path: a whole number from 1.
std::optional<std::uint64_t> id_of(std::string_view text);

}  // namespace pawl
