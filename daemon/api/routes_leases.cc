// Calls about leases and boots: owners, and what they own.
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "daemon/api/call.h"
#include "engine/json/state_json.h"
#include "schema/json/json_text.h"
#include "schema/json/record_json.h"
#include "schema/limits.h"

namespace pawl {
namespace {

namespace json = boost::json;

/// The owner in the body becomes the requester, since it is responsible for the lease.
void asked_by_owner(const json::object& body, Requester& requester) {
  const json::value* owner = body.if_contains("owner");
  if (!owner || !owner->is_object()) return;
  for (const auto& [field, text] : {std::pair<const char*, std::string*>{"boot_id", &requester.boot},
                                    std::pair<const char*, std::string*>{"actor", &requester.actor}}) {
    const json::value* value = owner->get_object().if_contains(field);
    if (value && value->is_string()) text->assign(value->get_string().data(), value->get_string().size());
  }
}

bool is_shown(const Narrow* narrow, const State& state, const Lease& lease) {
  return !narrow || narrow->has(state, lease);
}

bool is_shown(const Narrow* narrow, const State&, const Boot& boot) {
  return !narrow || narrow->has(boot);
}

template <class Rows>
void append_page(std::string& out, const State& state, const Rows& rows, const Narrow* narrow, const std::string& after,
                 std::size_t limit) {
  out = R"({"items":[)";
  std::string last;
  bool more = false;
  std::size_t count = 0;
  std::size_t seen = 0;
  for (auto at = rows.upper_bound(after); at != rows.end(); ++at) {
    if (count == limit || ++seen > limits::rows_per_read_max) {
      more = true;
      break;
    }
    last = at->first;
    if (!is_shown(narrow, state, at->second)) continue;
    if (count++ > 0) out += ',';
    append_json(out, at->second);
  }
  out += R"(],"next":)";
  append_json_text_or_null(out, more ? last : "");
  out += '}';
}

/// A page of rows, by a text key.
template <class Rows>
void list_by_key(const Call& call, const Rows& (*rows_of)(const State&)) {
  read_json(call, [rows_of, narrow = call.narrow, after = std::string(call.query.text("after").value_or("")),
                   limit = static_cast<std::size_t>(call.query.number("limit"))](const State& state, std::string& out) {
    append_page(out, state, rows_of(state), narrow.get(), after, limit);
  });
}

using LeaseRows = Table<std::string, Lease>::Rows;
using BootRows = Table<std::string, Boot>::Rows;

}  // namespace

void leases_acquire(Call call) {
  const auto ttl_s = call.body.integer("ttl_s");
  json::object& fields = call.body.event_fields();
  if (ttl_s) fields.emplace("ttl", *ttl_s);
  const bool is_renewal = fields.contains("token") && !fields.at("token").is_null();
  if (!is_renewal) {
    if (auto refused = no_room(call.context.services.readiness(), RouteRoom::usual)) {
      return call.reply(*std::move(refused));
    }
  }
  asked_by_owner(fields, call.requester);
  auto proposal = propose_asked(call, fb::Event::LeaseAcquired);
  if (!proposal) return;
  const std::string key = proposal->record().event_as_LeaseAcquired()->key()->str();
  Group group;
  group.push_back(std::move(*proposal));
  write(call.context,
        {.group = std::move(group),
         .look = [key](const SeenDecision& seen, ResponseRows& rows) { show_lease(seen, key, rows); },
         .status_accepted = 201},
        std::move(call.reply));
}

void leases_list(Call call) {
  list_by_key<LeaseRows>(call, [](const State& state) -> const LeaseRows& { return state.leases.rows(); });
}

void leases_release(Call call) {
  fb::LeaseReleasedT released;
  released.key = call.param.empty() ? std::string(*call.query.text("key")) : call.param;
  released.token = static_cast<std::uint64_t>(call.query.number("token"));
  // An operator who frees another owner's lease does so by force, and the log records that.
  const auto by_force = [key = released.key, token = released.token, requester = call.requester](const State& state,
                                                                                                 Group& group) {
    const Lease* lease = state.lease(key);
    const Boot* boot = lease && lease->token == Token{*token} ? state.boots.find(lease->owner.boot_id) : nullptr;
    if (!boot || belongs_to(*boot, requester.principal)) return true;
    fb::LeaseReclaimedT reclaimed;
    reclaimed.key = key;
    reclaimed.token = token;
    reclaimed.reason = fb::ReclaimReason::forced;
    group = propose_group(requester, reclaimed);
    return true;
  };
  Writing writing{
      .group = propose_group(call.requester, released),
      .look = [key = released.key](const SeenDecision& seen, ResponseRows& rows) { show_lease(seen, key, rows); }};
  if (call.role == Role::operate) writing.resolve = by_force;
  write(call.context, std::move(writing), std::move(call.reply));
}

void leases_force(Call call) {
  struct Found {
    std::vector<TaskId> tasks;
    std::optional<Lease> lease;
  };
  const auto found = std::make_shared<Found>();
  call.sequencer().read(
      [found, work_item = std::string(*call.query.text("work_item")),
       repo = std::string(call.query.text("repo").value_or(""))](const State& state) {
        for (const TaskId task : state.live_tasks_of(work_item)) {
          if (repo.empty() || state.tasks.find(task)->repo == repo) found->tasks.push_back(task);
        }
        if (found->tasks.size() != 1) return;
        if (const Lease* lease = state.lease(task_key(found->tasks.front()))) found->lease = *lease;
      },
      [&context = call.context, found, requester = call.requester, reply = call.reply] {
        if (found->tasks.empty()) return reply(http_error(404, "unknown_task", "no live task has that work item"));
        if (found->tasks.size() > 1) {
          return reply(
              http_error(400, "malformed", "live tasks in several repositories have that work item: add &repo="));
        }
        fb::LeaseReclaimedT reclaimed;
        reclaimed.key = task_key(found->tasks.front());
        if (found->lease) reclaimed.token = raw(found->lease->token);
        reclaimed.reason = fb::ReclaimReason::forced;
        write(context,
              {.group = propose_group(requester, reclaimed),
               .look = [key = reclaimed.key](const SeenDecision& seen,
                                             ResponseRows& rows) { show_lease(seen, key, rows); }},
              reply);
      });
}

void boots_start(Call call) {
  // An unregistered boot cannot make requests, so the daemon makes this one for it; the boot cannot take another's
  // name.
  call.requester.boot = call.context.services.boot_id;
  auto proposal = propose_asked(call, fb::Event::BootStarted);
  if (!proposal) return;
  const std::string boot_id = proposal->record().event_as_BootStarted()->boot_id()->str();
  Group group;
  group.push_back(std::move(*proposal));
  write(call.context,
        {.group = std::move(group),
         .look =
             [boot_id, narrow = call.narrow](const SeenDecision& seen, ResponseRows& rows) {
               show_boot(seen, boot_id, rows);
               if (narrow && rows.boot && !narrow->has(*rows.boot)) rows.boot.reset();
             },
         .status_accepted = 201},
        std::move(call.reply));
}

void boots_list(Call call) {
  list_by_key<BootRows>(call, [](const State& state) -> const BootRows& { return state.boots.rows(); });
}

void boots_end(Call call) {
  fb::BootEndedT ended;
  ended.boot_id = call.param;
  if (ended.boot_id == call.context.services.boot_id) {
    return call.reply(http_error(422, "reserved_name", "the daemon's own boot ends only with the daemon"));
  }
  const std::string_view reason = call.query.text("reason").value_or("clean");
  for (const fb::BootEndReason each : fb::EnumValuesBootEndReason()) {
    if (reason == fb::EnumNameBootEndReason(each)) ended.reason = each;
  }
  // An operator may end any boot, a worker only those that it registered. A boot's owner never changes.
  const auto may_end = std::make_shared<bool>(call.role == Role::operate && !call.narrow);
  call.sequencer().read(
      [may_end, boot_id = ended.boot_id, principal = call.requester.principal,
       is_narrow = call.narrow != nullptr](const State& state) {
        const Boot* boot = state.boots.find(boot_id);
        *may_end = *may_end || (boot ? belongs_to(*boot, principal) : !is_narrow);
      },
      [&context = call.context, may_end, ended, requester = call.requester, narrow = call.narrow, reply = call.reply] {
        // A narrow token must not learn that the boot exists.
        if (!*may_end && narrow) {
          const OutcomeRow& row = row_of(Outcome::unknown_boot);
          return reply(http_error(row.http_status, row.name, std::string(row.sentence)));
        }
        if (!*may_end) return reply(http_error(403, "forbidden", "that boot belongs to another token or user"));
        write(context,
              {.group = propose_group(requester, ended),
               .look = [boot = ended.boot_id](const SeenDecision& seen,
                                              ResponseRows& rows) { show_boot(seen, boot, rows); }},
              reply);
      });
}

}  // namespace pawl
