// What a daemon is told, and what it does before it serves.
#include "daemon/startup.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <set>

#include "daemon/options.h"
#include "engine/policies/reaper.h"
#include "store/commit/clock.h"
#include "tools/simulation/direct_machine.h"
#include "tools/simulation/scripted_world.h"

namespace pawl {
namespace {

Result<Options> options(std::vector<const char*> arguments,
                        const std::map<std::string, std::string>& environment = {}) {
  return read_options(arguments, [environment](const char* name) -> const char* {
    const auto found = environment.find(name);
    return found == environment.end() ? nullptr : found->second.c_str();
  });
}

std::string error_of(const std::vector<const char*>& arguments,
                     const std::map<std::string, std::string>& environment = {}) {
  const auto read = options(arguments, environment);
  return read ? "none" : read.error().message;
}

TEST(Options, command_line_outweighs_environment_and_file) {
  const std::string file = testing::TempDir() + "pawl-options-" + std::to_string(::getpid());
  std::ofstream(file) << "data = /from-file\nlisten = 127.0.0.1:1\npipeline = one.yaml\nrepo = shop=url-file\n";
  const auto read = options({"--data", "/from-line", "--config", file.c_str(), "--repo", "shop=url-line"},
                            {{"PAWL_DATA", "/from-environment"}, {"PAWL_LISTEN", "[::1]:2"}});
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->data, "/from-line");
  EXPECT_EQ(read->listen->host, "::1");
  EXPECT_EQ(read->listen->port, 2);
  EXPECT_FALSE(read->socket) << "only where neither was named";
  EXPECT_EQ(read->pipelines, std::vector<std::string>{"one.yaml"});
  EXPECT_EQ(read->repos.at("shop"), "url-line");
  ::unlink(file.c_str());
}

TEST(Options, the_socket_is_in_the_data_folder_unless_said) {
  EXPECT_EQ(options({"--data", "/d"})->socket, "/d/pawl.sock");
  EXPECT_EQ(options({"--data", "/d", "--socket", "/s"})->socket, "/s");
}

TEST(Options, every_error_names_the_option) {
  EXPECT_NE(error_of({}).find("--data"), std::string::npos);
  EXPECT_NE(error_of({"--data"}).find("--data"), std::string::npos);
  EXPECT_NE(error_of({"--data", "/d", "--colour"}).find("colour"), std::string::npos);
  EXPECT_NE(error_of({"--data", "/d", "--dat", "/e"}).find("dat"), std::string::npos) << "no guessing";
  EXPECT_NE(error_of({"--data", "/d", "stray"}).find("only options"), std::string::npos);
  for (const char* listen : {"7777", ":7777", "host:", "host:port", "::1:7777", "host:70000", "host:7x"}) {
    EXPECT_NE(error_of({"--data", "/d", "--listen", listen}).find("--listen"), std::string::npos) << listen;
  }
  for (const char* repo : {"shop", "=url", "shop="}) {
    EXPECT_NE(error_of({"--data", "/d", "--repo", repo}).find("--repo"), std::string::npos) << repo;
  }
  const std::string with_password = error_of({"--data", "/d", "--repo", "shop=https://me:s3cret@example.org/shop.git"});
  EXPECT_NE(with_password.find("--repo: the URL of shop has a password"), std::string::npos) << with_password;
  EXPECT_EQ(with_password.find("s3cret"), std::string::npos);
  for (const char* repo :
       {"shop=git@example.org:shop.git", "shop=ssh://git@example.org:22/shop.git", "shop=/a/b:c@d"}) {
    EXPECT_EQ(error_of({"--data", "/d", "--repo", repo}), "none") << repo;
  }
  EXPECT_NE(error_of({"--data", "/d", "--log", "xml"}).find("--log"), std::string::npos);
  EXPECT_NE(error_of({"--data", "/d", "--config", "/none"}).find("/none"), std::string::npos);
  EXPECT_NE(error_of({"--data", "/d"}, {{"PAWL_LISTEN", "x"}}).find("--listen"), std::string::npos);
}

TEST(Options, unknown_names_in_the_file_are_refused_with_the_file) {
  const std::string file = testing::TempDir() + "pawl-options-bad-" + std::to_string(::getpid());
  std::ofstream(file) << "data = /d\ncolour = red\n";
  const std::string error = error_of({"--config", file.c_str()});
  EXPECT_NE(error.find("colour"), std::string::npos);
  EXPECT_NE(error.find(file), std::string::npos);
  ::unlink(file.c_str());
}

TEST(Options, help_and_version_are_answers) {
  EXPECT_NE(options({"--help"})->answer->find("--pipeline"), std::string::npos);
  EXPECT_TRUE(options({"--version"})->answer->starts_with("pawld "));
}

struct HandClock {
  std::int64_t wall = 0;
  std::int64_t monotonic = 0;
  Clock::Sources sources() {
    return {.wall = [this] { return wall; }, .monotonic = [this] { return monotonic; }};
  }
};

TEST(Clock, begins_at_the_later_of_wall_clock_and_last_record) {
  HandClock hand{.wall = 1000, .monotonic = 5};
  EXPECT_EQ(Clock(TimeUs{900}, hand.sources()).now().us, 1000);
  EXPECT_EQ(Clock(TimeUs{2000}, hand.sources()).now().us, 2000);
}

TEST(Clock, a_step_of_the_wall_clock_is_followed_by_500_ppm_at_most) {
  HandClock hand{.wall = 1'000'000'000, .monotonic = 0};
  Clock clock(TimeUs{0}, hand.sources());
  hand.wall += 3600 * us_per_s;  // somebody sets it an hour ahead
  hand.monotonic = 10 * us_per_s;
  EXPECT_EQ(clock.now().us, 1'000'000'000 + 10 * us_per_s + 5000);
  hand.wall = 0;  // and now far back
  hand.monotonic = 20 * us_per_s;
  EXPECT_EQ(clock.now().us, 1'000'000'000 + 20 * us_per_s);
}

TEST(Clock, never_goes_back_however_often_it_is_asked) {
  HandClock hand{.wall = 1'000'000'000, .monotonic = 0};
  Clock clock(TimeUs{0}, hand.sources());
  hand.wall = 0;
  std::int64_t last = 0;
  for (int i = 0; i < 10'000; ++i) {
    hand.monotonic += i % 700;
    const std::int64_t now = clock.now().us;
    ASSERT_GE(now, last);
    last = now;
  }
  EXPECT_LT(last, 1'000'000'000 + hand.monotonic) << "it is on its way back";
}

TEST(Clock, catches_up_with_a_wall_clock_that_is_a_little_ahead_and_stays_there) {
  HandClock hand{.wall = 1'000'000'000, .monotonic = 0};
  Clock clock(TimeUs{0}, hand.sources());
  hand.wall += 100;
  for (int i = 0; i < 1000; ++i) {
    hand.wall += 1000;
    hand.monotonic += 1000;
    clock.now();
  }
  EXPECT_EQ(clock.now().us, hand.wall);
}

/// Somebody sets the wall clock a week ahead, then far back. Each pass sees a job that runs and a lease that has a ttl.
TEST(Reaper, ClockStepReapsNobody) {
  HandClock hand{.wall = 1'767'225'600 * us_per_s, .monotonic = 0};
  Clock clock(TimeUs{0}, hand.sources());
  DirectMachine machine;
  ScriptedWorld world;
  Streaks streaks;
  const Asker daemon{.boot = "b", .actor = "pawld", .key = {}, .request = std::nullopt};
  machine.set_now(clock.now());
  ASSERT_TRUE(start_boot(machine, "b", "test"));
  ASSERT_TRUE(define_pipelines(machine, {}, {}, daemon));
  fb::TaskCreatedT created;
  created.work_item = "W-1";
  created.repo = "shop";
  ASSERT_EQ(machine.propose(propose_group(daemon, created)).outcome, Outcome::accepted);
  const auto owner = [] {
    auto row = std::make_unique<fb::OwnerT>();
    row->boot_id = "b";
    row->pid = 1;
    row->actor = "executor";
    return row;
  };
  fb::JobClaimedT claimed;
  claimed.job = 1;
  claimed.owner = owner();
  fb::LeaseAcquiredT leased;
  leased.key = "repo:shop";
  leased.owner = owner();
  leased.ttl = 600;
  ASSERT_EQ(machine.propose(propose_group(daemon, claimed, leased)).outcome, Outcome::accepted);
  const auto pass = [&] {
    hand.monotonic += 60 * us_per_s;
    hand.wall += 60 * us_per_s;
    machine.set_now(clock.now());
    EXPECT_FALSE(reap_job(machine, world, TaskId{1}, JobId{1}, streaks, daemon, 1).reaped);
    EXPECT_TRUE(
        leases_to_reclaim(machine.state(), machine.now(), [](const Owner&, const Boot&) { return true; }).empty());
  };
  pass();
  hand.wall += 7 * 24 * 3600 * us_per_s;
  for (int i = 0; i < 4; ++i) pass();
  hand.wall = 0;
  for (int i = 0; i < 4; ++i) pass();
  // And what is truly too old is reaped all the same.
  hand.monotonic += 5400 * us_per_s;
  machine.set_now(clock.now());
  EXPECT_TRUE(reap_job(machine, world, TaskId{1}, JobId{1}, streaks, daemon, 1).reaped);
}

TEST(Startup, a_torn_tail_is_told_in_the_boots_version) {
  EXPECT_EQ(boot_version(std::nullopt).find("torn"), std::string::npos);
  EXPECT_TRUE(boot_version(Seq{813}).ends_with("+torn.813"));
}

}  // namespace
}  // namespace pawl
