// What a log tells, as the commands on a log tell it: the story of a task, and what changed between two positions.
#include <optional>
#include <utility>

#include "daemon/api/call.h"
#include "daemon/api/history.h"
#include "daemon/api/log_audit.h"
#include "schema/json/json_text.h"
#include "schema/json/record_json.h"
#include "tools/forensics/explain_render.h"
#include "tools/forensics/state_diff.h"

namespace pawl {
namespace {

/// Some seconds of work.
constexpr std::uint64_t story_records_max = 500'000;

/// The stretch of the log that a story is told from.
struct Stretch {
  TaskId task{};
  Seq after{};
  Seq to{};
};

void tell_story(RouteContext& context, PastStates& states, const Stretch& stretch, const HttpReply& reply) {
  TimelineBuilder teller({.task = stretch.task}, TimelineBuilder::Lines::for_readers);
  const auto walked = states.walk(
      stretch.after, stretch.to, [&](const State& state) { teller.begin(state); },
      [&](const AppliedGroup& group) { teller.add(group.records, group.state); });
  if (!walked) return reply(http_error(500, "io", walked.error().message));
  const auto view = context.services.audit ? context.services.audit->last() : nullptr;
  auto story = teller.finish(view ? view->findings : Findings());
  if (!story) return reply(unknown_answer(Outcome::unknown_task));
  fold(*story, std::nullopt);
  HttpResponse response;
  response.body = story_json(*story);
  reply(std::move(response));
}

/// Rows that left memory between two positions are on the later side.
struct TwoSides {
  StateRows before;
  StateRows after;
  std::vector<ArchivedTask> archived;
  TimeUs before_time;
  TimeUs after_time;
};

}  // namespace

void tasks_story(Call call) {
  const Seq upto = call.upto();
  const Seq end = call.past ? upto : call.sequencer().durable_seq();
  call.work([&context = call.context, task = TaskId{call.id}, reply = call.reply, upto, end](StateReader& reader) {
    const auto extent =
        extent_of(reader, context.services.journal, context.services.archive, context.services.index, task, upto);
    if (!extent && extent.error().code == ErrorCode::missing) return reply(unknown_answer(Outcome::unknown_task));
    if (!extent) return reply(http_error(500, "io", extent.error().message));
    const Stretch stretch{.task = task,
                          .after = Seq{raw(extent->first_group) - 1},
                          .to = extent->is_live ? std::max(end, extent->last) : extent->last};
    if (raw(stretch.to) - raw(stretch.after) > story_records_max) {
      return reply(http_error(
          422, "story_too_long",
          "the records of task " + std::to_string(raw(task)) + " are spread over " +
              std::to_string(raw(stretch.to) - raw(stretch.after)) +
              " records of the log, more than are read for one answer (" + std::to_string(story_records_max) +
              "): 'pawl explain task:" + std::to_string(raw(task)) + "' on the data folder tells it"));
    }
    const bool is_posted = context.past.post(
        [&context, stretch, reply](PastStates& states) { tell_story(context, states, stretch, reply); });
    if (!is_posted) reply(too_many_past());
  });
}

void compare_get(Call call) {
  const std::int64_t from = call.query.number("from");
  const std::int64_t to = call.query.number("to");
  if (to < from) return call.refuse({ErrorCode::malformed, "query parameter 'to' lies before 'from'"});
  if (auto refused = refuse_beyond(call, to)) return call.reply(*std::move(refused));
  const DifferencePart part{.first = static_cast<std::size_t>(call.query.number("skip")),
                            .count = static_cast<std::size_t>(call.query.number("limit"))};
  const HttpReply reply = call.reply;
  const auto compare = [reply, from, to, part](PastStates& states) {
    TwoSides sides;
    const auto walked = states.walk(
        Seq{static_cast<std::uint64_t>(from)}, Seq{static_cast<std::uint64_t>(to)},
        [&](const State& state) {
          sides.before = rows_of(state);
          sides.before_time = sides.after_time = state.last_time;
        },
        [&](const AppliedGroup& group) {
          sides.archived.insert(sides.archived.end(), group.archived.begin(), group.archived.end());
        });
    if (!walked) return reply(http_error(500, "io", walked.error().message));
    const auto looked = states.look(Seq{static_cast<std::uint64_t>(to)}, [&](const State& state) {
      sides.after = rows_of(state);
      sides.after_time = state.last_time;
    });
    if (!looked) return reply(http_error(500, "io", looked.error().message));
    for (const ArchivedTask& each : sides.archived) add_rows(sides.after, each);
    HttpResponse response;
    std::string& out = response.body;
    out = "{\"from\":" + std::to_string(from) + ",\"from_time\":";
    append_json_time(out, sides.before_time);
    out += ",\"to\":" + std::to_string(to) + ",\"to_time\":";
    append_json_time(out, sides.after_time);
    out += ",\"rows_total\":" + std::to_string(count_differences(sides.before, sides.after)) +
           ",\"rows\":" + difference_in_json(sides.before, sides.after, part) + '}';
    reply(std::move(response));
  };
  if (!call.context.past.post(compare)) reply(too_many_past());
}

}  // namespace pawl
