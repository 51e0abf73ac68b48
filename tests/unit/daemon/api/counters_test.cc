// Each number that /queue shows outside its rows is a counter in the table, with the same value.
#include "daemon/api/counters.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "daemon/api/call.h"
#include "daemon/outside/webhook_book.h"
#include "tests/unit/daemon/served.h"

namespace pawl {
namespace {

/// An object's numbers by path: "reaper.passes_total". Lists are rows, and are skipped.
void collect(const boost::json::object& object, const std::string& prefix,
             std::map<std::string, std::uint64_t>& numbers) {
  for (const auto& member : object) {
    const std::string place = prefix + std::string(member.key());
    if (member.value().is_object()) collect(member.value().get_object(), place + ".", numbers);
    if (member.value().is_number()) numbers[place] = member.value().to_number<std::uint64_t>();
  }
}

std::string labelled_place(std::string_view form, std::string_view label) {
  std::string place(form);
  const std::size_t star = place.find('*');
  if (star != std::string::npos) place.replace(star, 1, label);
  return place;
}

std::map<std::string, std::uint64_t> by_place(const CounterSources& sources) {
  std::map<std::string, std::uint64_t> numbers;
  for (const Counter& counter : counters()) {
    for (const std::string_view form : counter.shown_at) {
      if (counter.read) numbers[std::string(form)] = counter.read(sources);
      if (!counter.read_each) continue;
      for (const LabelledCount& each : counter.read_each(sources))
        numbers[labelled_place(form, each.labels.front())] = each.count;
    }
  }
  return numbers;
}

class Counters : public Served {
 protected:
  /// All numbers differ, so one cannot pass for another.
  Services services(Webhooks& webhooks) {
    return {
        .sequencer = *sequencer,
        .journal = *log,
        .archive = *log,
        .boot_id = boot,
        .version = "test",
        .logs_folder = logs_folder,
        .advance = {},
        .lock_step = {},
        .is_alive = {},
        .readiness = [] { return Readiness{.free_bytes = 71, .free_bytes_floor = 72}; },
        .reconciler_totals = [] { return ReconcilerTotals{.passes = 11, .defers = 12, .moves = 13, .last_pass = {}}; },
        .reaper_totals =
            [] {
              return ReaperTotals{.passes = 21,
                                  .defers = 22,
                                  .troubles = 23,
                                  .last_pass = {},
                                  .since_pass_s = 24,
                                  .oldest_past_ceiling_s = 25};
            },
        .run_reaper = {},
        .alert_counts = [] { return AlertCounts{.sent = 31, .failed = 32, .dropped = 33, .queued = 34}; },
        .messages_dropped = [] { return std::uint64_t{81}; },
        .webhooks = &webhooks};
  }
};

TEST_F(Counters, are_the_numbers_of_the_queue) {
  create("W-1");
  create("W-2", R"(,"stage":"review")");
  post("/v1/tasks/2/cancel", "");
  worker("w");
  claim("w", "analyst");
  lease("task:1", "w");
  Webhooks webhooks({});
  webhooks.totals(WebhookSource::gitea).received = 51;
  webhooks.totals(WebhookSource::plane).received = 52;
  webhooks.totals(WebhookSource::gitea).bad_signatures = 53;
  webhooks.totals(WebhookSource::plane).deferred = 54;
  webhooks.totals(WebhookSource::github).refused = 55;
  webhooks.refusals.count("malformed");
  RouteContext context(services(webhooks));
  context.totals.reaped = 61;
  context.totals.last_reaped_job = 62;
  context.totals.leases_reclaimed = 63;
  context.totals.advances_deferred = 64;
  ShareBook& shares = *context.services.share_book;
  shares.held(ShareKind::connections) = 91;
  shares.held(ShareKind::streams) = 92;
  for (int i = 0; i < 93; ++i) shares.refuse(ShareKind::polls, "token:ci");
  for (int i = 0; i < 94; ++i) shares.evict(ShareKind::streams);

  std::string queue;
  std::map<std::string, std::uint64_t> read;
  sequencer->ask([&](const State& state) {
    append_queue(queue, state, context, Role::operate);
    read = by_place(counter_sources(state, context));
    return 0;
  });
  std::map<std::string, std::uint64_t> shown;
  collect(boost::json::parse(queue).as_object(), "", shown);
  EXPECT_EQ(read, shown)
      << "each number in /queue needs a row in daemon/api/counters.cc, and each path named there must be in /queue";
  EXPECT_EQ(shown["tasks.cancelled"], 1U);
  EXPECT_EQ(shown["tasks.by_stage.analysis"], 1U);
  EXPECT_EQ(shown["transition_lease.active"], 1U);
  EXPECT_EQ(shown["transition_lease.defers_total"], 98U);
  EXPECT_EQ(shown["webhooks.plane.received"], 52U);
  EXPECT_EQ(shown["webhooks.github.refused"], 55U);
  EXPECT_EQ(shown["webhooks.refusals.malformed"], 1U);
  EXPECT_EQ(shown["messages.dropped_total"], 81U);
  EXPECT_EQ(shown["shares.held.connections"], 91U);
  EXPECT_EQ(shown["shares.held.streams"], 92U);
  EXPECT_EQ(shown["shares.held.boots"], 2U) << "the daemon's, and the worker's";
  EXPECT_EQ(shown["shares.held.leases"], 1U);
  EXPECT_EQ(shown["shares.held.tasks"], 1U);
  EXPECT_EQ(shown["shares.refused.polls"], 93U);
  EXPECT_EQ(shown["shares.evicted.streams"], 94U);
}

TEST(CounterTable, names_are_those_of_prometheus) {
  std::set<std::string_view> names;
  for (const Counter& counter : counters()) {
    EXPECT_TRUE(names.insert(counter.name).second) << counter.name << "appears twice";
    EXPECT_TRUE(counter.name.starts_with("pawl_") || counter.name.starts_with("process_")) << counter.name;
    EXPECT_EQ(counter.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz_"), std::string_view::npos) << counter.name;
    EXPECT_EQ(counter.name.ends_with("_total"), counter.kind == Counter::Kind::counter) << counter.name;
    EXPECT_EQ(counter.name.ends_with("_info"), counter.kind == Counter::Kind::info) << counter.name;
    EXPECT_EQ(counter.name.ends_with("_seconds") || counter.name.ends_with("_seconds_total"), counter.unit == "seconds")
        << counter.name;
    EXPECT_EQ((counter.read != nullptr) + (counter.read_each != nullptr) + (counter.figure != nullptr) +
                  (counter.read_histograms != nullptr),
              1)
        << counter.name;
    EXPECT_EQ(counter.kind == Counter::Kind::histogram, counter.read_histograms != nullptr) << counter.name;
    EXPECT_EQ(counter.kind == Counter::Kind::histogram, !counter.bounds.empty()) << counter.name;
    EXPECT_TRUE(counter.shown_at.empty() || counter.read || counter.read_each) << counter.name;
    EXPECT_TRUE(!counter.read || counter.labels.empty()) << counter.name;
    EXPECT_TRUE(!counter.read_each || !counter.labels.empty()) << counter.name;
    EXPECT_EQ(counter.series_max > 1, !counter.labels.empty() && counter.kind != Counter::Kind::info) << counter.name;
    for (const std::string_view label : counter.labels) {
      for (const std::string_view never : {"task", "job", "work_item", "branch", "key", "lease", "repo", "le"}) {
        EXPECT_NE(label, never) << counter.name << ": its values would have no bound";
      }
    }
    EXPECT_FALSE(counter.help.empty()) << counter.name;
  }
}

}  // namespace
}  // namespace pawl
