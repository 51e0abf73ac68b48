// The errors that a call can be answered with, for OpenAPI's document: those of every call, and its own.
#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "daemon/api/openapi.h"

namespace pawl {
namespace {

struct ErrorStatus {
  std::string_view code;
  int status;
};

/// Of the codes that the machine does not answer (schema/outcomes.def has the others).
constexpr ErrorStatus error_statuses[] = {{"bad_signature", 401},
                                          {"beyond_end", 404},
                                          {"cannot_take", 409},
                                          {"forbidden", 403},
                                          {"gone", 410},
                                          {"io", 500},
                                          {"malformed", 400},
                                          {"no_branch", 422},
                                          {"log_too_long", 422},
                                          {"no_command", 409},
                                          {"no_incident", 404},
                                          {"no_log", 404},
                                          {"no_such_path", 404},
                                          {"previous_alive", 409},
                                          {"idempotency_mismatch", 422},
                                          {"starting", 503},
                                          {"too_many_connections", 503},
                                          {"too_many_past", 503},
                                          {"too_many_requests", 429},
                                          {"too_many_streams", 429},
                                          {"unauthorized", 401},
                                          {"stepped_down", 503},
                                          {"story_too_long", 422},
                                          {"disk_full", 503},
                                          {"not_writable", 503},
                                          {"ending", 503},
                                          {"foreign_page", 403},
                                          {"request_timeout", 408},
                                          {"body_too_large", 413},
                                          {"target_too_long", 414},
                                          {"headers_too_large", 431},
                                          {"webhook_not_configured", 403}};

bool is_code(std::string_view error) {
  return error.find(' ') == std::string_view::npos;
}

/// Webhooks and batches bring the boots and keys of their own.
bool stands_alone(const Route& route) {
  return route.kind == RouteKind::writes && route.form != BodyForm::delivery && route.form != BodyForm::batch;
}

/// daemon/api/starting.h
bool is_served_while_starting(const Route& route) {
  return route.path == "/healthz" || (route.role == Role::none && route.answer.shape == RouteAnswer::Shape::file);
}

/// Whether some token that is valid may not make the call: its role is too low, or its limits refuse the call, rather
/// than hide what is outside of them.
bool is_forbidden_to_some(const Route& route) {
  if (route.role > Role::read || route.role_without_boot > Role::read) return true;
  return route.role == Role::read && route.reach == Reach::everything;
}

}  // namespace

int status_of_error(std::string_view code) {
  for (const ErrorStatus& each : error_statuses) {
    if (each.code == code) return each.status;
  }
  return 0;
}

BootNeed boot_need(const Route& route) {
  return stands_alone(route) ? route.boot : BootNeed::none;
}

bool takes_key(const Route& route) {
  return stands_alone(route) && route.takes_key;
}

std::map<int, std::vector<std::string>> errors_of(const Route& route) {
  std::map<int, std::vector<std::string>> by_status;
  const auto add = [&](int status, std::string_view code) {
    auto& codes = by_status[status];
    if (std::find(codes.begin(), codes.end(), code) == codes.end()) codes.emplace_back(code);
  };
  const auto add_outcome = [&](Outcome outcome) { add(row_of(outcome).http_status, name(outcome)); };
  const auto add_code = [&](std::string_view code) { add(status_of_error(code), code); };
  for (const char* each : {"malformed", "foreign_page", "body_too_large", "headers_too_large", "request_timeout",
                           "target_too_long", "too_many_requests", "too_many_connections"}) {
    add_code(each);
  }
  add(417, "malformed");  // an Expect header with something else than 100-continue
  if (!is_served_while_starting(route)) add_code("starting");
  if (route.role != Role::none) add_code("unauthorized");
  if (is_forbidden_to_some(route)) add_code("forbidden");
  if (route.path != "/healthz") add_code("stepped_down");
  if (route.kind == RouteKind::writes) {
    // Each request of a batch says what it needs.
    if (route.form != BodyForm::batch) {
      for (const char* each : {"disk_full", "not_writable"}) add_code(each);
    }
    if (takes_key(route)) add_code("idempotency_mismatch");
    if (route.begins_work) add_code("ending");
    const BootNeed need = boot_need(route);
    if (need != BootNeed::none) {
      add_outcome(Outcome::unknown_boot);
      add_outcome(Outcome::not_yours);
    }
    if (need == BootNeed::in_force) add_outcome(Outcome::stale_boot);
  }
  for (const Field& field : route.query) {
    if (field.name == "wait_s") add_code("too_many_streams");
    if (field.name != position_name) continue;
    // The state of then is found by reading the log.
    for (const char* each : {"beyond_end", "io", "too_many_past"}) add_code(each);
  }
  for (const Outcome outcome : route.refusals) add_outcome(outcome);
  for (const std::string_view error : route.errors) {
    if (is_code(error)) add_code(error);
  }
  return by_status;
}

}  // namespace pawl
