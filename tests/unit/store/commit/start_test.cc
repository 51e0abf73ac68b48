// The first records of a start.
#include "store/commit/start.h"

#include <gtest/gtest.h>

#include "schema/limits.h"
#include "store/os/process_identity.h"
#include "tools/simulation/direct_machine.h"

namespace pawl {
namespace {

constexpr TimeUs start_time{1'767'268'800 * us_per_s};  // 2026-01-01T12:00:00Z

TEST(Startup, a_torn_tail_is_told_in_the_boots_version) {
  EXPECT_EQ(boot_version("0.1.0", std::nullopt), "0.1.0");
  EXPECT_EQ(boot_version("0.1.0", Seq{813}), "0.1.0+torn.813");
}

TEST(Startup, a_new_log_knows_of_no_time_before) {
  const TimeBefore before = time_before(State());
  EXPECT_FALSE(before.last_record || before.base);
}

TEST(Startup, the_next_start_goes_on_by_the_clock_that_the_boot_bears) {
  DirectMachine machine;
  machine.set_now(start_time);
  ASSERT_TRUE(start_boot(machine, "b-1", "test", "m", {.time_ns = time_namespace(), .boottime_us = 77}));
  TimeBefore before = time_before(machine.state(), TimeUs{5});
  EXPECT_EQ(before.last_record, start_time);
  EXPECT_EQ(before.last_sign, TimeUs{5});
  ASSERT_TRUE(before.base);
  EXPECT_EQ(before.base->time, start_time);
  EXPECT_EQ(before.base->boottime_us, 77);

  machine.set_now(plus_s(start_time, 10));
  ASSERT_TRUE(start_boot(machine, "b-2", "test", "m", {.time_ns = "time:[1]", .boottime_us = 77}));
  EXPECT_FALSE(time_before(machine.state()).base) << "in another time namespace";
  ASSERT_TRUE(start_boot(machine, "b-3", "test", "m", {.time_ns = "unknown", .boottime_us = 77}));
  EXPECT_FALSE(time_before(machine.state()).base) << "an unknown value equals nothing";
  ASSERT_TRUE(start_boot(machine, "b-4", "test"));
  EXPECT_FALSE(time_before(machine.state()).base) << "a boot without a clock";
}

/// Two hours without a daemon: open work has not aged, and the dead boot's leases are still freed.
TEST(Startup, time_without_a_daemon_is_recorded_behind_the_boot_and_ages_nothing) {
  DirectMachine machine;
  machine.set_now(start_time);
  ASSERT_TRUE(start_boot(machine, "b-1", "test"));
  const Requester daemon{.boot = "b-1", .actor = "test", .key = {}, .request = std::nullopt};
  fb::BootStartedT worker;
  worker.name = "worker";
  worker.boot_id = "w";
  worker.pid = 7;
  worker.host = "elsewhere";
  worker.version = "1";
  ASSERT_EQ(machine.propose(propose_group(daemon, worker)).outcome, Outcome::accepted);
  fb::LeaseAcquiredT lease;
  lease.key = "slot";
  lease.ttl = 600;
  lease.owner = std::make_unique<fb::OwnerT>();
  lease.owner->boot_id = "w";
  lease.owner->pid = 7;
  ASSERT_EQ(machine.propose(propose_group(daemon, lease)).outcome, Outcome::accepted);

  machine.set_now(plus_s(start_time, 7200));
  ASSERT_TRUE(start_boot(machine, "b-2", "test", {}, {.time_ns = "t", .boottime_us = 1, .gap_us = 7200 * us_per_s}));
  EXPECT_EQ(machine.state().lease("slot")->renewed, plus_s(start_time, 7200));
  EXPECT_TRUE(machine.state().is_live(*machine.state().lease("slot"), plus_s(start_time, 7799)));
  EXPECT_FALSE(machine.state().is_live(*machine.state().lease("slot"), plus_s(start_time, 7800)));
  EXPECT_EQ(machine.state().boot_named(daemon_name)->started_at, plus_s(start_time, 7200));
}

class RepositoriesAtStart : public testing::Test {
 protected:
  RepositoriesAtStart() {
    machine.set_now(start_time);
    EXPECT_TRUE(start_boot(machine, "b-1", "test"));
  }
  DeclaredRepos start(const std::map<std::string, std::string>& given) {
    const auto done = declare_repos(machine, repos_known(machine.state()), given, requester);
    EXPECT_TRUE(done);
    return *done;
  }
  void declare(const std::string& repo, const std::string& url) {
    fb::RepoDeclaredT event;
    event.repo = repo;
    event.url = url;
    ASSERT_EQ(machine.propose(propose_group(requester, event)).outcome, Outcome::accepted);
  }
  void remove(const std::string& repo) {
    fb::RepoRemovedT event;
    event.repo = repo;
    ASSERT_EQ(machine.propose(propose_group(requester, event)).outcome, Outcome::accepted);
  }
  std::string url_of(const std::string& repo) {
    const RepoRow* row = machine.state().repos.find(repo);
    return row && row->declared ? row->url : "not declared";
  }
  Seq last_seq() { return machine.state().last_seq; }

  DirectMachine machine;
  const Requester requester{.boot = "b-1", .actor = "pawld", .key = {}, .request = std::nullopt};
};

TEST_F(RepositoriesAtStart, the_same_again_is_no_record) {
  start({{"shop", "/a"}, {"depot", ""}});
  EXPECT_EQ(url_of("shop"), "/a");
  EXPECT_EQ(url_of("depot"), "") << "declared, but without a URL to clone from";
  const Seq before = last_seq();
  const DeclaredRepos done = start({{"shop", "/a"}, {"depot", ""}});
  EXPECT_EQ(last_seq(), before);
  EXPECT_TRUE(done.passed_over.empty() && done.left.empty());
}

TEST_F(RepositoriesAtStart, what_was_said_meanwhile_stays_unless_the_option_has_changed_too) {
  start({{"shop", "/a"}, {"depot", "/d"}});
  declare("shop", "/b");
  remove("depot");
  const DeclaredRepos done = start({{"shop", "/a"}, {"depot", "/d"}});
  EXPECT_EQ(url_of("shop"), "/b");
  EXPECT_EQ(url_of("depot"), "not declared");
  EXPECT_EQ(done.passed_over, (std::vector<std::string>{"depot", "shop"}));
  start({{"shop", "/c"}, {"depot", "/d"}});
  EXPECT_EQ(url_of("shop"), "/c");
  EXPECT_EQ(url_of("depot"), "not declared");
}

TEST_F(RepositoriesAtStart, one_that_is_not_given_any_more_is_left_and_named) {
  start({{"shop", "/a"}, {"depot", "/d"}});
  declare("till", "/t");
  EXPECT_EQ(start({{"depot", "/d"}}).left, std::vector<std::string>{"shop"});
  EXPECT_EQ(url_of("shop"), "/a");
  remove("shop");
  EXPECT_TRUE(start({{"depot", "/d"}}).left.empty()) << "it is gone, and no start ever gave till";
}

TEST_F(RepositoriesAtStart, a_refusal_names_the_repository) {
  for (std::size_t i = 0; i < limits::repos_max; ++i) declare("r" + std::to_string(i), "");
  const auto done = declare_repos(machine, repos_known(machine.state()), {{"shop", "/a"}}, requester);
  ASSERT_FALSE(done);
  EXPECT_NE(done.error().message.find("'shop' is refused: limit"), std::string::npos) << done.error().message;
}

TEST(DefaultPipeline, the_one_pipeline_of_a_first_start_is_that_of_submissions_that_name_none) {
  DirectMachine machine;
  machine.set_now(start_time);
  ASSERT_TRUE(start_boot(machine, "b-1", "test"));
  const Requester requester{.boot = "b-1", .actor = "pawld", .key = {}, .request = std::nullopt};
  Pipeline mine = default_pipeline();
  mine.name = "mine";
  Pipeline other = default_pipeline();
  other.name = "other";
  ASSERT_TRUE(define_pipelines(machine, known_pipelines(machine.state()), {mine, other}, requester));
  const auto fallback = [&] { return machine.state().settings().pipeline.fallback; };
  EXPECT_FALSE(*set_default_pipeline(machine, Seq{0}, {mine, other}, requester))
      << "two pipelines, and neither is named";
  EXPECT_EQ(fallback(), "delivery");
  EXPECT_FALSE(*set_default_pipeline(machine, Seq{0}, {default_pipeline()}, requester)) << "it is already the default";
  EXPECT_FALSE(*set_default_pipeline(machine, Seq{7}, {mine}, requester))
      << "the log has begun, and clients may rely on the old default";
  EXPECT_EQ(fallback(), "delivery");
  EXPECT_EQ(*set_default_pipeline(machine, Seq{0}, {mine}, requester), "mine");
  EXPECT_EQ(fallback(), "mine");
}

/// Starts on one log, with these files.
class Definitions : public testing::Test {
 protected:
  void SetUp() override {
    machine.set_now(start_time);
    ASSERT_TRUE(start_boot(machine, "b-1", "test"));
  }
  static Pipeline shop(std::int64_t timeout_s) {
    Pipeline pipeline;
    pipeline.name = "shop";
    pipeline.agents = {{.name = "a", .timeout_s = timeout_s}};
    pipeline.stages = {{.name = "s", .agent = "a", .to = "done"}};
    return pipeline;
  }
  /// The names of the skipped pipelines.
  std::vector<std::string> start(const std::vector<Pipeline>& given) {
    const auto passed_over = define_pipelines(machine, known_pipelines(machine.state()), given, daemon);
    EXPECT_TRUE(passed_over);
    return passed_over.value();
  }
  void apply(const Pipeline& pipeline) { define(pipeline, false); }
  void define(const Pipeline& pipeline, std::optional<bool> given) {
    fb::PipelineDefinedT event = pipeline_event(pipeline);
    event.given = given;
    ASSERT_EQ(machine.propose(propose_group(daemon, event)).outcome, Outcome::accepted);
  }
  const PipelineRow& in_force() { return *machine.state().pipeline_in_force("shop"); }

  DirectMachine machine;
  const Requester daemon{.boot = "b-1", .actor = "test", .key = {}, .request = std::nullopt};
  const std::vector<std::string> nothing;
  const std::vector<std::string> the_shop = {"shop"};
};

TEST_F(Definitions, a_file_is_defined_once_as_given_by_the_start) {
  EXPECT_EQ(start({shop(10)}), nothing);
  EXPECT_EQ(in_force().given, true);
  const Seq first = in_force().seq;
  EXPECT_EQ(start({shop(10)}), nothing);
  EXPECT_EQ(in_force().seq, first);
  EXPECT_EQ(start({shop(11)}), nothing);
  EXPECT_NE(in_force().seq, first);
}

TEST_F(Definitions, what_was_applied_survives_a_start_with_the_file_as_it_was) {
  start({shop(10)});
  apply(shop(20));
  EXPECT_EQ(start({shop(10)}), the_shop);
  EXPECT_EQ(*in_force().definition, shop(20));
  EXPECT_EQ(start({}), nothing);
  EXPECT_EQ(*in_force().definition, shop(20));
}

TEST_F(Definitions, a_file_that_has_changed_takes_the_place_of_what_was_applied) {
  start({shop(10)});
  apply(shop(20));
  EXPECT_EQ(start({shop(30)}), nothing);
  EXPECT_EQ(*in_force().definition, shop(30));
  EXPECT_EQ(in_force().given, true);
}

TEST_F(Definitions, a_file_that_has_become_what_was_applied_is_what_the_start_gave_last) {
  start({shop(10)});
  apply(shop(20));
  EXPECT_EQ(start({shop(20)}), nothing);
  EXPECT_EQ(in_force().given, true);
  EXPECT_EQ(start({shop(10)}), nothing) << "the file has changed again";
  EXPECT_EQ(*in_force().definition, shop(10));
}

TEST_F(Definitions, one_of_a_log_of_before_counts_as_given_by_its_start) {
  define(shop(10), std::nullopt);
  apply(shop(20));
  EXPECT_EQ(start({shop(10)}), the_shop);
}

TEST_F(Definitions, the_built_in_one_is_defined_once) {
  start({});
  const Seq first = machine.state().pipeline_in_force("delivery")->seq;
  start({});
  EXPECT_EQ(machine.state().pipeline_in_force("delivery")->seq, first);
}

}  // namespace
}  // namespace pawl
