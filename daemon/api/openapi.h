// The HTTP contract as an OpenAPI 3.1 document, made from the routes' table (daemon/api/route_table.h): what a program
// can read instead of docs/API.md.
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/api/route_table.h"
#include "schema/layout.h"

namespace pawl {

/// The whole document, as JSON text.
std::string openapi_document(std::string_view version);

/// The status with which an error code of a row's `errors` is answered. Requires: it is one (a test looks at all).
int status_of_error(std::string_view code);

// The document's parts, by what they are made from.

/// What the call asks of the boot that sends it.
BootNeed boot_need(const Route& route);
/// Whether a repeated Idempotency-Key gets the first answer.
bool takes_key(const Route& route);
/// The codes of the errors that a call can be answered with, by status.
std::map<int, std::vector<std::string>> errors_of(const Route& route);

inline boost::json::string_view as_key(std::string_view text) {
  return {text.data(), text.size()};
}

/// The same schema, or null.
boost::json::object or_null(boost::json::object schema);
/// The objects of answers, by name ("Task"), as JSON Schemas: from visit() of the rows.
boost::json::object row_schemas();
/// Those of what is told of a log: stories and reports.
boost::json::object report_schemas();
/// The objects of answers that are not rows, by name ("Queue").
boost::json::object answer_schemas();
/// The JSON Schema of a member of a written answer, besides the row. Requires: it is one.
boost::json::object member_schema(std::string_view name);
/// The name of the schema of what a row calls `task` or `log`. Requires: it has one.
std::string_view schema_of(std::string_view of);
/// The JSON Schema of a field of a body, or of a parameter of a query.
boost::json::object field_schema(const Route& route, const Field& field);
/// The field in the event that a route makes from its body; null: none of its events has it.
const FieldLayout* layout_in(const Route& route, std::string_view field);

/// A value as a client would send it.
boost::json::value example_of(const Route& route, const Field& field);
/// An answer to the call, as the daemon would send it; null if it has no JSON body.
boost::json::value example_answer(const Route& route);

}  // namespace pawl
