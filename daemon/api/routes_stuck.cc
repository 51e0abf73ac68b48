// What does not move, and what would free it (SPEC §12).
#include "daemon/api/call.h"
#include "engine/json/state_json.h"
#include "engine/policies/stuck.h"
#include "schema/json/json_text.h"
#include "schema/limits.h"

namespace pawl {
namespace {

/// A page of candidates: owners are still to be looked at.
struct Page {
  std::vector<Stuck> found;
  TaskId last{};
  bool more = false;
};

Page page_after(const State& state, TaskId after, std::size_t limit, TimeUs now, const Services& services) {
  Page page;
  std::size_t rows = 0;
  for (auto at = state.tasks.rows().upper_bound(after); at != state.tasks.rows().end(); ++at) {
    if (page.found.size() == limit || ++rows > limits::rows_per_read_max) {
      page.more = true;
      return page;
    }
    page.last = at->first;
    if (auto stuck = why_stuck(state, at->second, now,
                               {services.is_passed_over, services.origin_trouble, services.missing_variable}))
      page.found.push_back(std::move(*stuck));
  }
  return page;
}

void append(std::string& out, const Stuck& stuck) {
  const auto text = [&out](std::string_view name, std::string_view value) {
    out += name;
    append_json_text_or_null(out, value);
  };
  out += R"({"task":)";
  append_json_integer(out, raw(stuck.task));
  text(R"(,"work_item":)", stuck.work_item);
  text(R"(,"repo":)", stuck.repo);
  text(R"(,"stage":)", stuck.stage);
  text(R"(,"reason":)", stuck.reason);
  text(R"(,"detail":)", stuck.detail);
  text(R"(,"frees":)", stuck.frees);
  out += R"(,"since":)";
  stuck.since ? append_json_time(out, *stuck.since) : append_json_text_or_null(out, "");
  out += R"(,"owner":)";
  stuck.owner ? append_json(out, *stuck.owner) : append_json_text_or_null(out, "");
  out += '}';
}

void answer(const Page& page, const Services& services, HttpResponse& response) {
  std::string& out = response.body;
  out = R"({"items":[)";
  for (const Stuck& candidate : page.found) {
    std::optional<Stuck> stuck = candidate;
    if (stuck->owner && stuck->owner_boot) {
      const bool alive = services.is_alive(*stuck->owner, *stuck->owner_boot);
      stuck = judge_owner(std::move(*stuck), alive);
    }
    if (!stuck) continue;
    if (out.back() != '[') out += ',';
    append(out, *stuck);
  }
  out += R"(],"next":)";
  out += page.more ? std::to_string(raw(page.last)) : "null";
  out += '}';
}

}  // namespace

void stuck_list(Call call) {
  const auto page = std::make_shared<Page>();
  call.sequencer().read(
      [page, &services = call.shop.services, after = TaskId{static_cast<std::uint64_t>(call.query.number("after"))},
       limit = static_cast<std::size_t>(call.query.number("limit"))](const State& state) {
        *page = page_after(state, after, limit, services.sequencer.now(), services);
      },
      [page, &shop = call.shop, reply = call.reply] {
        shop.workers.post([page, &shop, reply] {
          HttpResponse response;
          answer(*page, shop.services, response);
          reply(std::move(response));
        });
      });
}

}  // namespace pawl
