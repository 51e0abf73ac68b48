// The HTTP contract as a table: each route with its path, role, body, query, answer and refusals.
//
// The row determines how a request is read (daemon/api/requests.h): a client cannot send, and the route's function
// cannot read, what the row does not declare. A test compares docs/API.md and docs/SECURITY.md with the rows.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/api/access.h"
#include "event_generated.h"
#include "schema/limits.h"
#include "schema/outcome.h"

namespace pawl {

struct Call;

/// Whether a call may change the state.
enum class RouteKind { reads, writes };

/// How much free space for the log a write needs.
enum class RouteRoom {
  usual,    // it may begin something
  reserve,  // it ends or frees something, or reports an end: some room is reserved for that
};

/// How a call enforces the limits of a narrow token.
enum class Reach {
  everything,  // it does not: refused for every narrow token
  open,        // it takes no token, and shows nothing that any token may not see
  task,        // the task with its id must be within the limits
  job,         // the job with its id must be
  key,         // the lease with its key must be
  submits,     // the repository in its body, and the tasks to wait for, must be
  claims,      // the agents in its body must be; it takes only jobs within the limits
  filtered,    // its function leaves out or refuses what is outside
};

/// How a call is carried out as part of a batch.
enum class InBatch {
  no,         // it is refused: it takes long, waits, or answers with more than one object
  together,   // its function hands all that it wants to the sequencer before it returns, so that what is called next is
              // decided after it, and made durable with it
  by_itself,  // its function first asks, locks or looks: it begins when what is before it has been answered, and what
              // is behind it begins when it has been
};

/// What a write asks of the boot that sends it.
enum class BootNeed {
  in_force,  // it must be registered, and must not have ended
  known,     // it must be registered: what it reports is a fact, even if it has ended
  none,      // it does not count: the daemon acts
};

/// A field of a body, or a parameter of a query.
struct Field {
  enum class Need { required, optional };
  enum class Type {
    event,    // in a body: the field with that name in the route's event. The schema has its type, and proposing checks
              // it
    text,     // at most `max` bytes; in a query, any length
    word,     // a text that is one of `words`
    integer,  // from `min` to `max`
    flag,     // true or false
    names,    // a list of 1 to `max` texts
  };

  std::string_view name;
  Type type = Type::event;
  Need need = Need::required;
  std::int64_t min = 0;
  std::int64_t max = 0;
  std::optional<std::int64_t> fallback = std::nullopt;  // for an integer that was not sent
  std::vector<std::string_view> words = {};
  std::string_view summary = {};
};

/// How a request's body is read.
enum class BodyForm {
  ignored,   // not looked at
  fields,    // an object of the row's fields; no body counts as an empty object
  settings,  // an object of 1 to settings_per_call_max settings, by name
  delivery,  // a webhook's, in its sender's format, read after its signature was verified
  batch,     // a list of requests, each checked as if it had come alone
};
constexpr std::int64_t settings_per_call_max = 64;

/// A header of a successful answer.
struct AnswerHeader {
  enum class Sent { always, sometimes };
  std::string_view name;
  std::string_view summary;
  Sent sent = Sent::always;
};

/// The answer to a successful call.
struct RouteAnswer {
  enum class Shape {
    written,  // {"seq":…,"<of>":{…}}: the object afterwards
    object,   // the object only
    list,     // {"items":[…],"next":…}
    members,  // an object of `members`
    lines,    // JSON lines, or Server-Sent Events
    text,     // text/plain
    file,     // of its own type
  };
  Shape shape = Shape::written;
  std::string_view of = {};                    // "task", "record"
  std::vector<int> statuses = {200};           // the usual one first
  std::vector<std::string_view> members = {};  // besides "seq" and `of`
  std::string_view remark = {};                // for docs/API.md
  /// Its schema in OpenAPI's document, if the members above do not say what they are (daemon/api/openapi_answers.cc).
  std::string_view schema = {};
  std::vector<AnswerHeader> headers = {};
  std::vector<std::string_view> media = {};  // its content types; empty: the shape's
};

/// The query parameter for a position in the log, for calls about a state of the past.
constexpr std::string_view position_name = "at";

struct Route {
  std::string_view method;
  std::string_view path;  // `{…}` stands for any one segment; there is at most one
  RouteKind kind = RouteKind::reads;
  RouteRoom room = RouteRoom::usual;
  BootNeed boot = BootNeed::in_force;
  /// Whether an Idempotency-Key counts. Only of writes.
  bool takes_key = true;
  /// Whether it begins work that a daemon about to end could not finish.
  bool begins_work = false;
  /// The least role it needs. `none`: the request authenticates itself (webhooks), or the answer reveals only that the
  /// port is open.
  Role role = Role::operate;
  /// The role it needs without a Pawl-Boot header: the request then speaks for the operator, not for a worker.
  Role role_without_boot = Role::none;
  /// How it treats a narrow token.
  Reach reach = Reach::everything;
  InBatch in_batch = InBatch::no;
  /// The field of its body that turns `together` into `by_itself`. Empty: none.
  std::string_view by_itself_with = {};
  std::string_view summary;  // one line
  /// If `{…}` is an id: the refusal for one that was never given out.
  std::optional<Outcome> unknown_id = std::nullopt;
  /// What it proposes, if that is an event made from the body's fields.
  std::vector<fb::Event> events = {};
  BodyForm form = BodyForm::ignored;
  std::vector<Field> body = {};   // required ones first
  std::vector<Field> query = {};  // empty: the query is not read
  RouteAnswer answer = {};
  std::vector<Outcome> refusals = {};         // by the machine, besides those of every call (docs/API.md)
  std::vector<std::string_view> errors = {};  // its other error codes
  void (*function)(Call) = nullptr;
};

/// All routes. Those with the same path are in the order in which `Allow` lists their methods.
const std::vector<Route>& routes();

/// The result of looking up a path.
struct FoundRoute {
  const Route* route = nullptr;  // null: no route has this path with this method
  std::string_view param = {};   // the raw segment that matched `{…}`
  bool is_path_known = false;    // some route has this path
};

/// The most literal route wins: `/v1/jobs/claim` is not a job's path.
FoundRoute find_route(std::string_view method, std::string_view path);
/// The methods of a path, as in the header Allow. Empty: no such path.
std::string methods_of(std::string_view path);
/// The longest delivery that is read, so that the signature of one that is too long to be parsed can be checked. GitHub
/// and GitLab send at most 25 MB.
constexpr std::size_t delivery_read_bytes_max = 32 * 1024 * 1024;
static_assert(delivery_read_bytes_max > limits::delivery_bytes_most);
static_assert(delivery_read_bytes_max < limits::client_bytes_max);
/// The maximum size of a body that is read for that path.
std::size_t body_bytes_max(std::string_view path);
/// The route with that method and path. Requires: it exists.
const Route& route_named(std::string_view method, std::string_view path);

}  // namespace pawl
