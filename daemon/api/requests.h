// From a request to what it asks for. Strict: what is unknown, of the wrong type or too long is refused by name.
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

/// The body of a request, read by its route's row. What is read from it must be declared there: anything else is a bug.
class RequestBody {
 public:
  RequestBody() = default;
  /// An empty body is an empty object; one that the row ignores is not looked at. `malformed` names the field.
  /// `route` outlives the body.
  static Result<RequestBody> read(std::string_view body, const Route& route);

  /// The value of a field; an absent or null one is its fallback, or none. Views live as long as the body.
  std::optional<std::string_view> text(std::string_view field) const;
  std::optional<std::int64_t> integer(std::string_view field) const;
  std::optional<bool> flag(std::string_view field) const;
  std::vector<std::string> names(std::string_view field) const;

  /// As they were sent, for who looks before the event is made.
  const boost::json::object& fields() const { return object_; }

  /// What proposing an event takes: the fields of the event, without those that the row types itself. Those are gone
  /// then.
  boost::json::object& event_fields();
  /// The settings by name. Requires: the row's form is `settings`.
  const boost::json::object& settings() const;

 private:
  const boost::json::value* value_of(std::string_view field, Field::Type type) const;

  const Route* route_ = nullptr;
  boost::json::object object_;
};

/// The query of a request, decoded and read by its route's row, as the body is.
class RequestQuery {
 public:
  RequestQuery() = default;
  /// `malformed`: a bad escape, a name twice, one that the row has not, one that is missing, or a value that the row
  /// does not take. `route` outlives the query.
  static Result<RequestQuery> read(std::string_view query, const Route& route);

  /// The value of a parameter; an absent one is its fallback, or none.
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

/// Who asks, from the headers. `daemon_boot` stands where no Pawl-Boot was sent.
Result<Asker> asker_of(const HttpRequest& request, const std::string& daemon_boot);

/// An id in a path: a whole number from 1.
std::optional<std::uint64_t> id_of(std::string_view text);

}  // namespace pawl
