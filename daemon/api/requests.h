// From a request to what it asks for. Strict: what is unknown, of the wrong type or too long is refused by name.
#pragma once

#include <boost/json/fwd.hpp>

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/http/http.h"
#include "schema/proposal.h"
#include "schema/result.h"

namespace pawl {

/// The fields that a body may have; of them, those that it must.
struct BodyFields {
  std::initializer_list<std::string_view> required = {};
  std::initializer_list<std::string_view> optional = {};
};

/// The body as an object; an empty body is an empty object. `malformed` names the field.
Result<boost::json::object> read_body(std::string_view body, const BodyFields& fields);

/// Takes a field out of the object. `malformed` names it. An absent or null one is none.
Result<std::optional<std::string>> take_text(boost::json::object& object, std::string_view field,
                                             std::size_t bytes_max);
Result<std::optional<std::int64_t>> take_integer(boost::json::object& object, std::string_view field, std::int64_t min,
                                                 std::int64_t max);
Result<std::optional<bool>> take_bool(boost::json::object& object, std::string_view field);

/// The query, decoded. `malformed`: a bad escape, a name twice, or one that is not among `known`.
class Query {
 public:
  static Result<Query> read(std::string_view query, std::initializer_list<std::string_view> known);

  std::optional<std::string_view> text(std::string_view name) const;
  /// `malformed` names the parameter.
  Result<std::optional<std::int64_t>> integer(std::string_view name, std::int64_t min, std::int64_t max) const;

 private:
  std::vector<std::pair<std::string, std::string>> values_;
};

/// Who asks, from the headers. `daemon_boot` stands where no Pawl-Boot was sent.
Result<Asker> asker_of(const HttpRequest& request, const std::string& daemon_boot);

/// An id in a path: a whole number from 1.
std::optional<std::uint64_t> id_of(std::string_view text);

}  // namespace pawl
