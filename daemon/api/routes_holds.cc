// Calls about holds: places where nothing new starts, and the freezes that are planned.
#include <algorithm>

#include "daemon/api/call.h"
#include "engine/json/state_json.h"
#include "engine/state/holds.h"
#include "schema/json/json_text.h"
#include "schema/json/record_json.h"

namespace pawl {
namespace {

/// What is shown of a hold or of a window of a freeze. One that is over is not.
void append_item(std::string& out, const HeldBy& held, const std::vector<std::string>& stages, TimeUs since, TimeUs now,
                 std::string_view boot) {
  if (out.back() != '[') out += ',';
  out += '{';
  append_json_member(out, "place");
  append_json_text(out, held.place);
  append_json_member(out, "active");
  append_json_bool(out, since <= now);
  append_json_member(out, "freeze");
  append_json_bool(out, held.is_freeze);
  append_json_member(out, "stages");
  out += '[';
  for (const std::string& stage : stages) {
    if (out.back() != '[') out += ',';
    append_json_text(out, stage);
  }
  out += ']';
  append_json_member(out, "since_at");
  append_json_time(out, since);
  append_json_member(out, "until_at");
  held.until ? append_json_time(out, *held.until) : void(out += "null");
  append_json_member(out, "reason");
  append_json_text_or_null(out, held.reason);
  append_json_member(out, "seq", raw(held.seq));
  append_json_member(out, "by");
  append_json_text_or_null(out, held.by);
  append_json_member(out, "boot");
  append_json_text_or_null(out, boot);
  out += '}';
}

/// Of the freezes of a pipeline, the windows that are not over yet: so many.
constexpr std::size_t windows_shown = 20;

void append_items(std::string& out, const State& state, TimeUs now) {
  for (const auto& [place, row] : state.holds.rows()) {
    if (row.until && now >= *row.until) continue;
    append_item(out,
                {.place = row.place,
                 .reason = row.reason,
                 .until = row.until,
                 .seq = row.seq,
                 .by = row.principal.value_or(row.actor)},
                {}, row.since, now, row.boot);
  }
  for (const auto& [pipeline, row] : state.freezes.rows()) {
    if (now >= row.planned_until) {
      append_item(out,
                  {.place = place_of_pipeline(pipeline),
                   .reason = std::string(freeze_not_planned),
                   .until = std::nullopt,
                   .seq = row.seq,
                   .is_freeze = true},
                  {}, row.planned_until, now, {});
    }
    std::size_t shown = 0;
    for (const FreezeWindow& window : row.windows) {
      if (now >= window.until || shown++ >= windows_shown) continue;
      append_item(out,
                  {.place = place_of_pipeline(pipeline),
                   .reason = window.reason,
                   .until = window.until,
                   .seq = row.seq,
                   .is_freeze = true},
                  window.stages, window.from, now, {});
    }
  }
}

Look showing_no_row() {
  return [](const SeenDecision&, ResponseRows& rows) { rows.kind = ResourceKind::none; };
}

}  // namespace

void holds_place(Call call) {
  auto proposal = propose_asked(call, fb::Event::HoldPlaced);
  if (!proposal) return;
  Group group;
  group.push_back(std::move(*proposal));
  write(call.context, {.group = std::move(group), .look = showing_no_row(), .status_accepted = 201},
        std::move(call.reply));
}

void holds_lift(Call call) {
  fb::HoldLiftedT lifted;
  lifted.place = std::string(*call.query.text("place"));
  lifted.reason = std::string(call.query.text("reason").value_or(""));
  write(call.context, {.group = propose_group(call.requester, lifted), .look = showing_no_row()},
        std::move(call.reply));
}

void holds_list(Call call) {
  const bool is_past = call.past != nullptr;
  read_json(call, [is_past, &sequencer = call.sequencer()](const State& state, std::string& out) {
    out = R"({"items":[)";
    append_items(out, state, is_past ? state.last_time : sequencer.now());
    out += R"(],"next":null})";
  });
}

}  // namespace pawl
