// The contract over HTTP as a table: each route with its path, role, body, query, answer and refusals.
//
// A request is read by its route's row (daemon/api/requests.h), so what the row does not declare cannot be sent, nor be
// read by the route's function. docs/API.md and docs/SECURITY.md are compared with the rows by a test.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/api/access.h"
#include "event_generated.h"
#include "schema/outcome.h"

namespace pawl {

struct Call;

/// Whether a call may change the state.
enum class RouteKind { reads, writes };

/// What a call that writes needs of the free space for the log.
enum class RouteRoom {
  usual,    // it may begin something
  reserve,  // it ends or frees something, or says how something ended: there is some room left for that
};

/// How a call keeps to what a narrow token is limited to.
enum class Reach {
  everything,  // it does not: refused to each narrow token
  open,        // it takes no token, and shows nothing that is kept from any
  task,        // the task of its id has to be within bounds
  job,         // likewise, the job of its id
  key,         // likewise, the lease of its key
  submits,     // likewise, the repository of its body, and what the task is to wait for
  claims,      // likewise, the agents of its body; of the jobs it takes those within bounds
  filtered,    // its function leaves out, or refuses, what is outside
};

/// A field of a body, or a parameter of a query.
struct Field {
  enum class Need { required, optional };
  enum class Type {
    event,  // of a body: the field of that name in the route's event. The schema has its type, and proposing checks it
    text,   // of at most `max` bytes; of a query, of any length
    word,   // a text that is one of `words`
    integer,  // from `min` to `max`
    flag,     // true or false
    names,    // a list of 1 to `max` texts
  };

  std::string_view name;
  Type type = Type::event;
  Need need = Need::required;
  std::int64_t min = 0;
  std::int64_t max = 0;
  std::optional<std::int64_t> fallback = std::nullopt;  // of an integer that was not sent
  std::vector<std::string_view> words = {};
  std::string_view summary = {};
};

/// How a request's body is read.
enum class BodyForm {
  ignored,   // not looked at
  fields,    // an object of the row's fields; no body is an empty object
  settings,  // an object of 1 to settings_per_call_max settings, by name
  delivery,  // of a webhook: as its sender makes it, read once its signature was found right
};
constexpr std::int64_t settings_per_call_max = 64;

/// What a call that was carried out is answered with.
struct RouteAnswer {
  enum class Shape {
    written,  // {"seq":…,"<of>":{…}}: the object as it then stands
    object,   // the object alone
    list,     // {"items":[…],"next":…}
    members,  // an object of `members`
    lines,    // JSON lines, or Server-Sent Events
    text,     // text/plain
  };
  Shape shape = Shape::written;
  std::string_view of = {};                    // "task", "record"
  std::vector<int> statuses = {200};           // the first is the usual one
  std::vector<std::string_view> members = {};  // beside "seq" and `of`
  std::string_view remark = {};                // for docs/API.md
};

struct Route {
  std::string_view method;
  std::string_view path;  // `{…}` stands for any one segment; there is at most one
  RouteKind kind = RouteKind::reads;
  RouteRoom room = RouteRoom::usual;
  /// Whether it begins what a daemon that is about to end could not see to.
  bool begins_work = false;
  /// What it takes, at least. `none`: the request authenticates itself (webhooks), or the answer reveals only that the
  /// port is open.
  Role role = Role::operate;
  /// What it takes where no Pawl-Boot is sent: the request then speaks for no worker, but for whoever runs the daemon.
  Role role_without_boot = Role::none;
  /// What becomes of it where the token is narrow.
  Reach reach = Reach::everything;
  std::string_view summary;  // one line
  /// Where `{…}` is an id: the refusal for one that was never given out.
  std::optional<Outcome> unknown_id = std::nullopt;
  /// What it proposes, where that is an event of the body's fields.
  std::vector<fb::Event> events = {};
  BodyForm form = BodyForm::ignored;
  std::vector<Field> body = {};   // those that are required first
  std::vector<Field> query = {};  // none: the query is not looked at
  RouteAnswer answer = {};
  std::vector<Outcome> refusals = {};         // by the machine, beside those of every call (docs/API.md)
  std::vector<std::string_view> errors = {};  // other codes of its own
  void (*function)(Call) = nullptr;
};

/// All of them. Two of one path stand in the order in which `Allow` names their methods.
const std::vector<Route>& routes();

/// A path that was looked up.
struct FoundRoute {
  const Route* route = nullptr;  // null: no route has this path, or none of them this method
  std::string_view param = {};   // the raw segment that stands for `{…}`
  bool is_path_known = false;    // some route has this path
};

/// The most literal route wins: `/v1/jobs/claim` does not name a job.
FoundRoute find_route(std::string_view method, std::string_view path);
/// The methods that a path takes, as the header Allow has them. Empty: no such path.
std::string methods_of(std::string_view path);
/// How many bytes a body for that path may have: a webhook's up to `delivery_max`.
std::size_t body_bytes_max(std::string_view path, std::size_t delivery_max);
/// The route of that row. Requires: there is one.
const Route& route_named(std::string_view method, std::string_view path);

}  // namespace pawl
