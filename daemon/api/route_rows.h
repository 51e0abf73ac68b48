// Helpers for the fields and answers in the rows of route_table*.cc. Only for those files.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/api/route_table.h"
#include "schema/limits.h"

namespace pawl {

/// The rows for tasks, in route_table_tasks.cc.
std::vector<Route> task_routes();
std::vector<Route> forensics_routes();
/// The rows for the log, the definitions and the daemon, in route_table_daemon.cc.
std::vector<Route> daemon_routes();

namespace rows {

using Event = fb::Event;
using Kind = RouteKind;
using O = Outcome;
using Shape = RouteAnswer::Shape;
using Sent = AnswerHeader::Sent;
using Choices = std::vector<std::string_view>;

constexpr std::int64_t integer_max = INT64_MAX;

// Fields. Those made by of_event() get their types and bounds from the schema.

inline Field of_event(std::string_view name, std::string_view summary) {
  return {.name = name, .type = Field::Type::event, .summary = summary};
}

inline Field text(std::string_view name, std::size_t bytes_max, std::string_view summary) {
  return {.name = name, .type = Field::Type::text, .max = static_cast<std::int64_t>(bytes_max), .summary = summary};
}

inline Field word(std::string_view name, Choices words, std::string_view summary) {
  return {.name = name, .type = Field::Type::word, .words = std::move(words), .summary = summary};
}

inline Field integer(std::string_view name, std::int64_t min, std::int64_t max, std::string_view summary) {
  return {.name = name, .type = Field::Type::integer, .min = min, .max = max, .summary = summary};
}

inline Field flag(std::string_view name, std::string_view summary) {
  return {.name = name, .type = Field::Type::flag, .summary = summary};
}

inline Field names(std::string_view name, std::size_t count_max, std::string_view summary) {
  return {.name = name,
          .type = Field::Type::names,
          .min = 1,
          .max = static_cast<std::int64_t>(count_max),
          .summary = summary};
}

inline Field optional(Field field) {
  field.need = Field::Need::optional;
  return field;
}

inline Field optional(Field field, std::int64_t fallback) {
  field.fallback = fallback;
  return optional(std::move(field));
}

/// The names of an enumeration of the schema.
template <class Values, class Name>
Choices words_of(const Values& values, Name name_of) {
  Choices words;
  for (const auto value : values) words.emplace_back(name_of(value));
  return words;
}

inline Field limit(std::int64_t most, std::int64_t usual) {
  return optional(integer("limit", 1, most, "how many at most"), usual);
}

inline Field limit() {
  constexpr auto most = static_cast<std::int64_t>(limits::rows_per_read_max);
  return limit(most, most);
}

inline Field skip() {
  return optional(integer("skip", 0, integer_max, "how many to leave out first"), 0);
}

inline Field after(std::string_view summary) {
  return optional(integer("after", 0, integer_max, summary), 0);
}

/// The state of the past that a call is about.
inline Field at() {
  return optional(integer(position_name, 1, integer_max, "a seq: what it showed after that record"));
}

/// A query parameter: a string of any length.
inline Field filter(std::string_view name, std::string_view summary) {
  return optional(text(name, 0, summary));
}

inline Field reason() {
  return optional(text("reason", limits::reason_bytes_max, "for the record"));
}

inline Field reason_of_event() {
  return optional(of_event("reason", "for the record"));
}

inline constexpr std::string_view owner_summary = "the process that will own it: `{boot_id, pid, actor}`";

inline RouteAnswer written(std::string_view of, std::vector<int> statuses = {200}, std::string_view remark = {}) {
  return {.shape = Shape::written, .of = of, .statuses = std::move(statuses), .remark = remark};
}

inline RouteAnswer object(std::string_view of, std::string_view remark = {}) {
  return {.shape = Shape::object, .of = of, .remark = remark};
}

inline Field log_from() {
  return optional(integer("from", 0, integer_max, "the first byte wanted, counted from the start of the output"), 0);
}

inline Field log_wait() {
  return optional(integer("wait_s", 0, limits::wait_s_max, "seconds to wait for output"), 0);
}

inline RouteAnswer log_text() {
  return {.shape = Shape::text,
          .remark = "at most 1 MiB; `Pawl-Log-Next`: where to continue. [Below](#output)",
          .headers = {{"Pawl-Log-Run", "which run it is, for `?run=`"},
                      {"Pawl-Log-From", "the position of the answer's first byte in all that the run printed"},
                      {"Pawl-Log-Next", "where to continue, for `?from=`"},
                      {"Pawl-Log-Skipped", "`FROM-TO`: bytes that were not kept", Sent::sometimes},
                      {"Pawl-Log-End", "`true`: the run has ended, and nothing follows; else `false`"}}};
}

/// `schema`: if it has more than rows of `of`.
inline RouteAnswer list(std::string_view of, std::string_view remark = {}, std::string_view schema = {}) {
  return {.shape = Shape::list, .of = of, .remark = remark, .schema = schema};
}

}  // namespace rows
}  // namespace pawl
