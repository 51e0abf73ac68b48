// What is stuck, and what would free it (SPEC §12).
#include <algorithm>
#include <map>

#include "daemon/api/call.h"
#include "daemon/work/log_name.h"
#include "daemon/work/stored_output.h"
#include "engine/json/state_json.h"
#include "engine/policies/stuck.h"
#include "engine/policies/turns.h"
#include "schema/json/json_text.h"
#include "schema/limits.h"

namespace pawl {

std::string words_on_room(const Readiness& seen) {
  if (seen.has_space) return "the data folder has enough room again";
  const bool is_short_of_inodes = seen.free_inodes && *seen.free_inodes < seen.free_inodes_floor;
  return is_short_of_inodes ? "nothing new can begin: the data folder's file system has room for only " +
                                  std::to_string(*seen.free_inodes) + " more files"
                            : "nothing new can begin: the data folder has " + std::to_string(seen.free_bytes >> 20) +
                                  " MiB free and needs " + std::to_string(seen.free_bytes_floor >> 20) + " MiB";
}

namespace {

/// A page of candidates, before their owners are checked.
struct Page {
  std::vector<Stuck> found;
  std::vector<SwitchedOff> off;  // only on the first page
  bool is_first = false;
  TaskId last{};
  bool more = false;
};

/// The client's request.
struct Wish {
  TaskId after{};
  std::size_t limit = 0;
  bool all = false;                                // include what waits its turn or is held by a switch
  std::shared_ptr<const Narrow> narrow = nullptr;  // the requester's limits; null: show all
  Seq upto = no_end;  // the state's last record, if it is one of the past: only records tell what there was then

  bool is_past() const { return upto != no_end; }
};

/// Hides the output of agents outside the limits.
Stuck kept_within(const State& state, const Narrow* narrow, Stuck stuck) {
  const Job* job = stuck.failed ? state.jobs.find(stuck.failed->job) : nullptr;
  if (narrow && job && !narrow->has(state, *job)) stuck.failed.reset();
  return stuck;
}

/// Says who is served before the task's job, if the answer shows the task. Those outside the limits are only counted.
void add_who_is_ahead(const State& state, const Wish& wish, TimeUs now, Stuck& stuck) {
  if (!stuck.in_line || (!wish.all && stuck.standing == Standing::waits)) return;
  const auto is_shown = [&](const Job& job) { return !wish.narrow || wish.narrow->has(state, job); };
  const JobsAhead ahead = jobs_ahead_of(state, *state.jobs.find(*stuck.in_line), now, is_shown);
  stuck.detail += "; " + in_words(state, ahead);
}

Page page_of(const State& state, const Wish& wish, const Services& services) {
  const TimeUs now = wish.is_past() ? state.last_time : services.sequencer.now();
  const StuckSources sources = wish.is_past() ? StuckSources()
                                              : StuckSources{services.is_skipped, services.origin_trouble,
                                                             services.missing_variable, services.fetching_since};
  Page page;
  page.is_first = wish.after == TaskId{0};
  if (page.is_first) page.off = switches_off(state.settings());
  std::size_t rows = 0;
  for (auto at = state.tasks.rows().upper_bound(wish.after); at != state.tasks.rows().end(); ++at) {
    if (page.found.size() == wish.limit || ++rows > limits::rows_per_read_max) {
      page.more = true;
      return page;
    }
    page.last = at->first;
    if (wish.narrow && !wish.narrow->has(at->second)) continue;
    auto stuck = why_stuck(state, at->second, now, sources);
    if (!stuck) continue;
    add_who_is_ahead(state, wish, now, *stuck);
    page.found.push_back(kept_within(state, wish.narrow.get(), std::move(*stuck)));
  }
  return page;
}

Liveness liveness_of(const Services& services, const Owner& owner, const Boot& boot) {
  if (!services.is_alive(owner, boot)) return Liveness::dead;
  return !services.is_seen || services.is_seen(owner, boot) ? Liveness::alive : Liveness::invisible;
}

/// When it began, if no row has the time, and no later record of its kind hides it.
std::optional<TimeUs> since_in_log(LogMemory& memory, const Stuck& stuck, Seq upto) {
  const auto found = [&]() -> std::optional<LastRecord> {
    const StandsSince& since = stuck.since_record;
    switch (since.record) {
      case StandsSince::Record::none:
        return std::nullopt;
      case StandsSince::Record::blocked:
        return memory.blocked(stuck.task, since.job, since.after);
      case StandsSince::Record::cancel_requested:
        return memory.cancel_requested(stuck.task);
      case StandsSince::Record::restored:
        return memory.restored();
      case StandsSince::Record::at:
        return memory.at(since.after);
    }
    return std::nullopt;
  }();
  return found && found->seq <= upto ? std::optional(found->time) : std::nullopt;
}

/// The last line of an attempt's output; empty if there is none.
std::string last_line_of(const std::filesystem::path& folder, const StuckAttempt& attempt) {
  constexpr std::size_t looked_at_bytes = 4096;
  constexpr std::size_t shown_bytes_max = 200;
  const auto output = StoredOutput::look_at(folder / path_of_job_log(attempt.job, attempt.attempt));
  std::string text = output ? output->end(looked_at_bytes) : std::string();
  text.erase(text.find_last_not_of(" \t\r\n") + 1);
  const std::size_t line = text.find_last_of("\r\n");
  if (line != std::string::npos) text.erase(0, line + 1);
  return as_utf8(text.substr(0, shown_bytes_max));
}

class StuckWriter {
 public:
  explicit StuckWriter(std::string& out) : out_(out) {}

