// What the planner records, and when, over the real sequencer. The test advances the log's time.
#include "daemon/work/freeze_planner.h"

#include "engine/state/holds.h"
#include "tests/unit/daemon/work/desk_between.h"
#include "tests/unit/daemon/work/executor_stage.h"

namespace pawl {
namespace {

constexpr std::int64_t day_s = 24 * 3600;

/// Something happens between what the planner sees and what it proposes.
class DeskWithNews : public DeskBetween {
 public:
  using DeskBetween::DeskBetween;
  std::optional<Decision> propose_if(Group group, std::function<bool(const State&)> holds) override {
    if (news) std::exchange(news, nullptr)();
    return DeskBetween::propose_if(std::move(group), std::move(holds));
  }
  std::function<void()> news;
};

class FreezePlannerTest : public ExecutorTest {
 protected:
  void SetUp() override {
    ExecutorTest::SetUp();
    system_ = make_system({.data_folder = data()});
    planner_ = std::make_unique<FreezePlanner>(*sequencer_, *system_, FreezePlanner::Options{.boot_id = boot_id_});
  }
  void TearDown() override {
    planner_.reset();
    ExecutorTest::TearDown();
  }

  /// Closed from an hour ago on the clock of UTC until an hour from now.
  void define_closed(const std::string& name = "test") {
    const auto hour = [&](std::int64_t ahead_s) { return rfc3339(plus_s(sequencer_->now(), ahead_s)).substr(11, 5); };
    define("name: " + name + "\nstages: [{name: work, to: done}]\ncalendar:\n  zone: UTC\n  closed: [{from: '" +
           hour(-3600) + "', until: '" + hour(3600) + "', reason: now}]\n");
  }
  std::optional<FreezeRow> row(const std::string& name = "test") {
    return sequencer_->ask([&](const State& state) {
      const FreezeRow* found = state.freezes.find(name);
      return found ? std::optional(*found) : std::nullopt;
    });
  }
  std::size_t windows(const std::string& name = "test") { return row(name) ? row(name)->windows.size() : 0; }
  Seq last_seq() {
    return sequencer_->ask([](const State& state) { return state.last_seq; });
  }

  std::unique_ptr<RealSystem> system_;
  std::unique_ptr<FreezePlanner> planner_;
};

TEST_F(FreezePlannerTest, plans_what_is_in_force_and_then_says_nothing) {
  define_closed();
  define("name: without\nstages: [{name: work, to: done}]\n");
  EXPECT_EQ(windows(), 0u);
  ASSERT_TRUE(planner_->plan());
  EXPECT_GE(windows(), 60u);
  EXPECT_EQ(row("without"), std::nullopt);
  const Seq planned = last_seq();
  ASSERT_TRUE(planner_->plan());
  ahead_s_ = 30 * day_s;
  ASSERT_TRUE(planner_->plan());
  EXPECT_EQ(last_seq(), planned);
}

TEST_F(FreezePlannerTest, plans_on_a_week_before_the_plan_ends) {
  define_closed();
  ASSERT_TRUE(planner_->plan());
  const TimeUs until = row()->planned_until;
  ahead_s_ = 54 * day_s;
  ASSERT_TRUE(planner_->plan());
  EXPECT_GE(row()->planned_until, plus_s(until, 50 * day_s));
}

TEST_F(FreezePlannerTest, machine_that_slept_past_the_end_finds_its_pipelines_frozen) {
  define_closed();
  submit();
  ASSERT_TRUE(planner_->plan());
  ahead_s_ = 90 * day_s + 7200;  // at an hour that is open
  const auto held = [&] {
    return sequencer_->ask(
        [&](const State& state) { return held_by(state, state.tasks.rows().begin()->second, sequencer_->now()); });
  };
  ASSERT_TRUE(held());
  EXPECT_EQ(held()->reason, freeze_not_planned);
  ASSERT_TRUE(planner_->plan());
  EXPECT_FALSE(held());
}

TEST_F(FreezePlannerTest, follows_a_definition_as_soon_as_it_is_in_force) {
  planner_->start();
  define_closed();
  EXPECT_TRUE(comes_true([&] { return windows() > 0; }));
  define("name: test\nstages: [{name: work, to: done}]\n");
  EXPECT_EQ(row(), std::nullopt);
}

TEST_F(FreezePlannerTest, definition_that_was_replaced_meanwhile_is_not_planned) {
  define_closed();
  DeskWithNews desk(*sequencer_);
  desk.news = [this] {
    define(
        "name: test\nstages: [{name: work, to: done}]\ncalendar:\n  zone: UTC\n  freezes: [{from: 2999-01-01, "
        "until: 2999-01-01}]\n");
  };
  FreezePlanner planner(desk, *system_, {.boot_id = boot_id_});
  ASSERT_TRUE(planner.plan());
  EXPECT_EQ(windows(), 0u) << "the new calendar is not planned yet";
  ASSERT_TRUE(planner.plan());
  EXPECT_EQ(windows(), 1u);
}

TEST_F(FreezePlannerTest, zone_that_is_not_known_here_is_named_and_stays_frozen) {
  Pipeline pipeline;
  pipeline.name = "test";
  pipeline.stages = {{.name = "work", .to = "done"}};
  pipeline.calendar = Calendar{.zone = "Mars/Olympus", .closed = {{.from = "1:00", .until = "2:00"}}};
  ASSERT_EQ(tell(pipeline_event(pipeline)).outcome, Outcome::accepted);
  define_closed("other");
  const auto planned = planner_->plan();
  ASSERT_FALSE(planned);
  EXPECT_EQ(planned.error().message,
            "the calendar of pipeline 'test' cannot be planned: 'Mars/Olympus' is not a zone of this machine's time "
            "zone database");
  EXPECT_EQ(windows(), 0u);
  EXPECT_TRUE(row());
  EXPECT_GE(windows("other"), 60u) << "one pipeline does not keep another from being planned";
}

}  // namespace
}  // namespace pawl
