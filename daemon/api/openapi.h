// The HTTP contract as an OpenAPI 3.1 document, made from the routes' table (daemon/api/route_table.h): what a program
// can read instead of docs/API.md.
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <string>
#include <string_view>

#include "daemon/api/route_table.h"
#include "schema/layout.h"

namespace pawl {

/// The whole document, as JSON text.
std::string openapi_document(std::string_view version);

/// The status with which an error code of a row's `errors` is answered. Requires: it is one (a test looks at all).
int status_of_error(std::string_view code);

// The document's parts, by what they are made from.

inline boost::json::string_view as_key(std::string_view text) {
  return {text.data(), text.size()};
}

/// The objects of answers, by name ("Task"), as JSON Schemas: from visit() of the rows.
boost::json::object row_schemas();
/// Those of what is told of a log: stories and reports.
boost::json::object report_schemas();
/// The name of the schema of what a row calls `task` or `stuck task`; empty if it has none.
std::string_view schema_of(std::string_view of);
/// The JSON Schema of a field of a body, or of a parameter of a query.
boost::json::object field_schema(const Route& route, const Field& field);
/// The field in the event that a route makes from its body; null if no event has it.
const FieldLayout* layout_in(const Route& route, std::string_view field);

/// A value as a client would send it.
boost::json::value example_of(const Route& route, const Field& field);
/// The answer to the call, as the daemon would send it; null if it has no JSON body.
boost::json::value example_answer(const Route& route);

}  // namespace pawl