  void write(const Stuck& stuck, std::string_view by = {}) {
    if (out_.back() != '[') out_ += ',';
    out_ += R"({"task":)";
    out_ += raw(stuck.task) == 0 ? "null" : std::to_string(raw(stuck.task));
    text("work_item", stuck.work_item);
    text("repo", stuck.repo);
    text("stage", stuck.stage);
    text("reason", stuck.reason);
    text("detail", stuck.detail);
    text("frees", stuck.frees);
    time("since", stuck.since);
    time("until", stuck.until);
    append_json_member(out_, "owner");
    stuck.owner ? append_json(out_, *stuck.owner) : append_json_text_or_null(out_, "");
    text("held_by", stuck.held_by);
    text("by", by);
    append_json_member(out_, "waits", stuck.standing == Standing::waits);
    out_ += '}';
  }

 private:
  void text(std::string_view name, std::string_view value) {
    append_json_member(out_, name);
    append_json_text_or_null(out_, value);
  }
  void time(std::string_view name, const std::optional<TimeUs>& value) {
    append_json_member(out_, name);
    value ? append_json_time(out_, *value) : append_json_text_or_null(out_, "");
  }

  std::string& out_;
};

/// Reports once what blocks all tasks.
void write_for_all(const Page& page, const Wish& wish, RouteContext& context, StuckWriter& writer) {
  for (const SwitchedOff& off : page.off) {
    Stuck row;
    row.reason = stuck_reason::switched_off;
    row.detail = std::string(off.key) + " is off: " + std::string(off.words);
    row.frees = "pawl settings " + std::string(off.key) + "=true";
    row.held_by = off.key;
    auto changed = context.memory.setting_changed(std::string(off.key));
    if (changed && changed->seq > wish.upto) changed.reset();
    if (changed) row.since = changed->time;
    writer.write(row, changed && !wish.narrow ? changed->actor : "");
  }
  if (wish.is_past()) return;
  const Readiness readiness = context.services.readiness();
  if (!page.is_first || readiness.has_space) return;
  Stuck full;
  full.reason = stuck_reason::disk_full;
  full.detail = words_on_room(readiness);
  full.frees = "free up space on the data folder's file system";
  writer.write(full);
}

void answer(const Page& page, const Wish& wish, RouteContext& context, HttpResponse& response) {
  const Services& services = context.services;
  std::string& out = response.body;
  std::uint64_t waiting = 0;
  std::map<std::string_view, std::uint64_t> held;
  out = R"({"items":[)";
  StuckWriter writer(out);
  write_for_all(page, wish, context, writer);
  for (const Stuck& candidate : page.found) {
    Stuck stuck = candidate;
    if (stuck.owner && stuck.owner_boot && !wish.is_past()) {
      const Liveness observation = liveness_of(services, *stuck.owner, *stuck.owner_boot);
      stuck = judge_owner(std::move(stuck), observation);
    }
    if (stuck.standing == Standing::waits) ++waiting;
    if (!stuck.held_by.empty()) ++held[stuck.held_by];
    if (!wish.all && (stuck.standing == Standing::waits || !stuck.held_by.empty())) continue;
    if (!stuck.since) stuck.since = since_in_log(context.memory, stuck, wish.upto);
    const std::string line =
        stuck.failed && !wish.is_past() ? last_line_of(services.logs_folder, *stuck.failed) : std::string();
    if (!line.empty()) stuck.detail += "; the agent's last line: " + line;
    writer.write(stuck);
  }
  out += ']';
  append_json_member(out, "next");
  out += page.more ? std::to_string(raw(page.last)) : "null";
  append_json_member(out, "waiting", waiting);
  append_json_member(out, "held");
  out += '{';
  for (const auto& [key, count] : held) append_json_member(out, key, count);
  out += "}}";
}

}  // namespace

void stuck_list(Call call) {
  const auto page = std::make_shared<Page>();
  const Wish wish{.after = TaskId{static_cast<std::uint64_t>(call.query.number("after"))},
                  .limit = static_cast<std::size_t>(call.query.number("limit")),
                  .all = call.query.text("all") == "true",
                  .narrow = call.narrow,
                  .upto = call.upto()};
  call.read_state(
      [page, wish, &services = call.context.services](const State& state) { *page = page_of(state, wish, services); },
      [page, wish, &context = call.context, reply = call.reply] {
        context.workers.post([page, wish, &context, reply] {
          HttpResponse response;
          answer(*page, wish, context, response);
          reply(std::move(response));
        });
      });
}

}  // namespace pawl
